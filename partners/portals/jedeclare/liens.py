"""Which account of the portal is whom at MAG: a file of two columns, written by MAG's signed answers and by its API."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any


class Liens:
    """The links that the portal knows."""

    def __init__(self, path: str) -> None:
        self.path = path
        with closing(self._open()) as base, base:
            base.execute("create table if not exists liens (compte text primary key, sub text unique, rattachement text)")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10)

    def keep(self, compte: str, sub: str, rattachement: str) -> None:
        with closing(self._open()) as base, base:
            base.execute("delete from liens where compte = ? or sub = ?", (compte, sub))
            base.execute("insert into liens values (?, ?, ?)", (compte, sub, rattachement))

    def drop(self, rattachement: str) -> None:
        with closing(self._open()) as base, base:
            base.execute("delete from liens where rattachement = ?", (rattachement,))

    def replace(self, told: Iterable[Mapping[str, Any]]) -> None:
        """What MAG lists is all there is."""
        with closing(self._open()) as base, base:
            base.execute("delete from liens")
            base.executemany("insert or replace into liens values (?, ?, ?)", [(one["compte"], one["sub"], one["id"]) for one in told])

    def of(self, compte: str) -> str:
        """The link of an account; empty for none."""
        return self._one("select rattachement from liens where compte = ?", compte)

    def compte_of(self, sub: str) -> str:
        """The account of somebody of MAG's; empty for nobody."""
        return self._one("select compte from liens where sub = ?", sub)

    def _one(self, query: str, value: str) -> str:
        with closing(self._open()) as base:
            row = base.execute(query, (value,)).fetchone()
        return str(row[0]) if row else ""
