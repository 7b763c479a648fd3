"""Debian's Apache with mod_auth_openidc: a site behind it signs in, reads claims in its headers, refreshes and signs out."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
import requests

from idp.database import db
from idp.habilitations import attribution, catalogue
from idp.habilitations.droits import Catalogue, Droit
from idp.habilitations.gesture import Gesture
from partners import onboarding
from tests import factories, services

pytestmark = pytest.mark.interop
MODULES = Path("/usr/lib/apache2/modules")


class Browser:
    """Cookies by origin, whatever their attributes: a browser trusts 127.0.0.1 with Secure cookies, `requests` does not."""

    def __init__(self) -> None:
        self.jars: dict[str, dict[str, str]] = {}

    def get(self, url: str, **options: Any) -> requests.Response:
        return self.request("GET", url, **options)

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        jar = self.jars.setdefault(urlsplit(url).netloc, {})
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        response = requests.request(method, url, headers=headers, allow_redirects=False, timeout=20, **options)
        for line in response.raw.headers.getlist("Set-Cookie"):
            name, _, value = line.split(";")[0].partition("=")
            ended = not value or "max-age=0" in line.lower() or "01 jan 1970" in line.lower()
            jar.pop(name, None) if ended else jar.__setitem__(name, value)
        return response

    def follow(self, url: str) -> requests.Response:
        """To the end of the redirects."""
        for _ in range(12):
            response = self.get(url)
            if response.status_code not in (301, 302, 303):
                return response
            url = urljoin(url, response.headers["Location"])
        raise AssertionError(f"too many redirects, at {url}")

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Send the first form of a page, and follow."""
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        assert action is not None, page.text
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        data = {name: unescape(value) for name, value in hidden} | fields
        response = self.request("POST", urljoin(page.url, unescape(action[1])), data=data)
        assert response.status_code == 303, response.text
        return self.follow(urljoin(page.url, response.headers["Location"]))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Apache's processes do not run as root: they must be able to enter."""
    found = Path(tempfile.mkdtemp(prefix="mag-httpd-"))
    found.chmod(0o755)
    (found / "site" / "prive").mkdir(parents=True)
    (found / "site" / "prive" / "page.txt").write_text("page privée\n")
    (found / "site" / "adieu.txt").write_text("au revoir\n")
    if os.geteuid() == 0:
        shutil.chown(found, "www-data", "www-data")
    yield found
    shutil.rmtree(found)


@pytest.fixture
def site(app: Any, live_server: Callable[..., str], start_process: Callable[..., services.Server], folder: Path) -> str:
    """A site that Apache protects, and its person with one right."""
    mag_port, port = services.free_port(), services.free_port()
    site = f"http://127.0.0.1:{port}"
    secret = register(app, site)
    issuer = f"http://127.0.0.1:{mag_port}"
    live_server(mag_port, MAG_ISSUER=issuer)
    account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    text = (Path(__file__).parent / "httpd.conf").read_text()
    filled = text.format(
        port=port, folder=folder, modules=MODULES, issuer=issuer, secret=secret, passphrase=secrets.token_hex(16), account=account
    )
    (folder / "httpd.conf").write_text(filled)
    start_process(["/usr/sbin/apache2", "-f", str(folder / "httpd.conf"), "-D", "FOREGROUND"], port)
    return site


def register(app: Any, site: str) -> str:
    """The client, the person and the right; the client's secret."""
    person = factories.un_declarant(app, nom="Lefèvre", prenom="Anne", email="anne@exemple.fr")
    with app.app_context():
        now, shipped = datetime.now(UTC), catalogue.parse(catalogue.shipped())
        catalogue.refresh(shipped, now)
        db.session.commit()
        gesture = Gesture(None, Catalogue.build(shipped.services, shipped.heritages), now)
        attribution.attribuer(gesture, person.id, int(factories.SIRET), "dsn", {Droit.DECLARER})
        owner = onboarding.register_partenaire("apache", "Site derrière Apache", None, now)
        metadata = {
            "client_name": "Site derrière Apache",
            "redirect_uris": [f"{site}/prive/retour"],
            "post_logout_redirect_uris": [f"{site}/adieu.txt"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email siret habilitations:dsn",
            "hab_flat": True,
        }
        _, secret = onboarding.register_client(owner, metadata, now, client_id="apache")
        db.session.commit()
    assert secret is not None
    return secret


def test_a_site_behind_apache_signs_in_refreshes_and_signs_out(site: str) -> None:
    browser = Browser()

    mire = browser.follow(f"{site}/prive/page.txt")
    assert "Site derrière Apache" in mire.text
    page = browser.submit(mire, siret=factories.SIRET, nom="lefevre", prenom="anne", password=factories.PASSWORD)

    assert (page.status_code, page.text) == (200, "page privée\n")
    assert page.headers["X-Claim-Siret"] == factories.SIRET
    assert page.headers["X-Claim-Email"] == "anne@exemple.fr"
    assert f"dsn:declarer:{factories.SIRET}" in page.headers["X-Claim-Habilitations"]

    before = browser.get(f"{site}/prive/retour?info=json").json()
    here = quote(f"{site}/prive/page.txt", safe="")
    refreshed = browser.follow(f"{site}/prive/retour?refresh={here}&access_token={quote(before['access_token'], safe='')}")
    after = browser.get(f"{site}/prive/retour?info=json").json()
    assert refreshed.status_code == 200
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["userinfo"]["sub"] == before["userinfo"]["sub"]

    farewell = browser.follow(f"{site}/prive/retour?logout={quote(f'{site}/adieu.txt', safe='')}")
    assert farewell.text == "au revoir\n"
    assert "Site derrière Apache" in browser.follow(f"{site}/prive/page.txt").text
