"""The SQL database: `db` for pages and administration, `Connections` for machines' endpoints.

Two ways to one database, on purpose (docs/decisions/0003): the ORM costs more than a whole token grant, so the endpoints
that partners call all day run statements compiled once, on a driver connection that each thread holds.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    MetaData,
    String,
    TypeDecorator,
    bindparam,
    column,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.expression import Executable

from idp.errors import StoreUnavailableError

STATEMENT_TIMEOUT = 5
"""Seconds after which PostgreSQL gives up a statement, and SQLite stops waiting for a writer."""


PLANNED_ONCE = "-c plan_cache_mode=force_generic_plan"
"""Statements of machines probe whatever the values: planning them again for each cost more than running them (a decision, 2.7 times)."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite keeps microseconds of the epoch, so that instants compare as numbers on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(sqlite.INTEGER() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must be aware")
        if dialect.name != "sqlite":
            return value
        whole = int(value.replace(microsecond=0).timestamp())
        return whole * 1_000_000 + value.microsecond

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name != "sqlite":
            return cast(datetime, value).astimezone(UTC)
        whole, micro = divmod(int(value), 1_000_000)
        return datetime.fromtimestamp(whole, UTC).replace(microsecond=micro)


Json = JSON().with_variant(JSONB(), "postgresql")
BigInt = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
"""64 bits on both databases; SQLite gives row identifiers only to its own INTEGER."""


class Model(DeclarativeBase):
    """Base of every table. Constraints have names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant}  # noqa: RUF012  # SQLAlchemy's own protocol


db = SQLAlchemy(metadata=Model.metadata)


def engine_options(database_url: str) -> dict[str, Any]:
    """Options of the page engine: bounded waits, stale connections noticed."""
    if make_url(database_url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": STATEMENT_TIMEOUT}}
    return {
        "pool_pre_ping": True,
        "pool_size": 5,
        "max_overflow": 5,
        "pool_timeout": STATEMENT_TIMEOUT,
        "connect_args": postgresql_options(),
    }


def postgresql_options() -> dict[str, Any]:
    return {"connect_timeout": 3, "options": f"-c statement_timeout={STATEMENT_TIMEOUT}s -c lock_timeout=3s -c timezone=UTC"}


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: object) -> None:
    """SQLite as the embedded default: readers never wait for a writer, foreign keys hold."""
    if isinstance(connection, sqlite3.Connection):
        set_pragmas(connection)


def set_pragmas(connection: sqlite3.Connection) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={STATEMENT_TIMEOUT * 1000}"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_aggregate("bit_or", 1, _BitOr)  # type: ignore[arg-type]  # typeshed wants a finalize of its own kinds


class _BitOr:
    """The aggregate that SQLite lacks: the union of masks."""

    def __init__(self) -> None:
        self.union: int | None = None

    def step(self, mask: int | None) -> None:
        if mask is not None:
            self.union = mask if self.union is None else self.union | mask

    def finalize(self) -> int | None:
        return self.union


class Statement:
    """A Core statement compiled once per dialect, run by `Connections` without SQLAlchemy on the way."""

    def __init__(self, build: Callable[[], Executable]) -> None:
        self.build = build
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> "Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = Compiled(self.build(), dialect)
        return found


class Compiled:
    """SQL text of one dialect, and the conversions its columns need (none, for most)."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = cast(Any, statement).compile(dialect=dialect)
        self.sql = str(compiled)
        binds = ((name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for bind, name in compiled.bind_names.items())
        self.binds = [(name, process) for name, process in binds if process]
        self.defaults = self._processed({k: v for k, v in compiled.params.items() if v is not None})
        columns: list[Any] = [column.type for column in cast(Any, statement).exported_columns]
        results = ((i, kind.dialect_impl(dialect).result_processor(dialect, None)) for i, kind in enumerate(columns))
        self.results = [(i, process) for i, process in results if process]

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.defaults, **self._processed(given)}

    def _processed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As the driver takes them."""
        found = dict(values)
        for name, process in self.binds:
            if name in found:
                found[name] = process(found[name])
        return found

    def row(self, raw: Any) -> tuple[Any, ...]:
        if not self.results:
            return tuple(raw)
        values = list(raw)
        for i, process in self.results:
            values[i] = process(values[i])
        return tuple(values)


def listed(dialect: str, name: str, kind: Any) -> Any:
    """The values of a JSON array, as rows of one column."""
    given = bindparam(name, type_=String)
    if dialect == "postgresql":
        table = func.json_array_elements_text(sql_cast(given, JSON)).table_valued(column("value", String), name="listed")
    else:
        table = func.json_each(given).table_valued(column("value", String), name="listed")
    return select(sql_cast(table.c.value, kind))


class Connections:
    """One driver connection per thread, held for its life, in autocommit."""

    def __init__(self, database_url: str) -> None:
        self.url: URL = make_url(database_url)
        self.engine = create_engine(self.url, **({"paramstyle": "named"} if self.url.get_backend_name() == "sqlite" else {}))
        self.dialect = self.engine.dialect
        self._local = threading.local()

    @property
    def count(self) -> int:
        """Round trips of this thread, for the tests: those that watch in the background are not counted among its own."""
        return getattr(self._local, "count", 0)

    def _open(self) -> Any:
        if self.dialect.name == "sqlite":
            connection: Any = sqlite3.connect(self.url.database or "", timeout=STATEMENT_TIMEOUT, isolation_level=None)
            set_pragmas(connection)
            return connection
        from idp.postgresql import HeldPostgreSQL

        address = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        options = postgresql_options()
        return HeldPostgreSQL(address, {**options, "options": f"{options['options']} {PLANNED_ONCE}"})

    def _execute(self, sql: str, parameters: Mapping[str, Any]) -> Any:
        self._local.count = self.count + 1
        try:
            held = getattr(self._local, "connection", None)
            if held is None:
                held = self._local.connection = self._open()
            return held.execute(sql, parameters)
        except self.dialect.loaded_dbapi.OperationalError as error:
            self.drop()
            raise StoreUnavailableError(f"database: {type(error).__name__}") from error

    def drop(self) -> None:
        """Forget this thread's connection; the next statement opens another."""
        held = self._local.__dict__.pop("connection", None)
        if held is not None:
            try:
                held.close()
            except self.dialect.loaded_dbapi.Error:
                return

    def one(self, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
        """First row, or None."""
        compiled = statement.compiled(self.dialect)
        row = self._execute(compiled.sql, compiled.parameters(values)).fetchone()
        return None if row is None else compiled.row(row)

    def all(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        compiled = statement.compiled(self.dialect)
        return [compiled.row(row) for row in self._execute(compiled.sql, compiled.parameters(values)).fetchall()]

    def run(self, statement: Statement, **values: Any) -> int:
        """Rows changed."""
        compiled = statement.compiled(self.dialect)
        return int(self._execute(compiled.sql, compiled.parameters(values)).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several statements, all or nothing."""
        self._execute("BEGIN IMMEDIATE" if self.dialect.name == "sqlite" else "BEGIN", {})
        try:
            yield
        except BaseException:
            if getattr(self._local, "connection", None) is not None:
                self._execute("ROLLBACK", {})
            raise
        self._execute("COMMIT", {})


def pour(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows, in the connection's transaction, as fast as its database takes them: COPY on PostgreSQL, one prepared insert on SQLite.

    Names of tables and columns are ours; values are those of the driver (SQLite: instants as `Instant` writes them).
    """
    driver: Any = connection.connection.dbapi_connection
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' for _ in columns)})", rows)  # noqa: S608


UNAVAILABLE = DBAPIError
"""What the page door catches to answer 503 when `connection_invalidated` or the operation could not be done."""


class Version(Model):
    """A number that grows whenever something changes that processes keep in memory: clients, keys, catalogue."""

    __tablename__ = "versions"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(BigInt)

    @classmethod
    def bump(cls, name: str) -> None:
        """In the transaction of the change: every process notices within a second of the commit. Two at once count two."""
        insert = postgresql.insert if db.engine.dialect.name == "postgresql" else sqlite.insert
        row = insert(cls).values(name=name, number=1)
        db.session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"number": cls.number + 1}))


