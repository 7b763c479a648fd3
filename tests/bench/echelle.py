"""Habilitations at national scale: each target H1 to H10, what is measured, and their ratio, on PostgreSQL and SQLite.

    python -m tests.bench.echelle [--scale 0.02] [--only sqlite] [--seconds 2] [--base URL]

Scale 1 is the country (3 million companies), on disk. Bytes are brought to scale 1, times are those of the scale asked.
The two large firms have the same size at every scale. Medians; a percentile is of single calls. Not a test.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson
from flask import Flask
from sqlalchemy import text

from idp.config import Secret, Settings
from idp.database import Connections, db
from idp.declarants.models import Declarant
from idp.habilitations import decision, transfert
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Droit
from idp.habilitations.espace.portee import Portee
from idp.habilitations.fichiers import releve
from idp.habilitations.fichiers.exportation import Export
from idp.habilitations.fichiers.exportation import Portee as Extent
from idp.habilitations.fichiers.tableur import csv_of
from idp.habilitations.gesture import Gesture
from idp.habilitations.perimetre import Position
from idp.habilitations.questions import Question, check_many
from idp.habilitations.souvenir import Souvenirs
from migrations import upgrade
from tests import services
from tests.bench.habilitations import BARE
from tests.bench.nation import CLIENTS, LARGE_CLIENTS, LARGE_FOLDERS, MEMBERS, MIDDLE_FOLDERS, NOW, RIGHTS, STAFF, Nation, build
from tests.bench.pages import HEAD, pages, spent

LINES, MOVES = 100_000, 11
BOUND = 40
CELLS_AT_ONE = 386_000_000
FLAT_BYTES, TUPLE_BYTES = 110, 559
"""Bytes of a cell as one row (design measured), and as an OpenFGA tuple."""


@dataclass(frozen=True)
class Cible:
    """One row of the table: `least` when more is better."""

    name: str
    what: str
    target: float
    unit: str
    least: bool = False


H1 = Cible("H1", "décision complète / recherche indexée nue, débit", 0.35, "", least=True)
H2 = Cible("H2", "décisions par seconde et par cœur", 60_000, "/s", least=True)
H2B = Cible("H2 bis", "décisions par lots de 1 000", 27_000, "/s", least=True)
H3 = Cible("H3", "décisions d'un compte gardées en mémoire", 1_000_000, "/s", least=True)
H3B = Cible("H3 bis", "les mêmes, par lots de 1 000, version relue chaque fois", 1_000_000, "/s", least=True)
H4 = Cible("H4", "décision, p99", 50, "µs")
H5 = Cible("H5", "taille des droits, à l'échelle 1", 1.2, "Go")
H6 = Cible("H6", "droits de 5 000 clients × 8 services donnés à un arrivant, p99", 5, "ms")
H7 = Cible("H7", "transfert de 496 800 cellules, p99", 20, "ms")
H8 = Cible("H8", "page de 1 000 cibles, p99", 20, "ms")
H8B = Cible("H8 bis", "62 100 cibles, toutes les pages", 1, "s")
H9 = Cible("H9", "aperçu d'un fichier de 100 000 lignes", 1, "s")
H10 = Cible("H10", "octets de droits dans un jeton, au plus", 1300, "o")


class Country:
    """A database filled, and an application over it."""

    def __init__(self, url: str, scale: float) -> None:
        upgrade(url)
        self.connections = Connections(url)
        began = time.perf_counter()
        self.scale, self.nation = scale, Nation.of(scale)
        if self.connections.one(BARE, identifier=1) is None:
            build(self.connections, scale)
        self.built = time.perf_counter() - began
        settings = Settings(issuer="https://mag.test", secrets=(Secret("banc", bytes(range(32))),), database_url=url)
        from wsgi import create_app

        self.app: Flask = create_app(settings)
        with self.app.app_context():
            refresh(parse(shipped()), NOW)
            db.session.commit()
        self.catalogue = decision.read_catalogue(self.connections)

    @property
    def dialect(self) -> str:
        return self.connections.dialect.name

    def gesture(self) -> Gesture:
        return Gesture(None, self.catalogue, NOW)

    def questions(self) -> Iterator[tuple[int, int]]:
        """Members and clients of their portfolios, all over the country; one in five is of somebody else."""
        first, n = LARGE_FOLDERS + 50, self.nation
        for g in range(10**9):
            folder = (g * 7919) % n.portfolios
            staff = n.first_staff + 1 + (2 + (folder + first) % (n.firms - 2)) * STAFF + g % MEMBERS
            index = (folder * 7919 + (g % CLIENTS) * 104729 + (0 if g % 5 else 1)) % n.companies
            yield staff, (100_000_000 + index * 200) * 100_000 + 12

    def check(self, who: int, siret: int) -> bool:
        return decision.check(self.connections, self.catalogue, who, siret=siret, service="dsn", droit=Droit.DECLARER, now=NOW)


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def loop(act: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call."""
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 20:
        spent.append(timed(act))
    return spent


