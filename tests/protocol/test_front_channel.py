"""Tokens through the browser, while the setting allows it. OpenID Connect Core sections 3.2 and 3.3; tripwires 3, 12, 16, 20, 40, 41."""

import base64
import hashlib
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.protocol.relying import answer_of, register, sent_to, unverified_claims

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
TYPES = ("code id_token", "code token", "code id_token token", "id_token", "id_token token")
GIVEN = {"code": "code", "token": "access_token", "id_token": "id_token"}
WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
def settings(settings):
    return replace(settings, front_channel_tokens=True)


def hybrid(wsgi_app, client_id="hybride", **metadata):
    given = {
        "response_types": ["code", *TYPES],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "scope": "openid profile email siret offline_access",
        **metadata,
    }
    return register(wsgi_app, client_id, **given)


@pytest.fixture
def partenaire(wsgi_app):
    return hybrid(wsgi_app)


def left_half(text: str, function=hashlib.sha256) -> str:
    """Core section 3.3.2.11, written again from its text."""
    found = function(text.encode()).digest()
    return base64.urlsafe_b64encode(found[: len(found) // 2]).rstrip(b"=").decode()


def asked(partner, browser, response_type: str, **changes) -> dict[str, str]:
    address, answer = sent_to(partner.ask(browser, response_type=response_type, **{"nonce": "n-0S6_WzA2Mj", **changes}), "#")
    assert address == partner.redirect_uri
    return answer


# ------------------------------------------------------------------------------------------------------------ what comes


@pytest.mark.parametrize("response_type", TYPES)
def test_3_3_2_5_each_type_gives_what_it_names_in_the_fragment(partenaire, signed_in, response_type):
    answer = asked(partenaire, signed_in, response_type)
    words = response_type.split()
    beside = {"token_type", "expires_in", "scope"} if "token" in words else set()

    assert set(answer) == {*(GIVEN[word] for word in words), *beside, "state", "iss"}
    assert answer["state"] == "etat-0123456789"


def test_the_order_of_the_words_means_nothing(partenaire, signed_in):
    assert {"code", "id_token"} <= set(asked(partenaire, signed_in, "id_token code"))
    assert {"id_token", "access_token"} <= set(asked(partenaire, signed_in, "token id_token"))


@pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256", "EdDSA"])
def test_40_hashes_are_those_of_the_standard(wsgi_app, signed_in, alg):
    partner = hybrid(wsgi_app, f"hybride-{alg.lower()}", id_token_signed_response_alg=alg)
    answer = asked(partner, signed_in, "code id_token token")
    claims = unverified_claims(answer["id_token"])
    function = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256

    assert claims["c_hash"] == left_half(answer["code"], function)
    assert claims["at_hash"] == left_half(answer["access_token"], function)
    assert claims["s_hash"] == left_half("etat-0123456789", function)


@pytest.mark.parametrize(
    ("response_type", "hashes"),
    [
        ("code id_token", {"c_hash", "s_hash"}),
        ("id_token token", {"at_hash"}),
        ("id_token", set()),
        ("code id_token token", {"c_hash", "at_hash", "s_hash"}),
    ],
)
def test_40_hashes_are_there_for_what_comes_beside(partenaire, signed_in, response_type, hashes):
    claims = unverified_claims(asked(partenaire, signed_in, response_type)["id_token"])
    without_state = unverified_claims(asked(partenaire, signed_in, response_type, state=None)["id_token"])

    assert {"c_hash", "at_hash", "s_hash"} & claims.keys() == hashes
    assert "s_hash" not in without_state


def test_41_both_id_tokens_are_of_the_same_person_and_issuer(partenaire, signed_in):
    answer = asked(partenaire, signed_in, "code id_token")
    first, second = partenaire.verified(answer["id_token"]), partenaire.tokens(partenaire.redeem(answer["code"])).claims

    assert {name: first[name] for name in ("iss", "sub", "aud", "nonce", "auth_time", "sid", "acr")} == {
        name: second[name] for name in ("iss", "sub", "aud", "nonce", "auth_time", "sid", "acr")
    }


def test_the_access_token_opens_userinfo_and_dies_with_the_session(partenaire, signed_in, csrf_of_home):
    answer = asked(partenaire, signed_in, "id_token token", scope="openid email")
    token = answer["access_token"]
    found = partenaire.userinfo(token)

    assert (answer["token_type"].lower(), answer["scope"]) == ("bearer", "openid email")
    assert int(answer["expires_in"]) <= 600
    assert found.json["email"] == "anne.lefevre@exemple.fr"
    assert found.json["sub"] == unverified_claims(answer["id_token"])["sub"]
    csrf_of_home(signed_in)
    assert partenaire.userinfo(token).status_code == 401


@pytest.fixture
def csrf_of_home():
    def sign_out(browser) -> None:
        csrf = browser.get("/").text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
        assert browser.post("/deconnexion", data={"csrf": csrf}).status_code == 303

    return sign_out


def test_no_refresh_token_comes_through_the_browser(partenaire, signed_in):
    for response_type in TYPES:
        answer = sent_to(partenaire.ask(signed_in, response_type=response_type, nonce="n", scope="openid offline_access"), "#")[1]
        assert "refresh_token" not in answer


def test_28_5_4_claims_of_scopes_are_in_the_id_token_that_comes_alone(partenaire, signed_in):
    alone = unverified_claims(asked(partenaire, signed_in, "id_token", scope="openid email profile")["id_token"])
    beside = unverified_claims(asked(partenaire, signed_in, "id_token token", scope="openid email profile")["id_token"])
    hybrid_one = unverified_claims(asked(partenaire, signed_in, "code id_token", scope="openid email profile")["id_token"])

    assert alone["email"] == "anne.lefevre@exemple.fr"
    assert alone["family_name"] == "Lefèvre"
    for claims in (beside, hybrid_one):
        assert not {"email", "name", "family_name", "given_name"} & claims.keys()


def test_5_5_a_claim_asked_for_the_id_token_is_in_it(partenaire, signed_in):
    answer = asked(partenaire, signed_in, "code id_token", claims='{"id_token":{"email":{"essential":true}}}')

    assert unverified_claims(answer["id_token"])["email"] == "anne.lefevre@exemple.fr"


def test_20_a_nonce_is_needed_with_an_id_token_and_not_without(partenaire, signed_in):
    for response_type in TYPES:
        answer = sent_to(partenaire.ask(signed_in, response_type=response_type), "#")[1]
        assert answer.get("error") == ("invalid_request" if "id_token" in response_type else None), response_type


def test_3_2_2_1_an_id_token_needs_the_scope_openid(partenaire, signed_in):
    for response_type in TYPES:
        answer = sent_to(partenaire.ask(signed_in, response_type=response_type, nonce="n", scope="email"), "#")[1]
        assert answer.get("error") == ("invalid_scope" if "id_token" in response_type else None), response_type


def test_16_errors_are_in_the_fragment_too(partenaire, client):
    for response_type in TYPES:
        location = partenaire.ask(client, response_type=response_type, nonce="n", prompt="none").headers["Location"]
        assert urlsplit(location).query == ""
        assert parse_qs(urlsplit(location).fragment)["error"] == ["login_required"]


@pytest.mark.parametrize("mode", ["query", "query.jwt"])
def test_2_1_tokens_never_travel_in_a_query(partenaire, signed_in, mode):
    for response_type in TYPES:
        response = partenaire.ask(signed_in, response_type=response_type, nonce="n", response_mode=mode)
        assert urlsplit(response.headers["Location"]).query == ""
        answer = sent_to(response, "#")[1]
        if mode == "query.jwt":
            answer = unverified_claims(answer["response"])
        assert answer["error"] == "invalid_request"


def test_a_signed_answer_holds_the_tokens(partenaire, signed_in):
    answer = sent_to(partenaire.ask(signed_in, response_type="id_token token", nonce="n", response_mode="jwt"), "#")[1]
    claims = unverified_claims(answer["response"])

    assert {"id_token", "access_token", "expires_in", "state"} <= claims.keys()
    assert type(claims["expires_in"]) is int


def test_a_code_of_a_hybrid_answer_still_asks_for_its_verifier(partenaire, signed_in):
    assert asked(partenaire, signed_in, "code id_token", code_challenge=None, code_challenge_method=None)["error"] == "invalid_request"
    answer = asked(partenaire, signed_in, "code id_token")
    assert partenaire.redeem(answer["code"], code_verifier=None).status_code == 400
    implicit = asked(partenaire, signed_in, "id_token", code_challenge=None, code_challenge_method=None)
    assert "id_token" in implicit


def test_36_what_a_replayed_code_gave_beside_dies_too(partenaire, signed_in):
    answer = asked(partenaire, signed_in, "code id_token token")
    assert partenaire.redeem(answer["code"]).status_code == 200
    assert partenaire.userinfo(answer["access_token"]).status_code == 200
    assert partenaire.redeem(answer["code"]).json["error"] == "invalid_grant"

    assert partenaire.userinfo(answer["access_token"]).status_code == 401


# --------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("response_type", ["token", "none", "code none", "id_token id_token code", "code code", "token code token"])
def test_C08_other_types_are_refused(partenaire, signed_in, response_type):
    response = partenaire.ask(signed_in, response_type=response_type, nonce="n")
    mark = "#" if "#" in response.headers["Location"] else "?"

    assert sent_to(response, mark)[1]["error"] == "unsupported_response_type"


def test_a_client_has_only_the_types_it_registered(wsgi_app, signed_in):
    plain = register(wsgi_app, "simple")
    for response_type in TYPES:
        assert sent_to(plain.ask(signed_in, response_type=response_type, nonce="n"), "#")[1]["error"] == "unsupported_response_type"


@pytest.mark.parametrize("response_type", TYPES)
def test_73_a_client_of_fapi_has_the_code_alone(wsgi_app, signed_in, response_type):
    bank = hybrid(wsgi_app, "banque", profile="fapi2", token_endpoint_auth_method="private_key_jwt")
    response = bank.push(response_type=response_type, nonce="n")

    assert (response.status_code, response.json["error"]) == (400, "unsupported_response_type")


def test_9449_5_a_token_that_must_be_bound_does_not_come_through_the_browser(wsgi_app, signed_in):
    bound = hybrid(wsgi_app, "lie", dpop_bound_access_tokens=True)
    for response_type in TYPES:
        answer = sent_to(bound.ask(signed_in, response_type=response_type, nonce="n"), "#")[1]
        assert answer.get("error") == ("unsupported_response_type" if "token" in response_type.split() else None), response_type


def test_3_discovery_lists_them_while_they_are_on(client):
    found = client.get(WELL_KNOWN).json

    assert set(found["response_types_supported"]) == {"code", *TYPES}
    assert "implicit" in found["grant_types_supported"]


class TestWhenTheSettingIsOff:
    """RFC 9700 section 2.1.2; the default."""

    @pytest.fixture
    def settings(self, settings):
        return replace(settings, front_channel_tokens=False)

    @pytest.mark.parametrize("response_type", TYPES)
    def test_C08_each_is_refused_of_whoever_registered_it(self, partenaire, signed_in, response_type):
        answer = asked(partenaire, signed_in, response_type)

        assert set(answer) == {"error", "error_description", "state", "iss"}
        assert answer["error"] == "unsupported_response_type"

    def test_the_code_still_works(self, partenaire, signed_in):
        assert "code" in answer_of(partenaire.ask(signed_in))[1]

    def test_3_discovery_says_the_truth(self, client):
        found = client.get(WELL_KNOWN).json

        assert found["response_types_supported"] == ["code"]
        assert "implicit" not in found["grant_types_supported"]
