"""Sessions stay on the server: the browser holds a random name, so cookies are short and tokens never reach it.

One SQLite file serves the processes of one machine (`:memory:`: one process). Several machines need a store of their own
with the four methods of `Sessions`. Names are stored as digests and values sealed: the file alone opens nothing.
"""

import sqlite3
import threading
import time
from typing import Protocol

SCHEMA = "CREATE TABLE IF NOT EXISTS sessions (name TEXT PRIMARY KEY, value TEXT NOT NULL, ends_at REAL NOT NULL)"


class Sessions(Protocol):
    """A store of texts that end by themselves. `lifetime` in seconds."""

    def put(self, name: str, value: str, lifetime: int) -> None: ...

    def replace(self, name: str, value: str, lifetime: int) -> bool:
        """False, and nothing stored, when the name is gone: a session that was ended meanwhile stays ended."""

    def get(self, name: str) -> str | None: ...

    def delete(self, name: str) -> None: ...


class SqliteSessions:
    """The store that the kit brings."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        with self._lock:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(SCHEMA)

    def put(self, name: str, value: str, lifetime: int) -> None:
        """Makes room too: what has ended is forgotten at each new session."""
        now = time.time()
        with self._lock:
            self._connection.execute("DELETE FROM sessions WHERE ends_at <= ?", (now,))
            self._connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", (name, value, now + lifetime))

    def replace(self, name: str, value: str, lifetime: int) -> bool:
        now = time.time()
        with self._lock:
            values = (value, now + lifetime, name, now)
            done = self._connection.execute("UPDATE sessions SET value = ?, ends_at = ? WHERE name = ? AND ends_at > ?", values)
            return done.rowcount > 0

    def get(self, name: str) -> str | None:
        with self._lock:
            row = self._connection.execute("SELECT value FROM sessions WHERE name = ? AND ends_at > ?", (name, time.time())).fetchone()
        return None if row is None else str(row[0])

    def delete(self, name: str) -> None:
        with self._lock:
            self._connection.execute("DELETE FROM sessions WHERE name = ?", (name,))
