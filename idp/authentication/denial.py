"""« Ce n'était pas moi »: what the owner of an account does when a mail tells of a sign-in that is not theirs.

Sessions end, the password opens nothing until it is changed, devices are strangers again, a factor said lost stays; one that was
added since that sign-in is taken away, for whoever has it would change the password and come back. The link lives seven days;
the page that it opens spends nothing, since mail scanners follow links (C44).
"""

from datetime import datetime, timedelta

from idp.audit import journal
from idp.authentication import devices
from idp.authentication.factors import enrolment, losses, messages
from idp.authentication.factors.events import ConnexionDenied
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.notifications.messages import Action
from idp.notifications.models import Mail, OneTimeLink

PURPOSE = "desaveu"
LIFETIME = timedelta(days=7)
ON_THE_WAY = timedelta(hours=1)
"""Before the mail of a sign-in: what it set up before its session opened."""


def denial_link(settings: Settings, declarant: Declarant, now: datetime) -> Action:
    """The link, for a mail about to be written."""
    token = OneTimeLink.issue(PURPOSE, now, LIFETIME, declarant_id=declarant.id, address=declarant.email)
    return Action("Ce n'était pas moi", f"{settings.issuer}/connexion/desaveu/{token}")


def deny(store: Ephemeral, settings: Settings, declarant: Declarant, since: datetime, now: datetime) -> None:
    """Close and lock everything. `since`: when the mail was written. The caller spends the link afterwards, and tells partners, in the
    same transaction.

    The store comes before the database, as `close_every_session` asks: nothing may be flushed yet.
    """
    close_every_session(store, settings, declarant)
    declarant.password_locked_at = declarant.updated_at = now
    declarant.forgotten_devices = devices.forget(declarant.forgotten_devices, devices.EVERY, now)
    losses.cancel(settings, declarant, "denied", now)
    enrolment.remove_since(declarant, since - ON_THE_WAY, "denied", now)
    journal.record(ConnexionDenied(declarant_id=declarant.id, siret=int(declarant.siret)), now)
    if declarant.email:
        Mail.write("compte_protege", declarant.email, messages.denied(settings.issuer, declarant.full_name, now), now, declarant.id)
