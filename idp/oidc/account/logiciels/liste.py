"""What software keeps in a person's name (RFC 7523 with a grant of offline access): since when, last used when, for which services.

One line a grant, so that one installation is taken back and the others go on; « Mes autorisations » ends a whole site at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.audit.events import SoftwareDisconnected
from idp.audit.models import AuditEvent
from idp.declarants.models import Declarant
from idp.habilitations.disclosure import services_of_scope
from idp.notifications.messages import in_words
from idp.oidc.client import JWT_BEARER
from idp.oidc.client_auth import Clients
from idp.oidc.models import RefreshFamily

USES = 500
"""Lines of the journal looked at for the last uses."""


@dataclass(frozen=True, slots=True)
class Logiciel:
    """One installation, as its owner reads it."""

    family_id: str
    name: str
    host: str
    since: str
    until: str
    used: str
    """Empty: never."""
    services: tuple[str, ...]
    """Names of those it may act on; the rights themselves are those of the person, as they are."""


def logiciels(clients: Clients, person: Declarant, services: Mapping[str, str], now: datetime) -> list[Logiciel]:
    """The latest first. `services`: the names of those in force, by code."""
    families = [family for family in RefreshFamily.living_of(person, now) if family.offline and _is_one(clients, family.client_id)]
    if not families:
        return []
    since, used = min(family.opened_at for family in families), dict[str, datetime]()
    for event in AuditEvent.of_person(person.id, ("DelegationUsed",), since, limit=USES):
        used.setdefault(str(event.details.get("family_id")), event.at)
    return [_told(clients, family, services, used.get(family.id)) for family in families]


def _is_one(clients: Clients, client_id: str) -> bool:
    """A software that was disabled, or lost its grant, is told in « Mes autorisations »."""
    client = clients.find(client_id)
    return client is not None and JWT_BEARER in client.grant_types


def _told(clients: Clients, family: RefreshFamily, services: Mapping[str, str], used: datetime | None) -> Logiciel:
    client = clients.find(family.client_id)
    codes = sorted(services_of_scope(family.context.get("scope", ())) & services.keys())
    return Logiciel(
        family.id,
        client.client_name if client else family.client_id,
        client.host if client else "",
        in_words(family.opened_at),
        in_words(family.expires_at),
        in_words(used) if used else "",
        tuple(services[code] for code in codes),
    )


def retirer(person: Declarant, family_id: str, now: datetime) -> bool:
    """One installation may do nothing more; what it holds is ended in the store after the commit. False: it had nothing."""
    client_id = RefreshFamily.close_one(person.id, family_id, "consent_withdrawn", now)
    if client_id is None:
        return False
    journal.record(SoftwareDisconnected(declarant_id=person.id, client_id=client_id, family_id=family_id), now)
    return True
