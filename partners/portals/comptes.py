"""Accounts that a portal keeps of whoever came: since when. MAG says when one is no more, and it goes."""

import sqlite3
import threading
from datetime import UTC, datetime

SCHEMA = "CREATE TABLE IF NOT EXISTS comptes (sub TEXT PRIMARY KEY, since TEXT NOT NULL)"


class Comptes:
    """In a file that the processes of one machine share."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        with self._lock:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(SCHEMA)

    def met(self, sub: str, now: datetime) -> datetime:
        """Since when this account is there: now, the first time."""
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO comptes VALUES (?, ?)", (sub, now.isoformat()))
            row = self._connection.execute("SELECT since FROM comptes WHERE sub = ?", (sub,)).fetchone()
        return datetime.fromisoformat(row[0]) if row else now

    def holds(self, sub: str) -> bool:
        with self._lock:
            return self._connection.execute("SELECT 1 FROM comptes WHERE sub = ?", (sub,)).fetchone() is not None

    def drop(self, sub: str) -> None:
        with self._lock:
            self._connection.execute("DELETE FROM comptes WHERE sub = ?", (sub,))


def today() -> datetime:
    return datetime.now(UTC)
