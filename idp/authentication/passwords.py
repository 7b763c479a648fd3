"""Passwords: their hash, and the bounded work of hashing them. The only home of argon2.

A password is normalised (NFC), peppered with a key that the database does not hold, then hashed with Argon2id. Hashes run
on niced threads, as many as the settings say, behind a bounded queue, so that a storm of sign-ins leaves tokens alone;
more is refused before any work. Left out on purpose: what a password must be, which is `password_policy.py`.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from idp.authentication.legacy_hashes import LegacyHash, compute
from idp.authentication.password_policy import normalise
from idp.config import Settings
from idp.errors import OverloadedError
from idp.logs import logger
from idp.seals import Seals, UnsealError, b64

LONGEST_WAIT = 2.0
"""Seconds in the queue after which a sign-in is given up rather than hashed for nobody."""
SAMPLE_LIFETIME = 600.0
"""Seconds during which a sample of the stored hashes says which parameters are in force."""
NICE = 19
"""Priority of the hashing threads: below everything else that the process does."""
WRAPPED = "|"
"""Between the recipe of an imported hash (`legacy_hashes.py`) and the Argon2id hash of what comes out of it."""
Answer = TypeVar("Answer")


# ----------------------------------------------------------------------------------------------------------- bounded work


class HashPool:
    """`slots` niced threads and a queue of `queue` waiters; whoever finds it full is told at once. Threads start with the first hash."""

    def __init__(self, slots: int, queue: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = threading.BoundedSemaphore(slots + queue)
        self._slots, self._clock = slots, clock
        self._lock = threading.Lock()
        self._holder = threading.local()
        self._threads: ThreadPoolExecutor | None = None

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for what the caller does here, hashes included. Raises OverloadedError, at once, when none is left."""
        if getattr(self._holder, "placed", False):
            yield
            return
        if not self._room.acquire(blocking=False):
            raise OverloadedError("the hash queue is full")
        self._holder.placed = True
        try:
            yield
        finally:
            self._holder.placed = False
            self._room.release()

    def run(self, work: Callable[[], Answer]) -> Answer:
        """Raises OverloadedError when the queue is full, or when its turn came too late."""
        with self.place():
            return self._executor().submit(self._in_time, work, self._clock()).result()

    def _executor(self) -> ThreadPoolExecutor:
        """Made late: a server that forks after loading the application keeps no thread."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._slots, "hash", initializer=_be_nice)
            return self._threads

    def _in_time(self, work: Callable[[], Answer], since: float) -> Answer:
        if self._clock() - since > LONGEST_WAIT:
            raise OverloadedError("waited too long for a hash slot")
        return work()


def _be_nice() -> None:
    """Linux gives each thread its own priority; elsewhere hashing keeps the process's."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


