"""Rights that pass from one account to another of the same company: copied, transferred, or given up. The caller commits.

A departure (`depart`) also closes the identity and may keep rights for somebody invited; here both accounts stay. Nobody receives more
than the other had: what the other is excluded from is taken away on the way, or follows as an exclusion; but an exclusion is never
brought onto a target that the receiver held already (the preview counts those), since it would take away what was theirs.
"""

from dataclasses import dataclass

from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.confies import models as sets
from idp.habilitations.droits import NOTHING, Masks, is_siren, union
from idp.habilitations.gesture import Gesture, refusal
from idp.habilitations.models import hold_memberships


@dataclass(frozen=True, slots=True)
class Apercu:
    """What a transfer, a copy or a renunciation would move."""

    droits: int
    coming: int
    """Of which not open yet."""
    masks: Masks
    portefeuilles: tuple[str, ...]
    exclusions: int
    """That would follow."""
    laissees: tuple[int, ...] = ()
    """Targets whose exclusion would not follow, because the receiver already holds something there."""
    reduits: Masks = NOTHING
    """Rights that the receiver's ceilings would not get in portfolios, for the same reason on a whole company."""

    @property
    def empty(self) -> bool:
        return not (self.droits or self.portefeuilles)


@dataclass(frozen=True, slots=True)
class _Exclusions:
    """How each exclusion of the giver travels."""

    rows: tuple[tuple[int, Masks, Masks], ...]
    """Target, what follows, what does not."""

    @property
    def beyond(self) -> Masks:
        """Excluded on whole companies, but not for the receiver: to be kept out of ceilings."""
        return union(left for cible, _, left in self.rows if is_siren(cible))


def preview(gesture: Gesture, giver: int, to: int | None) -> Apercu:
    """What would move, and what would not; changes nothing. `to` None: a renunciation."""
    droits, coming, masks = sets.summary(giver, gesture.now)
    members = sets.portfolios_of(giver, gesture.now)
    if to is None:
        return Apercu(droits, coming, masks, members, len(sets.exclusions_of(giver)))
    travels = travelling(giver, to, gesture)
    follows = sum(any(masks) for _, masks, _ in travels.rows)
    return Apercu(droits, coming, masks, members, follows, tuple(cible for cible, _, left in travels.rows if any(left)), travels.beyond)


def travelling(giver: int, to: int, gesture: Gesture) -> _Exclusions:
    """ours: an exclusion follows, but for what the receiver held on that target or around it."""
    found = []
    for x in sets.exclusions_of(giver):
        own = sets.held_around(to, x.cible, gesture.now)
        found.append((x.cible, x.masks.minus(own), x.masks.common(own)))
    return _Exclusions(tuple(found))


def copier(gesture: Gesture, giver: int, to: int) -> Apercu:
    """Whoever arrives may do what a colleague may. Raises AttributionRefusedError."""
    return _pass(gesture, giver, to, "copier", leaves=False)


def transferer(gesture: Gesture, giver: int, to: int) -> Apercu:
    """The colleague holds all, the giver nothing any more, exclusions included. Raises AttributionRefusedError."""
    return _pass(gesture, giver, to, "transferer", leaves=True)


def abandonner(gesture: Gesture, giver: int) -> Apercu:
    """The account holds nothing any more. Raises AttributionRefusedError."""
    declarant = gesture.declarant(giver, giving=False)
    found = preview(gesture, giver, None)
    if found.empty and not found.exclusions:
        return found
    gesture.trace("solder", found.masks, declarant_id=giver)
    _drop(declarant)
    return found


def _pass(gesture: Gesture, giver: int, to: int, kind: str, *, leaves: bool) -> Apercu:
    first, second = (gesture.declarant(one, giving=one == to) for one in sorted((giver, to)))
    source, receiver = (first, second) if first.id == giver else (second, first)
    check_receives(source, receiver)
    hold_memberships(giver)
    found = preview(gesture, giver, to)
    if found.empty and not (leaves and found.exclusions):
        return found
    travels = travelling(giver, to, gesture)
    operation_id = gesture.trace(kind, found.masks, declarant_id=to)
    sets.take_time()
    sets.give_all(giver, to, operation_id, gesture.now)
    for cible, follows, _ in travels.rows:
        if any(follows):
            sets.exclude(to, cible, follows, operation_id)
    db.session.flush()
    sets.give_memberships(giver, to, travels.beyond, operation_id, gesture.now)
    receiver.epoque += 1
    if leaves:
        _drop(source)
    db.session.flush()
    return found


def check_receives(giver: Declarant, to: Declarant) -> None:
    """Somebody active of the same company: official documents stay with its own people (fact 61), portfolios with the firm."""
    if giver.id == to.id or to.statut is not Statut.ACTIF:
        raise refusal(f"declarant is {to.statut}", "La personne choisie n'est pas active : elle ne peut recevoir aucun droit.")
    if to.siret.siren != giver.siret.siren:
        raise refusal("another company", "Les droits ne passent qu'à une personne de la même entreprise.")


def _drop(declarant: Declarant) -> None:
    db.session.flush()
    sets.drop_all(declarant.id)
    declarant.epoque += 1


