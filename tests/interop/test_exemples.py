"""The contract of the four routes, as plain PHP and plain Node keep it: `docs/exemples/`, run as they are written, against a served MAG."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from flask import Flask, request

from tests import factories, services
from tests.interop.conftest import IDENTITY, ROOT, secret_of
from tests.interop.person import Browser
from tests.journeys.portal import listening

pytestmark = pytest.mark.interop
EXAMPLES = ROOT / "docs" / "exemples"
COMMANDS = {
    "php": lambda port: ["php", "-S", f"127.0.0.1:{port}", str(EXAMPLES / "site.php")],
    "node": lambda port: ["node", str(EXAMPLES / "site.mjs")],
}
"""`php` writes its sessions in a folder; `node` keeps them in memory."""
FLOW = "b2f4d3c0-7a51-4d0e-9d43-5f0d6f6f2f11"
PATIENCE = 15
"""Seconds."""


@dataclass(frozen=True)
class Relay:
    """Between MAG and the sites: what it is told is passed on, and kept for the test."""

    port: int
    notices: "Queue[str]"


@dataclass(frozen=True)
class Site:
    """A partner's site, listening."""

    client_id: str
    address: str
    issuer: str

    def visitor(self) -> "Visitor":
        return Visitor(self)


class Visitor(Browser):
    """Somebody's browser, on this site and at MAG."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site

    def here(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        return self.request(method, f"{self.site.address}{path}", **options)

    def answer_to(self, address: str) -> str:
        """Where MAG sends the browser back."""
        return self.sign_in(address, IDENTITY, f"{self.site.address}/")

    def params(self) -> dict[str, str]:
        found: dict[str, str] = self.here("/auth/mag/start?mode=fedcm&return_to=/espace").json()["params"]
        return found

    def granted(self, params: dict[str, str]) -> dict[str, str]:
        """What a script is given to post."""
        back = self.answer_to(f"{self.site.issuer}/authorize?{urlencode({'client_id': self.site.client_id, **params})}")
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    def post(self, form: Any, **headers: str) -> requests.Response:
        """As a script of the site does, unless told otherwise."""
        sent = {"Origin": self.site.address} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.here("/auth/mag/callback", "POST", data=form, sent=sent)

    @property
    def active(self) -> bool:
        return bool(self.here("/auth/mag/session").json()["active"])


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: services.free_port() for name in COMMANDS}


@pytest.fixture(scope="module")
def relay(ports: dict[str, int]) -> Iterator[Relay]:
    """What MAG tells the sites passes here."""
    app, port, notices = Flask("relais"), services.free_port(), Queue[str]()

    @app.post("/<name>")
    def passed_on(name: str) -> tuple[bytes, int]:
        answer = requests.post(f"http://127.0.0.1:{ports[name]}/auth/mag/backchannel-logout", data=request.form, timeout=10)
        notices.put(request.form["logout_token"])
        return answer.content, answer.status_code

    with listening(app, port):
        yield Relay(port, notices)


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str], ports: dict[str, int], relay: Relay) -> str:
    """MAG, told of both sites as the contract says to register them."""
    told = {name: f"http://127.0.0.1:{relay.port}/{name}" for name in ports}
    clients = {name: registered(f"http://127.0.0.1:{port}") | {"backchannel_logout_uri": told[name]} for name, port in ports.items()}
    return serve("sqlite", clients, MAG_OUTGOING_HOSTS=f"127.0.0.1:{relay.port}")


def registered(site: str) -> dict[str, Any]:
    (text,) = re.findall(r"```json\n(\{\n  \"client_name\".*?)```", (ROOT / "docs/contrat.md").read_text("utf-8"), re.S)
    metadata: dict[str, Any] = json.loads(text.replace("https://portail.example.fr", site))
    return metadata


@pytest.fixture(scope="module", params=list(COMMANDS))
def site(request: pytest.FixtureRequest, issuer: str, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name, port = request.param, ports[request.param]
    if shutil.which(name) is None:
        pytest.skip(f"{services.NEEDS[name].what} is missing: apt-get install {' '.join(services.NEEDS[name].packages)}")
    address = f"http://127.0.0.1:{port}"
    folder: Path = tmp_path_factory.mktemp(name)
    settings = {"MAG": issuer, "SITE": address, "CLIENT": name, "SECRET": secret_of(name), "CLE": "k" * 40}
    environment = {**settings, "PORT": str(port), "DOSSIER": str(folder), "PATH": os.environ["PATH"]}
    server = services.Server(COMMANDS[name](port), port, environment=environment, folder=folder)
    yield Site(name, address, issuer)
    output = server.output()
    server.stop()
    assert not re.search(r"PHP (Warning|Deprecated|Notice|Fatal)|Error:|at file:", output), output


def message(page: requests.Response) -> dict[str, str]:
    found = re.search(r'<script type="application/json" id="mag-done">(.*?)</script>', page.text)
    assert found is not None, page.text
    said: dict[str, str] = json.loads(found[1])
    return said


# ------------------------------------------------------------------------------------------------------------- the way in


def test_by_redirect(site: Site) -> None:
    visitor = site.visitor()
    assert not visitor.active
    start = visitor.follow(f"{site.address}/espace", site.issuer)
    cookies = start.raw.headers.getlist("Set-Cookie")
    assert [one.split("=")[0][:14] for one in cookies if "mag-tx" in one] == ["__Host-mag-tx-"]
    assert all({"secure", "httponly", "path=/", "samesite=lax"} <= {part.strip().lower() for part in one.split(";")} for one in cookies)
    landed = visitor.follow(visitor.answer_to(start.headers["Location"]))

    assert landed.url == f"{site.address}/espace"
    assert landed.json() == {"nom": "Anne Lefèvre", "siret": factories.SIRET}
    probe = visitor.here("/auth/mag/session")
    assert (probe.json()["active"], len(probe.json()["sid_hint"]), probe.headers["Cache-Control"]) == (True, 12, "no-store")


def test_hints_are_told_in_every_mode_but_fedcm(site: Site) -> None:
    visitor, hints = site.visitor(), {"login_hint": "73282932000074|Lefèvre|Anne", "siret_hint": "73282932000074"}
    query = urlencode({**hints, "state": "x", "return_to": "/espace"})
    framed = visitor.here(f"/auth/mag/start?mode=inline&{query}").json()["params"]
    redirected = visitor.here(f"/auth/mag/start?{query}").headers["Location"]
    told = {name: values[0] for name, values in parse_qs(urlsplit(redirected).query).items()}

    assert {name: framed[name] for name in hints} == {name: told[name] for name in hints} == hints
    assert "x" not in (framed["state"], told["state"])
    assert "login_hint" not in visitor.here(f"/auth/mag/start?mode=fedcm&{query}").json()["params"]


def test_by_a_popup(site: Site) -> None:
    visitor = site.visitor()
    start = visitor.here(f"/auth/mag/start?mode=popup&flow={FLOW}&return_to=/espace")
    page = visitor.get(visitor.answer_to(start.headers["Location"]))

    assert (page.status_code, message(page)) == (200, {"flow": FLOW, "return_to": "/espace"})
    policy = f"default-src 'none'; script-src {site.issuer}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert page.headers["Content-Security-Policy"] == policy
    (integrity,) = re.findall('integrity="([^"]+)"', page.text)
    release = requests.get(f"{site.issuer}/widget/releases.json", timeout=10).json()["releases"][0]
    assert release["files"]["mag-done.js"]["integrity"] == integrity
    assert visitor.active


def test_by_a_script(site: Site) -> None:
    visitor = site.visitor()
    params = visitor.params()
    assert set(params) == {"response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method"}
    form = visitor.granted(params)

    answer = visitor.post(form)
    assert (answer.status_code, answer.json()) == (200, {"return_to": "/espace"})
    assert visitor.active
    again = visitor.post(form)
    assert (again.status_code, again.json()["error"]) == (400, "transaction_lost")
    assert visitor.active


# --------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "wanted", ["//evil.test", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "https://evil.test/", "/x\r\nY: z", "/é"]
)
def test_nobody_is_sent_elsewhere(site: Site, wanted: str) -> None:
    """W10."""
    visitor = site.visitor()
    start = visitor.here(f"/auth/mag/start?{urlencode({'return_to': wanted})}")

    assert visitor.get(visitor.answer_to(start.headers["Location"])).headers["Location"] == "/espace"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"state": "A" * 43}, id="W10-state"),
        pytest.param({"state": ""}, id="W10-no-state"),
        pytest.param({"iss": "https://evil.test"}, id="W10-iss-mix-up"),
        pytest.param({"iss": ""}, id="W10-no-iss"),
        pytest.param({"code": "faux"}, id="W10-code"),
        pytest.param({"code": "\x00"}, id="W10-code-nul"),
    ],
)
def test_an_answer_that_was_tampered_with_opens_nothing(site: Site, change: dict[str, str]) -> None:
    visitor = site.visitor()
    posted = visitor.post({**visitor.granted(visitor.params()), **change})
    assert (posted.status_code, posted.json()["error"]) == (400, "transaction_lost")
    assert re.fullmatch("[0-9a-f]{8}", posted.json()["correlation_id"])

    start = visitor.here("/auth/mag/start")
    back = parse_qs(urlsplit(visitor.answer_to(start.headers["Location"])).query)
    page = visitor.here(f"/auth/mag/callback?{urlencode({name: values[0] for name, values in back.items()} | change)}")
    assert (page.status_code, "a été interrompue" in page.text, "/auth/mag/start" in page.text) == (400, True, True)
    assert not visitor.active


@pytest.mark.parametrize(
    "headers",
    [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}],
)
def test_an_answer_posted_by_another_site_opens_nothing(site: Site, headers: dict[str, str]) -> None:
    visitor = site.visitor()

    assert visitor.post(visitor.granted(visitor.params()), **headers).status_code == 403
    assert not visitor.active


def test_an_answer_serves_in_the_browser_that_asked_and_as_it_asked(site: Site) -> None:
    visitor, other = site.visitor(), site.visitor()
    form = visitor.granted(visitor.params())
    assert other.post(form).json()["error"] == "transaction_lost"
    assert visitor.here(f"/auth/mag/callback?{urlencode(form)}").status_code == 400

    assert not visitor.active
    assert not other.active


@pytest.mark.parametrize("query", ["mode=telepathie", "mode=popup", "mode=popup&flow=a", "mode=popup&flow[]=x", "iss=https://evil.test"])
def test_a_start_that_means_nothing(site: Site, query: str) -> None:
    answer = site.visitor().here(f"/auth/mag/start?{query}")

    assert (answer.status_code, "ne permet pas de se connecter" in answer.text) == (400, True)
    assert "mag-tx" not in answer.headers.get("Set-Cookie", "")


def test_giving_up_in_a_popup_is_told_to_the_page(site: Site) -> None:
    visitor = site.visitor()
    start = visitor.here(f"/auth/mag/start?mode=popup&flow={FLOW}")
    (state,) = parse_qs(urlsplit(start.headers["Location"]).query)["state"]
    page = visitor.here(f"/auth/mag/callback?{urlencode({'state': state, 'iss': site.issuer, 'error': 'access_denied'})}")

    assert (message(page)["flow"], message(page)["error"]) == (FLOW, "access_denied")
    assert "abandonné" in page.text


def test_sign_ins_in_progress_do_not_pile_up(site: Site) -> None:
    visitor = site.visitor()
    for _ in range(12):
        visitor.here("/auth/mag/start?mode=fedcm")

    assert sum(name.startswith("__Host-mag-tx-") for jar in visitor.jars.values() for name in jar) <= 5


# --------------------------------------------------------------------------------------------------------------- sign-out


def test_mag_tells_that_a_session_ended_and_is_believed_once(site: Site, relay: Relay) -> None:
    visitor = site.visitor()
    visitor.get(visitor.answer_to(visitor.here("/auth/mag/start").headers["Location"]))
    assert visitor.active
    visitor.submit(visitor.follow(f"{site.issuer}/"), f"{site.issuer}/", to="/deconnexion")

    token = relay.notices.get(timeout=PATIENCE)
    assert not visitor.active
    assert visitor.here("/espace").status_code == 303
    signature = token.rpartition(".")[2]
    forged = token.removesuffix(signature) + ("B" if signature[0] == "A" else "A") + signature[1:]
    assert [tell(site, one).status_code for one in (token, forged)] == [400, 400]


def tell(site: Site, token: str) -> requests.Response:
    return requests.post(f"{site.address}/auth/mag/backchannel-logout", data={"logout_token": token}, timeout=10)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "e30.e30.AAAA", "é", "x" * 9000])
def test_what_is_no_logout_token_is_refused(site: Site, token: str) -> None:
    answer = tell(site, token)

    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
