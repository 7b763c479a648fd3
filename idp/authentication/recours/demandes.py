"""Asking for a way back, by mail, from an administrator or from the assistance. Whoever exists or not costs as much and reads one answer.

The same statements are run for nobody: a link that belongs to no one, a request about no one, mails that never leave.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.authentication.recours import messages
from idp.authentication.recours.events import RecoveryAsked
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import CANCEL, LINK, MOST_WAITING, REQUEST, Etape, Voie
from idp.config import Settings
from idp.database import db
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail, OneTimeLink

PURPOSE, CANCEL_PURPOSE = "recours", "recours_arreter"
NOBODY = 0
"""Stands for the identifier of whoever does not exist."""
BY_MAIL = frozenset({Statut.ACTIF, Statut.PRIMO, Statut.CANDIDAT})
"""Who may have a new password by mail: those who wait for a decision type it too, and still open no session."""


@dataclass(frozen=True, slots=True)
class Plea:
    """What a person writes to the assistance."""

    reason: str = ""
    address: str = ""
    telephone: str = ""


def by_mail(settings: Settings, identite: Identite, now: datetime, *, others: bool = False) -> None:
    """A link to the account's address, for an hour. Nothing tells whether there is one. `others`: somebody else may be asking too."""
    found = Declarant.find(identite)
    eligible = found if found is not None and found.statut in BY_MAIL and found.email else None
    address = (eligible.email if eligible else None) or ""
    token = OneTimeLink.issue(
        PURPOSE,
        now,
        LINK,
        declarant_id=eligible.id if eligible else None,
        address=address or None,
        data={"voie": Voie.COURRIEL, "version": eligible.version if eligible else 0},
    )
    message = messages.link(settings.issuer, _name(eligible), token, others=others)
    Mail.write("recours", address, message, now, eligible.id if eligible else None)
    _record(Voie.COURRIEL, identite, found, None, now)


def to_administrators(settings: Settings, identite: Identite, now: datetime, *, answered: bool = False) -> None:
    """A request that the administrators of the establishment read; the same one again joins it."""
    voie = Voie.QUESTION if answered else Voie.ADMINISTRATEUR
    found = _anew(Declarant.find(identite), voie, Plea(), now)
    recours = _open(identite, found, voie, Plea(), now, answered=answered)
    name, siret = (found.full_name if found else "", identite.siret.grouped)
    for one in Declarant.administrators(identite.siret):
        told = found is not None and one.id != found.id
        message = messages.asked_administrator(settings.issuer, one.full_name, name, siret)
        Mail.write("recours_administrateur", (one.email or "") if told else "", message, now, one.id if told else None)
    _tell_account(settings, found, recours, voie, now)
    _record(voie, identite, found, recours.id, now)


def to_support(settings: Settings, identite: Identite, plea: Plea, now: datetime) -> None:
    """A request that the operators read; the same one again joins it. What nobody may ask is not kept."""
    found = _anew(Declarant.find(identite), Voie.ASSISTANCE, plea, now)
    recours = _open(identite, found, Voie.ASSISTANCE, plea if found else Plea(), now)
    _tell_account(settings, found, recours, Voie.ASSISTANCE, now)
    _record(Voie.ASSISTANCE, identite, found, recours.id, now)


def _anew(found: Declarant | None, voie: Voie, plea: Plea, now: datetime) -> Declarant | None:
    """Whoever may ask: active, and this is news. The same request again joins the one that waits, whose life it prolongs.

    A request of somebody else takes nothing from the owner: theirs waits beside it, and of too many the oldest goes.
    """
    declarant_id = found.id if found else NOBODY
    joined = Recours.join(declarant_id, voie, (plea.address or None, plea.telephone or None), now, now + REQUEST)
    Recours.make_room(declarant_id, voie, MOST_WAITING, now)
    return found if found is not None and found.statut is Statut.ACTIF and not joined else None


def _open(identite: Identite, found: Declarant | None, voie: Voie, plea: Plea, now: datetime, *, answered: bool = False) -> Recours:
    recours = Recours(declarant_id=found.id if found else None, siret=identite.siret, voie=voie, etape=Etape.OUVERT, checks=[])
    recours.reason, recours.address, recours.telephone = plea.reason or None, plea.address or None, plea.telephone or None
    recours.answered, recours.asked_at, recours.expires_at = answered, now, now + REQUEST
    db.session.add(recours)
    db.session.flush()
    return recours


def _tell_account(settings: Settings, found: Declarant | None, recours: Recours, voie: Voie, now: datetime) -> None:
    """The known address learns it at once, and may stop it."""
    declarant_id = found.id if found else None
    token = OneTimeLink.issue(CANCEL_PURPOSE, now, CANCEL, declarant_id=declarant_id, data={"recours": recours.id})
    message = messages.asked_account(settings.issuer, _name(found), voie, token)
    Mail.write("recours_demande", (found.email if found else None) or "", message, now, declarant_id)


def _name(declarant: Declarant | None) -> str:
    return declarant.full_name if declarant else ""


def _record(voie: Voie, identite: Identite, found: Declarant | None, recours_id: int | None, now: datetime) -> None:
    journal.record(
        RecoveryAsked(voie=voie, declarant_id=found.id if found else None, siret=int(identite.siret), recours_id=recours_id), now
    )
