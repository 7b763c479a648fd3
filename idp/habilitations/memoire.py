"""What a process keeps of rights, bounded in bytes and by version: what was computed under another version is not there.

Whoever asks reads the version first, from the database: nothing kept here can be older than that.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memoire(Generic[Value]):
    """The values last used. Safe between threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Bytes."""
        self.octets = 0
        self._kept: OrderedDict[Hashable, tuple[Hashable, Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, version: Hashable) -> Value | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None or found[0] != version:
                return None
            self._kept.move_to_end(key)
            return found[1]

    def keep(self, key: Hashable, version: Hashable, value: Value, octets: int) -> None:
        """In the place of what another version had; what was used least leaves, and what is too large does not come in."""
        with self._lock:
            self._drop(key)
            if octets > self.most:
                return
            self._kept[key] = (version, value, octets)
            self.octets += octets
            while self.octets > self.most:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self.octets -= found[2]
