"""Introspection answered as a JWT. RFC 9701 sections 4, 5 and 8; Accept read as RFC 9110 section 12.5.1 says."""

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet

from idp.keys import ALGORITHMS
from idp.oidc.client import CONTENT_ENCS, KEY_ALGS
from idp.oidc.wire import prefers

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
JWT = "application/token-introspection+jwt"


def asked(partner, token: str, accept: str = JWT):
    headers, fields = partner.credentials()
    return partner.call("/token/introspection", data={**fields, "token": token}, headers={**headers, "Accept": accept})


def verified(partner, text: str) -> jwt.Token:
    return jwt.decode(text, KeySet.import_key_set(partner.call("/jwks", "GET").json), algorithms=list(ALGORITHMS))


@pytest.mark.parametrize("accept", [JWT, f"{JWT}, application/json;q=0.5", f"application/json;q=0.1, {JWT.upper().lower()};q=0.2"])
def test_5_who_asks_for_a_jwt_has_one(partner, code_flow, accept):
    portail = partner()
    token = code_flow(portail).access_token
    answer = asked(portail, token, accept)
    found = verified(portail, answer.text)

    assert (answer.status_code, answer.content_type, answer.headers["Cache-Control"]) == (200, JWT, "no-store")
    assert found.header["typ"] == "token-introspection+jwt"
    assert set(found.claims) == {"iss", "aud", "iat", "token_introspection"}, "section 5: no sub nor exp of its own"
    assert (found.claims["iss"], found.claims["aud"]) == ("https://mag.test", "portail")
    assert found.claims["token_introspection"] == portail.introspect(token).json


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", f"application/json, {JWT}", f"{JWT};q=0", f"{JWT};q=x", "application/jwt"]
)
def test_4_whoever_else_reads_json(partner, code_flow, accept):
    portail = partner()

    assert asked(portail, code_flow(portail).access_token, accept).json["active"] is True


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_6_so_has_who_registered_an_algorithm(partner, code_flow, alg):
    portail = partner(introspection_signed_response_alg=alg)
    found = verified(portail, portail.introspect(code_flow(portail).access_token).text)

    assert found.header["alg"] == alg
    assert found.claims["token_introspection"]["active"] is True


def test_5_what_is_inactive_says_nothing_else(partner, code_flow):
    portail, other = partner(), partner("autre")
    for token in ("x", code_flow(other).access_token):
        assert verified(portail, asked(portail, token).text).claims["token_introspection"] == {"active": False}


def test_5_signed_then_encrypted(partner, code_flow):
    key = ECKey.generate_key("P-256", {"kid": "c", "use": "enc"})
    portail = partner(
        jwks={"keys": [key.as_dict(private=False)]},
        introspection_encrypted_response_alg="ECDH-ES",
        introspection_encrypted_response_enc="A256GCM",
    )
    answer = portail.introspect(code_flow(portail).access_token)
    outside = jwe.decrypt_compact(answer.text, key, algorithms=[*KEY_ALGS, *CONTENT_ENCS])

    assert (answer.content_type, outside.headers()["cty"]) == (JWT, "JWT")
    assert verified(portail, outside.plaintext.decode()).claims["token_introspection"]["active"] is True


def test_C22_a_caller_that_fails_to_authenticate_reads_an_error_not_a_jwt(partner, code_flow):
    portail = partner()
    token = code_flow(portail).access_token
    answer = portail.call("/token/introspection", data={"token": token, "client_id": "portail"}, headers={"Accept": JWT})

    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")


def test_8_1_the_answer_serves_as_no_token(partner, code_flow, signed_in):
    portail = partner()
    text = asked(portail, code_flow(portail).access_token).text

    assert portail.userinfo(text).status_code == 401
    assert portail.introspect(text).json == {"active": False}
    hinted = signed_in.get("/session/end", query_string={"id_token_hint": text})
    assert "Location" not in hinted.headers


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/jwt", True),
        ("application/jwt, application/json", True),
        ("application/json, application/jwt", False),
        ("APPLICATION/JWT", False),
        ("text/html,application/jwt;q=0.9,*/*;q=0.1", True),
        (",,;;q==", False),
        ("application/jwt;q=0.5;q=1", True),
        ("x-application/jwt", False),
    ],
)
def test_9110_12_5_1_what_a_caller_would_rather_have(backend, accept, wanted):
    assert prefers({"HTTP_ACCEPT": accept}, "application/jwt") is wanted


def test_userinfo_is_signed_as_the_id_token_for_who_asks(partner, code_flow):
    """French convention: the Accept header is honoured."""
    portail = partner(id_token_signed_response_alg="EdDSA")
    token = code_flow(portail, scope="openid email").access_token
    headers = {"Authorization": f"Bearer {token}"}
    answer = portail.call("/userinfo", "GET", headers={**headers, "Accept": "application/jwt"})
    found = verified(portail, answer.text)

    assert (answer.content_type, found.header["alg"], found.claims["aud"]) == ("application/jwt", "EdDSA", "portail")
    assert portail.call("/userinfo", "GET", headers={**headers, "Accept": "application/json, application/jwt"}).json["email"]
