"""What an answer costs, counted rather than timed: a busy machine makes clocks lie, and counts do not."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import event

from idp.database import Connections, db


@dataclass
class Work:
    """Statements of the pages, in order and without their values; trips to the stores; parameters of each slow hash."""

    statements: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    trips: tuple[int, int] = (0, 0)

    def digest(self) -> tuple[str, int, tuple[str, ...], tuple[int, int]]:
        """Equal for works that no clock would tell apart."""
        text = hashlib.sha256("\n".join(self.statements).encode()).hexdigest()
        return text, len(self.statements), tuple(self.hashes), self.trips


@contextmanager
def statements(engine: Any, held: Connections) -> Iterator[Callable[[], int]]:
    """How many statements both ways to the database run: `found()`."""
    seen: list[str] = []
    before = held.count

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield lambda: len(seen) + held.count - before
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def counted(app: Flask) -> Iterator[Work]:
    """The work that is done inside, by the pages of this application."""
    mag, passwords = app.extensions["mag"], app.extensions["mag_means"].passwords
    work, holds = Work(), passwords._holds
    with app.app_context():
        engine = db.engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        work.statements.append(statement)

    def held(encoded: str, peppered: str) -> bool:
        work.hashes.append(encoded.split("$")[3])
        return bool(holds(encoded, peppered))

    def trips() -> tuple[int, int]:
        return getattr(mag.ephemeral, "count_of_trips", 0), mag.connections.count

    before = trips()
    event.listen(engine, "before_cursor_execute", note)
    passwords._holds = held
    try:
        yield work
    finally:
        event.remove(engine, "before_cursor_execute", note)
        passwords._holds = holds
        after = trips()
        work.trips = after[0] - before[0], after[1] - before[1]
