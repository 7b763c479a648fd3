"""Does the jobs of mass files, beside the requests: promptly when it is woken, every few seconds otherwise, whoever left them.

One thread of the process, or `mag habilitations fichiers traiter` for a timer. A job is claimed for a minute, and again with each sign of
life; one whose worker died is anybody's after that. The clock of jobs is the machine's.
"""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue

from idp.audit.journal import Circumstances, circumstances
from idp.database import UNAVAILABLE, Connections, db
from idp.errors import StoreUnavailableError
from idp.habilitations.fichiers import accord, traitement
from idp.habilitations.fichiers.models import BEAT, CLAIM, DUE, LEASE, MOST_TRIES, RELEASE
from idp.habilitations.fichiers.statuts import Travail
from idp.habilitations.fichiers.traitement import Claimed, LostLeaseError, Surroundings
from idp.logs import logger, note
from idp.seals import random_token

POLL = 5.0
"""Seconds between two looks at what is due, when nobody says that something is."""
PULSE = 1.0
"""Seconds between two signs of life of one job."""
BREATH = LEASE.total_seconds() / 4
"""Seconds between those that a thread gives while the job is busy elsewhere: a large act writes for longer than a lease."""
LATER = timedelta(seconds=10)
"""A job that met a database too busy is tried again after that."""
GIVEN_UP = "MAG n'y est pas parvenu après plusieurs essais. Recommencez, puis adressez-vous à l'assistance."


class Ouvrier:
    """Does the jobs, for one process. `context`: where `db.session` may be used."""

    def __init__(
        self,
        connections: Connections,
        context: Callable[[], AbstractContextManager[object]],
        around: Surroundings,
        *,
        poll: float = POLL,
        breath: float = BREATH,
    ) -> None:
        self.connections, self.context, self.around, self.poll, self.breath = connections, context, around, poll, breath
        self.name = random_token(16)
        self._mailbox: SimpleQueue[None] = SimpleQueue()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Work from now on, until `stop` or the end of the process."""
        weakref.finalize(self, self._mailbox.put, None)
        threading.Thread(target=_work, args=(weakref.ref(self), self._mailbox, self.poll), name="mag-fichiers", daemon=True).start()

    def wake(self) -> None:
        """A job was asked for: to be called right after the commit."""
        self._mailbox.put(None)

    def stop(self) -> None:
        self._stopped.set()
        self._mailbox.put(None)

    def step(self) -> bool:
        """Everything that is due; False when it is time to stop."""
        if self._stopped.is_set():
            return False
        try:
            self.traiter()
        except (StoreUnavailableError, UNAVAILABLE):
            logger.warning("the database does not answer: mass files wait")
        except Exception as error:  # the edge of this thread: files must not stop with one mistake
            logger.error("unexpected error", exc_info=error)
        return not self._stopped.is_set()

    def traiter(self) -> int:
        """Every job that is due, one after the other; how many were done, or given up."""
        done = 0
        with self.context():
            accord_expired(self.around.issuer)
        while (job := self._claim()) is not None:
            pulse = Pulse(self.connections, job)
            with self.context(), pulse.steady(self.breath):
                done += self._do(job, pulse)
        return done

    def _claim(self) -> Claimed | None:
        now = datetime.now(UTC)
        if self.connections.one(DUE, now=now) is None:
            return None
        worker = f"{self.name}.{random_token(8)}"
        row = self.connections.one(CLAIM, now=now, until=now + LEASE, of_worker=worker)
        return None if row is None else Claimed(row[0], row[1], Travail(row[2]), row[3], worker)

    def _do(self, job: Claimed, pulse: "Pulse") -> bool:
        """Whether it is over. Its transaction is committed whole, or rolled back."""
        token = circumstances.set(Circumstances())
        try:
            if job.tries > MOST_TRIES:
                traitement.abandonner(job, self.around, f"{job.tries} tries", GIVEN_UP, datetime.now(UTC))
            else:
                traitement.faire(job, self.around, pulse, datetime.now(UTC))
            db.session.commit()
            note("mass file", fichier=job.fichier_id, job=job.genre, tries=job.tries)
            return True
        except LostLeaseError:
            db.session.rollback()
            return False
        except Exception as error:
            db.session.rollback()
            if not isinstance(error, (StoreUnavailableError, UNAVAILABLE)):
                logger.error("unexpected error", exc_info=error, extra={"fields": {"fichier": job.fichier_id, "job": job.genre}})
            self._release(job, type(error).__name__)
            return False
        finally:
            db.session.remove()
            circumstances.reset(token)

    def _release(self, job: Claimed, why: str) -> None:
        later = datetime.now(UTC) + LATER
        self.connections.run(RELEASE, travail_id=job.id, of_worker=job.worker, until=later, why=why)


class Pulse:
    """Signs of life of one job, on a connection of their own: what the job itself does shows only at its end."""

    def __init__(self, connections: Connections, job: Claimed, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.connections, self.job, self._clock = connections, job, clock
        self._next = 0.0
        self._said = 0, 0

    def __call__(self, done: int, total: int) -> None:
        """Raises LostLeaseError when the job is another's."""
        self._said = done, total
        if self._clock() < self._next:
            return
        self._next = self._clock() + PULSE
        if not self._beat():
            raise LostLeaseError(f"job {self.job.id}")

    def _beat(self) -> bool:
        """Whether the job is still ours."""
        (done, total), until = self._said, datetime.now(UTC) + LEASE
        mine = {"travail_id": self.job.id, "of_worker": self.job.worker}
        return bool(self.connections.run(BEAT, **mine, until=until, at_line=done, of_lines=total))

    @contextmanager
    def steady(self, every: float) -> Iterator[None]:
        """Signs of life every few seconds, whatever the job is busy with. SQLite has one writer: while it writes nobody takes the job."""
        if self.connections.dialect.name != "postgresql":
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._go_on, args=(over, every), name="mag-fichiers-vie", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _go_on(self, over: threading.Event, every: float) -> None:
        """Until it is over, or the job is another's, which its end will tell."""
        mine = True
        while mine and not over.wait(every):
            with suppress(StoreUnavailableError, UNAVAILABLE):
                mine = self._beat()
        self.connections.drop()


def accord_expired(issuer: str) -> None:
    """Agreements that nobody gave in time."""
    try:
        if accord.expirer(datetime.now(UTC), issuer=issuer):
            db.session.commit()
    finally:
        db.session.remove()


def _work(reference: "weakref.ReferenceType[Ouvrier]", mailbox: "SimpleQueue[None]", poll: float) -> None:
    """The thread: it does not keep alive a worker that nobody else needs."""
    going = True
    while going:
        with suppress(Empty):
            mailbox.get(timeout=poll)
        ouvrier = reference()
        going = ouvrier is not None and ouvrier.step()
        del ouvrier
