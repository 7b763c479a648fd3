"""Keys that others publish: fetched when they are needed, kept a while, read with suspicion.

RFC 7517 section 5; C55: a stranger who signs with unknown keys causes few calls, and none that others wait for.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from idp.config import Settings
from idp.logs import logger, note
from partners.outgoing import TIME_LIMIT, Fetcher, OutgoingRefusedError

UNREADABLE_KEYS = (JoseError, ValueError, TypeError, KeyError)
"""What the library raises of a JWK that it cannot read; KeyError: a curve that it does not know."""
SMALLEST_RSA = 2048
"""Bits (RFC 7518 sections 3.3 and 3.5, FAPI 2.0 Security Profile section 5.4.1)."""


class Publisher(Protocol):
    """Who publishes keys: a client, a provider above MAG."""

    @property
    def client_id(self) -> str:
        """Its name here."""

    @property
    def jwks_uri(self) -> str: ...


@dataclass(slots=True)
class _Kept:
    """Keys of one client, and when they were fetched or last asked for (monotonic seconds)."""

    uri: str
    keys: KeySet | None = None
    kids: frozenset[str] = frozenset()
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class JwksCache:
    """Keys of clients that publish them at a `jwks_uri`.

    Kept FRESH seconds; a `kid` unknown so far is looked for at once, but no client causes two calls within QUIET seconds,
    whatever is thrown at it and whatever its server answers. When its server is away, the last keys serve until STALE.
    """

    FRESH, QUIET, STALE = 300.0, 30.0, 3600.0
    MANY = 2_000
    """Clients; those whose keys were first needed longest ago make room. A document has its own limit (`Fetcher`)."""

    def __init__(self, settings: Settings, *, fetcher: Fetcher | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.fetcher, self._clock = fetcher or Fetcher(settings), clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def get(self, client: Publisher, kid: str | None) -> KeySet | None:
        """None when the keys cannot be had. Whoever needs what is being fetched waits for it; the others have the last keys."""
        with self._lock:
            kept = self._kept.get(client.client_id)
            if kept is None or kept.uri != client.jwks_uri:
                kept = self._kept[client.client_id] = _Kept(client.jwks_uri)
                while len(self._kept) > self.MANY:
                    self._kept.pop(next(iter(self._kept)))
        needed = kept.keys is None or (kid is not None and kid not in kept.kids)
        if self._is_wanting(kept, kid) and kept.lock.acquire(blocking=needed, timeout=TIME_LIMIT + 1 if needed else -1):
            try:
                if self._is_wanting(kept, kid):
                    self._fetch(client, kept)
            finally:
                kept.lock.release()
        return kept.keys if self._clock() - kept.fetched_at < self.STALE else None

    def _is_wanting(self, kept: _Kept, kid: str | None) -> bool:
        now = self._clock()
        old = now - kept.fetched_at >= self.FRESH
        return (old or (kid is not None and kid not in kept.kids)) and now - kept.tried_at >= self.QUIET

    def _fetch(self, client: Publisher, kept: _Kept) -> None:
        try:
            kept.keys, kept.kids = read_keys(self.fetcher.json(kept.uri))
            kept.fetched_at = self._clock()
            note("client keys fetched", client_id=client.client_id, keys=len(kept.kids))
        except OutgoingRefusedError as error:
            logger.warning("client keys not fetched", extra={"fields": {"client_id": client.client_id, "reason": str(error)}})
        finally:
            kept.tried_at = self._clock()


def read_keys(unverified_jwks: Any) -> tuple[KeySet, frozenset[str]]:
    """RFC 7517 section 5: keys that cannot be read, or are weak, are left out. Raises OutgoingRefusedError when none is left."""
    given = unverified_jwks.get("keys") if isinstance(unverified_jwks, Mapping) else None
    read, kids = [], set()
    for jwk in given if isinstance(given, list) else []:
        if not isinstance(jwk, dict) or jwk.get("kty") not in ("EC", "RSA", "OKP") or "d" in jwk:
            continue
        try:
            (key,) = KeySet.import_key_set(cast(Any, {"keys": [jwk]})).keys
        except UNREADABLE_KEYS:
            continue
        if isinstance(key, RSAKey) and key.raw_value.key_size < SMALLEST_RSA:
            continue
        read.append(key)
        if isinstance(jwk.get("kid"), str):
            kids.add(jwk["kid"])
    if not read:
        raise OutgoingRefusedError("the document holds no public key")
    return KeySet(read), frozenset(kids)
