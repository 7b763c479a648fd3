"""From what happened to an account to a row for each stream that hears of it: once, whatever the number of processes.

The fact's own transaction wrote what happened (`AccountEvent`), or moved the epoch of somebody's rights; this comes after, in
transactions of its own, and takes up where a process that died left off. Bounded: only pairs of a person and a client that knows them,
and for what concerns living sessions and tokens, only those that hold one.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from idp.database import Connections
from idp.oidc.models import FIND_CONSENT
from idp.oidc.signals.audience import Audience, Listening
from idp.oidc.signals.events import CLAIMS, IDENTIFIER, LINKED, OF_LINK, OF_LIVE, PURGED, REVOKED
from idp.oidc.signals.spread.filling import Filling
from idp.oidc.signals.spread.models import FORGET, IN_SESSION, KNOWN, MOVED, MUTED, NOBODY, OLDEST, SPREAD, TOLD, WAITING, WRITE
from idp.seals import random_token

LOOK = 1.0
"""Seconds between two looks at the epochs of rights, however often the process is woken."""


class Spreading:
    """Writes the rows, for one process."""

    def __init__(self, connections: Connections, audience: Audience, *, look: float = LOOK) -> None:
        self.connections, self.audience, self.look = connections, audience, look
        self.filling = Filling(connections, audience)
        self._looked = float("-inf")

    def gather(self, now: datetime) -> bool:
        """Everything that happened since; whether streams are still being filled."""
        if self.connections.one(WAITING):
            streams = self.audience.streams()
            if not streams:
                self.connections.run(NOBODY, now=now)
            while streams and self._one(streams, now):
                pass
        if time.monotonic() - self._looked >= self.look:
            self._looked = time.monotonic()
            self._rights(now)
        return self.filling.advance()

    # ---------------------------------------------------------------------------------------------------- what happened

    def _one(self, streams: list[Listening], now: datetime) -> bool:
        """The oldest thing that happened, told to all who hear of it; False when nothing waits any more."""
        with self.connections.transaction():
            row = self.connections.one(OLDEST)
            if row is None:
                return False
            event_id, kind, declarant_id, uid, at, details = row
            self.filling.make_known(declarant_id)
            if kind in OF_LINK:
                found = self._partner(kind, declarant_id, uid, at, details)
            else:
                found = self._recipients(kind, declarant_id, at, details)
            for client_id, sub in found:
                self._write(streams, kind, client_id, sub, declarant_id, details, at, now)
            if kind == PURGED:
                self.connections.run(FORGET, of_person=declarant_id)
            self.connections.run(SPREAD, event_id=event_id, now=now)
        return True

    def _recipients(self, kind: str, declarant_id: int, at: datetime, details: Mapping[str, str]) -> list[tuple[str, str]]:
        """Clients that know the person, and under which name."""
        known = self.connections.all(KNOWN, of_person=declarant_id)
        if kind == REVOKED and "sid" in details:
            there = {row[0] for row in self.connections.all(IN_SESSION, of_sid=details["sid"])}
            return [(client_id, sub) for client_id, sub, _ in known if client_id in there]
        found = [(client_id, sub) for client_id, sub, live_until in known if kind not in OF_LIVE or live_until > at]
        return [(client_id, sub) for client_id, sub in found if kind != IDENTIFIER or self._reads_addresses(client_id, declarant_id)]

    def _partner(self, kind: str, declarant_id: int, uid: str, at: datetime, details: Mapping[str, str]) -> list[tuple[str, str]]:
        """Who speaks for the partner whose account it is; once linked it knows the person, without holding anything that lives."""
        client = self.audience.clients.find(details["client"])
        if client is None:
            return []
        if kind == LINKED:
            self.audience.know(client, declarant_id, uid, at, at)
        return [(client.client_id, self.audience.subjects.of(client, uid))]

    def _reads_addresses(self, client_id: str, declarant_id: int) -> bool:
        """A former address is told to who may read addresses, this person's too, and to nobody else."""
        client = self.audience.clients.find(client_id)
        if client is None or "email" not in client.scope:
            return False
        if client.first_party:
            return True
        consent = self.connections.one(FIND_CONSENT, declarant_id=declarant_id, client_id=client_id)
        return consent is not None and "email" in consent[0].split()

    # ------------------------------------------------------------------------------------------------------------- rights

    def _rights(self, now: datetime) -> None:
        """Rights that moved since clients were told of them: each pair is told once of all that moved in between."""
        streams = [stream for stream in self.audience.streams() if CLAIMS in stream.kinds]
        clients = sorted({client_id for stream in streams for client_id in stream.covers})
        if not clients:
            return
        moved = MOVED[self.connections.dialect.name]
        while rows := self.connections.all(moved, now=now, clients=json.dumps(clients)):
            for client_id, declarant_id, sub, former, epoque in rows:
                with self.connections.transaction():
                    if self.connections.run(TOLD, of_client=client_id, of_person=declarant_id, moved_from=former, moved_to=epoque):
                        self._write(streams, CLAIMS, client_id, sub, declarant_id, {}, now, now)

    # --------------------------------------------------------------------------------------------------------------- rows

    def _write(
        self,
        streams: Iterable[Listening],
        kind: str,
        client_id: str,
        sub: str,
        declarant_id: int,
        details: Mapping[str, Any],
        at: datetime,
        now: datetime,
    ) -> None:
        hearing = [stream for stream in streams if kind in stream.kinds and client_id in stream.covers]
        muted = {row[0] for row in self.connections.all(MUTED, of_person=declarant_id)} if hearing else set()
        for stream in hearing:
            if stream.id not in muted:
                self.connections.run(
                    WRITE[self.connections.dialect.name],
                    new_stream_id=stream.id,
                    new_jti=random_token(16),
                    new_kind=kind,
                    new_client_id=client_id,
                    new_sub=sub,
                    new_declarant_id=declarant_id,
                    new_details=dict(details),
                    new_occurred_at=at,
                    new_created_at=now,
                    new_next_try_at=now if stream.is_pushed else None,
                    new_tries=0,
                )
