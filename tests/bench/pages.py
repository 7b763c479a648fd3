"""Pages of rights at national scale: what each costs to whoever administers 62,100 clients, and what it weighs.

Processor time, that of the database included: a shared machine changes it less than it changes the clock. It changes it all the same, so
a yardstick, a fixed piece of work, is measured before each page: what the page took, in the time that the yardstick takes at its best, is
what it would take on the same machine left alone. Beside the pages, the search of a client by name, which a person makes at a partner's.
Not a test.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text
from werkzeug.test import Client

from idp.authentication import password_change
from idp.database import Connections, db
from idp.declarants.models import Declarant
from idp.habilitations.choix.recherche import Chercheur
from idp.habilitations.droits import Catalogue
from tests.factories import PASSWORD, se_connecter
from tests.protocol.work import statements

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
    alone: list[float] = field(default_factory=list)
    """Seconds of processor of this process, brought to a machine left alone."""
    cpu: float = 0
    """Seconds of processor for one, the database's included."""

    def __str__(self) -> str:
        calm = f"{statistics.median(self.alone) * 1e3:.1f} | {p99(self.alone) * 1e3:.1f}"
        clock = f"{statistics.median(self.times) * 1e3:.1f} | {p99(self.times) * 1e3:.1f}"
        return f"| {self.name} | {self.cpu * 1e3:.1f} | {calm} | {clock} | {self.statements} | {self.octets / 1000:.1f} |"


def p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


HEAD = (
    "| page | processeur, base comprise, ms | au calme, ms | au calme, p99 | horloge, ms | horloge, p99 | SQL | ko |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


class Yardstick:
    """A fixed piece of work, of the kind that pages are made of."""

    best = 1.0
    """Seconds of processor, at its best so far."""

    def __call__(self) -> float:
        began = time.process_time()
        found = {}
        for number in range(4000):
            found[f"{number:09d}"] = (number, str(number))
        "".join(sorted(found, key=lambda one: one[::-1]))
        spent = time.process_time() - began
        self.best = min(self.best, spent)
        return spent


YARDSTICK = Yardstick()


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


def measured(name: str, ask: Callable[[], int], engine: Any, held: Connections, times: int) -> Cost:
    """`ask` gives the bytes of an answer. The first one, which fills what is kept in memory, is the worst of all."""
    cost = Cost(name)
    began = time.perf_counter()
    cost.octets = ask()
    first = time.perf_counter() - began
    with statements(engine, held) as found:
        ask()
        cost.statements = found()
    before, measuring, ratios = spent(engine), 0.0, []
    for _ in range(times):
        yard = YARDSTICK()
        measuring += yard
        began, own = time.perf_counter(), time.process_time()
        ask()
        cost.times.append(time.perf_counter() - began)
        ratios.append((time.process_time() - own) / yard)
    cost.cpu = (spent(engine) - before - measuring) / times
    cost.alone = [ratio * YARDSTICK.best for ratio in ratios]
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
        "les services inutilisés": f"{ROOT}/suivi/services",
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
