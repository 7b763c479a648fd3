"""`mag connexion …`: what an operator does about sign-in, and what a timer looks for in the journal."""

from datetime import UTC, datetime, timedelta

import click
from flask.cli import AppGroup

from idp import http
from idp.audit import journal
from idp.audit.events import BrakeLifted
from idp.authentication import simultane
from idp.authentication.throttle import Throttle, account_of
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import MagError

connexion = AppGroup("connexion", help="Connexions : lever un frein, signaler les comptes partagés.")
COMMANDS = (connexion,)


@connexion.command("liberer")
@click.argument("siret")
@click.argument("nom")
@click.argument("prenom")
def liberer(siret: str, nom: str, prenom: str) -> None:
    """Lève le frein que des échecs de connexion ont mis à une identité."""
    mag = http.mag()
    try:
        identite = Identite(Siret.parse(siret), nom, prenom)
        Throttle(mag.ephemeral).release(account_of(mag.keyring, identite))
        found = Declarant.find(identite)
        journal.record(BrakeLifted(declarant_id=found.id if found else None, siret=int(identite.siret), actor="commande"))
        db.session.commit()
    except MagError as error:
        raise click.ClickException(error.public) from error
    click.echo("Le frein est levé : les prochaines tentatives ne seront plus ralenties.")


@connexion.command("simultanees")
@click.option("--heures", type=click.IntRange(1, 168), default=24, show_default=True, help="Ce qui est relu du journal.")
def simultanees(heures: int) -> None:
    """Écrit aux personnes dont le compte a servi depuis deux réseaux éloignés au même moment. Pour un minuteur ; deux fois ne nuit pas."""
    settings, now, told, after = http.mag().settings, datetime.now(UTC), 0, 0
    while True:
        count, after = simultane.suivre(settings, now, now - timedelta(hours=heures), after)
        db.session.commit()
        told += count
        if not after:
            break
    click.echo(f"{told} personne(s) prévenue(s).")
