"""A partner's software that acts for itself. RFC 6749 section 4.4. Authentication has its own file."""

import pytest

wsgi_app = pytest.fixture(lambda standing_app: standing_app)


@pytest.fixture
def machine(partner):
    return partner(
        "machine", grant_types=["client_credentials"], redirect_uris=[], scope="openid email habilitations:dsn api:lire api:ecrire"
    )


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("api:effacer", id="C10-not-registered"),
        pytest.param("api:lire api:effacer", id="C10-one-of-two"),
        pytest.param("openid", id="ours-nobody-is-there"),
        pytest.param("email", id="ours-no-claims-of-a-person"),
        pytest.param("habilitations:dsn", id="ours-no-rights-of-a-person"),
        pytest.param("offline_access", id="4.4.3-nothing-to-renew"),
        pytest.param("api:Lire", id="3.3-case"),
    ],
)
def test_a_scope_that_is_not_its_own_is_refused(machine, scope):
    response = machine.token("client_credentials", scope=scope)

    assert (response.status_code, response.json["error"]) == (400, "invalid_scope")


def test_C26_a_client_without_the_grant_is_refused(partner):
    assert partner().token("client_credentials").json["error"] == "unauthorized_client"


def test_7009_2_2_1_its_token_ends_by_itself_and_revocation_does_not_say_otherwise(machine):
    token = machine.tokens(machine.token("client_credentials", scope="api:lire")).access_token
    response = machine.revoke(token)

    assert (response.status_code, response.json["error"]) == (400, "unsupported_token_type")
    assert machine.introspect(token).json["active"] is True


@pytest.mark.parametrize(("scope", "given"), [(None, "api:ecrire api:lire"), ("api:lire", "api:lire"), ("api:lire api:lire", "api:lire")])
def test_the_token_says_who_and_what_and_nothing_of_a_person(machine, scope, given):
    response = machine.token("client_credentials", scope=scope)
    claims = machine.verified(response.json["access_token"], "at+jwt")

    assert set(response.json) == {"access_token", "token_type", "expires_in", "scope"}
    assert response.headers["Cache-Control"] == "no-store"
    assert (response.json["scope"], claims["scope"]) == (given, given)
    assert set(claims) == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("machine", "machine", "machine")
    assert claims["exp"] - claims["iat"] == response.json["expires_in"] == 300


def test_a_hundred_tokens_of_one_second_differ(machine):
    tokens = {machine.token("client_credentials").json["access_token"] for _ in range(100)}

    assert len(tokens) == 100


def test_C10_a_person_s_request_of_the_same_client_has_only_what_persons_have(partner, code_flow):
    both = partner("both", grant_types=["authorization_code", "client_credentials"], scope="openid api:lire")

    assert code_flow(both, scope="openid api:lire").scope == "openid"
