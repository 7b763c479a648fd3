"""Tokens: access tokens (RFC 9068), ID tokens (OpenID Connect Core section 2), and reading back what MAG signed.

`jti` is a sealed handle: random for everyone, and for MAG the person, the family and the session the token hangs on. So a
token carries nothing that two partners could compare (Core section 8.1), and nothing is stored to find it again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.config import Settings
from idp.keys import ALGORITHMS, Keyring
from idp.oidc.claims import CLAIMS_OF_RIGHTS
from idp.oidc.client import Client, Encryption
from idp.oidc.encryption import Encrypter
from idp.oidc.subjects import Subjects
from idp.seals import UnsealError, b64, unb64

ACCESS_TOKEN = "at+jwt"  # a media type, RFC 9068 section 2.1
OPAQUE = "access-token"
"""Purpose of the seal of opaque tokens."""
KNOWN_LIMIT = 20_000
"""Tokens a process remembers having verified."""
KNOWN_CHARACTERS = 16 * 1024 * 1024
"""And how long they are together: whoever holds long tokens makes it remember fewer."""
OUR_HEADER = {"alg", "kid", "typ"}
"""What MAG writes, and all it reads: `crit`, `jwk`, `b64` and the rest are never ours."""
TOKEN_LIMIT = 8192
"""Characters; a longer text is not one of ours."""


class Handle(NamedTuple):
    """What a token hangs on. Without a person (client_credentials), `declarant_id` is 0."""

    declarant_id: int = 0
    version: int = 0
    """Of the person's credentials."""
    family_id: str = ""
    sid: str = ""
    """Empty when the token outlives its session (offline_access)."""
    userinfo_claims: tuple[str, ...] = ()
    resource: bool = False
    """Aimed at another API alone (RFC 8707, RFC 8693): userinfo is not for it."""
    convention: str = ""
    """Code of the agreement that the token was made under; empty for none. What follows is bounded by it (`vecteurs.py`)."""
    once: bool = False
    """Shown to MAG a single time."""
    profiles: tuple[str, ...] = ()
    """Rights that the token, and whatever it is exchanged for, may speak of: `dsn:d`."""
    chain: int = 0
    """How many exchanges made it (RFC 8693)."""

    def dump(self) -> bytes:
        if not (self.declarant_id or self.convention):
            return b""
        values = [self.declarant_id, self.version, self.family_id, self.sid, self.userinfo_claims, self.resource]
        agreed = [self.convention, self.once, self.profiles, self.chain] if self.convention or self.chain else []
        return orjson.dumps([*values, *agreed])

    @classmethod
    def load(cls, raw: bytes) -> Self:
        if not raw:
            return cls()
        declarant_id, version, family_id, sid, userinfo_claims, resource, *agreed = orjson.loads(raw)
        convention, once, profiles, chain = agreed or ("", False, (), 0)
        return cls(declarant_id, version, family_id, sid, tuple(userinfo_claims), resource, convention, once, tuple(profiles), chain)


class AccessToken(NamedTuple):
    """One of ours, signature and expiry checked; whether it was revoked is asked each time it is used."""

    claims: Mapping[str, Any]
    handle: Handle


