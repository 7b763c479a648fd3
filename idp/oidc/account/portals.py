"""The sites a person is connected to: what each may know, what it keeps in their name; and the end of both.

Whoever agreed to nothing may still be connected: sites that need no consent, devices, softwares that act while nobody is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from idp.audit import journal
from idp.audit.events import ConsentWithdrawn, PortalDisconnected
from idp.database import db
from idp.declarants.models import Declarant
from idp.notifications.messages import in_words
from idp.oidc.authzen.models import SujetConnu
from idp.oidc.client_auth import Clients
from idp.oidc.models import Consent, RefreshFamily
from idp.oidc.told import told


@dataclass(frozen=True, slots=True)
class Portal:
    """One site."""

    client_id: str
    name: str
    host: str
    agreed_at: str
    """When the person agreed; empty for a site that need not ask."""
    connected_at: str
    """Since when it keeps an access; empty for none."""
    offline: bool
    """The access outlives the sessions."""
    until: str
    told: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    consent: Consent | None = None
    families: list[RefreshFamily] = field(default_factory=list)


def portals(clients: Clients, person: Declarant, services: Mapping[str, str], now: datetime) -> list[Portal]:
    """By name. `services`: the names of those in force, by code."""
    found: dict[str, _Found] = {}
    for consent in Consent.of(person.id):
        found.setdefault(consent.client_id, _Found()).consent = consent
    for family in RefreshFamily.living_of(person, now):
        found.setdefault(family.client_id, _Found()).families.append(family)
    shown = (_portal(clients, services, client_id, one) for client_id, one in found.items())
    return sorted(shown, key=lambda portal: (portal.name.casefold(), portal.client_id))


def _portal(clients: Clients, services: Mapping[str, str], client_id: str, found: _Found) -> Portal:
    client = clients.find(client_id)
    scopes = [found.consent.scope.split()] if found.consent else []
    scopes += [list(family.context.get("scope", ())) for family in found.families]
    said = told((word for scope in scopes for word in scope), services)
    items = (*said.claims, *(f"vos droits sur le service « {service} »" for service in said.rights))
    kept = [family for family in found.families if family.offline] or found.families
    return Portal(
        client_id,
        client.client_name if client else client_id,
        client.host if client else "",
        in_words(found.consent.given_at) if found.consent else "",
        in_words(min(family.opened_at for family in found.families)) if found.families else "",
        any(family.offline for family in found.families),
        in_words(max(family.expires_at for family in kept)) if kept else "",
        items or ("un identifiant",),
    )


def disconnect(person: Declarant, client_id: str, now: datetime) -> list[str] | None:
    """The agreement and what the site kept end; families to end in the store after the commit. None when it had nothing."""
    consent = db.session.get(Consent, (person.id, client_id))
    families = RefreshFamily.close_person(person.id, client_id, "consent_withdrawn", now)
    SujetConnu.forget(person.id, client_id)
    if consent is None and not families:
        return None
    if consent is not None:
        db.session.delete(consent)
    event = ConsentWithdrawn if consent is not None else PortalDisconnected
    journal.record(event(declarant_id=person.id, client_id=client_id), now)
    return families
