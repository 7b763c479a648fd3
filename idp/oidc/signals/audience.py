"""Who listens: the streams in force, the clients that each one covers, and the persons whom these clients are told of.

A stream covers its own client. That of a machine, which signs nobody in, covers every client of its partner: ours, so that one
program of a partner hears for its portals. Scopes of streams are given by an operator, client by client.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.authentication.session import Session
from idp.config import Settings
from idp.database import Connections, Kept, Versions
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.reception.models import HEARD_OF
from idp.oidc.signals.events import KINDS
from idp.oidc.signals.models import EVERY_STREAM, MEET, VERSION
from idp.oidc.subjects import Subjects


@dataclass(frozen=True, slots=True)
class Listening:
    """A stream as events are written for it."""

    id: str
    client_id: str
    is_pushed: bool
    kinds: frozenset[str]
    covers: frozenset[str]
    """Clients."""


class Audience:
    """Knows who listens, for one process."""

    def __init__(self, settings: Settings, connections: Connections, versions: Versions, clients: Clients, subjects: Subjects) -> None:
        self.settings, self.connections, self.clients, self.subjects = settings, connections, clients, subjects
        self._known = Kept(versions, VERSION, self._covered)

    def streams(self) -> list[Listening]:
        """As the database has them now: a paused one still has events written, which wait."""
        return [
            Listening(
                id=stream_id,
                client_id=client_id,
                is_pushed=method == "push",
                kinds=frozenset(KINDS[address] for address in requested if address in KINDS),
                covers=self.covered(client_id),
            )
            for stream_id, client_id, method, requested, _ in self.connections.all(EVERY_STREAM)
        ]

    def covered(self, client_id: str) -> frozenset[str]:
        """Clients of which a receiver hears; none when it is enabled no more."""
        client = self.clients.find(client_id)
        if client is None:
            return frozenset()
        if client.redirect_uris or not client.partenaire:
            return frozenset({client_id})
        return frozenset(one.client_id for one in self.clients.every() if one.partenaire == client.partenaire)

    def _covered(self) -> frozenset[str]:
        """And those of partners that send events: they name people as MAG does."""
        senders = {row[0] for row in self.connections.all(HEARD_OF)}
        told = {one.client_id for one in self.clients.every() if one.partenaire in senders} if senders else set()
        return frozenset(covered for stream in self.streams() for covered in stream.covers) | told

    def hears(self, client: Client) -> bool:
        """Whether somebody hears of whoever signs in there, or names them."""
        return client.client_id in self._known()

    def met(self, client: Client, session: Session, now: datetime, *, offline: bool) -> None:
        """A client is told of a person: one statement, and only where somebody hears."""
        if not self.hears(client):
            return
        until = max(session.expires_at, now.timestamp() + self.settings.offline_lifetime if offline else 0)
        self.know(client, session.declarant_id, session.uid, datetime.fromtimestamp(until, now.tzinfo), now)

    def know(self, client: Client, declarant_id: int, uid: str, until: datetime, now: datetime) -> None:
        """A client knows a person, and holds something that lives until then."""
        self.connections.run(
            MEET[self.connections.dialect.name],
            new_client_id=client.client_id,
            new_declarant_id=declarant_id,
            new_sub=self.subjects.of(client, uid),
            new_live_until=until,
            now=now,
        )
