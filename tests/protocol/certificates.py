"""Certificates of partners for tests, and what a reverse proxy says of the connections that present them."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, RSAKey

from idp.seals import b64

PROXY = "10.0.0.7"
HEADER, VERIFIED = "HTTP_X_CLIENT_CERT", "HTTP_X_CLIENT_VERIFY"
SETTINGS: dict[str, Any] = {
    "trusted_proxies": 1,
    "tls_proxies": ("10.0.0.0/24",),
    "tls_certificate_header": "X-Client-Cert",
    "tls_verified_header": "X-Client-Verify",
}
SUBJECT = ((NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "Éditeur, SARL"), (NameOID.COMMON_NAME, "Paie en ligne"))
ALTERNATIVES = (
    x509.DNSName("paie.exemple.fr"),
    x509.UniformResourceIdentifier("https://paie.exemple.fr/client"),
    x509.IPAddress(ip_address("192.0.2.7")),
    x509.RFC822Name("paie@exemple.fr"),
)


class Held:
    """A key and its certificate, self-signed: who signed it is the proxy's affair."""

    def __init__(self, *relative: x509.RelativeDistinguishedName, rsa_key: bool = False, expired: bool = False) -> None:
        self.private: Any = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(relative or [x509.NameAttribute(oid, value) for oid, value in SUBJECT])
        end = datetime.now(UTC) + timedelta(days=-1 if expired else 30)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=60))
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(ALTERNATIVES), critical=False)
            .sign(self.private, hashes.SHA256())
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def x5t(self) -> str:
        return b64(self.certificate.fingerprint(hashes.SHA256()))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, as a client registers it."""
        pem = self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        kind = RSAKey if isinstance(self.private, rsa.RSAPrivateKey) else ECKey
        return dict(kind.import_key(pem).as_dict(private=False)) | {"kid": self.x5t}

    def connection(self, verified: str = "SUCCESS", **changes: str | None) -> dict[str, str]:
        """What nginx passes on: `$ssl_client_escaped_cert` and `$ssl_client_verify`."""
        environ = {"REMOTE_ADDR": PROXY, HEADER: quote(self.pem), VERIFIED: verified, **changes}
        return {name: value for name, value in environ.items() if value is not None}


@lru_cache(maxsize=1)
def held() -> Held:
    """One for tests that do not care which."""
    return Held()
