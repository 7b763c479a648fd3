"""Debian's Apache with mod_auth_openidc 2.4.12: a site behind it signs in, reads claims in its headers, refreshes and signs out.

That version does not push its requests, nor prove a key by DPoP: later ones do.
"""

import json
import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from joserfc.jwk import RSAKey

from tests import factories, services
from tests.interop.conftest import IDENTITY, secret_of
from tests.interop.person import Browser

pytestmark = pytest.mark.interop
MODULES = Path("/usr/lib/apache2/modules")
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
REQUEST = ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method"]
"""What the signed request repeats."""
PATIENCE = 10
"""Seconds."""


def certificate() -> bytes:
    """Of KEY, in PEM: the module reads its public key there."""
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site.test")]), datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, KEY.public_key, x509.random_serial_number(), now, now + timedelta(days=1))
    return built.sign(KEY.private_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str], port: int) -> str:
    """MAG, told of the sites that Apache will protect at one port."""
    common = {
        "client_name": "Site derrière Apache",
        "redirect_uris": [f"http://127.0.0.1:{port}/prive/retour"],
        "post_logout_redirect_uris": [f"http://127.0.0.1:{port}/adieu.txt"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email siret habilitations:dsn",
        "hab_flat": True,
    }
    proved = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.as_dict(private=False)]},
        "require_signed_request_object": True,
        "backchannel_logout_uri": f"http://127.0.0.1:{port}/prive/retour?logout=backchannel",
    }
    return serve("postgresql", {"secret": common, "cle": {**common, **proved}}, MAG_OUTGOING_HOSTS=f"127.0.0.1:{port}")


@pytest.fixture(scope="module")
def port() -> int:
    return services.free_port()


@pytest.fixture
def apache(issuer: str, port: int, folder: Path, start_process: Callable[..., services.Server]) -> Callable[..., str]:
    """`apache("secret", *lines)`: a site of that client; its origin."""

    def start(client_id: str, *lines: str) -> str:
        account = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        values = {"port": port, "folder": folder, "modules": MODULES, "issuer": issuer, "client_id": client_id, "account": account}
        text = (Path(__file__).parent / "httpd.conf").read_text()
        (folder / "httpd.conf").write_text(text.format(**values, authentication="\n".join(lines), passphrase=secrets.token_hex(16)))
        start_process(["/usr/sbin/apache2", "-f", str(folder / "httpd.conf"), "-D", "FOREGROUND"], port)
        return f"http://127.0.0.1:{port}"

    return start


def test_a_site_behind_apache_signs_in_refreshes_and_signs_out(apache: Callable[..., str]) -> None:
    site = apache("secret", f"OIDCClientSecret {secret_of('secret')}", "OIDCProviderTokenEndpointAuth client_secret_basic")
    browser = Browser()

    mire = browser.follow(f"{site}/prive/page.txt")
    assert "Site derrière Apache" in mire.text
    page = browser.submit(mire, **IDENTITY)

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


def test_a_site_behind_apache_signs_its_requests_and_is_told_of_a_sign_out(apache: Callable[..., str], folder: Path, issuer: str) -> None:
    """`private_key_jwt`, a signed request object, and back-channel logout: another sign-out of the same person ends the session here."""
    (folder / "cle.pem").write_bytes(KEY.as_pem(private=True))
    (folder / "certificat.pem").write_bytes(certificate())
    signed = {"crypto": {"sign_alg": "RS256"}, "request_object_type": "request", "copy_from_request": REQUEST}
    site = apache(
        "cle",
        f"OIDCPublicKeyFiles k1#{folder}/certificat.pem",
        f"OIDCPrivateKeyFiles k1#{folder}/cle.pem",
        "OIDCProviderTokenEndpointAuth private_key_jwt",
        f"OIDCRequestObject {json.dumps(json.dumps(signed))}",
    )
    browser = Browser()
    page = browser.submit(browser.follow(f"{site}/prive/page.txt"), **IDENTITY)
    assert (page.status_code, page.headers["X-Claim-Siret"]) == (200, factories.SIRET)

    accueil = browser.follow(f"{issuer}/")
    browser.submit(accueil, f"{issuer}/", to="/deconnexion")
    deadline = time.monotonic() + PATIENCE
    while browser.get(f"{site}/prive/page.txt").status_code == 200:
        assert time.monotonic() < deadline, "Apache was not told"