def half_hash(text: str, alg: str) -> str:
    """`at_hash`, `c_hash`, `s_hash`: left half of the hash of the ID token's `alg`. Core sections 3.1.3.6 and 3.3.2.11.

    SHA-256, and for EdDSA the SHA-512 of Ed25519 (RFC 8032 section 5.1).
    """
    digest = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256
    raw = digest(text.encode("utf-8")).digest()
    return b64(raw[: len(raw) // 2])


class Mint:
    """Signs tokens, seals them or encrypts them as each client asked, for one process."""

    def __init__(self, settings: Settings, keyring: Keyring, subjects: Subjects, encrypter: Encrypter) -> None:
        self.settings, self.keyring, self.subjects, self.encrypter = settings, keyring, subjects, encrypter

    def access_token(
        self,
        client: Client,
        sub: str,
        scope: Sequence[str],
        now: int,
        handle: Handle,
        extra: Mapping[str, Any],
        *,
        audience: Sequence[str] = (),
    ) -> str:
        """RFC 9068 section 2.2, or opaque; `audience` when the request named one (RFC 8707)."""
        audience = audience or client.audience or (client.client_id,)
        claims = {
            "iss": self.settings.issuer,
            "sub": sub,
            "aud": audience[0] if len(audience) == 1 else audience,
            "client_id": client.client_id,
            "iat": now,
            "exp": now + self.settings.access_token_lifetime,
            "jti": self.name_of(handle),
            "scope": " ".join(scope),
            **extra,
        }
        if client.access_token_format == "opaque":
            return self._opaque(claims)
        return self.signed(client.access_token_signing_alg, claims, ACCESS_TOKEN)

    def name_of(self, handle: Handle) -> str:
        """The `jti` of a token that hangs on this: another each time."""
        return b64(self.keyring.seal("jti", handle.dump()))

    def _opaque(self, claims: Mapping[str, Any]) -> str:
        """The claims themselves, sealed: nothing to read, nothing stored. Rights are left out: introspection tells them anew."""
        kept = {name: value for name, value in claims.items() if name not in CLAIMS_OF_RIGHTS}
        return b64(self.keyring.seal(OPAQUE, orjson.dumps(kept)))

    def reference(self, declarant_id: int) -> str:
        """`jti` of an ID token that may come back to name its person (CIBA Core section 7.1, `id_token_hint`): sealed, never the same."""
        return b64(self.keyring.seal("id-token", str(declarant_id).encode()))

    def id_token(self, client: Client, sub: str, now: int, extra: Mapping[str, Any]) -> str:
        """OpenID Connect Core section 2. Raises NoClientKeyError when it must be encrypted and cannot."""
        claims = {
            "iss": self.settings.issuer,
            "sub": sub,
            "aud": client.client_id,
            "iat": now,
            "exp": now + self.settings.id_token_lifetime,
            **extra,
        }
        return self.signed_for(client, client.id_token_signed_response_alg, client.id_token_encryption, claims)

    def signed_for(self, client: Client, alg: str, encryption: Encryption | None, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        """Signed, then encrypted where the client asked for it (Core section 10.2). Raises NoClientKeyError."""
        token = self.signed(alg, claims, typ)
        return self.encrypter.encrypt(client, encryption, token, "JWT") if encryption else token

    def signed(self, alg: str, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        return self.keyring.published().signer(alg).sign(claims, typ)


class Reader:
    """Reads tokens MAG signed. A token verified once is remembered until it expires: its revocation is asked all the same."""

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.settings, self.keyring = settings, keyring
        self._known: dict[bytes, tuple[KeySet, AccessToken]] = {}
        self._characters = 0

    def access_token(self, text: str, now: float) -> AccessToken | None:
        """None for anything that is not a live access token of this issuer; an ID token is not one (RFC 9068 section 4).

        Opaque ones are remembered too, and asked like the others whether they still count.
        """
        keyset = self.keyring.published().keyset
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(fingerprint)
        if known is None or known[0] is not keyset:
            token = self._verify(text, keyset)
            if token is None:
                return None
            if len(self._known) >= KNOWN_LIMIT or self._characters + len(text) > KNOWN_CHARACTERS:
                self._known.clear()
                self._characters = 0
            self._known[fingerprint] = known = (keyset, token)
            self._characters += len(text)
        return known[1] if known[1].claims["exp"] > now else None

    def issued(self, text: str) -> AccessToken | None:
        """One of ours, alive or expired, for whoever asks what it was; None for anything else."""
        return self._verify(text, self.keyring.published().keyset)

    def _verify(self, text: str, keyset: KeySet) -> AccessToken | None:
        claims = verified_claims(text, keyset, ACCESS_TOKEN) if "." in text else self._opened(text)
        if claims is None or claims.get("iss") != self.settings.issuer or not isinstance(claims.get("jti"), str):
            return None
        try:
            return AccessToken(claims, Handle.load(self.keyring.open("jti", unb64(claims["jti"]))))
        except (UnsealError, ValueError):
            return None

    def _opened(self, text: str) -> Mapping[str, Any] | None:
        """Claims of an opaque token; one text alone stands for a token, whatever base64 forgives."""
        if len(text) > TOKEN_LIMIT or not text.isascii():
            return None
        try:
            sealed = unb64(text)
            claims: Mapping[str, Any] = orjson.loads(self.keyring.open(OPAQUE, sealed))
        except (UnsealError, ValueError):
            return None
        return claims if b64(sealed) == text else None

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
