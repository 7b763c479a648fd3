"""What a mass file would change, line by line, as things are now. Writes nothing: the check shows it, the application does it.

In two times, so that rows are held as briefly as can be: `lire` reads the file, `comparer` looks at what is written for those it names.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from idp.declarants.statuts import Statut
from idp.errors import RefusedError
from idp.habilitations.attribution import MOST_EXCLUSIONS, check_inherited
from idp.habilitations.droits import NOTHING, Catalogue, Droit, Masks, is_siret, siren_of, union
from idp.habilitations.espace.portee import Portee, check_receives
from idp.habilitations.fichiers import ecarts
from idp.habilitations.fichiers.ecarts import Fins, Place, refusal, said
from idp.habilitations.fichiers.lignes import REQUIRED, Known, Ligne, Reader, Titulaire, kept_cells
from idp.habilitations.fichiers.places import models as written
from idp.habilitations.fichiers.tableur import rows_of
from idp.habilitations.gesture import Gesture, check_own_company, spoken

EVERY = 2000
"""Lines between two signs of life."""
BETWEEN = "\x1f"
"""Between two cells: in none of them (`kept_cells`)."""
Beat = Callable[[int, int], None]
"""Lines done, lines to do (0: not known yet)."""


@dataclass(frozen=True, slots=True)
class Refus:
    """A line that cannot be carried out, as it was typed."""

    numero: int
    raison: str
    cellules: list[str]


@dataclass(frozen=True, slots=True)
class Changement:
    """A line that changes something."""

    ligne: Ligne
    avant: Fins


@dataclass
class Lecture:
    """The lines of a file that make sense, whatever is written today."""

    lignes: list[Ligne] = field(default_factory=list)
    refus: list[Refus] = field(default_factory=list)
    cellules: dict[int, str] = field(default_factory=dict)
    """As they were typed, should a line be refused later; one text a line, for there may be 300,000."""
    lues: int = 0
    _fins: dict[tuple[tuple[Droit, date | None], ...], Fins] = field(default_factory=dict)
    """What lines want, each kept once: a file says the same of thousands of places."""

    def add(self, ligne: Ligne, seen: dict[tuple[Titulaire, int, str], int]) -> None:
        """One more line; rights of one service that end at several dates take several. Raises EcartRefuseError on a line that repeats."""
        ligne = ligne._replace(fins=self._fins.setdefault(tuple(ligne.fins.items()), ligne.fins))
        place = seen.setdefault(ligne[1:4], len(self.lignes))
        if place == len(self.lignes):
            self.lignes.append(ligne)
            return
        first = self.lignes[place]
        if not first.fins or not ligne.fins or first.fins.keys() & ligne.fins.keys() or {*first.fins.values()} & {*ligne.fins.values()}:
            raise refusal("repeated", f"Cette ligne parle de la même chose que la ligne {first.numero} : gardez-en une seule.")
        self.lignes[place] = first._replace(fins={**first.fins, **ligne.fins})


@dataclass
class Releve:
    """What becomes of each line, and what to write."""

    lues: int
    refus: list[Refus]
    changements: list[Changement] = field(default_factory=list)
    places: list[tuple[Titulaire, int, Place, Place]] = field(default_factory=list)

    @property
    def empreinte(self) -> str:
        """Of the changes: the same before and after an agreement, or it agreed to something else."""
        digest = hashlib.blake2b(digest_size=32)
        for one in self.changements:
            digest.update(repr((one.ligne.numero, *one.ligne[1:4], said(one.avant), said(one.ligne.fins))).encode())
        return digest.hexdigest()

    @property
    def bilan(self) -> dict[str, int]:
        """Counts, for people: lines of each kind, rights of each kind, holders."""
        given = sum(len(one.ligne.fins.keys() - one.avant.keys()) for one in self.changements)
        withdrawn = sum(len(one.avant.keys() - one.ligne.fins.keys()) for one in self.changements)
        moved = sum(one.avant[droit] != fin for one in self.changements for droit, fin in one.ligne.fins.items() if droit in one.avant)
        changed, holders = len(self.changements), Counter(one.genre for one in {change.ligne.titulaire for change in self.changements})
        exceptions = sum(any(after.excluded.minus(before.excluded)) for _, _, before, after in self.places)
        return {
            "lues": self.lues,
            "changees": changed,
            "refusees": len(self.refus),
            "inchangees": self.lues - changed - len(self.refus),
            "donnes": given,
            "retires": withdrawn,
            "dates": moved,
            "droits": given + withdrawn + moved,
            "exceptions": exceptions,
            "personnes": holders["d"],
            "portefeuilles": holders["c"],
        }

    def rows(self) -> Iterable[dict[str, Any]]:
        """What is kept of the lines."""
        for refus in self.refus:
            yield {"numero": refus.numero, "refusee": True, "raison": refus.raison[:400], "cellules": refus.cellules}
        for one in self.changements:
            holder = "declarant_id" if one.ligne.titulaire.genre == "d" else "portefeuille_id"
            yield {
                "numero": one.ligne.numero,
                "refusee": False,
                holder: one.ligne.titulaire.id,
                "cible": one.ligne.cible,
                "service": one.ligne.service,
                "avant": said(one.avant),
                "apres": said(one.ligne.fins),
            }


def lire(gesture: Gesture, portee: Portee, path: Path, beat: Beat) -> Lecture:
    """Every line of a file, for who administers that. Raises TableurError when it cannot be read as a whole."""
    known = Known(written.people_of(portee.sirets), written.portefeuilles_of(portee.siren))
    reader, lecture = Reader(gesture, portee, known), Lecture()
    seen: dict[tuple[Titulaire, int, str], int] = {}
    for numero, names, values in rows_of(path, REQUIRED):
        lecture.lues += 1
        if lecture.lues % EVERY == 0:
            beat(lecture.lues, 0)
        try:
            ligne = reader.read(numero, names, values)
            lecture.add(ligne, seen)
            lecture.cellules[numero] = BETWEEN.join(kept_cells(names, values))
        except RefusedError as error:
            lecture.refus.append(Refus(numero, error.public, kept_cells(names, values)))
    return lecture


def comparer(gesture: Gesture, portee: Portee, lecture: Lecture, beat: Beat) -> Releve:
    """What these lines change today."""
    by_holder: dict[Titulaire, dict[int, list[Ligne]]] = defaultdict(lambda: defaultdict(list))
    for ligne in lecture.lignes:
        by_holder[ligne.titulaire][ligne.cible].append(ligne)
    comparison = Comparison(gesture, portee.siren, lecture, Releve(lecture.lues, list(lecture.refus)))
    done = 0
    for holder, targets in sorted(by_holder.items()):
        places = comparison.places_of(holder, targets.keys())
        for cible, lignes in targets.items():
            comparison.look(holder, cible, places[cible], lignes)
            if (done := done + len(lignes)) // EVERY != (done - len(lignes)) // EVERY:
                beat(done, len(lecture.lignes))
    releve = comparison.releve
    releve.refus.sort(key=lambda refus: refus.numero)
    releve.changements.sort(key=lambda one: one.ligne.numero)
    return releve


class Comparison:
    """Lines against what is written, one place at a time."""

    def __init__(self, gesture: Gesture, company: int, lecture: Lecture, releve: Releve) -> None:
        self.gesture, self.company, self.lecture, self.releve = gesture, company, lecture, releve
        people = {ligne.titulaire.id for ligne in lecture.lignes if ligne.titulaire.genre == "d"}
        self.people = written.people_with(people)
        self.containers = written.containers({ligne.titulaire.id for ligne in lecture.lignes if ligne.titulaire.genre == "c"})
        self.exclusions: dict[tuple[int, int], int] = {}
        self.receives = lru_cache(100_000)(self._receives)

    @property
    def catalogue(self) -> Catalogue:
        return self.gesture.catalogue

    def places_of(self, holder: Titulaire, cibles: Iterable[int]) -> Mapping[int, Place]:
        targets = list(cibles)
        if holder.genre == "c":
            return written.places_of_portfolio(holder.id, targets)
        return written.places_of_person(holder.id, targets, self.gesture.now)

    def look(self, holder: Titulaire, cible: int, before: Place, lignes: Sequence[Ligne]) -> None:
        """All the lines about one place: refused ones are set aside, and the others looked at again without them."""
        services, now = self.catalogue.services, self.gesture.now
        left = [ligne for ligne in lignes if before.rights(services[ligne.service], now) != ligne.fins]
        while left:
            after, refused = self._carry(holder, cible, before, left)
            if not refused:
                break
            for ligne, raison in refused:
                self.releve.refus.append(Refus(ligne.numero, raison, self.lecture.cellules[ligne.numero].split(BETWEEN)))
                left.remove(ligne)
        if not left:
            return
        self.releve.changements += (Changement(ligne, before.rights(services[ligne.service], now)) for ligne in left)
        if after != before:
            self.releve.places.append((holder, cible, before, after))
            self._count(holder, cible, before, after)

    def _carry(self, holder: Titulaire, cible: int, before: Place, lignes: Sequence[Ligne]) -> tuple[Place, list[tuple[Ligne, str]]]:
        place, refused = before, []
        for ligne in lignes:
            try:
                place = self._after(holder, cible, place, ligne)
            except RefusedError as error:
                refused.append((ligne, error.public))
        for ligne in lignes if not refused else ():
            try:
                self._check_exclusion(holder, cible, before, place, ligne)
            except RefusedError as error:
                refused.append((ligne, error.public))
        return place, refused

    def _after(self, holder: Titulaire, cible: int, place: Place, ligne: Ligne) -> Place:
        """Raises RefusedError."""
        service = self.catalogue.services[ligne.service]
        held = place.rights(service, self.gesture.now)
        if held == ligne.fins:
            return place
        if added := frozenset(ligne.fins.keys() - held.keys()):
            self._check_gives(holder, cible, self.gesture.masks({service.code: added}, cible))
            if holder.genre == "d":
                self.receives(holder.id, service.code)
        return ecarts.after(place, service, ligne.fins, self.gesture.now)

    def _check_gives(self, holder: Titulaire, cible: int, masks: Masks) -> None:
        check_own_company(masks, cible, self.company)
        if holder.genre == "c":
            nom, container = self.containers.get(holder.id, ("", NOTHING))
            if any(lacking := masks.minus(container)):
                raise refusal("container lacks", f"Ajoutez d'abord {spoken(self.catalogue, lacking)} au portefeuille « {nom} ».")

    def _receives(self, declarant_id: int, service: str) -> None:
        """Raises RefusedError."""
        person = self.people[declarant_id]
        if person.statut is not Statut.ACTIF:
            raise refusal("not active", "Cette personne n'est pas active : elle ne peut recevoir aucun droit.")
        check_receives(person, {service: frozenset()}, self.catalogue, self.gesture.now)

    def _check_exclusion(self, holder: Titulaire, cible: int, before: Place, after: Place, ligne: Ligne) -> None:
        """An exception must leave nothing by inheritance, and there are not too many. Raises RefusedError."""
        new = after.excluded.minus(before.excluded).common(self.catalogue.services[ligne.service].masks)
        if not any(new):
            return
        check_inherited(self.catalogue, new, after.excluded.union(after.excluded_around))
        if is_siret(cible) and not any(before.excluded) and self._excluded(holder.id, siren_of(cible)) >= MOST_EXCLUSIONS:
            raise refusal(
                "too many exclusions",
                f"Cette personne est déjà écartée de {MOST_EXCLUSIONS} établissements de cette entreprise : "
                "retirez plutôt le droit sur l'entreprise entière.",
            )

    def _excluded(self, declarant_id: int, siren: int) -> int:
        pair = (declarant_id, siren)
        if pair not in self.exclusions:
            self.exclusions.update(written.exclusions_below([pair]))
        return self.exclusions[pair]

    def _count(self, holder: Titulaire, cible: int, before: Place, after: Place) -> None:
        if is_siret(cible) and any(after.excluded) and not any(before.excluded):
            pair = (holder.id, siren_of(cible))
            self.exclusions[pair] = self._excluded(*pair) + 1


def given(releve: Releve, catalogue: Catalogue) -> Masks:
    """The bits of what a file gives: what the journal says of it."""
    pairs = ((one.ligne.service, droit) for one in releve.changements for droit in one.ligne.fins.keys() - one.avant.keys())
    return union(catalogue.services[code].mask_of(Droit(droit)) for code, droit in dict.fromkeys(pairs))
