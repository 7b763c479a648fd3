"""The `claims` parameter: what is asked one by one, where it is told, when it is an error. OpenID Connect Core section 5.5."""

import json

import pytest

from tests.protocol.relying import answer_of

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
EMAIL = "anne.lefevre@exemple.fr"


@pytest.fixture
def portail(partner):
    return partner()


def asked(**parts) -> str:
    return json.dumps(parts)


@pytest.mark.parametrize("how", [None, {}, {"essential": True}, {"essential": False}, {"value": "x"}, {"values": ["x", "y"]}])
def test_27_a_claim_asked_for_userinfo_is_there_and_not_in_the_id_token(portail, code_flow, how):
    tokens = code_flow(portail, claims=asked(userinfo={"email": how}))

    assert "email" not in tokens.claims
    assert portail.userinfo(tokens.access_token).json["email"] == EMAIL
    assert tokens.scope == "openid", "no scope is granted that was not asked"


@pytest.mark.parametrize("how", [None, {"essential": True}, {"value": EMAIL}])
def test_5_5_a_claim_asked_for_the_id_token_is_there_and_not_in_userinfo(portail, code_flow, how):
    tokens = code_flow(portail, claims=asked(id_token={"email": how}))

    assert tokens.claims["email"] == EMAIL
    assert "email" not in portail.userinfo(tokens.access_token).json


def test_28_scopes_tell_nothing_in_an_id_token_that_comes_with_an_access_token(portail, code_flow):
    tokens = code_flow(portail, scope="openid profile email siret")

    assert not {"email", "name", "given_name", "family_name", "siret", "email_verified"} & tokens.claims.keys()
    assert {"email", "name", "siret"} <= portail.userinfo(tokens.access_token).json.keys()


def test_both_places_at_once(portail, code_flow):
    tokens = code_flow(portail, claims=asked(id_token={"siret": None}, userinfo={"email": None}))
    told = portail.userinfo(tokens.access_token).json

    assert tokens.claims["siret"] == "73282932000074"
    assert (told["email"], "siret" in told) == (EMAIL, False)


def test_5_5_1_a_voluntary_or_essential_claim_without_a_value_is_left_out(partner, signed_in, sign_in, new_declarant, new_client):
    """Section 5.5.1: an essential claim that has no value is not an error."""
    browser = new_client()
    sign_in(browser, new_declarant())
    portail = partner()
    claims = asked(userinfo={"email": {"essential": True}}, id_token={"email": {"essential": True}})
    tokens = portail.tokens(portail.redeem(portail.code(browser, claims=claims)))

    assert "email" not in tokens.claims
    assert "email" not in portail.userinfo(tokens.access_token).json


def test_C10_a_claim_that_no_registered_scope_opens_is_not_told(partner, code_flow):
    mince = partner("mince", scope="openid email")
    tokens = code_flow(mince, claims=asked(id_token={"siret": {"essential": True}}, userinfo={"name": {"essential": True}}))

    assert "siret" not in tokens.claims
    assert "name" not in mince.userinfo(tokens.access_token).json


def test_unknown_claims_members_and_languages_are_ignored(portail, code_flow):
    claims = asked(
        userinfo={"email": {"inconnu": 1}, "inconnu": None, "name#fr": None}, id_token={"phone#ja-Kana-JP": None}, autre={"x": 1}
    )
    tokens = code_flow(portail, claims=claims)

    assert portail.userinfo(tokens.access_token).json.keys() == {"sub", "email"}


def test_24_auth_time_asked_is_told(portail, code_flow):
    assert type(code_flow(portail, claims=asked(id_token={"auth_time": {"essential": True}})).claims["auth_time"]) is int


@pytest.mark.parametrize(
    ("acr", "outcome"),
    [
        pytest.param({"essential": True, "value": "eidas1"}, "code", id="5.5.1.1-reached"),
        pytest.param({"essential": True, "values": ["eidas2", "eidas1"]}, "code", id="5.5.1.1-one-of-them"),
        pytest.param({"value": "eidas3"}, "code", id="5.5.1.1-voluntary"),
        pytest.param({"essential": True}, "code", id="5.5.1.1-any"),
        pytest.param(None, "code", id="5.5.1.1-null"),
        pytest.param({"essential": True, "value": "eidas2"}, "error", id="5.5.1.1-not-reached"),
        pytest.param({"essential": True, "values": ["eidas2", "eidas3"]}, "error", id="5.5.1.1-none-of-them"),
    ],
)
def test_26_an_essential_level_is_reached_or_the_request_fails(portail, signed_in, acr, outcome):
    _, answer = answer_of(portail.ask(signed_in, claims=asked(id_token={"acr": acr})))

    assert outcome in answer
    if outcome == "error":
        assert answer["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("part", ["id_token", "userinfo"])
def test_5_5_1_a_subject_asked_by_value_is_the_one_or_nobody(portail, signed_in, code_flow, part):
    sub = code_flow(portail).claims["sub"]

    assert "code" in answer_of(portail.ask(signed_in, prompt="none", claims=asked(**{part: {"sub": {"value": sub}}})))[1]
    for other in ("autre", "", 1, [sub], {"x": sub}, False):
        _, answer = answer_of(portail.ask(signed_in, prompt="none", claims=asked(**{part: {"sub": {"value": other}}})))
        assert answer["error"] == "login_required", other


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '"email"',
        "1",
        "null",
        '{"userinfo":[]}',
        '{"userinfo":"email"}',
        '{"userinfo":{"email":"x"}}',
        '{"userinfo":{"email":true}}',
        '{"id_token":{"acr":["eidas1"]}}',
        '{"id_token":1}',
        '{"userinfo":' + "[" * 1500,
        '{"userinfo":{"email":{"value":' + "9" * 4400 + "}}}",
        '{"userinfo":{"email":null}}' + " " * 4096,
    ],
)
def test_C56_claims_that_cannot_be_read_are_an_invalid_request(portail, text):
    response = portail.push(claims=text)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_C56_strange_claims_change_nothing(portail, signed_in):
    strange = [
        '{"userinfo":{"\\ud800":null,"email":{"value":"\\ud800"}}}',
        '{"id_token":{"acr":{"essential":true,"values":[1,null,{}]}}}',
        '{"id_token":{"acr":{"essential":"true","value":"eidas3"}}}',
        '{"userinfo":null,"id_token":null}',
        '{"userinfo":{"email":{"value":1e999}}}',
        "{}",
    ]
    for text in strange:
        assert portail.code(signed_in, claims=text)


def test_consent_names_what_is_asked_claim_by_claim(partner, signed_in):
    tiers = partner("tiers", first_party=False)
    page = tiers.ask(signed_in, claims=asked(userinfo={"email": None}, id_token={"siret": None}))

    assert page.status_code == 200
    assert "votre adresse électronique" in page.text
    assert "le SIRET de votre établissement" in page.text


def test_a_refreshed_id_token_repeats_what_was_asked(portail, code_flow):
    tokens = code_flow(portail, claims=asked(id_token={"email": None}, userinfo={"siret": None}))
    again = portail.tokens(portail.refresh(tokens.refresh_token))

    assert again.claims["email"] == EMAIL
    assert portail.userinfo(again.access_token).json["siret"] == "73282932000074"
