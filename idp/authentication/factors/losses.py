"""A second factor said lost: slower, not weaker (C42). Asked after a right password, told by mail at once and each day, done
at a sign-in after 72 hours; any sign-in with the factor, or the mail's link, ends it. An administrator's, and that of somebody whom
no mail reaches, also waits for the agreement of another administrator of the establishment, or of an operator.
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
    remedy = "L'accord vient d'un autre administrateur du même établissement, ou d'un opérateur."
    status = 409
    public = "Cet accord ne peut pas être donné : la demande n'attend plus de réponse, ou elle n'est pas de votre ressort."


def ask(settings: Settings, declarant: Declarant, now: datetime, *, operator: str = "", reason: str = "") -> FactorLoss:
    """The request under way, or a new one. Asked twice, it is asked once.

    `operator`, by name, who verified the identity for this `reason`: the agreement is given with the request, the delay stays due.
    """
    found = FactorLoss.live(declarant.id, now)
    if found is not None:
        if operator and found.needs_agreement and found.agreed_at is None:
            agree(found, declarant, now, operator=operator)
        return found
    loss = FactorLoss(declarant_id=declarant.id, asked_at=now, effective_at=now + DELAY, expires_at=now + LIFETIME)
    loss.needs_agreement, loss.told_at = wants_agreement(declarant), now
    if operator:
        loss.agreed_at, loss.agreed_by = now, f"operateur:{operator}"
    db.session.add(loss)
    db.session.flush()
    event = FactorLossAsked(declarant_id=declarant.id, siret=int(declarant.siret), actor=loss.agreed_by, reason=reason or None)
    journal.record(event, now)
    _tell(settings, declarant, loss, now)
    if loss.needs_agreement and not operator:
        for other in Declarant.administrators(declarant.siret):
            if other.id != declarant.id and other.email:
                message = messages.agreement_wanted(
                    settings.issuer, other.full_name, declarant.full_name, declarant.siret.grouped, loss.expires_at
                )
                Mail.write("accord_facteur", other.email, message, now, other.id)
    return loss


def wants_agreement(declarant: Declarant) -> bool:
    """Who administers; and whoever has no address: no mail could tell them, somebody else must look."""
    return declarant.role.administers or not declarant.email


def _tell(settings: Settings, declarant: Declarant, loss: FactorLoss, now: datetime, *, again: bool = False) -> None:
    token = OneTimeLink.issue(PURPOSE, now, loss.expires_at - now, declarant_id=declarant.id, data={"loss": loss.id})
    cancel = Action("Annuler la demande", f"{settings.issuer}/connexion/second-facteur/annuler/{token}")
    kind = messages.loss_declared if loss.agreed_at == loss.asked_at else messages.loss_asked
    message = kind(
        settings.issuer,
        declarant.full_name,
        loss.asked_at,
        loss.effective_at,
        cancel,
        agreement=loss.needs_agreement and loss.agreed_at is None,
        again=again,
    )
    tell(declarant, "facteur_perdu", message, now)


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
    OneTimeLink.void(PURPOSE, declarant.id, now)
    _closed(declarant, reason, now)
    tell(declarant, "facteur_perdu", messages.loss_cancelled(settings.issuer, declarant.full_name, now), now)
    return True


def agree(loss: FactorLoss, declarant: Declarant, now: datetime, *, by: Declarant | None = None, operator: str = "") -> None:
    """Four eyes: `by`, another administrator of the establishment, or `operator`, by name. Raises LossRefusedError."""
    _check(loss, declarant, now, by, operator)
    loss.agreed_at, loss.agreed_by = now, f"declarant:{by.id}" if by else f"operateur:{operator}"
    journal.record(FactorLossAgreed(declarant_id=declarant.id, siret=int(declarant.siret), actor=loss.agreed_by), now)


def refuse(
    settings: Settings, loss: FactorLoss, declarant: Declarant, now: datetime, *, by: Declarant | None = None, operator: str = ""
) -> None:
    """The other pair of eyes says no: the request ends. Raises LossRefusedError."""
    _check(loss, declarant, now, by, operator)
    cancel(settings, declarant, "refused", now)


def _check(loss: FactorLoss, declarant: Declarant, now: datetime, by: Declarant | None, operator: str) -> None:
    waits = loss.needs_agreement and loss.agreed_at is None and loss.closed_at is None and loss.expires_at > now
    allowed = by.id != declarant.id and by.may_administer(declarant.siret) if by is not None else bool(operator)
    if not waits or not allowed:
        raise LossRefusedError(f"loss {loss.id}")


def _closed(declarant: Declarant, reason: str, now: datetime) -> None:
    journal.record(FactorLossClosed(declarant_id=declarant.id, siret=int(declarant.siret), reason=reason), now)