ALL_VERSIONS = Statement(lambda: select(Version.name, Version.number))


class Versions:
    """The numbers, read again at most once a second; when the database is away, the last ones known."""

    def __init__(self, connections: Connections, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connections, self.clock = connections, clock
        self.numbers: dict[str, int] = {}
        """As they were last read: another dictionary each time, so that whoever saw this very one need not look for a number again."""
        self.until = float("-inf")
        """Of the clock: they are to be read again from then on."""

    def current(self) -> dict[str, int]:
        if self.clock() >= self.until:
            self.refresh()
        return self.numbers

    def of(self, name: str) -> int:
        return self.current().get(name, 0)

    def refresh(self) -> None:
        """Look now: after a commit of this very process."""
        self.until = self.clock() + 1
        try:
            self.numbers = dict(self._connections.all(ALL_VERSIONS))
        except StoreUnavailableError:
            if not self.numbers:
                raise


Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A value loaded from the database and kept in memory until its version changes."""

    def __init__(self, versions: Versions, name: str, load: Callable[[], Value]) -> None:
        self._versions, self._name, self._load = versions, name, load
        self._held: tuple[dict[str, int], int, Value] | None = None
        """The numbers among which its own was last seen, its own, itself."""
        self._lock = threading.Lock()

    def __call__(self) -> Value:
        """A request asks ten times: most answers cost one comparison and the clock."""
        held, versions = self._held, self._versions
        if held is not None and held[0] is versions.numbers and versions.clock() < versions.until:
            return held[2]
        return self._looked()

    def _looked(self) -> Value:
        numbers = self._versions.current()
        number = numbers.get(self._name, 0)
        with self._lock:
            held = self._held
            value = held[2] if held is not None and held[1] == number else self._load()
            self._held = (numbers, number, value)
            return value
