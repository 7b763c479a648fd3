"""The rights of somebody, a page of targets at a time, narrowed by number, by name or by service; and all the targets of a filter."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from idp.database import Connections
from idp.habilitations import decision
from idp.habilitations.annuaire.noms import Annuaire, cible_of
from idp.habilitations.droits import Catalogue
from idp.habilitations.espace import models
from idp.habilitations.espace.cellules import Ligne, lire
from idp.habilitations.espace.entreprise.models import Cibles, of_person
from idp.habilitations.espace.models import Nom
from idp.habilitations.espace.saisie import Filtre
from idp.habilitations.perimetre import Position, Target
from idp.habilitations.questions import rights_at

SIZE = 25
LOOKED_AT = 1_000
"""Targets that bear a name, of which a page keeps those that count."""


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
    annuaire: Annuaire

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
            page = page_of(self.annuaire.of_person(declarant_id, filtre.words), filtre.apres, most)
            return [Target(cible, {}) for cible in page.cibles], None if page.following is None else Position(0, page.following)
        limit = decision.LONGEST_PAGE if filtre.service or most > SIZE else SIZE + 10
        walk = decision.targets(
            *(self.connections, self.catalogue, declarant_id),
            services=filtre.services,
            now=self.now,
            after=filtre.apres,
            limit=limit,
            most=most,
        )
        return walk.targets, walk.following

    def toutes(self, declarant_id: int, filtre: Filtre, most: int, but: Sequence[int] = ()) -> tuple[int, ...]:
        """Every target that a filter finds, but some; when there are more than `most`, more than that."""
        found: list[int] = []
        left_out = set(but)
        here: Filtre | None = Filtre(filtre.texte, filtre.service)
        while here is not None:
            targets, following = self._targets(declarant_id, here, decision.LONGEST_PAGE)
            found += [cible for cible in self._held(declarant_id, [t.cible for t in targets], filtre) if cible not in left_out]
            if len(found) > most:
                break
            here = Filtre(filtre.texte, filtre.service, following) if following else None
        return tuple(found)

    def _held(self, declarant_id: int, cibles: list[int], filtre: Filtre) -> list[int]:
        """Those of these targets where something is held, on the service looked for: names and numbers find more."""
        if not filtre.texte:
            return cibles
        services = filtre.services or self.catalogue.services
        held = rights_at(self.connections, self.catalogue, declarant_id, cibles, services, self.now)
        return [cible for cible in cibles if cible in held]


def page_of(
    lines: Sequence[str], after: Position | None, most: int, kept: Callable[[Sequence[int]], Collection[int]] | None = None
) -> Cibles:
    """Some targets of a search, by number: lists go on after a number, whatever they are narrowed to. `kept`: those that count, of some."""
    found = sorted({cible_of(line) for line in lines})
    start = bisect_right(found, after.cible) if after else 0
    here = found[start : start + (most if kept is None else LOOKED_AT)]
    counted = here if kept is None else sorted(kept(here))
    if len(counted) > most:
        return Cibles(tuple(counted[:most]), counted[most - 1])
    return Cibles(tuple(counted), here[-1] if start + len(here) < len(found) else None)


def _but(target: Target) -> tuple[int, ...]:
    return tuple(dict.fromkeys(siret for part in target.partial for siret in part.sirets))
