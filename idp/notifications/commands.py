"""`mag courrier`: send the outbox once, or keep sending it. `mag lettres`: what is to be printed and posted."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from idp import http
from idp.database import db
from idp.errors import SettingError
from idp.notifications.delivery import Sent, send_due
from idp.notifications.following import follow
from idp.notifications.messages import in_words
from idp.notifications.models import Letter


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


@click.group()
def lettres() -> None:
    """Lettres à imprimer et à poster : les lister, les prendre, dire qu'elles sont parties."""


@lettres.command("lister")
@with_appcontext
def lister() -> None:
    """Liste les lettres qui attendent, de la plus ancienne à la plus récente."""
    found = Letter.waiting()
    for letter in found:
        state = f"prise le {in_words(letter.exported_at)}" if letter.exported_at else "à prendre"
        click.echo(f"{letter.id:>6}  {letter.kind:<22} {in_words(letter.created_at)}  {state}")
    click.echo(f"{len(found)} lettre(s) en attente.")


@lettres.command("exporter")
@click.argument("dossier", type=click.Path(file_okay=False, path_type=Path))
@click.option("--encore", is_flag=True, help="Reprend aussi celles qui ont déjà été prises et ne sont pas imprimées.")
@with_appcontext
def exporter(dossier: Path, encore: bool) -> None:
    """Écrit chaque lettre dans DOSSIER, un fichier PDF par lettre, lisible par son seul propriétaire."""
    dossier.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Letter.waiting(exported=None if encore else False)
    for letter in found:
        _write(dossier / f"lettre-{letter.id:06d}.pdf", letter.pdf or b"")
        letter.exported_at = datetime.now(UTC)
        db.session.commit()
    click.echo(f"{len(found)} lettre(s) écrite(s). Une fois imprimées, lancez « mag lettres imprimees », puis effacez les fichiers.")


def _write(path: Path, pdf: bytes) -> None:
    """Whole or not at all, and for its owner alone: it may hold a key."""
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pdf)
    draft.replace(path)


@lettres.command("imprimees")
@click.argument("numeros", type=int, nargs=-1)
@with_appcontext
def imprimees(numeros: tuple[int, ...]) -> None:
    """Dit que des lettres sont imprimées : toutes celles qui ont été prises, ou celles de ces NUMEROS. Leur contenu est effacé."""
    found = [letter for letter in Letter.waiting(exported=True) if not numeros or letter.id in numeros]
    for letter in found:
        letter.printed(datetime.now(UTC))
    db.session.commit()
    click.echo(f"{len(found)} lettre(s) imprimée(s) : leur contenu est effacé.")


COMMANDS = (courrier, lettres)
