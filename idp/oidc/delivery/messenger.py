"""Empties the outboxes: promptly after the commit that filled them, again and again, never while somebody waits for a page.

One thread of the process claims rows and writes what became of them; a few others only call partners, so that whoever hangs delays
nobody but itself. A row claimed by a process that died is anybody's again after its lease. What a row says, and what an answer means,
is its outbox's own: logout tokens (`backchannel`), security events (`signals`), events that MAG goes and fetches (`reception`).
"""

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Protocol

from idp.database import Connections
from idp.errors import RefusedError, StoreUnavailableError
from idp.logs import logger, note
from idp.notifications.pace import next_try
from idp.oidc.delivery.models import LONGEST_FAILURE, Statements
from idp.oidc.encryption import NoClientKeyError

WIDTH = 8
"""Partners called at the same time by one process."""
POLL = 5.0
"""Seconds between two looks at what is due, when nobody says that something is."""
LEASE = timedelta(seconds=60)
"""For how long a claimed row is left alone: longer than a call may last."""
AWAY = timedelta(seconds=30)
"""For how long a partner that did not answer is not called again by this process: new rows would hold the places of others."""
SLOW = 1.0
"""Seconds after which a partner that took what it was told is left alone as long: its rows would hold every place, one after the other."""
REFUSED_TRIES = 3
"""A partner that answers 400 read the token and refuses it: a day of repetition would change nothing."""


