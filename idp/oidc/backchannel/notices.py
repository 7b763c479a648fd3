"""Who is told that a session ended. Notices join the transaction of the fact: no sign-out without them, none without a sign-out.

A client took part in a session when it redeemed a code in it. Those with refresh tokens have a family that says so; the others
are written down here, when they asked to be told. Left out on purpose: sessions that end by themselves, of age or unused (their
tokens end too); a code redeemed in the very instant of the sign-out (what it gives is dead, and userinfo says so).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from idp.authentication.session import Session
from idp.config import Settings
from idp.database import Connections
from idp.declarants.models import REVOKED, AccountEvent
from idp.oidc.backchannel.models import TAKE_PART, LogoutNotice, Participation
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients


def is_told(client: Client) -> bool:
    """Whether it registered an address for the end of sessions."""
    return bool(client.backchannel_logout_uri or client.frontchannel_logout_uri)


def take_part(connections: Connections, client: Client, session: Session, *, hears: bool = False) -> None:
    """A client without refresh token received tokens of a session: one statement, and only when it is to be told, or `hears` events."""
    if hears or is_told(client):
        connections.run(
            TAKE_PART[connections.dialect.name],
            new_sid=session.sid,
            new_client_id=client.client_id,
            new_declarant_id=session.declarant_id,
            new_opened_at=datetime.now(UTC),
            new_expires_at=datetime.fromtimestamp(session.expires_at, UTC),
        )


def tell_of_session(clients: Clients, sid: str, now: datetime) -> list[Client]:
    """One session ended; the clients that are told, by name. The messenger is woken after the commit."""
    participants = Participation.of_session(sid)
    for declarant_id, uid in {(row.declarant_id, row.uid) for row in participants}:
        AccountEvent.of(REVOKED, declarant_id, uid, now, sid=sid)
    return _tell(clients, participants, now)


def tell_of_person(clients: Clients, settings: Settings, declarant_id: int, now: datetime) -> list[Client]:
    """Every session of a person ended. What was told already is not told again."""
    participants = Participation.of_declarant(declarant_id, now - timedelta(seconds=settings.session_lifetime))
    for uid in {row.uid for row in participants}:
        AccountEvent.of(REVOKED, declarant_id, uid, now)
    return _tell(clients, participants, now)


def _tell(clients: Clients, participants: Iterable[Any], now: datetime) -> list[Client]:
    rows = [(row, client) for row in participants if (client := clients.find(row.client_id)) is not None and is_told(client)]
    LogoutNotice.write((row for row, client in rows if client.backchannel_logout_uri), now)
    return sorted({client.client_id: client for _, client in rows}.values(), key=lambda client: client.client_name.casefold())
