"""The SSO sessions of a person: read in the journal, alive as far as the store knows, ended one by one or all but one.

The store knows sessions by their cookies and cannot list them; the journal knows when each began. A session ends by itself when it
is not used for a while, which nobody is told: until its longest life is over, it is shown as it was left.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp import lieux
from idp.audit.models import AuditEvent
from idp.authentication.session import CLOSING, guard_of_declarant, guard_of_session
from idp.config import Settings
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.notifications.messages import in_words
from idp.oidc.backchannel.models import Participation
from idp.oidc.client_auth import Clients

MOST = 50
"""Sessions shown; whoever has more ends them all."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser that is signed in."""

    sid: str
    device: str
    address: str
    place: str
    """Roughly where, when the operator's file says so."""
    opened: str
    until: str
    sites: tuple[str, ...]
    """Names of the partners that took part."""


def open_sessions(store: Ephemeral, settings: Settings, clients: Clients, person: Declarant, now: datetime) -> list[OpenSession]:
    """The latest first; each once, as of its last sign-in."""
    lifetime = timedelta(seconds=settings.session_lifetime)
    latest: dict[str, AuditEvent] = {}
    for event in AuditEvent.of_person(person.id, ("ConnexionOpened",), now - lifetime, limit=MOST * 2):
        latest.setdefault(str(event.details.get("sid", "")), event)
    alive = {sid: event for sid, event in latest.items() if sid and _stands(store, person, sid, event)}
    names = _sites(clients, alive)
    return [
        OpenSession(
            sid,
            str(event.details.get("device") or "navigateur inconnu"),
            event.address or "",
            lieux.at_hand(settings.places).of(event.address or ""),
            in_words(event.at),
            in_words(event.at + lifetime),
            names[sid],
        )
        for sid, event in list(alive.items())[:MOST]
    ]


def _stands(store: Ephemeral, person: Declarant, sid: str, event: AuditEvent) -> bool:
    """Of these credentials, ended by nobody, and begun since the store was born."""
    if event.details.get("version", person.version) != person.version:
        return False
    account = guard_of_declarant(person.id, person.version)
    born, ended, _ = store.read([guard_of_session(sid), account], CLOSING, account)
    return not ended and event.at.timestamp() >= int(born)


def _sites(clients: Clients, sessions: Mapping[str, AuditEvent]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for sid, event in sessions.items():
        named = {row.client_id for row in Participation.of_session(sid)} | ({event.client_id} if event.client_id else set())
        known = (client for client_id in named if (client := clients.find(client_id)) is not None)
        found[sid] = tuple(sorted({client.client_name for client in known}, key=str.casefold))
    return found
