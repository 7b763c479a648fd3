"""The databases of tests: one a worker and a kind, put back between two tests as migration left it.

Its address never changes, so that what SQLAlchemy has compiled for one test serves the next (`engines_kept`). Emptying the
few tables that a test wrote costs a tenth of copying a PostgreSQL database; one that a test changed otherwise is copied again.
"""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection, OperationalError, connect, sql

from idp import key_states
from idp.config import Secret
from idp.database import db
from idp.seals import Seals
from migrations import upgrade
from tests.services import PostgreSQL

SECRETS = (Secret("essai", bytes(range(32))),)
LARGEST = 256 * 1024
"""Bytes of a table beyond which the database is copied again rather than emptied."""
numbers = count(1)
engines: dict[tuple[str, str], Any] = {}
"""By address and options."""

STRUCTURE = """
SELECT (SELECT array_agg((oid, relnatts, relkind) ORDER BY oid)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace),
       (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
       (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)
"""
SIZE = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY oid"
SEQUENCES = "SELECT sequencename, last_value, start_value FROM pg_sequences WHERE schemaname = 'public'"
OTHERS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""How many transactions wait for another."""


def prepare(database_url: str) -> None:
    """Migrate an empty database and make its signing keys."""
    upgrade(database_url)
    app = Flask("prepare")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db.init_app(app)
    with app.app_context():
        key_states.initialise(Seals(SECRETS), datetime.now(UTC))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


class KeptSqlite:
    """One file, always at the same place; whoever still holds the last one holds a file without a name."""

    def __init__(self, template: Path, folder: Path) -> None:
        self.template, self.path = template, folder / "mag.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def renew(self) -> str:
        let_go(self.url)
        for suffix in ("", "-wal", "-shm", "-journal"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self.template, self.path)
        return self.url


class KeptPostgreSQL:
    """One database, emptied of what a test wrote."""

    def __init__(self, server: PostgreSQL, template: str) -> None:
        self.server, self.template, self.name = server, template, f"kept_{next(numbers)}"
        self._connection: Connection[Any] | None = None
        self._copy()

    def _copy(self) -> None:
        if self._connection:
            self._connection.close()
            self.server.drop(self.name)
        self.url = self.server.create(self.name, self.template)
        self._connection = None
        held = self._held()
        self._structure = held.execute(STRUCTURE).fetchone()
        tables = [name for (name,) in held.execute(TABLES)]
        filled = [name for (name,) in held.execute(each("SELECT {} WHERE EXISTS (SELECT FROM {})", tables)).fetchall()]
        self._rows = {name: self._all_of(held, name) for name in filled}
        self._written = each("SELECT {} WHERE EXISTS (SELECT FROM {})", [name for name in tables if name not in filled])
        self._ages = each("SELECT {}, count(*), max(xmin::text::bigint) FROM {}", filled)
        self._kept = held.execute(self._ages).fetchall()
        self._sequences = {name: (last, start) for name, last, start in held.execute(SEQUENCES)}

    def _held(self) -> Connection[Any]:
        """A connection of ours; a test may have cut the last one with all others."""
        try:
            if self._connection and self._connection.execute("SELECT"):
                return self._connection
        except OperationalError:
            self._connection = None
        self._connection = connect(self.url.replace("+psycopg", ""), autocommit=True)
        return self._connection

    @staticmethod
    def _all_of(held: Connection[Any], table: str) -> bytes:
        with held.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as rows:
            return b"".join(bytes(part) for part in rows)

    def renew(self) -> str:
        let_go(self.url)
        held = self._held()
        while held.execute(OTHERS).fetchone() != (0,):
            time.sleep(0.001)
        if held.execute(STRUCTURE).fetchone() != self._structure or held.execute(SIZE).fetchone() > (LARGEST,):
            self._copy()
        else:
            self._empty(held)
        return self.url

    def _empty(self, held: Connection[Any]) -> None:
        with held.transaction():
            held.execute("SET LOCAL session_replication_role = replica")
            changed = [now[0] for now, kept in zip(held.execute(self._ages), self._kept, strict=True) if now != kept]
            for name in (*changed, *(name for (name,) in held.execute(self._written).fetchall())):
                held.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
            for name in changed:
                with held.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as back:
                    back.write(self._rows[name])
            for name, last, start in held.execute(SEQUENCES).fetchall():
                was = self._sequences[name][0]
                if last != was:
                    held.execute("SELECT setval(%s, %s, %s)", [f'"{name}"', was or start, was is not None])
        if changed:
            self._kept = held.execute(self._ages).fetchall()

    def discard(self) -> None:
        if self._connection:
            self._connection.close()


def each(query: str, tables: Iterable[str]) -> bytes:
    """One statement that asks the same of several tables, in their order: a name, then what it holds."""
    one = sql.SQL(query)
    parts = (one.format(sql.Literal(name), sql.Identifier(name)) for name in tables)
    return sql.SQL(" UNION ALL ").join(parts).as_bytes()


def let_go(url: str) -> None:
    """Connections that a test left open: they would go on with the database as it was."""
    for (address, _options), engine in engines.items():
        if address == url:
            engine.dispose()


@contextmanager
def engines_kept() -> Iterator[None]:
    """An application composed again on the same database finds its engine, and the statements compiled for it."""
    make = type(db)._make_engine

    def make_once(self: Any, bind_key: str | None, options: dict[str, Any], app: Flask) -> Any:
        key = (str(options["url"]), repr(sorted((name, repr(value)) for name, value in options.items())))
        if key not in engines:
            engines[key] = make(self, bind_key, options, app)
        return engines[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(db), "_make_engine", make_once)
        yield
