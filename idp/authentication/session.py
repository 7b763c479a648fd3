"""SSO sessions: opened at sign-in under a new identifier, known by a `__Host-` cookie, revocable here.

The cookie is 256 random bits; the store knows its digest only. A session ends after its idle limit (the store's lifetime,
started again at each use), at its absolute limit (in the value), at sign-out (guard `sid:`) or with its person
(guard `compte:`). ASVS 7.2.4, 7.3.1, 7.3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self

import orjson

from idp.authentication.levels import FEDERATED
from idp.config import Settings
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.seals import digest, random_token

COOKIE = "__Host-mag_s"
KIND = "session"
CLOSING, CLOSING_LIFETIME = "cloture", 60
"""Seconds during which the transaction that ends a person's sessions may still be under way."""


def guard_of_session(sid: str) -> str:
    return f"sid:{sid}"


def guard_of_declarant(declarant_id: int, version: int) -> str:
    """`version` is that of the person's credentials: ending one guard does not touch who signs in afterwards."""
    return f"compte:{declarant_id}.{version}"


class Session(NamedTuple):
    """Who is signed in, since when (`auth_time`, epoch seconds) and how. `sid` may be shown to partners; the cookie may not."""

    sid: str
    declarant_id: int
    version: int
    """Of the person's credentials, when the session began."""
    uid: str
    auth_time: int
    amr: tuple[str, ...]
    acr: str
    expires_at: int
    siret: str = ""
    """14 digits; empty in sessions of before."""
    link: str = ""
    """The link of accounts through which a partner vouched for the person."""
    switched: bool = False
    """They signed in under another identity of theirs, and went on under this one: its own password was not asked."""

    @property
    def vouched(self) -> bool:
        """A partner vouched for the person: nothing that only they know was asked here."""
        return bool(self.link)

    @property
    def elsewhere(self) -> bool:
        """A partner vouched for the person, a provider above MAG signed them in, or they came from another identity of theirs: neither the
        password nor a passkey of this one was asked here.
        """
        return self.vouched or self.switched or FEDERATED in self.amr

    @property
    def birth(self) -> "Birth":
        return Birth(self.auth_time, self.expires_at)

    def dump(self) -> str:
        """One line of JSON: authorization codes start with it."""
        return orjson.dumps(
            [
                *(self.sid, self.declarant_id, self.version, self.uid, self.auth_time, self.amr, self.acr, self.expires_at),
                *(self.siret, self.link, *([True] if self.switched else [])),
            ]
        ).decode()

    @classmethod
    def load(cls, text: str | bytes) -> Self:
        sid, declarant_id, version, uid, auth_time, amr, acr, expires_at, *later = orjson.loads(text)
        return cls(sid, declarant_id, version, uid, auth_time, tuple(amr), acr, expires_at, *later)


@dataclass(frozen=True, slots=True)
class Birth:
    """When somebody signed in, and when what comes of it ends at the latest (epoch seconds)."""

    auth_time: int
    expires_at: int


def open_session(
    store: Ephemeral,
    settings: Settings,
    declarant: Declarant,
    *,
    amr: Sequence[str],
    acr: str,
    now: datetime,
    presented: str = "",
    born: Birth | None = None,
    link: str = "",
    switched: bool = False,
) -> tuple[Session, str]:
    """A new session, and the value of its cookie. Whatever the browser `presented` before is worth nothing from now on (C37).

    Signing in again as the same person keeps `sid`, so that partners go on knowing the session; as another, the session
    presented ends everywhere. As a person whose sessions were closed while they signed in, the new one is worth nothing.
    `born`: nobody signs in here. The person did before, and another session goes on (`switched`: under another identity); or elsewhere, and
    a partner says when (`link`).
    """
    before = find_session(store, settings, presented, now)
    if before is not None:
        store.delete(KIND, digest(presented))
        if before.declarant_id != declarant.id:
            close_session(store, settings, before)
    _leave_lost_version(store, declarant)
    sid = before.sid if before is not None and before.declarant_id == declarant.id else random_token(16)
    at, cookie = int(now.timestamp()), random_token()
    until, siret = at + settings.session_lifetime, str(declarant.siret)
    if born is not None:
        at, until = min(at, born.auth_time), born.expires_at
    session = Session(sid, declarant.id, declarant.version, declarant.uid, at, tuple(amr), acr, until, siret, link, switched)
    guards = (guard_of_session(session.sid), guard_of_declarant(declarant.id, declarant.version))
    store.put(KIND, digest(cookie), session.dump(), min(settings.session_idle, settings.session_lifetime), guards=guards)
    return session, cookie


def raise_session(
    store: Ephemeral, settings: Settings, session: Session, *, amr: Sequence[str], acr: str, presented: str
) -> tuple[Session, str] | None:
    """The same session with more proven, under a new identifier; what was `presented` is worth nothing from now on (C37).

    `sid` and `auth_time` stay: partners go on knowing the session, and the password is as old as it was. None when it ended meanwhile.
    """
    if store.take(KIND, digest(presented)) is None:
        return None
    raised, cookie = session._replace(amr=tuple(amr), acr=acr), random_token()
    guards = (guard_of_session(session.sid), guard_of_declarant(session.declarant_id, session.version))
    store.put(KIND, digest(cookie), raised.dump(), min(settings.session_idle, settings.session_lifetime), guards=guards)
    return raised, cookie


def _leave_lost_version(store: Ephemeral, declarant: Declarant) -> None:
    """When the transaction that closed every session was lost, the version in force is still the one that ended: the next takes over."""
    guard = guard_of_declarant(declarant.id, declarant.version)
    _, ended, closing = store.read([guard], CLOSING, guard)
    if ended and closing is None:
        declarant.version += 1


def row_of(cookie: str) -> str:
    """Where the session of a cookie is kept; empty for what is no cookie of ours."""
    return digest(cookie) if cookie and len(cookie) <= 100 and cookie.isascii() else ""


def find_session(store: Ephemeral, settings: Settings, cookie: str, now: datetime) -> Session | None:
    """The session of a cookie, its idle limit started again; None when unknown, ended or too old."""
    return session_at(store, settings, row_of(cookie), now)


def session_at(store: Ephemeral, settings: Settings, row: str, now: datetime, *, used: bool = True) -> Session | None:
    """The same, by where it is kept. Not `used`, its idle limit goes on running."""
    found = store.get(KIND, row, touch=settings.session_idle if used else 0) if row else None
    session = Session.load(found) if found else None
    return session if session and session.expires_at > now.timestamp() else None


def close_session(store: Ephemeral, settings: Settings, session: Session) -> None:
    """End the session everywhere: codes not yet redeemed and access tokens born of it die with it."""
    store.end(guard_of_session(session.sid), lifetime=settings.session_lifetime)


def was_closed(store: Ephemeral, sid: str) -> bool:
    """Whether this session was ended already; False of one that only grew old, or that the store forgot."""
    _, ended, _ = store.read([guard_of_session(sid)], KIND, "")
    return ended


def close_every_session(store: Ephemeral, settings: Settings, declarant: Declarant) -> None:
    """End whatever hangs on a person: sign-out everywhere, a new password, suspension. Refresh tokens follow its version.

    To be called before anything of the transaction is flushed: on SQLite the store writes through its own connection.
    """
    guard = guard_of_declarant(declarant.id, declarant.version)
    store.put(CLOSING, guard, "", CLOSING_LIFETIME)
    store.end(guard, lifetime=settings.session_lifetime)
    declarant.version += 1
