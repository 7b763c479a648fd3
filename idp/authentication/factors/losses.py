"""A second factor said lost: slower, not weaker (C42). Asked after a right password, told by mail at once and each day, done
at a sign-in after 72 hours; any sign-in with the factor, or the mail's link, ends it. An administrator's, that of somebody whom no
mail reaches, and one that an operator declares for whoever called, also wait for the agreement of an administrator of the
establishment, or of an operator who did not declare it: no operator is enough alone.
"""

from datetime import datetime, timedelta

from idp.audit import journal
from idp.authentication.factors import messages
from idp.authentication.factors.enrolment import remove_all, tell
from idp.authentication.factors.events import FactorLossAgreed, FactorLossAsked, FactorLossClosed
from idp.authentication.factors.models import FactorLoss
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import RefusedError
from idp.notifications.messages import Action
from idp.notifications.models import Mail, OneTimeLink

DELAY = timedelta(hours=72)
LIFETIME = timedelta(days=14)
"""After which a request that nobody came back for is void."""
EVERY = timedelta(hours=24)
PURPOSE = "facteur_perdu"


class LossRefusedError(RefusedError):
    """This agreement is not this person's to give."""

    code = "accord_impossible"
    number = "M400428"
    remedy = "L'accord vient d'un autre administrateur du même établissement, ou d'un opérateur qui n'a pas déclaré la perte."
    status = 409
    public = "Cet accord ne peut pas être donné : la demande n'attend plus de réponse, ou elle n'est pas de votre ressort."


def ask(settings: Settings, declarant: Declarant, now: datetime, *, operator: str = "", reason: str = "") -> FactorLoss:
    """The request under way, or a new one. Asked twice, it is asked once.

    `operator`, by name, who verified the identity for this `reason`: what the person asked has their agreement; what they declare
    themselves waits for another's.
    """
    found = FactorLoss.live(declarant.id, now)
    if found is not None:
        if operator and found.waits and found.asked_by is None:
            agree(settings, found, declarant, now, operator=operator)
        return found
    loss = FactorLoss(declarant_id=declarant.id, asked_at=now, effective_at=now + DELAY, expires_at=now + LIFETIME)
    loss.needs_agreement, loss.told_at = bool(operator) or wants_agreement(declarant), now
    loss.asked_by = f"operateur:{operator}" if operator else None
    db.session.add(loss)
    db.session.flush()
    event = FactorLossAsked(declarant_id=declarant.id, siret=int(declarant.siret), actor=loss.asked_by, reason=reason or None)
    journal.record(event, now)
    _tell(settings, declarant, loss, now)
    if loss.needs_agreement:
        _ask_colleagues(settings, declarant, loss, now)
    return loss


def _ask_colleagues(settings: Settings, declarant: Declarant, loss: FactorLoss, now: datetime) -> None:
    for other in Declarant.administrators(declarant.siret):
        if other.id != declarant.id and other.email:
            message = messages.agreement_wanted(settings.issuer, other.full_name, declarant.full_name, declarant.siret, loss.expires_at)
            Mail.write("accord_facteur", other.email, message, now, other.id)


def wants_agreement(declarant: Declarant) -> bool:
    """Who administers; and whoever has no address: no mail could tell them, somebody else must look."""
    return declarant.role.administers or not declarant.email


def _tell(settings: Settings, declarant: Declarant, loss: FactorLoss, now: datetime, *, again: bool = False) -> None:
    kind = messages.loss_declared if loss.asked_by else messages.loss_asked
    message = kind(
        settings.issuer,
        declarant.full_name,
        loss.asked_at,
        loss.effective_at,
        _way_to_cancel(settings, declarant, loss, now),
        agreement=loss.waits,
        again=again,
    )
    tell(declarant, "facteur_perdu", message, now)


def _way_to_cancel(settings: Settings, declarant: Declarant, loss: FactorLoss, now: datetime) -> Action:
    token = OneTimeLink.issue(PURPOSE, now, loss.expires_at - now, declarant_id=declarant.id, data={"loss": loss.id})
    return Action("Annuler la demande", f"{settings.issuer}/connexion/second-facteur/annuler/{token}")


