"""Delivers notices: promptly after the commit that wrote them, again and again for a day, never while somebody waits for a page.

Implements OpenID Connect Back-Channel Logout sections 2.5 and 2.8. One thread of the process claims notices and writes what
became of them; a few others only call partners, so that whoever hangs delays nobody but itself. A notice claimed by a process
that died is anybody's again after its lease.
"""

import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Protocol
from urllib.parse import urlencode

from idp.database import Connections
from idp.errors import RefusedError, StoreUnavailableError
from idp.logs import logger, note
from idp.notifications.pace import next_try
from idp.oidc.backchannel.logout_token import logout_token
from idp.oidc.backchannel.models import CLAIM, DELIVERED, DUE, NOT_DELIVERED, POSTPONE, PUT_OFF
from idp.oidc.client_auth import Clients
from idp.oidc.encryption import NoClientKeyError
from idp.oidc.tokens import Mint

WIDTH = 8
"""Partners called at the same time by one process."""
POLL = 5.0
"""Seconds between two looks at what is due, when nobody says that something is."""
LEASE = timedelta(seconds=60)
"""For how long a claimed notice is left alone: longer than a call may last."""
AWAY = timedelta(seconds=30)
"""For how long a partner that did not answer is not called again by this process: new notices would hold the places of others."""
REFUSED_TRIES = 3
"""A partner that answers 400 read the token and refuses it: a day of repetition would change nothing."""
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class Post(Protocol):
    """The guard of outgoing calls: posts a body; the status of the answer. Raises RefusedError when there is none."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int: ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice claimed."""

    id: int
    client_id: str
    sid: str
    uid: str
    declarant_id: int
    created_at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What one round did."""

    sent: int = 0
    failed: int = 0


Outcome = tuple[Notice, "Future[int]"]


class Messenger:
    """Delivers notices, for one process."""

    def __init__(self, connections: Connections, mint: Mint, clients: Clients, post: Post, *, poll: float = POLL) -> None:
        self.connections, self.mint, self.clients, self.post, self.poll = connections, mint, clients, post, poll
        self._mailbox: SimpleQueue[Outcome | None] = SimpleQueue()
        self._callers = ThreadPoolExecutor(WIDTH, "mag-notices")
        self._in_flight = 0
        self._away: dict[str, datetime] = {}
        self._done = Sent()
        self._stopped = threading.Event()

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
        alone = Messenger(self.connections, self.mint, self.clients, self.post)
        alone._advance(None)
        while alone._in_flight:
            alone._advance(alone._mailbox.get())
        return alone._done

    # ------------------------------------------------------------------------------------------------------------ the work

    def _advance(self, arrived: Outcome | None) -> None:
        if arrived is not None:
            self._in_flight -= 1
            self._record(*arrived)
        while self._in_flight < WIDTH:
            now = datetime.now(UTC)
            due = self.connections.one(DUE, now=now)
            row = self.connections.one(CLAIM, now=now, until=now + LEASE) if due else None
            if row is None:
                return
            self._send(Notice(*row), now)

    def _send(self, notice: Notice, now: datetime) -> None:
        client = self.clients.find(notice.client_id)
        if client is None or not client.backchannel_logout_uri:
            self._failed(notice, "the client is no longer told", None)
            return
        back_at = self._away.get(notice.client_id, now)
        if back_at > now:
            self.connections.run(PUT_OFF, notice_id=notice.id, at_try=notice.tries, later=back_at)
            return
        try:
            token = logout_token(self.mint, client, notice.uid, notice.sid, int(now.timestamp()))
        except (RefusedError, NoClientKeyError) as error:
            self._failed(notice, str(error), next_try(notice.created_at, notice.tries, now))
            return
        self._in_flight += 1
        body = urlencode({"logout_token": token}).encode()
        calling = self._callers.submit(self.post, client.backchannel_logout_uri, body, HEADERS)
        calling.add_done_callback(lambda called: self._mailbox.put((notice, called)))

    def _record(self, notice: Notice, called: "Future[int]") -> None:
        """Section 2.8: 200 is a success, and 204 where a framework writes that; 400 says that the token is refused."""
        now, error = datetime.now(UTC), called.exception()
        later = next_try(notice.created_at, notice.tries, now)
        if error is not None:
            if not isinstance(error, RefusedError):
                logger.error("unexpected error", exc_info=error)
            self._failed(notice, str(error) if isinstance(error, RefusedError) else type(error).__name__, later)
            self._away[notice.client_id] = now + AWAY
            self.connections.run(POSTPONE, of_client=notice.client_id, now=now, later=later or now + AWAY)
        elif called.result() in (200, 204):
            self.connections.run(DELIVERED, notice_id=notice.id, at_try=notice.tries, now=now)
            self._away.pop(notice.client_id, None)
            self._done = Sent(self._done.sent + 1, self._done.failed)
            note("partner told of a sign-out", client_id=notice.client_id, declarant_id=notice.declarant_id, tries=notice.tries)
        else:
            given_up = called.result() == 400 and notice.tries >= REFUSED_TRIES
            self._failed(notice, f"answered {called.result()}", None if given_up else later)

    def _failed(self, notice: Notice, why: str, later: datetime | None) -> None:
        self.connections.run(NOT_DELIVERED, notice_id=notice.id, at_try=notice.tries, later=later, why=why[:200])
        self._done = Sent(self._done.sent, self._done.failed + 1)
        fields = {"notice": notice.id, "client_id": notice.client_id, "tries": notice.tries, "reason": why, "given_up": later is None}
        logger.warning("partner not told of a sign-out", extra={"fields": fields})


def _deliver(reference: "weakref.ReferenceType[Messenger]", mailbox: "SimpleQueue[Outcome | None]", poll: float) -> None:
    """The thread: it does not keep alive a messenger that nobody else needs."""
    arrived: Outcome | None = None
    while (messenger := reference()) is not None and messenger.step(arrived):
        del messenger
        try:
            arrived = mailbox.get(timeout=poll)
        except Empty:
            arrived = None
