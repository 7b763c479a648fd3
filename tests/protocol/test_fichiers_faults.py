"""A worker killed amid a mass file, or a transfer, leaves all or nothing; another finishes, once. Real processes, PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from idp.database import Version, db
from idp.declarants.controles.models import LIENS_VERSION, LienDeclare
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.statuts import Role
from idp.entreprises.siret import Siret, is_siret
from idp.habilitations import transfert
from idp.habilitations.attribution import attribuer
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Droit
from idp.habilitations.fichiers import accord, depot
from idp.habilitations.fichiers.gestes import Reads
from idp.habilitations.fichiers.models import FichierDroits, TravailFichier
from idp.habilitations.fichiers.ouvrier import Ouvrier
from idp.habilitations.fichiers.statuts import Etat
from idp.habilitations.fichiers.traitement import Surroundings
from idp.habilitations.gesture import Gesture
from idp.habilitations.models import DroitDirect, Operation
from tests.factories import SIRET
from tests.journeys.fichiers import HEAD, le_catalogue, ligne

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
LINES = 300
PATIENCE = 240
"""Seconds that a process may take to start and work on a busy machine."""
ROOT = Path(__file__).parents[2]


def sirets(count: int) -> list[str]:
    """Of La Poste, which has many."""
    every = (f"356000000{nic:05d}" for nic in range(100_000))
    return [siret for siret, _ in zip(filter(is_siret, every), range(count), strict=False)]


@pytest.fixture
def people(app: Any) -> tuple[int, int]:
    """An administrator and somebody of the company, by number."""
    le_catalogue(app)
    now = datetime.now(UTC)
    with app.app_context():
        claire = inscrire(Identite(Siret(SIRET), "Lefèvre", "Claire"), now, role=Role.ADMINISTRATEUR_DECLARANT)
        zoe = inscrire(Identite(Siret(SIRET), "Autre", "Zoé"), now)
        db.session.commit()
        return claire.id, zoe.id


@pytest.fixture
def fichier(app: Any, people: tuple[int, int]) -> int:
    """A checked file of LINES rights for Zoé, which its author asked to apply."""
    content = "\r\n".join((HEAD, *(ligne("Autre", "Zoé", siret, "dsn", "declarer") for siret in sirets(LINES))))
    with app.app_context():
        from idp.declarants.models import Declarant

        now = datetime.now(UTC)
        found = depot.deposer(db.session.get_one(Declarant, people[0]), "d" * 24, "droits.csv", content.encode(), now)
        number = found.id
        db.session.commit()
        app.extensions["mag_fichiers"].traiter()
        accord.soumettre(db.session.get_one(FichierDroits, number), 0, now, issuer="https://mag.test")
        db.session.commit()
        return number


@pytest.fixture
def slowed(backend: Any) -> Iterator[psycopg.Connection[Any]]:
    """Each row of rights takes a moment to write, so that a process can be stopped between two of them."""
    with psycopg.connect(backend.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION dally() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER dally BEFORE INSERT ON droits FOR EACH ROW EXECUTE FUNCTION dally()")
        yield connection


def kill_in_the_middle(process: "subprocess.Popen[bytes]", connection: psycopg.Connection[Any], table: str = "droits") -> None:
    """SIGKILL once it writes there; its session ends in the database too."""
    activity = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
    writing = f"{activity} AND query ILIKE '%insert into {table}%'"
    deadline = time.monotonic() + PATIENCE
    while not connection.execute(writing).fetchone()[0]:  # type: ignore[index]  # a count
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while connection.execute(writing).fetchone()[0]:  # type: ignore[index]  # until PostgreSQL notices
        assert time.monotonic() < deadline


def command(backend: Any, *words: str) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")}
    environment |= backend.environ() | {"MAG_ISSUER": "https://mag.test", "PYTHONPATH": str(ROOT)}
    run = "import sys, wsgi; wsgi.command_line(sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", run, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def counts(app: Any, who: int) -> tuple[int, int]:
    """Rights of somebody, and operations."""
    with app.app_context():
        rights = select(func.count()).select_from(DroitDirect).where(DroitDirect.declarant_id == who)
        return db.session.scalar(rights), db.session.scalar(select(func.count()).select_from(Operation))


def test_a_worker_killed_while_it_writes_leaves_nothing_and_another_does_all_of_it_once(app, backend, people, fichier, slowed):
    before = counts(app, people[1])
    kill_in_the_middle(command(backend, "habilitations", "fichiers", "traiter"), slowed)

    assert counts(app, people[1]) == before == (0, 0)
    with app.app_context():
        assert db.session.get_one(FichierDroits, fichier).etat is Etat.A_APPLIQUER
        assert app.extensions["mag_fichiers"].traiter() == 0, "its lease still runs"
    slowed.execute("DROP TRIGGER dally ON droits")
    slowed.execute("UPDATE travaux_fichiers SET leased_until = now() - interval '1 second' WHERE ended_at IS NULL")
    again = command(backend, "habilitations", "fichiers", "traiter")
    assert "1 travail terminé, 0 en attente" in again.communicate(timeout=PATIENCE)[0].decode()
    with app.app_context():
        found = db.session.get_one(FichierDroits, fichier)
        job = TravailFichier.current(fichier)
        assert (found.etat, job.tries) == (Etat.APPLIQUE, 2)
        assert app.extensions["mag_fichiers"].traiter() == 0
    assert counts(app, people[1]) == (LINES, 1)


def test_a_worker_that_lost_its_lease_keeps_nothing_of_what_it_did(app, backend, people, fichier, slowed):
    slow = command(backend, "habilitations", "fichiers", "traiter")
    deadline = time.monotonic() + PATIENCE
    while not slowed.execute("SELECT count(*) FROM travaux_fichiers WHERE worker IS NOT NULL AND ended_at IS NULL").fetchone()[0]:
        assert time.monotonic() < deadline
    slowed.execute("UPDATE travaux_fichiers SET worker = 'somebody else' WHERE ended_at IS NULL")

    assert slow.wait(timeout=PATIENCE) == 0
    assert counts(app, people[1]) == (0, 0)
    with app.app_context():
        assert db.session.get_one(FichierDroits, fichier).etat is Etat.A_APPLIQUER


def test_a_job_that_says_nothing_for_long_keeps_its_lease(app, people, fichier, slowed):
    """A large act writes for more than a minute without a word: its worker goes on living."""
    slowed.execute("DROP TRIGGER dally ON droits")
    mag = app.extensions["mag"]
    lease = "SELECT leased_until FROM travaux_fichiers WHERE ended_at IS NULL"

    def slow() -> Any:
        first, deadline = slowed.execute(lease).fetchone(), time.monotonic() + 30
        while slowed.execute(lease).fetchone() == first:
            assert time.monotonic() < deadline, "no sign of life"
        return mag.catalogue()

    around = Surroundings(slow, "https://mag.test", Reads(mag.connections, mag.annuaire))

    assert Ouvrier(mag.connections, app.app_context, around, breath=0.01).traiter() == 1
    assert counts(app, people[1]) == (LINES, 1)
    assert "mag-fichiers-vie" not in {thread.name for thread in threading.enumerate()}


def test_two_workers_at_once_apply_a_file_once(app, backend, people, fichier):
    workers = [command(backend, "habilitations", "fichiers", "traiter") for _ in range(2)]
    told = [worker.communicate(timeout=PATIENCE)[0].decode() for worker in workers]

    assert sorted(text.split()[0] for text in told) == ["0", "1"]
    assert counts(app, people[1]) == (LINES, 1)


def test_a_file_that_kills_every_worker_is_given_up(app, backend, people, fichier):
    with app.app_context():
        TravailFichier.current(fichier).tries = 5
        db.session.commit()
        app.extensions["mag_fichiers"].traiter()
        found = db.session.get_one(FichierDroits, fichier)
        assert (found.etat, "plusieurs essais" in found.motif) == (Etat.ECHEC, True)
    assert counts(app, people[1]) == (0, 0)


def test_a_transfer_killed_while_it_writes_leaves_all_to_the_giver(app, backend, people, slowed):
    claire, zoe = people
    slowed.execute("ALTER TABLE droits DISABLE TRIGGER dally")
    with app.app_context():
        refresh(parse(shipped()), datetime.now(UTC))
        act = Gesture(None, app.extensions["mag"].catalogue(), datetime.now(UTC))
        for siret in sirets(60):
            attribuer(act, zoe, int(siret), "dsn", {Droit.DECLARER})
        db.session.commit()
    slowed.execute("ALTER TABLE droits ENABLE TRIGGER dally")
    kill_in_the_middle(command(backend, "habilitations", "transferer", SIRET, "Autre", "Zoé", SIRET, "Lefèvre", "Claire"), slowed)

    assert (counts(app, zoe)[0], counts(app, claire)[0]) == (60, 0)
    slowed.execute("DROP TRIGGER dally ON droits")
    with app.app_context():
        transfert.transferer(Gesture(None, app.extensions["mag"].catalogue(), datetime.now(UTC)), zoe, claire)
        db.session.commit()
    assert (counts(app, zoe)[0], counts(app, claire)[0]) == (0, 60)


def test_links_of_declarations_killed_while_they_are_written_leave_nothing_and_are_read_again(app, backend, slowed, tmp_path):
    slowed.execute("CREATE TRIGGER dally BEFORE INSERT ON liens_declares FOR EACH ROW EXECUTE FUNCTION dally()")
    month, path = f"{datetime.now(UTC):%Y-%m}", tmp_path / "liens.csv"
    path.write_text("\n".join(["siret_declarant;siret_declare;dernier_mois", *(f"{SIRET};{one};{month}" for one in sirets(LINES))]))
    words = ("liens", "importer", str(path))

    def kept():
        with app.app_context():
            version = db.session.get(Version, LIENS_VERSION)
            return db.session.scalar(select(func.count()).select_from(LienDeclare)), version.number if version else 0

    kill_in_the_middle(command(backend, *words), slowed, "liens_declares")
    assert kept() == (0, 0)
    slowed.execute("DROP TRIGGER dally ON liens_declares")
    again, then = (command(backend, *words).communicate(timeout=PATIENCE)[0].decode() for _ in range(2))

    assert f"{LINES} liens ajoutés" in again
    assert "0 liens ajoutés" in then
    assert kept() == (LINES, 1)
