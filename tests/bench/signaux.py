"""How long after a contact is deleted both portals have ended its sessions and dropped its account. Not a test: figures, to be read.

    python -m tests.bench.signaux [--deletions 200]

MAG, its messenger and two portals on the kit run in this one process and speak HTTP over sockets, on the embedded database: what is
measured is the whole way, from the commit of the deletion to the portal's own call, with three programs sharing one interpreter.
"""

import argparse
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import migrations
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations import catalogue
from idp.key_states import initialise
from idp.oidc.removal import end_sessions, remove
from idp.oidc.signals.management import Streams
from tests.conftest import QUICK_HASH, SECRETS
from tests.factories import un_declarant
from tests.journeys.portal import Portal, listening, make_portal, serving
from tests.services import free_port
from wsgi import create_wsgi

NAMES = ("facile", "entreprises")
LIMIT = 30.0
"""Seconds after which a deletion is said to be lost."""


class Counted:
    """What a portal was told, by `sub`, and the accounts that it keeps."""

    def __init__(self) -> None:
        self.accounts: set[str] = set()
        self.changed = threading.Condition()

    def told(self, event: Any) -> None:
        if event.kind == "account-purged":
            with self.changed:
                self.accounts.discard(event.sub)
                self.changed.notify_all()

    def wait(self, sub: str) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: sub not in self.accounts, LIMIT)


def doors(folder: Path) -> Any:
    """MAG, migrated, with its keys and its catalogue, and quick passwords: no one is measured signing in."""
    settings = Settings(
        issuer=f"http://mag.localhost:{free_port()}",
        secrets=SECRETS,
        database_url=f"sqlite:///{folder / 'mag.sqlite3'}",
        redis_url="",
        outgoing_hosts=tuple(f"{name}.localhost" for name in NAMES),
        log_level="ERROR",
        **QUICK_HASH,
    )
    migrations.upgrade(settings.database_url)
    found = create_wsgi(settings)
    with found.flask.app_context():
        initialise(found.mag.keyring, datetime.now(UTC))
        catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
        db.session.commit()
    found.mag.versions.refresh()
    return found


def portal(served: Any, name: str, stack: ExitStack) -> tuple[Portal, Counted]:
    """A portal that listens, and is told."""
    counted, port = Counted(), free_port()
    found = make_portal(served, name, {}, recheck=3600, signals=True, on_event=counted.told)
    stack.enter_context(listening(found.app, port))
    with served.flask.app_context():
        streams = Streams(served.mag.settings, served.mag.keyring, served.mag.signals.audience)
        streams.open_at(served.mag.registry.find(name), f"http://{name}.localhost:{port}/auth/mag/signals", datetime.now(UTC))
        db.session.commit()
    served.mag.versions.refresh()
    return found, counted


def come(sites: list[tuple[Portal, Counted]], nom: str) -> tuple[list[str], list[str]]:
    """Somebody signs in at both portals: what each calls them, and the names of their sessions."""
    mire, subs, sessions = sites[0][0].mire(), [], []
    for site, counted in sites:
        browser = site.browser()
        answer = site.sign_in(browser, mire, nom=nom)
        cookie = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith("__Host-mag-session=")).split(";")[0]
        name = cookie.partition("=")[2]
        record = site.kit.accounts.read(name)
        if record is None:
            raise SystemExit(f"{nom} is not signed in")
        subs.append(str(record.id_claims["sub"]))
        sessions.append(name)
        counted.accounts.add(subs[-1])
    return subs, sessions


def measure(served: Any, sites: list[tuple[Portal, Counted]], number: int) -> tuple[float, float]:
    """Seconds and seconds of CPU, of the whole process, from before the deletion's commit to both portals done."""
    nom = "Nom" + "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")
    person = un_declarant(served.flask, nom=nom)
    subs, sessions = come(sites, nom)
    with served.flask.app_context():
        row = db.session.get(Declarant, person.id)
        began, cpu = time.perf_counter(), time.process_time()
        end_sessions(served.mag.ephemeral, served.mag.settings, row)
        remove(served.mag.settings, served.mag.registry, row, datetime.now(UTC))
        db.session.commit()
    for (site, counted), sub, session in zip(sites, subs, sessions, strict=True):
        if not counted.wait(sub) or site.kit.accounts.read(session) is not None:
            raise SystemExit(f"deletion {number} was not told")
    return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.signaux", description="How long a deletion takes to reach portals.")
    parser.add_argument("--deletions", type=int, default=200)
    wanted = parser.parse_args().deletions
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        served = doors(Path(folder))
        stack.enter_context(serving(served))
        sites = [portal(served, name, stack) for name in NAMES]
        found = [measure(served, sites, number) for number in range(wanted)]
        served.mag.messenger.stop()
    for what, values in (("seconds", [wall for wall, _ in found]), ("seconds of CPU", [cpu for _, cpu in found])):
        values.sort()
        p95 = values[min(len(values) - 1, int(len(values) * 0.95))]
        print(f"{what}: median {statistics.median(values):.3f}, p95 {p95:.3f}, longest {values[-1]:.3f} ({wanted} deletions, two portals)")


if __name__ == "__main__":
    main()
