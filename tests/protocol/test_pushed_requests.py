"""Pushed authorization requests: deposited by the client, carried by the browser as a reference of one use. RFC 9126."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from idp.authentication.session import COOKIE
from idp.oidc.par import PREFIX
from idp.seals import digest
from tests.protocol.relying import answer_of, challenge_of


@pytest.fixture
def portail(partner):
    return partner()


def is_refusal_page(response) -> bool:
    return response.status_code == 400 and response.mimetype == "text/html" and "Location" not in response.headers


def demande_of(response) -> str:
    assert urlsplit(response.headers["Location"]).path == "/connexion", response.headers["Location"]
    return parse_qs(urlsplit(response.headers["Location"]).query)["demande"][0]


# ------------------------------------------------------------------------------------------------------------- depositing


def test_2_2_a_reference_and_its_life_are_given_once_the_request_is_checked(portail):
    response = portail.push()

    assert response.status_code == 201
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert set(response.json) == {"request_uri", "expires_in"}
    assert 5 <= response.json["expires_in"] < 600
    assert type(response.json["expires_in"]) is int


def test_C31_33_a_reference_cannot_be_guessed(portail):
    found = {portail.pushed() for _ in range(5)}

    assert len(found) == 5
    for reference in found:
        assert re.fullmatch(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}", reference)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request", id="2.1-request-uri-inside"),
        pytest.param({"request_uri": "https://portail.test/r"}, "invalid_request", id="2.1-request-uri-inside-https"),
        pytest.param({"redirect_uri": None}, "invalid_request", id="72-redirect-uri-missing"),
        pytest.param({"redirect_uri": "https://mal.test/retour"}, "invalid_request", id="2.3-redirect-uri-not-registered"),
        pytest.param({"response_type": None}, "invalid_request", id="2.3-response-type-missing"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="2.3-response-type"),
        pytest.param({"scope": "inconnu"}, "invalid_scope", id="2.3-scope"),
        pytest.param({"code_challenge": None}, "invalid_request", id="69-pkce-missing"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="69-pkce-plain"),
        pytest.param({"prompt": "inconnu"}, "invalid_request", id="2.3-prompt"),
        pytest.param({"claims": "{"}, "invalid_request", id="2.3-claims"),
        pytest.param({"resource": "https://ailleurs.test"}, "invalid_target", id="8707-2-resource"),
        pytest.param({"authorization_details": '[{"type":"x"}]'}, "invalid_authorization_details", id="9396-5-details"),
        pytest.param({"dpop_jkt": "court"}, "invalid_request", id="9449-10-dpop-jkt"),
        pytest.param({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", id="9101-10.5-unsigned-object"),
        pytest.param({"registration": "{}"}, "registration_not_supported", id="Core-3.1.2.6"),
    ],
)
def test_C31_2_3_what_the_authorization_endpoint_would_refuse_is_refused_at_once(portail, change, error):
    response = portail.push(**change)

    assert response.status_code == 400
    assert response.json["error"] == error
    assert "request_uri" not in response.json


def test_C31_2_3_refusals_of_the_client_are_those_of_the_token_endpoint(portail, partner):
    other = partner("autre")
    wrong = {"Authorization": other.credentials()[0]["Authorization"][:-4] + "AAA="}
    anonymous = portail.call("/request", data=portail.request())
    assert (anonymous.status_code, anonymous.json["error"]) == (401, "invalid_client")
    response = portail.push(headers=wrong)
    assert (response.status_code, response.json["error"]) == (401, "invalid_client")
    assert "WWW-Authenticate" in response.headers


def test_2_1_another_client_id_than_the_one_that_authenticates_is_refused(portail, partner):
    partner("autre")

    assert portail.push(client_id="autre").status_code == 401


def test_2_1_the_method_is_the_one_registered_alone(portail):
    form = {**portail.request(), "client_secret": portail.secret}

    assert portail.call("/request", data=form).status_code == 401


def test_a_public_client_pushes_too_without_a_secret(partner, signed_in):
    mobile = partner("mobile", token_endpoint_auth_method="none", grant_types=["authorization_code"])

    assert "code" in answer_of(mobile.ask_by(signed_in, mobile.pushed()))[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_68_another_method_is_refused(portail, method):
    headers, _ = portail.credentials()
    response = portail.call("/request", method, query_string=portail.request(), headers=headers)

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"client_id": "portail"}}, 415),
        ({"data": "a" * 70_000, "content_type": "application/x-www-form-urlencoded"}, 413),
        ({"data": "scope=a&scope=b", "content_type": "application/x-www-form-urlencoded"}, 400),
        ({"data": "state=%ff", "content_type": "application/x-www-form-urlencoded"}, 400),
        ({"data": "state=%00", "content_type": "application/x-www-form-urlencoded"}, 400),
    ],
)
def test_C55b_a_deposit_that_cannot_be_read_is_refused(portail, sent, status):
    response = portail.call("/request", headers=portail.credentials()[0], **sent)

    assert (response.status_code, response.json["error"]) == (status, "invalid_request")


def test_credentials_are_not_kept_with_the_request(partner, wsgi_app):
    poste = partner("poste", token_endpoint_auth_method="client_secret_post")
    reference = poste.pushed()
    kept = wsgi_app.mag.ephemeral.get("par", digest(reference.removeprefix(PREFIX)))

    assert "code_challenge" in kept
    assert "secret" not in kept
    assert reference.removeprefix(PREFIX) not in kept


# ---------------------------------------------------------------------------------------------------------------- its use


def test_4_the_browser_carries_the_reference_and_the_client_has_its_answer(portail, signed_in):
    address, answer = answer_of(portail.ask_by(signed_in, portail.pushed(state="é+", nonce="n-1", max_age="15000")))

    assert (address, answer["state"], answer["iss"]) == (portail.redirect_uri, "é+", portail.issuer)
    tokens = portail.tokens(portail.redeem(answer["code"]))
    assert tokens.claims["nonce"] == "n-1"


def test_C31_65_parameters_beside_the_reference_count_for_nothing(portail, signed_in):
    beside = {"state": "autre", "redirect_uri": "https://mal.test/", "scope": "email", "nonce": "autre", "response_mode": "fragment"}
    address, answer = answer_of(portail.ask_by(signed_in, portail.pushed(state="mien", nonce="n-1"), **beside))

    assert (address, answer["state"]) == (portail.redirect_uri, "mien")
    tokens = portail.tokens(portail.redeem(answer["code"]))
    assert (tokens.scope, tokens.claims["nonce"]) == ("openid", "n-1")


def test_ours_names_that_only_MAG_writes_are_dropped(portail, client):
    beside = {"mag_reference": "x", "mag_signed": "1", "mag_dpop_jkt": "A" * 43}
    location = portail.ask_by(client, portail.pushed(**beside), **beside).headers["Location"]

    assert urlsplit(location).path == "/connexion"


def test_C31_7_3_a_reference_serves_once(portail, signed_in):
    reference = portail.pushed()
    assert "code" in answer_of(portail.ask_by(signed_in, reference))[1]

    assert is_refusal_page(portail.ask_by(signed_in, reference))


def test_67_its_one_use_is_counted_when_it_is_answered(portail, client, sign_in, un_declarant):
    """FAPI 2.0 Security Profile section 5.3.2.2: a page loaded again before that finds the request still."""
    reference = portail.pushed()
    first = portail.ask_by(client, reference)
    for _ in range(2):
        assert client.get(first.headers["Location"]).status_code == 200
    demandes = [demande_of(first), demande_of(portail.ask_by(client, reference))]
    sign_in(client, un_declarant)
    answers = [answer_of(client.get("/authorize", query_string={"demande": demande}))[1] for demande in demandes]

    assert "code" in answers[0]
    assert "code" not in answers[1]
    assert answers[1]["error"] == "invalid_request_uri"
    assert is_refusal_page(portail.ask_by(client, reference))


def test_67_a_refusal_is_an_answer(portail, client, sign_in, un_declarant):
    reference = portail.pushed()
    demande = demande_of(portail.ask_by(client, reference))
    _, answer = answer_of(client.get("/authorize", query_string={"demande": demande, "refus": "1"}))
    assert answer["error"] == "access_denied"
    sign_in(client, un_declarant)

    assert is_refusal_page(portail.ask_by(client, reference))
    assert answer_of(client.get("/authorize", query_string={"demande": demande}))[1]["error"] == "invalid_request_uri"


def test_66_an_answer_without_a_person_is_one_too(portail, client):
    reference = portail.pushed(prompt="none")

    assert answer_of(portail.ask_by(client, reference))[1]["error"] == "login_required"
    assert is_refusal_page(portail.ask_by(client, reference))


def test_C31_66_a_reference_belongs_to_its_client(portail, partner, signed_in):
    reference, other = portail.pushed(), partner("autre")

    assert is_refusal_page(other.ask_by(signed_in, reference))
    address, answer = answer_of(other.ask_by(signed_in, reference, redirect_uri=other.redirect_uri, state="e"))
    assert (address, answer["error"], answer["state"]) == (other.redirect_uri, "invalid_request_uri", "e")
    assert "code" in answer_of(portail.ask_by(signed_in, reference))[1], "whoever tried spent nothing"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_C31_66_a_reference_expires(portail, signed_in):
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        response = portail.push()
        traveller.shift(timedelta(seconds=response.json["expires_in"] + 1))

        assert is_refusal_page(portail.ask_by(signed_in, response.json["request_uri"]))


@pytest.mark.parametrize(
    "reference",
    [PREFIX, PREFIX + "inconnu", PREFIX + "x" * 5000, PREFIX + "é", PREFIX.upper() + "x", "urn:autre", PREFIX + "\r\nA: b"],
)
def test_a_reference_nobody_gave_stays_on_a_page(portail, signed_in, reference):
    assert is_refusal_page(portail.ask_by(signed_in, reference))


def test_a_reference_without_its_client_stays_on_a_page(portail, signed_in):
    assert is_refusal_page(signed_in.get("/authorize", query_string={"request_uri": portail.pushed()}))


def test_12_a_reference_may_come_by_post(portail, signed_in):
    asked = {"client_id": "portail", "request_uri": portail.pushed()}
    response = signed_in.post("/authorize", data=asked)
    assert response.status_code == 303
    assert "code" in answer_of(signed_in.get(response.headers["Location"]))[1]


def test_12_a_post_too_long_for_an_address_goes_on_by_reference(portail, signed_in):
    state = "e" * 4000
    asked = {**portail.request(state=state), "claims": '{"userinfo":{"email":null}}' + " " * 3000}
    response = signed_in.post("/authorize", data=asked)
    assert response.status_code == 303
    assert len(response.headers["Location"]) < 300
    assert answer_of(signed_in.get(response.headers["Location"]))[1]["state"] == state


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_C31_of_twenty_uses_at_the_same_time_one_is_answered(portail, new_client, sign_in, un_declarant):
    browser = new_client()
    sign_in(browser, un_declarant)
    cookies = f"{COOKIE}={browser.get_cookie(COOKIE, domain='mag.test').value}"
    reference = portail.pushed()

    def use(_: int) -> str:
        asked = {"client_id": "portail", "request_uri": reference}
        return portail.call("/authorize", "GET", query_string=asked, headers={"Cookie": cookies}).headers.get("Location", "")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(use, range(20)))

    assert sum("code=" in answer for answer in answers) == 1
    assert all("code=" in answer or "error=invalid_request_uri" in answer or answer == "" for answer in answers)


# --------------------------------------------------------------------------------------------- those who must push first


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"require_pushed_authorization_requests": True}, id="9126-6-metadata"),
        pytest.param({"profile": "strict"}, id="ours-strict"),
        pytest.param({"profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt"}, id="FAPI-5.3.2.2"),
    ],
)
def test_C31_65_a_client_that_must_push_may_not_ask_otherwise(partner, signed_in, metadata):
    strict = partner("strict", **metadata)
    response = strict.ask(signed_in)
    address, answer = answer_of(response)

    assert (address, answer["error"]) == (strict.redirect_uri, "invalid_request")
    assert answer["state"] == "etat-0123456789"
    long = signed_in.post("/authorize", data={**strict.request(), "state": "e" * 4000, "inconnu": "x" * 4000})
    assert answer_of(long)[1]["error"] == "invalid_request"
    address, answer = answer_of(strict.ask_by(signed_in, strict.pushed()))
    assert set(answer) == {"code", "state", "iss"}


def test_65_a_signed_request_does_not_replace_the_deposit(partner, signed_in):
    strict = partner("strict", profile="strict", token_endpoint_auth_method="private_key_jwt")

    assert answer_of(strict.ask_signed(signed_in, redirect_uri=strict.redirect_uri))[1]["error"] == "invalid_request"


def test_69_the_challenge_deposited_is_the_one_that_counts(portail, signed_in):
    reference = portail.pushed(code_challenge=challenge_of("y" * 50))
    _, answer = answer_of(portail.ask_by(signed_in, reference, code_challenge=portail.request()["code_challenge"]))

    assert portail.redeem(answer["code"]).json["error"] == "invalid_grant"
    assert portail.redeem(answer["code"], code_verifier="y" * 50).status_code == 200
