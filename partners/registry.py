"""The registry of clients as the protocol reads it: an immutable snapshot in memory, replaced within a second of a change.

Implements `Clients` of `idp/oidc/client_auth.py`. A row that cannot be read is left out and logged: one partner's mistake
never stops the others. Changing the registry is `onboarding.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.database import Connections, Kept, Versions
from idp.logs import logger
from idp.oidc.client import Client
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from idp.oidc.cors import origins_of
from partners.models import EVERY_CLIENT, EVERY_SECRET
from partners.outgoing import JwksCache

VERSION = "registry"
"""Name of the number that says the registry changed."""
Secrets = Mapping[str, tuple[tuple[str, datetime | None], ...]]
"""Client → digests of its live secrets, and when each ends."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every enabled client, at one version of the registry."""

    clients: Mapping[str, Client]
    ending: Secrets
    """Clients of which a secret has an end."""
    origins: frozenset[str]
    """Of public clients."""
    keysets: dict[str, KeySet] = field(default_factory=dict)
    """Parsed key sets of clients that registered `jwks`, filled as they are used."""


class Registry:
    """Finds clients without a round trip."""

    def __init__(self, connections: Connections, versions: Versions, jwks: JwksCache, *,
                 clock: Callable[[], datetime] | None = None) -> None:
        self._connections, self._jwks = connections, jwks
        self._clock = clock or (lambda: datetime.now(UTC))
        self._snapshot = Kept(versions, VERSION, self._load)

    def find(self, client_id: str) -> Client | None:
        """An enabled client of an enabled partner."""
        snapshot = self._snapshot()
        client = snapshot.clients.get(client_id)
        if client is not None and client_id in snapshot.ending:
            return _without_ended(client, snapshot.ending[client_id], self._clock())
        return client

    def every(self) -> Iterable[Client]:
        """All enabled clients."""
        return self._snapshot().clients.values()

    def is_public_origin(self, origin: str) -> bool:
        """Whether a public client has a redirect URI there."""
        return origin in self._snapshot().origins

    def keys(self, client: Client, kid: str | None) -> KeySet | None:
        """Public keys of a client; None when it has none that can be read. A `kid` unknown so far may cause one fetch."""
        if client.jwks_uri:
            return self._jwks.get(client, kid)
        if client.jwks is None:
            return None
        keysets = self._snapshot().keysets
        if client.client_id not in keysets:
            try:
                keysets[client.client_id] = KeySet.import_key_set(cast(Any, dict(client.jwks)))
            except (JoseError, ValueError, TypeError):
                logger.error("client keys cannot be read", extra={"fields": {"client_id": client.client_id}})
                return None
        return keysets[client.client_id]

    def _load(self) -> Snapshot:
        secrets = _secrets(self._connections.all(EVERY_SECRET))
        clients = {}
        for client_id, metadata, partenaire, nom in self._connections.all(EVERY_CLIENT):
            client = _read(client_id, metadata, partenaire, nom, [digest for digest, _ in secrets.get(client_id, ())])
            if client is not None:
                clients[client_id] = client
        ending = {client_id: rows for client_id, rows in secrets.items() if any(end for _, end in rows)}
        return Snapshot(clients, ending, origins_of(clients.values()))


def _secrets(rows: Iterable[tuple[Any, ...]]) -> Secrets:
    found: dict[str, tuple[tuple[str, datetime | None], ...]] = {}
    for client_id, digest, expires_at in rows:
        found[client_id] = (*found.get(client_id, ()), (digest, expires_at))
    return found


def _read(client_id: str, metadata: Any, partenaire: str, nom: str, digests: list[str]) -> Client | None:
    """A client, or None when its row is malformed: what the registry refuses today may have been stored before."""
    try:
        if isinstance(metadata, str | bytes):
            raise InvalidClientMetadataError("client_metadata is not an object")
        return read_client(client_id, metadata, partenaire=partenaire, client_name=nom, secret_hashes=digests)
    except (InvalidClientMetadataError, TypeError, ValueError, AttributeError) as error:
        logger.error("client left out of the registry", extra={"fields": {"client_id": client_id, "reason": str(error)}})
        return None


def _without_ended(client: Client, secrets: Iterable[tuple[str, datetime | None]], now: datetime) -> Client:
    """The client with the secrets that still live. A copy only once one has ended."""
    live = frozenset(digest for digest, end in secrets if end is None or end > now)
    return client if live == client.secret_hashes else replace(client, secret_hashes=live)
