"""`flask --app wsgi rcd …`: fill the directory of companies, see what was refused, see how fresh it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import AppGroup

from idp import http
from idp.audit import journal
from idp.audit.events import RcdImported
from idp.database import UNAVAILABLE, db
from idp.entreprises import rcd as directory
from idp.entreprises.models import ImportRcd, Progress, RefusRcd
from idp.entreprises.sirene import Genre
from idp.entreprises.stock import Stock, stocks
from idp.errors import MagError

rcd = AppGroup("rcd", help="Répertoire des entreprises : importer les fichiers Sirene, lire les refus, connaître l'état.")
COMMANDS = (rcd,)
TITLES = {Genre.ENTREPRISES: "Entreprises", Genre.ETABLISSEMENTS: "Établissements"}


def grouped(number: int) -> str:
    """`2 000 000`, with no-break spaces."""
    return f"{number:,}".replace(",", "\u202f")


def counts(progress: Progress) -> str:
    """What became of the rows."""
    return (f"{grouped(progress.lues)} lignes lues, {grouped(progress.ecrites)} écrites, "
            f"{grouped(progress.inchangees)} sans changement, {grouped(progress.refusees)} refusées")


@contextmanager
def answers() -> Iterator[None]:
    """A refusal, or a database that does not follow, ends the command with one sentence."""
    driver_error = http.mag().connections.dialect.loaded_dbapi.Error
    try:
        yield
    except MagError as error:
        raise click.ClickException(error.public) from error
    except OSError as error:
        raise click.ClickException(f"Lecture impossible : {error.strerror or error}.") from error
    except (UNAVAILABLE, driver_error) as error:
        reason = str(error).partition("\n")[0]
        raise click.ClickException(f"La base de données ne suit pas : {reason}. Relancez : un import reprend où il en était.") from error


@rcd.command("import")
@click.argument("fichiers", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
def import_files(fichiers: tuple[Path, ...]) -> None:
    """Importer des fichiers stock de l'INSEE (StockUniteLegale, StockEtablissement), en CSV ou dans leur zip.

    Un fichier déjà importé ne change rien ; un import interrompu reprend où il en était.
    """
    with answers():
        for stock in [stock for fichier in fichiers for stock in stocks(fichier)]:
            _import(stock)


def _import(stock: Stock) -> None:
    started = time.monotonic()
    with click.progressbar(length=stock.size, label=stock.name) as bar:
        bilan = directory.importer(http.mag().connections, stock, clock=lambda: datetime.now(UTC), advanced=bar.update)
    journal.record(RcdImported(file=stock.name, rows=bilan.progress.lues, refused=bilan.progress.refusees, actor="commande"))
    db.session.commit()
    if bilan.resumed_at:
        click.echo(f"Repris après la ligne {grouped(bilan.resumed_at)}.")
    click.echo(f"{stock.name} : {counts(bilan.progress)}, en {time.monotonic() - started:.0f} s.")
    if bilan.progress.refusees:
        click.echo(f"Lignes refusées et motifs : mag rcd refus {bilan.import_id}")


@rcd.command("refus")
@click.argument("import_id", metavar="[IMPORT]", required=False, type=int)
def list_refused(import_id: int | None) -> None:
    """Lister les lignes refusées d'un import (le dernier, sans numéro) : numéro de ligne, tabulation, motif."""
    with answers():
        found = ImportRcd.find(import_id) if import_id is not None else next(iter(ImportRcd.latest(limit=1)), None)
        if found is None:
            raise click.ClickException("Aucun import de ce numéro." if import_id is not None else "Aucun import pour l'instant.")
        click.echo(f"Import {found.id}, {found.fichier} : {grouped(found.refusees)} lignes refusées.", err=True)
        for refus in RefusRcd.of(found.id):
            click.echo(f"{refus.ligne}\t{refus.motif}")


@rcd.command("etat")
def show_state() -> None:
    """Montrer ce que contient le répertoire, sa fraîcheur et les derniers imports."""
    with answers():
        for etat in directory.etats(http.mag().connections):
            fresh = f"mis à jour par l'INSEE jusqu'au {etat.mis_a_jour:%d/%m/%Y}" if etat.mis_a_jour else "sans date de mise à jour"
            click.echo(f"{TITLES[etat.genre]} : {grouped(etat.total)}, dont {grouped(etat.actifs)} en activité ; {fresh}.")
        for one in ImportRcd.latest():
            click.echo(_summary(one))


def _summary(one: ImportRcd) -> str:
    """One line about an import."""
    share = f"{100 * one.position // one.taille} % au {one.advanced_at:%d/%m/%Y à %H:%M} UTC"
    done = f"terminé le {one.finished_at:%d/%m/%Y à %H:%M} UTC" if one.finished_at else f"pas terminé ({share})"
    return f"Import {one.id}, {one.fichier}, {done} : {counts(one.progress)}."
