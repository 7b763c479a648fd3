"""Which addresses of a partner a link of MAG's may lead to: those under its registered prefixes, compared part by part.

ours: no standard says it. Scheme, host and port are equal; the path begins with the prefix's, segment by segment, once decoded. An
address that two programs could read in two ways is refused, whatever it begins with. Left out on purpose: wildcards.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

SCOPE = "acces:liens"
"""What an access token needs to make such links."""
PORTS = {"https": 443, "http": 80}
LONGEST = 2000
"""Characters of an address."""
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
FORBIDDEN = frozenset("/\\;%\0")
"""In a segment once decoded: some servers would cut it there, or decode it once more."""


class AmbiguousAddressError(ValueError):
    """The address cannot be read without doubt; the message says why, in English."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address, read: its origin and the segments of its path, decoded."""

    scheme: str
    host: str
    port: int
    segments: tuple[str, ...]

    def holds(self, other: "Place") -> bool:
        """Whether another address is here, or under."""
        here = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return here and other.segments[: len(self.segments)] == self.segments


def read_place(address: str, *, prefix: bool = False) -> Place:
    """Raises AmbiguousAddressError. A prefix has neither query nor fragment; a final slash changes nothing of it."""
    if len(address) > LONGEST or not address.isascii() or not address.isprintable():
        raise AmbiguousAddressError("printable ASCII characters are expected, 2000 at most")
    if any(c in address for c in ' "<>\\^`{|}#'):
        raise AmbiguousAddressError("it holds a character that an address does not, or a fragment")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise AmbiguousAddressError("it cannot be read") from None
    if parts.scheme not in PORTS or not host or "@" in parts.netloc or "%" in parts.netloc or not address.startswith(f"{parts.scheme}://"):
        raise AmbiguousAddressError("http or https, a host and no user are expected")
    if prefix and "?" in address:
        raise AmbiguousAddressError("a prefix has no query")
    path = parts.path.removeprefix("/")
    segments = tuple(_segment(one) for one in path.removesuffix("/").split("/")) if path else ()
    return Place(parts.scheme, host, PORTS[parts.scheme] if port is None else port, segments)


def _segment(text: str) -> str:
    """One step of a path, decoded once."""
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise AmbiguousAddressError("a segment is not UTF-8") from None
    if text.count("%") != len(ESCAPE.findall(text)):
        raise AmbiguousAddressError("a percent sign begins no escape")
    if decoded in ("", ".", "..") or FORBIDDEN & set(decoded) or not decoded.isprintable():
        raise AmbiguousAddressError("a segment is empty, or would be read in two ways")
    return decoded


def longest_holding(prefixes: Iterable[str], place: Place) -> int:
    """How many segments the nearest prefix has; -1 when none holds the address."""
    known = (read_place(prefix, prefix=True) for prefix in prefixes)
    return max((len(one.segments) for one in known if one.holds(place)), default=-1)
