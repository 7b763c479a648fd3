"""The algebra of rights: kinds of right, masks of services, inheritance, and sets that open and end. Pure.

A mask is an integer of 63 bits, one a service. `Masks` holds one mask for each kind of right, in the order of `Droit`:
a new kind of right is a member of `Droit`, a field of `Masks` and a column of the tables, nothing else.

A target (`cible`) is an integer: a SIRET or a SIREN, which a SIRET divided by 100,000 gives. Their ranges never meet.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, reduce
from typing import NamedTuple, Self

from idp.errors import RefusedError

FIRST_SIREN, FIRST_SIRET, AFTER_SIRET = 10**4, 10**9, 10**14
BITS = 63
"""Services a mask can hold: the sign of a 64-bit integer stays clear."""
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""`ends_at` of what has no end."""


class InvalidCatalogueError(RefusedError):
    """The catalogue contradicts itself; the message names the service."""

    code = "catalogue_invalide"
    number = "M300001"
    remedy = "Exploitant : corrigez le catalogue des services."
    public = "Le catalogue des services se contredit."


class Droit(StrEnum):
    """Facts 20 and 61."""

    DECLARER = "declarer"
    PAYER = "payer"
    CONSULTER = "consulter"
    TELECHARGER_OFFICIEL = "telecharger_officiel"


class Grain(StrEnum):
    """What a service is declared for (fact 8)."""

    SIRET = "siret"
    SIREN = "siren"


class Exigence(StrEnum):
    """For which establishments a right on a service also needs a recent declaration (DSN) made by the account's own SIRET."""

    JAMAIS = "jamais"
    TIERS = "tiers"
    """Those of other companies (fact 60)."""
    TOUJOURS = "toujours"
    """All, one's own included (fact 58)."""


Rights = Mapping[str, frozenset[Droit]]
"""Code of a service → rights on it; a service without right is absent."""
Pair = tuple[str, Droit]
"""Code of a service and one right on it."""


