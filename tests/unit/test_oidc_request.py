"""The authorization request and its rules, without a server. RFC 6749, RFC 7636, OpenID Connect Core."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.oidc.checks import CHECKS, known_client, read_request, verify
from idp.oidc.client import Client
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.profiles import PROFILES
from idp.oidc.request import AuthorizationRequest, ClaimsRequest, InvalidClaimsError, read_claims, s256

ANY = settings(deadline=None)
VECTORS = Path(__file__).parent / "vectors"
CLIENT = Client(
    client_id="portail", client_name="Portail", redirect_uris=("https://portail.test/retour",), scope=frozenset({"openid", "email"})
)
ASKED = {
    "client_id": "portail",
    "redirect_uri": "https://portail.test/retour",
    "response_type": "code",
    "scope": "openid",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


def find(client_id: str) -> Client | None:
    return CLIENT if client_id == "portail" else None


def test_7636_B_the_challenge_of_a_verifier():
    vector = json.loads((VECTORS / "rfc7636-B.json").read_text())

    assert s256(vector["code_verifier"]) == vector["code_challenge"]


def test_each_rule_lets_a_good_request_through():
    request = AuthorizationRequest(ASKED, CLIENT)

    assert [check(request) for check, _ in CHECKS] == [None] * len(CHECKS)
    assert verify(request).parameters == ASKED


@pytest.mark.parametrize("given", ["id_token code", "code  id_token", "code\tid_token", " code id_token\n"])
def test_words_of_a_response_type_are_told_apart_by_any_blank(given):
    assert AuthorizationRequest({**ASKED, "response_type": "code\t"}, CLIENT).response_type == "code"
    assert AuthorizationRequest({**ASKED, "response_type": given}, CLIENT).response_type == "code id_token"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize(("check", "about"), [one for one in CHECKS if one[1]], ids=[about for _, about in CHECKS if about])
def test_a_rule_about_a_parameter_has_nothing_to_say_without_it(check, about, profile):
    demanding = replace(CLIENT, profile=profile)
    others = {"dpop_jkt", "mag_dpop_jkt", "max_age", "prompt", "registration", "resource", "response_mode"} - {about}

    for request in (AuthorizationRequest(ASKED, demanding), AuthorizationRequest({**ASKED, **dict.fromkeys(others, "?")}, demanding)):
        assert about not in request.parameters
        assert check(request) is None


NAMES = st.sampled_from([*ASKED, "nonce", "state", "prompt", "max_age", "claims", "acr_values", "request"])


def outcome(changes: dict[str, str]) -> AuthorizationRequest | Exception:
    try:
        asked = {**ASKED, **changes}
        return verify(read_request(asked, known_client(asked, find)))
    except (UntrustedRequestError, AuthorizationError) as error:
        return error


@ANY
@given(st.dictionaries(NAMES, st.text(max_size=60)))
def test_any_text_is_let_through_or_refused_in_one_of_two_ways(changes):
    found = outcome(changes)

    if isinstance(found, UntrustedRequestError):
        assert {"client_id", "redirect_uri"} & changes.keys()
    elif isinstance(found, AuthorizationError):
        assert found.error
        assert found.description.isascii()
        assert not set(found.description) & set('"\\\r\n\t')
    else:
        assert found.client is CLIENT
        assert set(found.granted_scope(frozenset({"openid", "email", "siret"}))) <= {"openid", "email"}


def test_scopes_keep_their_order_once_each_and_never_exceed_registration_nor_what_is_offered():
    request = AuthorizationRequest({**ASKED, "scope": "email openid email siret phone"}, CLIENT)

    assert request.asked_scope == ["email", "openid", "siret", "phone"]
    assert request.granted_scope(frozenset({"openid", "siret"})) == ["openid"]


@pytest.mark.parametrize(
    ("profile", "method", "required"),
    [
        (PROFILES["standard"], "client_secret_basic", True),
        (PROFILES["proconnect"], "client_secret_basic", False),
        (PROFILES["franceconnect"], "private_key_jwt", False),
        (PROFILES["proconnect"], "none", True),
        (PROFILES["franceconnect"], "none", True),
    ],
)
def test_who_must_send_a_challenge(profile, method, required):
    client = Client(client_id="x", client_name="x", profile=profile, token_endpoint_auth_method=method)

    assert client.requires_pkce is required


def test_max_age_of_the_request_comes_before_that_of_the_registration():
    lazy = Client(client_id="x", client_name="x", default_max_age=60)

    assert AuthorizationRequest({}, CLIENT).max_age is None
    assert AuthorizationRequest({}, lazy).max_age == 60
    assert AuthorizationRequest({"max_age": "0"}, lazy).max_age == 0


# ---------------------------------------------------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    "text", ["{", "[]", "null", "1", '"x"', '{"id_token":1}', '{"userinfo":[]}', '{"id_token":{"a":"b"}}', "[" * 4000, " " * 4097]
)
def test_5_5_what_is_not_a_claims_parameter_is_refused(text):
    with pytest.raises(InvalidClaimsError):
        read_claims(text)


@pytest.mark.parametrize("text", ["", "{}", '{"userinfo":null}', '{"autre":1}', '{"userinfo":{"email":null,"x":{"essential":true}}}'])
def test_5_5_what_is_one_is_read(text):
    assert isinstance(read_claims(text), ClaimsRequest)


@pytest.mark.parametrize(
    ("acr", "required"),
    [
        (None, set()),
        ({}, set()),
        ({"value": "a"}, set()),
        ({"essential": True}, set()),
        ({"essential": True, "value": "a"}, {"a"}),
        ({"essential": True, "values": ["a", "b"]}, {"a", "b"}),
        ({"essential": True, "values": ["a", 3, None]}, {"a"}),
        ({"essential": "true", "value": "a"}, set()),
        ({"essential": True, "value": 3}, set()),
    ],
)
def test_5_5_1_1_levels_without_which_the_request_fails(acr, required):
    assert read_claims(json.dumps({"id_token": {"acr": acr}})).required_acr() == required


LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@ANY
@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_is_read_or_refused(value):
    try:
        found = read_claims(json.dumps(value))
    except InvalidClaimsError:
        return
    found.required_acr()
    found.required_sub()
