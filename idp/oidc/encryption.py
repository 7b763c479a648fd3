"""Answers encrypted for one client: JWE under a key it published (RFC 7516, RFC 7518 sections 4 and 5).

What is signed is signed first and encrypted after (OpenID Connect Core section 10.2). When the client asked for encryption and
its key cannot be had, nothing leaves: never plaintext instead.
"""

from typing import Any

from authlib.oauth2.rfc6749.errors import OAuth2Error
from joserfc import jwe
from joserfc.errors import JoseError

from idp.logs import logger
from idp.oidc.client import CONTENT_ENCS, KEY_ALGS, Client, Encryption
from idp.oidc.client_auth import Clients

KINDS = {"ECDH-ES": ("EC", "OKP"), "RSA-OAEP-256": ("RSA",), "RSA-OAEP": ("RSA",)}
CURVES = ("P-256", "P-384", "P-521", "X25519")
"""RFC 7518 section 6.2.1.1, RFC 8037 section 3.2; Ed25519 only signs."""
SMALLEST = 2048
"""Bits of an RSA key (RFC 7518 section 4.3)."""


class NoClientKeyError(OAuth2Error):
    """The keys of the client cannot be read, or none of them fits."""

    error = "temporarily_unavailable"

    def __init__(self) -> None:
        super().__init__(description="no key of this client can encrypt the answer it asked for", status_code=503)


class Encrypter:
    """Encrypts for clients, for one process."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def encrypt(self, client: Client, wanted: Encryption, payload: str | bytes, cty: str = "") -> str:
        """Compact JWE. `cty` is `JWT` for what was signed first (RFC 7519 section 5.2). Raises NoClientKeyError."""
        key = self._key(client, wanted)
        header = {"alg": wanted.alg, "enc": wanted.enc, **({"kid": key.kid} if key.kid else {}), **({"cty": cty} if cty else {})}
        try:
            return jwe.encrypt_compact(header, payload, key, algorithms=[*KEY_ALGS, *CONTENT_ENCS])
        except (JoseError, ValueError, TypeError) as error:
            raise self._refused(client, wanted, type(error).__name__) from None

    def _key(self, client: Client, wanted: Encryption) -> Any:
        """The first that says it encrypts, else the first that says nothing."""
        keys = self.clients.keys(client, None)
        fitting = [key for key in keys.keys if fits(key, wanted.alg)] if keys else []
        if not fitting:
            raise self._refused(client, wanted, "no key fits" if keys else "no key can be read")
        return min(fitting, key=lambda key: key.get("use") != "enc")

    def _refused(self, client: Client, wanted: Encryption, reason: str) -> NoClientKeyError:
        logger.error("answer not encrypted", extra={"fields": {"client_id": client.client_id, "alg": wanted.alg, "reason": reason}})
        return NoClientKeyError()


def fits(key: Any, alg: str) -> bool:
    """RFC 7517 sections 4.2 to 4.4: of the right kind, for encryption or for anything, and not kept for another algorithm."""
    if key.key_type not in KINDS[alg] or key.get("use", "enc") != "enc" or key.get("alg", alg) != alg:
        return False
    if "key_ops" in key.dict_value and not {"wrapKey", "deriveKey", "deriveBits", "encrypt"} & set(key.get("key_ops")):
        return False
    return key.raw_value.key_size >= SMALLEST if key.key_type == "RSA" else key.get("crv") in CURVES