class Masks(NamedTuple):
    """One mask of services for each kind of right."""

    declarer: int = 0
    payer: int = 0
    consulter: int = 0
    telecharger_officiel: int = 0

    def union(self, other: Self) -> "Masks":
        return Masks(*(a | b for a, b in zip(self, other, strict=True)))

    def common(self, other: Self) -> "Masks":
        return Masks(*(a & b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Self) -> "Masks":
        return Masks(*(a & ~b for a, b in zip(self, other, strict=True)))

    def meets(self, other: Self) -> bool:
        """Whether they share a bit."""
        declarer, payer, consulter, telecharger = other
        return bool(self[0] & declarer or self[1] & payer or self[2] & consulter or self[3] & telecharger)


NOTHING = Masks()


@cache
def mask_of(bit: int, droit: Droit) -> Masks:
    """One right on the service of this bit: 63 times 4 at most, asked for each row of a page."""
    return NOTHING._replace(**{droit.value: 1 << bit})


LIEN_PAR = ("dsn", Droit.DECLARER)
"""The right without which an account makes nothing of its company's declarations."""
EVERYTHING = Masks(*(2**BITS - 1 for _ in Droit))
"""The ceiling of a member who may do whatever his portfolio may."""


def union(several: Iterable[Masks]) -> Masks:
    return reduce(Masks.union, several, NOTHING)


def is_siren(cible: int) -> bool:
    return FIRST_SIREN <= cible < FIRST_SIRET


def is_siret(cible: int) -> bool:
    return FIRST_SIRET <= cible < AFTER_SIRET


def siren_of(cible: int) -> int:
    """The company of a SIRET or of a SIREN."""
    return cible if cible < FIRST_SIRET else cible // 100_000


def written(cible: int) -> str:
    """14 or 9 digits."""
    return f"{cible:09d}" if cible < FIRST_SIRET else f"{cible:014d}"


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the social sphere, as the catalogue describes it. `bit` is its place in every mask, for ever."""

    bit: int
    code: str
    libelle: str
    grain: Grain
    droits: frozenset[Droit]
    opening_delay: timedelta = timedelta()
    """From the gesture to the opening of the right (fact 24)."""
    enabled: bool = True
    """A disabled service keeps its rows and answers no."""
    profils: frozenset[str] = frozenset()
    """Profiles of companies that it is proposed to at inscription (fact 19)."""
    lien_requis: Exigence = Exigence.JAMAIS
    lien_ouvre: frozenset[Droit] = frozenset()
    """Rights that a recent declaration opens by itself (facts 58 and 62)."""

    @property
    def masks(self) -> Masks:
        """The bits of all its rights."""
        return union(self.mask_of(droit) for droit in self.droits)

    def mask_of(self, droit: Droit) -> Masks:
        """The bit of one right on this service."""
        return mask_of(self.bit, droit)


@dataclass(frozen=True, slots=True)
class Heritage:
    """Whoever holds `source` holds `cible` (fact 57)."""

    cible: Pair
    source: Pair


class Lien(NamedTuple):
    """What is known of an account and an establishment, beside rights."""

    is_own: bool = False
    """Of the account's company."""
    is_linked: bool = False
    """The account's SIRET declared it lately."""
    declares: bool = False
    """The account holds LIEN_PAR on its own SIRET."""


@dataclass(frozen=True, slots=True)
class Liens:
    """What declarations of the past months change: bits that need one, bits that one opens. Before inheritance, as exclusions."""

    requis: Masks = NOTHING
    """Everywhere."""
    requis_tiers: Masks = NOTHING
    """On establishments of other companies; holds those of `requis`."""
    ouverts: Masks = NOTHING
    par: Masks = NOTHING
    """Bits of which one gives LIEN_PAR."""

    def left(self, given: Masks, excluded: Masks, lien: Lien) -> Masks:
        """What is left of masks given at one place: exclusions first, then what lacks a declaration, or comes by one."""
        left = given.minus(excluded)
        if self.counts(left, lien):
            return left.union(self.ouverts.minus(excluded))
        return left.minus(self.lacking(lien))

    def counts(self, left: Masks, lien: Lien) -> bool:
        """Whether the account may make something of a declaration; `left` is what it has there, exclusions taken away."""
        return lien.is_linked and (lien.declares or left.meets(self.par))

    def lacking(self, lien: Lien) -> Masks:
        """What goes where no declaration counts."""
        return self.requis if lien.is_own else self.requis_tiers

    def concerns(self, accepted: Masks) -> bool:
        """Whether an answer about these bits may depend on declarations."""
        return accepted.meets(self.requis_tiers) or accepted.meets(self.ouverts)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The services, and for each right the masks of which one bit suffices: its own, and those it inherits from."""

    services: Mapping[str, Service]
    accepted: Mapping[Pair, Masks]
    digest: bytes
    """Changes with whatever changes a decision."""
    liens: Liens = Liens()

    @classmethod
    def build(cls, services: Iterable[Service], heritages: Iterable[Heritage]) -> "Catalogue":
        """Raises InvalidCatalogueError on a bit used twice, an unknown right, or an inheritance that bites its tail."""
        known = {service.code: service for service in services}
        check_bits(known.values())
        sources = sources_of(known, heritages)
        accepted = {pair: union(known[code].mask_of(droit) for code, droit in closure(pair, sources)) for pair in sources}
        liens = liens_of(known.values(), accepted.get(LIEN_PAR, NOTHING))
        rules = [tuple(liens.requis), tuple(liens.requis_tiers), tuple(liens.ouverts)]
        text = repr((sorted((code, droit.value, tuple(masks)) for (code, droit), masks in accepted.items()), rules))
        return cls(known, accepted, hashlib.blake2b(text.encode(), digest_size=8).digest(), liens)

    @property
    def offered(self) -> list[Service]:
        """Services that may be given, in the order of the catalogue."""
        return sorted((one for one in self.services.values() if one.enabled), key=lambda one: one.bit)

    def masks(self, rights: Rights) -> Masks:
        """The bits of rights whose services are known."""
        return union(self.services[code].mask_of(droit) for code, droits in rights.items() for droit in droits)

    def rights(self, masks: Masks, services: Collection[str] | None = None) -> dict[str, frozenset[Droit]]:
        """What masks open, inheritance included; of these services alone when they are named."""
        found: dict[str, set[Droit]] = {}
        for (code, droit), accepted in self.accepted.items():
            if masks.meets(accepted) and (services is None or code in services):
                found.setdefault(code, set()).add(droit)
        return {code: frozenset(droits) for code, droits in found.items()}

    def follows_links(self, services: Collection[str] | None) -> bool:
        """Whether rights on these services (None: on any) may come, or go, with declarations."""
        pairs = (masks for (code, _), masks in self.accepted.items() if services is None or code in services)
        return any(self.liens.concerns(masks) for masks in pairs)

    def held(self, masks: Masks) -> dict[str, frozenset[Droit]]:
        """What masks say themselves, inheritance left out, disabled services included."""
        pairs = {code: frozenset(d for d in Droit if masks.meets(s.mask_of(d))) for code, s in self.services.items()}
        return {code: droits for code, droits in pairs.items() if droits}


WORDS = {
    Droit.DECLARER: "déclarer", Droit.PAYER: "payer", Droit.CONSULTER: "consulter",
    Droit.TELECHARGER_OFFICIEL: "télécharger les documents officiels",
}


def spoken(catalogue: Catalogue, masks: Masks) -> str:
    """Rights as people read them: `« Compte AT/MP » (déclarer, consulter)`."""
    return ", ".join(f"« {catalogue.services[code].libelle} » ({words(droits)})" for code, droits in catalogue.held(masks).items())


def words(droits: Iterable[Droit]) -> str:
    """`déclarer, payer`, in the order of `Droit`."""
    return ", ".join(WORDS[droit] for droit in Droit if droit in set(droits))


def check_bits(services: Iterable[Service]) -> None:
    """A bit belongs to one service."""
    seen: dict[int, str] = {}
    for service in services:
        if not 0 <= service.bit < BITS:
            raise InvalidCatalogueError(f"{service.code}: bit {service.bit} is not between 0 and {BITS - 1}")
        if service.bit in seen:
            raise InvalidCatalogueError(f"{service.code}: bit {service.bit} belongs to {seen[service.bit]}")
        seen[service.bit] = service.code


def liens_of(services: Iterable[Service], par: Masks) -> Liens:
    """What the enabled services ask of declarations. Raises InvalidCatalogueError where the rule would turn in a circle."""
    found: dict[Exigence, Masks] = dict.fromkeys(Exigence, NOTHING)
    opened = NOTHING
    for service in (one for one in services if one.enabled):
        found[service.lien_requis] = found[service.lien_requis].union(service.masks)
        opened = opened.union(union(service.mask_of(droit) for droit in service.lien_ouvre))
        follows = service.lien_requis != Exigence.JAMAIS or bool(service.lien_ouvre)
        if service.lien_ouvre - service.droits or (follows and service.grain == Grain.SIREN):
            raise InvalidCatalogueError(f"{service.code}: declarations are about establishments, and about its own rights")
    everywhere = found[Exigence.TOUJOURS]
    liens = Liens(everywhere, everywhere.union(found[Exigence.TIERS]), opened, par)
    if liens.concerns(par):
        raise InvalidCatalogueError(f"{LIEN_PAR[0]}.{LIEN_PAR[1]} cannot depend on declarations")
    return liens


def sources_of(services: Mapping[str, Service], heritages: Iterable[Heritage]) -> dict[Pair, set[Pair]]:
    """Each right of each enabled service, and what it inherits from directly. A disabled service lends nothing."""
    every = {(s.code, droit) for s in services.values() for droit in s.droits}
    sources: dict[Pair, set[Pair]] = {pair: set() for pair in sorted(every) if services[pair[0]].enabled}
    for heritage in heritages:
        for pair in (heritage.cible, heritage.source):
            if pair not in every:
                raise InvalidCatalogueError(f"inheritance names {pair[0]}.{pair[1]}, which does not exist")
        if heritage.cible in sources and heritage.source in sources:
            sources[heritage.cible].add(heritage.source)
    return sources


def closure(pair: Pair, sources: Mapping[Pair, set[Pair]], path: tuple[Pair, ...] = ()) -> set[Pair]:
    """The right and all it inherits from, step by step. Raises InvalidCatalogueError on a circle."""
    if pair in path:
        raise InvalidCatalogueError(f"{pair[0]}.{pair[1]} inherits from itself")
    return {pair}.union(*(closure(source, sources, (*path, pair)) for source in sources[pair]))


class Period(NamedTuple):
    """From an instant included to an instant excluded."""

    effective_from: datetime
    ends_at: datetime = FOREVER

    def since(self, now: datetime) -> "Period":
        """Instants before `now` are one instant."""
        return Period(max(self.effective_from, now), self.ends_at)

    def covers(self, other: Self) -> bool:
        return self.effective_from <= other.effective_from and other.ends_at <= self.ends_at

    def holds(self, now: datetime) -> bool:
        return self.effective_from <= now < self.ends_at


Dated = Mapping[Period, Masks]
"""What one account, or one portfolio, holds on one target."""


def settle(held: Dated, now: datetime) -> dict[Period, Masks]:
    """The same rights from now on, in the fewest rows: what ended leaves, what is open and ends together is one row.

    The earliest opening is kept, so that no clock sees a right close. When a right opened is for the journal to say.
    """
    first: dict[datetime, datetime] = {}
    for period in held:
        if period.effective_from <= now:
            first[period.ends_at] = min(period.effective_from, first.get(period.ends_at, now))
    settled: dict[Period, Masks] = {}
    for period, masks in held.items():
        if period.ends_at > now and any(masks):
            target = Period(first[period.ends_at], period.ends_at) if period.effective_from <= now else period
            settled[target] = settled.get(target, NOTHING).union(masks)
    return settled


def give(held: Dated, period: Period, masks: Masks, now: datetime) -> dict[Period, Masks]:
    """`held` and these masks over that period; `held` itself when they were all there already."""
    missing = masks.minus(union(m for p, m in held.items() if p.covers(period)))
    if not any(missing):
        return dict(held)
    kept = {p: m.minus(missing) if period.covers(p.since(now)) else m for p, m in held.items()}
    return settle({**kept, period: kept.get(period, NOTHING).union(missing)}, now)


def withdraw(held: Dated, masks: Masks, now: datetime) -> dict[Period, Masks]:
    """`held` without these masks, whatever the dates; `held` itself when none was there."""
    if not union(held.values()).meets(masks):
        return dict(held)
    return settle({period: m.minus(masks) for period, m in held.items()}, now)
