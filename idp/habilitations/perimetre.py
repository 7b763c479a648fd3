"""From the rows that a walk over an account's sets brings back, to targets with their rights. Pure.

A walk goes through the sources of an account in order: its direct rights (source 0), then its portfolios by identifier, then
what its SIRET declared lately (LIENS), when that may open something; in each source, targets by number, companies before
establishments. A target counts where the walk first meets it among the sources open now, with the rights of all of them, so
that no target comes twice, even on another page.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import NamedTuple, Self

from idp.errors import InvalidRequestError
from idp.habilitations.droits import LIEN_PAR, NOTHING, Catalogue, Droit, Lien, Liens, Masks, Rights, is_siren, siren_of
from idp.habilitations.fenetre import expiry

DIRECT = 0
"""The source of rights given to the account itself; others are identifiers of portfolios."""
LIENS = 10**14
"""The source of what the account's SIRET declared lately; greater than any portfolio."""
EXCLUSION, END, DECLARED = -1, -2, -3
"""Rows that are not grants: what is taken away, where the walk stopped, and a recent declaration."""
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
    """DIRECT, a portfolio, EXCLUSION, END or DECLARED."""
    autre: int
    """The target of the set itself: that of the step, its company, or one of its establishments (exclusions). For END, the
    account's own SIRET; for DECLARED, the month of the declaration (202610)."""
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
    lien_ends_at: datetime | None = None
    """When the declaration that some of these rights need, or come from, counts no more."""

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


@dataclass(frozen=True, slots=True)
class Account:
    """What a walk knows of the account itself."""

    siret: int
    declares: bool
    """It holds LIEN_PAR on its own SIRET."""
    liens: Liens

    @classmethod
    def of(cls, siret: int, own: Iterable[Row], catalogue: Catalogue) -> Self:
        """`own`: the rows of its own SIRET."""
        given, excluded = summed(own)
        return cls(siret, given.minus(excluded).meets(catalogue.accepted.get(LIEN_PAR, NOTHING)), catalogue.liens)

    def lien(self, cible: int, declared: bool) -> Lien:
        return Lien(siren_of(cible) == siren_of(self.siret), declared, self.declares)

    def left(self, given: Masks, excluded: Masks, cible: int, declared: bool) -> Masks:
        """What it holds at one place, inheritance apart."""
        return self.liens.left(given, excluded, self.lien(cible, declared))


@dataclass(frozen=True, slots=True)
class Origine:
    """What gives a right somewhere: DIRECT, a portfolio or LIENS, written on the place or on its company."""

    source: int
    cible: int
    lien_ends_at: datetime | None = None
    """When the declaration that it needs, or is, counts no more."""

    @property
    def nom(self) -> str:
        """`direct`, `portefeuille` or `lien`."""
        return {DIRECT: "direct", LIENS: "lien"}.get(self.source, "portefeuille")


def origins(rows: Collection[Row], account: Account, accepted: Masks) -> tuple[Origine, ...]:
    """All that gives a right at one place, by order of sources; none: the account does not have it. `rows` are of that place alone."""
    if not rows:
        return ()
    given, excluded = summed(rows)
    cible, month = next(iter(rows)).cible, next((row.autre for row in rows if row.origine == DECLARED), None)
    liens, lien = account.liens, account.lien(cible, month is not None)
    counts, lacking = liens.counts(given.minus(excluded), lien), liens.lacking(lien)
    ends_at = expiry(month) if counts and month is not None else None
    found: list[Origine] = []
    for row in rows:
        left = row.masks.common(accepted).minus(excluded)
        unneeding = any(left.minus(lacking))
        if row.origine >= DIRECT and any(left) and (counts or unneeding):
            found.append(Origine(row.origine, row.autre, None if unneeding else ends_at))
    if counts and liens.ouverts.minus(excluded).meets(accepted):
        found.append(Origine(LIENS, cible, ends_at))
    return tuple(sorted(found, key=lambda one: (one.source, -one.cible)))


def summed(rows: Iterable[Row]) -> tuple[Masks, Masks]:
    """What rows give, and what they exclude."""
    given, excluded = NOTHING, NOTHING
    for row in rows:
        if row.origine >= DIRECT:
            given = given.union(row.masks)
        elif row.origine == EXCLUSION:
            excluded = excluded.union(row.masks)
    return given, excluded


def page_of(rows: Iterable[Row], catalogue: Catalogue, services: Collection[str] | None, most: int | None = None) -> Page:
    """The page that a walk brought back, cut after `most` targets; `services` None: all of them."""
    ordered = sorted(rows, key=lambda row: row.rang)
    read = cache(lambda masks: catalogue.rights(masks, services))
    alone = cache(lambda masks, is_own: read(account.liens.left(masks, NOTHING, Lien(is_own))))
    end = next((row for row in ordered if row.origine == END), None)
    account = Account.of(end.autre if end else 0, (row for row in ordered if row.rang == 0 and row.origine != END), catalogue)
    steps = (list(step) for rang, step in groupby((r for r in ordered if r.origine != END), key=lambda row: row.rang) if rang)
    targets: list[Target] = []
    cut: Position | None = None
    for step in steps:
        target = read_step(step, read, alone, account)
        if target is not None and len(targets) == most:
            return Page(tuple(targets), cut)
        if target is not None:
            targets.append(target)
            cut = Position(step[0].source or DIRECT, step[0].cible)
    return Page(tuple(targets), None if end is None or end.source is None else Position(end.source, end.cible))


def read_step(step: list[Row], read: Read, alone: Callable[[Masks, bool], Rights], account: Account) -> Target | None:
    """One target; None when it counts elsewhere, or when nothing is left to say. A client may give a member nothing at all."""
    cible, source = step[0].cible, step[0].source
    if len(step) == 1 and step[0].origine >= DIRECT:
        return read_alone(step[0], alone, siren_of(account.siret))
    given, excluded = summed(r for r in step if not is_below(r, cible))
    month = next((r.autre for r in step if r.origine == DECLARED), None)
    counts = account.liens.counts(given.minus(excluded), account.lien(cible, month is not None))
    giving = (r.origine for r in step if r.origine >= DIRECT and r.autre == cible and any(r.masks))
    if source != min(giving, default=LIENS if counts else None):
        return None
    left = account.left(given, excluded, cible, month is not None)
    below = {r.autre: r.masks for r in step if is_below(r, cible)}
    ends_at = expiry(month) if month is not None and left != account.left(given, excluded, cible, declared=False) else None
    target = Target(cible, *split(left, below, read), ends_at)
    return target if target.size else None


def read_alone(row: Row, alone: Callable[[Masks, bool], Rights], own: int) -> Target | None:
    """What most targets are: one row gives all, nothing is excluded, nothing was declared."""
    if row.source != row.origine or row.autre != row.cible:
        return None
    rights = alone(row.masks, siren_of(row.cible) == own)
    return Target(row.cible, rights) if rights else None


def is_below(row: Row, cible: int) -> bool:
    """Whether an exclusion is about one establishment of the company looked at."""
    return row.origine == EXCLUSION and is_siren(cible) and row.autre != cible


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
