"""The registry of clients as the protocol reads it: an immutable snapshot in memory, replaced within a second of a change.

Implements `Clients` of `idp/oidc/client_auth.py`. A row that cannot be read is left out and logged: one partner's mistake
never stops the others. Changing the registry is `onboarding.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import KeySet

from idp.database import Connections, Kept, Versions
from idp.habilitations.pagm import Convention, Conventions
from idp.logs import logger
from idp.oidc.client import Client
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from idp.oidc.cors import origins_of
from idp.seals import Seals, UnsealError
from partners.conventions.models import EVERY_CONVENTION
from partners.conventions.termes import load
from partners.models import ANY_PUBLISHER, EVERY_CLIENT, EVERY_SECRET, LAST_INITIAL_TOKEN
from partners.outgoing import OutgoingRefusedError
from partners.published_keys import JwksCache, read_keys

REQUEST_OBJECT_TYPES = ("application/oauth-authz-req+jwt", "application/jwt", "text/plain")
QUIET = timedelta(seconds=10)
"""For how long an address of request objects that failed is not asked again."""
VERSION = "registry"
"""Name of the number that says the registry changed."""
SEALED_FOR = "client-secret"
"""What secrets that check signatures are sealed for."""


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret of a client, when it ends, and itself where signatures are checked with it."""

    digest: str
    expires_at: datetime | None
    key: bytes | None = field(default=None, repr=False)

    def lives(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now


Secrets = Mapping[str, tuple[KeptSecret, ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every enabled client, at one version of the registry."""

    clients: Mapping[str, Client]
    ending: Secrets
    """Clients of which a secret has an end."""
    origins: frozenset[str]
    """Of public clients."""
    expiring: Mapping[str, datetime] = field(default_factory=dict)
    """Clients that end by themselves, and when."""
    initial_until: datetime | None = None
    """Until when an initial access token opens registration."""
    publishers: bool = False
    """Statements of some software publisher open it."""
    conventions: Conventions = field(default_factory=Conventions)
    """Agreements between partners, whatever their dates."""
    keysets: dict[str, KeySet] = field(default_factory=dict)
    """Parsed key sets of clients that registered `jwks`, filled as they are used."""


class Registry:
    """Finds clients without a round trip."""

    def __init__(
        self, connections: Connections, versions: Versions, jwks: JwksCache, seals: Seals, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._connections, self._jwks, self._seals = connections, jwks, seals
        self._clock = clock or (lambda: datetime.now(UTC))
        self._snapshot = Kept(versions, VERSION, self._load)
        self._failed: dict[str, datetime] = {}
        """Addresses of request objects, and when they could not be read."""

    def find(self, client_id: str) -> Client | None:
        """An enabled client of an enabled partner."""
        snapshot = self._snapshot()
        client = snapshot.clients.get(client_id)
        if client is not None and client_id in snapshot.expiring and snapshot.expiring[client_id] <= self._clock():
            return None
        if client is not None and client_id in snapshot.ending:
            return _without_ended(client, snapshot.ending[client_id], self._clock())
        return client

    def every(self) -> Iterable[Client]:
        """All enabled clients."""
        snapshot = self._snapshot()
        ended = {client_id for client_id, end in snapshot.expiring.items() if end <= self._clock()}
        return [client for client in snapshot.clients.values() if client.client_id not in ended]

    def admits(self) -> bool:
        """Whether an initial access token or a software publisher lets clients register themselves (RFC 7591)."""
        snapshot = self._snapshot()
        return snapshot.publishers or (snapshot.initial_until is not None and snapshot.initial_until > self._clock())

    def conventions(self) -> Conventions:
        """Agreements between partners."""
        return self._snapshot().conventions

    def is_public_origin(self, origin: str) -> bool:
        """Whether a public client has a redirect URI there."""
        return origin in self._snapshot().origins

    def fetch_request_object(self, uri: str) -> str:
        """RFC 9101 section 5.2.3; any browser may name it: what failed is left alone a while (C52). Raises OutgoingRefusedError."""
        address, now = uri.partition("#")[0], self._clock()
        if now - self._failed.get(address, now - QUIET) < QUIET:
            raise OutgoingRefusedError(f"{address}: failed a moment ago")
        try:
            return self._jwks.fetcher.text(uri, REQUEST_OBJECT_TYPES)
        except OutgoingRefusedError:
            self._failed = {known: at for known, at in [*self._failed.items()] if now - at < QUIET} | {address: now}
            raise

    def deliver(self, uri: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Raises OutgoingRefusedError."""
        return self._jwks.fetcher.post(uri, body, headers)

    def keys(self, client: Client, kid: str | None) -> KeySet | None:
        """Public keys of a client; None when it has none that can be read. A `kid` unknown so far may cause one fetch."""
        if client.jwks_uri:
            return self._jwks.get(client, kid)
        if client.jwks is None:
            return None
        keysets = self._snapshot().keysets
        if client.client_id not in keysets:
            try:
                keysets[client.client_id] = read_keys(client.jwks)[0]
            except OutgoingRefusedError:
                logger.error("client keys cannot be read", extra={"fields": {"client_id": client.client_id}})
                return None
        return keysets[client.client_id]

    def _load(self) -> Snapshot:
        secrets, clients = self._secrets(), {}
        expiring: dict[str, datetime] = {}
        for client_id, metadata, partenaire, nom, expires_at in self._connections.all(EVERY_CLIENT):
            client = _read(client_id, metadata, partenaire, nom, secrets.get(client_id, ()))
            if client is not None:
                clients[client_id] = client
                if expires_at is not None:
                    expiring[client_id] = expires_at
        ending = {client_id: kept for client_id, kept in secrets.items() if any(one.expires_at for one in kept)}
        last = self._connections.one(LAST_INITIAL_TOKEN)
        publishers = self._connections.one(ANY_PUBLISHER) is not None
        origins, conventions = origins_of(clients.values()), Conventions(tuple(self._conventions()))
        return Snapshot(clients, ending, origins, expiring, last[0] if last else None, publishers, conventions)

    def _conventions(self) -> Iterator[Convention]:
        """Those that can be read; a partner who is disabled is as if the agreement had ceased."""
        for code, acts, acts_enabled, where, where_enabled, du, au, ceased_at, termes in self._connections.all(EVERY_CONVENTION):
            try:
                yield load(code, acts, where, du, au, termes, cessee=bool(ceased_at) or not (acts_enabled and where_enabled))
            except (KeyError, TypeError, ValueError) as error:
                logger.error("agreement left out of the registry", extra={"fields": {"convention": code, "reason": str(error)}})

    def _secrets(self) -> Secrets:
        found: dict[str, tuple[KeptSecret, ...]] = {}
        for client_id, digest, expires_at, sealed in self._connections.all(EVERY_SECRET):
            key = self._unsealed(client_id, sealed) if sealed else None
            found[client_id] = (*found.get(client_id, ()), KeptSecret(digest, expires_at, key))
        return found

    def _unsealed(self, client_id: str, sealed: bytes) -> bytes | None:
        try:
            return self._seals.open(SEALED_FOR, bytes(sealed), client_id)
        except UnsealError as error:
            logger.error("client secret cannot be opened", extra={"fields": {"client_id": client_id, "reason": str(error)}})
            return None


def _read(client_id: str, metadata: Any, partenaire: str, nom: str, secrets: Iterable[KeptSecret]) -> Client | None:
    """A client, or None when its row is malformed: what the registry refuses today may have been stored before."""
    digests, keys = [one.digest for one in secrets], [one.key for one in secrets if one.key]
    try:
        if isinstance(metadata, str | bytes):
            raise InvalidClientMetadataError("client_metadata is not an object")
        return read_client(client_id, metadata, partenaire=partenaire, client_name=nom, secret_hashes=digests, secret_keys=keys)
    except (InvalidClientMetadataError, TypeError, ValueError, AttributeError) as error:
        logger.error("client left out of the registry", extra={"fields": {"client_id": client_id, "reason": str(error)}})
        return None


def _without_ended(client: Client, secrets: Iterable[KeptSecret], now: datetime) -> Client:
    """The client with the secrets that still live. A copy only once one has ended."""
    live = [one for one in secrets if one.lives(now)]
    hashes = frozenset(one.digest for one in live)
    if hashes == client.secret_hashes:
        return client
    return replace(client, secret_hashes=hashes, secret_keys=tuple(one.key for one in live if one.key))
