"""What is done to somebody because of an event: one function for each effect, on the operations that pages and operators use too.

Called before anything of the transaction is flushed: the store goes first. Nothing here commits.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.audit.events import SessionsClosed
from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.declarants.models import Declarant
from idp.declarants.statuts import By
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.notifications.models import Mail
from idp.oidc import suspension
from idp.oidc.client_auth import Clients
from idp.oidc.reception import messages
from idp.oidc.reception.models import Emetteur
from idp.oidc.reception.vocabulary import SAID, Effet
from idp.oidc.suspension import Author


@dataclass(frozen=True, slots=True)
class Means:
    """What effects work with."""

    settings: Settings
    store: Ephemeral
    clients: Clients


def act(means: Means, emetteur: Emetteur, person: Declarant, name: str, effet: Effet, now: datetime) -> Effet:
    """What was done: less than asked where the statuses forbid it."""
    if effet is Effet.SUSPENDRE:
        try:
            _suspend(means, emetteur, person, name, now)
        except RefusedError:
            effet = Effet.FERMER
    if effet is Effet.FERMER:
        mail = ("signal_fermer", messages.disconnected(*_words(means, emetteur, person, name, now)))
        place = (means.store, means.settings, means.clients)
        suspension.disconnect(*place, person, actor_of(emetteur), "signal", mail, now)
    if effet is Effet.RENFORCER:
        _reinforce(means, emetteur, person, name, now)
    return effet


def actor_of(emetteur: Emetteur) -> str:
    """As the journal names it."""
    return f"partenaire:{emetteur.partenaire}" if emetteur.partenaire else f"fournisseur:{emetteur.fournisseur}"


def _words(means: Means, emetteur: Emetteur, person: Declarant, name: str, now: datetime) -> tuple[str, str, str, str, datetime]:
    return means.settings.issuer, person.full_name, emetteur.nom, SAID[name], now


def _suspend(means: Means, emetteur: Emetteur, person: Declarant, name: str, now: datetime) -> None:
    """As an operator does: an operator lifts it. Raises StatutRefusedError."""
    mail = ("signal_suspendre", messages.suspended(*_words(means, emetteur, person, name, now)))
    author = Author(By.OPERATEUR, actor_of(emetteur))
    suspension.suspend(means.store, means.settings, means.clients, person, author, mail, now)


def _reinforce(means: Means, emetteur: Emetteur, person: Declarant, name: str, now: datetime) -> None:
    """MAG's sessions end, and what hangs on them; the next sign-in is by two factors. Sites go on until they ask again."""
    close_every_session(means.store, means.settings, person)
    person.renforcer_at = now
    journal.record(SessionsClosed(declarant_id=person.id, siret=int(person.siret), actor=actor_of(emetteur)), now)
    if person.email:
        message = messages.reinforced(*_words(means, emetteur, person, name, now))
        Mail.write("signal_renforcer", person.email, message, now, person.id)
