"""What tests stand on: databases ready in a moment, the application on both backends, servers, a browser.

A test that asks for `client`, `app`, `settings` or `backend` runs twice: on SQLite without Redis, and on PostgreSQL with
Redis. One backend is enough for it? `@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)`.

Each test finds its database migrated, with signing keys and nothing else (tests/databases.py). Each worker of
pytest-xdist starts its own servers, at the first test that needs them.
"""

import base64
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from argon2.exceptions import Argon2Error
from argon2.low_level import hash_secret, verify_secret
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import settings as effort
from werkzeug.test import Client, TestResponse

from idp.config import Settings
from idp.database import Connections, db
from idp.ephemeral import Ephemeral, RedisEphemeral, SqlEphemeral
from tests import services
from tests.compiled import COMPILED, maps_kept
from tests.databases import SECRETS, KeptPostgreSQL, KeptSqlite, engines_kept, prepare
from tests.driver import playwright
from tests.nursery import Nursery

effort.register_profile("mag", deadline=None, suppress_health_check=[HealthCheck.too_slow])
effort.load_profile("mag")

ISSUER = "https://mag.test"
QUICK_HASH = {"argon2_memory_kib": 7168, "argon2_time": 5}
"""The least costly parameters that settings accept."""
BACKENDS = ("sqlite", "postgresql")
databases = count(1)


# --------------------------------------------------------------------------------------------------------------- databases


