"""Tokens: access tokens (RFC 9068), ID tokens (OpenID Connect Core section 2), and reading back what MAG signed.

`jti` is a sealed handle: random for everyone, and for MAG the person, the family and the session the token hangs on. So a
token carries nothing that two partners could compare (Core section 8.1), and nothing is stored to find it again.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.config import Settings
from idp.keys import ALGORITHMS, Keyring
from idp.oidc.client import Client
from idp.seals import UnsealError, b64, unb64

ACCESS_TOKEN = "at+jwt"  # a media type, RFC 9068 section 2.1
KNOWN_LIMIT = 20_000
"""Tokens a process remembers having verified."""
OUR_HEADER = {"alg", "kid", "typ"}
"""What MAG writes, and all it reads: `crit`, `jwk`, `b64` and the rest are never ours."""
TOKEN_LIMIT = 8192
"""Characters; a longer text is not one of ours."""


@dataclass(frozen=True, slots=True)
class Handle:
    """What a token hangs on. Without a person (client_credentials), `declarant_id` is 0."""

    declarant_id: int = 0
    version: int = 0
    """Of the person's credentials."""
    family_id: str = ""
    sid: str = ""
    """Empty when the token outlives its session (offline_access)."""
    userinfo_claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """One of ours, signature and expiry checked; whether it was revoked is asked each time it is used."""

    claims: Mapping[str, Any]
    handle: Handle


def subject(keyring: Keyring, client: Client, uid: str) -> str:
    """OpenID Connect Core section 8.1: pairwise by sector, or the public identifier."""
    if client.subject_type == "public":
        return uid
    return b64(hmac.digest(keyring.published().pairwise_salt, f"{client.sector}|{uid}".encode(), "sha256"))


def half_hash(text: str, alg: str) -> str:
    """`at_hash`, `c_hash`, `s_hash`: left half of the hash of the ID token's `alg`. Core sections 3.1.3.6 and 3.3.2.11.

    SHA-256, and for EdDSA the SHA-512 of Ed25519 (RFC 8032 section 5.1).
    """
    digest = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256
    raw = digest(text.encode("utf-8")).digest()
    return b64(raw[: len(raw) // 2])


class Mint:
    """Signs tokens for one process."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings, self.keyring = settings, keyring

    def _jti(self, handle: Handle) -> str:
        inside = (
            orjson.dumps([handle.declarant_id, handle.version, handle.family_id, handle.sid, handle.userinfo_claims])
            if handle.declarant_id
            else b""
        )
        return b64(self.keyring.seal("jti", inside))

    def access_token(self, client: Client, sub: str, scope: Sequence[str], now: int, handle: Handle, extra: Mapping[str, Any]) -> str:
        """RFC 9068 section 2.2."""
        audience = client.audience or (client.client_id,)
        claims = {
            "iss": self.settings.issuer,
            "sub": sub,
            "aud": audience[0] if len(audience) == 1 else audience,
            "client_id": client.client_id,
            "iat": now,
            "exp": now + self.settings.access_token_lifetime,
            "jti": self._jti(handle),
            "scope": " ".join(scope),
            **extra,
        }
        return self.keyring.published().signer(client.access_token_signing_alg).sign(claims, ACCESS_TOKEN)

    def reference(self, declarant_id: int) -> str:
        """`jti` of an ID token that may come back to name its person (CIBA Core section 7.1, `id_token_hint`): sealed, never the same."""
        return b64(self.keyring.seal("id-token", str(declarant_id).encode()))

    def id_token(self, client: Client, sub: str, now: int, extra: Mapping[str, Any]) -> str:
        claims = {
            "iss": self.settings.issuer,
            "sub": sub,
            "aud": client.client_id,
            "iat": now,
            "exp": now + self.settings.id_token_lifetime,
            **extra,
        }
        return self.keyring.published().signer(client.id_token_signed_response_alg).sign(claims, "JWT")

    def signed(self, alg: str, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        return self.keyring.published().signer(alg).sign(claims, typ)


class Reader:
    """Reads tokens MAG signed. A token verified once is remembered until it expires: its revocation is asked all the same."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings, self.keyring = settings, keyring
        self._known: dict[bytes, tuple[KeySet, AccessToken]] = {}

    def access_token(self, text: str, now: float) -> AccessToken | None:
        """None for anything that is not a live access token of this issuer; an ID token is not one (RFC 9068 section 4)."""
        keyset = self.keyring.published().keyset
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(fingerprint)
        if known is None or known[0] is not keyset:
            token = self._verify(text, keyset)
            if token is None:
                return None
            if len(self._known) >= KNOWN_LIMIT:
                self._known.clear()
            self._known[fingerprint] = known = (keyset, token)
        return known[1] if known[1].claims["exp"] > now else None

    def _verify(self, text: str, keyset: KeySet) -> AccessToken | None:
        claims = verified_claims(text, keyset, ACCESS_TOKEN)
        if claims is None or claims.get("iss") != self.settings.issuer or not isinstance(claims.get("jti"), str):
            return None
        try:
            inside = self.keyring.open("jti", unb64(claims["jti"]))
        except (UnsealError, ValueError):
            return None
        if not inside:
            return AccessToken(claims, Handle())
        declarant_id, version, family_id, sid, userinfo_claims = orjson.loads(inside)
        return AccessToken(claims, Handle(declarant_id, version, family_id, sid, tuple(userinfo_claims)))

    def id_token_hint(self, text: str) -> Mapping[str, Any] | None:
        """An ID token of ours, expired or not (OpenID Connect RP-Initiated Logout section 4); None when forged."""
        claims = verified_claims(text, self.keyring.published().keyset, "JWT")
        if claims is None or claims.get("iss") != self.settings.issuer or not {"sub", "auth_time"} <= claims.keys():
            return None
        return claims

    def person_of_hint(self, claims: Mapping[str, Any]) -> int | None:
        """The person of an ID token that `Mint.reference` named; None when nothing does."""
        try:
            return int(self.keyring.open("id-token", unb64(str(claims.get("jti", "")))))
        except (UnsealError, ValueError):
            return None


def verified_claims(text: str, keyset: KeySet, typ: str) -> Mapping[str, Any] | None:
    """Claims of a compact JWS signed by one of these keys under this `typ` (RFC 8725 sections 3.1 and 3.11)."""
    if len(text) > TOKEN_LIMIT or not text.isascii():
        return None
    try:
        header = orjson.loads(unb64(text.partition(".")[0]))
        if not isinstance(header, dict) or header.keys() != OUR_HEADER or header["typ"] != typ:
            return None
        claims = orjson.loads(jws.deserialize_compact(text, keyset, algorithms=ALGORITHMS).payload)
    except (JoseError, ValueError):
        return None
    return claims if isinstance(claims, dict) and isinstance(claims.get("exp"), int) else None
