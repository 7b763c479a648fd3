"""What every answer says to browsers and caches, and what no request can make it say. C28, C49 to C51, C58, C65, C66."""

import re

import pytest

from idp.audit.models import AuditEvent
from idp.authentication.demande import BINDING
from idp.authentication.session import COOKIE
from idp.database import db
from idp.http import address_of
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from tests.protocol.relying import hidden_fields

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
MACHINES = (
    "/device_authorization",
    "/bc-authorize",
    "/token",
    "/token/introspection",
    "/token/revocation",
    "/userinfo",
    "/habilitations/v1",
)
DOCUMENTS = ("/jwks", "/.well-known/openid-configuration")
FORGED = {
    "X-Forwarded-Host": "mal.test",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "8080",
    "X-Forwarded-Prefix": "/mal",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=mal.test;proto=http",
    "X-Original-URL": "/mal",
    "X-Rewrite-URL": "/mal",
    "X-Host": "mal.test",
}


def policy_of(response) -> dict[str, list[str]]:
    """The Content-Security-Policy, by directive."""
    directives = (part.split() for part in response.headers["Content-Security-Policy"].split(";") if part.strip())
    return {words[0]: words[1:] for words in directives}


@pytest.fixture
def pages(partner, signed_in, client):
    """One answer of each kind of page."""
    portail, tiers = partner(), partner("tiers", first_party=False)
    sign_in = portail.ask(client)
    return {
        "redirect to sign-in": sign_in,
        "sign-in": client.get(sign_in.headers["Location"]),
        "answer": portail.ask(signed_in),
        "consent": tiers.ask(signed_in),
        "sign-out": signed_in.get("/session/end"),
        "refusal": client.get("/authorize"),
        "not found": client.get("/inconnue"),
        "method": client.put("/authorize"),
        "post": client.post("/authorize", data=portail.request()),
    }


# --------------------------------------------------------------------------------------------------------------- pages


def test_C66_every_page_is_protected_and_framed_by_nobody(pages):
    for name, response in pages.items():
        headers, policy = response.headers, policy_of(response)
        assert headers["Strict-Transport-Security"].startswith("max-age=63072000"), name
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer"), name
        assert (headers["X-Frame-Options"], headers["Cross-Origin-Opener-Policy"]) == ("DENY", "same-origin"), name
        assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == (["'none'"], ["'none'"], ["'none'"]), name
        if response.status_code != 303 or "script-src" in policy:
            assert policy["script-src"] == policy["style-src"] == ["'self'"], name
        assert not re.search(r"unsafe|\*|http:|data:", headers["Content-Security-Policy"]), name
        assert re.fullmatch(r"[0-9a-f]{16}", headers["X-Request-ID"]), name


def test_C28_no_page_is_kept_and_each_depends_on_the_cookie(pages):
    for name, response in pages.items():
        assert response.headers["Cache-Control"] == "no-store", name
        assert "Cookie" in response.headers["Vary"], name


def test_C51_no_page_is_readable_from_another_origin(pages, client, partner):
    assert not [name for name, response in pages.items() if "Access-Control-Allow-Origin" in response.headers]
    preflight = {"Origin": "https://portail.test", "Access-Control-Request-Method": "POST"}
    for path in ("/authorize", "/connexion", "/session/end", "/authorize/consentement"):
        assert "Access-Control-Allow-Origin" not in client.options(path, headers=preflight).headers


def test_C58_no_page_has_an_inline_handler_script_or_style(pages):
    for name, response in pages.items():
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|style=|javascript:", response.text), name


def test_seen_a_form_may_end_at_the_origin_of_its_own_transaction_alone(pages, client):
    """Chromium applies form-action to redirects: the policy names where this sign-in goes, and nowhere else."""
    assert policy_of(pages["sign-in"])["form-action"] == ["'self'", "https://portail.test"]
    assert policy_of(pages["consent"])["form-action"] == ["'self'", "https://tiers.test"]
    assert policy_of(pages["sign-out"])["form-action"] == ["'self'"]
    assert policy_of(client.get("/connexion"))["form-action"] == ["'self'"]


def test_a_sign_out_question_names_where_it_ends(partner, signed_in):
    partner(post_logout_redirect_uris=["https://portail.test:8443/fin"])
    page = signed_in.get("/session/end", query_string={"client_id": "portail", "post_logout_redirect_uri": "https://portail.test:8443/fin"})

    assert policy_of(page)["form-action"] == ["'self'", "https://portail.test:8443"]


@pytest.mark.parametrize("uri", ["https://a;script-src *.test/", "https://a,b.test/", "https://a'b.test/", "https://a\nb.test/"])
def test_an_address_that_would_change_a_policy_cannot_be_registered(uri):
    with pytest.raises(InvalidClientMetadataError):
        read_client("portail", {"redirect_uris": [uri]})


# -------------------------------------------------------------------------------------------------------------- cookies


def test_C65_cookies_belong_to_this_host_alone(pages, signed_in, partner):
    cookies = [header for response in pages.values() for header in response.headers.getlist("Set-Cookie")]

    assert any(cookie.startswith(f"{BINDING}=") for cookie in cookies)
    for cookie in cookies:
        name, *attributes = cookie.split("; ")
        assert name.startswith("__Host-")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(attributes)
        assert not [a for a in attributes if a.lower().startswith("domain")]
        assert len(cookie) < 4096


