"""Whether the word of a partner opens a session, as whom, and how much that session is worth.

ours: nobody whose password is locked or who must show two factors, nobody suspended, never more than was agreed, never longer than a
session lives from the sign-in there. A sign-in that the partner does not date is none.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.authentication.entree import Entree
from idp.authentication.levels import FEDERATED, agreed_level
from idp.authentication.session import Birth, Session
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.oidc.client_auth import Clients
from partners.rattachement import accord
from partners.rattachement.accord import Accord
from partners.rattachement.attente import Venue
from partners.rattachement.models import Rattachement
from partners.rattachement.refus import ConnexionAncienneError, IdentiteFermeeError, NonRattacheError, PartenaireSansAccordError


@dataclass(frozen=True, slots=True)
class Porte:
    """A link that opens, now."""

    rattachement: Rattachement
    accord: Accord
    person: Declarant


def agreed(found: Accord) -> Accord:
    """The same, when its word opens sessions. Raises PartenaireSansAccordError."""
    if not found.navigates:
        raise PartenaireSansAccordError(f"{found.code}: no level was agreed")
    return found


def linked(found: Accord, compte: str) -> Rattachement:
    """The link of an account. Raises NonRattacheError."""
    row = Rattachement.of_account(found.code, compte)
    if row is None:
        raise NonRattacheError(f"{found.code}: an account that is not linked", found.nom)
    return row


def opened(clients: Clients, settings: Settings, venue: Venue, row: Rattachement | None, now: datetime) -> Porte:
    """Everything is asked again at the last moment. Raises a RefusedError of `refus.py`."""
    if row is None or row.closed_at is not None:
        raise NonRattacheError("unlinked meanwhile", row.partenaire.nom if row else "ce site")
    found = agreed(accord.of_partner(clients, row.partenaire.code))
    person = row.declarant
    if person.statut is not Statut.ACTIF or person.password_locked_at is not None or person.renforcer_at is not None:
        raise IdentiteFermeeError(f"declarant {person.id}: {person.statut}")
    if venue.auth_time + settings.session_lifetime <= now.timestamp():
        raise ConnexionAncienneError(f"{found.code}: signed in at {venue.auth_time}")
    return Porte(row, found, person)


def use(identifier: str, now: datetime) -> None:
    """In the transaction of the line that says what opens: whoever ends the link finds that line. Raises NonRattacheError."""
    if not Rattachement.use(identifier, now):
        row = db.session.get(Rattachement, identifier)
        raise NonRattacheError("unlinked meanwhile", row.partenaire.nom if row else "ce site")


def entree(settings: Settings, porte: Porte, venue: Venue, demande: str) -> Entree:
    """The sign-in as it was made there."""
    return Entree(
        declarant_id=porte.person.id,
        version=porte.person.version,
        amr=(FEDERATED,),
        demande=demande,
        acr=agreed_level(porte.accord.client.linking_max_acr, venue.acr),
        birth=Birth(venue.auth_time, venue.auth_time + settings.session_lifetime),
        link=porte.rattachement.id,
    )


def is_there(session: Session | None, porte: Porte) -> bool:
    """Whether that very person is signed in already: their session stays as it is."""
    return session is not None and session.declarant_id == porte.person.id and session.version == porte.person.version
