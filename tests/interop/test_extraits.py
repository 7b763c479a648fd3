"""What the developers' page gives to copy, run as it is written: the tag, and the server's code in Flask, in PHP, in Node.

MAG is served over TLS, as the snippets want it; what they leave to the partner (`garder`, in Node) is given around them.
"""

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import requests.adapters

from idp.config import Settings
from tests import services
from tests.browser.tls_scene import certify
from tests.conftest import QUICK_HASH, SECRETS, MagClient, composed
from tests.factories import NOM, PRENOM, se_connecter, un_declarant
from tests.journeys.portal import listening
from tests.protocol.relying import Partner, write_client
from widget.releases import integrity, releases, tag

pytestmark = pytest.mark.interop
SITE = "https://portail.test"
SECRET = "un-secret-de-portail-de-32-caracteres"
AROUND_NODE = """
async function garder(depart, secondes) {
  console.log(JSON.stringify({ depart, secondes }));
  return 'scelle';
}
const entetes = {};
await start({}, {
  setHeader: (nom, valeur) => { entetes[nom] = valeur; },
  writeHead(etat, autres) { console.log(JSON.stringify({ etat, entetes: { ...entetes, ...autres } })); return this; },
  end() {},
});
"""
"""What the partner's server has: somewhere to keep a transaction, and an answer to write."""


@dataclass
class Place:
    doors: Any
    issuer: str
    certificate: Path
    partner: Partner

    def copied(self, server: str, name: str = "serveur") -> str:
        """What the page shows under this heading, for this client and this language."""
        chosen = {"client": "mon-portail", "serveur": server, "retour": "/espace"}
        page = MagClient(self.doors, self.issuer).get("/developpeurs/widget", query_string=chosen)
        found = re.search(rf'<code id="{name}-code">(.*?)</code>', page.text, re.S)
        assert found is not None, page.text
        return unescape(found[1])

    def answered(self, location: str) -> dict[str, str]:
        """What MAG answers to somebody signed in whom the snippet sends there."""
        browser = MagClient(self.doors, self.issuer)
        assert location.startswith(f"{self.issuer}/authorize?"), location
        se_connecter(browser)
        answer = browser.get(location.removeprefix(self.issuer))
        assert answer.headers["Location"].startswith(f"{SITE}/auth/mag/callback?"), answer.text
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


@pytest.fixture(scope="module")
def place(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("extraits"), services.free_port()
    shutil.copyfile(sqlite_template, folder / "mag.sqlite3")
    certificate, key = certify(folder)
    issuer = f"https://localhost:{port}"
    settings = Settings(
        issuer=issuer, secrets=SECRETS, database_url=f"sqlite:///{folder / 'mag.sqlite3'}", extra_ca=str(certificate), **QUICK_HASH
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    metadata = {
        "client_name": "Mon portail",
        "redirect_uris": [f"{SITE}/auth/mag/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "ES256",
        "scope": "openid profile siret",
        "grant_types": ["authorization_code", "refresh_token"],
    }
    with pytest.MonkeyPatch.context() as patched, composed(settings) as doors, listening(doors, port, tls):
        patched.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
        un_declarant(doors.flask)
        with doors.flask.app_context():
            write_client("mon-portail", "mon-portail", metadata, SECRET, doors.mag.keyring)
        doors.mag.versions.refresh()
        partner = Partner(doors, "mon-portail", SECRET, metadata["redirect_uris"][0], "client_secret_basic", None, metadata)
        yield Place(doors, issuer, certificate, partner)


def test_the_tag_is_the_latest_and_its_hash_is_that_of_the_file(place):
    line = place.copied("flask", "page").splitlines()[0]
    src, proof = re.search(r'src="([^"]+)"', line)[1], re.search(r'integrity="([^"]+)"', line)[1]

    assert line == tag(place.issuer, releases()[0])
    assert integrity(MagClient(place.doors, place.issuer).get(urlsplit(src).path).data) == proof


def test_the_flask_snippet_signs_somebody_in(place):
    source = place.copied("flask").replace("from mag_kit import", "from partners.kit import")
    source = source.replace('client_secret="…"', f'client_secret="{SECRET}"')
    module: dict[str, Any] = {"__name__": "portail"}
    exec(compile(source, "portail.py", "exec"), module)
    site = module["app"].test_client()

    def get(path: str) -> Any:
        return site.get(path, base_url=SITE)

    start = get("/espace").headers["Location"]
    told = place.answered(get(start).headers["Location"])
    back = get("/auth/mag/callback?" + "&".join(f"{name}={value}" for name, value in told.items()))

    assert (back.status_code, back.headers["Location"]) == (303, "/espace")
    assert get("/espace").json == {"nom": f"{PRENOM} {NOM}"}


def test_the_php_snippet_sends_people_to_mag_and_keeps_what_redeems_the_answer(place, tmp_path):
    (tmp_path / "start.php").write_text(place.copied("php"), "utf-8")
    port = services.free_port()
    command = ["php", "-d", f"session.save_path={tmp_path}", "-S", f"127.0.0.1:{port}", str(tmp_path / "start.php")]
    server = services.Server(command, port, environment=dict(os.environ), folder=tmp_path)
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/auth/mag/start", allow_redirects=False, timeout=20)
    finally:
        server.stop()
    kept = next(tmp_path.glob("sess_*")).read_text("utf-8")
    told = place.answered(answer.headers["Location"])

    assert (answer.status_code, answer.headers["Cache-Control"]) == (303, "no-store")
    assert {"secure", "HttpOnly", "SameSite=Lax"} <= set(answer.headers["Set-Cookie"].split("; "))
    assert f'"{told["state"]}"' in kept
    verifier = re.search(r'"verifier";s:\d+:"([^"]+)"', kept)[1]
    assert place.partner.tokens(place.partner.redeem(told["code"], code_verifier=verifier)).claims["nonce"] in kept


def test_the_node_snippet_sends_people_to_mag_and_keeps_what_redeems_the_answer(place, packages, tmp_path):
    (tmp_path / "start.mjs").write_text(place.copied("node") + AROUND_NODE, "utf-8")
    (tmp_path / "node_modules").symlink_to(packages)
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(place.certificate), "SECRET": SECRET}
    command = ["node", str(tmp_path / "start.mjs")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    kept, answer = map(json.loads, done.stdout.splitlines())
    depart, told = kept["depart"], place.answered(answer["entetes"]["Location"])

    assert (answer["etat"], kept["secondes"], told["state"], depart["retour"]) == (303, 600, depart["state"], "/espace")
    expected = f"__Host-mag-tx-{depart['state']}=scelle; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"
    assert answer["entetes"]["Set-Cookie"] == expected
    tokens = place.partner.tokens(place.partner.redeem(told["code"], code_verifier=depart["verifier"]))
    assert tokens.claims["nonce"] == depart["nonce"]
