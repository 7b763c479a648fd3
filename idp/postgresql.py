"""One held PostgreSQL connection: each statement prepared once, then sent and answered by libpq in one call.

psycopg's cursors wait in Python so that they can be interrupted; a server thread has nobody to interrupt it, and the wait costs
several times the rest of a short statement (docs/performance.md). Values are adapted by psycopg all the same.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

import orjson
import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.json import set_json_dumps, set_json_loads

NAMED = re.compile(r"%\((\w+)\)s|%%")
PREPARED_LIMIT = 500
"""Statements kept by the server for one connection; MAG has fewer."""
TRANSACTION = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
"""Nothing to prepare in them, and pg_stat_statements counts a prepared one once."""
GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


Values = Callable[[Mapping[str, Any]], Sequence[Any]]
"""Takes the values of a statement out of its parameters, in its order."""


class Result:
    """Rows of one statement, and how many it changed."""

    def __init__(self, rows: Sequence[tuple[Any, ...]], rowcount: int) -> None:
        self.rows, self.rowcount = rows, rowcount

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> Sequence[tuple[Any, ...]]:
        return self.rows


class HeldPostgreSQL:
    """In autocommit. Used by one thread. Raises the errors of psycopg."""

    def __init__(self, address: str, options: Mapping[str, Any]) -> None:
        self._connection = psycopg.connect(address, autocommit=True, **options)
        set_json_dumps(orjson.dumps, self._connection)
        set_json_loads(orjson.loads, self._connection)
        self._libpq, self._transformer = self._connection.pgconn, Transformer(self._connection)
        self._texts: dict[str, tuple[bytes, Values, list[PyFormat]]] = {}
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def close(self) -> None:
        self._connection.close()

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> Result:
        """`sql` names its parameters as Python's `%(name)s`."""
        if sql in TRANSACTION:
            return self._transaction(sql)
        text, values_of, formats = self._texts.get(sql) or self._numbered(sql)
        transformer = self._transformer
        values = transformer.dump_sequence(values_of(parameters), formats)
        types = transformer.types or ()
        prepared = self._prepared.get((sql, types)) or self._prepare(sql, text, types)
        answer = self._libpq.exec_prepared(prepared, cast(Any, values), transformer.formats)
        if answer.status not in GOOD:
            raise self._error(answer)
        if answer.status == pq.ExecStatus.COMMAND_OK:
            return Result((), answer.command_tuples or 0)
        transformer.set_pgresult(answer)
        return Result(transformer.load_rows(0, answer.ntuples, tuple), answer.command_tuples or 0)

    def _transaction(self, word: str) -> Result:
        answer = self._libpq.exec_(word.encode())
        if answer.status not in GOOD:
            raise self._error(answer)
        return Result((), 0)

    def _numbered(self, sql: str) -> tuple[bytes, Values, list[PyFormat]]:
        """The text with `$1`, `$2`…, and what takes their values out of the parameters; a name that comes twice has one number."""
        names: list[str] = []

        def number(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "%"
            if name not in names:
                names.append(name)
            return f"${names.index(name) + 1}"

        text = NAMED.sub(number, sql).encode()
        take: Values = itemgetter(*names) if len(names) > 1 else lambda parameters: [parameters[name] for name in names]
        self._texts[sql] = numbered = text, take, [PyFormat.AUTO] * len(names)
        return numbered

    def _prepare(self, sql: str, text: bytes, types: tuple[int, ...]) -> bytes:
        if len(self._prepared) >= PREPARED_LIMIT:
            self._prepared.clear()
            self._libpq.exec_(b"DEALLOCATE ALL")
        name = b"mag%d" % len(self._prepared)
        answer = self._libpq.prepare(name, text, types)
        if answer.status not in GOOD:
            raise self._error(answer)
        self._prepared[sql, types] = name
        return name

    def _error(self, answer: Any) -> psycopg.Error:
        if self._libpq.status != pq.ConnStatus.OK:
            return psycopg.OperationalError(answer.get_error_message())
        return psycopg.errors.error_from_result(answer)