# ------------------------------------------------------------------------------------------------------------------- rows

Measured = Iterator[tuple[Cible, float, float | None]]
"""Each row: by the clock, and by the processor time of MAG and of the database, which a busy machine hardly changes; None: not a time."""


class Cpu:
    """`with Cpu(country) as cpu:` then `cpu.seconds`."""

    def __init__(self, country: Country) -> None:
        self.engine = country.connections.engine

    def __enter__(self) -> "Cpu":
        self.seconds = -spent(self.engine)
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += spent(self.engine)


def decisions(country: Country, seconds: float) -> Measured:
    """H1, H2, H4: interleaved, so that noise strikes both."""
    asked = country.questions()
    bare, checks, cost_of_bare, cost = [], [], 0.0, 0.0
    for _ in range(5):
        with Cpu(country) as cpu:
            bare += loop(lambda: country.connections.one(BARE, identifier=next(asked)[0]), seconds / 5)
        cost_of_bare += cpu.seconds
        with Cpu(country) as cpu:
            checks += loop(lambda: country.check(*next(asked)), seconds / 5)
        cost += cpu.seconds
    yield H1, statistics.median(bare) / statistics.median(checks), (cost_of_bare / len(bare)) / (cost / len(checks))
    yield H2, len(checks) / sum(checks), len(checks) / cost
    yield H4, percentile(checks, 0.99) * 1e6, None
    batch = lambda: check_many(  # noqa: E731  # read where it is used
        country.connections, country.catalogue, [Question(*one, "dsn", Droit.DECLARER) for one in islice(asked, 1000)], NOW
    )
    with Cpu(country) as cpu:
        several = loop(batch, seconds)
    yield H2B, 1000 / statistics.median(several), 1000 * len(several) / cpu.seconds
    yield from remembered(country, seconds)


def remembered(country: Country, seconds: float) -> Measured:
    """H3: the thousand first clients of the large account, again and again; then with its version read, as partners are served."""
    who, souvenirs = country.nation.large, Souvenirs(country.connections)
    page = decision.targets(country.connections, country.catalogue, who, services={"dsn"}, now=NOW)
    questions = [Question(who, target.cible, "dsn", Droit.DECLARER) for target in page.targets]

    def version() -> str:
        return decision.rights_version(country.connections, country.catalogue, who, NOW)

    known = version()
    souvenirs.check_many(country.catalogue, who, known, questions, NOW)
    with Cpu(country) as cpu:
        alone = loop(lambda: souvenirs.check_many(country.catalogue, who, known, questions, NOW), seconds)
    yield H3, len(questions) / statistics.median(alone), len(questions) * len(alone) / cpu.seconds
    with Cpu(country) as cpu:
        served = loop(lambda: souvenirs.check_many(country.catalogue, who, version(), questions, NOW), seconds)
    yield H3B, len(questions) / statistics.median(served), len(questions) * len(served) / cpu.seconds
    print(f"  {len(questions)} réponses gardées : {souvenirs.octets / 1000:.0f} ko", flush=True)


def size(country: Country) -> Measured:
    """H5: what the tables of rights weigh with their indexes, brought to scale 1 without the two firms that do not follow it."""
    with country.connections.engine.connect() as connection:
        if country.dialect == "postgresql":
            sizes = [connection.scalar(text(f"select pg_total_relation_size('{table}')")) for table in RIGHTS]
        else:
            # an index is named after its table
            query = "select coalesce(sum(pgsize), 0) from dbstat where name in (select name from sqlite_master where tbl_name = '{}')"
            sizes = [connection.scalar(text(query.format(table))) for table in RIGHTS]
    total = float(sum(int(found or 0) for found in sizes))
    rows = country.nation.cells
    print(
        f"  {total / 1e6:,.0f} Mo de droits pour {rows:,} cellules : {total / rows:.1f} o par cellule ; à plat {FLAT_BYTES} o, "
        f"en tuples {TUPLE_BYTES} o",
        flush=True,
    )
    with country.connections.engine.connect() as connection:
        several = sum(int(connection.scalar(text(f"select count(*) from {table}")) or 0) for table in RIGHTS)
    fixed = (LARGE_FOLDERS + MIDDLE_FOLDERS) * (LARGE_CLIENTS + 2)  # rows of the two firms that do not follow the scale
    yield H5, total * ((several - fixed) / several / country.scale + fixed / several) / 1e9, None


