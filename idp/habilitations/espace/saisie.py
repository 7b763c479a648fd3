"""What the address of a page of rights says: filters, ticks, a place in a list. Nonsense is ignored; a forged place is harmless."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idp.declarants.identite import fold
from idp.declarants.saisie import shown
from idp.entreprises.siret import typed_digits
from idp.habilitations.droits import FIRST_SIRET, is_siren, is_siret
from idp.habilitations.perimetre import InvalidPositionError, Position

LONGEST_NUMBER = 14
MOST_WORDS = 8
MOST_TICKS = 250
"""Ticks kept from page to page: an address has 8 KiB."""
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Filtre:
    """What a list of rights is narrowed to."""

    texte: str = ""
    service: str = ""
    apres: Position | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Filtre":
        return cls(shown(raw.get("q", ""))[:80], shown(raw.get("service", ""))[:40], position(raw.get("apres", "")))

    @property
    def query(self) -> dict[str, str]:
        """Without the place: what links say again."""
        return {name: value for name, value in (("q", self.texte), ("service", self.service)) if value}

    @property
    def services(self) -> frozenset[str] | None:
        return frozenset({self.service}) if self.service else None

    @property
    def digits(self) -> str:
        """The number looked for; empty when it is a name."""
        letters = any(c.isalpha() for c in self.texte)
        found = "" if letters else typed_digits(self.texte) or ""
        return found if len(found) <= LONGEST_NUMBER else ""

    @property
    def words(self) -> list[str]:
        """The words of the name looked for, as the directory writes them: capitals without accents."""
        return [] if self.digits else fold(self.texte).upper().split()[:MOST_WORDS]

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The targets whose number begins so."""
        return beginning_with(self.digits)


def beginning_with(digits: str) -> tuple[Range, ...]:
    """Targets, SIRENs or SIRETs, whose number begins with these digits: first and last, both included."""
    found = []
    for length in (9, 14):
        if digits and len(digits) <= length:
            step = 10 ** (length - len(digits))
            found.append((int(digits) * step, int(digits) * step + step - 1))
    if len(digits) > 9:
        company = int(digits[:9])
        found.insert(0, (company, company))
    return tuple(found)


def position(text: str) -> Position | None:
    """A place in a list; None for nonsense."""
    try:
        return Position.parse(text) if text else None
    except InvalidPositionError:
        return None


def number(text: str) -> int:
    """An identifier in an address; 0 for nonsense."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def targets(texts: Sequence[str]) -> tuple[int, ...]:
    """SIRENs and SIRETs as pages send them back."""
    found = dict.fromkeys(number(text) for text in texts)
    return tuple(cible for cible in found if is_siren(cible) or is_siret(cible))


@dataclass(frozen=True, slots=True)
class Coches:
    """What is ticked, page after page: some rows, or all that the filter finds but some."""

    tout: bool = False
    """Everything that the filter finds, but `cibles`; otherwise `cibles` alone."""
    cibles: tuple[int, ...] = ()

    @classmethod
    def parse(cls, raw: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> "Coches":
        """`garde`: kept from other pages; `vu`: rows of the page sent; `coche`: those of them that are ticked."""
        kept, seen, ticked = (targets(lists.get(name, ())) for name in ("garde", "vu", "coche"))
        tout = raw.get("tout", "") == "1"
        added = [cible for cible in seen if cible not in set(ticked)] if tout else list(ticked)
        others = [cible for cible in kept if cible not in set(seen)]
        return cls(tout, tuple(dict.fromkeys([*others, *added]))[:MOST_TICKS])

    def holds(self, cible: int) -> bool:
        return (cible in self.cibles) != self.tout

    def elsewhere(self, page: Sequence[int]) -> tuple[int, ...]:
        """What a page must send back beside its own rows."""
        return tuple(cible for cible in self.cibles if cible not in set(page))


def is_company(cible: int) -> bool:
    return cible < FIRST_SIRET
