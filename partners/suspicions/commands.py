"""`mag suspicions …`: suspicious behaviours received and told, and telling one to both bodies of an agreement."""

from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import with_appcontext

from idp.database import db
from idp.notifications.messages import in_words
from idp.oidc.signals.models import Signal
from idp.oidc.tokens import Reader
from partners.suspicions import declaration
from partners.suspicions.declaration import Declaration
from partners.suspicions.messages import MOTIFS
from partners.suspicions.models import RECUE, ComportementSuspect, Remise
from partners.suspicions.vecteur import Recherche

SHOWN = 200
"""The latest ones."""
ACTOR = "commande"
TOLD = {
    Remise.REMISE: "",
    Remise.EN_ATTENTE: "  [signal en attente]",
    Remise.ABANDONNEE: "  [signal abandonné]",
    Remise.PERDUE: "  [flux fermé avant la remise : à transmettre]",
    Remise.AUCUNE: "  [aucun contact : à transmettre]",
}


@click.group()
def suspicions() -> None:
    """Comportements suspects que les organismes d'une convention se déclarent."""


@suspicions.command()
@with_appcontext
def lister() -> None:
    """Liste les déclarations, les dernières d'abord."""
    found = ComportementSuspect.latest(SHOWN)
    signals = Signal.named([row.signal_jti for row in found if row.signal_jti])
    for row in found:
        way = "reçu de" if row.sens == RECUE else "dit à"
        told = "" if row.sens == RECUE else TOLD[row.remise(signals.get(row.signal_jti or ""))]
        click.echo(
            f"{in_words(row.declared_at)}  {row.convention}  {way} {row.partenaire.code} : {MOTIFS[row.motif]}  "
            f"({row.reaction})  {row.vecteur[:12]}…{told}"
        )
    if not found:
        click.echo("Aucune déclaration.")


@suspicions.command()
@click.argument("vecteur")
@click.option("--motif", required=True, type=click.Choice(sorted(MOTIFS)))
@click.option("--description", default="", help="Une phrase pour les deux organismes ; ne nommez personne.")
@with_appcontext
def signaler(vecteur: str, motif: str, description: str) -> None:
    """Signale un comportement suspect aux deux organismes d'une convention, à propos d'un jeton (son jti)."""
    mag = current_app.extensions["mag"]
    found = Recherche(mag.connections, mag.keyring, Reader(mag.settings, mag.keyring), None, mag.registry).find(vecteur)
    if found is None:
        raise click.ClickException("Aucun jeton fait sous une convention n'a ce jti.")
    means = declaration.Means(mag.settings, mag.connections, mag.ephemeral, mag.registry)
    rows = declaration.emit(means, found, Declaration(motif, description, ACTOR), datetime.now(UTC))
    db.session.commit()
    for row in rows:
        by = "prévenu par courrier" if row.delivered_at else "prévenu par signal"
        click.echo(f"{row.partenaire.code} : {by if row.delivered_at or row.signal_jti else 'aucun contact, à prévenir autrement'}.")


COMMANDS = (suspicions,)
