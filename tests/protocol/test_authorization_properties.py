"""Property test of the authorization endpoint: requests made at random, from every source.

Whatever comes: no failure of ours, no redirect but to MAG's own pages or to an address that the client registered, a registered
error code, and a code only for a request that is whole. Token requests are `test_token_properties.py`'s.
"""

import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from tests.protocol.relying import register, unverified_claims

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
REGISTERED = {
    *("invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope"),
    *("interaction_required", "login_required", "account_selection_required", "consent_required"),
    *("invalid_request_uri", "invalid_request_object", "request_not_supported", "request_uri_not_supported"),
    *("registration_not_supported", "unmet_authentication_requirements", "invalid_target", "invalid_authorization_details"),
}
"""OAuth Extensions Error registry: what an authorization endpoint may say."""
AT_DEPOSIT = REGISTERED | {"invalid_client", "invalid_dpop_proof"}
PAGES = {"/connexion", "/connexion/choix", "/authorize"}
KEY = ECKey.generate_key("P-256", {"kid": "une"})
API, FORM = "https://api.test/", "application/x-www-form-urlencoded"
WORDS = st.sampled_from(
    [
        *(
            "code",
            "id_token",
            "code id_token",
            "token",
            "none",
            "CODE",
            "query",
            "fragment",
            "form_post",
            "jwt",
            "query.jwt",
            "form_post.jwt",
        ),
        *("openid", "openid email", "openid habilitations:dsn", "login", "consent", "none login", "create", "select_account"),
        *("select_organization", "0", "1", "-1", "99999999999", "S256", "plain", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        *("https://portail.test/retour", "https://mal.test/", "https://portail.test/retour#x", "javascript:alert(1)", API, API + "#x"),
        *(
            '{"userinfo":{"email":null}}',
            '{"id_token":{"acr":{"essential":true,"value":"x"}}}',
            '[{"type":"x"}]',
            '[{"type":[]}]',
            "[]",
            "{",
            "null",
        ),
        *(
            "urn:ietf:params:oauth:request_uri:x",
            "eyJhbGciOiJub25lIn0.e30.",
            "a.b.c",
            "73282932000074",
            "eidas1",
            "é",
            "\0",
            " ",
            "x" * 5000,
        ),
    ]
)
VALUES = st.one_of(WORDS, st.text(max_size=40))
NAMES = st.sampled_from(
    [
        *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "claims"),
        *("code_challenge", "code_challenge_method", "acr_values", "id_token_hint", "login_hint", "siret_hint", "ui_locales", "display"),
        *("resource", "authorization_details", "dpop_jkt", "request", "request_uri", "registration", "demande", "choix", "refus"),
        *("mag_signed", "mag_reference", "mag_dpop_jkt", "inconnu"),
    ]
)
CHANGES = st.dictionaries(NAMES, st.one_of(st.none(), VALUES), max_size=4)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
OBJECT_CHANGES = st.dictionaries(
    st.one_of(NAMES, st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub"])), st.one_of(VALUES, JSON), max_size=3
)
SOURCES = st.sampled_from(["query", "post", "pushed", "object", "pushed object"])
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def clients(wsgi_app):
    """A plain one, one that must push, one that nobody agreed with."""
    given = {"jwks": {"keys": [KEY.as_dict(private=False)]}, "audience": [API]}
    found = [
        register(wsgi_app, "portail", **given),
        register(wsgi_app, "strict", profile="strict", **given),
        register(wsgi_app, "tiers", first_party=False, **given),
    ]
    for client in found:
        client.key = KEY
    return found


def sent(client, browser, source: str, asked: dict[str, str], claims: dict):
    """The answer to a request from one source; of a deposit that is refused, that refusal."""
    if source == "query":
        return browser.get(f"/authorize?{urlencode(asked, errors='surrogatepass')}")
    if source == "post":
        return browser.post("/authorize", data=urlencode(asked, errors="surrogatepass"), content_type=FORM)
    if source == "object":
        inside = client.request_object(**{**dict.fromkeys(client.request()), **asked, **claims})
        return browser.get(f"/authorize?{urlencode({'client_id': client.client_id, 'request': inside})}")
    form = (
        {"request": client.request_object(**{**dict.fromkeys(client.request()), **asked, **claims})} if source == "pushed object" else asked
    )
    headers, fields = client.credentials()
    body = urlencode({**form, **fields}, errors="surrogatepass")
    deposit = client.call("/request", data=body, headers=headers, content_type=FORM)
    return client.ask_by(browser, deposit.json["request_uri"]) if deposit.status_code == 201 else deposit


def told(response) -> dict[str, str]:
    """What goes to the partner, wherever it is in the answer; empty when a page of MAG's comes first."""
    if response.status_code == 303:
        parts = urlsplit(response.headers["Location"])
        if not parts.netloc:
            assert parts.path in PAGES, parts
            return {}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" in {f"https://{name}.test/retour" for name in ("portail", "strict", "tiers")}
        found = {name: values[0] for name, values in parse_qs(parts.query or parts.fragment, keep_blank_values=True).items()}
    else:
        action = re.search(r'<form method="post" action="(https:[^"]*)"', response.text)
        if action is None:
            return {}
        assert re.fullmatch(r"https://(portail|strict|tiers)\.test/retour", unescape(action[1]))
        found = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', response.text))
    return unverified_claims(found["response"]) if "response" in found else found


@MANY
@given(which=st.integers(0, 2), source=SOURCES, changes=CHANGES, claims=OBJECT_CHANGES)
def test_whatever_is_asked_is_answered_or_refused_by_the_book(clients, signed_in, which, source, changes, claims):
    client = clients[which]
    asked = {name: value for name, value in {**client.request(), **changes}.items() if value is not None}
    response = sent(client, signed_in, source, asked, claims)

    assert response.status_code in (200, 201, 303, 400, 401, 413, 414), response.text
    if response.mimetype == "application/json":
        assert response.json["error"] in AT_DEPOSIT
        event("refused at the deposit")
        return
    answer = told(response)
    event("error" if "error" in answer else "code" if "code" in answer else f"page {response.status_code}")
    if "error" in answer:
        assert answer["error"] in REGISTERED
        assert "code" not in answer
        assert not set(answer.get("error_description", "")) & set('"\\\r\n\t')
    if "code" in answer:
        assert is_whole(client, source, {**asked, **(claims if "object" in source else {}), "client_id": client.client_id})


def is_whole(client, source: str, asked: dict) -> bool:
    """What a code is never given without, written again from the standards."""
    return (
        (client.client_id != "strict" or source.startswith("pushed"))
        and client.client_id != "tiers"
        and asked.get("redirect_uri") == client.redirect_uri
        and str(asked.get("response_type")).split() == ["code"]
        and asked.get("code_challenge_method") == "S256"
        and len(asked.get("code_challenge") or "") == 43
        and not {"request_uri", "registration"} & {name for name in asked if asked[name]}
        and bool({"openid", "profile", "email", "siret"} & set(str(asked.get("scope")).split()))
        and all(resource == API for resource in str(asked.get("resource") or "").split())
        and not {"login", "create", "consent"} & set(str(asked.get("prompt") or "").split())
    )
