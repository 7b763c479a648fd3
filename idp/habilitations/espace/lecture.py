"""The rights of somebody, a page of targets at a time, narrowed by number, by name or by service; and all the targets of a filter.

By number, the index finds them. By name, the account's targets are gone through, some thousands a page: a page may hold few, and go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from idp.database import Connections
from idp.declarants.identite import fold
from idp.habilitations import decision
from idp.habilitations.droits import Catalogue, siren_of
from idp.habilitations.espace import models
from idp.habilitations.espace.cellules import Ligne, lire
from idp.habilitations.espace.entreprise.models import of_person
from idp.habilitations.espace.models import Nom
from idp.habilitations.espace.saisie import Filtre
from idp.habilitations.gesture import refusal
from idp.habilitations.perimetre import Page, Position, Target

SIZE = 25
ROUNDS = 1
"""Walks of a page that looks for a name."""
MOST_CHANGED = 5_000
"""Targets that one act may change for one person; beyond, portfolios and files do better."""


@dataclass(frozen=True, slots=True)
class Rangee:
    """One target of a list."""

    cible: int
    nom: Nom
    lignes: tuple[Ligne, ...]
    sauf: tuple[int, ...] = ()
    """For a company, establishments where something of it is taken away."""


@dataclass(frozen=True, slots=True)
class Liste:
    """Some targets, and where the list goes on."""

    rangees: tuple[Rangee, ...]
    following: Position | None


@dataclass(frozen=True, slots=True)
class Lecteur:
    """Who reads: the connections of a process, its catalogue, the instant."""

    connections: Connections
    catalogue: Catalogue
    now: datetime

    def liste(self, declarant_id: int, filtre: Filtre) -> Liste:
        """A page of somebody's rights."""
        targets, following = self._targets(declarant_id, filtre, SIZE)
        cells = lire(self.connections, self.catalogue, [(declarant_id, t.cible) for t in targets], self.now, filtre.services)
        noms = models.noms([t.cible for t in targets])
        rows = (Rangee(t.cible, noms[t.cible], cells[declarant_id, t.cible], _but(t)) for t in targets)
        return Liste(tuple(row for row in rows if row.lignes), following)

    def _targets(self, declarant_id: int, filtre: Filtre, most: int) -> tuple[Sequence[Target], Position | None]:
        if filtre.digits:
            after = filtre.apres.cible if filtre.apres else 0
            found = of_person(declarant_id).page(self.now, after=after, limit=most, ranges=filtre.ranges)
            return [Target(cible, {}) for cible in found.cibles], None if found.following is None else Position(0, found.following)
        if filtre.words:
            return self._named(declarant_id, filtre, most)
        limit = decision.LONGEST_PAGE if filtre.service or most > SIZE else SIZE + 10
        page = self._walk(declarant_id, filtre, filtre.apres, limit, most)
        return page.targets, page.following

    def _walk(self, declarant_id: int, filtre: Filtre, after: Position | None, limit: int, most: int | None) -> Page:
        return decision.targets(
            self.connections, self.catalogue, declarant_id, services=filtre.services, now=self.now, after=after, limit=limit, most=most
        )

    def _named(self, declarant_id: int, filtre: Filtre, most: int) -> tuple[list[Target], Position | None]:
        found: list[Target] = []
        after = filtre.apres
        for _ in range(ROUNDS):
            page = self._walk(declarant_id, filtre, after, decision.LONGEST_PAGE, None)
            named = bearing(filtre.words, [t.cible for t in page.targets])
            matching = [t for t in page.targets if t.cible in named]
            if len(found) == most and matching:
                return found, after
            if len(found) + len(matching) > most:
                return self._cut(declarant_id, filtre, after, found, matching[: most - len(found)])
            found += matching
            after = page.following
            if after is None:
                break
        return found, after

    def _cut(
        self, declarant_id: int, filtre: Filtre, after: Position | None, found: list[Target], last: list[Target]
    ) -> tuple[list[Target], Position | None]:
        """The page is full in the middle of a walk: where it goes on is where that walk, cut after the last target kept, stands."""
        page = self._walk(declarant_id, filtre, after, decision.LONGEST_PAGE, None)
        rank = [t.cible for t in page.targets].index(last[-1].cible) + 1
        return found + last, self._walk(declarant_id, filtre, after, decision.LONGEST_PAGE, rank).following

    def toutes(self, declarant_id: int, filtre: Filtre, but: Sequence[int] = ()) -> tuple[int, ...]:
        """Every target that a filter finds, but some. Raises AttributionRefusedError beyond MOST_CHANGED."""
        found: list[int] = []
        left_out = set(but)
        here: Filtre | None = Filtre(filtre.texte, filtre.service)
        while here is not None:
            targets, following = self._targets(declarant_id, here, decision.LONGEST_PAGE)
            found += [t.cible for t in targets if t.cible not in left_out]
            if len(found) > MOST_CHANGED:
                raise refusal(
                    "too many targets",
                    f"Ce filtre trouve plus de {MOST_CHANGED} établissements : précisez-le, ou passez par un portefeuille ou un fichier.",
                )
            here = Filtre(filtre.texte, filtre.service, following) if following else None
        return tuple(found)


def bearing(words: str, cibles: Sequence[int]) -> set[int]:
    """Those of these targets whose company's name holds these words."""
    named = {siren for siren, name in models.denominations({siren_of(cible) for cible in cibles}) if words in fold(name)}
    return {cible for cible in cibles if siren_of(cible) in named}


def _but(target: Target) -> tuple[int, ...]:
    return tuple(dict.fromkeys(siret for part in target.partial for siret in part.sirets))
