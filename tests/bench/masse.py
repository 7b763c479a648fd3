"""A mass file of 300,000 lines, then an act of 300,000 places, from end to end: checked, applied, undone, by the job that servers run;
what each takes of time and of memory. Before, 300,000 rights are exported: a CSV, and what fits a workbook.

    python -m tests.bench.masse --base sqlite:////tmp/pays.sqlite3 [--scale 0.02] [--lines 300000] [--only fichier]

Every line, and every place, gains a right that nobody has: five colleagues, sixty thousand clients. The worst that either may be; both at
the end of `make bench MASSE=1`. Not a test.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice, product
from tempfile import TemporaryFile

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.droits import written
from idp.habilitations.espace.dossiers.models import clients
from idp.habilitations.espace.gestes.acte import Demande
from idp.habilitations.espace.lecture import Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.espace.saisie import Filtre
from idp.habilitations.fichiers import accord, depot, gestes
from idp.habilitations.fichiers.exportation import Export
from idp.habilitations.fichiers.exportation import Portee as Extent
from idp.habilitations.fichiers.lignes import COLUMNS
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.ouvrier import Ouvrier
from idp.habilitations.fichiers.statuts import MOST_LINES
from idp.habilitations.fichiers.tableur import MOST_SHEET, csv_of, write_xlsx
from idp.seals import random_token
from tests.bench.echelle import Country
from tests.bench.nation import LARGE_FOLDERS

COLLEAGUES = 5
HEAD = "| étape | secondes | processeur de MAG, s | mémoire la plus haute, Mo |\n| --- | --- | --- | --- |"


def content(country: Country, lines: int) -> bytes:
    """A CSV file."""
    own = written(int(db.session.get_one(Declarant, country.nation.large).siret))
    targets = [cible for folder in range(1, LARGE_FOLDERS + 1) for cible in clients(folder, after=0, limit=1000)]
    people = range(country.nation.successor, country.nation.successor + COLLEAGUES)
    rows = islice(product(people, targets), lines)
    cells = (f"{own};Martin;N{who};;{written(cible)};dsn;declarer;" for who, cible in rows)
    return "\r\n".join([";".join(COLUMNS), *cells]).encode("utf-8-sig")


def peak() -> int:
    """MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def step(name: str, act: Callable[[], object]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    act()
    spent, own = time.perf_counter() - began, time.process_time() - cpu
    print(f"| {name} | {spent:.1f} | {own:.1f} | {peak()} |", flush=True)


def un_fichier(country: Country, lines: int) -> FichierDroits:
    """Sent, as the page of files does."""
    sent = content(country, lines)
    print(f"\n### {country.dialect} : un fichier de {lines:,} lignes, {len(sent) / 1e6:.1f} Mo\n", flush=True)
    author = db.session.get_one(Declarant, country.nation.large)
    return depot.deposer(author, random_token(16), "masse.csv", sent, datetime.now(UTC))


def un_geste(country: Country, places: int) -> FichierDroits:
    """Left to a job, as the page of acts does: one right, on the first clients of the large account, for it and four colleagues."""
    n, mag, now = country.nation, country.app.extensions["mag"], datetime.now(UTC)
    people = [db.session.get_one(Declarant, who) for who in (n.large, *range(n.successor, n.successor + COLLEAGUES - 1))]
    portee, lecteur = Portee.of(people[0]), Lecteur(mag.connections, mag.catalogue(), now, mag.annuaire)
    every = lecteur.toutes(n.large, Filtre(), MOST_LINES)
    fields = {
        **{"acte": ["attribuer"], "tout": ["1"], "droit": ["dat.declarer"], "personne": [one.uid for one in people]},
        "sauf": [str(cible) for cible in every[places // COLLEAGUES :]],
    }
    print(f"\n### {country.dialect} : un changement de {places // COLLEAGUES * COLLEAGUES:,} places\n", flush=True)
    return gestes.confier(Demande(portee, lecteur, fields, MOST_LINES), random_token(16))


def play(country: Country, deposit: Callable[[Country, int], FichierDroits], many: int) -> None:
    """Prints a table."""
    ouvrier: Ouvrier = country.app.extensions["mag_fichiers"]
    issuer = "https://mag.test"
    with country.app.app_context():
        found = deposit(country, many).id
        db.session.commit()
        print(HEAD, flush=True)
        print(f"| au départ | - | - | {peak()} |", flush=True)
        step("vérifier", ouvrier.traiter)
        accord.soumettre(db.session.get_one(FichierDroits, found), 0, datetime.now(UTC), issuer=issuer)
        db.session.commit()
        step("appliquer", ouvrier.traiter)
        applied = db.session.get_one(FichierDroits, found)
        print(f"\n{applied.etat} : {applied.bilan} {applied.motif or ''}\n", flush=True)
        accord.annuler(applied, "declarant:1", datetime.now(UTC))
        db.session.commit()
        step("annuler", ouvrier.traiter)
        fichier = db.session.get_one(FichierDroits, found)
        print(f"\n{fichier.etat} {fichier.motif or ''}", flush=True)


def exporter(country: Country, lines: int) -> None:
    """What the page of files gives: every right of the large account, as a CSV, then as XLSX, which is bounded."""
    with country.app.app_context():
        author = db.session.get_one(Declarant, country.nation.large)

        def rows(most: int) -> Iterator[list[str]]:
            export = Export(country.catalogue, [author], {}, Extent.EFFECTIFS, datetime.now(UTC))
            return islice(export.rows(), most + 1)

        def csv() -> None:
            with TemporaryFile() as out:
                out.writelines(csv_of(rows(lines)))

        def xlsx() -> None:
            with TemporaryFile() as out:
                write_xlsx(out, rows(min(lines, MOST_SHEET)), title="Habilitations")

        print(f"\n### {country.dialect} : exporter {lines:,} droits\n\n{HEAD}", flush=True)
        step(f"exporter {lines:,} lignes en CSV", csv)
        step(f"exporter {min(lines, MOST_SHEET):,} lignes en XLSX, {MOST_SHEET:,} au plus", xlsx)


DEPOSITS = {"fichier": un_fichier, "geste": un_geste}


def both(country: Country) -> None:
    """The largest that each may be."""
    exporter(country, MOST_LINES)
    for deposit in DEPOSITS.values():
        play(country, deposit, MOST_LINES)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.masse", description="Un fichier et un changement de masse, de bout en bout."
    )
    parser.add_argument("--base", required=True, help="the URL of a database of tests.bench.echelle, made there when it is empty")
    parser.add_argument("--scale", type=float, default=0.02)
    parser.add_argument("--lines", type=int, default=MOST_LINES, help="or places")
    parser.add_argument("--only", choices=("export", *DEPOSITS))
    asked = parser.parse_args()
    country = Country(asked.base, asked.scale)
    if asked.only in (None, "export"):
        exporter(country, asked.lines)
    for name in DEPOSITS if asked.only is None else {asked.only} & DEPOSITS.keys():
        play(country, DEPOSITS[name], asked.lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
