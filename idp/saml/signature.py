"""Signatures: made of our responses, verified of service providers' messages; certificates and keys read.

Made here on the one form that SAML core section 5.4 allows (one Reference to the element's ID, enveloped, exclusive
canonicalisation), canonicalised by libxml2 and signed by OpenSSL. Verified by signxml on a closed list of algorithms, after what
it does not refuse is refused here; what it answers is the element that was signed, and nothing else of the message is used.
KeyInfo is never read: the key is one that was registered. Left out on purpose: SHA-1, HMAC, DSA, XPath, XSLT, external references.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from lxml import etree

from idp.saml.errors import MessageRefusedError
from idp.saml.reading import every, one
from idp.saml.vocabulary import DS, ECDSA_SHA256, ENVELOPED, EXCLUSIVE, RSA_SHA256, SHA256, Element, child, named

if TYPE_CHECKING:
    from signxml.verifier import SignatureConfiguration

SMALLEST_RSA = 2048
METHODS = {
    **{RSA_SHA256: hashes.SHA256(), RSA_SHA256[:-3] + "384": hashes.SHA384(), RSA_SHA256[:-3] + "512": hashes.SHA512()},
    **{ECDSA_SHA256: hashes.SHA256(), ECDSA_SHA256[:-3] + "384": hashes.SHA384(), ECDSA_SHA256[:-3] + "512": hashes.SHA512()},
}
"""What a message may be signed with."""
DIGESTS = (SHA256, "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512")
TRANSFORMS = (ENVELOPED, EXCLUSIVE)
CERTIFIED_FOR = timedelta(days=3 * 365)
"""How long a certificate of ours may be used."""


# -------------------------------------------------------------------------------------------------------- keys and certificates


def read_certificate(der: bytes) -> x509.Certificate:
    """Of a key that is strong enough. Raises ValueError."""
    found = x509.load_der_x509_certificate(der)
    key = found.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA:
        return found
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return found
    raise ValueError("neither RSA of 2048 bits or more, nor a curve of the NIST")


def read_pem(pem: bytes) -> bytes:
    """A certificate that an operator gives, in DER. Raises MessageRefusedError."""
    try:
        der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        read_certificate(der)
    except ValueError as error:
        raise MessageRefusedError(
            f"certificate: {error}", public="Ce fichier ne contient pas de certificat X.509 utilisable (PEM)."
        ) from None
    return der


def is_rsa(der: bytes) -> bool:
    """Whether its key can encrypt."""
    return isinstance(x509.load_der_x509_certificate(der).public_key(), rsa.RSAPublicKey)


def validity(der: bytes) -> tuple[datetime, datetime]:
    found = x509.load_der_x509_certificate(der)
    return found.not_valid_before_utc, found.not_valid_after_utc


def fingerprint(der: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(der).hexdigest()


def make_pair(alg: str, name: str, now: datetime) -> tuple[bytes, bytes]:
    """A new private key and its self-signed certificate, in DER. SAML reads the key there, and nothing else (metadata interoperability)."""
    private: Any = rsa.generate_private_key(65537, 3072) if alg == "RS256" else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    start = now - timedelta(hours=1)
    built = x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number(), start, now + CERTIFIED_FOR)
    certificate = built.sign(private, hashes.SHA256())
    pkcs8 = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pkcs8, certificate.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class Signer:
    """One private key of ours, parsed once, and its certificate."""

    alg: str
    key: Any
    certificate: bytes

    @classmethod
    def load(cls, alg: str, pkcs8: bytes, certificate: bytes) -> "Signer":
        return cls(alg, serialization.load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True), certificate)

    @property
    def method(self) -> str:
        return RSA_SHA256 if self.alg == "RS256" else ECDSA_SHA256

    def sign(self, message: bytes) -> bytes:
        """As XML Signature 1.1 sections 6.4.2 and 6.4.3 write it: of ECDSA, R and S one after the other."""
        if self.alg == "RS256":
            return bytes(self.key.sign(message, padding.PKCS1v15(), hashes.SHA256()))
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


# ------------------------------------------------------------------------------------------------------------- made


def canonical(element: Element) -> bytes:
    return bytes(etree.tostring(element, method="c14n", exclusive=True, with_comments=False))


def sign_element(element: Element, signer: Signer, after: int) -> None:
    """An enveloped signature as the child number `after` of an element that bears an `ID` (core section 5.4)."""
    digest = base64.b64encode(hashlib.sha256(canonical(element)).digest()).decode()
    signature = etree.Element(named("ds:Signature"), {}, {"ds": DS})
    info = child(signature, "ds:SignedInfo")
    child(info, "ds:CanonicalizationMethod", None, Algorithm=EXCLUSIVE)
    child(info, "ds:SignatureMethod", None, Algorithm=signer.method)
    reference = child(info, "ds:Reference", None, URI=f"#{element.get('ID')}")
    transforms = child(reference, "ds:Transforms")
    for transform in TRANSFORMS:
        child(transforms, "ds:Transform", None, Algorithm=transform)
    child(reference, "ds:DigestMethod", None, Algorithm=SHA256)
    child(reference, "ds:DigestValue", digest)
    child(signature, "ds:SignatureValue", base64.b64encode(signer.sign(canonical(info))).decode())
    key_info(signature, signer.certificate)
    element.insert(after, signature)


def key_info(parent: Element, certificate: bytes) -> Element:
    """Which certificate: for whoever has several of ours."""
    made = child(parent, "ds:KeyInfo")
    child(child(made, "ds:X509Data"), "ds:X509Certificate", base64.b64encode(certificate).decode())
    return made


def sign_query(query: str, signer: Signer) -> str:
    """Bindings section 3.4.4.1: the algorithm joins the query, the signature is of the very characters that are sent."""
    signed = f"{query}&SigAlg={quote_plus(signer.method)}"
    return f"{signed}&Signature={quote_plus(base64.b64encode(signer.sign(signed.encode())).decode())}"


# ---------------------------------------------------------------------------------------------------------- verified


@lru_cache(maxsize=256)
def _certificate(der: bytes) -> x509.Certificate:
    return read_certificate(der)


def is_signed(root: Element) -> bool:
    """Whether a signature stands anywhere in the message."""
    return next(root.iter(named("ds:Signature")), None) is not None


def verify_element(root: Element, certificates: Sequence[bytes]) -> Element:
    """The element that one of these keys signed, which is the whole message. Raises MessageRefusedError."""
    from signxml.exceptions import SignXMLException
    from signxml.verifier import XMLVerifier

    _check_form(root)
    for der in certificates:
        try:
            found: Any = XMLVerifier().verify(root, x509_cert=_certificate(der), id_attribute="ID", expect_config=_expected())
        except (SignXMLException, InvalidSignature, ValueError, etree.LxmlError):
            continue
        signed: Element | None = found.signed_xml
        if signed is not None and signed.tag == root.tag and signed.get("ID") == root.get("ID"):
            return signed
    raise MessageRefusedError("the signature is of no registered key")


@cache
def _expected() -> "SignatureConfiguration":
    """What signxml verifies: loaded with the first message that is signed."""
    from signxml.algorithms import DigestAlgorithm, SignatureMethod
    from signxml.verifier import SignatureConfiguration

    return SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=frozenset(SignatureMethod(method) for method in METHODS),
        digest_algorithms=frozenset(DigestAlgorithm(digest) for digest in DIGESTS),
        ignore_ambiguous_key_info=True,
    )


def _check_form(root: Element) -> None:
    """SAML core section 5.4, and what lets something else than the message be signed (XSW)."""
    signatures = list(root.iter(named("ds:Signature")))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise MessageRefusedError("not exactly one signature, of the message itself")
    (signature,) = signatures
    if [etree.QName(part).localname for part in signature][:2] != ["SignedInfo", "SignatureValue"]:
        raise MessageRefusedError("a signature of another form")
    if any(True for _ in root.iter(named("ds:Object"), named("ds:Manifest"), named("ds:RetrievalMethod"))):
        raise MessageRefusedError("a signature that holds objects")
    info = one(signature, "ds:SignedInfo")
    reference = one(info, "ds:Reference") if info is not None else None
    if info is None or reference is None:
        raise MessageRefusedError("a signature without a reference")
    if not root.get("ID") or reference.get("URI") != f"#{root.get('ID')}":
        raise MessageRefusedError("the signature is of something else than the message")
    _check_algorithms(info, reference)


def _check_algorithms(info: Element, reference: Element) -> None:
    transforms = one(reference, "ds:Transforms")
    used = [one_.get("Algorithm") for one_ in every(transforms, "ds:Transform")] if transforms is not None else []
    if tuple(used) != TRANSFORMS:
        raise MessageRefusedError("transforms other than enveloped and exclusive canonicalisation")
    expected = {"ds:CanonicalizationMethod": (EXCLUSIVE,), "ds:SignatureMethod": tuple(METHODS)}
    for name, allowed in expected.items():
        _check_algorithm(one(info, name), allowed, name)
    _check_algorithm(one(reference, "ds:DigestMethod"), DIGESTS, "ds:DigestMethod")


def _check_algorithm(element: Element | None, allowed: Iterable[str], name: str) -> None:
    algorithm = "" if element is None else element.get("Algorithm", "")
    if algorithm not in allowed:
        raise MessageRefusedError(f"{name} is {algorithm or 'absent'}")


def verify_octets(signed: bytes, method: str, signature: bytes, certificates: Sequence[bytes]) -> None:
    """Of the Redirect binding. Raises MessageRefusedError."""
    if method not in METHODS:
        raise MessageRefusedError(f"SigAlg is {method or 'absent'}")
    for der in certificates:
        key = _certificate(der).public_key()
        try:
            if isinstance(key, rsa.RSAPublicKey) and "#rsa-" in method:
                key.verify(signature, signed, padding.PKCS1v15(), METHODS[method])
                return
            if isinstance(key, ec.EllipticCurvePublicKey) and "#ecdsa-" in method:
                half = len(signature) // 2
                pair = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
                key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(METHODS[method]))
                return
        except (InvalidSignature, ValueError):
            continue
    raise MessageRefusedError("the signature is of no registered key")
