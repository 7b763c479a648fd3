"""How an answer travels: query, fragment, form, in clear or signed. Multiple Response Types 2.1, Form Post, JARM, RFC 9207."""

import re
import time
from html import unescape
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from tests.protocol.relying import altered, register, sent_to, unverified_header

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
CLEAR = ("query", "fragment", "form_post")
SIGNED = ("jwt", "query.jwt", "fragment.jwt", "form_post.jwt")
ERROR = {"prompt": "none", "max_age": "0"}
"""A refusal whoever is signed in: `login_required`."""


@pytest.fixture
def portail(partner):
    return partner()


def form_of(response) -> tuple[str, dict[str, str]]:
    """Where the page of a form_post answer posts, and what."""
    assert response.status_code == 200, response.text
    action = re.search(r'<form method="post" action="([^"]*)"', response.text)
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', response.text)
    assert action
    assert len(fields) == len(dict(fields))
    return unescape(action[1]), {name: unescape(value) for name, value in fields}


def answered(response, mode: str) -> tuple[str, dict[str, str]]:
    """The address and the parameters of an answer in this mode; nothing is anywhere else."""
    way = {"jwt": "query"}.get(mode, mode.removesuffix(".jwt"))
    if way == "form_post":
        assert "Location" not in response.headers
        return form_of(response)
    mark, other = ("#", "?") if way == "fragment" else ("?", "#")
    assert other not in response.headers["Location"]
    return sent_to(response, mark)


def unwrapped(partner, parameters: dict[str, str]) -> dict:
    """Claims of a signed answer (JARM section 2.4), checked as a partner checks them."""
    assert set(parameters) == {"response"}, "nothing in the clear beside it"
    keys = KeySet.import_key_set(partner.call("/jwks", "GET").json)
    token = jwt.decode(parameters["response"], keys, algorithms=["ES256", "RS256", "PS256", "EdDSA"])
    assert token.header["kid"]
    assert (token.claims["iss"], token.claims["aud"]) == (partner.issuer, partner.client_id)
    assert 10 <= token.claims["exp"] - time.time() <= 600
    return token.claims


# -------------------------------------------------------------------------------------------------------------- in clear


@pytest.mark.parametrize("mode", CLEAR)
def test_a_code_travels_as_asked_with_state_and_iss(portail, signed_in, mode):
    address, answer = answered(portail.ask(signed_in, response_mode=mode, state="é +&=\"'<b>"), mode)

    assert address == portail.redirect_uri
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("é +&=\"'<b>", portail.issuer)
    assert portail.redeem(answer["code"]).status_code == 200


@pytest.mark.parametrize("mode", CLEAR)
def test_16_17_an_error_travels_the_same_way(portail, signed_in, mode):
    address, answer = answered(portail.ask(signed_in, response_mode=mode, **ERROR), mode)

    assert address == portail.redirect_uri
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert answer["error"] == "login_required"


@pytest.mark.parametrize("mode", CLEAR)
def test_without_state_none_is_made_up(portail, signed_in, mode):
    _, answer = answered(portail.ask(signed_in, response_mode=mode, state=None), mode)

    assert set(answer) == {"code", "iss"}


def test_18_a_registered_query_is_kept_in_each_mode(partner, signed_in):
    compte = partner("compte", redirect_uris=["https://compte.test/retour?tenant=1"])
    for mode in CLEAR:
        response = compte.ask(signed_in, response_mode=mode)
        where = form_of(response)[0] if mode == "form_post" else response.headers["Location"]
        assert where.startswith("https://compte.test/retour?tenant=1")
        assert where.count("?") == 1


@pytest.mark.parametrize("mode", ["", "QUERY", "web_message", "form_post.JWT", "fragment.", ".jwt", "jwt.jwt", "query fragment"])
def test_2_1_an_unknown_mode_is_refused_in_the_default_one(portail, signed_in, mode):
    _, answer = sent_to(portail.ask(signed_in, response_mode=mode), "?")

    assert ("code" in answer) if mode == "" else (answer["error"] == "invalid_request")


# ------------------------------------------------------------------------------------------------------------ by a form


def test_32_the_page_posts_by_itself_and_its_policy_lets_it(portail, signed_in):
    response = portail.ask(signed_in, response_mode="form_post")
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))

    assert policy["form-action"] == "'self' https://portail.test"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    script = re.search(r'<script src="([^"]+)"></script>', response.text)
    assert script
    assert "submit()" in signed_in.get(unescape(script[1])).text
    assert not re.search(r"<script>|\son\w+=|style=", response.text), "nothing inline"
    assert re.search(r'<button type="submit"', response.text), "works without JavaScript"


def test_C58_what_a_partner_sends_is_only_text_in_the_page(portail, signed_in):
    state = "\"><script>alert(1)</script><input name='x'"
    response = portail.ask(signed_in, response_mode="form_post", state=state)

    assert "<script>alert" not in response.text
    assert form_of(response)[1]["state"] == state


