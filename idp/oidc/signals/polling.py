"""Events for who comes to fetch them: acknowledged, refused, then those that wait.

Implements RFC 8936 section 2. ours: a hundred events an answer; who lets MAG wait for one waits 20 seconds at most, a second time every
half second, and not in more than four requests of a process at once: the others are answered at once.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.signals.models import Signal, Stream
from idp.oidc.signals.outbox import Event, SignalOutbox

MOST = 100
"""Events in one answer."""
MOST_NAMED = 1000
"""Events acknowledged or refused in one request."""
WAIT, STEP = 20.0, 0.5
"""Seconds that a request may wait, and between two looks."""
WAITING = 4
"""Requests of one process that may wait together: they hold its threads."""
Transaction = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request says."""

    most: int
    at_once: bool
    acknowledged: tuple[str, ...]
    refused: Mapping[str, str]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Asked":
        """Raises InvalidRequestError."""
        most, at_once, ack, errs = (given.get(name) for name in ("maxEvents", "returnImmediately", "ack", "setErrs"))
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
            raise InvalidRequestError("maxEvents must be a number of events")
        if at_once is not None and not isinstance(at_once, bool):
            raise InvalidRequestError("returnImmediately must be true or false")
        if ack is not None and not (isinstance(ack, list) and all(map(_is_name, ack)) and len(ack) <= MOST_NAMED):
            raise InvalidRequestError("ack must be a list of jti")
        if errs is not None and not (isinstance(errs, dict) and len(errs) <= MOST_NAMED and all(map(_is_name, errs))):
            raise InvalidRequestError("setErrs must be an object, by jti")
        refused = {jti: _why(error) for jti, error in (errs or {}).items()}
        return cls(MOST if most is None else min(most, MOST), at_once is True or most == 0, tuple(ack or ()), refused)


def _is_name(jti: Any) -> bool:
    return isinstance(jti, str) and jti.isprintable()


def _why(error: Any) -> str:
    """RFC 8936 section 2.4: `err` and `description`."""
    if not isinstance(error, dict) or not isinstance(error.get("err"), str):
        raise InvalidRequestError("each of setErrs must have err")
    described = "".join(c for c in f"{error['err']} {error.get('description') or ''}" if c.isprintable())
    return f"refused: {described.strip()}"


@dataclass(slots=True)
class Polling:
    """Answers polls, for one process."""

    signals: SignalOutbox
    wait: float = WAIT
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(WAITING))
    _pause: threading.Event = field(default_factory=threading.Event)

    def answer(self, transaction: Transaction, client_id: str, stream_id: str, asked: Asked) -> dict[str, Any] | None:
        """None: no such stream of this client, or it is pushed. Raises InvalidRequestError."""
        with transaction():
            if not self._is_there(client_id, stream_id):
                return None
            self._settle(stream_id, asked, datetime.now(UTC))
        found = self._found(transaction, stream_id, asked.most)
        if found["sets"] or asked.at_once or not self._places.acquire(blocking=False):
            return found
        try:
            return self._waited(transaction, stream_id, asked.most)
        finally:
            self._places.release()

    @staticmethod
    def _is_there(client_id: str, stream_id: str) -> bool:
        stream = Stream.of_client(client_id)
        return stream is not None and stream.id == stream_id and stream.endpoint_url is None

    @staticmethod
    def _settle(stream_id: str, asked: Asked, now: datetime) -> None:
        if asked.acknowledged:
            Signal.acknowledge(stream_id, asked.acknowledged, now)
        for jti, why in asked.refused.items():
            Signal.refuse(stream_id, jti, why)

    def _waited(self, transaction: Transaction, stream_id: str, most: int) -> dict[str, Any]:
        """Looked again and again, without holding a connection in between."""
        for _ in range(int(self.wait / STEP)):
            self._pause.wait(STEP)
            found = self._found(transaction, stream_id, most)
            if found["sets"]:
                return found
        return {"sets": {}}

    def _found(self, transaction: Transaction, stream_id: str, most: int) -> dict[str, Any]:
        """Section 2.3: those that wait, under their `jti`. A paused stream gives nothing but what is said of itself."""
        with transaction():
            stream = Stream.named(stream_id)
            if stream is None or not most:
                return {"sets": {}}
            events = [(row.jti, _event(row)) for row in Signal.pending(stream, most + 1)]
            client_id = stream.client_id
        now = datetime.now(UTC)
        sets = {jti: self.signals.token(client_id, stream_id, event, now) for jti, event in events[:most]}
        return {"sets": sets, **({"moreAvailable": True} if len(events) > most else {})}


def _event(row: Signal) -> Event:
    return Event(row.jti, row.kind, row.sub or "", row.declarant_id, row.details, row.occurred_at, row.created_at)
