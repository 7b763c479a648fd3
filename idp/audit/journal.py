"""Writing the journal, in the transaction of the fact: a fact without its line, or the reverse, does not exist.

Two writers for two doors: `record` joins the page's session, `write` runs on a held connection.
"""

import contextvars
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.audit.events import Event
from idp.audit.models import RECORD, AuditEvent
from idp.database import Connections, db


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of the request being served: where it came from and under which identifier."""

    address: str | None = None
    request_id: str | None = None


circumstances: contextvars.ContextVar[Circumstances] = contextvars.ContextVar("circumstances", default=Circumstances())  # noqa: B039  # frozen


def line(event: Event, now: datetime | None = None) -> dict[str, Any]:
    """The row of an event."""
    where = circumstances.get()
    return {
        "at": now or datetime.now(UTC),
        "kind": type(event).__name__,
        "outcome": event.outcome,
        "declarant_id": event.declarant_id,
        "client_id": event.client_id,
        "siret": event.siret,
        "actor": event.actor,
        "address": where.address,
        "request_id": where.request_id,
        "details": event.details,
    }


def record(event: Event, now: datetime | None = None) -> None:
    """Join the current page transaction; the view commits."""
    db.session.add(AuditEvent(**line(event, now)))


def write(connections: Connections, event: Event, now: datetime | None = None) -> None:
    """Write on the held connection; inside `connections.transaction()` when something else changes with it."""
    connections.run(RECORD, **line(event, now))
