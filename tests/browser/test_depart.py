"""Signing out in a browser: partners told by frames and by notices, a way back that is bounded, pages that look right."""

import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_declarant
from tests.protocol.receiver import receiving
from tests.protocol.relying import SECRET, VERIFIER, challenge_of, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def mag(wsgi_app, receiver, live_server):
    """MAG with one person and three partners: two told by frames, all of them by notices."""
    un_declarant(wsgi_app.flask)
    for name, frame in (("portail", True), ("autre", True), ("discret", False)):
        host = f"{name}.localhost"
        register(
            wsgi_app,
            name,
            redirect_uris=[receiver.address("/retour", host)],
            post_logout_redirect_uris=[receiver.address("/fini", host)],
            token_endpoint_auth_method="client_secret_post",
            backchannel_logout_uri=receiver.address(f"/avis/{name}", host),
            **({"frontchannel_logout_uri": receiver.address(f"/cadre/{name}?lieu=ici", host)} if frame else {}),
        )
    return live_server(MAG_OUTGOING_HOSTS="portail.localhost,autre.localhost,discret.localhost")


@pytest.fixture
def sign_in(mag, receiver, page):
    """`sign_in(**options)`: a page signed in at the three partners, the ID token of the first one, what its console says."""

    def act(**options):
        opened, complaints, id_tokens = page(**options), [], []
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        for name in ("portail", "autre", "discret"):
            redirect_uri = receiver.address("/retour", f"{name}.localhost")
            asked = {"client_id": name, "redirect_uri": redirect_uri, "response_type": "code", "scope": "openid", "state": "s" * 32}
            challenge = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
            opened.goto(f"{mag}/authorize?{urlencode({**asked, **challenge})}")
            if "/connexion" in opened.url:
                for field, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}.items():
                    opened.fill(f"#{field}", text)
                opened.get_by_role("button", name="Se connecter", exact=True).click()
                opened.wait_for_url("**/retour?*")
            code = parse_qs(urlsplit(opened.url).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": VERIFIER}
            secret = {"client_id": name, "client_secret": SECRET + name}
            parts = urlsplit(mag)
            answer = requests.post(
                f"http://127.0.0.1:{parts.port}/token", data={**form, **secret}, headers={"Host": parts.netloc}, timeout=10
            )
            assert answer.status_code == 200, answer.text
            id_tokens.append(answer.json()["id_token"])
        return opened, id_tokens[0], complaints

    return act


def end(mag: str, receiver, id_token: str) -> str:
    back = receiver.address("/fini", "portail.localhost")
    return f"{mag}/session/end?{urlencode({'id_token_hint': id_token, 'post_logout_redirect_uri': back, 'state': 'fini'})}"


def test_frames_tell_and_the_browser_is_back_by_itself(mag, receiver, sign_in):
    opened, id_token, complaints = sign_in()
    opened.goto(end(mag, receiver, id_token))
    opened.wait_for_url("**/fini?state=fini")

    for name in ("portail", "autre"):
        receiver.arrived(f"/cadre/{name}")
        form = receiver.at(f"/cadre/{name}")[0]["form"]
        assert (form["lieu"], form["iss"], len(form["sid"][0]) > 20) == (["ici"], [mag], True)
    for name in ("portail", "autre", "discret"):
        receiver.wait(f"/avis/{name}")
    assert complaints == []


def test_a_frame_that_hangs_holds_nobody(mag, receiver, sign_in):
    opened, id_token, _ = sign_in()
    receiver.hanging = {"/cadre/autre"}
    began = time.monotonic()
    opened.goto(end(mag, receiver, id_token), wait_until="commit")
    opened.wait_for_url("**/fini?state=fini")

    assert time.monotonic() - began < 8


def test_without_a_script_the_page_goes_on_by_itself_or_by_its_link(mag, receiver, sign_in):
    opened, id_token, _ = sign_in(javascript=False)
    opened.goto(end(mag, receiver, id_token), wait_until="commit")
    opened.wait_for_url("**/fini?state=fini")
    receiver.arrived("/cadre/autre")

    opened, id_token, _ = sign_in(javascript=False)
    receiver.hanging = {"/cadre/autre"}
    opened.goto(end(mag, receiver, id_token), wait_until="commit")
    opened.locator("#retour").click(no_wait_after=True)
    opened.wait_for_url("**/fini?state=fini")


def test_the_page_names_who_is_told_and_is_accessible(mag, receiver, sign_in):
    opened, _, complaints = sign_in()
    opened.goto(f"{mag}/")
    opened.get_by_role("button", name="Me déconnecter", exact=True).click()
    opened.wait_for_url("**/deconnexion?*")

    assert opened.locator("h1").inner_text() == "Votre session est fermée"
    assert opened.locator(".told li").all_inner_texts() == ["Portail autre", "Portail discret", "Portail portail"]
    look_at(opened, "deconnexion")
    assert complaints == []


def test_the_page_of_a_refusal_shows_its_code_and_is_accessible(live_server, page):
    mag = live_server(MAG_SUPPORT_URL="https://aide.exemple.fr/demande")
    opened = page()
    opened.goto(f"{mag}/authorize?client_id=inconnu")

    assert "M500001" in opened.inner_text("main")
    look_at(opened, "refus")
