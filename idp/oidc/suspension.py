"""A suspension, and its end, by operators, commands or time: sessions, tokens, the act, the event for partners, and the mail.

Left out on purpose: who may, which is the table of statuses; and what an administrator does to a colleague (`equipe/gestion.py`).
"""

from dataclasses import dataclass
from datetime import datetime

from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.declarants import inscription
from idp.declarants.models import DISABLED, ENABLED, AccountEvent, Declarant
from idp.declarants.statuts import Act, By, transition
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


def _write(declarant: Declarant, mail: tuple[str, Message], now: datetime) -> None:
    kind, message = mail
    if declarant.email:
        Mail.write(kind, declarant.email, message, now, declarant.id)
