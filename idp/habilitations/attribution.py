"""To give rights to an account, to withdraw them, to exclude it from some. The caller commits.

A gesture that changes nothing answers False and leaves no trace: it can be repeated.
"""

from collections.abc import Collection
from datetime import datetime

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.droits import FOREVER, NOTHING, Catalogue, Droit, Masks, Rights, is_siret, siren_of, union, withdraw
from idp.habilitations.gesture import Change, Gesture, check_own_company, dated, refusal, spoken
from idp.habilitations.models import DroitDirect, Exclusion, rows_on

MOST_EXCLUSIONS = 500
"""Establishments of one company that one account may be excluded from."""


def attribuer(
    gesture: Gesture, to: int, cible: int, service: str, droits: Collection[Droit], *,
    opens_at: datetime | None = None, ends_at: datetime = FOREVER,
) -> bool:
    """Give an account rights on a SIRET, or by a SIREN on a whole company, future establishments included.

    They open after the service's delay, or at `opens_at` when that is later, and hold until `ends_at`, excluded. False: it had
    them all. Raises AttributionRefusedError.
    """
    rights = {service: frozenset(droits)}
    masks = gesture.masks(rights, cible)
    declarant = gesture.declarant(to)
    check_own_company(masks, cible, siren_of(int(declarant.siret)))
    given = gesture.given(rights, opens_at, ends_at)
    held = rows_on(DroitDirect, to, [cible])
    return write(gesture, "attribuer", masks, declarant, Change(cible, held, given(dated(held))))


def retirer(gesture: Gesture, to: int, cible: int, service: str, droits: Collection[Droit]) -> bool:
    """Withdraw rights given on this very target, open or still to open. False: there was none.

    What a portfolio or the whole company gives stays: `exclure` takes that away. Raises AttributionRefusedError.
    """
    masks = gesture.masks({service: frozenset(droits)}, cible, giving=False)
    declarant = gesture.declarant(to, giving=False)
    held = rows_on(DroitDirect, to, [cible])
    return write(gesture, "retirer", masks, declarant, Change(cible, held, withdraw(dated(held), masks, gesture.now)))


def write(gesture: Gesture, kind: str, masks: Masks, declarant: Declarant, change: Change[DroitDirect]) -> bool:
    """Write the rows of one target, when they change; whether they do."""
    if not change.changes:
        return False
    operation_id = gesture.trace(kind, masks, declarant_id=declarant.id, cible=change.cible)
    change.write(operation_id, DroitDirect, declarant_id=declarant.id)
    declarant.epoque += 1
    return True


def exclure(gesture: Gesture, to: int, cible: int, rights: Rights) -> bool:
    """Take rights away from an account on a SIRET or a whole company, whatever gives them, until `reintegrer`. False: they were.

    Raises AttributionRefusedError, among others when a right would stay by inheritance: its sources are to be excluded with it.
    """
    masks = gesture.masks(rights, cible, giving=False)
    declarant = gesture.declarant(to, giving=False)
    held = rows_on(Exclusion, to, [cible])
    before = union(row.masks for row in held)
    check_inherited(gesture.catalogue, masks, before.union(masks))
    if not any(masks.minus(before)):
        return False
    if not held and is_siret(cible) and Exclusion.count_below(to, siren_of(cible)) >= MOST_EXCLUSIONS:
        raise refusal("too many exclusions", f"Ce déclarant est déjà écarté de {MOST_EXCLUSIONS} établissements de cette entreprise : "
                      "retirez-lui plutôt son droit sur l'entreprise entière.")
    row = held[0] if held else Exclusion(declarant_id=to, cible=cible)
    row.operation_id = gesture.trace("exclure", masks.minus(before), declarant_id=to, cible=cible)
    row.masks = before.union(masks)
    db.session.add(row)
    declarant.epoque += 1
    return True


def check_inherited(catalogue: Catalogue, masks: Masks, excluded: Masks) -> None:
    """Exclusions are taken away before inheritance: a right goes with all its sources, or does not go."""
    pairs = ((code, droit) for code, droits in catalogue.held(masks).items() for droit in droits)
    left = union(catalogue.accepted.get(pair, NOTHING) for pair in pairs).minus(excluded)
    if any(left):
        raise refusal("inherited right", f"Ces droits viennent aussi d'autres droits : écartez en même temps {spoken(catalogue, left)}.")


def reintegrer(gesture: Gesture, to: int, cible: int, rights: Rights) -> bool:
    """Lift an exclusion: whatever gives the rights gives them again, at once. False: there was none. Raises AttributionRefusedError."""
    masks = gesture.masks(rights, cible, giving=False)
    declarant = gesture.declarant(to, giving=False)
    held = [row for row in rows_on(Exclusion, to, [cible]) if row.masks.meets(masks)]
    for row in held:
        row.operation_id = gesture.trace("reintegrer", row.masks.common(masks), declarant_id=to, cible=cible)
        row.masks = row.masks.minus(masks)
        if not any(row.masks):
            db.session.delete(row)
        declarant.epoque += 1
    return bool(held)
