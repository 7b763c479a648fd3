"""What MAG says of itself is complete, and only true. RFC 8414, OpenID Connect Discovery section 3, RFC 9728; checks 2 to 11, 28."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from idp.config import Settings
from idp.keys import ALGORITHMS
from idp.oidc.client import CONTENT_ENCS, KEY_ALGS, RESPONSE_MODES
from idp.oidc.metadata import RESOURCES, Offer, discovery
from tests.conftest import ISSUER, SECRETS
from tests.protocol.relying import answer_of

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
WELL_KNOWN = "/.well-known/openid-configuration"
OFFER = discovery(Offer(Settings(issuer=ISSUER, secrets=SECRETS), ALGORITHMS))
"""For the lists that tests go through; the first test says that it is what is published."""


@pytest.fixture
def document(client):
    return client.get(WELL_KNOWN).json


def test_what_is_published_is_what_these_tests_go_through(document):
    assert {name: document[name] for name in document if name != "scopes_supported"} == {
        name: OFFER[name] for name in OFFER if name != "scopes_supported"
    }


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", WELL_KNOWN])
def test_8414_3_both_addresses_say_the_same(client, document, path):
    assert client.get(path).json == document


# ------------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize("name", [name for name in OFFER if name.endswith(("_endpoint", "_uri"))])
def test_2_every_address_is_there(client, document, name):
    """It answers, and not that there is nothing: what is refused is the request, which says nothing."""
    path = urlsplit(document[name]).path
    answers = [client.get(path), client.post(path)]

    assert not {answer.status_code for answer in answers} & {404, 500, 503}, [a.status_code for a in answers]
    assert {answer.status_code for answer in answers} != {405}


def test_2_nothing_is_promised_twice_nor_empty(document):
    for name, value in document.items():
        assert value or isinstance(value, bool), name
        assert not isinstance(value, list) or len(set(value)) == len(value), name


# ------------------------------------------------------------------------------------------------------------ algorithms


def header(text: str) -> dict:
    return dict(jws.extract_compact(text.encode()).headers())


@pytest.mark.parametrize("alg", OFFER["id_token_signing_alg_values_supported"])
def test_each_algorithm_of_id_tokens_works(partner, code_flow, alg):
    assert header(code_flow(partner(id_token_signed_response_alg=alg)).id_token)["alg"] == alg


@pytest.mark.parametrize("alg", OFFER["userinfo_signing_alg_values_supported"])
def test_each_algorithm_of_userinfo_works(partner, code_flow, alg):
    portail = partner(userinfo_signed_response_alg=alg)

    assert header(portail.userinfo(code_flow(portail).access_token).text)["alg"] == alg


@pytest.mark.parametrize("alg", OFFER["introspection_signing_alg_values_supported"])
def test_each_algorithm_of_introspection_works(partner, code_flow, alg):
    portail = partner(introspection_signed_response_alg=alg)

    assert header(portail.introspect(code_flow(portail).access_token).text)["alg"] == alg


@pytest.mark.parametrize("alg", OFFER["authorization_signing_alg_values_supported"])
def test_each_algorithm_of_authorization_answers_works(partner, signed_in, alg):
    portail = partner(authorization_signed_response_alg=alg)
    _, answer = answer_of(portail.ask(signed_in, response_mode="query.jwt"))

    assert header(answer["response"])["alg"] == alg


@pytest.mark.parametrize("name", [name for name in OFFER if "_encryption_" in name])
def test_how_answers_are_encrypted_is_what_test_encryption_tries(document, name):
    assert document[name] == list(KEY_ALGS if "_alg_" in name else CONTENT_ENCS)


ASSERTED = OFFER["token_endpoint_auth_signing_alg_values_supported"]


@pytest.mark.parametrize("alg", ASSERTED)
def test_each_algorithm_of_assertions_works(partner, alg):
    from joserfc.jwk import OKPKey, RSAKey

    kinds = {
        "ES256": lambda: ECKey.generate_key("P-256", {"kid": "k"}),
        "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": "k"}),
        "Ed25519": lambda: OKPKey.generate_key("Ed25519", {"kid": "k"}),
    }
    key = kinds.get(alg, lambda: RSAKey.generate_key(2048, {"kid": "k"}))()
    machine = partner(
        "machine",
        grant_types=["client_credentials"],
        redirect_uris=[],
        scope="api:lire",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key.as_dict(private=False)]},
    )

    assert machine.post("/token", {"grant_type": "client_credentials"}, header={"alg": alg, "kid": "k"}, key=key).status_code == 200


# --------------------------------------------------------------------------------------------- what may be asked, and said


@pytest.mark.parametrize("mode", OFFER["response_modes_supported"])
def test_each_response_mode_answers(partner, signed_in, mode):
    """`fragment` and `form_post` in the clear are for the browser: what counts is that nothing says `not supported`."""
    answer = partner().ask(signed_in, response_mode=mode)

    assert answer.status_code in (200, 303)
    assert "unsupported" not in answer.headers.get("Location", "")
    assert "invalid_request" not in answer.headers.get("Location", "") + answer.text


def test_response_modes_are_those_a_client_may_know(document):
    assert document["response_modes_supported"] == list(RESPONSE_MODES)


@pytest.mark.parametrize("grant", OFFER["grant_types_supported"])
def test_each_grant_is_known_and_no_other(partner, grant):
    portail = partner()

    assert portail.token(grant).json["error"] != "unsupported_grant_type"
    assert portail.token(f"{grant}-x").json["error"] == "unsupported_grant_type"


def test_5_4_each_standard_scope_opens_what_it_says(partner, code_flow):
    """28: of the right type, none empty, none null; a scope that is listed is one that works."""
    portail = partner(scope="openid profile email phone")
    told = portail.userinfo(code_flow(portail, scope="openid profile email phone").access_token).json

    assert isinstance(told["name"], str)
    assert isinstance(told["updated_at"], int)
    assert told["email_verified"] is True
    assert told["phone_number_verified"] is False
    assert not [name for name, value in told.items() if value in ("", None, [])]


def test_4_every_claim_told_is_listed(services, partner, code_flow, document):
    every = " ".join(s for s in document["scopes_supported"] if not s.startswith("habilitations:"))
    portail = partner(scope=every)
    tokens = code_flow(portail, scope=every.replace(" offline_access", ""))
    told = {**tokens.claims, **portail.userinfo(tokens.access_token).json}
    of_the_token = {"iss", "aud", "exp", "iat", "at_hash", "nonce", "jti"}

    assert set(told) - of_the_token <= set(document["claims_supported"])


def test_8_subjects_are_of_both_types(partner, code_flow, document):
    assert document["subject_types_supported"] == ["pairwise", "public"]
    subs = {kind: code_flow(partner(kind, subject_type=kind)).claims["sub"] for kind in document["subject_types_supported"]}

    assert len(set(subs.values())) == 2


class TestWithFrontChannel:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, front_channel_tokens=True)

    def test_3_the_types_of_a_dynamic_op_are_there(self, document):
        assert {"code", "id_token", "id_token token"} <= set(document["response_types_supported"])
        assert {"authorization_code", "implicit"} <= set(document["grant_types_supported"])


# ------------------------------------------------------------------------------------------------------------- resources


DESCRIBED = {
    "/userinfo": "/.well-known/oauth-protected-resource/userinfo",
    "/habilitations/v1": "/.well-known/oauth-protected-resource/habilitations/v1",
    "/access/v1": "/.well-known/oauth-protected-resource/access/v1",
    "/attestations/v1": "/.well-known/oauth-protected-resource/attestations/v1",
    "/acces/v1": "/.well-known/oauth-protected-resource/acces/v1",
    "/ssf/v1": "/.well-known/oauth-protected-resource/ssf/v1",
    "/interops/v1": "/.well-known/oauth-protected-resource/interops/v1",
    "/scim/v2": "/.well-known/oauth-protected-resource/scim/v2",
    "/rattachement/v1": "/.well-known/oauth-protected-resource/rattachement/v1",
}
ASKED = {
    "/access/v1": ("POST", "/access/v1/evaluation"),
    "/attestations/v1": ("POST", "/attestations/v1"),
    "/acces/v1": ("GET", "/acces/v1/liens"),
    "/ssf/v1": ("GET", "/ssf/v1/streams"),
    "/interops/v1": ("POST", "/interops/v1/traces"),
    "/scim/v2": ("GET", "/scim/v2/Users"),
    "/rattachement/v1": ("GET", "/rattachement/v1/liens"),
}
"""How a resource that GET does not reach is asked."""


def test_each_resource_is_described(backend):
    assert set(DESCRIBED) == set(RESOURCES)


@pytest.mark.parametrize("path", list(RESOURCES))
def test_9728_3_a_resource_says_who_gives_its_tokens(client, document, path):
    found = client.get(DESCRIBED[path]).json

    assert found["resource"] == f"https://mag.test{path}"
    assert found["resource"] in document["protected_resources"]
    assert found["authorization_servers"] == [document["issuer"]]
    assert found["jwks_uri"] == document["jwks_uri"]


@pytest.mark.parametrize("path", list(RESOURCES))
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "DPoP x"}])
def test_9728_5_1_a_challenge_says_where(client, path, headers):
    method, asked = ASKED.get(path, ("GET", path))
    said = client.open(asked, method=method, headers=headers).headers["WWW-Authenticate"]

    assert f'resource_metadata="https://mag.test{DESCRIBED[path]}"' in said
    assert client.get(DESCRIBED[path]).json["resource"] == f"https://mag.test{path}"


class TestUnderAPath:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, issuer="https://mag.test/api/v2")

    def test_9728_3_1_the_well_known_name_goes_between_host_and_path(self, client):
        found = client.get("/.well-known/oauth-protected-resource/api/v2/userinfo").json
        said = client.get("/api/v2/userinfo").headers["WWW-Authenticate"]

        assert found["resource"] == "https://mag.test/api/v2/userinfo"
        assert "https://mag.test/.well-known/oauth-protected-resource/api/v2/userinfo" in said
