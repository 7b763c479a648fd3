"""A mass file of 300,000 lines from end to end: checked, applied, undone, by the job that servers run; what it takes of time and of memory.

    python -m tests.bench.masse --base sqlite:////tmp/pays.sqlite3 [--scale 0.02] [--lines 300000]

Every line gives a right that nobody has: five colleagues, sixty thousand clients. The worst that a file may be. Not a test.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice, product

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.droits import written
from idp.habilitations.espace.dossiers.models import clients
from idp.habilitations.fichiers import accord, depot
from idp.habilitations.fichiers.lignes import COLUMNS
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.ouvrier import Ouvrier
from idp.seals import random_token
from tests.bench.echelle import Country
from tests.bench.nation import LARGE_FOLDERS

COLLEAGUES = 5


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


def play(country: Country, lines: int) -> None:
    """Prints a table."""
    ouvrier: Ouvrier = country.app.extensions["mag_fichiers"]
    issuer, now = "https://mag.test", datetime.now(UTC)
    with country.app.app_context():
        sent = content(country, lines)
        print(f"{country.dialect} : {lines:,} lignes, {len(sent) / 1e6:.1f} Mo\n", flush=True)
        print("| étape | secondes | processeur de MAG, s | mémoire la plus haute, Mo |\n| --- | --- | --- | --- |", flush=True)
        author = db.session.get_one(Declarant, country.nation.large)
        found = depot.deposer(author, random_token(16), "masse.csv", sent, now).id
        db.session.commit()
        print(f"| au départ | - | - | {peak()} |", flush=True)
        step("vérifier", ouvrier.traiter)
        accord.soumettre(db.session.get_one(FichierDroits, found), 0, now, issuer=issuer)
        db.session.commit()
        step("appliquer", ouvrier.traiter)
        accord.annuler(db.session.get_one(FichierDroits, found), "declarant:1", datetime.now(UTC))
        db.session.commit()
        step("annuler", ouvrier.traiter)
        fichier = db.session.get_one(FichierDroits, found)
        print(f"\n{fichier.etat} : {fichier.bilan}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.masse", description="Un fichier de masse, de bout en bout.")
    parser.add_argument("--base", required=True, help="the URL of a database of tests.bench.echelle, made there when it is empty")
    parser.add_argument("--scale", type=float, default=0.02)
    parser.add_argument("--lines", type=int, default=300_000)
    asked = parser.parse_args()
    play(Country(asked.base, asked.scale), asked.lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
