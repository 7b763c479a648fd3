"""When somebody leaves: what becomes of their rights, settled before the identity is closed, in one transaction (facts 38, 39).

Rights move as sets, in a few statements whatever their number, and keep their dates: an opening delay does not start again.
Nobody receives more than the leaver had: exclusions are taken away on the way, or follow. For a person who is only invited,
an administrator keeps the rights, and what he would not have had otherwise is written down, to be given back on acceptance.

The caller ends sessions first, tells partners, and commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.audit import journal
from idp.database import db
from idp.declarants import transitions
from idp.declarants.equipe.authority import NoLongerAdministratorError
from idp.declarants.equipe.models import Invitation
from idp.declarants.events import RightsSettled
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Statut, transition
from idp.habilitations.confies import models as sets
from idp.habilitations.confies.models import DroitConfie
from idp.habilitations.droits import FOREVER, NOTHING, Masks, Period, is_siren, union
from idp.habilitations.gesture import Gesture, refusal
from idp.habilitations.models import Portefeuille, PortefeuilleMembre, hold_memberships
from idp.habilitations.perimetre import EXCLUSION


class Destin(StrEnum):
    """What becomes of the rights of whoever leaves."""

    COLLEGUE = "collegue"
    NOUVEAU = "nouveau"
    GARDE = "garde"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A choice made: who receives the rights, and the invitation they wait for."""

    destin: Destin
    to: Declarant | None = None
    """The colleague, or the administrator who keeps them; None when they are dropped."""
    invitation_id: int | None = None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What somebody holds, counted: for the page that asks what to do with it."""

    droits: int
    """Direct sets of rights: a company or an establishment each."""
    coming: int
    """Of which not open yet."""
    masks: Masks
    portefeuilles: tuple[str, ...]
    exclusions: int

    @property
    def empty(self) -> bool:
        return not (self.droits or self.portefeuilles)


def holdings(declarant_id: int, now: datetime) -> Holdings:
    """Three statements."""
    droits, coming, masks = sets.summary(declarant_id, now)
    members = tuple(p.nom for membre, p in PortefeuilleMembre.of(declarant_id) if membre.ends_at > now)
    return Holdings(droits, coming, masks, members, len(sets.exclusions_of(declarant_id)))


def partir(
    gesture: Gesture,
    leaver: Declarant,
    settlement: Settlement,
    *,
    administrator: Declarant | None = None,
    act: Act = Act.RADIER,
    by: By = By.ADMINISTRATEUR,
    actor: str | None = None,
) -> Holdings:
    """Settle the rights, then close the identity; what there was to settle.

    Raises StatutRefusedError, LastAdministratorError, NoLongerAdministratorError, AttributionRefusedError: nothing is changed then.
    """
    concerned = {one.id: one for one in (leaver, administrator, settlement.to) if one is not None}
    Declarant.hold(leaver.siret.siren, *concerned)
    for one in concerned.values():
        db.session.refresh(one)
    if administrator is not None and not administrator.may_administer(leaver.siret):
        raise NoLongerAdministratorError(f"declarant {administrator.id}")
    transition(leaver.statut, act, by)
    transitions.check_not_last(leaver)
    held = settle(gesture, leaver, settlement)
    transitions.apply(leaver, act, by, gesture.now, actor=actor)
    return held


def settle(gesture: Gesture, leaver: Declarant, settlement: Settlement) -> Holdings:
    """Move or drop all that somebody holds. Raises AttributionRefusedError when whoever should receive it may not."""
    held, to = holdings(leaver.id, gesture.now), settlement.to
    sets.take_time()
    if to is not None:
        _check_receives(leaver, to)
        _give(gesture, leaver, to, held, settlement.invitation_id)
    Invitation.hand_over(leaver.id, to.id if to else None)
    if not held.empty:
        gesture.trace("solder", held.masks, declarant_id=leaver.id)
    db.session.flush()
    sets.drop_all(leaver.id)
    _record(gesture, leaver, settlement, held)
    return held


def _record(gesture: Gesture, leaver: Declarant, settlement: Settlement, held: Holdings) -> None:
    event = RightsSettled(
        declarant_id=leaver.id,
        siret=int(leaver.siret),
        actor=gesture.actor,
        destin=settlement.destin,
        to=settlement.to.id if settlement.to else None,
        droits=held.droits,
        portefeuilles=len(held.portefeuilles),
    )
    journal.record(event, gesture.now)


def _check_receives(leaver: Declarant, to: Declarant) -> None:
    """Somebody active of the same company: official documents stay with its own people (fact 61), portfolios with the firm."""
    if to.statut is not Statut.ACTIF or to.id == leaver.id:
        raise refusal(f"declarant is {to.statut}", "La personne choisie n'est plus active : elle ne peut recevoir aucun droit.")
    if to.siret.siren != leaver.siret.siren:
        raise refusal("another company", "Les droits ne se transfèrent qu'à une personne de la même entreprise.")


def _give(gesture: Gesture, leaver: Declarant, to: Declarant, held: Holdings, invitation_id: int | None) -> None:
    hold_memberships(leaver.id)
    excluded = sets.exclusions_of(leaver.id)
    members = PortefeuilleMembre.of(leaver.id)
    if held.empty and not excluded:
        return
    operation_id = gesture.trace("transferer", held.masks, declarant_id=to.id)
    own = {x.cible: sets.held_around(to.id, x.cible, gesture.now) for x in excluded}
    if invitation_id is not None:
        sets.note_entrusted(leaver.id, to.id, invitation_id, gesture.now)
    sets.give_all(leaver.id, to.id, operation_id, gesture.now)
    for x in excluded:
        added = sets.exclude(to.id, x.cible, x.masks.minus(own[x.cible]), operation_id)
        if invitation_id is not None:
            DroitConfie.keep(invitation_id, EXCLUSION, x.cible, (gesture.now, FOREVER), x.masks, added)
    beyond = union(x.masks.common(own[x.cible]) for x in excluded if is_siren(x.cible))
    for membre, portefeuille in members:
        if membre.ends_at > gesture.now:
            period, ceiling = membre.period, membre.masks.minus(beyond)
            added = _join(to.id, portefeuille, period, ceiling, operation_id, gesture.now, for_good=invitation_id is None)
            if invitation_id is not None:
                DroitConfie.keep(invitation_id, portefeuille.id, 0, membre.period, membre.masks, added)
    db.session.flush()
    to.epoque += 1


def _join(
    declarant_id: int, portefeuille: Portefeuille, period: Period, ceiling: Masks, operation_id: int, now: datetime, *, for_good: bool
) -> Masks:
    """Membership of a portfolio, or a higher ceiling in it while the dates given cover those there; what was added.

    One that ended is replaced; `for_good`: so is one that holds nothing more and lasts no longer.
    """
    row = sets.membership(declarant_id, portefeuille.id)
    before = row.masks if row and now < row.ends_at else NOTHING
    if row and any(before) and not period.since(now).covers(row.period.since(now)):
        return NOTHING
    row = row or PortefeuilleMembre(declarant_id=declarant_id, portefeuille_id=portefeuille.id)
    if not any(before) or (for_good and not any(before.minus(ceiling))):
        row.effective_from, row.ends_at = period
    row.masks, row.operation_id = before.union(ceiling), operation_id
    db.session.add(row)
    return ceiling.minus(before)


def remettre(gesture: Gesture, invitation: Invitation, newcomer: Declarant) -> bool:
    """The invitation is accepted: what was kept for the newcomer, and that its keeper still holds, is theirs. False: nothing was."""
    if invitation.keeper_id is None or not DroitConfie.exist_for(invitation.id):
        return False
    keeper = gesture.declarant(invitation.keeper_id, giving=False)
    hold_memberships(keeper.id)
    operation_id = gesture.trace("transferer", NOTHING, declarant_id=newcomer.id)
    sets.take_time()
    sets.hand_over(invitation.id, keeper.id, newcomer.id, operation_id, gesture.now)
    for row in DroitConfie.beside_direct(invitation.id):
        _hand_over(row, keeper, newcomer, operation_id, gesture.now)
    db.session.flush()
    DroitConfie.forget(invitation.id)
    gesture.trace("solder", NOTHING, declarant_id=keeper.id)
    keeper.epoque += 1
    newcomer.epoque += 1
    return True


def _hand_over(row: DroitConfie, keeper: Declarant, newcomer: Declarant, operation_id: int, now: datetime) -> None:
    """One exclusion or one membership."""
    if row.source == EXCLUSION:
        sets.exclude(newcomer.id, row.cible, row.masks, operation_id)
        sets.readmit(keeper.id, row.cible, row.added)
        return
    kept, portefeuille = sets.membership(keeper.id, row.source), db.session.get(Portefeuille, row.source)
    if kept is None or portefeuille is None:
        return
    _join(newcomer.id, portefeuille, row.period, row.masks.common(kept.masks), operation_id, now, for_good=True)
    kept.masks = kept.masks.minus(row.added)
    if not any(kept.masks):
        db.session.delete(kept)


def forget(invitation_ids: Sequence[int]) -> None:
    """Invitations that nobody will accept any more: their keepers keep the rights for good."""
    for invitation_id in invitation_ids:
        DroitConfie.forget(invitation_id)
