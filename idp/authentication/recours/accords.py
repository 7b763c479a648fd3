"""What others decide of a request: an administrator of the establishment, or two operators; and the owner, who may stop it.

Operators are named by whoever calls (`operateur:<name>`); the room `support` shows their pages.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from idp.audit import journal
from idp.authentication.recours import messages, preuves
from idp.authentication.recours.codes import new_code
from idp.authentication.recours.demandes import CANCEL_PURPOSE, PURPOSE
from idp.authentication.recours.events import RecoveryAgreed, RecoveryLinkSent, RecoveryRefused
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import CANCEL, CHECKS, CODE, LINK, LIVING, SUPPORT_DELAY, Check, Etape, Moyen, Voie
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.ephemeral import Ephemeral
from idp.errors import NotFoundError, RefusedError
from idp.notifications.models import Mail, OneTimeLink
from idp.seals import Seals


class RecoveryNotFoundError(NotFoundError):
    """A request of another company, one's own, one that ended, or none: nobody learns which (C60)."""

    code = "recours_inconnu"
    number = "M400022"
    remedy = "Revenez à la liste des demandes."
    public = "Cette demande n'existe pas, ou plus. Revenez à la liste des demandes."


class RecoveryDecidedError(RefusedError):
    """Somebody was first."""

    code = "recours_decide"
    number = "M400023"
    remedy = "Revenez à la liste des demandes : la première décision compte."
    status = 409
    public = "Cette demande vient d'être réglée par quelqu'un d'autre : la première décision compte."


class ChecksMissingError(RefusedError):
    """An operator proposes without having verified everything."""

    code = "verifications_manquantes"
    number = "M400024"
    remedy = "Faites chacune des vérifications de la liste, puis cochez-les."
    status = 422
    public = "Toutes les vérifications sont nécessaires : faites celles qui manquent, puis cochez-les."


class SameOperatorError(RefusedError):
    """Four eyes: whoever proposed cannot confirm."""

    code = "meme_operateur"
    number = "M400025"
    remedy = "Un autre opérateur doit confirmer."
    status = 409
    public = "Vous avez proposé cette demande : c'est à un autre opérateur de la confirmer."


# ------------------------------------------------------------------------------------------------------- an administrator


def for_administrator(admin: Declarant, recours_id: int, now: datetime) -> tuple[Recours, Declarant]:
    """A request that this administrator may settle, and whose it is. Raises RecoveryNotFoundError."""
    recours = db.session.get(Recours, recours_id)
    declarant = _whose(recours)
    if recours is None or declarant is None or declarant.id == admin.id or not admin.may_administer(recours.siret):
        raise RecoveryNotFoundError(f"recours {recours_id}")
    if recours.voie is Voie.ASSISTANCE or recours.etape is not Etape.OUVERT or recours.expires_at <= now:
        raise RecoveryNotFoundError(f"recours {recours_id} {recours.etape}")
    return recours, declarant


def agree_by_mail(settings: Settings, admin: Declarant, recours: Recours, moyen: Moyen, now: datetime) -> None:
    """The person receives the link at the account's address. Raises RecoveryDecidedError."""
    declarant = _agree(admin, recours, moyen, now)
    _send(settings, recours, declarant, declarant.email or "", now)
    _tell_settled(settings, declarant, now, accepted=True)


def agree_by_code(settings: Settings, seals: Seals, admin: Declarant, recours: Recours, moyen: Moyen, now: datetime) -> str:
    """The address is dead: a code that the administrator hands over, as it is shown, once. Raises RecoveryDecidedError."""
    code = new_code()
    declarant = _agree(admin, recours, moyen, now, code_hash=code.hash(seals), code_expires_at=now + CODE)
    journal.record(RecoveryLinkSent(voie=recours.voie, recours_id=recours.id, declarant_id=declarant.id, actor=admin.actor), now)
    _tell_settled(settings, declarant, now, accepted=True)
    return code.shown


