"""Metadata that a service provider publishes: registered from an address, read again by hand and by the watch, under a pinned signature."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.config import Settings
from idp.database import db
from idp.saml.signature import sign_element
from partners.saml.models import FournisseurDeService
from tests.saml import KEYS, Site

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SITE, THIEF = Site("publie"), Site("publie", key=KEYS[1])


def signed(change: Callable[[bytes], bytes] = bytes, by: Site = SITE) -> bytes:
    document = etree.fromstring(change(SITE.metadata(head='ID="_m"')))
    sign_element(document, by.signer, 0)
    return etree.tostring(document)


class Shelf:
    """The server of a site: what it answers, `published`; None for a failure."""

    def __init__(self) -> None:
        self.published: bytes | None = signed()
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = shelf.published
                self.send_response(503 if body is None else 200)
                self.send_header("Content-Type", "application/samlmetadata+xml")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/saml/metadata"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    found = Shelf()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, outgoing_hosts=("127.0.0.1",))


@pytest.fixture
def mag(app: Any) -> Callable[..., Result]:
    def run(*words: Any) -> Result:
        return app.test_cli_runner().invoke(args=["saml", *map(str, words)])  # type: ignore[no-any-return]

    made = app.test_cli_runner().invoke(args=["partenaires", "inscrire", "essai", "--nom", "Essai", "--contact", "contact@essai.fr"])
    assert made.exit_code == 0
    return run


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    found = tmp_path / "signature.pem"
    found.write_bytes(x509.load_der_x509_certificate(SITE.certificate).public_bytes(Encoding.PEM))
    return found


def second_address(app: Any) -> str:
    with app.app_context():
        return str(db.session.scalars(select(FournisseurDeService)).one().described["acs"][1][1])


def test_what_is_published_is_believed_under_the_pinned_signature_alone(
    app: Any, mag: Callable[..., Result], shelf: Shelf, pinned: Path
) -> None:
    """Changed, signed by somebody else, out of reach: each day, one passage."""
    shelf.published = signed(by=THIEF)
    assert "mal signées" in mag("inscrire", "essai", "publie", "--url", shelf.url, "--certificat", pinned).output
    shelf.published = signed()
    assert "publie inscrit" in mag("inscrire", "essai", "publie", "--url", shelf.url, "--certificat", pinned).output
    assert f"à {shelf.url}" in mag("montrer", "publie").output
    assert "1 relues, 0 changées" in mag("entretenir").output

    shelf.published = signed(lambda raw: raw.replace(b"acs/2", b"acs/3"))
    assert "1 relues, 1 changées" in mag("entretenir").output
    assert second_address(app).endswith("/acs/3")

    shelf.published = signed(lambda raw: raw.replace(b"acs/2", b"voleur"), by=THIEF)
    stolen = mag("entretenir")
    assert "0 relues, 0 changées" in stolen.output
    assert "publie : Métadonnées illisibles ou mal signées" in stolen.output
    assert "mal signées" in mag("relire", "publie").output

    shelf.published = None
    assert "publie : " in mag("entretenir").output
    assert mag("relire", "publie").exit_code != 0
    assert second_address(app).endswith("/acs/3")
    with app.app_context():
        told = [event.details["change"] for event in db.session.scalars(select(AuditEvent).filter_by(kind="ProviderChanged"))]
    assert told == ["registered", "read"]


def test_metadata_that_may_no_longer_serve_change_nothing_and_the_others_are_read(
    app: Any, mag: Callable[..., Result], shelf: Shelf, pinned: Path, tmp_path: Path
) -> None:
    """Well signed, but without the key that its encrypted assertions need: refused once half was written, and taken back."""
    mag("inscrire", "essai", "publie", "--url", shelf.url, "--certificat", pinned, "--chiffrer")
    (tmp_path / "zeste.xml").write_bytes(Site("zeste", days=40).metadata())
    mag("inscrire", "essai", "zeste", "--fichier", tmp_path / "zeste.xml")
    with app.app_context():
        before = db.session.get_one(FournisseurDeService, "publie").read_at
    shelf.published = signed(lambda raw: raw.replace(b"<md:KeyDescriptor>", b'<md:KeyDescriptor use="signing">'))
    done = mag("entretenir").output

    assert "0 relues, 0 changées, 1 partenaires prévenus" in done
    assert "publie : Pour chiffrer, il faut un certificat RSA" in done
    with app.app_context():
        kept = db.session.get_one(FournisseurDeService, "publie")
        assert (kept.read_at, bool(kept.described["encryption"])) == (before, True)


def test_without_a_pinned_certificate_the_watch_reads_nothing_again(app: Any, mag: Callable[..., Result], shelf: Shelf) -> None:
    assert "publie inscrit" in mag("inscrire", "essai", "publie", "--url", shelf.url).output
    shelf.published = SITE.metadata().replace(b"acs/2", b"acs/3")
    assert "0 relues" in mag("entretenir").output
    assert second_address(app).endswith("/acs/2")
    assert "métadonnées changées" in mag("relire", "publie").output, "an operator's hand does"
    assert second_address(app).endswith("/acs/3")
