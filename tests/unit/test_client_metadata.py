"""A client's metadata: what is read, what it defaults to, what is refused (RFC 7591 section 2, RFC 9700 section 2.1)."""

from typing import Any

import pytest

from idp.oidc.client import Client
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from idp.oidc.profiles import PROFILES

REDIRECT = "https://portail.example.fr/retour"
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "kid": "1",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}


def read(**metadata: Any) -> Client:
    return read_client("essai", {"redirect_uris": [REDIRECT], **metadata})


def test_the_least_metadata_makes_the_standard_client():
    client = read()

    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert client.id_token_signed_response_alg == "RS256"
    assert client.grant_types == {"authorization_code"}
    assert client.response_types == {"code"}
    assert client.subject_type == "pairwise"
    assert client.sector == client.host == "portail.example.fr"
    assert client.profile is PROFILES["standard"]
    assert client.requires_pkce


def test_every_member_is_read():
    client = read(
        client_name="Portail d'essai",
        scope="openid siret",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [PUBLIC_KEY]},
        grant_types=["authorization_code", "refresh_token"],
        subject_type="public",
        id_token_signed_response_alg="ES256",
        userinfo_signed_response_alg="ES256",
        default_max_age=3600,
        require_auth_time=True,
        profile="proconnect",
        first_party=False,
        audience=["https://api.example.fr"],
        introspect=["https://api.example.fr"],
        hab_bound=100,
        hab_flat=True,
    )

    assert (client.client_name, client.scope) == ("Portail d'essai", {"openid", "siret"})
    assert (client.default_max_age, client.hab_bound) == (3600, 100)
    assert (client.require_auth_time, client.first_party, client.hab_flat) == (True, False, True)
    assert (client.audience, client.introspect) == (("https://api.example.fr",), {"https://api.example.fr"})


def test_unknown_members_are_ignored():
    """RFC 7591 section 2."""
    assert read(software_id="x", frobnicate=3).client_id == "essai"


def test_a_client_of_proconnect_may_go_without_pkce_but_not_a_public_one():
    assert not read(profile="proconnect").requires_pkce
    assert read(profile="proconnect", token_endpoint_auth_method="none").requires_pkce


def test_a_client_without_a_redirect_lives_by_client_credentials():
    client = read_client("machine", {"grant_types": ["client_credentials"]})

    assert client.response_types == set()
    assert client.host == ""


@pytest.mark.parametrize(
    "uri",
    [
        "http://portail.example.fr/retour",
        "https://portail.example.fr/retour#f",
        "https://*.example.fr/",
        "https://user@example.fr/",
        "retour",
        "",
        "javascript:alert(1)",
        "https:///retour",
        "https://exämple.fr/",
        "https://example.fr:99999/",
        "https://example.fr/a b",
        "https://[::1/",
        "com.app:/x",
        "http://localhost.example.fr/",
        "https://example.fr/\\evil",
    ],
)
def test_a_redirect_uri_that_could_lead_elsewhere_is_refused(uri):
    with pytest.raises(InvalidClientMetadataError) as refused:
        read(redirect_uris=[uri])

    assert refused.value.error == "invalid_redirect_uri" or uri == ""


@pytest.mark.parametrize(
    "uri", ["http://localhost:8000/retour", "http://portail.localhost:8001/x?y=1", "http://127.0.0.1/x", "https://a.fr:8443/x"]
)
def test_https_or_this_machine(uri):
    assert read(redirect_uris=[uri]).redirect_uris == (uri,)


def test_the_button_s_pages_are_those_of_the_redirect_uris_unless_declared():
    assert read(redirect_uris=["https://A.fr:443/retour"]).origins == {"https://a.fr"}
    assert read(redirect_uris=["https://a.fr/retour"], widget_origins=["https://www.a.fr"]).origins == {"https://www.a.fr"}
    assert read(redirect_uris=["https://a.fr/retour"]).widget_modes == {"fedcm", "popup", "redirect"}


