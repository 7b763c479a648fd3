"""A client of ProConnect, and one of FranceConnect, with the configuration they have: only the issuer and the credentials change.

The parameter sets are those that both services publish: issuer under `/api/v2`, `client_secret_post`, no PKCE, one scope per
claim, `claims` for `acr` and `amr`, signed UserInfo, logout with `id_token_hint` and `state`. Each test looks at what such a
client looks at.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from werkzeug.test import Client

from tests.protocol.relying import PATHS, Partner, answer_of, unverified_claims, unverified_header

ISSUER = "https://mag.test/api/v2"
STATE = "h3K2zUq7r9XvB4nL8wPtYs6mDf0aGjCe"
NONCE = "b7Qx2mZk9LrT4vWc8YpN1sHd"
LOGGED_OUT = "https://demarches.test/deconnecte/"
PROCONNECT_SCOPE = (
    "openid given_name usual_name email uid siret siren idp_id idp_acr belonging_population organizational_unit phone chorusdt"
)
PROCONNECT_CLAIMS = {"id_token": {"amr": {"essential": True}, "acr": {"essential": True, "values": ["eidas1", "eidas1-mfa"]}}}
FRANCECONNECT_SCOPE = "openid given_name family_name birthdate gender birthplace birthcountry email preferred_username"


@pytest.fixture
def settings(settings):
    return replace(settings, issuer=ISSUER)


@pytest.fixture
def proconnect(partner) -> Callable[..., Partner]:
    """A service of ProConnect, as its partners are registered there."""

    def make(client_id: str = "demarches", alg: str = "ES256", **metadata: Any) -> Partner:
        given = {
            "profile": "proconnect",
            "redirect_uris": [f"https://{client_id}.test/login-callback"],
            "post_logout_redirect_uris": [LOGGED_OUT],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": alg,
            "userinfo_signed_response_alg": alg,
            "subject_type": "public",
            "scope": PROCONNECT_SCOPE,
        }
        return partner(client_id, **{**given, **metadata})

    return make


@pytest.fixture
def franceconnect(partner) -> Callable[..., Partner]:
    """A service of FranceConnect."""

    def make(client_id: str = "service", alg: str = "ES256", **metadata: Any) -> Partner:
        given = {
            "profile": "franceconnect",
            "redirect_uris": [f"https://{client_id}.test/callback"],
            "post_logout_redirect_uris": [LOGGED_OUT],
            "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "client_secret_post",
            "id_token_signed_response_alg": alg,
            "userinfo_signed_response_alg": alg,
            "scope": FRANCECONNECT_SCOPE,
        }
        return partner(client_id, **{**given, **metadata})

    return make


def asks(fs: Partner, browser: Client, **changes: str | None) -> tuple[str, dict[str, str]]:
    """Their request, without PKCE; a change to None leaves a parameter out."""
    return answer_of(fs.ask(browser, **request_of(fs, **changes)))


def request_of(fs: Partner, **changes: str | None) -> dict[str, str | None]:
    asked: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None, "state": STATE, "nonce": NONCE}
    if fs.extra["profile"] == "proconnect":
        asked |= {"scope": PROCONNECT_SCOPE, "claims": orjson.dumps(PROCONNECT_CLAIMS).decode(), "acr_values": "eidas1"}
    else:
        asked |= {"scope": FRANCECONNECT_SCOPE, "acr_values": "eidas1"}
    return {**asked, **changes}


def redeems(fs: Partner, browser: Client, **changes: str | None) -> dict[str, Any]:
    """The answer of the token endpoint to `client_secret_post` and nothing more."""
    address, answer = asks(fs, browser, **changes)
    assert address == fs.redirect_uri, (address, answer)
    assert (answer["state"], answer["iss"]) == (STATE, ISSUER)
    form = {"grant_type": "authorization_code", "client_id": fs.client_id, "client_secret": fs.secret, "redirect_uri": fs.redirect_uri}
    response = fs.call("/token", data={**form, "code": answer["code"]})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"].startswith("application/json")
    found: dict[str, Any] = response.json
    return found


def check_id_token(fs: Partner, tokens: dict[str, Any]) -> dict[str, Any]:
    """What their guides tell a client to check."""
    claims = fs.verified(tokens["id_token"])
    assert unverified_header(tokens["id_token"])["alg"] == fs.extra["id_token_signed_response_alg"]
    assert (claims["iss"], claims["aud"], claims["nonce"], claims["acr"]) == (ISSUER, fs.client_id, NONCE, "eidas1")
    assert claims["exp"] > time.time() >= claims["iat"] - 5
    assert claims["amr"] == ["pwd"]
    assert isinstance(claims["auth_time"], int)
    assert claims["sub"].isascii()
    return claims


def check_userinfo(fs: Partner, tokens: dict[str, Any]) -> dict[str, Any]:
    """A JWT under the algorithm registered, for this client, about this person."""
    answer = fs.call("/userinfo", "GET", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jwt")
    claims = fs.verified(answer.text)
    assert unverified_header(answer.text)["alg"] == fs.extra["userinfo_signed_response_alg"]
    assert (claims["iss"], claims["aud"]) == (ISSUER, fs.client_id)
    assert claims["iat"] <= time.time()
    assert claims["sub"] == unverified_claims(tokens["id_token"])["sub"]
    return claims


# -------------------------------------------------------------------------------------------------------------- discovery


def test_paths_are_those_of_both_services(proconnect):
    document = proconnect().call("/.well-known/openid-configuration", "GET").json

    assert document["issuer"] == ISSUER
    assert {name: document[name].removeprefix(ISSUER) for name in PATHS} == PATHS
    assert {"client_secret_post", "private_key_jwt"} <= set(document["token_endpoint_auth_methods_supported"])
    assert {"ES256", "RS256"} <= set(document["id_token_signing_alg_values_supported"])
    assert {"ES256", "RS256"} <= set(document["userinfo_signing_alg_values_supported"])
    assert "eidas1" in document["acr_values_supported"]
    assert set(PROCONNECT_SCOPE.split()) <= set(document["scopes_supported"])


# -------------------------------------------------------------------------------------------------------------- ProConnect


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_proconnect_the_whole_journey(proconnect, signed_in, alg):
    fs = proconnect(alg=alg)

    tokens = redeems(fs, signed_in)

    assert (tokens["token_type"], isinstance(tokens["expires_in"], int)) == ("Bearer", True)
    assert tokens["refresh_token"]
    check_id_token(fs, tokens)
    claims = check_userinfo(fs, tokens)
    assert {name: claims[name] for name in PERSON} == PERSON
    assert claims["given_name"].startswith("Anne")
    assert claims["idp_id"] == ISSUER
    assert claims["idp_acr"] == "eidas1"
    assert 1 <= len(claims["uid"]) <= 256
    assert not {"chorusdt:matricule", "chorusdt:societe"} & claims.keys()


PERSON = {"usual_name": "Lefèvre", "email": "anne.lefevre@exemple.fr", "siret": "73282932000074", "siren": "732829320"}


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"id_token": {"acr": {"essential": True, "value": "eidas1"}}}, id="value"),
        pytest.param({"id_token": {"acr": {"essential": True, "values": ["eidas1", "eidas2", "eidas3"]}}}, id="values"),
        pytest.param({"id_token": {"amr": {"essential": True}}}, id="amr-alone"),
        pytest.param({"id_token": {"acr": {"essential": False, "value": "eidas2"}}}, id="not-essential"),
    ],
)
def test_proconnect_claims_are_asked_in_their_way(proconnect, signed_in, claims):
    fs = proconnect()

    check_id_token(fs, redeems(fs, signed_in, claims=orjson.dumps(claims).decode(), acr_values=None))


def test_proconnect_a_level_that_cannot_be_reached(proconnect, signed_in):
    fs = proconnect()
    claims = {"id_token": {"acr": {"essential": True, "values": ["eidas2", "eidas3"]}}}

    address, answer = asks(fs, signed_in, claims=orjson.dumps(claims).decode())

    assert address == fs.redirect_uri
    assert (answer["error"], answer["error_description"]) == ("access_denied", "requested ACRs could not be satisfied")
    assert answer["state"] == STATE


def test_proconnect_nonce_is_optional_and_state_is_not(proconnect, signed_in):
    fs = proconnect()

    assert "nonce" not in unverified_claims(redeems(fs, signed_in, nonce=None)["id_token"])
    assert asks(fs, signed_in, state=None)[1]["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        pytest.param({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "code_challenge_method must be S256", id="plain"),
        pytest.param({"code_challenge": "x" * 43}, "code_challenge_method must be S256", id="without-method"),
        pytest.param({"prompt": "select_account"}, "unsupported prompt value requested", id="select-account"),
    ],
)
def test_proconnect_refuses_what_proconnect_refuses(proconnect, signed_in, changes, description):
    answer = asks(proconnect(), signed_in, **changes)[1]

    assert (answer["error"], answer["error_description"]) == ("invalid_request", description)


def test_proconnect_prompts(proconnect, signed_in, new_client):
    fs = proconnect()

    assert "code" in asks(fs, signed_in, prompt="none")[1]
    assert asks(fs, new_client(), prompt="none")[1]["error"] == "login_required"
    assert asks(fs, signed_in, prompt="login")[0] == "/api/v2/connexion"
    assert fs.ask(signed_in, **request_of(fs, prompt="consent")).status_code == 200


def test_proconnect_hints_and_unknown_parameters_are_no_error(proconnect, signed_in):
    hints = {"login_hint": "anne.lefevre@exemple.fr", "idp_hint": "5e4f3a1c-0000-4000-8000-000000000000", "siret_hint": "73282932000074"}
    fs = proconnect()

    check_id_token(fs, redeems(fs, signed_in, **hints, sp_id="7", sp_name="D", remember_me="true", custom="1"))


def test_proconnect_a_person_has_one_sub_for_two_services(proconnect, signed_in):
    first, second = proconnect("premier"), proconnect("second")

    subs = {unverified_claims(redeems(fs, signed_in)["id_token"])["sub"] for fs in (first, second)}

    assert len(subs) == 1


def test_proconnect_renews(proconnect, signed_in):
    fs = proconnect()
    tokens = redeems(fs, signed_in)
    form = {"grant_type": "refresh_token", "client_id": fs.client_id, "client_secret": fs.secret, "refresh_token": tokens["refresh_token"]}

    renewed = fs.call("/token", data=form)

    assert renewed.status_code == 200
    assert renewed.json["refresh_token"]
    before, after = unverified_claims(tokens["id_token"]), unverified_claims(renewed.json["id_token"])
    assert {name: before[name] for name in ("iss", "sub", "aud", "auth_time")} == {
        name: after[name] for name in ("iss", "sub", "aud", "auth_time")
    }


def test_proconnect_other_methods_than_the_one_registered_are_refused(proconnect, signed_in):
    fs = proconnect()
    _, answer = asks(fs, signed_in)
    form = {"grant_type": "authorization_code", "redirect_uri": fs.redirect_uri, "code": answer["code"]}

    basic = fs.call("/token", data=form, auth=(fs.client_id, fs.secret))

    assert (basic.status_code, basic.json["error"]) == (401, "invalid_client")


def test_proconnect_introspection_asks_who_asks(proconnect, signed_in):
    fs = proconnect()
    tokens = redeems(fs, signed_in)
    credentials = {"client_id": fs.client_id, "client_secret": fs.secret}

    assert fs.call("/token/introspection", data={"token": tokens["access_token"], **credentials}).json["active"] is True
    assert (
        fs.call("/token/introspection", data={"token": tokens["access_token"], **credentials, "client_secret": "faux"}).status_code == 401
    )


def logout_address(tokens: dict[str, Any], **changes: str | None) -> str:
    asked: dict[str, str | None] = {"id_token_hint": tokens["id_token"], "state": STATE, "post_logout_redirect_uri": LOGGED_OUT, **changes}
    return f"/api/v2/session/end?{urlencode({name: value for name, value in asked.items() if value is not None})}"


def test_proconnect_logout_comes_back_with_state(proconnect, signed_in):
    fs = proconnect()
    tokens = redeems(fs, signed_in)

    assert answer_of(signed_in.get(logout_address(tokens))) == (LOGGED_OUT, {"state": STATE})
    assert asks(fs, signed_in, prompt="none")[1]["error"] == "login_required"
    assert fs.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("address", [LOGGED_OUT.rstrip("/"), f"{LOGGED_OUT}?a=1", "https://ailleurs.test/"])
def test_proconnect_logout_returns_to_the_exact_address_alone(proconnect, signed_in, address):
    """The last slash counts."""
    fs = proconnect()

    left = signed_in.get(logout_address(redeems(fs, signed_in), post_logout_redirect_uri=address))

    assert address not in left.headers.get("Location", "")


def test_proconnect_logout_without_a_return_says_that_it_is_done(proconnect, signed_in):
    fs = proconnect()

    left = signed_in.get(logout_address(redeems(fs, signed_in), post_logout_redirect_uri=None))

    assert left.status_code == 200


# ----------------------------------------------------------------------------------------------------------- FranceConnect


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_franceconnect_the_whole_journey(franceconnect, signed_in, alg):
    fs = franceconnect(alg=alg)

    tokens = redeems(fs, signed_in)

    assert "refresh_token" not in tokens
    check_id_token(fs, tokens)
    claims = check_userinfo(fs, tokens)
    assert (claims["family_name"], claims["email"]) == ("Lefèvre", "anne.lefevre@exemple.fr")
    assert claims["given_name"].startswith("Anne")
    assert not {"birthdate", "gender", "birthplace", "birthcountry"} & claims.keys(), "MAG holds none of these"


def test_franceconnect_a_sub_is_one_services(franceconnect, signed_in):
    subs = {unverified_claims(redeems(fs, signed_in)["id_token"])["sub"] for fs in (franceconnect("premier"), franceconnect("second"))}

    assert len(subs) == 2


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": None}, id="state"),
        pytest.param({"nonce": None}, id="nonce"),
        pytest.param({"nonce": "x" * 21}, id="nonce-of-21-characters"),
        pytest.param({"acr_values": None}, id="acr-values"),
        pytest.param({"prompt": "none"}, id="prompt-none"),
        pytest.param({"prompt": "select_account"}, id="prompt-select-account"),
    ],
)
def test_franceconnect_refuses_what_franceconnect_refuses(franceconnect, signed_in, changes):
    fs = franceconnect()

    address, answer = asks(fs, signed_in, **changes)

    assert (address, answer["error"]) == (fs.redirect_uri, "invalid_request")
    assert "code" not in answer


def test_franceconnect_a_level_that_cannot_be_reached(franceconnect, signed_in):
    """`acr_values` is not a wish there."""
    fs = franceconnect()

    assert asks(fs, signed_in, acr_values="eidas3")[1]["error"] == "invalid_acr"
    assert "code" in asks(fs, signed_in, acr_values="eidas2 eidas1")[1]


def test_franceconnect_prompts_and_hints(franceconnect, signed_in):
    fs = franceconnect()

    assert asks(fs, signed_in, prompt="login")[0] == "/api/v2/connexion"
    assert fs.ask(signed_in, **request_of(fs, prompt="consent")).status_code == 200
    assert "code" in asks(fs, signed_in, idp_hint="impots", ui_locales="fr")[1]


@pytest.mark.parametrize(("names", "word"), [({}, "totp"), ({"amr_names": "franceconnect"}, "otp")])
def test_franceconnect_words_of_amr_by_registration(franceconnect, new_client, un_declarant, sign_in, names, word):
    """RFC 8176 section 2 calls a code `otp`; MAG says `totp`, as ProConnect does."""
    fs, browser = franceconnect(**names), new_client()
    sign_in(browser, un_declarant, acr="eidas1-mfa", amr=("pwd", "totp", "mfa"))

    assert unverified_claims(redeems(fs, browser)["id_token"])["amr"] == ["pwd", word, "mfa"]


def test_franceconnect_logout_comes_back_with_state(franceconnect, signed_in):
    tokens = redeems(franceconnect(), signed_in)

    assert answer_of(signed_in.get(logout_address(tokens))) == (LOGGED_OUT, {"state": STATE})
