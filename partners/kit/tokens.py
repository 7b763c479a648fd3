"""What a token must hold to be believed. Signatures are checked under the one algorithm that was registered. Pure.

Implements OpenID Connect Core sections 3.1.3.7 (ID token), 3.1.3.6 (at_hash), 12.2 (after a refresh), 5.6.2 (pages of claims);
Back-Channel Logout section 2.6 (logout token).
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TYPES = ("logout+jwt", "application/logout+jwt")
SKEW = 60
"""Seconds by which two clocks may differ."""


class InvalidTokenError(Exception):
    """A token is not what it should be. The message is for the log."""


class WrongAlgError(InvalidTokenError):
    """Signed with another algorithm than the one expected; the message says what to compare."""


class ClockError(InvalidTokenError):
    """Signed by MAG for us, but of another time than this server's: one of the two clocks is wrong. The message says by how much."""


class UnknownKeyError(InvalidTokenError):
    """Signed by a key that is not in the set at hand: fetch the set again, once."""


def header_of(unverified_token: str) -> Mapping[str, Any]:
    """Raises InvalidTokenError."""
    try:
        return jws.extract_compact(unverified_token.encode("ascii", "replace")).headers()
    except (JoseError, ValueError) as error:
        raise InvalidTokenError("not a JWT") from error


def verified(unverified_token: str, keys: KeySet, alg: str, told: str = "") -> dict[str, Any]:
    """Claims of a signed token. `told`: where `alg` was said, for the message of WrongAlgError.

    Raises InvalidTokenError; UnknownKeyError when another key set may do.
    """
    header = header_of(unverified_token)
    if header.get("alg") != alg:
        raise WrongAlgError(f"signed with {header.get('alg')!r:.20}, {alg} expected: {told}")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidTokenError("kid is not a text")
    if kid not in {key.kid for key in keys.keys}:
        raise UnknownKeyError("unknown kid")
    try:
        return dict(jwt.decode(unverified_token, keys, algorithms=[alg]).claims)
    except (JoseError, ValueError, TypeError) as error:  # the last: `crit` is not a list of texts
        raise InvalidTokenError(type(error).__name__) from error


def check_addressed(claims: Mapping[str, Any], *, issuer: str, client_id: str, now: float) -> None:
    """Ours, for us, alive. Raises InvalidTokenError, ClockError."""
    audience = claims.get("aud")
    if claims.get("iss") != issuer:
        raise InvalidTokenError("iss")
    if audience not in (client_id, [client_id]):
        raise InvalidTokenError("aud")
    if not all(isinstance(value, int | float) for value in (claims.get("exp"), claims.get("iat", 0))):
        raise InvalidTokenError("exp or iat is not a number")
    if claims["exp"] <= now - SKEW:
        raise ClockError(f"exp is {now - claims['exp']:.0f} s behind this server's clock, {SKEW} s are allowed")
    if claims.get("iat", 0) > now + SKEW:
        raise ClockError(f"iat is {claims['iat'] - now:.0f} s ahead of this server's clock, {SKEW} s are allowed")


def at_hash(access_token: str, alg: str) -> str:
    """Left half of SHA-256, or of the SHA-512 of Ed25519 (RFC 8032 section 5.1)."""
    digest = (hashlib.sha512 if alg == "EdDSA" else hashlib.sha256)(access_token.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def check_at_hash(claims: Mapping[str, Any], access_token: str, alg: str) -> None:
    """The access token that came with it, when it says which. Raises InvalidTokenError."""
    expected = at_hash(access_token, alg)
    if claims.get("at_hash", expected) != expected:
        raise InvalidTokenError("at_hash")


def check_id_token(claims: Mapping[str, Any], *, issuer: str, client_id: str, access_token: str, alg: str, nonce: str, now: float) -> None:
    """The ID token of a sign-in. Raises InvalidTokenError."""
    check_addressed(claims, issuer=issuer, client_id=client_id, now=now)
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise InvalidTokenError("sub")
    if claims.get("azp", client_id) != client_id:
        raise InvalidTokenError("azp")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise InvalidTokenError("nonce")
    check_at_hash(claims, access_token, alg)


def check_refreshed(
    claims: Mapping[str, Any],
    before: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    access_token: str,
    alg: str,
    now: float,
) -> None:
    """The ID token of a refresh: the same person, of the same sign-in. Raises InvalidTokenError."""
    check_addressed(claims, issuer=issuer, client_id=client_id, now=now)
    if any(claims.get(name) != before.get(name) for name in ("sub", "auth_time")):
        raise InvalidTokenError("another person, or another sign-in")
    check_at_hash(claims, access_token, alg)


def check_logout_token(header: Mapping[str, Any], claims: Mapping[str, Any], *, issuer: str, client_id: str, now: float) -> None:
    """A session of MAG ended; whether the token came before is the caller's to know. Raises InvalidTokenError.

    An ID token is not one: it has another type, no event, and often a nonce. MAG always names the session (`sid`).
    """
    check_addressed(claims, issuer=issuer, client_id=client_id, now=now)
    if str(header.get("typ", "")).lower() not in LOGOUT_TYPES:
        raise InvalidTokenError("typ")
    if "iat" not in claims:
        raise InvalidTokenError("iat")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise InvalidTokenError("events")
    if "nonce" in claims:
        raise InvalidTokenError("nonce")
    for name in ("jti", "sid"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise InvalidTokenError(name)
