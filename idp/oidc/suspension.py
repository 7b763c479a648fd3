"""A suspension, and its end, by operators, commands, time or a colleague: sessions, tokens, the act, the event for partners, the mail. And
what is less: every session ends, the account stays.

Left out on purpose: who may, which is the table of statuses, and what a colleague's word needs (`equipe/gestion.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.audit.events import SessionsClosed
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.database import db
from idp.declarants import inscription
from idp.declarants.equipe import gestion
from idp.declarants.equipe.authority import OwnAccountError, set_aside
from idp.declarants.models import DISABLED, ENABLED, AccountEvent, Declarant
from idp.declarants.statuts import Act, By, transition
from idp.declarants.transitions import check_not_last
from idp.ephemeral import Ephemeral
from idp.notifications.messages import Message
from idp.notifications.models import Mail
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.client_auth import Clients
from idp.oidc.models import RefreshFamily


@dataclass(frozen=True, slots=True)
class Author:
    """Who does it, as the table of statuses and the journal name them."""

    by: By
    actor: str


OPERATOR_COMMAND = Author(By.OPERATEUR, "commande")
TIME = Author(By.TEMPS, "temps")


def suspend(
    store: Ephemeral, settings: Settings, clients: Clients, declarant: Declarant, author: Author, mail: tuple[str, Message], now: datetime
) -> None:
    """No way in any more, and nothing left open anywhere. Called before anything of the transaction is flushed: the store goes first.

    `mail`: its kind, and what it says. The messenger is woken after the commit. Raises StatutRefusedError, LastAdministratorError.
    """
    transition(declarant.statut, Act.SUSPENDRE, author.by)
    close_every_session(store, settings, declarant)
    inscription.suspendre(declarant, now, by=author.by, actor=author.actor)
    RefreshFamily.close_everything(declarant.id, "suspended", now)
    tell_of_person(clients, settings, declarant.id, now)
    AccountEvent.write(DISABLED, declarant, now)
    _write(declarant, mail, now)


def reinstate(declarant: Declarant, author: Author, mail: tuple[str, Message], now: datetime) -> None:
    """The suspension is lifted. Raises StatutRefusedError."""
    inscription.reactiver(declarant, now, by=author.by, actor=author.actor)
    AccountEvent.write(ENABLED, declarant, now)
    _write(declarant, mail, now)


def disconnect(
    store: Ephemeral,
    settings: Settings,
    clients: Clients,
    declarant: Declarant,
    actor: str,
    reason: str,
    mail: tuple[str, Message],
    now: datetime,
) -> None:
    """Nothing stays open, here, at partners, in software; the person may sign in again. As `suspend`: the store goes first."""
    close_every_session(store, settings, declarant)
    RefreshFamily.close_everything(declarant.id, reason, now)
    journal.record(SessionsClosed(declarant_id=declarant.id, siret=int(declarant.siret), actor=actor), now)
    tell_of_person(clients, settings, declarant.id, now)
    _write(declarant, mail, now)


def _write(declarant: Declarant, mail: tuple[str, Message], now: datetime) -> None:
    kind, message = mail
    if declarant.email:
        Mail.write(kind, declarant.email, message, now, declarant.id)


def by_administrator(
    store: Ephemeral, settings: Settings, clients: Clients, administrator: Declarant, person: Declarant, now: datetime
) -> None:
    """A colleague suspends somebody: the act, and nothing left open anywhere. The messenger is woken after the commit.

    Refusals come before sessions end, and are asked again once the rows are held.
    Raises StatutRefusedError, LastAdministratorError, OwnAccountError, NoLongerAdministratorError.
    """
    if administrator.id == person.id:
        raise OwnAccountError(f"declarant {person.id}")
    transition(person.statut, Act.SUSPENDRE, By.ADMINISTRATEUR)
    check_not_last(person)
    db.session.rollback()
    close_every_session(store, settings, person)
    version = set_aside(person)
    gestion.suspendre(administrator, person, now, issuer=settings.issuer)
    person.version = max(person.version, version)
    RefreshFamily.close_everything(person.id, "suspended", now)
    tell_of_person(clients, settings, person.id, now)
