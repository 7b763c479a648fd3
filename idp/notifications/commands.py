"""`mag courrier`: send the outbox once, or keep sending it."""

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from idp import http
from idp.errors import SettingError
from idp.notifications.delivery import Sent, send_due
from idp.notifications.following import follow


@click.group()
def courrier() -> None:
    """Courriers électroniques en attente d'envoi."""


@courrier.command("envoyer")
@with_appcontext
def envoyer() -> None:
    """Envoie les courriers en attente, puis s'arrête."""
    done = _send()
    click.echo(f"{done.sent} envoyé(s), {done.failed} en échec.")


@courrier.command("suivre")
@click.option("--intervalle", default=5.0, show_default=True, help="Secondes entre deux passages.")
@with_appcontext
def suivre(intervalle: float) -> None:
    """Envoie les courriers au fil de l'eau, jusqu'à l'arrêt du processus (SIGTERM ou Ctrl-C)."""
    follow(_send, intervalle, "mails")


def _send() -> Sent:
    settings = http.mag().settings
    if not settings.smtp_url:
        raise click.ClickException("MAG_SMTP_URL est vide : les courriers restent en attente.")
    try:
        return send_due(settings, datetime.now(UTC))
    except SettingError as error:
        raise click.ClickException(str(error)) from error


COMMANDS = (courrier,)
