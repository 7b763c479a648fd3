"""Where an address roughly is, as a file of the operator says: people recognise their sessions by it, and MAG decides nothing from it.

A CSV without header, a range a line: `first address,last address,place`, IPv4 or IPv6, the place in the words that are shown
(`Lyon, France` between quotes). It is read once a process, beside requests, none of which waits for it; 40 bytes a range are kept, and
each place once. Left out on purpose: the file, which MAG does not ship; lines that are not such a range; ranges beyond MOST.
"""

import csv
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from itertools import islice
from pathlib import Path
from threading import Lock, Thread

MAPPED = 0xFFFF << 32
"""Where IPv4 begins within IPv6 (RFC 4291 section 2.5.5.2): one order for all."""
LONGEST = 80
"""Characters of a place."""
MOST = 5_000_000
"""Ranges: 200 MB."""


class Numbers:
    """Numbers of 128 bits, sixteen bytes each."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._high, self._low = array("Q"), array("Q")
        for number in numbers:
            self.append(number)

    def append(self, number: int) -> None:
        self._high.append(number >> 64)
        self._low.append(number & (1 << 64) - 1)

    def __len__(self) -> int:
        return len(self._high)

    def __getitem__(self, index: int) -> int:
        return self._high[index] << 64 | self._low[index]


@dataclass(frozen=True, slots=True)
class Lieux:
    """Ranges in order, which do not overlap."""

    firsts: Numbers = field(default_factory=Numbers)
    lasts: Numbers = field(default_factory=Numbers)
    ranks: "array[int]" = field(default_factory=lambda: array("Q"))
    """Of their places."""
    places: tuple[str, ...] = ()

    @classmethod
    def read(cls, lines: Iterable[str]) -> "Lieux":
        firsts, lasts, ranks, places = Numbers(), Numbers(), array("Q"), dict[str, int]()
        in_order = True
        for first, last, place in islice(_ranges(lines), MOST):
            in_order = in_order and (not len(firsts) or firsts[-1] <= first)
            firsts.append(first)
            lasts.append(last)
            ranks.append(places.setdefault(place, len(places)))
        if in_order:
            return cls(firsts, lasts, ranks, tuple(places))
        order = sorted(range(len(firsts)), key=firsts.__getitem__)
        ordered = array("Q", (ranks[i] for i in order))
        return cls(Numbers(firsts[i] for i in order), Numbers(lasts[i] for i in order), ordered, tuple(places))

    def of(self, address: str) -> str:
        """Empty when nothing is known."""
        number = _number(address)
        place = bisect_right(self.firsts, number) - 1 if number is not None else -1
        return self.places[self.ranks[place]] if place >= 0 and number is not None and number <= self.lasts[place] else ""


_readings: dict[str, "Future[Lieux]"] = {}
_lock = Lock()


def known(path: str) -> Lieux:
    """The file of that path, once it is read; nothing without a path, nor of a file that is there no more."""
    return _reading(path).result() if path else Lieux()


def at_hand(path: str) -> Lieux:
    """As `known`, without waiting: nothing while the file is read."""
    return known(path) if path and _reading(path).done() else Lieux()


def _reading(path: str) -> "Future[Lieux]":
    """Begun by whoever asks first."""
    with _lock:
        if path not in _readings:
            _readings[path] = Future()
            Thread(target=_read, args=(Path(path), _readings[path]), name="lieux", daemon=True).start()
        return _readings[path]


def _read(path: Path, reading: "Future[Lieux]") -> None:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            reading.set_result(Lieux.read(file))
    except OSError:
        reading.set_result(Lieux())


def _ranges(lines: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    for line in lines:
        try:
            row = next(csv.reader([line]), [])
        except csv.Error:
            continue
        first, last = (_number(text) for text in (*row[:2], "", "")[:2])
        place = "".join(c for c in row[2] if c.isprintable()).strip()[:LONGEST] if len(row) > 2 else ""
        if first is not None and last is not None and first <= last and place:
            yield first, last, place


def _number(address: str) -> int | None:
    try:
        found = ip_address(address.strip())
    except ValueError:
        return None
    return int(found) + MAPPED if isinstance(found, IPv4Address) else int(found)
