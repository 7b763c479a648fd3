"""`mag habilitations fichiers …`: mass files as operators see them: what waits, and the jobs done by a timer."""

import click
from flask import current_app
from flask.cli import AppGroup

from idp.habilitations.fichiers.models import FichierDroits, TravailFichier
from idp.habilitations.fichiers.ouvrier import Ouvrier
from idp.habilitations.fichiers.statuts import TITLES
from idp.notifications.following import follow
from idp.notifications.messages import in_words

fichiers = AppGroup("fichiers", help="Fichiers de masse : ce qui attend, et le travail de fond à la demande.")
OF_HABILITATIONS = (fichiers,)
"""Commands that wsgi.py puts under `mag habilitations`."""


def ouvrier() -> Ouvrier:
    found: Ouvrier = current_app.extensions["mag_fichiers"]
    return found


@fichiers.command("traiter")
def traiter() -> None:
    """Fait le travail en attente (vérifier, appliquer, annuler), puis s'arrête. Les serveurs le font d'eux-mêmes."""
    done = ouvrier().traiter()
    left = TravailFichier.waiting()
    click.echo(f"{done} {'travail terminé' if done < 2 else 'travaux terminés'}, {left} en attente.")


@fichiers.command("suivre")
@click.option("--intervalle", default=5.0, show_default=True, help="Secondes entre deux passages.")
def suivre(intervalle: float) -> None:
    """Fait le travail au fil de l'eau, jusqu'à l'arrêt du processus (SIGTERM ou Ctrl-C)."""
    follow(ouvrier().traiter, intervalle, "mass files")


@fichiers.command("lister")
@click.option("--nombre", default=20, show_default=True, type=click.IntRange(1, 1000), help="Au plus tant de lignes.")
def lister(nombre: int) -> None:
    """Liste les derniers fichiers et où ils en sont."""
    found = FichierDroits.latest(nombre)
    for one in found:
        job = TravailFichier.current(one.id) if one.etat.works else None
        step = f" ({job.faites} lignes sur {job.total or '?'}, essai {job.tries})" if job else ""
        why = f" : {one.motif}" if one.motif else ""
        click.echo(f"{one.reference}  {one.siret:014d}  {in_words(one.created_at)}  {one.nom}  {TITLES[one.etat]}{step}{why}")
    if not found:
        click.echo("Aucun fichier.")
