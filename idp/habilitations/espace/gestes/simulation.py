"""« Si je fais cela, qui gagne et qui perd quoi » : the act is done within a savepoint, rights are read before and after, all is undone.

So the preview cannot disagree with the act, whichever it is. Rights are read when what the act gives is open.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.confies import models as sets
from idp.habilitations.droits import Catalogue, Droit, Rights, words
from idp.habilitations.espace.cellules import Place, effective
from idp.habilitations.espace.gestes.acte import Acte, Demande, Geste
from idp.habilitations.espace.gestes.models import people_of, rights_written
from idp.habilitations.espace.models import SessionReads
from idp.habilitations.questions import MOST_PLACES, looked_at

MOST_TOLD = 40
"""Lines of a preview."""
MOST_EXAMPLES = 3
Before = Mapping[Place, Rights]
Delta = Counter[tuple[int, str, Droit]]
Beat = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Bilan:
    """What one person gains, or loses, of one service."""

    personne: str
    service: str
    droits: str
    cibles: int
    exemples: tuple[int, ...]
    qui: int
    code: str
    """The person and the service."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What an act would change, counted in rights: a service, a kind of right, a target."""

    gagnes: int
    perdus: int
    ecrits: int
    """Of what is written, whenever it opens and until when: see `rights_written`."""
    gains: tuple[Bilan, ...]
    pertes: tuple[Bilan, ...]
    changes: bool
    """Whether it writes anything."""
    lots: bool
    """Whether its confirmation is to be typed."""
    epreuve: str
    """Of what was shown: asked again before the act is done."""

    @property
    def droits(self) -> int:
        """How large the act is."""
        return max(self.gagnes + self.perdus, self.ecrits)

    @property
    def a_taper(self) -> str:
        """What must be typed; empty when nothing is."""
        return str(self.gagnes + self.perdus) if self.lots else ""


def simuler(demande: Demande, acte: Acte, beat: Beat = lambda _done, _total: None) -> Simulation:
    """Changes nothing. Raises what the act raises. `beat` is told how many places were looked at, of how many."""
    reads, now = SessionReads(), acte.horizon
    savepoint = db.session.begin_nested()
    try:
        demande.portee.hold(acte.personnes)
        sets.take_time()
        whole = len(acte.places)
        before = states(reads, demande.catalogue, acte.places, now, lambda done: beat(done, 2 * whole))
        geste = faire(demande, acte)
        db.session.flush()
        after = states(reads, demande.catalogue, acte.places, now, lambda done: beat(whole + done, 2 * whole))
        written = 0 if geste.operation_id is None else rights_written(geste.operation_id, demande.now)
    finally:
        savepoint.rollback()
    return compare(acte, before, after, demande.catalogue, changes=geste.operation_id is not None, written=written)


def faire(demande: Demande, acte: Acte) -> Geste:
    """Do it, rows held by the caller; its operation, if any. The caller commits."""
    geste = Geste(demande.portee.administrator.id, demande.catalogue, demande.now, acte.resume, acte.portefeuille_id)
    acte.faire(geste)
    return geste


def states(
    reads: SessionReads, catalogue: Catalogue, places: Sequence[Place], now: datetime, beat: Callable[[int], None] = lambda _done: None
) -> Before:
    """What is effective at each place. The same rights are kept once, however many places have them: there may be 300,000."""
    found: dict[Place, Rights] = {}
    known: dict[tuple[tuple[str, frozenset[Droit]], ...], Rights] = {}
    follows = catalogue.follows_links(None)
    for chunk in (places[i : i + MOST_PLACES] for i in range(0, len(places), MOST_PLACES)):
        read = looked_at(reads, catalogue, chunk, now, follows=follows)
        for place in chunk:
            rights = effective(read.get(place), place[1], catalogue)
            found[place] = known.setdefault(tuple(rights.items()), rights)
        beat(len(found))
    return found


def compare(acte: Acte, before: Before, after: Before, catalogue: Catalogue, *, changes: bool, written: int) -> Simulation:
    gained, lost = difference(before, after), difference(after, before)
    people = people_of({who for who, _, _ in (*gained, *lost)})
    counts = sum(map(len, gained.values())), sum(map(len, lost.values()))
    said = repr((acte.resume, sorted(gained.items()), sorted(lost.items()), acte.total, changes, written))
    return Simulation(
        *counts,
        written,
        told(gained, people, catalogue),
        told(lost, people, catalogue),
        changes,
        len(acte.places) > 1 and sum(counts) > 1,
        hashlib.blake2b(said.encode(), digest_size=12).hexdigest(),
    )


def difference(before: Before, after: Before) -> dict[tuple[int, str, Droit], list[int]]:
    """By person, service and right, the targets where it is there after and was not before."""
    found: dict[tuple[int, str, Droit], list[int]] = {}
    for (who, cible), rights in after.items():
        held = before.get((who, cible), {})
        for code, droits in rights.items():
            for droit in droits - held.get(code, frozenset()):
                found.setdefault((who, code, droit), []).append(cible)
    return found


def told(changed: Mapping[tuple[int, str, Droit], list[int]], people: Mapping[int, Declarant], catalogue: Catalogue) -> tuple[Bilan, ...]:
    """A line for each person and service whose rights change on the same targets."""
    grouped: dict[tuple[int, str, tuple[int, ...]], list[Droit]] = {}
    for (who, code, droit), cibles in changed.items():
        grouped.setdefault((who, code, tuple(cibles)), []).append(droit)
    ordered = sorted(grouped.items(), key=lambda one: (people[one[0][0]].cle, catalogue.services[one[0][1]].bit))
    return tuple(
        Bilan(people[who].full_name, catalogue.services[code].libelle, words(droits), len(cibles), cibles[:MOST_EXAMPLES], who, code)
        for (who, code, cibles), droits in ordered
    )
