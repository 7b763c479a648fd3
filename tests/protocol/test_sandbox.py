"""The sandbox: a client at once for anybody, where test identities alone sign in, for a month, in limited number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.database import db
from partners import onboarding, sandbox
from partners.models import OAuthClient
from tests.protocol.relying import Partner, answer_of, hidden_fields

RETURN = "http://localhost:3000/retour"
TEST_IDENTITY = "73282932000074|Essai|Camille"


@pytest.fixture
def settings(settings):
    return replace(settings, sandbox=True, test_identities=(TEST_IDENTITY,))


@pytest.fixture
def bac(send, wsgi_app) -> Partner:
    """A sandbox client, had with one request."""
    told = send("/reg", json={"redirect_uris": [RETURN], "client_name": "Mon essai"}).json
    return Partner(wsgi_app, told["client_id"], told["client_secret"], RETURN, "client_secret_basic", extra=told)


@pytest.fixture
def camille(new_declarant) -> int:
    """A test identity."""
    return new_declarant(nom="ESSAI", prenom="camille", email="camille@exemple.fr")


def test_a_client_at_once_without_a_token(bac):
    told = bac.extra

    assert (told["profile"], told["first_party"]) == ("sandbox", False)
    assert told["redirect_uris"] == [RETURN]
    in_a_month = (datetime.now(UTC) + timedelta(days=30)).timestamp()
    assert abs(told["client_expires_at"] - in_a_month) < 60
    assert told["client_secret_expires_at"] == told["client_expires_at"]


def test_discovery_says_where(send):
    assert send("/.well-known/openid-configuration", "GET").json["registration_endpoint"] == "https://mag.test/reg"


def test_a_test_identity_signs_in(bac, new_client, sign_in, camille):
    browser = new_client()
    sign_in(browser, camille)
    page = bac.ask(browser, scope="openid email")
    assert page.status_code == 200
    browser.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"})

    tokens = bac.tokens(bac.redeem(bac.code(browser, scope="openid email")))

    assert bac.userinfo(tokens.access_token).json["email"] == "camille@exemple.fr"


def test_the_session_of_anybody_else_counts_as_none(bac, signed_in):
    address, answer = answer_of(bac.ask(signed_in))
    assert address == "/connexion"
    page = signed_in.get("/connexion", query_string=answer).text
    assert "Mon essai (bac à sable)" in page

    assert answer_of(bac.ask(signed_in, prompt="none"))[1]["error"] == "login_required"


def test_whatever_page_it_brings_anybody_to_says_what_it_is(bac, signed_in):
    """Whoever registers a client chooses its name, and sends whom it wants to sign out or to a refusal."""
    assert "Mon essai (bac à sable)" in signed_in.get(f"/session/end?client_id={bac.client_id}").text
    assert "Mon essai (bac à sable)" in bac.ask(signed_in, redirect_uri="https://ailleurs.test/").text


def test_anybody_else_who_signs_in_is_sent_back(bac, new_client, sign_in, un_declarant):
    browser = new_client()
    demande = answer_of(bac.ask(browser))[1]["demande"]
    sign_in(browser, un_declarant, at=datetime.now(UTC) + timedelta(seconds=2))

    address, answer = answer_of(browser.get("/authorize", query_string={"demande": demande}))

    assert (address, answer["error"]) == (RETURN, "access_denied")
    assert "code" not in answer


def test_the_rule_is_the_profiles_whoever_registered_the_client(partner, signed_in):
    portail = partner("essais", profile="sandbox")

    assert answer_of(portail.ask(signed_in))[0] == "/connexion"


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"profile": "openid"}, id="another-profile"),
        pytest.param({"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}, id="a-door-beside-the-sign-in-page"),
        pytest.param({"grant_types": ["authorization_code", "urn:openid:params:grant-type:ciba"]}, id="a-call-to-a-person"),
        pytest.param({"first_party": True}, id="without-consent"),
    ],
)
def test_a_sandbox_client_is_nothing_more(send, metadata):
    answer = send("/reg", json={"redirect_uris": [RETURN], **metadata})

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


def test_an_operator_cannot_open_such_a_door_either(partner):
    with pytest.raises(Exception, match="sandbox"):
        partner("essais", profile="sandbox", grant_types=["urn:ietf:params:oauth:grant-type:device_code"])


def test_one_network_has_a_number_a_day(send):
    answers = [send("/reg", json={"redirect_uris": [RETURN]}) for _ in range(sandbox.OF_ONE_BLOCK + 1)]

    assert [answer.status_code for answer in answers] == [*[201] * sandbox.OF_ONE_BLOCK, 429]
    assert (answers[-1].json["error"], answers[-1].headers["Retry-After"]) == ("temporarily_unavailable", "86400")


def test_there_is_a_number_for_all(send, monkeypatch):
    monkeypatch.setattr(sandbox, "OF_ALL", 2)

    assert [send("/reg", json={"redirect_uris": [RETURN]}).status_code for _ in range(3)] == [201, 201, 429]


def test_it_ends_by_itself_and_the_purge_removes_it(bac, wsgi_app, app, send, new_client):
    token, path = bac.extra["registration_access_token"], f"/reg/{bac.client_id}"
    assert app.test_cli_runner().invoke(args=["purge"]).exit_code == 0
    assert send(path, "GET", headers={"Authorization": f"Bearer {token}"}).status_code == 200

    with time_machine.travel(datetime.now(UTC) + timedelta(days=30, seconds=5)):
        assert wsgi_app.mag.registry.find(bac.client_id) is None
        assert bac.client_id not in {client.client_id for client in wsgi_app.mag.registry.every()}
        assert bac.ask(new_client()).status_code == 400
        assert send(path, "GET", headers={"Authorization": f"Bearer {token}"}).status_code == 401
        done = app.test_cli_runner().invoke(args=["purge"])
        assert "clients échus : 1" in done.output
        with app.app_context():
            assert db.session.get(OAuthClient, bac.client_id) is None


def test_disabling_its_partner_closes_the_sandbox(bac, wsgi_app, send, new_client):
    with wsgi_app.flask.app_context():
        onboarding.switch(onboarding.partenaire_named(sandbox.CODE), datetime.now(UTC), enabled=False)
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    assert send("/reg", json={"redirect_uris": [RETURN]}).status_code == 401
    assert bac.ask(new_client()).status_code == 400


def test_open_registration_leaves_the_sandbox_to_who_asks_for_it(send, wsgi_app):
    object.__setattr__(wsgi_app.mag.settings, "open_registration", True)

    assert send("/reg", json={"redirect_uris": [RETURN]}).json["profile"] == "openid"
    assert "client_expires_at" in send("/reg", json={"redirect_uris": [RETURN], "profile": "sandbox"}).json
