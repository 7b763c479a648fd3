"""MAG and partners' sites over TLS, in this process, for a whole file: Safari's engine keeps no `Secure` cookie without it."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests.adapters
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idp.config import Settings
from idp.database import db
from idp.seals import digest
from partners import onboarding
from tests import services
from tests.browser.widget_scene import Site
from tests.conftest import QUICK_HASH, SECRETS, composed
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant
from tests.journeys.portal import listening

SECRET = "secret-du-portail-0123456789-abcdefghij"


def certify(folder: Path) -> tuple[Path, Path]:
    """A certificate that vouches for itself, for localhost and every name under it, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mag.localhost")])
    now, hosts = datetime.now(UTC), ("localhost", *(f"{one}.localhost" for one in ("mag", "portail-a", "portail-b")))
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = (
        made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*formats))
    return certificate, private


@dataclass
class Scene:
    """MAG, two partners, and somebody who has an identity."""

    doors: Any
    folder: Path
    tls: ssl.SSLContext
    stack: ExitStack
    sites: dict[str, Site] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return str(self.doors.mag.settings.issuer)

    def open(self, name: str) -> Site:
        """A partner's site, registered and served."""
        site = self.sites[name] = Site(name, self.issuer, scheme="https")
        with self.doors.flask.app_context():
            partenaire = onboarding.register_partenaire(name, f"Portail {name.upper()}", None, datetime.now(UTC))
            hashes_of = [digest(SECRET + name)]
            onboarding.register_client(partenaire, site.metadata, datetime.now(UTC), client_id=name, secret_hashes=hashes_of)
            db.session.commit()
        self.doors.mag.versions.refresh()
        secret = SECRET + name
        self.stack.enter_context(listening(site.application(secret, self.folder / f"{name}.sqlite3"), site.port, self.tls))
        return site

    def sign_in(self, driver: Any) -> None:
        """At MAG's own page, where the driver must be."""
        driver.arrive(f"{self.issuer}/connexion")
        for name, text in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
            driver.fill(f"#{name}", text)
        driver.click("#identification button[type=submit]")


@contextmanager
def scene(database_url: str, folder: Path) -> Iterator[Scene]:
    """On SQLite, with both partners open."""
    files, port = certify(folder), services.free_port()
    settings = Settings(
        issuer=f"https://mag.localhost:{port}", secrets=SECRETS, database_url=database_url, extra_ca=str(files[0]), **QUICK_HASH
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*files)
    with pytest.MonkeyPatch.context() as patched, ExitStack() as stack:
        patched.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(files[0]))
        doors = stack.enter_context(composed(settings))
        un_declarant(doors.flask)
        stack.enter_context(listening(doors, port, tls))
        found = Scene(doors, folder, tls, stack)
        found.open("portail-a")
        found.open("portail-b")
        yield found