def test_a_sign_in_ends_with_the_same_page(portail, client, sign_in, un_declarant):
    location = portail.ask(client, response_mode="form_post").headers["Location"]
    sign_in(client, un_declarant)
    _, answer = form_of(client.get(location.replace("/connexion", "/authorize")))

    assert set(answer) == {"code", "state", "iss"}


def test_whoever_cancels_is_told_by_a_form_too(portail, client):
    location = portail.ask(client, response_mode="form_post").headers["Location"]
    _, answer = form_of(client.get(location.replace("/connexion", "/authorize") + "&refus=1"))

    assert answer["error"] == "access_denied"


# --------------------------------------------------------------------------------------------------------------- signed


@pytest.mark.parametrize("mode", SIGNED)
def test_86_a_signed_answer_holds_everything_and_nothing_else_is_said(portail, signed_in, mode):
    address, parameters = answered(portail.ask(signed_in, response_mode=mode), mode)
    claims = unwrapped(portail, parameters)

    assert address == portail.redirect_uri
    assert set(claims) == {"iss", "aud", "exp", "code", "state"}
    assert claims["state"] == "etat-0123456789"
    assert portail.redeem(claims["code"]).status_code == 200


@pytest.mark.parametrize("mode", SIGNED)
def test_86_errors_are_wrapped_too(portail, signed_in, mode):
    _, parameters = answered(portail.ask(signed_in, response_mode=mode, **ERROR), mode)
    claims = unwrapped(portail, parameters)

    assert set(claims) == {"iss", "aud", "exp", "error", "error_description", "state"}
    assert claims["error"] == "login_required"


@pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256", "EdDSA"])
def test_JARM_3_the_algorithm_is_the_one_registered(wsgi_app, signed_in, alg):
    client_id = f"jarm-{alg.lower()}"
    signer = register(wsgi_app, client_id, authorization_signed_response_alg=alg)
    _, parameters = answered(signer.ask(signed_in, response_mode="jwt"), "jwt")

    assert unverified_header(parameters["response"])["alg"] == alg
    assert unwrapped(signer, parameters)


def test_JARM_3_RS256_by_default(portail, signed_in):
    _, parameters = answered(portail.ask(signed_in, response_mode="jwt"), "jwt")

    assert unverified_header(parameters["response"])["alg"] == "RS256"


def test_an_answer_is_not_a_token(portail, signed_in):
    """RFC 8725 section 3.12: nothing MAG signs stands for something else."""
    _, parameters = answered(portail.ask(signed_in, response_mode="jwt"), "jwt")

    assert portail.userinfo(parameters["response"]).status_code == 401
    assert portail.introspect(parameters["response"]).json == {"active": False}
    assert portail.ask(signed_in, id_token_hint=parameters["response"]).headers["Location"].startswith(f"{portail.redirect_uri}?error=")
    with pytest.raises(BadSignatureError):
        unwrapped(portail, {"response": altered(parameters["response"])})


# --------------------------------------------------------------------------------------------- FAPI 2.0 Message Signing


@pytest.fixture
def message(wsgi_app):
    return register(wsgi_app, "message", profile="fapi2-message", token_endpoint_auth_method="private_key_jwt")


def pushed(message, **asked) -> str:
    found = message.push(**dict.fromkeys(message.request()), request=message.request_object(**asked))
    assert found.status_code == 201, found.text
    return str(found.json["request_uri"])


@pytest.mark.parametrize("mode", [None, *SIGNED])
def test_FAPI_5_4_its_answers_are_signed_whether_it_says_so_or_not(message, signed_in, mode):
    _, parameters = answered(message.ask_by(signed_in, pushed(message, response_mode=mode)), mode or "jwt")

    assert set(unwrapped(message, parameters)) == {"iss", "aud", "exp", "code", "state"}
    assert unverified_header(parameters["response"])["alg"] == "ES256"


@pytest.mark.parametrize("mode", CLEAR)
def test_FAPI_5_4_it_may_not_ask_for_an_answer_in_clear(message, signed_in, mode):
    response = message.push(**dict.fromkeys(message.request()), request=message.request_object(response_mode=mode))
    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
    refused = message.ask(signed_in, response_mode=mode)
    _, parameters = answered(refused, mode)

    assert unwrapped(message, parameters)["error"] == "invalid_request", "not even that refusal is in clear"


def test_a_person_who_cancels_is_told_under_the_signature(message, client):
    location = message.ask_by(client, pushed(message)).headers["Location"]
    assert urlsplit(location).path == "/connexion"
    _, parameters = answered(client.get(location.replace("/connexion", "/authorize") + "&refus=1"), "jwt")

    assert unwrapped(message, parameters)["error"] == "access_denied"
