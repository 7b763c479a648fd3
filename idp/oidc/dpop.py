"""DPoP: proof that whoever asks holds a key (RFC 9449).

A proof is checked by `CHECKS`, one rule each, in the order of section 4.3; then it serves once. Nonces (section 8) are not
stored: each is a MAC of a minute, accepted during that minute and the next. They are asked of the clients whose profile
`MAG_DPOP_NONCE` names; of the others the date of the proof is enough.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import orjson
from authlib.oauth2.rfc6749.errors import OAuth2Error
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.config import Settings
from idp.ephemeral import Ephemeral
from idp.errors import SettingError
from idp.keys import Keyring, thumbprint
from idp.oidc.client import Client
from idp.oidc.profiles import PROFILES
from idp.oidc.wire import DPOP_ALGS, DPOP_NONCE, Environ
from idp.seals import b64, digest, unb64

LONGEST = 8192
"""Characters of a proof."""
AGE, AHEAD = 60, 30
"""Seconds that a proof may be old, or that a clock may be ahead."""
NONCE_LIFE = 60
"""Seconds; a nonce is accepted for one to two of them."""
REMEMBERED = 180
"""Seconds; longer than any proof is accepted."""
OKP_MEMBERS, OKP_SHAPE = ("crv", "kty", "x"), {"kty": "OKP", "crv": "Ed25519"}
KEYS: Mapping[str, type[ECKey] | type[RSAKey] | type[OKPKey]] = {"ES256": ECKey, "PS256": RSAKey, "EdDSA": OKPKey, "Ed25519": OKPKey}
MEMBERS = {"ES256": ("crv", "kty", "x", "y"), "PS256": ("e", "kty", "n"), "EdDSA": OKP_MEMBERS, "Ed25519": OKP_MEMBERS}
"""RFC 7638 section 3.2, RFC 8037 section 2."""
SHAPES = {"ES256": {"kty": "EC", "crv": "P-256"}, "PS256": {"kty": "RSA"}, "EdDSA": OKP_SHAPE, "Ed25519": OKP_SHAPE}
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
RSA_BITS = range(2048, 4097)
"""Shorter is weak (FAPI 2.0 section 5.4.1), longer costs more than it is worth."""
UNRESERVED = re.compile(r"%(2[dDeE]|3\d|[46][1-9a-fA-F]|[57][\daA]|5[fF]|7[eE])")
PORTS = {"http": 80, "https": 443}


class InvalidProofError(OAuth2Error):
    """Section 12.2."""

    error = "invalid_dpop_proof"


class NonceNeededError(OAuth2Error):
    """Section 8: the same again, with the nonce of the header `DPoP-Nonce`."""

    error = "use_dpop_nonce"
    description = "the DPoP proof needs the nonce given by the server"


@dataclass(frozen=True, slots=True)
class Proof:
    """A DPoP proof, and what it must prove. Whatever it says is unverified until CHECKS has passed."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    htm: str
    htu: str
    now: float
    nonces: tuple[str, ...]
    """Those accepted now."""
    nonce_needed: bool = False
    access_token: str | None = None
    """The one that the proof comes with, at a resource."""

    @property
    def jwk(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self.header["jwk"])


def read_proof(text: str, **known: Any) -> Proof:
    """Section 4.3, 1 and 2: one header field (WSGI joins several by commas), and a JWT in it."""
    if not text.isascii() or len(text) > LONGEST or text.count(".") != 2:
        raise InvalidProofError("one DPoP header with one proof is expected")
    try:
        header, claims = (orjson.loads(unb64(part)) for part in text.split(".")[:2])
    except ValueError:
        raise InvalidProofError("the DPoP proof is not a JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InvalidProofError("the DPoP proof is not a JWT")
    return Proof(text, header, claims, **known)


def check_claims(proof: Proof) -> None:
    """Section 4.3, 3; section 4.2."""
    if not all(isinstance(proof.claims.get(name), str) for name in ("jti", "htm", "htu")) or not 1 <= len(proof.claims["jti"]) <= 300:
        raise InvalidProofError("jti, htm and htu are required in a DPoP proof")
    if type(proof.claims.get("iat")) not in (int, float):
        raise InvalidProofError("iat is required in a DPoP proof")


def check_type(proof: Proof) -> None:
    """Section 4.3, 4; RFC 8725 section 3.11."""
    if proof.header.get("typ") != "dpop+jwt":
        raise InvalidProofError("typ must be dpop+jwt")


def check_extensions(proof: Proof) -> None:
    """RFC 7515 section 4.1.11: none is understood here."""
    if {"crit", "b64", "zip"} & proof.header.keys():
        raise InvalidProofError("the DPoP proof has extensions that are not understood")


def check_alg(proof: Proof) -> None:
    """Section 4.3, 5; ours: the algorithms of FAPI 2.0 alone."""
    if proof.header.get("alg") not in DPOP_ALGS:
        raise InvalidProofError(f"alg must be one of {', '.join(DPOP_ALGS)}")


def check_public_key(proof: Proof) -> None:
    """Section 4.3, 7."""
    jwk = proof.header.get("jwk")
    if not isinstance(jwk, dict) or PRIVATE & jwk.keys():
        raise InvalidProofError("jwk must be a public key, without private members")
    if any(jwk.get(name) != value for name, value in SHAPES[proof.header["alg"]].items()):
        raise InvalidProofError("jwk is not a key for this alg")


def check_key_size(proof: Proof) -> None:
    """FAPI 2.0 Security Profile section 5.4.1; the curves have but one size."""
    if proof.header["alg"] != "PS256":
        return
    try:
        n, e = (int.from_bytes(unb64(proof.jwk[name]), "big") for name in ("n", "e"))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise InvalidProofError("jwk cannot be read") from None
    if n.bit_length() not in RSA_BITS or e.bit_length() > 32:
        raise InvalidProofError("an RSA key of 2048 to 4096 bits is expected")


def check_signature(proof: Proof) -> None:
    """Section 4.3, 6."""
    message, _, signature = proof.text.rpartition(".")
    try:
        good = jws.JWSRegistry.algorithms[proof.header["alg"]].verify(message.encode(), unb64(signature), key_of(proof))
    except (JoseError, ValueError, TypeError):
        good = False
    if not good:
        raise InvalidProofError("the signature of the DPoP proof is not valid")


def check_method(proof: Proof) -> None:
    """Section 4.3, 8."""
    if proof.claims["htm"] != proof.htm:
        raise InvalidProofError("htm is not the method of this request")


def check_address(proof: Proof) -> None:
    """Section 4.3, 9."""
    if normalised(proof.claims["htu"]) != normalised(proof.htu):
        raise InvalidProofError("htu is not the address of this request")


def check_nonce(proof: Proof) -> None:
    """Section 4.3, 10; a nonce that was not asked for says nothing."""
    if proof.nonce_needed and proof.claims.get("nonce") not in proof.nonces:
        raise NonceNeededError()


def check_date(proof: Proof) -> None:
    """Section 4.3, 11; where a nonce is asked, it alone tells that the proof is fresh."""
    if not proof.nonce_needed and not proof.now - AGE < proof.claims["iat"] < proof.now + AHEAD:
        raise InvalidProofError("iat is too old, or too far ahead")


def check_access_token(proof: Proof) -> None:
    """Section 4.3, 12: `ath`, at a resource."""
    if proof.access_token is None:
        return
    shown = proof.claims.get("ath")
    if not isinstance(shown, str) or not hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), ath(proof.access_token).encode()):
        raise InvalidProofError("ath is not the hash of this access token")


