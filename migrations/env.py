"""How Alembic runs our migrations: one transaction for all of them, on both databases.

PostgreSQL: one migration at a time (advisory lock); a statement that waits for a table gives up, so that MAG's requests do
not queue behind it. SQLite: tables are rebuilt where it cannot alter them, with foreign keys checked at the end.
Left out on purpose: offline SQL scripts.
"""

import sqlite3
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from sqlalchemy import Connection, TypeDecorator, create_engine, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.pool import NullPool

from idp.config import Settings
from idp.database import Instant, Model
from migrations import load_models

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"
ONE_AT_A_TIME = 0x4D4147
"""Key of the advisory lock: the letters MAG."""


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Migrations name plain types: they must read the same whatever becomes of our own."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    if isinstance(item, Instant):
        return 'sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")'
    plain, embedded = _repr_type(item.impl_instance, autogen), _repr_type(item.load_dialect_impl(sqlite.dialect()), autogen)
    return plain if plain == embedded else f'{plain}.with_variant({embedded}, "sqlite")'


def open_engine(database_url: str) -> Engine:
    engine = create_engine(make_url(database_url), poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """The driver must not commit behind a migration's back; dropping a rebuilt table must not cascade."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA busy_timeout=60000")


def prepare_postgresql(connection: Connection) -> None:
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))


def check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"migration refused: {len(broken)} rows of {sorted({row[0] for row in broken})} refer to nothing")


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Model.metadata,
        render_item=render_item,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            prepare_postgresql(connection)
        context.run_migrations()
        if connection.dialect.name == "sqlite":
            check_references(connection)


def run() -> None:
    load_models()
    database_url = context.config.attributes.get("database_url") or Settings.load().database_url
    engine = open_engine(database_url)
    with engine.connect() as connection:
        migrate(connection)


run()