class Post(Protocol):
    """The guard of outgoing calls: posts a body; the status of the answer. Raises RefusedError when there is none."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row claimed."""

    id: int
    key: str
    """Whom it is for: a client, a stream. While one does not answer, its other rows wait."""
    created_at: datetime
    tries: int
    content: tuple[Any, ...]
    """The outbox's own columns, in the order of its claim."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to post, and where."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    instead: Callable[[], int] | None = None
    """What is done in the place of a post, where the answer is to be read too; its status. Raises RefusedError."""


class NobodyToTellError(Exception):
    """The row has no recipient any more; the message says why."""


class Outbox(Protocol):
    """One kind of notices. A claim returns `id`, the key, `created_at`, `tries`, then its own columns."""

    name: str
    """For the log: what was, or was not, told."""
    statements: Statements
    accepted: tuple[int, ...]
    """Statuses that mean it arrived."""
    patience: timedelta
    """After which a row is given up."""

    def gather(self, now: datetime, /) -> bool:
        """Write rows for what happened since, before any is claimed; whether there is more to gather at once."""

    def call(self, row: Row, now: datetime) -> Call:
        """Raises NobodyToTellError, RefusedError, NoClientKeyError."""

    def fields(self, row: Row) -> dict[str, Any]:
        """For the log."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round did."""

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a partner answered, and in how many seconds."""

    status: int
    took: float


Outcome = tuple[Outbox, Row, "Future[Answered]"]


class Messenger:
    """Delivers what the outboxes hold, for one process."""

    def __init__(self, connections: Connections, outboxes: Sequence[Outbox], post: Post, *, poll: float = POLL) -> None:
        self.connections, self.outboxes, self.post, self.poll = connections, tuple(outboxes), post, poll
        self._mailbox: SimpleQueue[Outcome | None] = SimpleQueue()
        self._callers = ThreadPoolExecutor(WIDTH, "mag-notices")
        self._in_flight = 0
        self._away: dict[tuple[str, str], datetime] = {}
        self._done = Sent()
        self._stopped = threading.Event()

    def serve(self, outbox: Outbox) -> None:
        """One more, made by who knows this messenger."""
        self.outboxes = (*self.outboxes, outbox)

    # ---------------------------------------------------------------------------------------------------- by this process

    def start(self) -> None:
        """Deliver from now on, until `stop` or the end of the process."""
        weakref.finalize(self, self._mailbox.put, None)
        threading.Thread(target=_deliver, args=(weakref.ref(self), self._mailbox, self.poll), name="mag-messenger", daemon=True).start()

    def wake(self) -> None:
        """Something is due: to be called right after the commit. Costs nothing to whoever calls."""
        self._mailbox.put(None)

    def stop(self) -> None:
        self._stopped.set()
        self._mailbox.put(None)

    def step(self, arrived: Outcome | None) -> bool:
        """Write what became of a call, make those that are due; False when it is time to stop."""
        if self._stopped.is_set():
            return False
        try:
            self._advance(arrived)
        except StoreUnavailableError:
            logger.warning("the database does not answer: notices wait")
        except Exception as error:  # the edge of this thread: notices must not stop with one mistake
            logger.error("unexpected error", exc_info=error)
        return True

    # ------------------------------------------------------------------------------------------------------ by a command

    def send_due(self) -> Sent:
        """Everything that is due, once; beside the thread, if there is one."""
        alone = Messenger(self.connections, self.outboxes, self.post)
        alone._advance(None)
        while alone._in_flight:
            alone._advance(alone._mailbox.get())
        return alone._done

    # ------------------------------------------------------------------------------------------------------------ the work

    def _advance(self, arrived: Outcome | None) -> None:
        if arrived is not None:
            self._in_flight -= 1
            self._record(*arrived)
        for outbox in self.outboxes:
            if outbox.gather(datetime.now(UTC)):
                self.wake()
            while self._in_flight < WIDTH and (row := self._claimed(outbox)) is not None:
                self._send(outbox, row)

    def _claimed(self, outbox: Outbox) -> Row | None:
        now = datetime.now(UTC)
        due = self.connections.one(outbox.statements.due, now=now)
        row = self.connections.one(outbox.statements.claim, now=now, until=now + LEASE) if due else None
        if row is None:
            return None
        identifier, key, created_at, tries, *content = row
        return Row(identifier, key, created_at, tries, tuple(content))

    def _send(self, outbox: Outbox, row: Row) -> None:
        now = datetime.now(UTC)
        back_at = self._away.get((outbox.name, row.key), now)
        if back_at > now:
            self.connections.run(outbox.statements.put_off, row_id=row.id, at_try=row.tries, later=back_at)
            return
        try:
            call = outbox.call(row, now)
        except NobodyToTellError as error:
            self._failed(outbox, row, str(error), None)
            return
        except (RefusedError, NoClientKeyError) as error:
            self._failed(outbox, row, str(error), self._later(outbox, row, now))
            return
        self._in_flight += 1
        calling = self._callers.submit(_posted, self.post, call)
        calling.add_done_callback(lambda called: self._mailbox.put((outbox, row, called)))

    @staticmethod
    def _later(outbox: Outbox, row: Row, now: datetime) -> datetime | None:
        return next_try(row.created_at, row.tries, now, outbox.patience)

    def _record(self, outbox: Outbox, row: Row, called: "Future[Answered]") -> None:
        """400 says that the token is refused (Back-Channel Logout section 2.8, RFC 8935 section 2.3)."""
        now, error = datetime.now(UTC), called.exception()
        later, key = self._later(outbox, row, now), (outbox.name, row.key)
        if error is not None:
            if not isinstance(error, RefusedError):
                logger.error("unexpected error", exc_info=error)
            self._failed(outbox, row, str(error) if isinstance(error, RefusedError) else type(error).__name__, later)
            self._leave(outbox, row, now, later or now + AWAY)
        elif (answered := called.result()).status in outbox.accepted:
            self.connections.run(outbox.statements.delivered, row_id=row.id, at_try=row.tries, now=now)
            if answered.took > SLOW:
                self._leave(outbox, row, now, now + AWAY)
            else:
                self._away.pop(key, None)
            self._done = Sent(self._done.sent + 1, self._done.failed)
            note(f"partner told of {outbox.name}", tries=row.tries, **outbox.fields(row))
        else:
            given_up = answered.status == 400 and row.tries >= REFUSED_TRIES
            self._failed(outbox, row, f"answered {answered.status}", None if given_up else later)

    def _leave(self, outbox: Outbox, row: Row, now: datetime, later: datetime) -> None:
        """This partner alone for a while: what is written meanwhile waits too."""
        self._away[outbox.name, row.key] = now + AWAY
        self.connections.run(outbox.statements.postpone, of_key=row.key, now=now, later=later)

    def _failed(self, outbox: Outbox, row: Row, why: str, later: datetime | None) -> None:
        values = {"row_id": row.id, "at_try": row.tries, "later": later, "why": why[:LONGEST_FAILURE]}
        self.connections.run(outbox.statements.not_delivered, **values)
        self._done = Sent(self._done.sent, self._done.failed + 1)
        fields = {"notice": row.id, "tries": row.tries, "reason": why, "given_up": later is None, **outbox.fields(row)}
        logger.warning(f"partner not told of {outbox.name}", extra={"fields": fields})


def _posted(post: Post, call: Call) -> Answered:
    began = monotonic()
    status = call.instead() if call.instead else post(call.url, call.body, call.headers)
    return Answered(status, monotonic() - began)


def _deliver(reference: "weakref.ReferenceType[Messenger]", mailbox: "SimpleQueue[Outcome | None]", poll: float) -> None:
    """The thread: it does not keep alive a messenger that nobody else needs."""
    arrived: Outcome | None = None
    while (messenger := reference()) is not None and messenger.step(arrived):
        del messenger
        try:
            arrived = mailbox.get(timeout=poll)
        except Empty:
            arrived = None