def _agree(admin: Declarant, recours: Recours, moyen: Moyen, now: datetime, **values: Any) -> Declarant:
    life = {"expires_at": now + CODE}
    if not recours.move(Etape.OUVERT, to=Etape.REMIS, agreed_by=admin.actor, agreed_at=now, checks=[moyen.value], **life, **values):
        raise RecoveryDecidedError(f"recours {recours.id}")
    declarant = _living(recours)
    _record_step(recours, declarant, "accord", moyen, admin.actor, now)
    return declarant


def refuse(settings: Settings, recours: Recours, actor: str, now: datetime) -> None:
    """By an administrator or an operator. Raises RecoveryDecidedError."""
    if not recours.move(Etape.OUVERT, Etape.PROPOSE, Etape.CONFIRME, to=Etape.REFUSE, closed_at=now, reason=None):
        raise RecoveryDecidedError(f"recours {recours.id}")
    declarant = _whose(recours)
    _record_end(recours, declarant, "refus", actor, now)
    if declarant is not None:
        _tell_settled(settings, declarant, now, accepted=False)


# ------------------------------------------------------------------------------------------------------------ two operators


def for_operator(recours_id: int, now: datetime) -> tuple[Recours, Declarant]:
    """A request of the assistance under way, and whose it is. Raises RecoveryNotFoundError."""
    recours = db.session.get(Recours, recours_id)
    declarant = _whose(recours)
    if (
        recours is None
        or declarant is None
        or recours.voie is not Voie.ASSISTANCE
        or recours.etape not in LIVING
        or recours.expires_at <= now
    ):
        raise RecoveryNotFoundError(f"recours {recours_id}")
    return recours, declarant


def propose(recours: Recours, operator: str, checks: Collection[Check], now: datetime) -> None:
    """The first operator verified everything. Raises ChecksMissingError, RecoveryDecidedError."""
    if set(checks) != set(CHECKS):
        raise ChecksMissingError(f"recours {recours.id}: {sorted(checks)}")
    done = sorted(check.value for check in checks)
    if not recours.move(Etape.OUVERT, to=Etape.PROPOSE, proposed_by=operator, proposed_at=now, checks=done):
        raise RecoveryDecidedError(f"recours {recours.id}")
    declarant = _living(recours)
    _record_step(recours, declarant, "proposition", " ".join(done), operator, now)


def confirm(settings: Settings, recours: Recours, operator: str, now: datetime) -> None:
    """Another operator agrees: both addresses are told, and a day passes. Raises SameOperatorError, RecoveryDecidedError."""
    if recours.proposed_by == operator:
        raise SameOperatorError(f"recours {recours.id}")
    ready_at = now + SUPPORT_DELAY
    values = {"agreed_by": operator, "agreed_at": now, "ready_at": ready_at, "expires_at": ready_at + CODE}
    if not recours.move(Etape.PROPOSE, to=Etape.CONFIRME, **values):
        raise RecoveryDecidedError(f"recours {recours.id}")
    declarant = _living(recours)
    _record_step(recours, declarant, "confirmation", "quatre yeux", operator, now)
    for address in dict.fromkeys(filter(None, (declarant.email, recours.address))):
        token = OneTimeLink.issue(CANCEL_PURPOSE, now, CANCEL, declarant_id=declarant.id, data={"recours": recours.id})
        message = messages.support_agreed(settings.issuer, declarant.full_name, ready_at, token)
        Mail.write("recours_assistance", address, message, now, declarant.id)


def hand_over(settings: Settings, now: datetime) -> int:
    """What two operators agreed on a day ago: the link leaves for the new address; how many. A timer runs it; twice is once."""
    sent = 0
    for recours in Recours.ready(now):
        declarant = _whose(recours)
        if recours.move(Etape.CONFIRME, to=Etape.REMIS, expires_at=now + CODE) and declarant and declarant.statut is Statut.ACTIF:
            _send(settings, recours, declarant, recours.address or "", now, new_address=True)
            sent += 1
    return sent


