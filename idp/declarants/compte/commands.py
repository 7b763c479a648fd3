"""What time does to identities, as commands that a timer runs: `mag declarants adresses`, `dormants`, `effacer`. Each may be run twice."""

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from idp import http
from idp.database import db
from idp.declarants.compte.joignable import ask_addresses
from idp.oidc import dormancy, removal


@click.command("adresses")
@with_appcontext
def adresses() -> None:
    """Demande aux personnes de confirmer leur adresse électronique, tous les MAG_EMAIL_CHECK_MONTHS mois. Chaque jour."""
    done = ask_addresses(http.mag().settings, datetime.now(UTC))
    click.echo(f"{done.asked} demande(s), {done.reminded} rappel(s), {done.unconfirmed} adresse(s) restée(s) sans réponse.")


@click.command("dormants")
@with_appcontext
def dormants() -> None:
    """Prévient, puis suspend, les personnes qui ne se connectent plus depuis MAG_DORMANT_MONTHS mois. Chaque jour."""
    mag = http.mag()
    done = dormancy.pass_over(mag.ephemeral, mag.settings, mag.registry, datetime.now(UTC))
    mag.messenger.wake()
    click.echo(f"{done.warned} prévenue(s), {done.warned_again} prévenue(s) une seconde fois, {done.suspended} suspendue(s).")
    for who in done.kept:
        click.echo(f"À traiter par un opérateur, dernier administrateur de son établissement : {who}.")


@click.command("effacer")
@with_appcontext
def effacer() -> None:
    """Efface ce qui nomme les personnes radiées depuis plus de 30 jours. Chaque jour."""
    total = 0
    while erased := removal.erase_due(datetime.now(UTC)):
        db.session.commit()
        total += erased
    click.echo(f"{total} identité(s) effacée(s).")


OF_DECLARANTS = (adresses, dormants, effacer)
"""Joined by wsgi.py to the group `mag declarants`."""