def moves(country: Country) -> Measured:
    """H6 and H7: committed, as an administrator waits for them; what they did is put back."""
    n, times = country.nation, {H6: [], H7: []}  # type: dict[Cible, list[float]]
    costs = dict.fromkeys(times, 0.0)
    with country.app.app_context():

        def act(change: Callable[[], object]) -> Callable[[], None]:
            def committed() -> None:
                change()
                db.session.commit()

            return committed

        for _ in range(MOVES):
            with Cpu(country) as cpu:
                times[H6].append(timed(act(lambda: transfert.copier(country.gesture(), n.middle, n.newcomer))))
            costs[H6] += cpu.seconds
            act(lambda: transfert.abandonner(country.gesture(), n.newcomer))()
            with Cpu(country) as cpu:
                times[H7].append(timed(act(lambda: transfert.transferer(country.gesture(), n.large, n.successor))))
            costs[H7] += cpu.seconds
            act(lambda: transfert.transferer(country.gesture(), n.successor, n.large))()
    for cible, several in times.items():
        print(f"  {cible.name} : médiane {statistics.median(several) * 1e3:.1f} ms", flush=True)
        yield cible, percentile(several, 0.99) * 1e3, costs[cible] / MOVES * 1e3


def lists(country: Country) -> Measured:
    """H8: all the targets of the large account, page after page, three times."""
    pages: list[float] = []
    whole: list[float] = []
    with Cpu(country) as cpu:
        found = _three_times(country, pages, whole)
    print(f"  {found:,} cibles ; page médiane {statistics.median(pages) * 1e3:.1f} ms", flush=True)
    yield H8, percentile(pages, 0.99) * 1e3, cpu.seconds / len(pages) * 1e3
    yield H8B, statistics.median(whole), cpu.seconds / len(whole)


def _three_times(country: Country, pages: list[float], whole: list[float]) -> int:
    """Each page, and all of them; how many targets there are."""
    found = 0
    for _ in range(3):
        after: Position | None = Position()
        began, found = time.perf_counter(), 0
        while after is not None:
            start = time.perf_counter()
            page = decision.targets(country.connections, country.catalogue, country.nation.large, services={"dsn"}, now=NOW, after=after)
            pages.append(time.perf_counter() - start)
            after, found = page.following, found + len(page.targets)
        whole.append(time.perf_counter() - began)
    return found


def files(country: Country, folder: Path) -> Measured:
    """H9: 100,000 lines of the large account's export, two in a hundred edited: read, then compared with what is written."""
    path = folder / f"{country.dialect}.csv"
    with country.app.app_context():
        author = db.session.get_one(Declarant, country.nation.large)
        export = Export(country.catalogue, [author], {}, Extent.EFFECTIFS, NOW)
        began = time.perf_counter()
        with path.open("wb") as out:
            for piece in csv_of(edited(islice(export.rows(), LINES + 1))):
                out.write(piece)
        exported = time.perf_counter() - began
        times, costs = [], []
        for _ in range(3):
            cost = -spent(country.connections.engine)
            gesture, portee = country.gesture(), Portee.of(author)
            start = time.perf_counter()
            lecture = releve.lire(gesture, portee, path, lambda *_: None)
            read = time.perf_counter() - start
            found = releve.comparer(gesture, portee, lecture, lambda *_: None)
            times.append(time.perf_counter() - start)
            costs.append(cost + spent(country.connections.engine))
            db.session.rollback()
    bilan = found.bilan
    print(
        f"  {bilan['lues']:,} lignes lues, {bilan['changees']:,} changées, {bilan['refusees']:,} refusées ; export {exported:.2f} s, "
        f"lecture {read:.2f} s, comparaison {times[-1] - read:.2f} s",
        flush=True,
    )
    yield H9, statistics.median(times), statistics.median(costs)


