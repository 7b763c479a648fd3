"""A contact is removed once (fact 42): sessions, tokens, agreements, pending links and letters, factors; partners are told.

Whoever strikes a person off, or lets them close their account, calls `remove` after the act that changed the status, and commits.
Later, `erase` takes away what names the person (C80); the journal keeps numbers alone. Left out on purpose: rights, which have
to be settled before (`habilitations`), and the delivery of the account event, which is a row that another room sends.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from idp.audit import journal
from idp.audit.events import DeclarantPseudonymised
from idp.authentication.factors.models import forget_factors
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.declarants.equipe import messages
from idp.declarants.models import PURGED, AccountEvent, Declarant
from idp.declarants.preuves.models import Preuve
from idp.ephemeral import Ephemeral
from idp.habilitations import depart
from idp.habilitations.choix.models import EtablissementChoisi
from idp.habilitations.depart import Destin, Settlement
from idp.habilitations.gesture import Gesture
from idp.habilitations.usages.models import Usage
from idp.notifications.models import Letter, Mail, OneTimeLink
from idp.oidc.authzen.models import SujetConnu
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.client_auth import Clients
from idp.oidc.models import Consent, ImportedSubject, RefreshFamily
from idp.oidc.signals.models import Signal

KEPT = timedelta(days=30)
"""Between the end of an account and the erasure of what names the person."""
LEAVING: list[Callable[[Settings, Clients, Declarant, datetime], None]] = []
"""What rooms above do of a person who leaves, in the same transaction, before partners are told."""


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
    for leave in LEAVING:
        leave(settings, clients, declarant, now)
    forget_factors(declarant.id)
    Preuve.forget_person(declarant.id)
    declarant.password_hash = declarant.pepper_id = None
    declarant.second_factor = False
    AccountEvent.write(kind, declarant, now)


def by_administrator(
    settings: Settings, clients: Clients, gesture: Gesture, administrator: Declarant, leaver: Declarant, settlement: Settlement
) -> None:
    """A colleague ends somebody's account, the rights settled as said; the leaver and whoever receives the rights are written to.

    `end_sessions` was called before. Raises as `depart.partir`.
    """
    email, to, now = leaver.email, settlement.to, gesture.now
    held = depart.partir(gesture, leaver, settlement, administrator=administrator, actor=administrator.actor)
    remove(settings, clients, leaver, now)
    if email:
        Mail.write("radiation", email, messages.struck_off(settings.issuer, leaver.full_name, leaver.siret, now), now, leaver.id)
    if settlement.destin is Destin.COLLEGUE and to is not None and to.email and not held.empty:
        message = messages.rights_received(settings.issuer, to.full_name, leaver.full_name, leaver.siret)
        Mail.write("droits_recus", to.email, message, now, to.id)


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
    Usage.forget_person(declarant.id)
    Mail.forget_person(declarant.id)
    Letter.forget_person(declarant.id)
    AccountEvent.forget_person(declarant.id)
    Signal.forget_person(declarant.id)
    ImportedSubject.forget_person(declarant.uid)
    declarant.pseudonymise(now)
