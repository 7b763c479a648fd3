"""To give rights to an account on many targets at once, or withdraw them, under one operation. The caller commits.

What `attribution` does on one target; a lot that changes nothing leaves no trace.
"""

from collections.abc import Collection
from datetime import datetime

from idp.habilitations.droits import FOREVER, Masks, Rights, siren_of, withdraw
from idp.habilitations.gesture import Change, Gesture, changes, check_own_company
from idp.habilitations.models import DroitDirect


def attribuer_lot(
    gesture: Gesture, to: int, cibles: Collection[int], rights: Rights, *, opens_at: datetime | None = None, ends_at: datetime = FOREVER
) -> int:
    """Give rights on SIRETs, or by SIRENs on whole companies; how many targets changed. Raises AttributionRefusedError."""
    masks = gesture.masks(rights)
    declarant = gesture.declarant(to)
    for cible in cibles:
        gesture.masks(rights, cible)
        check_own_company(masks, cible, siren_of(int(declarant.siret)))
    given = gesture.given(rights, opens_at, ends_at)
    return _write(gesture, "attribuer", masks, to, changes(DroitDirect, to, cibles, given))


def retirer_lot(gesture: Gesture, to: int, cibles: Collection[int], rights: Rights) -> int:
    """Withdraw what was given on these very targets; how many changed. Raises AttributionRefusedError."""
    masks = gesture.masks(rights, giving=False)
    gesture.declarant(to, giving=False)
    return _write(gesture, "retirer", masks, to, changes(DroitDirect, to, cibles, lambda held: withdraw(held, masks, gesture.now)))


def _write(gesture: Gesture, kind: str, masks: Masks, to: int, changed: Collection[Change[DroitDirect]]) -> int:
    if changed:
        cible = next(iter(changed)).cible if len(changed) == 1 else None
        operation_id = gesture.trace(kind, masks, declarant_id=to, cible=cible)
        for change in changed:
            change.write(operation_id, DroitDirect, declarant_id=to)
        gesture.declarant(to, giving=False).epoque += 1
    return len(changed)