def edited(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """One line in fifty loses its rights."""
    for number, row in enumerate(rows):
        yield [*row[:7], "", *row[8:]] if number and number % 50 == 0 else row


def tokens(country: Country) -> Measured:
    """H10: accounts of every size, all services asked for."""
    n = country.nation
    found, services_ = {}, country.catalogue.services
    accounts = {"une entreprise": 1, "un cabinet": n.first_staff + 1 + 2 * STAFF, "5 000 clients": n.middle, "62 100 clients": n.large}
    for name, who in accounts.items():
        told = decision.disclose(country.connections, country.catalogue, who, services=services_, now=NOW, bound=BOUND)
        found[name] = len(orjson.dumps(told.claims("https://mag.example.fr/habilitations/v1", "x" * 43)))
    print(f"  {', '.join(f'{name} : {octets} o' for name, octets in found.items())}", flush=True)
    yield H10, max(found.values()), None


WARMED = (*RIGHTS, "declarants", "entreprises", "etablissements", "liens_declares")


def warm(country: Country) -> None:
    """PostgreSQL's files, read once: what is measured is not the disk of the machine."""
    if country.dialect != "postgresql":
        return
    with country.connections.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("set statement_timeout = 0")
        connection.exec_driver_sql("create extension if not exists pg_prewarm")
        tables = ", ".join(f"'{table}'::regclass" for table in WARMED)
        files = f"select oid from pg_class where oid in ({tables}) union select indexrelid from pg_index where indrelid in ({tables})"
        connection.exec_driver_sql(f"select pg_prewarm(oid::regclass, 'read') from ({files}) as f")


def measures(country: Country, seconds: float, folder: Path) -> Measured:
    warm(country)
    yield from decisions(country, seconds)
    yield from size(country)
    yield from moves(country)
    yield from lists(country)
    yield from files(country, folder)
    yield from tokens(country)


# ------------------------------------------------------------------------------------------------------------------ table


def line(cible: Cible, value: float, cost: float | None) -> str:
    """The ratio, of processor time where it is known, is 1 or more when the target is met."""
    counted = value if cost is None else cost
    ratio = (counted / cible.target) if cible.least else (cible.target / counted if counted else 0)
    sign, by_cpu = "≥" if cible.least else "≤", "" if cost is None else f"{shown(cost)} {cible.unit}"
    target = f"{sign} {shown(cible.target)} {cible.unit}"
    return f"| {cible.name} | {cible.what} | {target} | {shown(value)} {cible.unit} | {by_cpu} | {ratio:.2f} |"


def shown(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.3g}"


def table(country: Country, rows: list[tuple[Cible, float, float | None]]) -> str:
    head = [
        f"\n### {country.dialect}, échelle {country.scale:g} : {country.nation.cells:,} cellules, base faite en {country.built:.0f} s, "
        f"charge de la machine {os.getloadavg()[0]:.1f}\n",
        "| | mesure | cible | à l'horloge | en processeur | rapport (1 : atteinte) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *(line(*row) for row in rows)])


class Durable(services.PostgreSQL):
    """As in production: what is committed is on the disk."""

    SPEED = ("max_wal_size=8GB", "checkpoint_timeout=30min", "autovacuum=off", "random_page_cost=1.1")
    BUFFERS = "1GB"


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'echelle.sqlite3'}"
        return
    services.ROOM = 1 << 60  # a disk is measured, not memory
    server = Durable()
    try:
        yield server.create("echelle")
    finally:
        server.stop()


def run(scale: float, seconds: float, kinds: list[str], base: str = "", then: Callable[[Country], None] = lambda _: None) -> None:
    """`base`: a database of that scale, made there unless it is; it stays. `then`: what else is measured on it."""
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="mag-echelle-") as name, nullcontext(base) if base else database(kind, Path(name)) as url:
            country = Country(url, scale)
            print(f"{kind} : base faite en {country.built:.0f} s", flush=True)
            print(table(country, list(measures(country, seconds, Path(name)))), flush=True)
            print(f"\n{HEAD}", *pages(country.app, country.nation.large, country.catalogue), sep="\n", flush=True)
            then(country)
            with country.app.app_context():
                db.session.remove()
                db.engine.dispose()
            country.connections.drop()
            country.connections.engine.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.echelle", description="H1 à H10, sur un pays synthétique.")
    parser.add_argument("--scale", type=float, default=0.02, help="1 : trois millions d'entreprises")
    parser.add_argument("--seconds", type=float, default=2, help="for each kind of decision")
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--base", default="", help="the URL of a database: filled when it is empty, kept")
    asked = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", flush=True)
    based = [asked.base.partition(":")[0].partition("+")[0]] if asked.base else []
    run(asked.scale, asked.seconds, [asked.only] if asked.only else based or ["sqlite", "postgresql"], asked.base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
