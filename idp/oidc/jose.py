"""JWTs that others signed, read with suspicion: who must have signed is known first, and neither key nor algorithm is the JWT's choice.

Shared by client assertions, request objects, signed CIBA requests, the JWT bearer grant and software statements. RFC 7515, RFC
7519, RFC 8725 sections 3.1, 3.10 and 3.11. Left out on purpose: what each says when it refuses, DPoP proofs (`dpop.py`: they
bring their key) and what MAG signed itself (`tokens.py`).
"""

import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, KeySet

from idp.ephemeral import Ephemeral
from idp.oidc.profiles import by_every_name
from idp.seals import digest

warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)  # RFC 9864 renames it; clients do not know that yet
FORBIDDEN_HEADERS = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"})
"""They bring a key, or an extension."""
LATEST = 2**53
"""Beyond it, JSON numbers are no longer exact (RFC 8259 section 6)."""
KEYS_TRIED = 10
"""Of a client whose JWT names none."""
LONGEST_JTI = 300
"""Characters."""
SKEW = 60
"""Seconds between two clocks."""
UNREADABLE = (JoseError, ValueError, TypeError, RecursionError)
Claims = Mapping[str, Any]
Keys = Iterable[KeySet | Key]


class UnreadableError(ValueError):
    """It is not a compact JWS."""


@dataclass(frozen=True, slots=True)
class Compact:
    """A compact JWS whose signature nobody has verified yet."""

    text: str
    header: Mapping[str, Any]
    payload: bytes

    @classmethod
    def read(cls, text: str, longest: int) -> Self:
        """`longest` in characters. Raises UnreadableError."""
        if not text.isascii() or len(text) > longest:
            raise UnreadableError
        try:
            found = jws.extract_compact(text.encode())
            return cls(text, found.headers(), found.payload)
        except UNREADABLE:
            raise UnreadableError from None

    def claims(self) -> Claims:
        """What it says, whoever says it. Raises UnreadableError when that is not an object."""
        try:
            claims = orjson.loads(self.payload)
        except ValueError:
            raise UnreadableError from None
        if not isinstance(claims, dict):
            raise UnreadableError
        return claims

    @property
    def kid(self) -> Any:
        return self.header.get("kid")

    @property
    def brings_keys(self) -> bool:
        """Keys or extensions, in its header."""
        return not FORBIDDEN_HEADERS.isdisjoint(self.header)

    @property
    def is_acceptable(self) -> bool:
        """Its header names a key at most."""
        return not self.brings_keys and (self.kid is None or isinstance(self.kid, str))

    def verified(self, keys: Keys, algorithms: Collection[str]) -> Claims | None:
        """Its claims, if one of these keys signed it by one of these algorithms, whichever name it gives them."""
        names = list(by_every_name(algorithms))
        for key in keys:
            try:
                claims = jwt.decode(self.text, key, algorithms=names).claims
            except UNREADABLE:
                continue
            if isinstance(claims, dict):
                return claims
        return None


def keys_for(keys: KeySet, kid: str | None) -> Keys:
    """RFC 7515 section 4.1.4: the key named; every one of the client where none is, since `kid` is optional."""
    return [key for key in keys.keys if key.get("use", "sig") == "sig"][:KEYS_TRIED] if kid is None else [keys]


def number(value: Any) -> float | None:
    """RFC 7519 section 2, NumericDate: what Python reads as JSON beyond it (NaN, 400 digits) is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST
    return float(value) if known else None


def has_jti(claims: Claims) -> bool:
    """RFC 7519 section 4.1.7; ours: of a length that can be kept."""
    jti = claims.get("jti")
    return isinstance(jti, str) and 1 <= len(jti) <= LONGEST_JTI


def comes_first(store: Ephemeral, kind: str, client_id: str, claims: Claims, life: int, now: float) -> bool:
    """RFC 7523 section 3, rule 7: the first time that this client shows this `jti`, kept for as long as it could be shown again.

    `life`: seconds that such a JWT lives at most. False too when nobody can tell: after a loss of the store, what could have
    been used before it. A clock ahead must not date a JWT after that loss, so the skew comes off.
    """
    exp, begun = number(claims.get("exp")) or 0, number(claims.get("iat", claims.get("nbf")))
    made = (exp - life if begun is None else begun) - SKEW
    return store.add(kind, digest(f"{client_id} {claims['jti']}"), int(exp - now) + 2 * SKEW, made_at=made)
