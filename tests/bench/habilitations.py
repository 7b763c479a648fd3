"""What decisions on rights cost, as ratios to a bare indexed lookup on the same connection. Not a test: run by hand, or by `make bench`.

    python -m tests.bench.habilitations --firms 300 --seconds 2

Makes a small country, the same at each run, in SQLite and in a private PostgreSQL: firms with portfolios and members,
companies with their own rights, one account with hundreds of portfolios. Cases are interleaved, so that noise strikes all of them.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, bindparam, insert, select

from idp.database import BigInt, Connections, Model, Statement
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import Siret
from idp.habilitations import decision, models
from idp.habilitations.catalogue import parse, shipped
from idp.habilitations.droits import EVERYTHING, FOREVER, Catalogue, Droit, Masks
from idp.habilitations.perimetre import Position
from migrations import upgrade
from tests import services

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PAST = NOW - timedelta(days=30)
CLIENTS, MEMBERS, GIANT = 100, 4, 600
"""Clients of a portfolio, members of a firm, portfolios of the large account."""
FOUND = parse(shipped())
CATALOGUE = Catalogue.build(FOUND.services, FOUND.heritages)
BITS = Masks(declarer=0b11_1111, payer=0b1_0001)


def country(firms: int) -> dict[type[Model], list[dict[str, Any]]]:
    """Rows of every table. Account 1 is a member of GIANT portfolios; firm f has accounts and one portfolio."""
    dice = random.Random(20_260_302)
    rows: dict[type[Model], list[dict[str, Any]]] = {
        table: []
        for table in (
            Declarant,
            models.Operation,
            models.Portefeuille,
            models.PortefeuilleClient,
            models.PortefeuilleMembre,
            models.DroitDirect,
        )
    }
    rows[models.Operation].append({"id": 1, "at": PAST, "by_id": None, "kind": "banc"})
    live = {"effective_from": PAST, "ends_at": FOREVER, "operation_id": 1}
    for account in range(1, 2 + firms * MEMBERS):
        siren = 100_000_000 + account // MEMBERS
        rows[Declarant].append(
            {
                "id": account,
                "uid": f"u{account}",
                "siret": Siret.of(siren * 100_000 + 12),
                "nom": "Martin",
                "prenom": f"N{account}",
                "cle": f"martin|n{account}",
                "statut": Statut.ACTIF,
                "role": Role.DECLARANT,
                "opened_at": PAST,
                "updated_at": PAST,
            }
        )
        rows[models.DroitDirect].append({"declarant_id": account, "cible": siren * 100_000 + 12, **live, **BITS._asdict()})
    for folder in range(1, firms + GIANT + 1):
        members = [1] if folder > firms else range((folder - 1) * MEMBERS + 2, folder * MEMBERS + 2)
        cibles = {(200_000_000 + dice.randrange(200_000_000)) * 100_000 + 12 for _ in range(CLIENTS)}
        rows[models.Portefeuille].append(
            {"id": folder, "siren": 100_000_000, "nom": f"P{folder}", "epoque": 1, "clients": len(cibles), **EVERYTHING._asdict()}
        )
        rows[models.PortefeuilleClient] += ({"portefeuille_id": folder, "cible": c, **live, **BITS._asdict()} for c in cibles)
        rows[models.PortefeuilleMembre] += ({"declarant_id": m, "portefeuille_id": folder, **live, **EVERYTHING._asdict()} for m in members)
    return rows


def fill(connections: Connections, rows: dict[type[Model], list[dict[str, Any]]]) -> None:
    with connections.engine.begin() as connection:
        for table, several in rows.items():
            connection.execute(insert(table), several)
        connection.exec_driver_sql("ANALYZE")


def bare() -> Executable:
    """The limit: one row by its primary key."""
    return select(Declarant.epoque).where(Declarant.id == bindparam("identifier", type_=BigInt))


BARE = Statement(bare)


def questions(rows: dict[type[Model], list[dict[str, Any]]], giant: bool) -> Iterator[tuple[int, int]]:
    """(account, SIRET): half held, half not; for ever."""
    dice = random.Random(7)
    members = [row for row in rows[models.PortefeuilleMembre] if (row["declarant_id"] == 1) == giant]
    clients = rows[models.PortefeuilleClient]
    while True:
        membre = dice.choice(members)
        index = (membre["portefeuille_id"] - 1) * CLIENTS + dice.randrange(CLIENTS) if dice.random() < 0.5 else dice.randrange(len(clients))
        yield membre["declarant_id"], clients[min(index, len(clients) - 1)]["cible"]


def cases(connections: Connections, rows: dict[type[Model], list[dict[str, Any]]]) -> dict[str, Callable[[], object]]:
    """One call each."""
    common, large = questions(rows, giant=False), questions(rows, giant=True)
    middle = Position(len(rows[models.Portefeuille]) - GIANT // 2, 0)

    def check(asked: Iterator[tuple[int, int]]) -> bool:
        who, siret = next(asked)
        return decision.check(connections, CATALOGUE, who, siret=siret, service="dsn", droit=Droit.DECLARER, now=NOW)

    def disclose(who: int) -> object:
        return decision.disclose(connections, CATALOGUE, who, services={"dsn", "atmp"}, now=NOW, bound=40).hab

    return {
        "bare lookup": lambda: connections.one(BARE, identifier=next(common)[0]),
        "check": lambda: check(common),
        "check, large account": lambda: check(large),
        "rights version": lambda: decision.rights_version(connections, CATALOGUE, next(common)[0], NOW),
        "rights version, large account": lambda: decision.rights_version(connections, CATALOGUE, 1, NOW),
        "disclose, form B, 100 clients": lambda: disclose(next(common)[0]),
        "disclose, form B, large account": lambda: disclose(1),
        "page of 1,000": lambda: decision.targets(connections, CATALOGUE, 1, services={"dsn"}, now=NOW, after=middle),
    }


def measure(connections: Connections, rows: dict[type[Model], list[dict[str, Any]]], seconds: float, rounds: int = 5) -> None:
    """Median over rounds of the mean time of a call, in microseconds, and its ratio to the bare lookup."""
    tried = cases(connections, rows)
    times: dict[str, list[float]] = {name: [] for name in tried}
    for _ in range(rounds):
        for name, call in tried.items():
            calls, start = 0, time.perf_counter()
            while (spent := time.perf_counter() - start) < seconds / rounds or calls < 3:
                call()
                calls += 1
            times[name].append(spent / calls * 1e6)
    floor = statistics.median(times["bare lookup"])
    for name, several in times.items():
        cost = statistics.median(several)
        print(f"{connections.dialect.name:11} {name:32} {cost:9.1f} us   {floor / cost:5.2f} of the bare lookup")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--firms", type=int, default=300)
    arguments.add_argument("--seconds", type=float, default=2, help="for each case, on each database")
    given = arguments.parse_args()
    rows = country(given.firms)
    print(f"{sum(map(len, rows.values())):,} rows; large account: {GIANT} portfolios, {GIANT * CLIENTS:,} clients")
    server = services.PostgreSQL()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for url in (f"sqlite:///{Path(folder) / 'bench.sqlite3'}", server.create("bench")):
                upgrade(url)
                connections = Connections(url)
                fill(connections, rows)
                measure(connections, rows, given.seconds)
                connections.drop()
                connections.engine.dispose()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
