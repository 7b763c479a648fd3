"""Answers encrypted for one client: JWE under a key it published (RFC 7516, RFC 7518 sections 4 and 5).

What is signed is signed first and encrypted after (OpenID Connect Core section 10.2). When the client asked for encryption and
its key cannot be had, nothing leaves: never plaintext instead.
"""

from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError

from idp.errors import MagError
from idp.oidc.client import CONTENT_ENCS, KEY_ALGS, Client, Encryption
from idp.oidc.client_auth import Clients

KINDS = {"ECDH-ES": ("EC", "OKP"), "RSA-OAEP-256": ("RSA",), "RSA-OAEP": ("RSA",)}
CURVES = ("P-256", "P-384", "P-521", "X25519")
"""RFC 7518 section 6.2.1.1, RFC 8037 section 3.2; Ed25519 only signs."""
SMALLEST = 2048
"""Bits of an RSA key (RFC 7518 section 4.3)."""


class NoClientKeyError(MagError):
    """The keys of the client cannot be read, or none of them fits: machines read `temporarily_unavailable`."""

    code = "cle_du_client"
    number = "M500005"
    remedy = "Partenaire : publiez une clé de chiffrement (use enc, ou sans use) du type que vos métadonnées demandent."
    status = 503
    title = "Service indisponible"
    public = "Le site d'où vous venez demande une réponse chiffrée, mais sa clé est introuvable. Réessayez, ou prévenez son assistance."
    retry_after = 30


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
            raise NoClientKeyError(f"{client.client_id}: {wanted.alg}: {type(error).__name__}") from None

    def _key(self, client: Client, wanted: Encryption) -> Any:
        """The first that says it encrypts, else the first that says nothing."""
        keys = self.clients.keys(client, None)
        fitting = [key for key in keys.keys if fits(key, wanted.alg)] if keys else []
        if not fitting:
            raise NoClientKeyError(f"{client.client_id}: {wanted.alg}: {'no key fits' if keys else 'no key can be read'}")
        return min(fitting, key=lambda key: key.get("use") != "enc")


def fits(key: Any, alg: str) -> bool:
    """RFC 7517 sections 4.2 to 4.4: of the right kind, for encryption or for anything, and not kept for another algorithm."""
    if key.key_type not in KINDS[alg] or key.get("use", "enc") != "enc" or key.get("alg", alg) != alg:
        return False
    if "key_ops" in key.dict_value and not {"wrapKey", "deriveKey", "deriveBits", "encrypt"} & set(key.get("key_ops")):
        return False
    return key.raw_value.key_size >= SMALLEST if key.key_type == "RSA" else key.get("crv") in CURVES
