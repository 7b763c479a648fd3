"""The outbox of security events: pushed one by one (RFC 8935), or written as tokens for who comes to fetch them (RFC 8936)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.database import Connections, Kept
from idp.habilitations.decision import rights_version
from idp.habilitations.droits import Catalogue
from idp.oidc.client_auth import Clients
from idp.oidc.delivery.messenger import Call, NobodyToTellError, Row
from idp.oidc.signals.events import CLAIMS
from idp.oidc.signals.models import STATEMENTS, STREAM
from idp.oidc.signals.security_token import TYPE, security_token
from idp.oidc.signals.spread.spreading import Spreading
from idp.oidc.tokens import Mint
from idp.seals import UnsealError

PATIENCE = timedelta(days=7)
"""A partner may be away for days: an account that ended must not stay open there."""
SEALED_FOR = "signal-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """One row, as a token needs it."""

    jti: str
    kind: str
    sub: str
    declarant_id: int | None
    details: Mapping[str, str]
    occurred_at: datetime
    created_at: datetime


class SignalOutbox:
    """What partners are sent of what happens to accounts."""

    name = "an event"
    statements = STATEMENTS
    accepted = (200, 202, 204)
    """RFC 8935 section 2.2 says 202; some receivers say what they say of any post."""
    patience = PATIENCE

    def __init__(self, connections: Connections, mint: Mint, clients: Clients, catalogue: Kept[Catalogue], spreading: Spreading) -> None:
        self.connections, self.mint, self.clients, self.catalogue = connections, mint, clients, catalogue
        self.spreading, self.audience = spreading, spreading.audience

    def gather(self, now: datetime) -> bool:
        return self.spreading.gather(now)

    def call(self, row: Row, now: datetime) -> Call:
        """Raises NobodyToTellError."""
        stream = self.connections.one(STREAM, of_stream=row.key)
        client_id, address, sealed = stream or ("", None, None)
        if not address:
            raise NobodyToTellError("the stream is no longer pushed")
        jti, kind, sub, declarant_id, details, occurred_at, _ = row.content
        event = Event(jti, kind, sub or "", declarant_id, details, occurred_at, row.created_at)
        headers = {"Content-Type": f"application/{TYPE}", "Accept": "application/json"}
        if sealed:
            headers["Authorization"] = self._opened(bytes(sealed), row.key)
        return Call(address, self.token(client_id, row.key, event, now).encode(), headers)

    def _opened(self, sealed: bytes, stream_id: str) -> str:
        try:
            return self.mint.keyring.open(SEALED_FOR, sealed, stream_id).decode()
        except UnsealError:
            raise NobodyToTellError("its authorization cannot be opened: the receiver has to give it again") from None

    def token(self, client_id: str, stream_id: str, event: Event, now: datetime) -> str:
        """Raises NobodyToTellError."""
        client = self.clients.find(client_id)
        if client is None:
            raise NobodyToTellError("the client is enabled no more")
        moved = event.kind == CLAIMS and event.declarant_id is not None
        version = rights_version(self.connections, self.catalogue(), event.declarant_id, now) if moved and event.declarant_id else ""
        return security_token(
            self.mint,
            client,
            stream_id,
            jti=event.jti,
            kind=event.kind,
            sub=event.sub,
            details=event.details,
            occurred_at=event.occurred_at,
            created_at=event.created_at,
            version=version,
        )

    def fields(self, row: Row) -> dict[str, Any]:
        return {"stream": row.key, "client_id": row.content[6], "event": row.content[1], "declarant_id": row.content[3]}
