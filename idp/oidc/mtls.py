"""Client certificates: read from the header of the operator's reverse proxy, compared with what a client registered (RFC 8705).

TLS ends at the proxy. It asks for the client's certificate, verifies its chain for `tls_client_auth` and says so in a second
header, then passes the certificate: URL-encoded PEM (nginx, `$ssl_client_escaped_cert`) or `:base64:` (RFC 9440 section 2.2).
Both headers are read on connections that come from `MAG_TLS_PROXIES`, and from nowhere else.

Left out on purpose: verifying chains, dates and revocation again (the proxy's work), and the dates of self-signed certificates
(section 2.2 leans on the registered key, not on them).
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.config import Settings
from idp.errors import RefusedError
from idp.logs import logger
from idp.oidc.wire import Environ
from idp.seals import b64

LONGEST = 12 * 1024
"""Characters of the header."""
VERIFIED = ("SUCCESS", "0")
"""What nginx and Apache, and HAProxy, write of a chain that holds."""
NAMES = {
    "cn": NameOID.COMMON_NAME,
    "l": NameOID.LOCALITY_NAME,
    "st": NameOID.STATE_OR_PROVINCE_NAME,
    "o": NameOID.ORGANIZATION_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "c": NameOID.COUNTRY_NAME,
    "street": NameOID.STREET_ADDRESS,
    "dc": NameOID.DOMAIN_COMPONENT,
    "uid": NameOID.USER_ID,
    "sn": NameOID.SURNAME,
    "gn": NameOID.GIVEN_NAME,
    "title": NameOID.TITLE,
    "postalcode": NameOID.POSTAL_CODE,
    "serialnumber": NameOID.SERIAL_NUMBER,
    "emailaddress": NameOID.EMAIL_ADDRESS,
    "organizationidentifier": NameOID.ORGANIZATION_IDENTIFIER,
}
"""RFC 4514 section 3, then what `openssl x509 -nameopt RFC2253` writes of French and European certificates."""
ATTRIBUTE = re.compile(r"(^|(?<!\\)[,+])\s*([A-Za-z][A-Za-z0-9-]*)=")
UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""What the library raises of a certificate that it cannot read."""
KEYS: tuple[type[ECKey] | type[RSAKey] | type[OKPKey], ...] = (ECKey, RSAKey, OKPKey)
Subject = tuple[frozenset[tuple[str, str]], ...]


class SubjectError(RefusedError):
    """A `tls_client_auth_subject_dn` that is not the string of a name."""

    code = "nom_de_certificat"
    number = "M600002"
    remedy = "Partenaire : écrivez le nom du certificat comme la RFC 4514 le demande."


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of a connection. `verified`: the proxy followed its chain to an authority that the operator trusts."""

    der: bytes
    verified: bool

    @property
    def x5t(self) -> str:
        """RFC 8705 section 3.1."""
        return b64(sha256(self.der).digest())

    def has_name(self, kind: str, value: str) -> bool:
        """Section 2.1.2: the name that the client registered, `kind` being `subject_dn` or one of `san_…`."""
        held = _parsed(self.der)
        if kind == "subject_dn":
            return subject_of(held.subject) == read_subject(value)
        try:
            names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return False
        return _is_among(names, kind, value)

    def has_key_of(self, jwks: Iterable[Any]) -> bool:
        """Section 2.2.2: one of the client's keys; when that one comes with a certificate (`x5c`), this very certificate."""
        thumbprint = _key_thumbprint(self.der)
        return any(self._is_of(key) for key in jwks if thumbprint and key.thumbprint() == thumbprint)

    def _is_of(self, key: Any) -> bool:
        chain = key.as_dict(private=False).get("x5c")
        try:
            return not chain or b64decode(chain[0]) == self.der
        except (ValueError, TypeError, KeyError):
            return False


