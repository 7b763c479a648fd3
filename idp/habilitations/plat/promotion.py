"""Promotions that the import of a flat file proposed, decided by an administrator: a right on the whole company, or as it is."""

from collections import defaultdict

from idp.habilitations.droits import Period, give, withdraw
from idp.habilitations.gesture import Change, Gesture, dated, refusal
from idp.habilitations.models import DroitDirect, rows_on
from idp.habilitations.plat.models import PromotionProposee


def waiting(declarant_id: int, siren: int) -> PromotionProposee:
    """Raises AttributionRefusedError when it is unknown, or decided."""
    found = PromotionProposee.locked(declarant_id, siren)
    if found is None or found.decided_at is not None:
        raise refusal("no proposal", "Cette proposition n'existe pas, ou elle est déjà décidée.")
    return found


def accepter(gesture: Gesture, declarant_id: int, siren: int) -> None:
    """One right on the company, future establishments included, takes the place of the same rights on each establishment."""
    found = waiting(declarant_id, siren)
    declarant = gesture.declarant(declarant_id)
    found.decided_at, found.accepted = gesture.now, True
    operation_id = gesture.trace("promouvoir", found.masks, declarant_id=declarant_id, cible=siren)
    held = rows_on(DroitDirect, declarant_id, [siren])
    wanted = give(dated(held), Period(gesture.now), found.masks, gesture.now)
    Change(siren, held, wanted).write(operation_id, DroitDirect, declarant_id=declarant_id)
    below: dict[int, list[DroitDirect]] = defaultdict(list)
    for row in DroitDirect.below(declarant_id, siren):
        below[row.cible].append(row)
    for cible, rows in below.items():
        left = withdraw(dated(rows), found.masks, gesture.now)
        Change(cible, rows, left).write(operation_id, DroitDirect, declarant_id=declarant_id)
    declarant.epoque += 1


def refuser(gesture: Gesture, declarant_id: int, siren: int) -> None:
    """Rights stay on each establishment."""
    found = waiting(declarant_id, siren)
    found.decided_at, found.accepted = gesture.now, False
