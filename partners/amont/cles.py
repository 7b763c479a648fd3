"""Private keys that MAG keeps for one provider: one signs its assertions, two open what it encrypts. Their public half is published.

RFC 7517 sections 4 and 5. Apart from MAG's own signing keys: a key has one use (NIST SP 800-57 part 1, section 5.2).
"""

from typing import Any, cast

import orjson
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from idp.seals import Seals
from partners.amont.models import CLES, Fournisseur

SIGNING_ALG = "ES256"
KEY_ALGS = ("ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP", "RSA-OAEP-256")
CONTENT_ENCS = ("A256GCM", "A128GCM")
"""RFC 7518: authenticated encryption, no padding to ask an oracle about."""


class NotForUsError(ValueError):
    """It was not encrypted for one of our keys, by an algorithm that we accept."""


def make(seals: Seals, code: str) -> bytes:
    """A new set, sealed for this provider."""
    made = (
        ECKey.generate_key("P-256", {"use": "sig", "alg": SIGNING_ALG}, auto_kid=True),
        ECKey.generate_key("P-256", {"use": "enc", "alg": "ECDH-ES"}, auto_kid=True),
        RSAKey.generate_key(2048, {"use": "enc", "alg": "RSA-OAEP-256"}, auto_kid=True),
    )
    return seals.seal(CLES, orjson.dumps({"keys": [key.as_dict(private=True) for key in made]}), code)


def opened(seals: Seals, fournisseur: Fournisseur) -> KeySet:
    """Raises UnsealError."""
    given = orjson.loads(seals.open(CLES, fournisseur.cles_sealed, fournisseur.code))
    return KeySet.import_key_set(cast(Any, given))


def published(seals: Seals, fournisseur: Fournisseur) -> dict[str, Any]:
    """What the provider reads at `jwks_uri`."""
    return {"keys": [key.as_dict(private=False) for key in opened(seals, fournisseur).keys]}


def signing(seals: Seals, fournisseur: Fournisseur) -> ECKey:
    return next(key for key in opened(seals, fournisseur).keys if isinstance(key, ECKey) and key.get("use") == "sig")


def decrypt(seals: Seals, fournisseur: Fournisseur, token: str) -> str:
    """What is inside a JWE (RFC 7516 section 5.2), of one of our keys. Raises NotForUsError, one for every failure (C54)."""
    registry = jwe.JWERegistry(algorithms=[*KEY_ALGS, *CONTENT_ENCS], strict_check_header=False)  # RFC 7519 section 5.3: iss, aud
    for key in opened(seals, fournisseur).keys:
        if key.get("use") != "enc":
            continue
        try:
            found = jwe.decrypt_compact(token, key, registry=registry)
            return (found.plaintext or b"").decode("ascii")
        except (JoseError, ValueError, TypeError):
            continue
    raise NotForUsError("not encrypted for one of our keys")