def _is_among(names: x509.SubjectAlternativeName, kind: str, value: str) -> bool:
    """Equal, but for the case of hosts (RFC 4343): no wildcard stands for a client."""
    if kind == "san_dns":
        return value.lower() in {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    if kind == "san_uri":
        return value in names.get_values_for_type(x509.UniformResourceIdentifier)
    if kind == "san_ip":
        try:
            return ip_address(value) in names.get_values_for_type(x509.IPAddress)
        except ValueError:
            return False
    return _mailbox(value) in map(_mailbox, names.get_values_for_type(x509.RFC822Name))


def _mailbox(address: str) -> tuple[str, str]:
    local, _, host = address.rpartition("@")
    return local, host.lower()


@lru_cache(maxsize=256)
def _parsed(der: bytes) -> x509.Certificate:
    """Raises what UNREADABLE lists: the library reads each part when it is asked, so all that is used is asked here."""
    found = x509.load_der_x509_certificate(der)
    _ = found.subject, found.extensions, found.public_key()
    return found


@lru_cache(maxsize=256)
def _key_thumbprint(der: bytes) -> str | None:
    """RFC 7638, of the key in a certificate; None for a kind of key that JOSE does not know."""
    pem = _parsed(der).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for kind in KEYS:
        try:
            return kind.import_key(pem).thumbprint()
        except (JoseError, ValueError, TypeError):
            continue
    return None


def subject_of(name: x509.Name) -> Subject:
    """Comparable: the order of relative names counts, that of the attributes of one does not (RFC 5280 section 7.1).

    Neither do case nor repeated spaces (RFC 4517 section 4.2.11).
    """
    return tuple(
        frozenset((attribute.oid.dotted_string, " ".join(str(attribute.value).casefold().split())) for attribute in relative)
        for relative in name.rdns
    )


@lru_cache(maxsize=1024)
def read_subject(text: str) -> Subject:
    """A name written as RFC 4514 says, names of attributes in any case, spaces after commas allowed. Raises SubjectError."""

    def dotted(found: re.Match[str]) -> str:
        oid = NAMES.get(found[2].lower())
        if oid is None:
            raise SubjectError(f"{found[2]} is not a known attribute")
        return f"{found[1]}{oid.dotted_string}="

    try:
        name = x509.Name.from_rfc4514_string(ATTRIBUTE.sub(dotted, text.strip()))
    except (ValueError, UnicodeError) as error:
        raise SubjectError(f"not the string of a name (RFC 4514): {error}") from None
    if not name.rdns:
        raise SubjectError("an empty name")
    return subject_of(name)


class Certificates:
    """Reads certificates from requests, for one process."""

    def __init__(self, settings: Settings) -> None:
        self.header, self.verified_header = (_variable(name) for name in (settings.tls_certificate_header, settings.tls_verified_header))
        self.proxies = [ip_network(network, strict=False) for network in settings.tls_proxies] if settings.trusted_proxies else []

    def of(self, environ: Environ) -> Certificate | None:
        """None without one; a header that anyone else wrote, or that cannot be read, is as if absent."""
        text = str(environ.get(self.header, "")) if self.header else ""
        if not text or not self._is_from_proxy(environ):
            return None
        try:
            der = read_certificate(text)
            _parsed(der)
        except UNREADABLE as error:
            logger.warning("client certificate cannot be read", extra={"fields": {"reason": type(error).__name__}})
            return None
        return Certificate(der, bool(self.verified_header) and environ.get(self.verified_header) in VERIFIED)

    def _is_from_proxy(self, environ: Environ) -> bool:
        try:
            address = ip_address(str(environ.get("REMOTE_ADDR", "")))
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.proxies)


def _variable(header: str) -> str:
    """The name of a header in WSGI (PEP 3333)."""
    return f"HTTP_{header.upper().replace('-', '_')}" if header else ""


def read_certificate(text: str) -> bytes:
    """DER of what the proxy wrote. Raises ValueError."""
    if len(text) > LONGEST or not text.isascii():
        raise ValueError("too long, or not ASCII")
    text = text.strip()
    if text.startswith(":") and text.endswith(":") and len(text) > 2:
        return b64decode(text[1:-1], validate=True)
    return x509.load_pem_x509_certificate(unquote_to_bytes(text)).public_bytes(Encoding.DER)
