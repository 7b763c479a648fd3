"""The claim `hab`: what someone may do, for which establishments. Pure.

Reads version 1, forms A (`g`: groups of targets with the same rights) and B (`s`: a menu; the groups come page by page).
Whatever cannot be read gives no right: an unknown version, an unknown right, a malformed group.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LETTERS = {"declarer": "d", "payer": "p", "consulter": "c", "telecharger_officiel": "t"}
"""Name of a right → its letter in the claim."""
VERSION = 1


def _numbers(value: Any, length: int) -> frozenset[str]:
    given = value if isinstance(value, list) else []
    return frozenset(v for v in given if isinstance(v, str) and len(v) == length and v.isascii() and v.isdigit())


def _services(value: Any) -> dict[str, str]:
    given = value if isinstance(value, dict) else {}
    return {code: letters for code, letters in given.items() if isinstance(letters, str)}


def _partial(value: Any) -> dict[str, frozenset[str]]:
    """A company of which one exception cannot be read is left out whole: less right, never more."""
    given = value if isinstance(value, dict) else {}
    read = {siren: (sauf, _numbers(sauf, 14)) for siren, sauf in given.items() if _numbers([siren], 9)}
    return {siren: sirets for siren, (sauf, sirets) in read.items() if isinstance(sauf, list) and len(sirets) == len(sauf)}


@dataclass(frozen=True, slots=True)
class Group:
    """Targets with the same rights."""

    services: Mapping[str, str]
    """Code of a service → letters of the rights on it."""
    sirens: frozenset[str] = frozenset()
    """Whole companies: every establishment, present and future."""
    sirets: frozenset[str] = frozenset()
    partial: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Whole companies, save these establishments."""

    @classmethod
    def read(cls, unverified: Any) -> "Group":
        given = unverified if isinstance(unverified, dict) else {}
        return cls(_services(given.get("s")), _numbers(given.get("n"), 9), _numbers(given.get("t"), 14), _partial(given.get("x")))

    def covers(self, cible: str) -> bool:
        """Whether a SIRET, or a whole company by its SIREN, is in the group."""
        if len(cible) == 9:
            return cible in self.sirens
        siren = cible[:9]
        return cible in self.sirets or siren in self.sirens or (siren in self.partial and cible not in self.partial[siren])

    @property
    def targets(self) -> Iterator[tuple[str, frozenset[str]]]:
        """A SIREN or a SIRET, and the establishments left out."""
        yield from ((siren, frozenset[str]()) for siren in sorted(self.sirens))
        yield from sorted(self.partial.items())
        yield from ((siret, frozenset[str]()) for siret in sorted(self.sirets))


class Habilitations:
    """What someone may do. In form B the groups are read when they are first needed."""

    def __init__(self, claim: Any, read_groups: Callable[[], Iterable[Any]] | None = None) -> None:
        given = claim if isinstance(claim, dict) and claim.get("v") == VERSION else {}
        self.version: str = given["e"] if isinstance(given.get("e"), str) else ""
        self.is_large: bool = "g" not in given and bool(given.get("s"))
        self._groups: tuple[Group, ...] | None = None
        self._read_groups = read_groups
        self._menu = _services(given.get("s"))
        if not self.is_large:
            groups = given.get("g") if isinstance(given.get("g"), list) else []
            self._groups = tuple(Group.read(one) for one in groups or [])

    @property
    def groups(self) -> tuple[Group, ...]:
        """May call MAG, once, for a large account."""
        if self._groups is None:
            self._groups = tuple(Group.read(one) for one in (self._read_groups() if self._read_groups else ()))
        return self._groups

    @property
    def services(self) -> frozenset[str]:
        """Codes of the services on which there may be a right somewhere; never a call."""
        if self.is_large:
            return frozenset(code for code, letters in self._menu.items() if letters)
        return frozenset(code for group in self._groups or () for code, letters in group.services.items() if letters)

    def peut(self, droit: str, service: str, cible: str) -> bool:
        """Whether one may: `peut("declarer", "dsn", "73282932000074")`. `cible` is a SIRET, or a SIREN for the whole company."""
        letter = LETTERS.get(droit)
        if letter is None or (self.is_large and letter not in self._menu.get(service, "")):
            return False
        return any(letter in group.services.get(service, "") and group.covers(cible) for group in self.groups)