@pytest.fixture(scope="session")
def postgresql() -> Iterator[services.PostgreSQL]:
    """The worker's own cluster; `create(name)` gives an empty database."""
    server = services.PostgreSQL()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[services.Redis]:
    server = services.Redis()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_client(redis_server: services.Redis) -> Iterator[Any]:
    from redis import Redis

    with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def postgresql_template(postgresql: services.PostgreSQL) -> str:
    prepare(postgresql.create("prepared"))
    return "prepared"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "prepared.sqlite3"
    prepare(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def kept_postgresql(postgresql: services.PostgreSQL, postgresql_template: str) -> Iterator[KeptPostgreSQL]:
    found = KeptPostgreSQL(postgresql, postgresql_template)
    yield found
    found.discard()


@pytest.fixture(scope="session")
def kept_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> KeptSqlite:
    return KeptSqlite(sqlite_template, tmp_path_factory.mktemp("kept"))


@pytest.fixture
def postgresql_url(kept_postgresql: KeptPostgreSQL) -> str:
    """A migrated PostgreSQL database that no other test has written."""
    return kept_postgresql.renew()


@pytest.fixture
def sqlite_url(kept_sqlite: KeptSqlite) -> str:
    """A migrated SQLite database that no other test has written."""
    return kept_sqlite.renew()


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table. Give `sqlite` or `postgresql` by indirect parametrisation."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server, name = request.getfixturevalue("postgresql"), f"empty_{next(databases)}"
    yield server.create(name)
    server.discard(name)


@pytest.fixture
def redis_url(redis_server: services.Redis, redis_client: Any) -> str:
    """Redis, emptied, and as old as a Redis in service is."""
    redis_client.flushall()
    redis_client.set("mag:epoch", "1")
    return redis_server.url


class Clock:
    """Real time, plus what a test lets pass."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.time() + self.passed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["redis", *BACKENDS])
def ephemeral(request: pytest.FixtureRequest, clock: Clock) -> Ephemeral:
    """The contract of short-lived state on its three stores."""
    if request.param == "redis":
        return RedisEphemeral(request.getfixturevalue("redis_url"), clock=clock)
    return SqlEphemeral(Connections(request.getfixturevalue(f"{request.param}_url")), clock=clock)


# ------------------------------------------------------------------------------------------------------------- application


@dataclass(frozen=True)
class Backend:
    """Where an application keeps its state. `redis_url` is empty where the database keeps everything."""

    name: str
    database_url: str
    redis_url: str

    def environ(self) -> dict[str, str]:
        """The settings of a server process on this backend, but for MAG_ISSUER."""
        secrets = ",".join(f"{secret.id}:{base64.urlsafe_b64encode(secret.value).decode()}" for secret in SECRETS)
        found = {"MAG_SECRETS": secrets, "MAG_DATABASE_URL": self.database_url, "MAG_REDIS_URL": self.redis_url}
        return found | {f"MAG_{name.upper()}": str(value) for name, value in QUICK_HASH.items()}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    database_url = request.getfixturevalue(f"{request.param}_url")
    redis_url = request.getfixturevalue("redis_url") if request.param == "postgresql" else ""
    return Backend(request.param, database_url, redis_url)


@pytest.fixture
def settings(backend: Backend) -> Settings:
    """`dataclasses.replace(settings, …)` for others; a test module may also override this fixture."""
    return Settings(issuer=ISSUER, secrets=SECRETS, database_url=backend.database_url, redis_url=backend.redis_url, **QUICK_HASH)


@contextmanager
def composed(settings: Settings, *, alone: bool = False) -> Iterator[Any]:
    """The composed application, and whatever it holds let go after: its thread, its connections."""
    from wsgi import create_wsgi

    doors = create_wsgi(settings, alone=alone)
    doors.flask.extensions["mag_fichiers"].stop()  # tests say when jobs are done
    doors.flask.testing = True
    for pages in filter(None, (doors.flask, doors.desk)):
        pages.jinja_env.bytecode_cache = COMPILED
    try:
        yield doors
    finally:
        doors.mag.messenger.stop()
        with doors.flask.app_context():
            db.session.remove()
            db.engine.dispose()
        doors.mag.connections.drop()


@pytest.fixture
def compose() -> Iterator[Callable[[Settings], Any]]:
    """`compose(settings)`: another application on the same stores, let go at the end. Its threads would work in the tests that follow."""
    with ExitStack() as stack:
        yield lambda settings: stack.enter_context(composed(settings))


@pytest.fixture(scope="session", autouse=True)
def imports_set_aside() -> None:
    """What is imported stays to the end: the collector need not look at it again and again."""
    import wsgi  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def passwords_hashed_once() -> Iterator[None]:
    """Argon2 costs the same again each time, on purpose, and all tests sign in with the same password: its work is remembered."""
    made: dict[tuple[Any, ...], bytes] = {}
    tried: dict[tuple[bytes, bytes], Exception | None] = {}

    def hash_once(secret: bytes, salt: bytes, **cost: Any) -> bytes:
        key = (secret, *sorted(cost.items()))
        if key not in made:
            made[key] = hash_secret(secret, salt, **cost)
        return made[key]

    def verify_once(encoded: bytes, secret: bytes, kind: Any) -> bool:
        key = (encoded, secret)
        if key not in tried:
            try:
                verify_secret(encoded, secret, kind)
                tried[key] = None
            except Argon2Error as refused:
                tried[key] = refused
        if refused := tried[key]:
            raise type(refused)(*refused.args)
        return True

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("argon2._password_hasher.hash_secret", hash_once)
        patched.setattr("argon2._password_hasher.verify_secret", verify_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """SQLAlchemy keeps what it compiled by engine."""
    with engines_kept():
        yield


@pytest.fixture(scope="session", autouse=True)
def addresses_compiled_once() -> Iterator[None]:
    """Most of what composing costs is Werkzeug compiling the same addresses again."""
    with maps_kept():
        yield


@pytest.fixture
def wsgi_app(settings: Settings) -> Iterator[Any]:
    """The composed application: both doors. Its `flask` is the page door, its `mag` the components."""
    with composed(settings) as doors:
        yield doors


@pytest.fixture
def app(wsgi_app: Any) -> Flask:
    """The page door of `wsgi_app`, for `with app.app_context():` and the command line."""
    flask: Flask = wsgi_app.flask
    return flask


class MagClient(Client):
    """A browser without a screen: keeps cookies, speaks to the issuer unless told otherwise."""

    def __init__(self, application: Any, origin: str) -> None:
        super().__init__(application)
        self.origin = origin

    def open(self, *args: Any, **kw: Any) -> TestResponse:
        if args and isinstance(args[0], str) and not args[0].startswith(("http://", "https://")):
            kw.setdefault("base_url", self.origin)
        return super().open(*args, **kw)


@pytest.fixture
def new_client(wsgi_app: Any) -> Callable[[], MagClient]:
    """Another browser on the same application."""
    return lambda: MagClient(wsgi_app, wsgi_app.mag.settings.issuer_origin)


@pytest.fixture
def client(new_client: Callable[[], MagClient]) -> MagClient:
    return new_client()


# ----------------------------------------------------------------------------------------------------- servers and browser


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.stop()


@pytest.fixture
def start_process(tmp_path: Path, nursery: Nursery) -> Iterator[Callable[..., services.Server]]:
    """`start_process(command, port, **environ)`: a server process of MAG, stopped with the test."""
    started: list[services.Server] = []
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")}
    root = str(Path(__file__).parent.parent)

    def start(command: list[str], port: int, **environ: str) -> services.Server:
        options = {"environment": {**inherited, "PYTHONPATH": root, **environ}, "folder": tmp_path}
        server = services.Server(command, port, **options, nursery=nursery if command[0] == sys.executable else None)
        started.append(server)
        return server

    yield start
    for server in reversed(started):
        server.stop()


@pytest.fixture
def live_server(backend: Backend, start_process: Callable[..., services.Server]) -> Callable[..., str]:
    """`live_server(**environ)`: MAG as `mag serve` serves it, in one process; its address, `http://mag.localhost:<port>`."""

    def start(port: int | None = None, **environ: str) -> str:
        port = port or services.free_port()
        address = f"http://mag.localhost:{port}"
        start_process(serving(port), port, **(backend.environ() | {"MAG_ISSUER": address} | environ))
        return address

    return start


def serving(port: int) -> list[str]:
    """The command that serves MAG in one process, as `mag serve` does."""
    options = {
        "--interface": "wsgi",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
        "--blocking-threads": "16",
        "--http": "1",
    }
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "granian", "--factory", "wsgi:create_wsgi", *words, "--no-ws", "--log-level", "warning"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; every name under localhost is this machine."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP *.localhost 127.0.0.1"]
    found = playwright().chromium.launch(executable_path=services.headless(), headless=True, args=arguments)
    yield found
    found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Callable[..., Any]]:
    """`page(javascript=False, **options)`: a new page in a browser of its own, in French; options are Playwright's."""
    contexts: list[Any] = []

    def open_page(*, javascript: bool = True, **options: Any) -> Any:
        context = browser.new_context(locale="fr-FR", timezone_id="Europe/Paris", java_script_enabled=javascript, **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
