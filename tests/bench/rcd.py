"""Rows per second, CPU and memory of an import of the directory of companies. Not a test: run by hand, or by `make bench`.

    python -m tests.bench.rcd --rows 2000000 --database-url postgresql+psycopg://mag@127.0.0.1:5432/bench

Makes a StockEtablissement file in INSEE's layout, the same one at each run, then imports it twice into each database: into
empty tables, then again, when nothing is left to change. Each import is a process of its own, so that its peak memory is
its own. SQLite is always measured, in a temporary file; the tables of the directory are dropped first in the others.
"""

import argparse
import csv
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from idp.database import Connections, Model
from idp.entreprises import rcd
from idp.entreprises.models import Entreprise, Etablissement, ImportRcd, RefusRcd
from idp.entreprises.siret import luhn
from idp.entreprises.stock import stocks

SAMPLE = Path(rcd.__file__).parent / "data" / "StockEtablissement_utf8.csv"
MOST_MEMORY = 300
"""MB of resident memory that no import may exceed."""
STREETS = ("DU GENERAL DE GAULLE", "DE L'EGLISE", "VICTOR HUGO", "DES LILAS", "JEAN JAURES", "DU MOULIN")
MASKED = dict.fromkeys(("numeroVoieEtablissement", "libelleVoieEtablissement", "codePostalEtablissement", "enseigne1Etablissement"), "[ND]")
TOWNS = (("75011", "PARIS", "75111"), ("69003", "LYON", "69383"), ("35000", "RENNES", "35238"), ("97400", "SAINT-DENIS", "97411"))


def keyed(digits: str) -> str:
    """The digits and their Luhn key."""
    return next(f"{digits}{key}" for key in range(10) if luhn(f"{digits}{key}"))


def etablissements(rows: int) -> Iterator[dict[str, str]]:
    """Three establishments a company; one row in a hundred thousand bears a wrong key, one in fifty is masked, one in ten is quoted."""
    dice = random.Random(20_250_115)
    for number in range(rows):
        siren = keyed(f"{30_000_000 + number // 3:08d}")
        siret = keyed(f"{siren}{number % 3 + 1:04d}")
        if number % 100_000 == 99_999:
            siret = f"{siret[:-1]}{(int(siret[-1]) + 1) % 10}"
        postal, town, commune = dice.choice(TOWNS)
        masked = number % 50 == 49
        yield {
            "siren": siren,
            "nic": siret[9:],
            "siret": siret,
            "statutDiffusionEtablissement": "P" if masked else "O",
            "dateCreationEtablissement": f"{dice.randint(1980, 2024)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
            "trancheEffectifsEtablissement": dice.choice(("", "01", "11", "NN")),
            "dateDernierTraitementEtablissement": "2025-01-15T10:00:00",
            "etablissementSiege": "true" if number % 3 == 0 else "false",
            "nombrePeriodesEtablissement": "1",
            "numeroVoieEtablissement": str(dice.randint(1, 200)),
            "typeVoieEtablissement": "RUE",
            "libelleVoieEtablissement": dice.choice(STREETS),
            "codePostalEtablissement": postal,
            "libelleCommuneEtablissement": town,
            "codeCommuneEtablissement": commune,
            "dateDebut": "2019-07-01",
            "etatAdministratifEtablissement": "F" if dice.random() < 0.55 else "A",
            "caractereEmployeurEtablissement": "N",
            "enseigne1Etablissement": f"MARTIN, {number} & FILS" if number % 10 == 0 else "",
            "activitePrincipaleEtablissement": "47.59A",
            "nomenclatureActivitePrincipaleEtablissement": "NAFRev2",
        } | (MASKED if masked else {})


def make(path: Path, rows: int) -> None:
    """Write the file, with the header that INSEE publishes."""
    with SAMPLE.open(newline="") as sample:
        header = next(csv.reader(sample))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(etablissements(rows))


def import_once(database_url: str, path: Path) -> None:
    """What the measured process does."""
    for stock in stocks(path):
        bilan = rcd.importer(Connections(database_url), stock, clock=lambda: datetime.now(UTC), advanced=lambda _bytes: None)
        print("   ", bilan.progress)


def measure(name: str, database_url: str, path: Path, rows: int) -> bool:
    """Import in a process of its own; print its figures. False when it took too much memory."""
    started = time.perf_counter()
    pid = os.posix_spawn(sys.executable, [sys.executable, "-m", "tests.bench.rcd", "--import", database_url, str(path)], os.environ)
    _, status, used = os.wait4(pid, 0)
    seconds, memory, cpu = time.perf_counter() - started, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
    verdict = "ok" if memory < MOST_MEMORY else f"MORE THAN {MOST_MEMORY} MB"
    print(f"{name}: {rows / seconds:,.0f} rows/s, {seconds:.1f} s,", end=" ")
    print(f"CPU of the importer {cpu:.1f} s, peak memory {memory:.0f} MB ({verdict})", flush=True)
    return status == 0 and memory < MOST_MEMORY


def empty(database_url: str) -> None:
    tables = [model.__table__ for model in (RefusRcd, ImportRcd, Etablissement, Entreprise)]
    engine = Connections(database_url).engine
    Model.metadata.drop_all(engine, tables=tables)  # type: ignore[arg-type]  # tables, which the annotation says less well
    Model.metadata.create_all(engine, tables=tables)  # type: ignore[arg-type]
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--database-url", action="append", default=[], help="a database whose directory may be dropped")
    parser.add_argument("--import", dest="imported", nargs=2, metavar=("URL", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.imported:
        import_once(asked.imported[0], Path(asked.imported[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "StockEtablissement_utf8.csv"
        make(path, asked.rows)
        print(f"{asked.rows:,} establishments, {path.stat().st_size / 1e6:.0f} MB", flush=True)
        good = True
        for url in (*asked.database_url, f"sqlite:///{folder}/bench.sqlite3"):
            empty(url)
            name = url.partition(":")[0]
            good &= measure(f"{name}, empty tables", url, path, asked.rows)
            good &= measure(f"{name}, again", url, path, asked.rows)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
