"""An authorization that a client waits for while a person answers on another screen: what devices and CIBA have in common.

The client holds 256 random bits; the store holds their digest and what is asked, then the answer in its place. An answer
hangs on the session and the person it came from (guards), serves its client alone (proof), and is spent once. RFC 8628
sections 3.4 and 3.5, CIBA Core sections 10.1 and 11.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import orjson
from authlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidGrantError
from authlib.oauth2.rfc8628.errors import AuthorizationPendingError, ExpiredTokenError, SlowDownError

from idp.authentication.session import Session, guard_of_declarant, guard_of_session
from idp.ephemeral import Counter, Ephemeral
from idp.oidc.client import Client
from idp.oidc.codes import Granted, Redeemed, make_granted
from idp.seals import digest, random_token

INTERVAL = 5
"""Seconds between two polls; each poll that comes too early adds as many."""
LONGEST_INTERVAL = 60
REMEMBERED = 300
"""Seconds during which a request that has expired is still told from one that never was."""
LONGEST_CODE = 100
"""Characters."""


class State(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """What a client waits for. Instants are epoch seconds."""

    client_id: str
    scope: tuple[str, ...]
    resource: tuple[str, ...] = ()
    asked_at: int
    expires_at: int
    ping: str = ""
    """How the client is told of the answer, sealed; empty when it only polls."""
    state: State = State.PENDING

    @classmethod
    def load(cls, line: str) -> Self:
        values: dict[str, Any] = orjson.loads(line)
        values |= {"scope": tuple(values["scope"]), "resource": tuple(values["resource"]), "state": State(values["state"])}
        return cls(**values)

    def lives(self, now: datetime) -> bool:
        return now.timestamp() < self.expires_at


def ask(store: Ephemeral, kind: str, awaited: Awaited, code: str = "") -> str:
    """Begin to wait; what the client polls with (256 random bits), whose digest is the key."""
    code = code or random_token()
    _keep(store, kind, digest(code), awaited, awaited.asked_at)
    return code


def find(store: Ephemeral, kind: str, key: str) -> Awaited | None:
    """What is waited for under a key, answered or not; None when unknown, or when the session of the answer has ended."""
    found = store.get(kind, key)
    return Awaited.load(found.partition("\n")[0]) if found else None


def accept(store: Ephemeral, kind: str, key: str, awaited: Awaited, session: Session, now: datetime) -> None:
    """The person agrees: the client's next poll has tokens of this session, or of this person with offline_access.

    Of a session that a partner's word opened, nothing is given once it ended.
    """
    granted = make_granted(awaited.client_id, awaited.scope, resource=awaited.resource)
    guards = [guard_of_declarant(session.declarant_id, session.version)]
    if "offline_access" not in awaited.scope or session.vouched:
        guards.append(guard_of_session(session.sid))
    accepted = replace(awaited, state=State.ACCEPTED)
    _keep(store, kind, key, accepted, int(now.timestamp()), f"\n{session.dump()}\n{granted.dump()}", guards)


def refuse(store: Ephemeral, kind: str, key: str, awaited: Awaited, now: datetime) -> None:
    """The person says no."""
    _keep(store, kind, key, replace(awaited, state=State.REFUSED), int(now.timestamp()))


def _keep(store: Ephemeral, kind: str, key: str, awaited: Awaited, at: int, answer: str = "", guards: Sequence[str] = ()) -> None:
    lifetime = max(1, awaited.expires_at - at) + REMEMBERED
    store.put(kind, key, orjson.dumps(awaited).decode() + answer, lifetime, proof=digest(awaited.client_id), guards=guards)


def poll(store: Ephemeral, kind: str, code: str, client: Client, now: datetime) -> Redeemed:
    """RFC 8628 section 3.5. Raises OAuth2Error; a second use of an answer comes back as not the first."""
    key = digest(code)
    awaited = find(store, kind, key) if len(code) <= LONGEST_CODE else None
    if awaited is None or awaited.client_id != client.client_id:
        raise InvalidGrantError("it is unknown, used, or of another client")
    if not awaited.lives(now):
        raise ExpiredTokenError("nobody answered in time")
    if awaited.state is State.PENDING:
        _check_pace(store, kind, key)
        raise AuthorizationPendingError("nobody has answered yet")
    if awaited.state is State.REFUSED:
        raise AccessDeniedError("the person refused")
    spent = store.spend(kind, key, digest(client.client_id))
    if spent is None:
        raise InvalidGrantError("the session of the answer has ended")
    _, session, granted = spent.value.split("\n")
    return Redeemed(Session.load(session), Granted.load(granted), spent.first)


def _pace(kind: str, key: str, window: int = INTERVAL) -> Counter:
    return Counter(f"pas:{kind}:{key}", window)


def _check_pace(store: Ephemeral, kind: str, key: str) -> None:
    """RFC 8628 section 3.5: each poll that comes too early makes the next interval five seconds longer; an answer waits for nobody."""
    (polls,) = store.count(_pace(kind, key))
    if polls > 1:
        store.prolong(_pace(kind, key, min(INTERVAL * polls, LONGEST_INTERVAL)))
        raise SlowDownError(f"poll every {INTERVAL} seconds, and 5 more after each slow_down")
