"""`mag conventions …`: agreements between bodies, from a file."""

from datetime import UTC, date, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from idp.console import answers
from idp.database import db
from idp.habilitations.pagm import Convention
from idp.notifications.messages import PARIS
from partners.conventions import accord
from partners.conventions.fichier import read_conventions
from partners.conventions.models import ConventionInscrite

READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)


def today() -> date:
    return datetime.now(PARIS).date()


def read(path: Path) -> tuple[Convention, ...]:
    return read_conventions(path.read_text("utf-8"), current_app.extensions["mag"].catalogue().services.keys())


@click.group()
def conventions() -> None:
    """Conventions entre organismes : qui peut agir chez qui, jusqu'à quand, avec quels PAGM."""


@conventions.command()
@click.argument("fichier", type=READABLE)
@with_appcontext
def importer(fichier: Path) -> None:
    """Inscrit ou change les conventions d'un fichier TOML (docs/interops.md)."""
    with answers():
        changes = accord.apply(read(fichier), datetime.now(UTC))
        db.session.commit()
    click.echo("\n".join(changes) or "Rien à changer.")


@conventions.command()
@click.argument("fichier", type=READABLE, required=False)
@with_appcontext
def verifier(fichier: Path | None) -> None:
    """Dit ce qu'un fichier changerait, sans rien changer ; sans fichier, ce qui est à revoir dans les conventions inscrites."""
    if fichier is None:
        found = list(accord.warnings(ConventionInscrite.every(), today()))
        click.echo("\n".join(found) or "Rien à revoir.")
        return
    with answers():
        changes = accord.apply(read(fichier), datetime.now(UTC))
        db.session.rollback()
    click.echo("\n".join(changes) or "Rien à changer.")


@conventions.command()
@with_appcontext
def lister() -> None:
    """Liste les conventions, leurs dates et leur état."""
    found = ConventionInscrite.every()
    for row in found:
        parties = f"{row.client.code} chez {row.fournisseur.code}"
        click.echo(f"{row.code:<32} {parties:<40} du {row.du:%d/%m/%Y} au {row.au:%d/%m/%Y}  {state(row, today())}")
    if not found:
        click.echo("Aucune convention.")


def state(row: ConventionInscrite, on: date) -> str:
    if row.ceased_at is not None:
        return f"a cessé le {row.ceased_at.astimezone(PARIS):%d/%m/%Y}"
    if on < row.du:
        return "à venir"
    if on > row.au:
        return "finie"
    return "en vigueur" if row.client.enabled and row.fournisseur.enabled else "partenaire désactivé"


@conventions.command()
@click.argument("code")
@with_appcontext
def cesser(code: str) -> None:
    """Met fin à une convention avant son terme : elle n'ouvre plus rien, ses jetons non plus. Sans retour."""
    with answers():
        done = accord.cease(accord.named(code), datetime.now(UTC))
        db.session.commit()
    click.echo(f"La convention {code} a cessé." if done else f"La convention {code} avait déjà cessé.")


COMMANDS = (conventions,)