def remind(settings: Settings, now: datetime) -> int:
    """The daily mails that are due; how many. Run twice, it sends once."""
    due = FactorLoss.to_tell(now - EVERY, now)
    for loss in due:
        declarant = db.session.get(Declarant, loss.declarant_id)
        loss.told_at = now
        if declarant is not None:
            _tell(settings, declarant, loss, now, again=True)
    return len(due)


def is_ripe(loss: FactorLoss | None, now: datetime) -> bool:
    """Whether the next sign-in removes the factor."""
    return loss is not None and loss.effective_at <= now and (not loss.needs_agreement or loss.agreed_at is not None)


def carry_out(settings: Settings, declarant: Declarant, loss: FactorLoss, now: datetime) -> bool:
    """The factors go; False when the request was ended meanwhile."""
    if not is_ripe(loss, now) or not loss.close(now):
        return False
    held = remove_all(declarant, "lost", now)
    OneTimeLink.void(PURPOSE, declarant.id, now)
    _closed(declarant, "done", now)
    tell(declarant, "facteur_perdu", messages.loss_done(settings.issuer, declarant.full_name, held, now), now)
    return True


def cancel(settings: Settings, declarant: Declarant, reason: str, now: datetime) -> bool:
    """End the request under way, if any; the person is told."""
    loss = FactorLoss.live(declarant.id, now)
    if loss is None or not loss.close(now):
        return False
    _stays(settings, declarant, reason, now)
    return True


def _stays(settings: Settings, declarant: Declarant, reason: str, now: datetime, actor: str | None = None) -> None:
    OneTimeLink.void(PURPOSE, declarant.id, now)
    _closed(declarant, reason, now, actor)
    tell(declarant, "facteur_perdu", messages.loss_cancelled(settings.issuer, declarant.full_name, now), now)


def agree(
    settings: Settings, loss: FactorLoss, declarant: Declarant, now: datetime, *, by: Declarant | None = None, operator: str = ""
) -> None:
    """Four eyes: `by`, another administrator of the establishment, or `operator`, by name. Raises LossRefusedError."""
    actor = _actor(loss, declarant, now, by, operator)
    if not loss.agree(actor, now):
        raise LossRefusedError(f"loss {loss.id}: somebody was first")
    journal.record(FactorLossAgreed(declarant_id=declarant.id, siret=int(declarant.siret), actor=actor), now)
    cancel = _way_to_cancel(settings, declarant, loss, now)
    message = messages.loss_agreed(settings.issuer, declarant.full_name, now, loss.effective_at, cancel)
    tell(declarant, "facteur_perdu", message, now)


def refuse(
    settings: Settings, loss: FactorLoss, declarant: Declarant, now: datetime, *, by: Declarant | None = None, operator: str = ""
) -> None:
    """The other pair of eyes says no: the request ends. Raises LossRefusedError."""
    actor = _actor(loss, declarant, now, by, operator)
    if not loss.refuse(now):
        raise LossRefusedError(f"loss {loss.id}: somebody was first")
    _stays(settings, declarant, "refused", now, actor)


def _actor(loss: FactorLoss, declarant: Declarant, now: datetime, by: Declarant | None, operator: str) -> str:
    """Who answers, as the journal names them. Raises LossRefusedError when it is not theirs to answer."""
    actor = by.actor if by else f"operateur:{operator}"
    allowed = by.id != declarant.id and by.may_administer(declarant.siret) if by is not None else bool(operator)
    if not loss.waits or loss.expires_at <= now or not allowed or actor == loss.asked_by:
        raise LossRefusedError(f"loss {loss.id}")
    return actor


def _closed(declarant: Declarant, reason: str, now: datetime, actor: str | None = None) -> None:
    journal.record(FactorLossClosed(declarant_id=declarant.id, siret=int(declarant.siret), reason=reason, actor=actor), now)
