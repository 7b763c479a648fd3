"""What exists, as a file that can be edited and sent back: sent back as it is, it changes nothing.

`ECRITS`: what is written, person by person and portfolio by portfolio, in the fewest lines. `EFFECTIFS`: what each person has in the
end, portfolios included, to read one person's rights or to change them apart from the portfolio's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import islice

from idp.declarants.models import Declarant
from idp.habilitations.droits import Catalogue, Droit, Service, is_siret, written
from idp.habilitations.fichiers.ecarts import Place
from idp.habilitations.fichiers.lignes import COLUMNS, name_of
from idp.habilitations.fichiers.places import models as places
from idp.habilitations.fichiers.statuts import MOST_LINES
from idp.habilitations.fichiers.tableur import refusal

HEADINGS = (*COLUMNS[:5], "raison_sociale", *COLUMNS[5:], "origine")
ORIGINS = {"d": "directe", "x": "exception", "p": "portefeuille", "c": "contenu du portefeuille"}


class Portee(StrEnum):
    """What of it."""

    ECRITS = "ecrits"
    EFFECTIFS = "effectifs"


@dataclass(frozen=True, slots=True)
class Export:
    """What to put in the file."""

    catalogue: Catalogue
    people: Sequence[Declarant]
    portefeuilles: Mapping[int, str]
    portee: Portee
    now: datetime

    def rows(self) -> Iterator[list[str]]:
        """The heading, then a line for each holder, target and service. Raises TableurError past MOST_LINES: a part would mislead."""
        yield list(HEADINGS)
        for count, row in enumerate(self._lines(), 1):
            if count > MOST_LINES:
                raise refusal(
                    "too many lines",
                    f"Cet export dépasse {MOST_LINES // 1000} 000 lignes : choisissez une seule personne, ou l'export de ce qui est écrit.",
                )
            yield row

    def _lines(self) -> Iterator[list[str]]:
        for person in self.people:
            identity = [person.siret.grouped, person.nom, person.prenom, ""]
            cibles = places.targets_of_person(person.id, through=self.portee is Portee.EFFECTIFS)
            for some in _several(cibles):
                found, names = places.places_of_person(person.id, some, self.now), places.names_of(some)
                for cible in some:
                    yield from self._at(identity, cible, names.get(cible, ""), found[cible])
        if self.portee is Portee.ECRITS:
            yield from self._contents()

    def _contents(self) -> Iterator[list[str]]:
        for portefeuille_id, nom in sorted(self.portefeuilles.items()):
            holder = ["", "", "", name_of(portefeuille_id, nom)]
            for some in _several(places.targets_of_portfolio(portefeuille_id)):
                found, names = places.places_of_portfolio(portefeuille_id, some), places.names_of(some)
                for cible in some:
                    yield from self._at(holder, cible, names.get(cible, ""), found[cible])

    def _at(self, holder: list[str], cible: int, name: str, place: Place) -> Iterator[list[str]]:
        """The services of one place, each with its rights; rights that end at several dates take several lines."""
        target, bits = spaced(cible), place.bits
        for service in self.catalogue.services.values():
            if not bits >> service.bit & 1:
                continue
            origin = self._origin(holder, service, place)
            if not origin:
                continue
            by_end: dict[date | None, list[str]] = {}
            for droit, fin in place.rights(service, self.now).items():
                by_end.setdefault(fin, []).append(droit.value)
            for fin, droits in by_end.items() or [(None, [])]:
                yield [*holder, target, name, service.code, " ".join(droits), f"{fin:%d/%m/%Y}" if fin else "", origin]

    def _origin(self, holder: list[str], service: Service, place: Place) -> str:
        """Why this service is told there; empty: it is not."""
        if place.excluded.meets(service.masks):
            return ORIGINS["x"]
        live = any(period.ends_at > self.now and masks.meets(service.masks) for period, masks in place.held.items())
        if live:
            return ORIGINS["c" if holder[3] else "d"]
        return ORIGINS["p"] if self.portee is Portee.EFFECTIFS and place.rights(service, self.now) else ""


def spaced(cible: int) -> str:
    """A SIRET or a SIREN that no spreadsheet takes for a number: `784 671 695 00087`, `SIREN 784 671 695`."""
    digits = written(cible)
    groups = " ".join((digits[:3], digits[3:6], digits[6:9], digits[9:])).strip()
    return groups if is_siret(cible) else f"SIREN {groups}"


def _several(cibles: Iterable[int]) -> Iterator[list[int]]:
    walk = iter(cibles)
    while some := list(islice(walk, 1000)):
        yield some


def empty_model() -> list[list[str]]:
    """The heading alone: what a new déclarant starts from."""
    return [list(COLUMNS)]


def notes(catalogue: Catalogue) -> list[list[str]]:
    """The services that lines may name, to be read beside."""
    return [
        ["service", "libellé", "pour", "droits"],
        *(
            [
                service.code,
                service.libelle,
                "l'entreprise (SIREN)" if service.grain == "siren" else "l'établissement (SIRET) ou l'entreprise (SIREN)",
                " ".join(droit for droit in Droit if droit in service.droits),
            ]
            for service in sorted(catalogue.services.values(), key=lambda one: one.code)
            if service.enabled
        ),
    ]
