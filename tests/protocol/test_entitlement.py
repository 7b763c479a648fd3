"""What a partner learns is what it is entitled to: registered, agreed by this very person, and still true."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.test import Client

from idp.authentication.session import COOKIE
from idp.database import db
from idp.oidc.claims import SCOPE_CLAIMS
from idp.oidc.models import Consent
from idp.oidc.told import CLAIM_NAMES
from partners.onboarding import change_client, client_named
from tests.protocol.relying import answer_of, hidden_fields

ALONE = '{"userinfo":{"email":null,"phone_number":null},"id_token":{"email":null}}'
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def accept(browser: Client, page) -> Client:
    return browser.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"})


# ------------------------------------------------------------------------------------------------------------- consent


def test_C10_claims_asked_one_by_one_are_told_to_the_person(partner, signed_in):
    tiers = partner("tiers", first_party=False, scope="openid email phone")

    page = tiers.ask(signed_in, scope="openid", claims=ALONE)

    assert page.status_code == 200
    assert CLAIM_NAMES["email"] in page.text
    assert CLAIM_NAMES["phone"] in page.text


def test_C10_claims_asked_later_are_agreed_again(partner, signed_in):
    tiers = partner("tiers", first_party=False, scope="openid email phone")
    accept(signed_in, tiers.ask(signed_in, scope="openid"))

    assert "Autoriser" in tiers.ask(signed_in, scope="openid", claims=ALONE).text
    _, answer = answer_of(tiers.ask(signed_in, scope="openid", claims=ALONE, prompt="none"))
    assert answer["error"] == "consent_required"


def test_whatever_a_scope_tells_has_a_name_that_people_read():
    assert {s for s, claims in SCOPE_CLAIMS.items() if claims} - {"openid"} <= CLAIM_NAMES.keys()


def test_a_consent_shown_to_one_person_is_not_given_by_another(partner, new_client, sign_in, new_declarant, wsgi_app):
    tiers, browser = partner("tiers", first_party=False, scope="openid email"), new_client()
    sign_in(browser, new_declarant())
    page = tiers.ask(browser, scope="openid email")
    sign_in(browser, new_declarant())

    assert accept(browser, page).status_code == 403
    with wsgi_app.flask.app_context():
        assert db.session.query(Consent).count() == 0


@pytest.mark.parametrize(("subject_type", "said"), [("pairwise", "propre à ce site"), ("public", "le même pour tous les sites")])
def test_the_page_says_what_the_identifier_is(partner, signed_in, subject_type, said):
    tiers = partner("tiers", first_party=False, subject_type=subject_type)

    assert said in tiers.ask(signed_in, scope="openid email").text


# -------------------------------------------------------------------------------------------------------- still entitled


def test_C10_a_registration_made_narrower_narrows_what_was_granted_before(partner, code_flow, wsgi_app):
    portail = partner("portail", scope="openid email offline_access")
    before = code_flow(portail, scope="openid offline_access", claims='{"userinfo":{"email":null},"id_token":{"email":null}}')
    assert before.claims["email"]
    with wsgi_app.flask.app_context():
        change_client(client_named("portail"), {**portail.extra, "scope": "openid offline_access"}, datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    after = portail.tokens(portail.refresh(before.refresh_token))

    assert "email" not in after.claims
    assert "email" not in portail.userinfo(after.access_token).json
    assert "email" not in portail.userinfo(before.access_token).json


# ----------------------------------------------------------------------------------------------------- re-authentication


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "60"}])
def test_C11_an_older_session_brought_along_is_not_a_new_sign_in(partner, new_client, sign_in, un_declarant, asked):
    portail, thief, victim = partner("portail"), new_client(), new_client()
    sign_in(victim, un_declarant, at=datetime.now(UTC) - timedelta(hours=2))
    demande = portail.ask(thief, **asked).headers["Location"]
    stolen = victim.get_cookie(COOKIE, domain="mag.test")
    thief.set_cookie(COOKIE, stolen.value, domain="mag.test", secure=True)

    response = thief.get(demande.replace("/connexion", "/authorize"))

    assert "/connexion?demande=" in response.headers["Location"]


# ------------------------------------------------------------------------------------------------------- hostile headers


def part(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADERS = [
    pytest.param({"alg": "ES256", "crit": 1}, id="crit-number"),
    pytest.param({"alg": "ES256", "crit": [[]]}, id="crit-nested"),
    pytest.param({"alg": "ES256", "b64": False, "crit": ["b64"]}, id="b64"),
    pytest.param({"alg": ["ES256"]}, id="alg-list"),
    pytest.param({"alg": {}}, id="alg-object"),
    pytest.param({"alg": "ES256", "kid": [1]}, id="kid-list"),
    pytest.param({"alg": "ES256", "typ": []}, id="typ-list"),
    pytest.param([], id="list"),
    pytest.param(None, id="null"),
    pytest.param(b"\xff", id="bytes"),
]


@pytest.mark.parametrize("header", HEADERS)
def test_C23_a_header_of_nonsense_is_refused_everywhere(partner, signed_in, header):
    portail = partner("portail", token_endpoint_auth_method="private_key_jwt")
    forged = f"{part(header)}.{part({'sub': 'portail', 'iss': 'portail'})}.AAAA"

    form = {"grant_type": "authorization_code", "client_assertion_type": ASSERTION, "client_assertion": forged}
    assert portail.call("/token", data=form).json["error"] == "invalid_client"
    assert portail.userinfo(forged).status_code == 401
    assert portail.introspect(forged).json == {"active": False}
    assert portail.revoke(forged).status_code == 200
    assert signed_in.get("/session/end", query_string={"id_token_hint": forged}).status_code == 400
    assert answer_of(portail.ask(signed_in, id_token_hint=forged))[1]["error"] == "invalid_request"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/token", "/userinfo", "/token/revocation"])
def test_C69_a_page_of_another_origin_reads_503_too(settings, compose, path):
    doors = compose(replace(settings, database_url="sqlite:////nonexistent/mag.sqlite3"))

    response = Client(doors).post(path, base_url="https://mag.test", headers={"Origin": "https://page.test"}, data={"token": "x"})

    assert response.status_code == 503
    assert response.headers["Retry-After"]
