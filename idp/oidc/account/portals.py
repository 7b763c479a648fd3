"""The sites a person is connected to: what each may know, what it keeps in their name; and the end of both.

Whoever agreed to nothing may still be connected: sites that need no consent, devices, softwares that act while nobody is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from idp.audit import journal
from idp.audit.events import ConsentWithdrawn, PortalDisconnected
from idp.database import db
from idp.declarants.models import Declarant
from idp.notifications.messages import in_words
from idp.oidc.authzen.models import SujetConnu
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


class Site(Protocol):
    """What a person recognises of a partner."""

    @property
    def client_name(self) -> str: ...
    @property
    def host(self) -> str: ...


class Sites(Protocol):
    """Who bears a name that agreements have for partners."""

    def find(self, client_id: str, /) -> Site | None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A site that was told who somebody is, and keeps no access (SAML)."""

    client_id: str
    since: datetime
    until: datetime
    scope: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    consent: Consent | None = None
    families: list[RefreshFamily] = field(default_factory=list)
    seen: Seen | None = None

    @property
    def since(self) -> datetime | None:
        """Since when the site is connected."""
        return min((family.opened_at for family in self.families), default=self.seen.since if self.seen else None)

    @property
    def until(self) -> datetime | None:
        kept = [family for family in self.families if family.offline] or self.families
        return max((family.expires_at for family in kept), default=self.seen.until if self.seen else None)


def portals(clients: Sites, person: Declarant, services: Mapping[str, str], now: datetime, seen: Iterable[Seen] = ()) -> list[Portal]:
    """By name. `services`: the names of those in force, by code. `seen`: sites of the other protocol."""
    found: dict[str, _Found] = {}
    for one in seen:
        found.setdefault(one.client_id, _Found(seen=one))
    for consent in Consent.of(person.id):
        found.setdefault(consent.client_id, _Found()).consent = consent
    for family in RefreshFamily.living_of(person, now):
        found.setdefault(family.client_id, _Found()).families.append(family)
    shown = (_portal(clients, services, client_id, one) for client_id, one in found.items())
    return sorted(shown, key=lambda portal: (portal.name.casefold(), portal.client_id))


def _portal(clients: Sites, services: Mapping[str, str], client_id: str, found: _Found) -> Portal:
    client = clients.find(client_id)
    scopes = [found.consent.scope.split()] if found.consent else []
    scopes += [list(family.context.get("scope", ())) for family in found.families]
    scopes += [list(found.seen.scope)] if found.seen else []
    said = told((word for scope in scopes for word in scope), services)
    items = (*said.claims, *(f"vos droits sur le service « {service} »" for service in said.rights))
    return Portal(
        client_id,
        client.client_name if client else client_id,
        client.host if client else "",
        in_words(found.consent.given_at) if found.consent else "",
        in_words(found.since) if found.since else "",
        any(family.offline for family in found.families),
        in_words(found.until) if found.until else "",
        items or ("un identifiant",),
    )


def disconnect(person: Declarant, client_id: str, now: datetime, *, seen: bool = False) -> list[str] | None:
    """The agreement and what the site kept end; families to end in the store after the commit. None when it had nothing.

    `seen`: it was told who the person is, by the other protocol.
    """
    consent = db.session.get(Consent, (person.id, client_id))
    families = RefreshFamily.close_person(person.id, client_id, "consent_withdrawn", now)
    SujetConnu.forget(person.id, client_id)
    if consent is None and not families and not seen:
        return None
    if consent is not None:
        db.session.delete(consent)
    event = ConsentWithdrawn if consent is not None else PortalDisconnected
    journal.record(event(declarant_id=person.id, client_id=client_id), now)
    return families