def test_C65_the_session_cookie_is_cleared_the_same_way(signed_in):
    form = {**hidden_fields(signed_in.get("/session/end")), "reponse": "oui"}
    [cleared] = [c for c in signed_in.post("/session/end/confirmation", data=form).headers.getlist("Set-Cookie") if c.startswith(COOKIE)]

    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=0"} <= set(cleared.split("; "))


def test_machines_get_no_cookie(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail)
    answers = [portail.refresh(tokens.refresh_token), portail.userinfo(tokens.access_token), portail.introspect(tokens.access_token)]

    assert not [a for a in answers if "Set-Cookie" in a.headers]


# ------------------------------------------------------------------------------------------------------------- machines


@pytest.mark.parametrize("path", [*MACHINES, *DOCUMENTS])
def test_every_machine_answer_is_protected(partner, path):
    portail = partner()
    for response in (portail.call(path, "GET"), portail.call(path, "POST", data={"a": "b"}), portail.call(path, "DELETE")):
        headers = response.headers
        assert headers["Strict-Transport-Security"].startswith("max-age=63072000")
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert re.fullmatch(r"[0-9a-f]{16}", headers["X-Request-ID"])
        assert path in DOCUMENTS or headers["Cache-Control"] == "no-store"


SINGLE_PAGE = ("/token", "/device_authorization", "/userinfo", "/token/revocation")


@pytest.fixture
def single_page(partner):
    """A public client: an application that runs in the browser, at its own origin."""
    partner("confidentiel")
    return partner("spa", token_endpoint_auth_method="none", redirect_uris=["https://spa.test:8443/retour"])


@pytest.mark.parametrize("path", SINGLE_PAGE)
def test_C51_a_public_client_s_origin_may_read_its_tokens(single_page, path):
    origin = {"Origin": "https://spa.test:8443"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight, answer = single_page.call(path, "OPTIONS", headers=asked), single_page.call(path, headers=origin, data={"a": "b"})

    assert preflight.status_code == 204
    assert {"authorization", "content-type"} <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    for response in (preflight, answer):
        assert response.headers["Access-Control-Allow-Origin"] == "https://spa.test:8443"
        assert "Origin" in response.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_C51_an_origin_is_written_as_browsers_do(partner):
    spa = partner("spa", token_endpoint_auth_method="none", redirect_uris=["https://Spa.test:443/retour"])

    assert (
        spa.call("/token", headers={"Origin": "https://spa.test"}, data={"a": "b"}).headers["Access-Control-Allow-Origin"]
        == "https://spa.test"
    )


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize(
    "origin",
    [
        "https://confidentiel.test",
        "https://mal.test",
        "https://spa.test",
        "http://spa.test:8443",
        "null",
        "*",
        "https://spa.test:8443.mal.test",
    ],
)
def test_C51_another_origin_may_not(single_page, path, origin):
    for response in (
        single_page.call(path, "OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}),
        single_page.call(path, headers={"Origin": origin}, data={"a": "b"}),
    ):
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("path", ["/token/introspection", "/habilitations/v1"])
def test_C51_not_where_no_browser_has_business(single_page, path):
    assert "Access-Control-Allow-Origin" not in single_page.call(path, headers={"Origin": "https://spa.test:8443"}).headers


# ------------------------------------------------------------------------------------------------------- forged headers


def test_C49_no_header_changes_an_address(partner, signed_in, client, code_flow):
    portail = partner()
    for path in DOCUMENTS:
        assert portail.call(path, "GET", headers=FORGED).data == portail.call(path, "GET").data
    answers = [
        client.get(portail.address(), headers=FORGED),
        signed_in.get(portail.address(), headers=FORGED),
        signed_in.post("/authorize", data=portail.request(), headers=FORGED),
        client.get("/", headers=FORGED),
        client.get("/connexion", headers=FORGED),
        client.get("/inconnue", headers=FORGED),
    ]

    for response in answers:
        assert "mal" not in response.headers.get("Location", "")
        assert "mal.test" not in response.text
        assert response.headers.get("Location", "/").startswith(("/", "https://portail.test/retour?"))
    assert code_flow(portail).claims["iss"] == "https://mag.test"


def addresses(wsgi_app) -> list[str | None]:
    with wsgi_app.flask.app_context():
        return list(db.session.scalars(db.select(AuditEvent.address).filter_by(kind="TokenRevoked").order_by(AuditEvent.id)))


def test_C50_the_journal_has_the_address_of_the_connection(partner, code_flow, wsgi_app):
    portail = partner()
    headers, fields = portail.credentials()
    token = code_flow(portail).access_token
    portail.call(
        "/token/revocation", data={**fields, "token": token}, headers={**FORGED, **headers}, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}
    )

    assert addresses(wsgi_app)[-1] == "192.0.2.7"


@pytest.mark.parametrize(
    ("proxies", "chain", "address"),
    [
        pytest.param(0, "203.0.113.9", "192.0.2.7", id="C50-none"),
        pytest.param(1, "203.0.113.9, 198.51.100.4", "198.51.100.4", id="C50-one"),
        pytest.param(2, "203.0.113.9, 198.51.100.4", "203.0.113.9", id="C50-two"),
        pytest.param(2, "198.51.100.4", "192.0.2.7", id="C50-fewer-than-announced"),
        pytest.param(1, "", "192.0.2.7", id="C50-empty"),
        pytest.param(1, "nonsense", "0.0.0.0", id="C50-nonsense"),
        pytest.param(1, "2001:db8::1", "2001:db8::1", id="C50-ipv6"),
    ],
)
def test_C50_only_the_proxies_that_settings_trust_are_believed(proxies, chain, address):
    assert address_of({"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": chain}, proxies) == address
