"""Where an address roughly is, as a file of the operator says: people recognise their sessions by it, and MAG decides nothing from it.

A CSV without header, of any size a process may hold: `first address,last address,place`, IPv4 or IPv6, the place in the words that are
shown (`Lyon, France` between quotes). Left out on purpose: the file, which MAG does not ship; lines that are not such a range.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from sys import intern

MAPPED = 0xFFFF << 32
"""Where IPv4 begins within IPv6 (RFC 4291 section 2.5.5.2): one order for all."""
LONGEST = 80
"""Characters of a place."""


@dataclass(frozen=True, slots=True)
class Lieux:
    """Ranges in order, which do not overlap."""

    firsts: Sequence[int] = ()
    lasts: Sequence[int] = ()
    places: Sequence[str] = ()

    @classmethod
    def read(cls, lines: Iterable[str]) -> "Lieux":
        ranges = sorted(_ranges(lines))
        return cls([one[0] for one in ranges], [one[1] for one in ranges], [one[2] for one in ranges])

    def of(self, address: str) -> str:
        """Empty when nothing is known."""
        number = _number(address)
        place = bisect_right(self.firsts, number) - 1 if number is not None else -1
        return self.places[place] if place >= 0 and number is not None and number <= self.lasts[place] else ""


@cache
def known(path: str) -> Lieux:
    """The file of that path, read once by a process; nothing without a path."""
    if not path:
        return Lieux()
    with Path(path).open(encoding="utf-8", errors="replace", newline="") as file:
        return Lieux.read(file)


def _ranges(lines: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    for row in csv.reader(lines):
        first, last = (_number(text) for text in (*row[:2], "", "")[:2])
        place = "".join(c for c in row[2] if c.isprintable()).strip()[:LONGEST] if len(row) > 2 else ""
        if first is not None and last is not None and first <= last and place:
            yield first, last, intern(place)


def _number(address: str) -> int | None:
    try:
        found = ip_address(address.strip())
    except ValueError:
        return None
    return int(found) + MAPPED if isinstance(found, IPv4Address) else int(found)
