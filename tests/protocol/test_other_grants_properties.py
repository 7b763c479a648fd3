"""Whatever is sent to the other grants and to their endpoints: an error that a specification names, never a 500, never a token."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol.relying import ASSERTION_TYPE

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
PREFIX = "urn:ietf:params:oauth:grant-type:"
GRANTS = [f"{PREFIX}device_code", f"{PREFIX}token-exchange", f"{PREFIX}jwt-bearer", "urn:openid:params:grant-type:ciba"]
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
NAMES = [
    *("device_code", "auth_req_id", "assertion", "subject_token", "subject_token_type", "audience", "resource", "scope", "actor_token"),
    *("requested_token_type", "login_hint", "id_token_hint", "login_hint_token", "binding_message", "requested_expiry", "user_code"),
    *("client_notification_token", "request", "acr_values"),
]
TEXTS = st.one_of(
    st.sampled_from(
        ["openid", "x", ACCESS_TOKEN, "https://dsn.test", "73282932000074|LEFEVRE|anne", "1234", "600", "-1", "a.b.c", "e30.e30.e30", "[]"]
    ),
    st.text(max_size=80),
    st.text(st.characters(categories=["Cc", "Cf", "Zs", "Nd"]), max_size=20),
)
FORMS = st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=6)
OFTEN = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
KNOWN = {
    *("invalid_request", "invalid_grant", "invalid_scope", "invalid_target", "unauthorized_client", "authorization_pending", "slow_down"),
    *("expired_token", "access_denied", "invalid_binding_message"),
}


@pytest.fixture
def everything(partner):
    """A client that may use each of them."""
    return partner(
        "everything",
        grant_types=[*GRANTS, "authorization_code", "refresh_token"],
        exchange=["https://dsn.test", "https://banque.test"],
        backchannel_token_delivery_mode="poll",
        jwks={"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": X, "y": Y}]},
        scope="openid email offline_access",
    )


X, Y = "WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis", "y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE"


def is_a_known_refusal(response) -> bool:
    return response.status_code in (400, 403) and response.json["error"] in KNOWN and response.headers["Cache-Control"] == "no-store"


@OFTEN
@given(grant=st.sampled_from(GRANTS), form=FORMS)
def test_no_form_of_chance_opens_a_grant(everything, grant, form):
    response = everything.token(grant, **form)

    assert is_a_known_refusal(response), (form, response.text)


@OFTEN
@given(form=FORMS)
def test_no_form_of_chance_breaks_the_backchannel(everything, form):
    response = everything.post("/bc-authorize", {"scope": "openid", **form})

    assert is_a_known_refusal(response) or response.json.keys() == {"auth_req_id", "expires_in", "interval"}, (form, response.text)


@OFTEN
@given(form=FORMS)
def test_no_form_of_chance_breaks_device_authorization(everything, form):
    response = everything.post("/device_authorization", {"autre": "x", **form})

    assert is_a_known_refusal(response) or "user_code" in response.json, (form, response.text)


@OFTEN
@given(
    form=st.dictionaries(st.sampled_from(["client_id", "client_secret", "client_assertion", "client_assertion_type"]), TEXTS),
    grant=st.sampled_from(GRANTS),
)
def test_C26_no_form_of_chance_stands_for_a_client(everything, form, grant):
    for path in ("/token", "/bc-authorize", "/device_authorization"):
        response = everything.call(path, data={"grant_type": grant, "client_assertion_type": ASSERTION_TYPE, **form})

        assert response.json["error"] in ("invalid_client", "invalid_request"), (form, response.text)
        assert response.status_code in (400, 401)


@OFTEN
@given(text=st.text(max_size=200))
def test_no_code_of_chance_breaks_the_page(new_client, text):
    client = new_client()

    assert client.get("/device", query_string={"user_code": text}).status_code in (200, 400)
    assert client.get("/device/confirmation", query_string={"demande": text}).status_code in (400, 422)
