"""The userinfo endpoint: who may read, and what. OpenID Connect Core section 5.3, RFC 6750."""

import base64

import pytest

from tests.protocol.relying import altered, answer_of, unverified_header

wsgi_app = pytest.fixture(lambda standing_app: standing_app)


def is_challenged(response, error: str = "invalid_token", status: int = 401) -> bool:
    """RFC 6750 section 3."""
    value = response.headers["WWW-Authenticate"]
    return response.status_code == status and value.startswith("Bearer ") and (f'error="{error}"' in value) is bool(error)


# -------------------------------------------------------------------------------------------------------------- refusals


def test_without_a_token_the_answer_says_how(partner):
    portail = partner()

    for response in (portail.call("/userinfo", "GET"), portail.call("/userinfo"), portail.call("/userinfo", data={"autre": "x"})):
        assert is_challenged(response, error="")


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda t: "x", id="6750-3.1-unknown"),
        pytest.param(lambda t: altered(t.access_token), id="C12-altered"),
        pytest.param(lambda t: t.access_token[:-1], id="C12-cut"),
        pytest.param(lambda t: t.access_token + "A", id="C12-longer"),
        pytest.param(lambda t: t.access_token + " x", id="C12-two-words"),
        pytest.param(lambda t: t.id_token, id="C27-id-token"),
        pytest.param(lambda t: t.refresh_token, id="C12-refresh-token"),
        pytest.param(lambda t: "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0" + t.access_token[t.access_token.index(".") :], id="C23-alg-none"),
        pytest.param(lambda t: t.access_token[: t.access_token.rindex(".") + 1], id="C23-no-signature"),
        pytest.param(lambda t: base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.eA", id="C53-nested-header"),
        pytest.param(lambda t: base64.urlsafe_b64encode(b'{"a":' * 1200).decode() + ".e30.eA", id="C53-nested-object"),
        pytest.param(lambda t: "é" * 20, id="C29-accents"),
        pytest.param(lambda t: "x" * 10_000, id="C56-huge"),
        pytest.param(lambda t: "." * 500, id="C29-dots"),
    ],
)
def test_a_token_that_is_not_an_access_token_of_ours_is_refused(partner, code_flow, forge):
    portail = partner()
    token = forge(code_flow(portail))

    given = {"HTTP_AUTHORIZATION": f"Bearer {token}".encode().decode("latin-1")}
    assert is_challenged(portail.call("/userinfo", "GET", environ_overrides=given))
    assert portail.introspect(token).json == {"active": False}


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_another_scheme_is_no_token(partner, code_flow, scheme):
    portail = partner()
    token = code_flow(portail).access_token

    assert is_challenged(portail.call("/userinfo", "GET", headers={"Authorization": f"{scheme} {token}".strip()}), error="")


def test_C30_a_token_in_the_query_is_not_read(partner, code_flow):
    portail = partner()
    token = code_flow(portail).access_token

    assert is_challenged(portail.call("/userinfo", "GET", query_string={"access_token": token}), error="")


def test_a_token_of_a_machine_says_nobody(partner):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")

    assert is_challenged(machine.userinfo(machine.token("client_credentials").json["access_token"]))


def test_without_openid_the_scope_is_not_enough(partner, code_flow):
    portail = partner()

    assert is_challenged(portail.userinfo(code_flow(portail, scope="email").access_token), "insufficient_scope", 403)


def test_two_tokens_in_one_request_are_refused(partner, code_flow):
    """RFC 6750 section 2: one method in each request."""
    portail = partner()
    token = code_flow(portail).access_token
    response = portail.call("/userinfo", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"})

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_a_body_of_another_type_is_refused(partner, code_flow):
    portail = partner()
    token = code_flow(portail).access_token

    assert portail.call("/userinfo", json={"access_token": token}).status_code == 415
    assert portail.call("/userinfo", data={"access_token": token}, content_type="multipart/form-data").status_code == 415


# --------------------------------------------------------------------------------------------------------------- success


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_48_50_get_with_a_header_whatever_the_case_of_its_scheme(partner, code_flow, scheme):
    portail = partner()
    tokens = code_flow(portail)
    response = portail.call("/userinfo", "GET", headers={"Authorization": f"{scheme} {tokens.access_token}"})

    assert response.status_code == 200
    assert response.json == {"sub": tokens.claims["sub"]}


def test_48_post_with_a_header_or_with_a_body(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail)
    header, body = {"Authorization": f"Bearer {tokens.access_token}"}, {"access_token": tokens.access_token}

    for response in (portail.call("/userinfo", headers=header), portail.call("/userinfo", data=body)):
        assert (response.status_code, response.json["sub"]) == (200, tokens.claims["sub"])
        assert response.headers["Cache-Control"] == "no-store"


def test_28_scopes_open_their_claims_and_nothing_is_null_or_empty(partner, code_flow):
    portail = partner(scope="openid profile email phone siret siren uid roles organization amr idp_acr idp_id address")
    told = portail.userinfo(code_flow(portail, scope=portail.extra["scope"]).access_token).json

    assert told["family_name"] == told["usual_name"] == "Lefèvre"
    assert told["name"] == f"{told['given_name']} Lefèvre"
    assert (told["email"], told["email_verified"]) == ("anne.lefevre@exemple.fr", True)
    assert (told["phone_number"], told["phone_number_verified"]) == ("+33123456789", False)
    assert (told["siret"], told["siren"]) == ("73282932000074", "732829320")
    assert (told["idp_acr"], told["amr"], told["roles"]) == ("eidas1", ["pwd"], ["declarant"])
    assert isinstance(told["updated_at"], int)
    assert not [name for name, value in told.items() if value is None or value == ""]


def test_C10_what_was_not_asked_is_not_told(partner, code_flow):
    portail = partner()

    assert set(portail.userinfo(code_flow(portail, scope="openid siret").access_token).json) == {"sub", "siret"}


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_49_a_signed_answer_is_a_jwt_for_this_client(partner, code_flow, alg):
    portail = partner(userinfo_signed_response_alg=alg)
    tokens = code_flow(portail, scope="openid email")
    response = portail.userinfo(tokens.access_token)
    claims = portail.verified(response.text)

    assert (response.status_code, response.content_type) == (200, "application/jwt")
    assert unverified_header(response.text)["alg"] == alg
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("https://mag.test", "portail", tokens.claims["sub"])
    assert claims["email"] == "anne.lefevre@exemple.fr"


@pytest.mark.parametrize("where", ["id_token_hint", "access_token"])
def test_C27_a_signed_answer_serves_as_nothing_else(partner, code_flow, signed_in, where):
    portail = partner(userinfo_signed_response_alg="RS256")
    answer = portail.userinfo(code_flow(portail).access_token).text

    if where == "access_token":
        assert is_challenged(portail.userinfo(answer))
    else:
        assert answer_of(portail.ask(signed_in, prompt="none", id_token_hint=answer))[1]["error"] == "invalid_request"
