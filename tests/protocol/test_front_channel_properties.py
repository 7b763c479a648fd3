"""Property test of the authorization endpoint while tokens may come through the browser: requests made at random, from every source.

As `test_authorization_properties.py`, and: no token in a query, nothing but what the response type names, and only for a request that
is whole. OpenID Connect Core sections 3.2 and 3.3, OAuth 2.0 Multiple Response Type Encoding Practices section 2.1.
"""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from tests.protocol.relying import register, unverified_claims
from tests.protocol.test_authorization_properties import (
    API,
    AT_DEPOSIT,
    CHANGES,
    KEY,
    MANY,
    OBJECT_CHANGES,
    PAGES,
    REGISTERED,
    SOURCES,
    sent,
)

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
TYPES = ("code", "code id_token", "id_token", "code token", "id_token token", "code id_token token")
NARROW = ("code id_token", "id_token")
GIVEN = {"code": "code", "id_token": "id_token", "token": "access_token"}
"""What each word of a response type gives."""


@pytest.fixture(scope="module")
def standing_choices():
    return {"front_channel_tokens": True}


@pytest.fixture
def clients(wsgi_app):
    """One registered for every type, one for two of them, one that nobody agreed with."""
    common = {"jwks": {"keys": [KEY.as_dict(private=False)]}, "audience": [API], "grant_types": ["authorization_code", "implicit"]}
    found = [
        register(wsgi_app, "large", response_types=list(TYPES), **common),
        register(wsgi_app, "etroit", response_types=list(NARROW), **common),
        register(wsgi_app, "tiers", response_types=list(TYPES), first_party=False, **common),
    ]
    for client in found:
        client.key = KEY
    return found


def delivered(client, response) -> tuple[str, dict[str, str]]:
    """How an answer goes to the partner, and what is in it; nothing when a page of MAG's comes first."""
    if response.status_code == 303:
        parts = urlsplit(response.headers["Location"])
        if not parts.netloc:
            assert parts.path in PAGES, parts
            return "page", {}
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == client.redirect_uri
        assert not (parts.query and parts.fragment)
        way = "fragment" if parts.fragment else "query"
        fields = {name: values[0] for name, values in parse_qs(parts.query or parts.fragment, keep_blank_values=True).items()}
    else:
        action = re.search(r'<form method="post" action="(https:[^"]*)"', response.text)
        if action is None:
            return "page", {}
        assert unescape(action[1]) == client.redirect_uri
        way, fields = "form", dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', response.text))
    return way, unverified_claims(fields["response"]) if "response" in fields else fields


@MANY
@example(which=0, response_type="code id_token", source="query", changes={}, claims={})
@example(which=0, response_type="code id_token token", source="pushed", changes={"response_mode": "form_post"}, claims={})
@example(which=1, response_type="id_token", source="object", changes={}, claims={})
@example(which=0, response_type="id_token token", source="query", changes={"response_mode": "query.jwt"}, claims={})
@given(which=st.integers(0, 2), response_type=st.sampled_from(TYPES), source=SOURCES, changes=CHANGES, claims=OBJECT_CHANGES)
def test_whatever_is_asked_no_token_leaves_but_by_the_book(clients, signed_in, which, response_type, source, changes, claims):
    client = clients[which]
    whole = {**client.request(response_type=response_type, nonce="n-0S6_WzA2Mj")}
    asked = {name: value for name, value in {**whole, **changes}.items() if value is not None}
    response = sent(client, signed_in, source, asked, claims)

    assert response.status_code in (200, 201, 303, 400, 401, 413, 414), response.text
    if response.mimetype == "application/json":
        assert response.json["error"] in AT_DEPOSIT
        event("refused at the deposit")
        return
    way, answer = delivered(client, response)
    came = {word for word, name in GIVEN.items() if name in answer}
    event("error" if "error" in answer else f"{len(came)} by {way}" if came else f"page {response.status_code}")
    if "error" in answer:
        assert answer["error"] in REGISTERED
        assert not came
    if way == "query":
        assert not came - {"code"}
    final = {**asked, **(claims if "object" in source else {}), "client_id": client.client_id}
    if came:
        assert is_whole(client, final)
        assert came == set(final["response_type"].split())
    if "id_token" in came:
        told = unverified_claims(answer["id_token"])
        assert (told["aud"], told["nonce"]) == (client.client_id, final["nonce"])
    if (asked, claims) == (whole, {}) and source != "post" and is_whole(client, final):  # a post comes back as an address first
        assert came == set(response_type.split())


def is_whole(client, asked: dict) -> bool:
    """What neither code nor token is given without, written again from the standards."""
    words = str(asked.get("response_type")).split()
    registered = NARROW if client.client_id == "etroit" else TYPES
    challenged = asked.get("code_challenge_method") == "S256" and len(asked.get("code_challenge") or "") == 43
    return (
        client.client_id != "tiers"
        and sorted(words) in [sorted(one.split()) for one in registered]
        and asked.get("redirect_uri") == client.redirect_uri
        and (words == ["code"] or asked.get("response_mode") not in ("query", "query.jwt"))
        and (challenged or ("code" not in words and not asked.get("code_challenge") and not asked.get("code_challenge_method")))
        and (bool(asked.get("nonce")) or "id_token" not in words)
        and ("openid" in str(asked.get("scope")).split() or "id_token" not in words)
        and bool({"openid", "profile", "email", "siret"} & set(str(asked.get("scope")).split()))
        and not {"request_uri", "registration"} & {name for name in asked if asked[name]}
        and all(resource == API for resource in str(asked.get("resource") or "").split())
        and not {"login", "create", "consent"} & set(str(asked.get("prompt") or "").split())
    )
