"""`mag operateurs …`: who works at the operators' desk."""

from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from idp import http
from idp.console import answers
from idp.database import db
from idp.support import enrolment
from idp.support.models import Fonction, Operateur

operateurs = AppGroup("operateurs", help="Opérateurs du bureau : inviter, relancer, désactiver, lister.")
COMMANDS = (operateurs,)
ACTOR = "commande"


@operateurs.command("inviter")
@click.argument("nom")
@click.argument("email")
@click.option(
    "--fonction",
    "fonctions",
    type=click.Choice([fonction.value for fonction in Fonction]),
    multiple=True,
    required=True,
    help="Ce que la personne fera ; plusieurs fois s'il le faut.",
)
def inviter(nom: str, email: str, *, fonctions: tuple[str, ...]) -> None:
    """Invite un opérateur : affiche un lien, valable une fois et 24 heures, à lui remettre en main propre."""
    with answers():
        _check_desk()
        token = enrolment.inviter(nom, email, [Fonction(one) for one in fonctions], datetime.now(UTC), ACTOR)
        db.session.commit()
    _show(token)


@operateurs.command("relancer")
@click.argument("email")
def relancer(email: str) -> None:
    """Donne un nouveau lien à un opérateur qui a perdu le sien, son mot de passe ou son téléphone."""
    _check_desk()
    token = enrolment.relancer(_found(email), datetime.now(UTC), ACTOR)
    db.session.commit()
    _show(token)


@operateurs.command("desactiver")
@click.argument("email")
def desactiver(email: str) -> None:
    """Ferme le bureau à un opérateur, tout de suite et pour toujours."""
    enrolment.desactiver(_found(email), datetime.now(UTC), ACTOR)
    db.session.commit()
    click.echo("Cet opérateur ne peut plus entrer ; ses sessions sont fermées.")


@operateurs.command("lister")
def lister() -> None:
    """Montre les opérateurs, leurs fonctions et leur état."""
    for one in Operateur.every():
        state = "désactivé" if one.disabled_at else "actif" if one.active else "invité"
        click.echo(f"{one.nom}\t{one.email}\t{', '.join(one.fonctions)}\t{state}")


def _found(email: str) -> Operateur:
    found = Operateur.with_email(email)
    if found is None or found.disabled_at is not None:
        raise click.ClickException("Aucun opérateur en fonction n'a cette adresse.")
    return found


def _check_desk() -> None:
    if not http.mag().settings.desk_url:
        raise click.ClickException("MAG_DESK_URL n'est pas réglé : il n'y a pas de bureau.")


def _show(token: str) -> None:
    click.echo("Lien à remettre à l'opérateur, valable une fois et 24 heures :")
    click.echo(f"{http.mag().settings.desk_url}/invitation/{token}")
