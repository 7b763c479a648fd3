"""What foreign clients need: a MAG served once for a whole file, with its clients and its person; npm's packages; Node; Maven."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from idp.config import Settings
from idp.database import db
from idp.habilitations import attribution, catalogue
from idp.habilitations.droits import Catalogue, Droit
from idp.habilitations.gesture import Gesture
from partners import onboarding
from tests import factories, services
from tests.conftest import QUICK_HASH, SECRETS, Backend, composed, serving

JAVASCRIPT = Path(__file__).parent / "javascript"
REDIRECT, OUT = "https://portail.test/retour", "https://portail.test/fini"
IDENTITY = {"siret": factories.SIRET, "nom": "LEFEVRE", "prenom": "anne", "password": factories.PASSWORD}
"""As the person types it."""
Clients = Mapping[str, Mapping[str, Any]]
ROOT = Path(__file__).parents[2]


# ---------------------------------------------------------------------------------------------------------------- a served MAG


def secret_of(client_id: str, signs: str = "") -> str:
    """The secret that `serve` gives a client, if its method has one. `signs`: what has a meaning in a form (RFC 6749 section 2.3.1)."""
    return f"{signs}un-secret-de-32-caracteres-{client_id}"


@pytest.fixture(scope="module")
def serve(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve(backend, clients, **environ)`: MAG at its issuer's port, the clients and the person written first; the issuer.

    `more`: called with the application, in its context, for what else is to be written.
    """
    started: list[Callable[[], None]] = []

    def start(
        name: str, clients: Clients, issuer: str = "", signs: str = "", more: Callable[[Any], None] | None = None, **environ: str
    ) -> str:
        backend = standing(name, request, tmp_path_factory, started)
        issuer = issuer or f"http://127.0.0.1:{services.free_port()}"
        settings = Settings(issuer=issuer, secrets=SECRETS, database_url=backend.database_url, redis_url=backend.redis_url, **QUICK_HASH)
        prepare(settings, clients, signs, more)
        port = int(issuer.rpartition(":")[2])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")}
        environment = {**inherited, "PYTHONPATH": str(ROOT), **backend.environ(), "MAG_ISSUER": issuer, **environ}
        started.append(services.Server(serving(port), port, environment=environment, folder=tmp_path_factory.mktemp("mag")).stop)
        return issuer

    yield start
    for stop in reversed(started):
        stop()


def standing(name: str, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, ends: list[Callable[[], None]]) -> Backend:
    """A migrated database for a whole file, on SQLite alone or on PostgreSQL with Redis."""
    if name == "sqlite":
        path = folders.mktemp("interop") / "mag.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return Backend(name, f"sqlite:///{path}", "")
    from redis import Redis

    server, redis, database = (
        request.getfixturevalue("postgresql"),
        request.getfixturevalue("redis_server"),
        f"interop_{os.urandom(4).hex()}",
    )
    ends.append(lambda: server.discard(database))
    with Redis.from_url(redis.url) as client:
        client.flushall()
        client.set("mag:epoch", "1")
    return Backend(name, server.create(database, request.getfixturevalue("postgresql_template")), redis.url)


def prepare(settings: Settings, clients: Clients, signs: str, more: Callable[[Any], None] | None = None) -> None:
    """The person, a right of theirs, the clients."""
    with composed(settings) as doors:
        person = factories.un_declarant(doors.flask, nom="Lefèvre", prenom="Anne", email="anne@exemple.fr")
        with doors.flask.app_context():
            now, shipped = datetime.now(UTC), catalogue.parse(catalogue.shipped())
            catalogue.refresh(shipped, now)
            db.session.commit()
            gesture = Gesture(None, Catalogue.build(shipped.services, shipped.heritages), now)
            attribution.attribuer(gesture, person.id, int(factories.SIRET), "dsn", {Droit.DECLARER})
            owner = onboarding.register_partenaire("etranger", "Clients étrangers", None, now)
            for client_id, metadata in clients.items():
                given = {"client_name": f"Client {client_id}", **metadata}
                onboarding.register_client(
                    owner, given, now, client_id=client_id, secret=secret_of(client_id, signs), seals=doors.mag.keyring
                )
            if more:
                more(doors)
            db.session.commit()


