"""Whoever signed in before a stream was opened becomes known to it: some at a time, beside the requests, however many they are. Before a
transmitter was declared, too, by the command that declares it.

What happens meanwhile to somebody who is not known yet is told all the same: they are made known first. Left out on purpose: rights that
move between the opening of a stream and the moment when their holder is made known; a receiver that opens a stream asks them anew.
"""

import json
from collections.abc import Collection

from idp.database import Connections
from idp.oidc.signals.audience import Audience
from idp.oidc.signals.spread.models import FILLED, FILLING, HELD, HOLDERS, MADE_KNOWN, NEXT_PERSONS

AT_ONCE = 500
"""Persons of one transaction: on SQLite, others wait for it to end."""


class Filling:
    """Fills streams, for one process."""

    def __init__(self, connections: Connections, audience: Audience) -> None:
        self.connections, self.audience = connections, audience

    def advance(self) -> bool:
        """One step of each stream that is being filled; whether one has another to make."""
        steps = [self._step(stream_id, covered) for stream_id, covered in self._under_way()]
        return any(steps)

    def fill(self, covered: Collection[str]) -> None:
        """All of them, one step after the other: for who waits for it, and may begin anew."""
        after, following = 0, NEXT_PERSONS[self.connections.dialect.name]
        while True:
            with self.connections.transaction():
                persons = self.connections.all(following, clients=_listed(covered), after=after, most=AT_ONCE)
                if persons:
                    self._write(covered, after, persons[-1][0])
            if len(persons) < AT_ONCE:
                return
            after = persons[-1][0]

    def make_known(self, declarant_id: int) -> None:
        """One person, before the others. In the caller's transaction."""
        for _, covered in self._under_way():
            self._write(covered, declarant_id - 1, declarant_id)

    def _under_way(self) -> list[tuple[str, frozenset[str]]]:
        """One whose client is enabled no more waits for it."""
        found = [(stream_id, self.audience.covered(client_id)) for stream_id, client_id in self.connections.all(FILLING)]
        return [(stream_id, covered) for stream_id, covered in found if covered]

    def _step(self, stream_id: str, covered: Collection[str]) -> bool:
        with self.connections.transaction():
            row = self.connections.one(HELD, of_stream=stream_id)
            if row is None:
                return False
            following = NEXT_PERSONS[self.connections.dialect.name]
            persons = self.connections.all(following, clients=_listed(covered), after=row[0], most=AT_ONCE)
            more = len(persons) == AT_ONCE
            if persons:
                self._write(covered, row[0], persons[-1][0])
            self.connections.run(FILLED, of_stream=stream_id, up_to=persons[-1][0] if more else None)
        return more

    def _write(self, covered: Collection[str], after: int, up_to: int) -> None:
        """Those after one number, up to another."""
        dialect = self.connections.dialect.name
        for client_id, declarant_id, uid, until in self.connections.all(
            HOLDERS[dialect], clients=_listed(covered), after=after, up_to=up_to
        ):
            client = self.audience.clients.find(client_id)
            if client is not None:
                self.connections.run(
                    MADE_KNOWN[dialect],
                    new_client_id=client_id,
                    new_declarant_id=declarant_id,
                    new_sub=self.audience.subjects.of(client, uid),
                    new_live_until=until,
                )


def _listed(clients: Collection[str]) -> str:
    return json.dumps(sorted(clients))
