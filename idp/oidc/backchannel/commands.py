"""`mag deconnexions`: what partners were not told, and telling them again. Servers do it by themselves; this is for operators."""

from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from idp import http
from idp.database import db
from idp.notifications.following import follow
from idp.notifications.messages import in_words
from idp.oidc.backchannel.models import LogoutNotice
from idp.oidc.delivery.messenger import Sent

deconnexions = AppGroup("deconnexions", help="Avis de déconnexion aux partenaires : lister, envoyer, suivre, relancer.")


@deconnexions.command("lister")
@click.option("--nombre", default=100, show_default=True, type=click.IntRange(1, 10_000), help="Au plus tant de lignes.")
def lister(nombre: int) -> None:
    """Liste les avis qui attendent ou qui ont été abandonnés, les plus récents d'abord."""
    found = LogoutNotice.undelivered(nombre)
    for one in found:
        state = f"prochain essai le {in_words(one.next_try_at)}" if one.next_try_at else "ABANDONNÉ"
        why = f" ; dernier échec : {one.failure}" if one.failure else ""
        click.echo(f"{one.client_id}  session {one.sid}  du {in_words(one.created_at)}  essais : {one.tries}  {state}{why}")
    click.echo(f"{len(found)} avis en attente ou abandonné(s)." if found else "Tous les partenaires sont prévenus.")


@deconnexions.command("envoyer")
def envoyer() -> None:
    """Envoie les avis dus, puis s'arrête. Les serveurs le font d'eux-mêmes."""
    done = _send()
    click.echo(f"{done.sent} avis remis, {done.failed} en échec.")


@deconnexions.command("suivre")
@click.option("--intervalle", default=5.0, show_default=True, help="Secondes entre deux passages.")
def suivre(intervalle: float) -> None:
    """Envoie les avis au fil de l'eau, jusqu'à l'arrêt du processus (SIGTERM ou Ctrl-C)."""
    follow(_send, intervalle, "notices")


@deconnexions.command("relancer")
def relancer() -> None:
    """Remet en attente, pour un jour, les avis abandonnés."""
    count = LogoutNotice.again(datetime.now(UTC))
    db.session.commit()
    click.echo(f"{count} avis remis en attente." if count else "Aucun avis n'a été abandonné.")


def _send() -> Sent:
    return http.mag().messenger.send_due()


COMMANDS = (deconnexions,)
