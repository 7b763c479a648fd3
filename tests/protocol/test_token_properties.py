"""Property test of the token endpoint: forms made at random around every grant, by clients of every kind.

Whatever comes: no failure of ours, a registered error code with its own status, nothing to cache, and tokens only for a form
that is whole. The address of the person and the form of the answer are other tests'.
"""

import itertools
import string
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from tests.protocol.relying import ASSERTION_TYPE, VERIFIER, Partner
from tests.protocol.test_attacks import ACCESS_TOKEN, CIBA, DEVICE, EXCHANGE, GRANTS, JWT_BEARER

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
REGISTERED = {
    "invalid_request": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "unauthorized_client": 400,
    "unsupported_grant_type": 400,
    "invalid_scope": 400,
    "invalid_target": 400,  # RFC 8707, RFC 8693
    "invalid_authorization_details": 400,  # RFC 9396
    "invalid_dpop_proof": 400,  # RFC 9449
    "use_dpop_nonce": 400,
    "authorization_pending": 400,  # RFC 8628, CIBA
    "slow_down": 400,
    "access_denied": 400,
    "expired_token": 400,
}
"""OAuth Extensions Error registry: what a token endpoint may say, and with which status."""
MEMBERS = {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token", "issued_token_type", "grant_id"}
NAMES = (
    *("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "device_code", "auth_req_id", "assertion"),
    *("subject_token", "subject_token_type", "requested_token_type", "actor_token", "actor_token_type", "audience", "resource"),
    *("client_id", "client_secret", "client_assertion", "client_assertion_type", "authorization_details", "username", "password"),
)
LONG = "x" * 3_000


@dataclass
class Held:
    """What the clients of the test hold that is true, so that a form at random is often nearly right."""

    clients: dict[str, Partner]
    values: list[str]
    true: dict[str, str]
    """By the name of the field where it belongs."""


@pytest.fixture(scope="module")
def key() -> ECKey:
    return ECKey.generate_key("P-256")


@pytest.fixture
def held(partner, signed_in, key) -> Held:
    everything = {"grant_types": list(GRANTS), "scope": "openid email offline_access", "backchannel_token_delivery_mode": "poll"}
    clients = {
        "basic": partner("basic", exchange=["https://dsn.test"], **everything),
        "post": partner("post", token_endpoint_auth_method="client_secret_post"),
        "assertion": partner("assertion", token_endpoint_auth_method="private_key_jwt", **everything),
        "public": partner("public", token_endpoint_auth_method="none"),
        "fapi2": partner("fapi2", profile="fapi2", token_endpoint_auth_method="private_key_jwt", dpop_bound_access_tokens=True),
        "machine": partner("machine", grant_types=["client_credentials"], redirect_uris=[], response_types=[], scope="api:lire"),
    }
    for client in clients.values():
        client.dpop = None
    basic = clients["basic"]
    answer = basic.redeem(basic.code(signed_in, scope="openid offline_access")).json
    told = basic.post("/device_authorization", {"scope": "openid"}).json
    values = [
        *(answer["access_token"], answer["refresh_token"], answer["id_token"], answer["grant_id"], told["device_code"]),
        *(basic.code(signed_in), basic.pushed(), clients["public"].code(signed_in), VERIFIER, ACCESS_TOKEN, ASSERTION_TYPE),
        *(client.redirect_uri for client in clients.values()),
        *("openid", "openid email", "api:lire", "admin", "https://dsn.test", "https://mag.test", "urn:x", "[]", '[{"type":"x"}]'),
        *("", " ", "é", "\0", "\ud7ff", "a.b.c", "..", LONG, "null", "-1", "<script>", '"\\'),
        *(*GRANTS, "password", "implicit", *clients),
    ]
    true = {
        "code": basic.code(signed_in),
        "redirect_uri": basic.redirect_uri,
        "refresh_token": answer["refresh_token"],
        "device_code": told["device_code"],
        "subject_token": answer["access_token"],
        "assertion": clients["assertion"].assertion(sub="x", grant_id=answer["grant_id"]),
    }
    return Held(clients, values, true)


WHOLE = {
    "authorization_code": {"code": "x" * 43, "redirect_uri": "https://basic.test/retour", "code_verifier": VERIFIER},
    "refresh_token": {"refresh_token": "a.b.c"},
    "client_credentials": {},
    DEVICE: {"device_code": "x" * 43},
    CIBA: {"auth_req_id": "x" * 43},
    JWT_BEARER: {"assertion": "a.b.c"},
    EXCHANGE: {"subject_token": "a.b.c", "subject_token_type": ACCESS_TOKEN, "audience": "https://dsn.test"},
}
INDEXES = st.integers(0, 10_000)
CHANGES = st.dictionaries(st.sampled_from(NAMES), st.none() | INDEXES | st.text(max_size=60), max_size=3)
QUIET = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def filled(held: Held, grant: str, changes: dict[str, int | str | None]) -> dict[str, str]:
    """A whole form of this grant, changed: None leaves a field out, a number stands for something that is held."""
    whole = {name: held.true.get(name, value) for name, value in WHOLE.get(grant, {}).items()}
    found = {name: held.values[value % len(held.values)] if isinstance(value, int) else value for name, value in changes.items()}
    return {name: value for name, value in {"grant_type": grant, **whole, **found}.items() if value is not None}


def is_an_answer(response: Any) -> str:
    """Checks what every answer must be; the error, or nothing."""
    assert response.status_code < 500, response.text
    assert (response.content_type, response.headers["Cache-Control"]) == ("application/json", "no-store")
    assert response.headers["Pragma"] == "no-cache"
    if response.status_code == 200:
        assert {"access_token", "token_type", "expires_in"} <= set(response.json) <= MEMBERS
        return ""
    assert set(response.json) <= {"error", "error_description"}
    assert REGISTERED[response.json["error"]] == response.status_code
    assert set(response.json.get("error_description", "")) <= set(string.printable) - set('"\\\r\n\t')
    assert ("WWW-Authenticate" in response.headers) == (response.status_code == 401)
    return str(response.json["error"])


@QUIET
@given(
    who=st.sampled_from(["basic", "assertion"]) | st.sampled_from(["basic", "post", "assertion", "public", "fapi2", "machine", "nobody"]),
    grant=st.sampled_from(GRANTS) | st.sampled_from([*GRANTS, "password", "", "é", "x" * 50]),
    changes=CHANGES,
    proof=st.sampled_from([None, None, "true", "true", "", "x", "a.b.c", "\xff", "x, y"]),
)
@example(who="machine", grant="client_credentials", changes={}, proof=None)
@example(who="machine", grant="client_credentials", changes={}, proof="true")
@example(who="basic", grant=EXCHANGE, changes={}, proof=None)
@example(who="basic", grant="authorization_code", changes={}, proof="true")
@example(who="basic", grant="refresh_token", changes={}, proof="true")
def test_any_form_of_any_grant_has_an_answer_of_the_standard(held, key, who, grant, changes, proof):
    client = held.clients.get(who)
    headers, fields = client.credentials() if client else ({}, {"client_id": "personne"})
    if proof is not None:
        maker = client or held.clients["basic"]
        headers = {**headers, "DPoP": maker.proof(key=key) if proof == "true" else proof}
    sent = {**fields, **filled(held, grant, changes)}
    response = held.clients["basic"].call("/token", data=sent, headers=headers, content_type="application/x-www-form-urlencoded")
    error = is_an_answer(response)
    event(error or "tokens")

    if not error:
        assert who != "nobody"
        assert sent["grant_type"] in GRANTS
        assert who != "machine" or sent["grant_type"] == "client_credentials"
        assert (response.json["token_type"] == "DPoP") == (proof == "true"), "bound exactly when a key was proved"
        asked = set(sent.get("scope", "").split())
        assert not asked or set(response.json["scope"].split()) <= asked
        assert set(response.json["scope"].split()) <= {"openid", "email", "offline_access", "api:lire"}


@pytest.mark.parametrize(("grant", "name"), [(grant, name) for grant, form in WHOLE.items() for name in ("", *form)])
def test_a_form_that_lacks_one_field_or_holds_nothing_true_gives_nothing(held, grant, name):
    """Of a form at random most are far from right: here each is one field away, and its secret is nobody's."""
    for kept, who in itertools.product((None, "", "é", LONG), ("basic", "assertion")):
        form = {**WHOLE[grant], **({name: kept} if name else {})}
        response = held.clients[who].token(grant, **form)
        error = is_an_answer(response)
        assert error or grant == "client_credentials"


@QUIET
@given(body=st.binary(max_size=400), kind=st.sampled_from(["application/x-www-form-urlencoded", "application/json", "", "text/plain"]))
def test_any_body_has_an_answer_too(held, body, kind):
    headers, _ = held.clients["basic"].credentials()
    response = held.clients["basic"].call("/token", data=body, headers=headers, content_type=kind)

    assert response.status_code in (400, 401, 415)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json["error"] in REGISTERED
