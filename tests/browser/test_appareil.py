"""A device's code and a partner's demande, in a real browser: keyboard, no script, light and dark, from 320 pixels up."""

import json
import urllib.request
from urllib.parse import urlencode

import pytest

from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_declarant
from tests.protocol.relying import SECRET, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
DEVICE, CIBA = "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"
MACHINE = {"redirect_uris": [], "response_types": [], "scope": "openid profile siret"}


class Refusals(urllib.request.HTTPErrorProcessor):
    """A refusal is an answer too."""

    def http_response(self, request, response):
        return response


ANSWERS = urllib.request.build_opener(Refusals)


@pytest.fixture
def mag(app, wsgi_app, live_server):
    """MAG with one person, a device, and a call centre."""
    un_declarant(app, email="claire@exemple.fr")
    name, public = "Caisse connectée", {"grant_types": [DEVICE], "token_endpoint_auth_method": "none"}
    register(wsgi_app, "tele", client_name=name, client_uri="https://caisse.test/", **public, **MACHINE)
    polling = {"grant_types": [CIBA], "backchannel_token_delivery_mode": "poll", "token_endpoint_auth_method": "client_secret_post"}
    register(wsgi_app, "centre", client_name="Centre d'appel", **polling, **MACHINE)
    return live_server()


def post(mag, path, status=200, **form):
    """A machine's request; MAG answers at a name that only the browser resolves."""
    address, host = mag.replace("mag.localhost", "127.0.0.1") + path, mag.partition("//")[2]
    request = urllib.request.Request(address, urlencode(form).encode(), {"Host": host})
    with ANSWERS.open(request) as answer:
        assert answer.status == status
        return json.load(answer)


def ask(mag):
    return post(mag, "/device_authorization", client_id="tele", scope="openid profile siret")


def poll(mag, told, status=200):
    return post(mag, "/token", status, client_id="tele", grant_type=DEVICE, device_code=told["device_code"])


def sign_in(opened):
    for name, text in {"siret": SIRET, "nom": "lefevre", "prenom": "claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_device_is_let_in_by_the_keyboard_with_or_without_javascript(mag, page, javascript):
    told, complaints = ask(mag), []
    opened = page(javascript=javascript)
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(f"{mag}/device")
    opened.locator("#code").focus()
    opened.keyboard.type(told["user_code"].lower().replace("-", " "))
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/connexion**")
    assert "Caisse connectée" in opened.locator("main").inner_text()
    sign_in(opened)
    opened.wait_for_url("**/device/confirmation**")
    assert opened.locator(".shown-code").inner_text() == told["user_code"]
    opened.get_by_role("button", name="Autoriser cet appareil").focus()
    opened.keyboard.press("Enter")
    opened.get_by_text("C'est fait").wait_for()

    assert poll(mag, told)["scope"] == "openid profile siret"
    assert complaints == []


def test_the_link_of_a_device_only_fills_the_form(mag, page):
    told = ask(mag)
    opened = page()
    opened.goto(told["verification_uri_complete"])
    assert opened.input_value("#code") == told["user_code"]

    assert poll(mag, told, 400)["error"] == "authorization_pending"


def test_a_refusal_is_one_key_away(mag, page):
    told, opened = ask(mag), page()
    opened.goto(told["verification_uri_complete"])
    opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url("**/connexion**")
    sign_in(opened)
    opened.get_by_role("button", name="Refuser").click()
    opened.get_by_text("n'a rien obtenu").wait_for()

    assert poll(mag, told, 400)["error"] == "access_denied"


def test_pages_are_accessible_and_never_scroll_sideways(mag, page):
    told, opened = ask(mag), page()
    opened.goto(f"{mag}/device")
    check(opened)
    opened.fill("#code", "bcdf ghjk")
    opened.keyboard.press("Enter")
    opened.get_by_role("alert").wait_for()
    assert opened.evaluate("document.activeElement.id") == "erreurs"
    check(opened)
    opened.fill("#code", told["user_code"])
    opened.keyboard.press("Enter")
    sign_in(opened)
    opened.wait_for_url("**/device/confirmation**")
    check(opened)
    opened.get_by_role("button", name="Autoriser cet appareil").click()
    opened.get_by_text("C'est fait").wait_for()
    check(opened)
    hint = {"login_hint": f"{SIRET}|lefevre|claire", "binding_message": "Dossier 4321"}
    post(mag, "/bc-authorize", client_id="centre", client_secret=f"{SECRET}centre", scope="openid profile", **hint)
    opened.goto(f"{mag}/demandes")
    assert "Dossier 4321" in opened.locator("main").inner_text()
    check(opened)
    opened.get_by_role("button", name="Refuser").click()
    opened.get_by_text("Votre refus est transmis").wait_for()
    check(opened)
    opened.goto(f"{mag}/")
    check(opened)


def check(opened):
    look_at(opened)
    for target in opened.locator(".button:visible, input.user-code:visible").all():
        assert target.bounding_box()["height"] >= 44
