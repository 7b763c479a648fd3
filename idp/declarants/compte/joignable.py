"""Whether people can be reached: mails that come back, addresses asked again from time to time (fact 43). Every act may be done twice.

An address that does not exist any more receives nothing but what security asks for; its owner reads it at the next sign-in, and the
administrators of the establishment are told. Left out on purpose: reading what servers write, which is `notifications/returned.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit import journal
from idp.config import Settings
from idp.database import db
from idp.declarants.compte import adresse, messages
from idp.declarants.compte.events import EmailBounced, EmailUnconfirmed
from idp.declarants.models import Declarant
from idp.notifications.models import Mail
from idp.notifications.returned import is_gone

MOST_SOFT = 5
"""Mails that come back within SOFT_WITHIN, for a reason that may pass, before the address is held for dead."""
SOFT_WITHIN = timedelta(days=30)
ORDINARY = frozenset({"adresse_toujours", "dormance", "collegue_parti", "rejet_collegue", "candidature", "information", "ciba"})
"""Kinds of mails that are not security: they do not leave for an address that is dead."""
MONTH = timedelta(days=30.44)
REMINDER, PATIENCE = timedelta(days=7), timedelta(days=21)
"""After the first mail: another one; the end of waiting."""
LINK_LIFE = timedelta(days=21)
AT_ONCE = 100
"""People in one transaction."""


@dataclass(frozen=True, slots=True)
class KnownRecipients:
    """What delivery asks of this room."""

    issuer: str

    def unreachable(self, mail: Mail) -> bool:
        """An ordinary mail, for an address that is dead."""
        if mail.kind not in ORDINARY or mail.declarant_id is None:
            return False
        person = db.session.get(Declarant, mail.declarant_id)
        return person is not None and person.email == mail.recipient and person.email_bounced_at is not None

    def refused(self, mail: Mail, status: str, now: datetime) -> None:
        """Its server said at once that it will not arrive."""
        came_back(self.issuer, mail, status, now)


def came_back(issuer: str, mail: Mail, status: str, now: datetime) -> bool:
    """A mail did not arrive; whether that is news. Once for each mail, and only while the address is that of the person."""
    if mail.bounced_at is not None:
        return False
    mail.bounced_at = now
    person = db.session.get(Declarant, mail.declarant_id) if mail.declarant_id else None
    if person is None or person.email is None or person.email != mail.recipient:
        return True
    person.email_soft_bounces = Mail.came_back_since(person.id, mail.recipient, now - SOFT_WITHIN)
    hard = is_gone(status) or person.email_soft_bounces >= MOST_SOFT
    journal.record(EmailBounced(declarant_id=person.id, siret=int(person.siret), hard=hard, status=status), now)
    if hard and person.email_bounced_at is None:
        person.email_bounced_at, person.email_verified = now, False
        _tell_administrators(issuer, person, now)
    return True


def _tell_administrators(issuer: str, person: Declarant, now: datetime) -> None:
    for one in Declarant.administrators(person.siret):
        if one.email and one.id != person.id and one.email_bounced_at is None:
            message = messages.mail_bounced(issuer, one.full_name, person.full_name, person.siret.grouped)
            Mail.write("rejet_collegue", one.email, message, now, one.id)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one passage over the addresses did."""

    asked: int = 0
    reminded: int = 0
    unconfirmed: int = 0


def ask_addresses(settings: Settings, now: datetime) -> Asked:
    """Ask who was not asked for months, remind, then hold for unconfirmed. Commits by lots; done again, does nothing more."""
    if not settings.email_check_months:
        return Asked()
    before = now - settings.email_check_months * MONTH
    counts = [0, 0, 0]
    while found := Declarant.to_ask(before, AT_ONCE):
        for person in found:
            person.email_asked_at = now
            adresse.ask_again(settings.issuer, person, now, LINK_LIFE)
        counts[0] += len(found)
        db.session.commit()
    while found := Declarant.to_remind(now - REMINDER, now - PATIENCE, AT_ONCE):
        for person in found:
            person.email_reminded_at = now
            adresse.ask_again(settings.issuer, person, now, LINK_LIFE - REMINDER, again=True)
        counts[1] += len(found)
        db.session.commit()
    while found := Declarant.unanswered(now - PATIENCE, AT_ONCE):
        for person in found:
            person.email_verified = False
            journal.record(EmailUnconfirmed(declarant_id=person.id, siret=int(person.siret), actor="temps"), now)
        counts[2] += len(found)
        db.session.commit()
    db.session.rollback()
    return Asked(*counts)