# --------------------------------------------------------------------------------------------------------------- in common


def _send(settings: Settings, recours: Recours, declarant: Declarant, address: str, now: datetime, *, new_address: bool = False) -> None:
    voie = Voie.ASSISTANCE if recours.voie is Voie.ASSISTANCE else Voie.ADMINISTRATEUR
    data = {"voie": voie, "recours": recours.id, "adresse": new_address, "version": declarant.version}
    token = OneTimeLink.issue(PURPOSE, now, LINK, declarant_id=declarant.id, address=address, data=data)
    Mail.write("recours_accord", address, messages.agreed(settings.issuer, declarant.full_name, token, voie), now, declarant.id)
    journal.record(RecoveryLinkSent(voie=recours.voie, recours_id=recours.id, declarant_id=declarant.id), now)


def send_to(settings: Settings, recours: Recours, declarant: Declarant, address: str, now: datetime) -> None:
    """The code was right: the link leaves for the new address, which it proves."""
    _send(settings, recours, declarant, address, now, new_address=True)


def cancel(store: Ephemeral, settings: Settings, token: str, now: datetime) -> Declarant | None:
    """The owner stops a request from the account's address. Whose sessions ended with it, if any: the caller tells partners.

    Of a provider's, that is whoever holds the account there, who may be signed in through it already. To be called before anything is
    flushed: the store comes first.
    """
    seen = OneTimeLink.find(CANCEL_PURPOSE, token, now)
    asked = db.session.get(Recours, seen.data["recours"]) if seen else None
    ended = _whose(asked) if asked is not None and asked.voie is Voie.FOURNISSEUR and asked.etape in LIVING else None
    if ended is not None:
        close_every_session(store, settings, ended)
    link = OneTimeLink.spend(CANCEL_PURPOSE, token, now)
    recours = db.session.get(Recours, link.data["recours"]) if link else None
    if link is None or recours is None or not recours.move(*LIVING, to=Etape.ANNULE, closed_at=now, reason=None):
        return ended
    OneTimeLink.void(PURPOSE, link.declarant_id or 0, now)
    declarant = _whose(recours)
    if recours.voie is Voie.FOURNISSEUR and declarant is not None:
        preuves.withdraw(settings, recours, declarant, now)
    _record_end(recours, declarant, "arret", None, now)
    return ended


def _record_step(recours: Recours, declarant: Declarant, step: str, by_what: str, actor: str, now: datetime) -> None:
    about: dict[str, Any] = {"declarant_id": declarant.id, "siret": int(declarant.siret), "actor": actor}
    journal.record(RecoveryAgreed(voie=recours.voie, recours_id=recours.id, step=step, by_what=by_what, **about), now)


def _record_end(recours: Recours, declarant: Declarant | None, step: str, actor: str | None, now: datetime) -> None:
    about: dict[str, Any] = {"declarant_id": declarant.id if declarant else None, "siret": int(recours.siret)}
    journal.record(RecoveryRefused(voie=recours.voie, recours_id=recours.id, step=step, actor=actor, **about), now)


def _tell_settled(settings: Settings, declarant: Declarant, now: datetime, *, accepted: bool) -> None:
    message = messages.settled(settings.issuer, declarant.full_name, now, accepted=accepted)
    Mail.write("recours_decide", declarant.email or "", message, now, declarant.id)


def _whose(recours: Recours | None) -> Declarant | None:
    return db.session.get(Declarant, recours.declarant_id) if recours and recours.declarant_id else None


def _living(recours: Recours) -> Declarant:
    """Whoever it is about, who may still enter. Raises RecoveryNotFoundError."""
    declarant = _whose(recours)
    if declarant is None or declarant.statut is not Statut.ACTIF:
        raise RecoveryNotFoundError(f"recours {recours.id}: nobody")
    return declarant