# -------------------------------------------------------------------------------------------------------------------- Apache


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of an Apache and its site, a page of which is private. Its processes do not run as root: they must be able to enter."""
    found = Path(tempfile.mkdtemp(prefix="mag-httpd-"))
    found.chmod(0o755)
    (found / "site" / "prive").mkdir(parents=True)
    (found / "site" / "prive" / "page.txt").write_text("page privée\n")
    (found / "site" / "adieu.txt").write_text("au revoir\n")
    if os.geteuid() == 0:
        shutil.chown(found, "www-data", "www-data")
    yield found
    shutil.rmtree(found)


def kept(source: bytes) -> Path:
    """Where what is made once from this source stays, for the next tests too."""
    return Path(tempfile.gettempdir()) / f"mag-interop-{os.getuid()}-{hashlib.sha256(source).hexdigest()[:12]}"


# ----------------------------------------------------------------------------------------------------------- JavaScript clients


@pytest.fixture(scope="session")
def installed() -> Callable[[Path], Path]:
    """`installed(source)`: the npm packages of a folder that has a lock, installed once for all, under a name that tells which."""

    def find(source: Path) -> Path:
        folder = kept((source / "package-lock.json").read_bytes())
        if not (folder / "node_modules").exists():
            install(source, folder)
        return folder / "node_modules"

    return find


@pytest.fixture(scope="session")
def packages(installed: Callable[[Path], Path]) -> Path:
    """Of the foreign clients."""
    return installed(JAVASCRIPT)


def install(source: Path, folder: Path) -> None:
    if shutil.which("npm") is None:
        pytest.fail("npm is missing: sudo apt-get install nodejs npm", pytrace=False)
    fresh = Path(tempfile.mkdtemp(prefix="mag-npm-"))
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, fresh)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=fresh, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.fail(f"npm cannot install the packages: {done.stderr.strip().splitlines()[-1]}", pytrace=False)
    try:
        fresh.rename(folder)
    except OSError:  # another worker was first
        shutil.rmtree(fresh)


@pytest.fixture(scope="session")
def play(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """`play("openid_client/basic.mjs", issuer=…, …)`: what a journey of `javascript/` saw."""
    folder = tmp_path_factory.mktemp("javascript") / "journeys"
    shutil.copytree(JAVASCRIPT, folder)
    (folder / "node_modules").symlink_to(packages)

    def run(journey: str, **given: Any) -> dict[str, Any]:
        asked = {"identity": IDENTITY, **given}
        command = ["node", str(folder / "play.mjs"), journey]
        done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    return run


# -------------------------------------------------------------------------------------------------------------------- Java


@pytest.fixture(scope="session")
def packaged() -> Callable[[Mapping[str, str]], Path]:
    """`packaged(files)`: the folder of a project that Maven packaged, once for all, under a name that tells its files."""

    def find(files: Mapping[str, str]) -> Path:
        if not (need := services.NEEDS["maven"]).find():
            pytest.skip(f"{need.what} cannot be installed here: apt-get install {' '.join(need.packages)}")
        folder = kept(json.dumps(files, sort_keys=True).encode())
        if not folder.exists():
            package(files, folder)
        return folder

    return find


def package(files: Mapping[str, str], folder: Path) -> None:
    """`-U`: what could not be fetched the last time is asked for again."""
    fresh = Path(tempfile.mkdtemp(prefix="mag-maven-"))
    for name, text in files.items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_text(text, "utf-8")
    done = subprocess.run(["mvn", "-q", "-B", "-U", "package"], cwd=fresh, check=False, capture_output=True, text=True, timeout=500)
    if done.returncode == 0:
        try:
            fresh.rename(folder)
        except OSError:  # another worker was first
            shutil.rmtree(fresh)
        return
    shutil.rmtree(fresh)
    if "Could not transfer artifact" in done.stdout:  # what Maven says of a network; of what is not there, "Could not find artifact"
        pytest.skip("Maven Central cannot be reached from here, and its packages are not in Maven's cache")
    pytest.fail(f"Maven cannot package the project: {done.stdout}", pytrace=False)
