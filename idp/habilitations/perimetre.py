"""From the rows that a walk over an account's sets brings back, to targets with their rights. Pure.

A walk goes through the sources of an account in order: its direct rights (source 0), then its portfolios by identifier; in
each source, targets by number, companies before establishments. A target counts where the walk first meets it among the
sources open now, with the rights of all of them, so that no target comes twice, even on another page.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import NamedTuple, Self

from idp.errors import InvalidRequestError
from idp.habilitations.droits import Catalogue, Droit, Masks, Rights, is_siren, union

DIRECT = 0
"""The source of rights given to the account itself; others are identifiers of portfolios."""
EXCLUSION, END = -1, -2
"""Rows that are not grants: what is taken away, and where the walk stopped."""
EXHAUSTED = 10**15
"""Greater than any target: the source has no more."""


class InvalidPositionError(InvalidRequestError):
    """A page was asked from a place that MAG did not give."""

    code = "page_invalide"
    number = "M300002"
    remedy = "Reprenez la liste au début."
    public = "Cette page n'existe pas. Reprenez la liste au début."


class Position(NamedTuple):
    """Where a walk stands. Forged positions are harmless: what they reach is still confronted with the account's own sources."""

    source: int = DIRECT
    cible: int = 0

    def __str__(self) -> str:
        return f"{self.source}.{self.cible}"

    @classmethod
    def parse(cls, unverified: str) -> Self:
        """Raises InvalidPositionError."""
        found = re.fullmatch(r"([0-9]{1,15})\.([0-9]{1,16})", unverified)
        if found is None:
            raise InvalidPositionError("not a position")
        return cls(int(found[1]), int(found[2]))


class Row(NamedTuple):
    """One row of a walk: the step it belongs to, what it says, and of which target."""

    rang: int
    source: int | None
    cible: int
    origine: int
    """DIRECT, a portfolio, EXCLUSION or END."""
    autre: int
    """The target of the set itself: that of the step, its company, or one of its establishments (exclusions)."""
    masks: Masks


@dataclass(frozen=True, slots=True)
class AllBut:
    """Rights on every establishment of a company but these."""

    rights: Rights
    sirets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A SIRET or a SIREN, and the rights of an account there; for a SIREN, on all its establishments, present and future.

    `partial` are the rights over a company that exclusions take away on some of its establishments.
    """

    cible: int
    rights: Rights
    partial: tuple[AllBut, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers it takes to write it down."""
        return bool(self.rights) + sum(1 + len(part.sirets) for part in self.partial)


@dataclass(frozen=True, slots=True)
class Page:
    """Some targets, each once in the whole list, and where the list goes on; None at its end."""

    targets: tuple[Target, ...]
    following: Position | None


Read = Callable[[Masks], Rights]
"""What masks open, for the services looked at."""


def page_of(rows: Iterable[Row], catalogue: Catalogue, services: Collection[str] | None) -> Page:
    """The page that a walk brought back; `services` None: all of them."""
    ordered = sorted(rows, key=lambda row: row.rang)
    read = cache(lambda masks: catalogue.rights(masks, services))
    steps = (list(step) for _, step in groupby((r for r in ordered if r.origine != END), key=lambda row: row.rang))
    targets = tuple(target for target in (read_step(step, read) for step in steps) if target is not None)
    end = next((row for row in ordered if row.origine == END), None)
    return Page(targets, None if end is None or end.source is None else Position(end.source, end.cible))


def read_step(step: list[Row], read: Read) -> Target | None:
    """One target; None when it counts elsewhere, or when nothing is left to say. A client may give a member nothing at all."""
    cible, source = step[0].cible, step[0].source
    giving = (r.origine for r in step if r.origine >= DIRECT and r.autre == cible and any(r.masks))
    if source != min(giving, default=None):
        return None
    if len(step) == 1:
        rights = read(step[0].masks)
        return Target(cible, rights) if rights else None
    excluded = union(r.masks for r in step if r.origine == EXCLUSION and not is_below(r, cible))
    left = union(r.masks for r in step if r.origine >= DIRECT).minus(excluded)
    below = {r.autre: r.masks for r in step if r.origine == EXCLUSION and is_below(r, cible)}
    target = Target(cible, *split(left, below, read))
    return target if target.size else None


def is_below(row: Row, cible: int) -> bool:
    """Whether an exclusion is about one establishment of the company looked at."""
    return is_siren(cible) and row.autre != cible


def split(left: Masks, below: Mapping[int, Masks], read: Read) -> tuple[Rights, tuple[AllBut, ...]]:
    """What holds on the whole company, and what holds on all of it but some establishments."""
    lost: dict[tuple[int, ...], dict[str, frozenset[Droit]]] = {}
    everywhere: dict[str, frozenset[Droit]] = {}
    remaining = {siret: read(left.minus(masks)) for siret, masks in sorted(below.items())}
    for code, droits in read(left).items():
        for droit in droits:
            where = tuple(siret for siret, rights in remaining.items() if droit not in rights.get(code, ()))
            rights = lost.setdefault(where, {}) if where else everywhere
            rights[code] = rights.get(code, frozenset()) | {droit}
    return everywhere, tuple(AllBut(rights, where) for where, rights in sorted(lost.items()))


def merged(several: Iterable[Target]) -> dict[str, frozenset[Droit]]:
    """All the rights of several targets, those that hold but somewhere included."""
    found: dict[str, frozenset[Droit]] = {}
    for rights in (rights for t in several for rights in (t.rights, *(part.rights for part in t.partial))):
        for code, droits in rights.items():
            found[code] = found.get(code, frozenset()) | droits
    return found
