"""A security event token that somebody else signed, read with suspicion: whose it is is known first, and nothing in it chooses a key.

Implements RFC 8417 sections 2.2 and 2.3, RFC 8935 section 2.4 (codes of refusals), RFC 9493 section 3, Shared Signals Framework 1.0
section 4 (one event, `sub_id`, neither `sub` nor `exp`), RFC 8725 section 3.11 (explicit type). ours: a token is a week old at most, and
an array of audiences holds MAG's among ten at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc.jwk import KeySet

from idp.oidc.jose import SKEW, Claims, Compact, UnreadableError, keys_for, number
from idp.oidc.profiles import SIGNING_ALGS, by_every_name
from idp.oidc.reception.vocabulary import LONGEST_KEPT, NAMES, UPDATED, VERIFICATION, kept

TYPES = ("secevent+jwt", "application/secevent+jwt")
LONGEST = 16 * 1024
"""Characters of a token."""
LONGEST_NAME = 255
LONGEST_TYPE = 300
OLDEST = 7 * 24 * 3600
"""Seconds: as long as a transmitter may try again. Events received are remembered much longer."""
AUDIENCES = 10
FOREIGN = frozenset({"exp", "sub", "nonce", "at_hash", "scope"})
"""Claims of ID tokens and of access tokens: what has one is no security event (Shared Signals Framework 1.0 section 4)."""


class SetRefusedError(Exception):
    """`err` of RFC 8935 section 2.4, and what is said beside: plain ASCII, and nothing of the token."""

    def __init__(self, err: str, description: str) -> None:
        super().__init__(f"{err}: {description}")
        self.err, self.description = err, description


def refused(description: str) -> SetRefusedError:
    return SetRefusedError("invalid_request", description)


@dataclass(frozen=True, slots=True)
class Lu:
    """What a token says, once everything about it was checked."""

    jti: str
    kind: str
    """The short name of a type that MAG knows; the address of any other."""
    address: str
    subject: Mapping[str, Any]
    """Of the person: the `user` of a complex subject."""
    content: Mapping[str, Any]
    occurred_at: datetime | None

    @property
    def is_of_stream(self) -> bool:
        return self.address in (VERIFICATION, UPDATED)

    @property
    def is_known(self) -> bool:
        return self.address in NAMES

    @property
    def details(self) -> dict[str, str]:
        return kept(self.content)


def header_of(text: str) -> Compact:
    """A JWS that says it is a security event. Raises SetRefusedError."""
    try:
        unverified = Compact.read(text, LONGEST)
    except UnreadableError:
        raise refused("not a signed token") from None
    if str(unverified.header.get("typ", "")).lower() not in TYPES:
        raise refused("typ must be secevent+jwt")
    if not unverified.is_acceptable or unverified.header.get("alg") not in by_every_name(SIGNING_ALGS):
        raise SetRefusedError("invalid_key", "this header or this algorithm is not acceptable")
    return unverified


def read(unverified: Compact, keys: KeySet | None, *, issuer: str, audience: str, now: float) -> Lu:
    """Raises SetRefusedError."""
    claims = unverified.verified(keys_for(keys, unverified.kid), SIGNING_ALGS) if keys is not None else None
    if claims is None:
        raise SetRefusedError("invalid_key", "no key of this issuer verifies the signature")
    if claims.get("iss") != issuer:
        raise SetRefusedError("invalid_issuer", "iss is not the issuer registered")
    _check_audience(claims.get("aud"), audience)
    if found := sorted(FOREIGN & claims.keys()):
        raise refused(f"{found[0]} does not belong in a security event")
    _check_age(claims, now)
    address, content = _event(claims)
    return Lu(
        jti=_name(claims.get("jti"), "jti"),
        kind=NAMES.get(address, address[:LONGEST_TYPE]),
        address=address,
        subject=_subject(claims),
        content=content,
        occurred_at=_occurred(claims, content, now),
    )


def _check_audience(given: Any, audience: str) -> None:
    several = given if isinstance(given, list) and len(given) <= AUDIENCES else [given]
    if audience not in several:
        raise SetRefusedError("invalid_audience", "aud is not the audience registered")


def _check_age(claims: Claims, now: float) -> None:
    made = number(claims.get("iat"))
    if made is None:
        raise refused("iat must be a number of seconds")
    if made > now + SKEW:
        raise refused("iat is in the future")
    if made < now - OLDEST:
        raise refused("iat is too old")


def _name(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise refused(f"{name} must be a text of at most {LONGEST_NAME} printable characters")
    return value


def _event(claims: Claims) -> tuple[str, Mapping[str, Any]]:
    """The one event."""
    events = claims.get("events")
    if not isinstance(events, dict) or len(events) != 1:
        raise refused("events must hold exactly one event")
    ((address, content),) = events.items()
    if not isinstance(content, dict) or not 0 < len(address) <= LONGEST_TYPE or not address.isprintable():
        raise refused("events must hold an object under the address of its type")
    return address, content


def _subject(claims: Claims) -> Mapping[str, Any]:
    """RFC 9493 section 4; of a complex subject (framework section 3.2), the person."""
    subject = claims.get("sub_id")
    if not isinstance(subject, dict) or not isinstance(subject.get("format"), str):
        raise refused("sub_id must be a subject identifier")
    if subject["format"] != "complex":
        return subject
    user = subject.get("user")
    if not isinstance(user, dict) or not isinstance(user.get("format"), str):
        raise refused("a complex sub_id must hold a user")
    return user


def _occurred(claims: Claims, content: Mapping[str, Any], now: float) -> datetime | None:
    """RFC 8417 section 2.2, `toe`; CAEP 1.0 section 2, `event_timestamp`. What is no date is as if absent; none is later than now."""
    given = number(claims.get("toe", content.get("event_timestamp")))
    return datetime.fromtimestamp(min(given, now), UTC) if given is not None and given > 0 else None


def state_of(lu: Lu) -> str:
    """Of an event that verifies the stream."""
    state = lu.content.get("state")
    return state[:LONGEST_KEPT] if isinstance(state, str) else ""
