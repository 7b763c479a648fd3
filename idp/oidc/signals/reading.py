"""What a receiver asks of a stream, read from JSON.

Implements Shared Signals Framework 1.0 section 8.1.1 (members that the receiver gives), RFC 8935 and RFC 8936 (ways of delivery).
ours: members that the transmitter gives may come back as they are, never otherwise; members that nobody knows are ignored.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.signals.events import SUPPORTED
from idp.oidc.signals.models import DISABLED, ENABLED, PAUSED, POLL, PUSH

METHODS = {"urn:ietf:rfc:8935": PUSH, "urn:ietf:rfc:8936": POLL}
NAMES = {kept: name for name, kept in METHODS.items()}
LONGEST_ADDRESS, LONGEST_HEADER, LONGEST_TEXT, LONGEST_EVENT, MOST_EVENTS = 2000, 1000, 200, 300, 50
STATUSES = (ENABLED, PAUSED, DISABLED)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How events are to come."""

    method: str
    address: str | None = None
    authorization: str | None = None

    @classmethod
    def read(cls, given: Any, private: Collection[str]) -> Self:
        """`private`: hosts to which plain http is allowed. Raises InvalidRequestError."""
        if not isinstance(given, Mapping) or METHODS.get(str(given.get("method"))) is None:
            raise InvalidRequestError("delivery.method is not one of delivery_methods_supported")
        method = METHODS[given["method"]]
        if method == POLL:
            return cls(POLL)
        return cls(PUSH, _address(given.get("endpoint_url"), private), _header(given.get("authorization_header")))


def _address(given: Any, private: Collection[str]) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_ADDRESS or not given.isascii() or not given.isprintable() or " " in given:
        raise InvalidRequestError("delivery.endpoint_url must be an address")
    try:
        parts = urlsplit(given)
        host = parts.hostname or ""
    except ValueError:
        raise InvalidRequestError("delivery.endpoint_url must be an address") from None
    known = parts.netloc.lower() in private or host in private
    if not host or parts.username is not None or "#" in given or not (parts.scheme == "https" or (parts.scheme == "http" and known)):
        raise InvalidRequestError("delivery.endpoint_url must be https, without user nor fragment")
    return given


def _header(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not given.strip() or len(given) > LONGEST_HEADER or not given.isascii() or not given.isprintable():
        raise InvalidRequestError("delivery.authorization_header must be a short printable text")
    return given


def text(given: Mapping[str, Any], name: str) -> str | None:
    """A text that may be absent. Raises InvalidRequestError."""
    value = given.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable()):
        raise InvalidRequestError(f"{name} must be a text of at most {LONGEST_TEXT} printable characters")
    return value or None


def requested(given: Mapping[str, Any]) -> list[str]:
    """Addresses of events; without any, all that there are. Raises InvalidRequestError."""
    value = given.get("events_requested")
    if value is None:
        return list(SUPPORTED)
    if not isinstance(value, list) or len(value) > MOST_EVENTS or not all(map(_is_event, value)):
        raise InvalidRequestError("events_requested must be a list of event types")
    return list(dict.fromkeys(value))


def _is_event(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_EVENT and value.isprintable()


def unchanged(given: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Members that the transmitter gives: absent, or as they are (sections 8.1.1.3 and 8.1.1.4). Raises InvalidRequestError."""
    for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
        if name in given and given[name] != told[name]:
            raise InvalidRequestError(f"{name} is not the receiver's to change")


def status(given: Mapping[str, Any]) -> str:
    """Section 8.1.2.2. Raises InvalidRequestError."""
    value = given.get("status")
    if value not in STATUSES:
        raise InvalidRequestError("status must be enabled, paused or disabled")
    return str(value)


def person(given: Mapping[str, Any], issuer: str) -> str:
    """The `sub` of a subject in the one format that MAG tells people by (RFC 9493 section 3.2.5). Raises InvalidRequestError."""
    subject = given.get("subject")
    if not isinstance(subject, Mapping) or subject.get("format") != "iss_sub":
        raise InvalidRequestError("subject must have the format iss_sub")
    sub = subject.get("sub")
    if subject.get("iss") != issuer or not isinstance(sub, str) or not sub or len(sub) > 255 or "\0" in sub:
        raise InvalidRequestError("subject must be one of this issuer")
    return sub
