"""Commands of the widget: publish a release, print the tag that partners copy."""

from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from idp.errors import RefusedError
from widget.publication import built, publish
from widget.releases import LOGIN, releases, tag


@click.group("widget")
def widget() -> None:
    """Publie le bouton de connexion et donne sa balise."""


@widget.command("publier")
@click.option("--esbuild", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="Programme esbuild.")
@click.option("--remplacer", "again", is_flag=True, help="La version n'a encore été servie nulle part : la réécrire.")
def publish_release(esbuild: Path, *, again: bool) -> None:
    """Réduit, mesure et range la version que nomme widget/package.json."""
    try:
        release = publish(built(esbuild), datetime.now(UTC).date().isoformat(), again=again)
    except RefusedError as error:
        raise click.ClickException(error.public) from error
    for name, facts in release.files.items():
        click.echo(f"{release.version}/{name} : {facts['bytes']} octets, {facts['integrity']}")


@widget.command("balise")
@click.option("--version", "wanted", default="", help="La plus récente si elle n'est pas dite.")
@with_appcontext
def show_tag(wanted: str) -> None:
    """Écrit la balise à copier dans la page d'un partenaire."""
    found = next((release for release in releases() if wanted in ("", release.version)), None)
    if found is None:
        raise click.ClickException(f"Aucune version « {wanted} » de {LOGIN} n'est publiée.")
    click.echo(tag(current_app.extensions["mag"].settings.issuer, found))


COMMANDS = (widget,)
