"""The SSO sessions of a person: read in the journal, alive as far as the store knows, ended one by one or all but one.

The store knows sessions by their cookies and cannot list them; the journal knows when each began. A session ends by itself when it
is not used for a while, which nobody is told: until its longest life is over, it is shown as it was left.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp import lieux
from idp.audit.models import AuditEvent
from idp.authentication.session import CLOSING, guard_of_declarant, guard_of_session
from idp.config import Settings
from idp.declarants.models import Declarant
from idp.ephemeral import Ephemeral
from idp.notifications.messages import in_words
from idp.oidc.account.portals import Sites
from idp.oidc.backchannel.models import Participation

MOST = 50
"""Sessions shown; whoever has more ends them all."""
SHOWN = 20
"""Names of sites in one sentence."""
NOBODY: Mapping[str, Collection[str]] = {}


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
    untold: tuple[str, ...]
    """Those that hear of its end from that browser alone."""


def open_sessions(
    store: Ephemeral, settings: Settings, clients: Sites, person: Declarant, now: datetime, told: Mapping[str, Collection[str]] = NOBODY
) -> list[OpenSession]:
    """The latest first; each once, as of its last sign-in. `told`: sites of the other protocol, by session: browsers alone tell them."""
    lifetime = timedelta(seconds=settings.session_lifetime)
    latest: dict[str, AuditEvent] = {}
    for event in AuditEvent.of_person(person.id, ("ConnexionOpened",), now - lifetime, limit=MOST * 2):
        latest.setdefault(str(event.details.get("sid", "")), event)
    alive = {sid: event for sid, event in latest.items() if sid and _stands(store, person, sid, event)}
    names = _sites(clients, alive, told)
    return [
        OpenSession(
            sid,
            str(event.details.get("device") or "navigateur inconnu"),
            event.address or "",
            lieux.at_hand(settings.places).of(event.address or ""),
            in_words(event.at),
            in_words(event.at + lifetime),
            names[sid],
            _names(clients, told.get(sid, ())),
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


def _sites(clients: Sites, sessions: Mapping[str, AuditEvent], told: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for sid, event in sessions.items():
        named = {row.client_id for row in Participation.of_session(sid)} | ({event.client_id} if event.client_id else set())
        named |= set(told.get(sid, ()))
        found[sid] = _names(clients, named)
    return found


def _names(clients: Sites, client_ids: Collection[str]) -> tuple[str, ...]:
    known = (client for client_id in client_ids if (client := clients.find(client_id)) is not None)
    return tuple(sorted({client.client_name for client in known}, key=str.casefold))


def left_open(sessions: Iterable[OpenSession], own: str) -> tuple[str, ...]:
    """Names of the sites that nobody tells when every session but `own` ends: those of other browsers."""
    found = {name for one in sessions if one.sid != own for name in one.untold}
    return tuple(sorted(found, key=str.casefold)[:SHOWN])
