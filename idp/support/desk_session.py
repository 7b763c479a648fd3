"""Sessions of operators: thirty minutes without a gesture, eight hours in all; one cookie, of which the store knows the digest.

A change of the operator's credentials, or being disabled, ends them all: the session names their version.
"""

from dataclasses import dataclass
from datetime import datetime

import orjson

from idp.config import HOUR, MINUTE
from idp.ephemeral import Ephemeral
from idp.seals import digest, random_token
from idp.support.models import Operateur

COOKIE = "__Host-mag_bureau"
KIND = "bureau"
IDLE, LIFETIME = 30 * MINUTE, 8 * HOUR


@dataclass(frozen=True, slots=True)
class DeskSession:
    """Who works, since when (epoch seconds)."""

    operateur_id: int
    version: int
    opened_at: int


def open_session(store: Ephemeral, operateur: Operateur, now: datetime, presented: str = "") -> str:
    """The value of the cookie; the one that the browser `presented` is worth nothing from now on."""
    forget_session(store, presented)
    cookie = random_token()
    value = orjson.dumps([operateur.id, operateur.version, int(now.timestamp())]).decode()
    store.put(KIND, digest(cookie), value, IDLE)
    return cookie


def find_session(store: Ephemeral, cookie: str, now: datetime) -> DeskSession | None:
    """The session of a cookie, its idle limit started again; None when it is dead."""
    if not cookie or len(cookie) > 100 or not cookie.isascii():
        return None
    found = store.get(KIND, digest(cookie), touch=IDLE)
    session = DeskSession(*orjson.loads(found)) if found else None
    return session if session and now.timestamp() < session.opened_at + LIFETIME else None


def forget_session(store: Ephemeral, cookie: str) -> None:
    if cookie and cookie.isascii():
        store.delete(KIND, digest(cookie))
