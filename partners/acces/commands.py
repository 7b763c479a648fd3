"""`mag partenaires adresses`, `liens`, `retirer-lien`: under which addresses links may lead, and those that partners made."""

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from idp.console import answers
from idp.database import db
from idp.oidc.client_metadata import InvalidClientMetadataError
from partners import onboarding
from partners.acces import creation
from partners.acces.models import Lien
from partners.onboarding import RegistrationRefusedError

MEMBER = "link_prefixes"
SHOWN = 500
"""Links that are listed, the latest."""


@click.command()
@click.argument("client_id")
@click.option("--ajouter", "added", multiple=True, help="Adresse sous laquelle un lien pourra mener : https://portail.exemple.fr/espace")
@click.option("--retirer", "removed", multiple=True, help="Adresse sous laquelle plus aucun lien ne mènera.")
@with_appcontext
def adresses(client_id: str, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Montre ou change les adresses auxquelles les liens /acces d'un client peuvent mener."""
    with answers():
        client = onboarding.client_named(client_id)
        held = list(client.client_metadata.get(MEMBER, []))
        if missing := [one for one in removed if one not in held]:
            raise RegistrationRefusedError(f"« {missing[0]} » n'est pas inscrite.")
        wanted = [one for one in dict.fromkeys((*held, *added)) if one not in removed]
        if wanted != held:
            try:
                onboarding.change_client(client, {**client.client_metadata, MEMBER: wanted}, datetime.now(UTC))
            except InvalidClientMetadataError as error:
                raise RegistrationRefusedError(onboarding.sentence_of(error)) from error
            db.session.commit()
    click.echo("\n".join(wanted) or f"Aucun lien ne mène chez {client_id}.")


@click.command()
@click.argument("code")
@with_appcontext
def liens(code: str) -> None:
    """Liste les liens signés qu'un partenaire a créés, les derniers d'abord."""
    with answers():
        onboarding.partenaire_named(code)
    found, now = Lien.of(code, "", SHOWN), datetime.now(UTC)
    for lien in found:
        state = f"jusqu'au {lien.expires_at:%d/%m/%Y à %H:%M} UTC" if lien.lives(now) else "fini"
        click.echo(f"{lien.id}  {state:<32} {'suivi' if lien.used_at else 'jamais suivi':<13} {lien.ressource}")
    if not found:
        click.echo("Aucun lien.")


@click.command("retirer-lien")
@click.argument("code")
@click.argument("lien")
@with_appcontext
def retirer_lien(code: str, lien: str) -> None:
    """Met fin à un lien signé, par son numéro : il n'ouvre plus rien."""
    with answers():
        found = Lien.named(lien, code)
        if found is None:
            raise RegistrationRefusedError(f"Aucun lien « {lien} » chez « {code} ».")
        done = creation.revoke(found, datetime.now(UTC), actor=onboarding.ACTOR)
        db.session.commit()
    click.echo(f"Le lien {lien} n'ouvre plus rien." if done else f"Le lien {lien} était déjà fini.")


OF_PARTENAIRES = (adresses, liens, retirer_lien)
"""Joined by wsgi.py to the group `mag partenaires`."""
