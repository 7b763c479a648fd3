"""Answers by form, consent and the choice of an establishment, in a real browser: policy, no script, light and dark, from 320 pixels up."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_declarant
from tests.protocol.relying import VERIFIER, challenge_of, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40" fill="#a33"/></svg>'


class Site:
    """A partner's site: what it was posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
                fields = parse_qsl(body, strict_parsing=True)
                assert len(fields) == len(dict(fields)), "each once"
                site.posted.append((self.path, dict(fields)))
                self.answer(b"<!doctype html><title>Portail</title><h1>Bienvenue</h1>", "text/html; charset=utf-8")

            def do_GET(self) -> None:
                self.answer(LOGO, "image/svg+xml")

            def answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://portail.localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def site():
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def mag(app, wsgi_app, site, live_server):
    """MAG with one person, and a partner that is not ours."""
    un_declarant(app, email="claire@exemple.fr")
    links = {"logo_uri": f"{site.address}/logo.svg", "policy_uri": f"{site.address}/vie-privee", "tos_uri": f"{site.address}/conditions"}
    register(
        wsgi_app,
        "portail",
        client_name="Comptes & Cie : paie",
        redirect_uris=[f"{site.address}/retour"],
        first_party=False,
        scope="openid profile email siret",
        **links,
    )
    register(wsgi_app, "maison", redirect_uris=[f"{site.address}/retour"])
    return live_server()


@pytest.fixture
def complaints():
    """What consoles say: a broken policy shows here."""
    return []


@pytest.fixture
def address(mag, site):
    """`address(**request)`: where the partner sends a browser."""

    def of(**changes):
        asked = {
            "client_id": "portail",
            "redirect_uri": f"{site.address}/retour",
            "response_type": "code",
            "response_mode": "form_post",
            "scope": "openid profile email siret",
            "state": "été",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{mag}/authorize?{urlencode(asked)}"

    return of


@pytest.fixture
def ask(address, page, complaints):
    """`ask(**request)`: a browser sent to MAG by the partner."""

    def visit(*, javascript=True, **changes):
        opened = page(javascript=javascript)
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.goto(address(**changes))
        return opened

    return visit


def sign_in(opened):
    for name, text in {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


def test_32_the_answer_goes_on_by_itself_to_the_partner(ask, site, complaints):
    opened = ask()
    sign_in(opened)
    opened.get_by_role("button", name="Autoriser").click()
    opened.wait_for_url("**/retour")

    assert opened.locator("h1").inner_text() == "Bienvenue"
    [(path, fields)] = site.posted
    assert path == "/retour", "nothing in the address"
    assert set(fields) == {"code", "state", "iss"}
    assert fields["state"] == "été"
    assert complaints == []


def test_32_without_javascript_a_button_sends_it(ask, site):
    opened = ask(javascript=False)
    sign_in(opened)
    opened.get_by_role("button", name="Autoriser").click()
    opened.get_by_role("button", name="Continuer").wait_for()
    if folder := os.environ.get("MAG_TEST_SCREENSHOTS"):
        opened.screenshot(path=f"{folder}/retour.png", full_page=True)
    opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url("**/retour")

    assert set(site.posted[0][1]) == {"code", "state", "iss"}


@pytest.mark.parametrize("javascript", [True, False], ids=["by-itself", "without-JavaScript"])
def test_32_a_partner_of_ours_is_answered_the_same_way_each_time(ask, address, site, javascript):
    """Without a question; the second time, by the session alone."""
    ours = {"client_id": "maison", "scope": "openid", "state": "état & +%"}
    opened = ask(javascript=javascript, **ours)
    sign_in(opened)
    if not javascript:
        opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url("**/retour")

    [(path, fields)] = site.posted
    assert path == "/retour"
    assert fields.keys() == {"code", "state", "iss"}
    assert fields["state"] == "état & +%"

    opened.goto(address(**ours, prompt="none"), wait_until="commit")
    if not javascript:
        opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url("**/retour")
    assert "code" in site.posted[1][1]


def test_86_a_signed_answer_goes_the_same_way(ask, site, complaints):
    opened = ask(response_mode="form_post.jwt")
    sign_in(opened)
    opened.get_by_role("button", name="Autoriser").click()
    opened.wait_for_url("**/retour")

    assert set(site.posted[0][1]) == {"response"}
    assert complaints == []


def test_82_a_person_who_refuses_is_reported_by_the_same_way(ask, site, complaints):
    opened = ask()
    sign_in(opened)
    opened.get_by_role("button", name="Refuser").click()
    opened.wait_for_url("**/retour")

    assert site.posted[0][1]["error"] == "access_denied"
    assert complaints == []


def test_the_pages_on_the_way_in_light_and_dark_wide_and_narrow(mag, ask, site):
    opened = ask(prompt="create", siret_hint="55203253400646")
    assert opened.locator("h1").inner_text() == "Inscrire mon entreprise"
    assert opened.input_value("#siret") == "552 032 534 00646"
    look_at(opened, "creation")
    opened.get_by_role("link", name="me connecter").click()
    sign_in(opened)
    assert opened.locator("h1").inner_text() == "Autoriser «\u00a0Comptes & Cie\u00a0: paie\u00a0»\u00a0?"
    assert opened.locator(".asker img").evaluate("image => image.naturalWidth") == 40, "the policy lets the logo in"
    assert opened.get_by_role("link", name="Politique de confidentialité").get_attribute("href") == f"{site.address}/vie-privee"
    look_at(opened, "consentement")
    opened.get_by_role("button", name="Autoriser").click()
    opened.wait_for_url("**/retour")
    opened.goto(f"{mag}/autorisations")
    look_at(opened, "autorisations")


def test_the_choice_of_an_establishment(ask, site):
    opened = ask()
    sign_in(opened)
    opened.get_by_role("button", name="Autoriser").wait_for()
    mag = opened.url.partition("/authorize")[0]
    asked = {"client_id": "portail", "redirect_uri": f"{site.address}/retour", "response_type": "code", "scope": "openid"}
    proof = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
    opened.goto(f"{mag}/authorize?{urlencode({**asked, **proof, 'siret_hint': '55203253400646'})}")

    assert opened.locator("h1").inner_text() == "Pour quel établissement\u00a0?"
    look_at(opened, "choix")
    opened.get_by_role("link", name="Utiliser un autre établissement").click()
    assert opened.input_value("#siret").replace("\u00a0", " ") == "552 032 534 00646"
