"""A JWT that a client signed, other than the one that authenticates it: its own key, its own algorithm, to this issuer, once.

Shared by request objects (RFC 9101), the JWT bearer grant (RFC 7523 section 2.1) and signed CIBA requests (CIBA Core section
7.1.1).
"""

import time
from collections.abc import Collection

from idp.ephemeral import Ephemeral
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.jose import SKEW, Claims, Compact, UnreadableError, comes_first, has_jti, keys_for, number
from idp.oidc.profiles import by_every_name

LONGEST = 16 * 1024
"""Characters."""


class ClientJwtError(ValueError):
    """Why the JWT is refused: fixed ASCII, for `error_description`."""


class UnsignedError(ClientJwtError):
    """It says itself that nobody signed it."""


class ReplayedError(ClientJwtError):
    """Its `jti` came before, or nobody can tell."""


def verified(clients: Clients, client: Client, text: str, algorithms: Collection[str], typ: Collection[str | None]) -> Claims:
    """Claims of a compact JWS of this client. Raises ClientJwtError."""
    try:
        unverified = Compact.read(text, LONGEST)
    except UnreadableError:
        raise ClientJwtError("it cannot be read") from None
    if unverified.header.get("alg") == "none":
        raise UnsignedError("it is not signed")
    if not unverified.is_acceptable or unverified.header.get("typ") not in typ:
        raise ClientJwtError("its header is not acceptable")
    keys = clients.keys(client, unverified.kid)
    if keys is None or unverified.header.get("alg") not in by_every_name(algorithms):
        raise ClientJwtError("it is not signed as this client signs")
    claims = unverified.verified(keys_for(keys, unverified.kid), algorithms)
    if claims is None:
        raise ClientJwtError("its signature is not valid")
    return claims


def check_parties(claims: Claims, client: Client, issuer: str) -> None:
    """From this client, to this issuer, perhaps among others."""
    audience = claims.get("aud")
    if claims.get("iss") != client.client_id:
        raise ClientJwtError("iss is not the client")
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise ClientJwtError("aud is not this issuer")


def check_times(claims: Claims, required: Collection[str], life: int) -> None:
    """RFC 7519 section 4.1; `life` seconds at most, from `nbf` or `iat`, or from now, to `exp`."""
    now = time.time()
    times = {name: number(claims.get(name)) for name in ("exp", "nbf", "iat") if name in claims}
    if not set(required) <= times.keys() or None in times.values():
        raise ClientJwtError(f"{', '.join(sorted(required))} must be numbers of seconds")
    exp = times["exp"] or 0
    if exp <= now - SKEW:
        raise ClientJwtError("it has expired")
    begun = [at for name in ("nbf", "iat") if (at := times.get(name)) is not None]
    if any(at > now + SKEW for at in begun):
        raise ClientJwtError("it is not valid yet")
    if exp > now + life + SKEW or any(exp - at > life or at < now - life - SKEW for at in begun):
        raise ClientJwtError(f"it lives more than {life} seconds")


def check_once(store: Ephemeral, claims: Claims, client: Client, kind: str, life: int) -> None:
    """RFC 7523 section 3, rule 7: `jti`, for as long as the JWT could be shown again. Raises ReplayedError."""
    if not has_jti(claims):
        raise ClientJwtError("jti is required")
    if not comes_first(store, kind, client.client_id, claims, life, time.time()):
        raise ReplayedError("jti was already used")
