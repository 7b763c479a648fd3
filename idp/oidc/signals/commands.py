"""`mag signaux`: streams of events of each partner, what was not delivered, and acting on it. Servers deliver by themselves."""

from datetime import UTC, datetime

import click
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from flask.cli import AppGroup

from idp import http
from idp.database import db
from idp.notifications.messages import in_words
from idp.oidc.signals.events import WORDS
from idp.oidc.signals.management import Streams
from idp.oidc.signals.models import Signal, Stream

ACTOR = "commande"
STATES = {"enabled": "en service", "paused": "en pause", "disabled": "arrêté"}
SHOWN = 100
signaux = AppGroup("signaux", help="Flux de signaux vers les partenaires : lister, ouvrir, essayer, relancer, suspendre.")


@signaux.command("lister")
def lister() -> None:
    """Liste les flux, ce qui attend et ce qui a été abandonné."""
    tally = Signal.tally()
    found = Stream.every()
    for one in found:
        waiting, lost, sent, since = tally.get(one.id, (0, 0, 0, None))
        how = f"poussés à {one.endpoint_url}" if one.endpoint_url else "relevés par le partenaire"
        oldest = f", le plus ancien du {in_words(since)}" if since else ""
        held = f" par {one.held_by}" if one.held_by else ""
        click.echo(f"{one.client_id}  {STATES[one.status]}{held}  {how}")
        click.echo(f"    {waiting} en attente{oldest}, {lost} abandonné(s), {sent} remis")
    click.echo(f"{len(found)} flux." if found else "Aucun flux n'est ouvert.")


@signaux.command("voir")
@click.argument("client_id")
def voir(client_id: str) -> None:
    """Montre ce qui attend ou a été abandonné pour un partenaire, le plus récent d'abord."""
    for one in Signal.undelivered(_stream(client_id).id, SHOWN):
        state = f"prochain essai le {in_words(one.next_try_at)}" if one.next_try_at else ("ABANDONNÉ" if one.failure else "à relever")
        why = f" ; dernier échec : {one.failure}" if one.failure else ""
        click.echo(f"{WORDS[one.kind]}  du {in_words(one.occurred_at)}  essais : {one.tries}  {state}{why}")


@signaux.command("ouvrir")
@click.argument("client_id")
@click.argument("adresse")
@click.option("--autorisation", help="En-tête Authorization des envois, si le partenaire en veut un.")
def ouvrir(client_id: str, adresse: str, autorisation: str | None) -> None:
    """Ouvre le flux d'un partenaire qui ne le fait pas lui-même, ou change son adresse."""
    client = http.mag().registry.find(client_id)
    if client is None:
        raise click.ClickException(f"Le client {client_id} n'existe pas, ou n'est pas en service.")
    try:
        _streams().open_at(client, adresse, datetime.now(UTC), autorisation)
    except InvalidRequestError as error:
        raise click.ClickException(f"Cette adresse n'est pas acceptée : {error.description}") from error
    db.session.commit()
    click.echo(f"Les signaux de {client_id} seront poussés à {adresse}.")


@signaux.command("fermer")
@click.argument("client_id")
def fermer(client_id: str) -> None:
    """Ferme le flux d'un partenaire ; ce qui attendait est perdu."""
    _streams().delete(_stream(client_id), datetime.now(UTC))
    db.session.commit()
    click.echo("Le flux est fermé.")


@signaux.command("essayer")
@click.argument("client_id")
def essayer(client_id: str) -> None:
    """Envoie un signal d'essai, qui ne dit rien de personne."""
    _streams().test(_stream(client_id), datetime.now(UTC))
    db.session.commit()
    click.echo("Un signal d'essai est en file : « mag signaux lister » dira s'il est remis.")


@signaux.command("relancer")
@click.argument("client_id")
def relancer(client_id: str) -> None:
    """Remet en file, tout de suite, ce qui a échoué."""
    count = _streams().again(_stream(client_id), ACTOR, datetime.now(UTC))
    db.session.commit()
    click.echo(f"{count} signal(aux) remis en file." if count else "Rien n'avait échoué.")


@signaux.command("suspendre")
@click.argument("client_id")
def suspendre(client_id: str) -> None:
    """Met un flux en pause : les signaux attendent, et le partenaire ne peut pas le reprendre."""
    _streams().pause(_stream(client_id), ACTOR, datetime.now(UTC))
    db.session.commit()
    click.echo("Le flux est en pause : rien n'est perdu.")


@signaux.command("reprendre")
@click.argument("client_id")
def reprendre(client_id: str) -> None:
    """Remet un flux en service."""
    _streams().resume(_stream(client_id), ACTOR, datetime.now(UTC))
    db.session.commit()
    click.echo("Le flux est en service.")


@signaux.command("envoyer")
def envoyer() -> None:
    """Envoie ce qui est dû, puis s'arrête. Les serveurs le font d'eux-mêmes."""
    done = http.mag().messenger.send_due()
    click.echo(f"{done.sent} remis, {done.failed} en échec.")


def _streams() -> Streams:
    mag = http.mag()
    return Streams(mag.settings, mag.keyring, mag.signals.audience)


def _stream(client_id: str) -> Stream:
    found = Stream.of_client(client_id, lock=True)
    if found is None:
        raise click.ClickException(f"Le client {client_id} n'a pas de flux.")
    return found


COMMANDS = (signaux,)
