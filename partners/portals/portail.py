"""What a portal is made of, and what it shows of someone's rights. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from partners.kit.habilitations import LETTERS, Group

ACTS = ("declarer", "payer")
ROWS = 25
"""Targets on one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceVendu:
    """A service that the portal offers, and the acts that exist on it."""

    code: str
    libelle: str
    actes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portail:
    """One portal."""

    nom: str
    slogan: str
    theme: str
    """Name of its style sheet, and of its words on the first page."""
    autre_nom: str
    autre_adresse: str
    """Where the other portal starts a sign-in: with a session at MAG nothing is asked."""
    lien_de_courrier: str
    """A link as a mail holds it: through MAG, to the space of whoever signs in."""
    services: tuple[ServiceVendu, ...]
    noms: Mapping[str, str]
    """The portal's own directory: SIRET or SIREN → name."""
    secret_key: str
    sessions: str
    """Path of the file of sessions, and of accounts."""
    kit: Mapping[str, Any]
    """Parameters of the kit."""
    avec_comptes: str = ""
    """Where the portal is that has accounts of its own; empty when there is none beside."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From the JSON settings file of a portal."""
        given = json.loads(text)
        services = tuple(ServiceVendu(code=one["code"], libelle=one["libelle"], actes=tuple(one["actes"])) for one in given.pop("services"))
        return cls(services=services, **given)

    def service(self, code: str) -> ServiceVendu | None:
        return next((service for service in self.services if service.code == code), None)

    def name_of(self, cible: str) -> str:
        """Its name in the portal's directory; that of its company; nothing."""
        return self.noms.get(cible) or self.noms.get(cible[:9], "")


@dataclass(frozen=True, slots=True)
class Ligne:
    """One target and the letters of the rights on each service, by code."""

    cible: str
    nom: str
    services: Mapping[str, str]
    sauf: tuple[str, ...] = ()

    @property
    def is_company(self) -> bool:
        return len(self.cible) == 9

    def may(self, acte: str, service: str) -> bool:
        return LETTERS[acte] in self.services.get(service, "")


def written(number: str) -> str:
    """`732 829 320 00074`, with narrow no-break spaces."""
    return "\u202f".join(filter(None, (number[:3], number[3:6], number[6:9], number[9:])))


def unbroken(text: str) -> str:
    """French typography: no line begins with a punctuation mark that a space precedes."""
    return re.sub(r" (?=[:;?!»])|(?<=«) ", "\u00a0", text)


def rows(portail: Portail, groups: Iterable[Group]) -> list[Ligne]:
    """Each target once, with all its rights, by name."""
    merged: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    for group in groups:
        for cible, sauf in group.targets:
            rights = merged.setdefault((cible, tuple(sorted(sauf))), {})
            for code, letters in group.services.items():
                rights[code] = rights.get(code, "") + letters
    found = [Ligne(cible, portail.name_of(cible), rights, sauf) for (cible, sauf), rights in merged.items()]
    return sorted(found, key=lambda one: (one.nom.casefold(), one.cible))


def matching(lines: Iterable[Ligne], search: str) -> Iterator[Ligne]:
    """Lines whose number or name holds what was searched."""
    digits, words = "".join(filter(str.isdigit, search)), search.casefold().strip()
    for line in lines:
        covers = bool(digits) and (digits in line.cible or (line.is_company and digits.startswith(line.cible) and digits not in line.sauf))
        if not words or covers or words in line.nom.casefold():
            yield line


@dataclass(frozen=True, slots=True)
class Acte:
    """What a button asks: `declarer|dsn|73282932000074`."""

    acte: str
    service: ServiceVendu
    cible: str

    @classmethod
    def parse(cls, unverified: str, portail: Portail) -> Self | None:
        """None when the portal has no such act. Whether one may is another question."""
        acte, _, rest = unverified.partition("|")
        code, _, cible = rest.partition("|")
        service = portail.service(code)
        if service is None or acte not in service.actes or acte not in ACTS:
            return None
        return cls(acte, service, cible) if len(cible) in (9, 14) and cible.isascii() and cible.isdigit() else None


@dataclass(frozen=True, slots=True)
class Tranche:
    """One page of lines."""

    lines: tuple[Ligne, ...]
    page: int
    pages: int
    total: int

    @classmethod
    def of(cls, lines: list[Ligne], unverified_page: str) -> Self:
        pages = max(1, -(-len(lines) // ROWS))
        page = int(unverified_page) if unverified_page.isascii() and unverified_page.isdigit() and len(unverified_page) < 7 else 1
        page = min(max(page, 1), pages)
        return cls(tuple(lines[(page - 1) * ROWS : page * ROWS]), page, pages, len(lines))
