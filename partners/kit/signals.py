"""Events of security that MAG sends this site: what a token must hold, and what it says happened. Pure.

Implements RFC 8417 section 2.2, RFC 8935 section 2.4 (codes of refusals), Shared Signals Framework 1.0 section 4, CAEP 1.0 and RISC 1.0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .tokens import SKEW, ClockError, InvalidTokenError

SIGNAL_TYPES = ("secevent+jwt", "application/secevent+jwt")
REVOKED, PURGED, DISABLED, CLAIMS = "session-revoked", "account-purged", "account-disabled", "token-claims-change"
ENDS = frozenset({REVOKED, PURGED, DISABLED})
"""After which nobody stays signed in here."""
LONGEST = 255
MEMORY = 31 * 24 * 3600
"""Seconds for which an event is known again, and after which it is refused: MAG keeps it for thirty days, on a paused stream too."""


class OtherIssuerError(InvalidTokenError):
    """`invalid_issuer`."""


class OtherAudienceError(InvalidTokenError):
    """`invalid_audience`."""


def refusal(error: InvalidTokenError) -> str:
    """Its code, as RFC 8935 section 2.4 names it."""
    return {OtherIssuerError: "invalid_issuer", OtherAudienceError: "invalid_audience"}.get(type(error), "invalid_request")


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """What happened to somebody at MAG."""

    jti: str
    kind: str
    """The last word of its address: `account-purged`, `rattachement-clos`."""
    sub: str
    """Whom this site knows by it; empty when the event is not about a person."""
    sid: str
    """Of the one session that ended; empty for all of them."""
    at: int
    """When, in epoch seconds."""
    content: Mapping[str, Any]

    @classmethod
    def read(cls, header: Mapping[str, Any], claims: Mapping[str, Any], *, issuer: str, client_id: str, now: float) -> Self:
        """Of a token whose signature was checked. Raises InvalidTokenError."""
        if str(header.get("typ", "")).lower() not in SIGNAL_TYPES:
            raise InvalidTokenError("typ")
        if claims.get("iss") != issuer:
            raise OtherIssuerError("iss")
        if claims.get("aud") not in (client_id, [client_id]):
            raise OtherAudienceError("aud")
        made_at, at = claims.get("iat"), claims.get("toe", claims.get("iat"))
        if not isinstance(made_at, int) or not isinstance(at, int):
            raise InvalidTokenError("iat or toe is not a number")
        if made_at > now + SKEW:
            raise ClockError(f"made {made_at - now:.0f} seconds from now")
        if made_at < now - MEMORY:
            raise InvalidTokenError("iat is older than what is remembered")
        return cls(_text(claims, "jti"), *_event(claims), at, _content(claims))


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise InvalidTokenError(name)
    return value


def _content(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    events = claims.get("events")
    if not isinstance(events, dict) or len(events) != 1:
        raise InvalidTokenError("events")
    (content,) = events.values()
    if not isinstance(content, dict):
        raise InvalidTokenError("events")
    return content


def _member(subject: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = subject.get(name)
    return value if isinstance(value, dict) else {}


def _event(claims: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, person, session."""
    _content(claims)
    (address,) = claims["events"]
    subject = claims.get("sub_id")
    if not isinstance(subject, dict):
        raise InvalidTokenError("sub_id")
    is_complex = subject.get("format") == "complex"
    person, session = (_member(subject, "user"), _member(subject, "session")) if is_complex else (subject, {})
    known = person.get("format") == "iss_sub" and person.get("iss") == claims["iss"]
    sub, sid = person.get("sub") if known else "", session.get("id", "")
    if not isinstance(sub, str) or not isinstance(sid, str):
        raise InvalidTokenError("sub_id")
    return re.split("[/:]", address)[-1], sub, sid
