"""A JWT that a client signed, other than the one that authenticates it: its own key, its own algorithm, to this issuer, once.

Shared by request objects (RFC 9101), the JWT bearer grant (RFC 7523 section 2.1) and signed CIBA requests (CIBA Core section
7.1.1). RFC 8725 sections 3.1, 3.10 and 3.11: the header brings no key and no extension.
"""

import time
from collections.abc import Collection, Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from idp.ephemeral import Ephemeral
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients, keys_for, number
from idp.seals import digest

LONGEST = 16 * 1024
"""Characters."""
SKEW = 60
"""Seconds between two clocks."""
FORBIDDEN_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"})
Claims = Mapping[str, Any]


class ClientJwtError(ValueError):
    """Why the JWT is refused: fixed ASCII, for `error_description`."""


class UnsignedError(ClientJwtError):
    """It says itself that nobody signed it."""


class ReplayedError(ClientJwtError):
    """Its `jti` came before, or nobody can tell."""


def verified(clients: Clients, client: Client, text: str, algorithms: Collection[str], typ: Collection[str | None]) -> Claims:
    """Claims of a compact JWS of this client. Raises ClientJwtError."""
    if not text.isascii() or len(text) > LONGEST:
        raise ClientJwtError("it cannot be read")
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        raise ClientJwtError("it cannot be read") from None
    if header.get("alg") == "none":
        raise UnsignedError("it is not signed")
    kid = header.get("kid")
    if FORBIDDEN_HEADERS & set(header) or header.get("typ") not in typ or not (kid is None or isinstance(kid, str)):
        raise ClientJwtError("its header is not acceptable")
    keys = clients.keys(client, kid)
    if keys is None or header.get("alg") not in algorithms:
        raise ClientJwtError("it is not signed as this client signs")
    for key in keys_for(keys, kid):
        try:
            claims = jwt.decode(text, key, algorithms=list(algorithms)).claims
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        if isinstance(claims, dict):
            return claims
    raise ClientJwtError("its signature is not valid")


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
    now, jti, exp = time.time(), claims.get("jti"), number(claims.get("exp")) or 0
    if not isinstance(jti, str) or not 1 <= len(jti) <= 300:
        raise ClientJwtError("jti is required")
    begun = number(claims.get("iat", claims.get("nbf")))
    made = (exp - life if begun is None else begun) - SKEW  # a clock ahead must not date it after a loss of the store
    if not store.add(kind, digest(f"{client.client_id} {jti}"), int(exp - now) + 2 * SKEW, made_at=made):
        raise ReplayedError("jti was already used")
