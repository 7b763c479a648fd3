"""A contact is removed once (fact 42): sessions, tokens, agreements, pending links and letters, factors; partners are told.

Whoever strikes a person off, or lets them close their account, calls `remove` after the act that changed the status, and commits.
Later, `erase` takes away what names the person (C80); the journal keeps numbers alone. Left out on purpose: rights, which have
to be settled before (`habilitations`), and the delivery of the account event, which is a row that another room sends.
"""

from datetime import datetime, timedelta

from idp.audit import journal
from idp.audit.events import DeclarantPseudonymised
from idp.authentication.factors.models import forget_factors
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.declarants.models import PURGED, AccountEvent, Declarant
from idp.ephemeral import Ephemeral
from idp.habilitations.choix.models import EtablissementChoisi
from idp.notifications.models import Letter, Mail, OneTimeLink
from idp.oidc.authzen.models import SujetConnu
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.client_auth import Clients
from idp.oidc.models import Consent, ImportedSubject, RefreshFamily

KEPT = timedelta(days=30)
"""Between the end of an account and the erasure of what names the person."""


def end_sessions(store: Ephemeral, settings: Settings, declarant: Declarant) -> None:
    """First of all, before anything of the transaction is flushed: on SQLite the store writes through its own connection."""
    close_every_session(store, settings, declarant)


def remove(settings: Settings, clients: Clients, declarant: Declarant, now: datetime, kind: str = PURGED) -> None:
    """What hangs on a person who left, taken away in the transaction of the act; the messenger is woken after the commit.

    `end_sessions` was called before.
    """
    tell_of_person(clients, settings, declarant.id, now)
    RefreshFamily.close_everything(declarant.id, "removed", now)
    Consent.forget_person(declarant.id)
    SujetConnu.forget(declarant.id)
    OneTimeLink.void_all(declarant.id, now)
    Letter.void_all(declarant.id, now)
    forget_factors(declarant.id)
    declarant.password_hash = declarant.pepper_id = None
    declarant.second_factor = False
    AccountEvent.write(kind, declarant, now)


def erase_due(now: datetime, limit: int = 200) -> int:
    """Erase who left more than KEPT ago; how many. Done again, it does nothing. Commits nothing."""
    found = Declarant.to_erase(now - KEPT, limit)
    for declarant in found:
        erase(declarant, now)
    return len(found)


def erase(declarant: Declarant, now: datetime) -> None:
    """Nothing is left that names the person: the row keeps its number, its company and its dates, as the journal does."""
    journal.record(DeclarantPseudonymised(declarant_id=declarant.id, siret=int(declarant.siret), actor="temps"), now)
    EtablissementChoisi.forget_person(declarant.id)
    Mail.forget_person(declarant.id)
    Letter.forget_person(declarant.id)
    ImportedSubject.forget_person(declarant.uid)
    declarant.pseudonymise(now)
