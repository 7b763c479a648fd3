"""Events that MAG goes and fetches: each transmitter that keeps its own is asked every minute, by one process, among the calls of the
messenger, with its leases and its back-off.

Implements RFC 8936 sections 2.2 to 2.6 (recipient): `maxEvents`, `returnImmediately`, `ack` once an event is kept, `setErrs` for what
cannot be believed, `moreAvailable`. ours: twenty events a call and five calls in a row; fewer after a failure, since an answer
that is too long is cut; never given up, since the row is the transmitter itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import orjson

from idp.database import db
from idp.errors import RefusedError
from idp.oidc.delivery.messenger import Call, Row
from idp.oidc.reception.lecture import SetRefusedError, refused
from idp.oidc.reception.models import SEALED_FOR, STATEMENTS, Emetteur
from idp.oidc.reception.reception import KeysAwayError, Reception
from idp.oidc.signals.polling import Transaction
from idp.seals import Seals, UnsealError

MOST, CALLS = 20, 5
ENDLESS = timedelta(days=36_500)
JSON_KIND = "application/json"


class Answered(Protocol):
    """What a server said."""

    @property
    def status(self) -> int: ...

    @property
    def kind(self) -> str: ...

    @property
    def body(self) -> bytes: ...


Ask = Callable[[str, str, Mapping[str, str], bytes], Answered]
"""The guard of outgoing calls: method, address, headers, body. Raises RefusedError."""


class ReleveRefuseeError(RefusedError):
    """A transmitter did not answer what it should."""

    code = "releve_refusee"
    number = "M600502"
    remedy = "Exploitant : mag signaux recus voir <code> dit le dernier échec ; vérifiez l'adresse et l'autorisation."


@dataclass(slots=True)
class Settled:
    """What the next call says of the events of the one before."""

    kept: list[str] = field(default_factory=list)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, Any]:
        """Section 2.4."""
        return {**({"ack": self.kept} if self.kept else {}), **({"setErrs": self.refused} if self.refused else {})}


class Releves:
    """What MAG fetches, as an outbox of the messenger: a row that leaves is a call to make."""

    name = "events to fetch"
    statements = STATEMENTS
    accepted = (200,)
    patience = ENDLESS

    def __init__(self, reception: Reception, seals: Seals, ask: Ask, transaction: Transaction) -> None:
        self.reception, self.seals, self.ask, self.transaction = reception, seals, ask, transaction

    def gather(self, _now: datetime) -> bool:
        """Rows are there already."""
        return False

    def call(self, row: Row, _now: datetime) -> Call:
        """Raises nothing: everything is done where calls are made."""
        return Call("", b"", {}, partial(self.fetch, row.id, row.tries))

    def fields(self, row: Row) -> dict[str, Any]:
        return {"emetteur": row.key}

    def fetch(self, emetteur_id: int, tries: int) -> int:
        """Everything that waits there, a hundred events at most; 200. Raises ReleveRefuseeError, OutgoingRefusedError."""
        most, settled = max(1, MOST >> (tries - 1)), Settled()
        for call in range(CALLS + 1):
            last = call == CALLS
            given = self._asked(emetteur_id, {"maxEvents": 0 if last else most, "returnImmediately": True, **settled.said})
            settled = Settled()
            for jti, token in _sets(given).items() if not last else ():
                self._receive(emetteur_id, jti, token, settled)
            if not settled.said and given.get("moreAvailable") is not True:
                break
        return 200

    def _asked(self, emetteur_id: int, body: Mapping[str, Any]) -> Mapping[str, Any]:
        url, authorization = self._address(emetteur_id)
        headers = {"Content-Type": JSON_KIND, "Accept": JSON_KIND, **({"Authorization": authorization} if authorization else {})}
        answer = self.ask("POST", url, headers, orjson.dumps(body))
        if answer.status not in (200, 202):
            raise ReleveRefuseeError(f"answered {answer.status}")
        try:
            given = orjson.loads(answer.body) if answer.body else {}
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            raise ReleveRefuseeError("did not answer a JSON object")
        return given

    def _address(self, emetteur_id: int) -> tuple[str, str]:
        """Looked up at each call: an operator may have cut it off. Raises ReleveRefuseeError."""
        with self.transaction():
            emetteur = Emetteur.numbered(emetteur_id)
            if emetteur is None or not emetteur.releve_url or not emetteur.enabled or not self.reception.registre.lives(emetteur):
                raise ReleveRefuseeError("cut off")
            try:
                return emetteur.releve_url, authorization_of(self.seals, emetteur)
            except UnsealError:
                raise ReleveRefuseeError("its authorization cannot be opened: give it again") from None

    def _receive(self, emetteur_id: int, jti: str, token: str, settled: Settled) -> None:
        """One event in one transaction; what came before is acknowledged again. Raises ReleveRefuseeError: nothing is acknowledged then."""
        now = datetime.now(UTC)
        with self.transaction():
            emetteur = Emetteur.numbered(emetteur_id)
            if emetteur is None:
                raise ReleveRefuseeError("removed")
            db.session.expunge(emetteur)  # no connection waits for the server that publishes its keys
        try:
            lu = self.reception.verified(emetteur, token, now)
            if lu.jti != jti:
                raise refused("jti is not the one under which the token came")
        except KeysAwayError:
            raise ReleveRefuseeError("its keys cannot be read") from None
        except SetRefusedError as error:
            with self.transaction():
                self.reception.refuse(emetteur, error, now)
            settled.refused[jti] = {"err": error.err, "description": error.description}
            return
        with self.transaction():
            self.reception.receive(emetteur_id, lu, now)
        settled.kept.append(jti)


def _sets(given: Mapping[str, Any]) -> dict[str, str]:
    """Section 2.3. Raises ReleveRefuseeError."""
    sets = given.get("sets", {})
    if not isinstance(sets, dict) or len(sets) > MOST or not all(isinstance(token, str) for token in sets.values()):
        raise ReleveRefuseeError("did not answer what RFC 8936 section 2.3 says")
    return sets


def authorization_of(seals: Seals, emetteur: Emetteur) -> str:
    """What MAG shows there; empty for nothing. Raises UnsealError."""
    sealed = emetteur.autorisation_sealed
    return seals.open(SEALED_FOR, bytes(sealed), emetteur.code).decode() if sealed else ""