# ------------------------------------------------------------------------------------------------------------------ hashes


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database keeps of a password: the encoded hash, and which master secret peppers it."""

    hash: str
    pepper_id: str


class Passwords:
    """Hash and verify, under the settings' parameters. One a process."""

    def __init__(self, settings: Settings, seals: Seals) -> None:
        self._hasher = PasswordHasher(settings.argon2_time, settings.argon2_memory_kib, settings.argon2_parallelism)
        self._seals = seals
        self._pool = HashPool(settings.hash_slots, settings.hash_queue)

    def place(self) -> AbstractContextManager[None]:
        """Held during a whole sign-in, so that one too many costs nothing. Raises OverloadedError."""
        return self._pool.place()

    def hash(self, password: str) -> Stored:
        """Raises PasswordTooLongError, OverloadedError."""
        pepper_id = self._seals.current_id
        peppered = self._pepper(normalise(password), pepper_id)
        return Stored(self._pool.run(lambda: self._hasher.hash(peppered)), pepper_id)

    def wrap(self, legacy: LegacyHash) -> Stored:
        """What is kept of an imported hash: its recipe, and an Argon2id hash of what came out of it. Raises OverloadedError."""
        pepper_id = self._seals.current_id
        peppered = self._pepper(legacy.outcome, pepper_id)
        return Stored(f"{legacy.recipe}{WRAPPED}{self._pool.run(lambda: self._hasher.hash(peppered))}", pepper_id)

    def verify(self, stored: Stored, password: str) -> bool:
        """Raises PasswordTooLongError, OverloadedError. A pepper that is gone is a wrong password, and an alarm in the log."""
        raw = normalise(password)
        recipe, _, encoded = stored.hash.rpartition(WRAPPED)
        pepper_id = self._known(stored.pepper_id)
        return self._pool.run(lambda: self._holds(encoded, self._pepper(self._inner(recipe, raw), pepper_id)))

    def _known(self, pepper_id: str) -> str:
        try:
            self._pepper(b"", pepper_id)
        except UnsealError:
            logger.error("a pepper is gone", extra={"fields": {"pepper_id": pepper_id}})
            return self._seals.current_id
        return pepper_id

    @staticmethod
    def _inner(recipe: str, raw: bytes) -> bytes:
        return compute(recipe, raw.decode("utf-8", "surrogatepass")) if recipe else raw

    def needs_rehash(self, stored: Stored) -> bool:
        """It was imported, or the settings or the first master secret changed since."""
        if is_imported(stored.hash):
            return True
        return stored.pepper_id != self._seals.current_id or self._hasher.check_needs_rehash(stored.hash)

    def decoy(self, parameters: str = "") -> Stored:
        """A hash that nothing opens, as dear to try as one with these parameters, or with today's."""
        salt, tag = b64(os.urandom(16)), b64(os.urandom(32))
        return Stored(f"{parameters or self.current_parameters}${_plain(salt)}${_plain(tag)}", self._seals.current_id)

    @property
    def current_parameters(self) -> str:
        h = self._hasher
        return f"$argon2id$v=19$m={h.memory_cost},t={h.time_cost},p={h.parallelism}"

    def _pepper(self, raw: bytes, pepper_id: str) -> str:
        return b64(self._seals.mac("pepper", raw, pepper_id))

    def _holds(self, encoded: str, peppered: str) -> bool:
        try:
            return self._hasher.verify(encoded, peppered)
        except (Argon2Error, InvalidHashError):
            return False


class Decoys:
    """Hashes that nothing opens, for identities that nobody bears, as dear as the ones in force.

    While parameters change, some accounts cost more than others: which ones the decoy of an identity looks like is drawn
    from a sample of the stored hashes, by the identity itself, so that it does not change from one attempt to the next.
    """

    def __init__(self, passwords: Passwords, sample: Callable[[], list[str]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._passwords, self._sample, self._clock = passwords, sample, clock
        self._parameters: list[str] = []
        self._until = float("-inf")

    def of(self, account: bytes) -> Stored:
        """The decoy of an identity, known by a keyed digest."""
        if self._clock() >= self._until:
            self._parameters = sorted(parameters_of(encoded) for encoded in self._sample())
            self._until = self._clock() + SAMPLE_LIFETIME
        if not self._parameters:
            return self._passwords.decoy()
        return self._passwords.decoy(self._parameters[int.from_bytes(account[:8], "big") % len(self._parameters)])


def _plain(urlsafe: str) -> str:
    """Argon2's encoding uses the ordinary base64 alphabet."""
    return urlsafe.translate(str.maketrans("-_", "+/"))


def parameters_of(encoded: str) -> str:
    """`$argon2id$v=19$m=…,t=…,p=…`, behind its recipe when it was imported; empty when it is of another kind."""
    recipe, wrapped, own = encoded.rpartition(WRAPPED)
    return recipe + wrapped + "$".join(own.split("$")[:4]) if own.startswith("$argon2id$") else ""


def is_imported(encoded: str) -> bool:
    """Whether it comes from another system, and nobody signed in with it yet."""
    return WRAPPED in encoded
