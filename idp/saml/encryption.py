"""Encrypted assertions: AES-256-GCM under a key that RSA-OAEP wraps (XML Encryption 1.1 sections 5.2.4 and 5.5.2, SAML core section 6).

ours: OAEP with SHA-256 where the service provider's metadata announce it, else with SHA-1, which XML Encryption requires of
everybody and which asks nothing of its collisions. Left out on purpose: CBC (padding oracles) and PKCS #1 v1.5, never sent.
"""

import base64
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.saml.signature import canonical
from idp.saml.vocabulary import DS, SHA256, XENC, XENC11, Element, child, root

OAEP, OAEP_11 = XENC + "rsa-oaep-mgf1p", XENC11 + "rsa-oaep"
GCM = {16: XENC11 + "aes128-gcm", 32: XENC11 + "aes256-gcm"}
KEY, NONCE = 32, 12
"""Bytes."""


def encrypted(assertion: Element, certificate: bytes, method: str) -> Element:
    """A `saml:EncryptedAssertion` that the holder of the certificate's key alone reads. Raises ValueError for a key that is not RSA."""
    public = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")
    key, nonce = os.urandom(KEY), os.urandom(NONCE)
    cipher = nonce + AESGCM(key).encrypt(nonce, canonical(assertion), None)
    made = root("saml:EncryptedAssertion", {}, "saml")
    data = child(made, "xenc:EncryptedData", None, Type=XENC + "Element")
    child(data, "xenc:EncryptionMethod", None, Algorithm=GCM[KEY])
    wrapped = child(child(data, "ds:KeyInfo"), "xenc:EncryptedKey")
    child(child(wrapped, "xenc:EncryptionMethod", None, Algorithm=method), "ds:DigestMethod", None, Algorithm=_digest(method))
    if method == OAEP_11:
        child(wrapped[0], "xenc11:MGF", None, Algorithm=XENC11 + "mgf1sha256")
    _ciphered(wrapped, public.encrypt(key, _padding(method)))
    _ciphered(data, cipher)
    return made


def _ciphered(parent: Element, value: bytes) -> None:
    child(child(parent, "xenc:CipherData"), "xenc:CipherValue", base64.b64encode(value).decode())


def _digest(method: str) -> str:
    return SHA256 if method == OAEP_11 else DS + "sha1"


def _padding(method: str) -> padding.OAEP:
    digest = hashes.SHA256() if method == OAEP_11 else hashes.SHA1()  # noqa: S303  # OAEP does not rest on collisions
    return padding.OAEP(padding.MGF1(digest), digest, None)
