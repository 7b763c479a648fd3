"""Debian's Apache with mod_auth_mellon (lasso, libxmlsec1): SAML sign-on and sign-out both ways, encrypted, over a change of MAG's key."""

import os
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from idp.config import Settings
from idp.database import db
from idp.saml import keyring
from partners import onboarding as partenaires
from partners.saml import onboarding
from tests import factories, services
from tests.conftest import composed
from tests.interop.conftest import IDENTITY
from tests.interop.person import Browser
from tests.saml import Site

pytestmark = pytest.mark.interop
MODULES = Path("/usr/lib/apache2/modules")


class Apache(Site):
    """A site whose endpoints are mellon's."""

    port = 0

    @property
    def host(self) -> str:  # type: ignore[override]
        return f"http://127.0.0.1:{self.port}"

    def metadata(self, *args: Any, **options: Any) -> bytes:
        text = super().metadata(*args, **options).replace(b"/saml/acs", b"/mellon/postResponse")
        return text.replace(b"/saml/slo", b"/mellon/logout").replace(b"/saml/metadata", b"/mellon/metadata")


@pytest.fixture(scope="module")
def site() -> Apache:
    found = Apache("apache")
    found.port = services.free_port()
    return found


@pytest.fixture(scope="module")
def kept() -> list[Settings]:
    """The settings of the served MAG, for who changes its registry meanwhile."""
    return []


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str], site: Apache, kept: list[Settings]) -> str:
    def more(doors: Any) -> None:
        mag, now = doors.mag, datetime.now(UTC)
        kept.append(mag.settings)
        keyring.initialise(mag.keyring, mag.settings, now)
        owner = partenaires.register_partenaire("mellon", "Site derrière Apache", None, now)
        choices = {"scope": ["profile", "email", "siret", "habilitations:dsn"], "idp_initiated": True}
        onboarding.register(mag.settings, owner, site.code, owner.nom, site.metadata(), choices, now)

    return serve("postgresql", {}, more=more)


@pytest.fixture
def change(kept: list[Settings]) -> Iterator[Callable[[Callable[[Any], None]], None]]:
    """`change(act)`: what an operator does while MAG serves."""
    with composed(kept[0]) as doors:

        def run(act: Callable[[Any], None]) -> None:
            with doors.flask.app_context():
                act(doors.mag)
                db.session.commit()

        yield run


@pytest.fixture
def apache(issuer: str, site: Apache, folder: Path, start_process: Callable[..., services.Server]) -> str:
    """The site's origin."""
    private = site.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (folder / "sp.key").write_bytes(private)
    (folder / "sp.pem").write_bytes(x509.load_der_x509_certificate(site.certificate).public_bytes(serialization.Encoding.PEM))
    (folder / "sp.xml").write_bytes(site.metadata())
    (folder / "mag.xml").write_bytes(requests.get(f"{issuer}/saml/metadata", timeout=10).content)
    account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    text = (Path(__file__).parent / "mellon.conf").read_text("utf-8")
    (folder / "httpd.conf").write_text(text.format(port=site.port, folder=folder, modules=MODULES, account=account), "utf-8")
    start_process(["/usr/sbin/apache2", "-f", str(folder / "httpd.conf"), "-D", "FOREGROUND"], site.port)
    return site.host


def sign_in(browser: Browser, apache: str) -> requests.Response:
    """The private page, by the mire."""
    mire = browser.follow(f"{apache}/prive/page.txt")
    assert "Site derrière Apache" in mire.text
    return browser.submit(browser.submit(mire, **IDENTITY))


def is_in(browser: Browser, apache: str) -> bool:
    return browser.get(f"{apache}/prive/page.txt").status_code == 200


def test_a_site_behind_mellon_signs_in_and_out(apache: str, issuer: str, folder: Path) -> None:
    browser = Browser()
    page = sign_in(browser, apache)

    assert (page.status_code, page.text) == (200, "page privée\n"), (folder / "error.log").read_text()
    assert page.headers["X-Siret"] == factories.SIRET
    assert page.headers["X-Email"] == "anne@exemple.fr"
    assert page.headers["X-Habilitations"] == f"dsn:declarer:{factories.SIRET}"
    assert page.headers["X-Name"].startswith("_")  # mellon asks for a transient identifier unless told otherwise

    left = browser.follow(f"{apache}/mellon/logout?ReturnTo={apache}/adieu.txt")
    assert left.text == "au revoir\n", (folder / "error.log").read_text()
    assert not is_in(browser, apache)
    assert "Site derrière Apache" in browser.follow(f"{apache}/prive/page.txt").text


def test_mag_begins_and_mag_signs_out(apache: str, issuer: str, folder: Path) -> None:
    browser = Browser()
    page = browser.submit(browser.submit(browser.follow(f"{issuer}/saml/vers/apache"), **IDENTITY))
    assert page.text == "page privée\n", (folder / "error.log").read_text()

    leaving = browser.submit(browser.follow(f"{issuer}/"), to="/deconnexion")
    onward = unescape(leaving.text.partition('id="retour"')[2].partition('href="')[2].partition('"')[0])
    assert onward.startswith(f"{apache}/mellon/logout?SAMLRequest=")
    end = browser.follow(onward)
    assert "Site prévenu" in end.text, end.text
    assert "pas confirmé" not in end.text
    assert not is_in(browser, apache)


def is_encrypted(browser: Browser, issuer: str) -> bool:
    """What MAG would send to the site now."""
    page = browser.follow(f"{issuer}/saml/vers/apache")
    return b"EncryptedAssertion" in b64decode(page.text.partition('name="SAMLResponse" value="')[2].partition('"')[0])


def certificates(issuer: str) -> set[str]:
    return set(re.findall(r"<ds:X509Certificate>([^<]+)<", requests.get(f"{issuer}/saml/metadata", timeout=10).text))


def test_assertions_are_encrypted_and_a_new_key_signs_without_a_stop(
    apache: str, issuer: str, change: Callable[[Callable[[Any], None]], None], folder: Path
) -> None:
    """A change is seen by the processes that serve within a second."""
    browser, before = Browser(), certificates(issuer)
    assert sign_in(browser, apache).text == "page privée\n", (folder / "error.log").read_text()
    assert not is_encrypted(browser, issuer)
    change(lambda mag: onboarding.choose(onboarding.provider_named("apache"), None, {"encrypt": True}, datetime.now(UTC)))
    services.until(lambda: is_encrypted(browser, issuer), "encrypted assertions")
    assert sign_in(Browser(), apache).text == "page privée\n", (folder / "error.log").read_text()

    change(lambda mag: keyring.rotate(mag.keyring, mag.settings, "RS256", datetime.now(UTC), emergency=True) and None)
    services.until(lambda: certificates(issuer) - before, "a new certificate")
    assert sign_in(Browser(), apache).text == "page privée\n", (folder / "error.log").read_text()