@pytest.mark.parametrize(
    ("metadata", "member"),
    [
        pytest.param({"redirect_uris": []}, "redirect_uris", id="2-redirect-uris-required"),
        pytest.param({"redirect_uris": REDIRECT}, "redirect_uris", id="2-redirect-uris-is-a-list"),
        pytest.param({"redirect_uris": [3]}, "redirect_uris", id="2-redirect-uris-are-texts"),
        pytest.param({"grant_types": ["password"]}, "grant_types", id="rfc9700-2.4-no-password"),
        pytest.param({"grant_types": ["refresh_token"]}, "grant_types", id="2-refresh-needs-code"),
        pytest.param(
            {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"}, "grant_types", id="rfc6749-4.4-confidential"
        ),
        pytest.param({"response_types": ["token"]}, "response_types", id="rfc9700-2.1.2-code-alone"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt"}, "private_key_jwt", id="rfc7523-keys-required"),
        pytest.param({"frontchannel_logout_uri": "https://autre.example.fr/depart"}, "frontchannel_logout_uri", id="frontchannel-2-origin"),
        pytest.param({"token_endpoint_auth_method": ["none"]}, "token_endpoint_auth_method", id="2-method-is-a-text"),
        pytest.param({"jwks": {"keys": [PUBLIC_KEY]}, "jwks_uri": "https://a.fr/k"}, "jwks", id="2-jwks-or-jwks-uri"),
        pytest.param({"jwks": {"keys": [PUBLIC_KEY | {"d": "x"}]}}, "jwks", id="ours-no-private-key"),
        pytest.param({"jwks": {"keys": [{"kty": "oct", "k": "x"}]}}, "jwks", id="ours-no-symmetric-key"),
        pytest.param({"jwks": {"keys": []}}, "jwks", id="rfc7517-5-keys"),
        pytest.param({"jwks": "x"}, "jwks", id="rfc7517-5-an-object"),
        pytest.param({"jwks_uri": "http://a.fr/k"}, "jwks_uri", id="ours-jwks-uri-https"),
        pytest.param({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg", id="oidc-core-2-never-none"),
        pytest.param({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg", id="ours-no-hs256"),
        pytest.param({"subject_type": "secret"}, "subject_type", id="oidc-core-8"),
        pytest.param({"widget_modes": ["fedcm", "magique"]}, "widget_modes", id="ours-known-modes"),
        pytest.param({"widget_origins": ["https://www.exemple.fr/"]}, "widget_origins", id="ours-origin-without-path"),
        pytest.param({"widget_origins": ["https://WWW.exemple.fr"]}, "widget_origins", id="ours-origin-as-browsers-write-it"),
        pytest.param({"widget_origins": ["https://www.exemple.fr:443"]}, "widget_origins", id="ours-origin-without-its-port"),
        pytest.param({"widget_origins": ["http://www.exemple.fr"]}, "widget_origins", id="ours-origin-is-https"),
        pytest.param({"redirect_uris": [REDIRECT, "https://autre.fr/r"]}, "sector_identifier", id="oidc-core-8.1-one-sector"),
        pytest.param({"default_max_age": -1}, "default_max_age", id="2-max-age-positive"),
        pytest.param({"default_max_age": True}, "default_max_age", id="2-max-age-is-a-number"),
        pytest.param({"hab_bound": 121}, "hab_bound", id="ours-hab-bound-at-most-120"),
        pytest.param({"first_party": "yes"}, "first_party", id="ours-flags-are-booleans"),
        pytest.param({"profile": "free"}, "profile", id="ours-profiles"),
        pytest.param({"client_name": "x" * 121}, "client_name", id="ours-name-length"),
        pytest.param({"client_name": "a\nb"}, "client_name", id="ours-name-printable"),
        pytest.param({"scope": 3}, "scope", id="2-scope-is-a-text"),
        pytest.param({"logo_uri": "javascript:alert(1)"}, "logo_uri", id="ours-pages-are-addresses"),
    ],
)
def test_metadata_that_breaks_one_rule_is_refused_and_named(metadata, member):
    with pytest.raises(InvalidClientMetadataError, match=member):
        read(**metadata)


def test_several_hosts_share_the_sector_they_declare():
    """OpenID Connect Core section 8.1."""
    several = [REDIRECT, "https://autre.fr/r"]

    assert read(redirect_uris=several, sector_identifier="example.fr").sector == "example.fr"
    assert read(redirect_uris=several, sector_identifier_uri="https://sector.example.fr/x.json").sector == "sector.example.fr"
    assert read(redirect_uris=several, subject_type="public").subject_type == "public"