CHECKS = (
    check_claims,
    check_type,
    check_extensions,
    check_alg,
    check_public_key,
    check_key_size,
    check_signature,
    check_method,
    check_address,
    check_nonce,
    check_date,
    check_access_token,
)


def key_of(proof: Proof) -> ECKey | RSAKey | OKPKey:
    """Of a proof whose `alg` and `jwk` passed. Raises JoseError, ValueError or TypeError."""
    return _key(proof.header["alg"], _members(proof))


def jkt_of(proof: Proof) -> str:
    """RFC 7638 section 3, of a proof whose key was read."""
    return thumbprint(dict(_members(proof)))


def _members(proof: Proof) -> tuple[tuple[str, Any], ...]:
    return tuple((name, proof.jwk[name]) for name in MEMBERS[proof.header["alg"]] if name in proof.jwk)


@lru_cache(maxsize=1024)
def _key(alg: str, members: tuple[tuple[str, Any], ...]) -> ECKey | RSAKey | OKPKey:
    """A client proves the same key again and again: reading it costs more than checking what it signed."""
    return KEYS[alg].import_key(cast(Any, dict(members)))


def ath(access_token: str) -> str:
    """Section 4.2."""
    return b64(hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest())


def normalised(address: str) -> str | None:
    """Section 4.3, 9, and RFC 3986 section 6.2: no case in scheme and host, no default port, no query, no fragment. None for no address."""
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if scheme not in PORTS or not host or parts.username is not None:
        return None
    netloc = host if port in (None, PORTS[scheme]) else f"{host}:{port}"
    path = UNRESERVED.sub(lambda found: chr(int(found[1], 16)), parts.path) or "/"
    return urlunsplit((scheme, netloc, path, "", ""))


class Proofs:
    """Reads the DPoP proofs of requests, for one process."""

    def __init__(self, settings: Settings, keyring: Keyring, store: Ephemeral) -> None:
        if unknown := set(settings.dpop_nonce) - PROFILES.keys():
            raise SettingError(f"MAG_DPOP_NONCE names {', '.join(sorted(unknown))}, which is not a profile")
        self.settings, self.keyring, self.store = settings, keyring, store

    def thumbprint_of(self, environ: Environ, client: Client, access_token: str | None = None) -> str | None:
        """Thumbprint of the key that this request proves (RFC 7638); None when it has no proof.

        Raises InvalidProofError or NonceNeededError. Costs one round trip when there is a proof. Where nonces are asked, the
        edge gives a new one with whatever is answered (section 8.2).
        """
        needed = client.profile.name in self.settings.dpop_nonce
        text, now = environ.get("HTTP_DPOP"), time.time()
        if needed:
            environ[DPOP_NONCE] = self.nonce(now)
        if text is None:
            return None
        proof = read_proof(
            text,
            htm=environ["REQUEST_METHOD"],
            htu=self.settings.issuer_origin + environ.get("PATH_INFO", ""),
            now=now,
            nonces=(self.nonce(now), self.nonce(now - NONCE_LIFE)),
            nonce_needed=needed,
            access_token=access_token,
        )
        for check in CHECKS:
            check(proof)
        jkt = jkt_of(proof)
        self._spend(proof, jkt)
        return jkt

    def _spend(self, proof: Proof, jkt: str) -> None:
        """Section 11.1. After a loss of the store, what could have been used before it is refused: a clock ahead counts for late."""
        made_at = proof.now - 2 * NONCE_LIFE if proof.nonce_needed else proof.claims["iat"] - AHEAD
        if not self.store.add("dpop", digest(f"{jkt} {proof.claims['jti']}"), REMEMBERED, made_at=made_at):
            raise InvalidProofError("the DPoP proof was already used")

    def nonce(self, now: float) -> str:
        """The nonce of a minute."""
        return b64(self.keyring.mac("dpop-nonce", str(int(now) // NONCE_LIFE).encode())[:16])
