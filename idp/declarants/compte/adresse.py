"""The e-mail address of a person: changed by a link sent to the new one, taken back for three days by a link sent to the former one.

Links are single use, bound to the account and the purpose; pages that show them spend nothing (C44). After a change the address
is locked until nobody can take it back, so that a thief cannot move it twice. Left out on purpose: sessions, which the caller ends.
"""

from datetime import datetime, timedelta

from idp.audit import journal
from idp.database import db
from idp.declarants.compte import messages
from idp.declarants.compte.events import EmailChangeAsked, EmailChanged, EmailChangeReverted, EmailConfirmed
from idp.declarants.models import CHANGED, AccountEvent, Declarant
from idp.errors import DeadLinkError, RefusedError
from idp.notifications.models import Mail, OneTimeLink

CONFIRM, REVERT, STILL = "adresse_nouvelle", "adresse_annuler", "adresse_toujours"
"""Purposes of links."""
CONFIRM_LIFE, REVERT_LIFE = timedelta(hours=24), timedelta(hours=72)
MOMENT = timedelta(minutes=2)


class AddressLinkDeadError(DeadLinkError):
    """The link was used, has expired, never was, or is about an address that changed since."""

    code = "lien_adresse_mort"
    number = "M200411"
    remedy = "Recommencez depuis « Mon compte »."
    public = "Ce lien n'est plus valable : il a déjà servi, ou il est trop ancien. Vous pouvez recommencer depuis « Mon compte »."


class AddressLockedError(RefusedError):
    """The address changed lately: whoever held the former one may still take it back."""

    code = "adresse_verrouillee"
    number = "M200412"
    remedy = "Attendez la fin du délai de 72 heures qui suit un changement d'adresse."
    status = 409
    public = (
        "L'adresse de ce compte a changé il y a moins de 72 heures. Par sécurité, elle ne peut pas changer à nouveau avant la fin "
        "de ce délai."
    )


def ask(issuer: str, person: Declarant, address: str, now: datetime) -> None:
    """Send the link to the new address; a former request dies. Raises AddressLockedError."""
    if person.email_locked_until is not None and person.email_locked_until > now:
        raise AddressLockedError(f"declarant {person.id}")
    OneTimeLink.void(CONFIRM, person.id, now)
    token = OneTimeLink.issue(CONFIRM, now, CONFIRM_LIFE, declarant_id=person.id, address=address, data={"former": person.email})
    Mail.write("adresse_nouvelle", address, messages.confirm_address(issuer, person.full_name, token), now, person.id)
    journal.record(EmailChangeAsked(declarant_id=person.id, siret=int(person.siret)), now)


def ask_again(issuer: str, person: Declarant, now: datetime, lifetime: timedelta = CONFIRM_LIFE, *, again: bool = False) -> None:
    """Send a link to the address in force; a former one dies. `again`: it is a reminder."""
    OneTimeLink.void(STILL, person.id, now)
    token = OneTimeLink.issue(STILL, now, lifetime, declarant_id=person.id, address=person.email)
    message = messages.still_yours(issuer, person.full_name, token, max(1, lifetime.days), again=again)
    Mail.write("adresse_toujours", person.email or "", message, now, person.id)


def just_asked(person: Declarant, address: str, now: datetime, purpose: str = CONFIRM) -> bool:
    """Whether a link left for this very address a moment ago: a form sent twice sends one mail (C82)."""
    link = OneTimeLink.held(purpose, person.id, now)
    return link is not None and link.address == address and now - link.created_at < MOMENT


def owner(purpose: str, token: str, now: datetime) -> tuple[OneTimeLink, Declarant]:
    """Whose living link this is; spends nothing. Raises AddressLinkDeadError."""
    link = OneTimeLink.find(purpose, token, now)
    person = db.session.get(Declarant, link.declarant_id) if link and link.declarant_id else None
    if link is None or person is None or not link.address:
        raise AddressLinkDeadError(purpose)
    return link, person


def confirm(issuer: str, token: str, now: datetime) -> Declarant:
    """The new address is in force; the former one is told, and may take itself back. Raises AddressLinkDeadError."""
    link, person = owner(CONFIRM, token, now)
    if person.email != link.data.get("former") or OneTimeLink.spend(CONFIRM, token, now) is None:
        raise AddressLinkDeadError("spent, or the address changed since")
    replace(issuer, person, link.address or "", now)
    return person


def replace(issuer: str, person: Declarant, address: str, now: datetime) -> None:
    """A proved address is in force, however it was asked for: the former one is told and may take itself back, changes are locked.

    Within the lock, as only a recovery may do, what can be taken back stays with the address of before the first change.
    """
    former, person.email = person.email, address
    _holds(person, now)
    OneTimeLink.void(CONFIRM, person.id, now)
    if former:
        _tell_former(issuer, person, former, now)
    if former:
        AccountEvent.write(CHANGED, person, now, former=former, new=address)
    journal.record(EmailChanged(declarant_id=person.id, siret=int(person.siret)), now)


def _tell_former(issuer: str, person: Declarant, former: str, now: datetime) -> None:
    moved_lately = person.email_locked_until is not None and person.email_locked_until > now
    person.email_locked_until = now + REVERT_LIFE
    if moved_lately and OneTimeLink.held(REVERT, person.id, now) is not None:
        return
    token = OneTimeLink.issue(REVERT, now, REVERT_LIFE, declarant_id=person.id, address=former)
    message = messages.address_changed(issuer, person.full_name, messages.hidden(person.email or ""), now, token)
    Mail.write("adresse_changee", former, message, now, person.id)


def revert(token: str, now: datetime) -> Declarant:
    """The former address is back, and changes are locked. Raises AddressLinkDeadError.

    The caller ended the sessions and locked the password before: the store comes first.
    """
    link, person = owner(REVERT, token, now)
    if OneTimeLink.spend(REVERT, token, now) is None:
        raise AddressLinkDeadError("spent")
    for purpose in (CONFIRM, REVERT):
        OneTimeLink.void(purpose, person.id, now)
    former, person.email = person.email, link.address
    _holds(person, now)
    person.email_locked_until = now + REVERT_LIFE
    if former:
        AccountEvent.write(CHANGED, person, now, former=former, new=link.address or "")
    journal.record(EmailChangeReverted(declarant_id=person.id, siret=int(person.siret)), now)
    return person


def still(token: str, now: datetime) -> Declarant:
    """The address is still theirs, as its holder says. Raises AddressLinkDeadError."""
    link, person = owner(STILL, token, now)
    if person.email != link.address or OneTimeLink.spend(STILL, token, now) is None:
        raise AddressLinkDeadError("spent, or the address changed since")
    _holds(person, now)
    journal.record(EmailConfirmed(declarant_id=person.id, siret=int(person.siret)), now)
    return person


def _holds(person: Declarant, now: datetime) -> None:
    """Whoever used the link reads this mailbox."""
    person.email_verified, person.email_verified_at, person.updated_at = True, now, now
    person.email_asked_at = person.email_reminded_at = person.email_bounced_at = None
    person.email_soft_bounces = 0
