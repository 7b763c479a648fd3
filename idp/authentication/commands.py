"""`mag connexion …`: what an operator does about sign-in."""

import click
from flask.cli import AppGroup

from idp import http
from idp.audit import journal
from idp.audit.events import BrakeLifted
from idp.authentication.throttle import Throttle, account_of
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import MagError

connexion = AppGroup("connexion", help="Connexions : lever un frein.")
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
