"""Pages of rights at national scale: what each costs to whoever administers 62,100 clients, and what it weighs.

Processor time, that of the database included: a shared machine changes it less than it changes the clock. Beside the pages, the search of
a client by name, which a person makes at a partner's. Not a test.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event, text
from werkzeug.test import Client

from idp.authentication import password_change
from idp.database import Connections, db
from idp.declarants.models import Declarant
from idp.habilitations.choix.recherche import Chercheur
from idp.habilitations.droits import Catalogue
from tests.factories import PASSWORD, se_connecter

ROOT = "/equipe/droits"
SEARCHED = {"un nom rare": "horlogerie masson n4242", "un métier courant": "boulangerie", "un mot absent": "zanzibar", "une ville": "lyon"}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """Of one page, asked many times."""

    name: str
    octets: int = 0
    statements: int = 0
    times: list[float] = field(default_factory=list)
    """Seconds, by the clock."""
    cpu: float = 0
    """Seconds of processor for one, the database's included."""

    @property
    def p99(self) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    def __str__(self) -> str:
        median = statistics.median(self.times)
        return (
            f"| {self.name} | {self.cpu * 1e3:.1f} | {median * 1e3:.1f} | {self.p99 * 1e3:.1f} | {max(self.times) * 1e3:.0f} "
            f"| {self.statements} | {self.octets / 1000:.1f} |"
        )


HEAD = "| page | processeur, ms | médiane, ms | p99, ms | la pire, ms | SQL | ko |\n| --- | --- | --- | --- | --- | --- | --- |"


def spent(engine: Any) -> float:
    """Processor seconds of this process and, on PostgreSQL, of the processes that serve it."""
    own = time.process_time()
    if engine.dialect.name != "postgresql":
        return own
    with engine.connect() as connection:
        pids = list(connection.scalars(text("select pid from pg_stat_activity where datname = current_database()")))
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        own += (int(fields[11]) + int(fields[12])) / TICKS
    return own


@contextmanager
def counted(engine: Any, held: Connections) -> Iterator[Callable[[], int]]:
    """How many statements both ways to the database run."""
    seen: list[str] = []
    before = held.count

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield lambda: len(seen) + held.count - before
    finally:
        event.remove(engine, "before_cursor_execute", note)


def measured(name: str, ask: Callable[[], int], engine: Any, held: Connections, times: int) -> Cost:
    """`ask` gives the bytes of an answer. The first one, which fills what is kept in memory, is the worst of all."""
    cost = Cost(name)
    began = time.perf_counter()
    cost.octets = ask()
    first = time.perf_counter() - began
    with counted(engine, held) as found:
        ask()
        cost.statements = found()
    before = spent(engine)
    for _ in range(times):
        began = time.perf_counter()
        ask()
        cost.times.append(time.perf_counter() - began)
    cost.cpu = (spent(engine) - before) / times
    cost.name += f" (la première : {first * 1e3:.0f} ms)" if first > 5 * statistics.median(cost.times) else ""
    return cost


def administrator(app: Flask, account: int, catalogue: Catalogue) -> tuple[Client, dict[str, str]]:
    """A browser where this account is signed in; the pages to look at, by name."""
    with app.app_context():
        means = app.extensions["mag_means"]
        person = db.session.get_one(Declarant, account)
        password_change.change_password(means.store, means.settings, means.passwords, person, PASSWORD, datetime.now(UTC))
        db.session.commit()
        uid, typed = person.uid, {"siret": str(person.siret), "nom": person.nom, "prenom": person.prenom}
        mag = app.extensions["mag"]
        where = Chercheur(mag.connections, catalogue, account, {"dsn"}, datetime.now(UTC)).find(mag.annuaire, "n4242").lignes[0]
    client = Client(app)
    answer = se_connecter(client, **typed)
    if answer.status_code != 303:
        raise RuntimeError(f"sign-in: {answer.status_code}")
    one = f"{ROOT}/personnes/{uid}"
    pages = {
        "les personnes": ROOT,
        "une personne": one,
        "une personne, plus loin": f"{one}?apres=310.0",
        "une personne, par service": f"{one}?service=dsn",
        "une personne, par numéro": f"{one}?q=8000",
        "une personne, par nom rare": f"{one}?q=horlogerie+masson+n4242",
        "une personne, par nom courant": f"{one}?q=boulangerie",
        "une personne, par nom absent": f"{one}?q=zanzibar",
        "les établissements": f"{ROOT}/etablissements",
        "les établissements, plus loin": f"{ROOT}/etablissements?apres=0.{where.cible}",
        "les établissements, par service": f"{ROOT}/etablissements?service=dsn",
        "les établissements, par numéro": f"{ROOT}/etablissements?q=8000",
        "les établissements, par nom": f"{ROOT}/etablissements?q=boulangerie",
        "un établissement": f"{ROOT}/etablissements/{where.cible}",
        "les services": f"{ROOT}/services",
        "un service": f"{ROOT}/services/dsn",
        "pourquoi": f"{ROOT}/pourquoi/{uid}/{where.cible}/dsn",
        "les portefeuilles": f"{ROOT}/portefeuilles",
        "un portefeuille": f"{ROOT}/portefeuilles/310",
        "les opérations": f"{ROOT}/operations",
        "le suivi": f"{ROOT}/suivi",
        "les fichiers": f"{ROOT}/fichiers",
        "mes droits": "/droits",
    }
    return client, pages


def pages(app: Flask, account: int, catalogue: Catalogue, times: int = 100) -> list[Cost]:
    """Every page, then the search of a client."""
    client, paths = administrator(app, account, catalogue)
    with app.app_context():
        engine, held, annuaire = db.engine, app.extensions["mag"].connections, app.extensions["mag"].annuaire

    def ask(path: str) -> Callable[[], int]:
        def one() -> int:
            answer = client.get(path)
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code}")
            return len(answer.data)

        return one

    def search(words: str) -> Callable[[], int]:
        return lambda: len(Chercheur(held, catalogue, account, {"dsn"}, datetime.now(UTC)).find(annuaire, words).lignes)

    found = [measured(name, ask(path), engine, held, times) for name, path in paths.items()]
    return found + [measured(f"chercher un client, {name}", search(words), engine, held, times) for name, words in SEARCHED.items()]
