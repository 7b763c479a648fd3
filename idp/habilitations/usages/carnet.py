"""What was used lately, noted in memory by whoever answers a partner, and written from time to time by a thread of the process.

Noting costs no round trip. A process notes a person and a service once a day; the database keeps the last day, and does not write one
twice. What a process that is killed had not written yet, half a minute of notes at most, is written at the next use.
"""

import threading
import weakref
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from queue import Empty, SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from idp.database import Connections
from idp.errors import StoreUnavailableError
from idp.habilitations.droits import Catalogue
from idp.habilitations.usages.models import KEEP
from idp.logs import logger

PARIS = ZoneInfo("Europe/Paris")
PACE = 30.0
"""Seconds between two writings."""
MOST = 100_000
"""Persons that a process remembers to have noted today: beyond, it forgets them all, and may note some again."""
AT_ONCE = 2_000
"""Persons and services of one statement."""


class Carnet:
    """For one process."""

    def __init__(self, connections: Connections, *, pace: float = PACE) -> None:
        self.connections, self.pace = connections, pace
        self._lock = threading.Lock()
        self._jour = date.min
        self._noted: dict[int, int] = {}
        """Today, by person: a mask of services."""
        self._waiting: dict[tuple[date, int], int] = {}
        """Not written yet, by day and person."""
        self._mailbox: SimpleQueue[None] = SimpleQueue()
        self._stopped = threading.Event()

    def noter(self, catalogue: Catalogue, declarant_id: int, services: Collection[str], now: datetime) -> None:
        """A partner was told that this person may do something on these services."""
        mask = 0
        for code in services:
            mask |= 1 << catalogue.services[code].bit
        jour = now.astimezone(PARIS).date()
        if jour == self._jour and not mask & ~self._noted.get(declarant_id, 0):
            return
        with self._lock:
            if jour != self._jour or len(self._noted) >= MOST:
                self._jour, self._noted = jour, {}
            new = mask & ~self._noted.get(declarant_id, 0)
            self._noted[declarant_id] = self._noted.get(declarant_id, 0) | mask
            if new:
                self._waiting[jour, declarant_id] = self._waiting.get((jour, declarant_id), 0) | new

    def ecrire(self) -> int:
        """Write what waits; how many persons and services. Raises StoreUnavailableError: it waits again then."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        try:
            return sum(self._keep(jour, list(_pairs(taken, jour))) for jour in sorted({jour for jour, _ in taken}))
        except StoreUnavailableError:
            self._put_back(taken)
            raise

    def _keep(self, jour: date, pairs: Sequence[tuple[int, int]]) -> int:
        dialect = self.connections.dialect.name
        for some in (pairs[i : i + AT_ONCE] for i in range(0, len(pairs), AT_ONCE)):
            used: dict[str, Any] = {"pairs": orjson.dumps(some).decode()}
            if dialect == "postgresql":
                used = {"declarants": [who for who, _ in some], "bits": [bit for _, bit in some]}
            self.connections.run(KEEP[dialect], today=jour, **used)
        return len(pairs)

    def _put_back(self, taken: dict[tuple[date, int], int]) -> None:
        """While the database is away, no more than MOST wait."""
        with self._lock:
            for key, mask in taken.items():
                if len(self._waiting) < MOST:
                    self._waiting[key] = self._waiting.get(key, 0) | mask

    # ---------------------------------------------------------------------------------------------------- by this process

    def start(self) -> None:
        """Write from now on, until `stop` or the end of the process."""
        weakref.finalize(self, self._mailbox.put, None)
        threading.Thread(target=_write, args=(weakref.ref(self), self._mailbox, self.pace), name="mag-carnet", daemon=True).start()

    def stop(self) -> None:
        """What waits is written first."""
        self._stopped.set()
        self._mailbox.put(None)

    def step(self) -> bool:
        """Write what waits; False when it is time to stop."""
        try:
            self.ecrire()
        except StoreUnavailableError:
            logger.warning("the database does not answer: uses of services wait")
        except Exception as error:  # the edge of this thread: notes must not stop with one mistake
            logger.error("unexpected error", exc_info=error)
        return not self._stopped.is_set()


def _pairs(taken: dict[tuple[date, int], int], jour: date) -> Iterator[tuple[int, int]]:
    """In order, so that two processes never wait for each other's rows."""
    for day, who in sorted(taken):
        if day == jour:
            mask = taken[day, who]
            yield from ((who, bit) for bit in range(mask.bit_length()) if mask >> bit & 1)


def _write(reference: "weakref.ReferenceType[Carnet]", mailbox: "SimpleQueue[None]", pace: float) -> None:
    """The thread: it does not keep alive a notebook that nobody else needs."""
    going = True
    while going:
        with suppress(Empty):
            mailbox.get(timeout=pace)
        carnet = reference()
        going = carnet is not None and carnet.step()
        del carnet
