"""Discovery and keys: what partners read before anything else. OpenID Connect Discovery 1.0, RFC 8414, RFC 7517; checks 1 to 10."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp import commands
from idp.config import Settings
from idp.keys import ALGORITHMS
from tests.protocol.relying import PATHS, unverified_header

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.fixture
def document(client):
    return client.get(WELL_KNOWN).json


# ------------------------------------------------------------------------------------------------------------- discovery


def test_1_the_issuer_is_the_address_less_the_suffix_byte_for_byte(document):
    assert document["issuer"] == "https://mag.test"


def test_2_every_address_is_https_under_the_issuer_and_named_as_proconnect_names_it(document):
    assert {name: document[name].removeprefix("https://mag.test") for name in PATHS} == PATHS


def test_2_lists_are_lists_of_texts_and_booleans_are_booleans(document):
    for name, value in document.items():
        if isinstance(value, list):
            assert value, name
            assert all(isinstance(one, str) for one in value), name
            assert len(set(value)) == len(value), name
        else:
            assert isinstance(value, str | bool), name


def test_3_4_what_the_standard_requires_is_there(document):
    assert document["response_types_supported"] == ["code"]
    assert {"pairwise", "public"} == set(document["subject_types_supported"])
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert {"openid", "profile", "email", "phone", "siret", "given_name", "usual_name"} <= set(document["scopes_supported"])
    assert {"sub", "email", "siret", "acr", "amr", "auth_time", "hab"} <= set(document["claims_supported"])
    assert all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope) for scope in document["scopes_supported"])
    assert document["ui_locales_supported"] == ["fr-FR"]


def test_6_11_what_silence_would_promise_is_said_outright(document):
    """Which values are true is `test_metadata.py`'s; here, that none is left to a default."""
    for name in (
        "request_uri_parameter_supported",
        "request_parameter_supported",
        "require_request_uri_registration",
        "claims_parameter_supported",
        "authorization_response_iss_parameter_supported",
        "require_pushed_authorization_requests",
    ):
        assert isinstance(document[name], bool), name
    assert document["require_request_uri_registration"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert not {"frontchannel_logout_supported", "registration_endpoint"} & document.keys()


def test_methods_are_those_the_endpoints_accept(document):
    methods = {"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}

    assert set(document["token_endpoint_auth_methods_supported"]) == methods
    assert set(document["introspection_endpoint_auth_methods_supported"]) == methods - {"none"}


def test_7_23_no_algorithm_is_without_a_signature_nor_shared_with_a_secret(document):
    for name, value in document.items():
        if "_signing_alg_values_" in name or name == "backchannel_authentication_request_signing_alg_values_supported":
            assert set(value) <= {*ALGORITHMS, "Ed25519"}, name


def test_services_of_the_catalogue_are_scopes(services, client):
    assert {"habilitations:dsn", "habilitations:atmp"} <= set(client.get(WELL_KNOWN).json["scopes_supported"])


@pytest.mark.parametrize("path", [WELL_KNOWN, "/.well-known/oauth-authorization-server", "/jwks"])
def test_5_documents_are_public_json_that_a_cache_may_keep_and_ask_about_again(client, path):
    response = client.get(path)
    again = client.get(path, headers={"If-None-Match": response.headers["ETag"]})
    head = client.head(path)

    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in response.headers
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == response.headers["ETag"]
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(response.data)))
    for match in ("*", f"W/{response.headers['ETag']}", f'"autre", {response.headers["ETag"]}'):
        assert client.get(path, headers={"If-None-Match": match}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"autre"'}).status_code == 200


@pytest.mark.parametrize("path", [WELL_KNOWN, "/jwks"])
def test_C57_another_method_is_refused(client, path):
    response = client.post(path, data={"a": "b"})

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


class TestUnderAPath:
    """An issuer may carry a path, as ProConnect's does."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        from dataclasses import replace

        return replace(settings, issuer="https://mag.test/api/v2")

    def test_1_documents_are_under_it_and_say_it(self, client):
        for path in (f"/api/v2{WELL_KNOWN}", "/.well-known/oauth-authorization-server/api/v2"):
            found = client.get(path).json
            assert found["issuer"] == "https://mag.test/api/v2"
            assert {name: found[name].removeprefix("https://mag.test/api/v2") for name in PATHS} == PATHS
        assert client.get(WELL_KNOWN).status_code == 404

    def test_the_whole_journey_is_under_it(self, partner, signed_in, code_flow):
        portail = partner(post_logout_redirect_uris=["https://portail.test/fin"])
        tokens = code_flow(portail)

        assert portail.verified(tokens.id_token)["iss"] == "https://mag.test/api/v2"
        assert portail.is_alive(tokens)
        assert portail.refresh(tokens.refresh_token).status_code == 200
        hinted = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": "https://portail.test/fin"}
        assert signed_in.get("/api/v2/session/end", query_string=hinted).headers["Location"] == "https://portail.test/fin"
        assert portail.ask(signed_in).headers["Location"].startswith("/api/v2/connexion?")


# ------------------------------------------------------------------------------------------------------------------ keys


def keys_of(client):
    return client.get("/jwks").json["keys"]


def test_8_9_keys_are_public_named_and_strong(client):
    keys = keys_of(client)

    assert sorted(key["alg"] for key in keys) == sorted(2 * ALGORITHMS), "in use, and the next ones"
    assert len({key["kid"] for key in keys}) == len(keys)
    assert {key["use"] for key in keys} == {"sig"}
    assert not [key for key in keys if {"d", "p", "q", "k", "dp", "dq", "qi"} & key.keys()]
    assert all(len(key["n"]) >= 342 for key in keys if key["kty"] == "RSA")


def rotate(app, *arguments: str):
    return app.test_cli_runner().invoke(commands.keys, ["tourner", *arguments])


def test_10_C71_a_rotation_keeps_the_old_key_and_announces_another(app, client, wsgi_app, partner, code_flow, journal):
    portail = partner()
    before, keys = code_flow(portail), {key["kid"] for key in keys_of(client)}
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        assert rotate(app).exit_code == 0
    wsgi_app.mag.versions.refresh()
    after = code_flow(portail)

    assert keys < {key["kid"] for key in keys_of(client)}
    assert len(keys_of(client)) == 3 * len(ALGORITHMS)
    for old, new in ((before.id_token, after.id_token), (before.access_token, after.access_token)):
        assert unverified_header(old)["kid"] != unverified_header(new)["kid"]
        assert {unverified_header(old)["kid"], unverified_header(new)["kid"]} <= keys, "the new key was published before it signed"
    assert portail.is_alive(before)
    assert portail.verified(before.id_token)["sub"] == portail.verified(after.id_token)["sub"]
    assert portail.refresh(before.refresh_token).status_code == 200
    assert {line["state"] for line in journal("KeyChanged")} == {"active", "next"}


def test_C71_a_key_published_too_recently_is_not_used_without_an_emergency(app, client):
    refused = rotate(app)

    assert refused.exit_code == 1
    assert "--urgence" in refused.output
    assert len(keys_of(client)) == 2 * len(ALGORITHMS)
    assert rotate(app, "--urgence").exit_code == 0


def test_C61_what_a_withdrawn_key_signed_is_refused_everywhere(app, wsgi_app, partner, code_flow, signed_in):
    portail = partner(post_logout_redirect_uris=["https://portail.test/fin"])
    tokens = code_flow(portail)
    rotate(app, "--urgence")
    for token in (tokens.access_token, tokens.id_token):
        withdrawn = app.test_cli_runner().invoke(commands.keys, ["retirer", unverified_header(token)["kid"]])
        assert withdrawn.exit_code == 0
    wsgi_app.mag.versions.refresh()

    assert not portail.is_alive(tokens)
    hinted = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": "https://portail.test/fin"}
    assert "Location" not in signed_in.get("/session/end", query_string=hinted).headers


def test_a_key_in_use_cannot_be_withdrawn(app, client):
    refused = app.test_cli_runner().invoke(commands.keys, ["retirer", keys_of(client)[0]["kid"]])

    assert refused.exit_code == 1
    assert len(keys_of(client)) == 2 * len(ALGORITHMS)


def test_retired_keys_are_purged_once_nothing_they_signed_lives(app, client, wsgi_app):
    rotate(app, "--urgence")
    assert app.test_cli_runner().invoke(commands.purge).exit_code == 0
    wsgi_app.mag.versions.refresh()
    assert len(keys_of(client)) == 3 * len(ALGORITHMS)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=27)):
        app.test_cli_runner().invoke(commands.purge)
    wsgi_app.mag.versions.refresh()
    assert len(keys_of(client)) == 2 * len(ALGORITHMS)
