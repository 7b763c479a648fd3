"""The end of every recovery: a link that lives, a new password, everybody told. The only place that spends such a link.

Second factors stay: the next sign-in asks for them. A password locked by « ce n'était pas moi » is open again, since it is another.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.audit import journal
from idp.authentication.ceremony import Means
from idp.authentication.password_change import change_password
from idp.authentication.recours import limites, messages
from idp.authentication.recours.accords import send_to
from idp.authentication.recours.codes import Code
from idp.authentication.recours.demandes import BY_MAIL, NOBODY, PURPOSE
from idp.authentication.recours.events import PasswordRecovered, RecoveryFailed
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import Etape, Voie, rule_of
from idp.authentication.throttle import account_of
from idp.config import Settings
from idp.database import db
from idp.declarants.compte import adresse
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.errors import DeadLinkError, RefusedError
from idp.notifications.models import Mail, OneTimeLink


class RecoveryLinkDeadError(DeadLinkError):
    """Used, too old, or another password was chosen since: nobody learns which."""

    code = "lien_de_recours_mort"
    number = "M400026"
    remedy = "Faites une nouvelle demande depuis « Mot de passe oublié »."
    public = "Ce lien n'est plus valable : il a déjà servi, il est trop ancien, ou un autre mot de passe a été choisi depuis."


class CodeRefusedError(RefusedError):
    """The one answer for a wrong code, an identity that nobody bears, or one try too many."""

    code = "code_de_recours_refuse"
    number = "M400027"
    remedy = "Vérifiez le SIRET, le nom, le prénom et le code ; sinon, demandez un autre code à votre administrateur."
    status = 422
    public = (
        "Ce code n'a pas été reconnu. Vérifiez le SIRET, le nom, le prénom et le code, ou demandez un autre code à votre administrateur."
    )


@dataclass(frozen=True, slots=True)
class Retour:
    """A link that lives, and what it lets its bearer do."""

    link: OneTimeLink
    declarant: Declarant
    voie: Voie
    recours: Recours | None

    @property
    def new_address(self) -> str:
        """The address that this link proves, where it takes the place of the one before."""
        return (self.link.address or "") if self.link.data.get("adresse") else ""


def find(token: str, now: datetime) -> Retour:
    """Spends nothing. Raises RecoveryLinkDeadError."""
    link = OneTimeLink.find(PURPOSE, token, now)
    declarant = db.session.get(Declarant, link.declarant_id) if link and link.declarant_id else None
    if link is None or declarant is None or declarant.statut not in BY_MAIL or link.data.get("version") != declarant.version:
        raise RecoveryLinkDeadError("unknown link")
    voie = Voie(link.data["voie"])
    recours = db.session.get(Recours, link.data["recours"]) if link.data.get("recours") else None
    ended = bool(link.data.get("recours")) and (recours is None or recours.etape is not Etape.REMIS)
    moved = voie is Voie.COURRIEL and link.address != declarant.email
    if ended or moved:
        raise RecoveryLinkDeadError("its request ended" if ended else "the address changed")
    return Retour(link, declarant, voie, recours)


def reprendre(means: Means, token: str, password: str, now: datetime) -> Declarant:
    """The password is new, and the link spent by this call and by no other. Sessions end: the caller tells partners.

    Raises RecoveryLinkDeadError, PasswordRefusedError, PasswordTooLongError, OverloadedError. The store comes before the database.
    """
    found = find(token, now)
    declarant, before = found.declarant, found.declarant.email
    change_password(means.store, means.settings, means.passwords, declarant, password, now)
    if OneTimeLink.spend(PURPOSE, token, now) is None:
        raise RecoveryLinkDeadError("spent meanwhile")
    if found.recours is not None and not found.recours.move(Etape.REMIS, to=Etape.FINI, closed_at=now, reason=None, code_hash=None):
        raise RecoveryLinkDeadError("its request ended meanwhile")
    OneTimeLink.void(PURPOSE, declarant.id, now)
    declarant.password_locked_at = None
    _prove_address(means.settings.issuer, found, now)
    Recours.end_others(declarant.id, found.recours.id if found.recours else 0, now)
    _tell(means.settings, found, before, now)
    about: dict[str, Any] = {"declarant_id": declarant.id, "siret": int(declarant.siret)}
    regle = rule_of(found.voie)
    journal.record(PasswordRecovered(voie=found.voie, assurance=regle.assurance, new_address=bool(found.new_address), **about), now)
    return declarant


def _prove_address(issuer: str, found: Retour, now: datetime) -> None:
    """Whoever opens the link reads the mails of its address; a new one is announced to the former, which may take itself back."""
    if found.new_address and found.new_address != found.declarant.email:
        adresse.replace(issuer, found.declarant, found.new_address, now)
    if found.link.address and found.link.address == found.declarant.email:
        found.declarant.email_verified, found.declarant.email_verified_at = True, now
        found.declarant.email_bounced_at, found.declarant.email_soft_bounces = None, 0


def _tell(settings: Settings, found: Retour, before: str | None, now: datetime) -> None:
    """The account, the address of before, and the other administrators when it is one of them."""
    declarant = found.declarant
    message = messages.recovered(settings.issuer, declarant.full_name, found.voie, now, found.new_address)
    for address in dict.fromkeys(filter(None, (declarant.email, before))):
        Mail.write("mot_de_passe_recouvre", address, message, now, declarant.id)
    if not declarant.role.administers:
        return
    for one in Declarant.administrators(declarant.siret):
        if one.id != declarant.id and one.email:
            told = messages.colleague_recovered(settings.issuer, one.full_name, declarant.full_name, found.voie, now)
            Mail.write("recours_collegue", one.email, told, now, one.id)


def use_code(means: Means, identite: Identite, code: Code | None, address: str, network: str, now: datetime) -> None:
    """The code that an administrator handed over: the link leaves for the new address. Raises CodeRefusedError, after the journal.

    Counted before tried; the code serves until the password is chosen, so that a slip in the address is mended.
    """
    may = limites.may_try_code(means.store, account_of(means.seals, identite), network)
    found = Declarant.find(identite)
    hashes = code.hashes(means.seals) if code else []
    recours = Recours.with_code(found.id if found else NOBODY, hashes if may else [], now)
    if found is None or recours is None:
        about: dict[str, Any] = {"declarant_id": found.id if found else None, "siret": int(identite.siret)}
        reason = "code" if may else "too many tries"
        journal.record(RecoveryFailed(voie=Voie.ADMINISTRATEUR, reason=reason, **about), now)
        raise CodeRefusedError(reason)
    OneTimeLink.void(PURPOSE, found.id, now)
    send_to(means.settings, recours, found, address, now)
