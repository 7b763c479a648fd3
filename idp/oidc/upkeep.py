"""Signing keys keep themselves fit: missing ones are made, old ones rotated, retired ones forgotten; each change is in the journal.

`mag cles entretenir` does it by hand; a server looks once an hour, in memory, and works beside the requests when something is
due. Several processes may do it at the same time (`key_states.py`).
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from idp.audit import journal
from idp.audit.events import KeyChanged
from idp.config import Settings
from idp.errors import MagError
from idp.key_states import initialise, is_due, purge_retired, rotate_old
from idp.keys import Keyring
from idp.logs import logger

EVERY = 3600.0
"""Seconds between two looks of a process."""


def keep_up(keyring: Keyring, days: int, now: datetime, actor: str) -> list[KeyChanged]:
    """Do whatever is due, in a page transaction that the caller commits; what changed. `days` 0: nothing rotates by itself."""
    keys = [*initialise(keyring, now), *(rotate_old(keyring, now, days) if days else [])]
    changed = [KeyChanged(kid=key.kid, state=key.state, actor=actor) for key in keys]
    changed += [KeyChanged(kid=kid, state="withdrawn", actor=actor) for kid in purge_retired(now)]
    for event in changed:
        journal.record(event, now)
    return changed


class Watch:
    """What a process asks itself at each request: a comparison, and once an hour a look at the keys it holds."""

    def __init__(
        self, settings: Settings, keyring: Keyring, act: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.days, self.keyring, self.act, self._clock = settings.key_rotation_days, keyring, act, clock
        self._next = float("-inf")
        self.worker: threading.Thread | None = None

    def __call__(self) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + EVERY
        if self.days and self._is_due():
            self.worker = threading.Thread(target=self._work, name="mag-keys", daemon=True)
            self.worker.start()

    def _is_due(self) -> bool:
        try:
            return is_due(self.keyring.published(), datetime.now(UTC), self.days)
        except MagError:
            return False  # no key at all, or no database: requests say so

    def _work(self) -> None:
        try:
            self.act()
        except Exception as error:
            logger.warning("keys not kept up", exc_info=error)
