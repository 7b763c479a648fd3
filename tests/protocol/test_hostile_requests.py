"""Nonsense on every door gives a clear 4xx in the right form, never a 5xx. C02, C29, C49, C53 to C58."""

import base64
import io
import string
import time
from urllib.parse import quote, unquote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from idp.authentication.demande import BINDING
from idp.authentication.session import COOKIE
from idp.config import Settings
from idp.oidc.mtls import Certificates
from idp.seals import b64
from tests.conftest import SECRETS
from tests.protocol import certificates as certificate
from tests.protocol.relying import ASSERTION_TYPE, Partner

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
FORMS = ("/token", "/token/introspection", "/token/revocation")
MACHINES = (*FORMS, "/userinfo", "/habilitations/v1", "/jwks", "/.well-known/openid-configuration")
SIGN_IN = ("/connexion", "/connexion/choix", "/inscription")
PAGES = ("/authorize", "/session/end", *SIGN_IN, "/authorize/consentement", "/session/end/confirmation", "/")


@pytest.fixture
def machine(partner):
    return partner("machine", grant_types=["client_credentials", "authorization_code", "refresh_token"], scope="openid api:lire")


def is_clear(response, *statuses: int) -> bool:
    """The status, JSON for machines, an OAuth error of printable ASCII (RFC 6749 section 5.2), and nothing to cache."""
    return (
        response.status_code in statuses
        and response.content_type == "application/json"
        and response.headers["Cache-Control"] == "no-store"
        and set(response.json) <= {"error", "error_description"}
        and all(set(text) <= set(string.printable) - set('"\\\r\n\t') for text in response.json.values())
    )


# -------------------------------------------------------------------------------------------------- machines' endpoints


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded-not", "x" * 500],
)
def test_C57_another_content_type_is_refused(machine, path, content_type):
    headers, _ = machine.credentials()

    assert is_clear(machine.call(path, data="grant_type=client_credentials&token=x", headers=headers, content_type=content_type), 415, 400)


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded; charset=utf-8", "APPLICATION/X-WWW-FORM-URLENCODED"])
def test_a_form_is_a_form_whatever_its_case_and_charset(machine, path, content_type):
    headers, _ = machine.credentials()

    assert machine.call(path, data="grant_type=client_credentials&token=x", headers=headers, content_type=content_type).status_code == 200


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"grant_type=client_credentials&grant_type=client_credentials&token=x", id="C02-doubled"),
        pytest.param(b"token=x&token=&grant_type=client_credentials", id="C02-doubled-once-empty"),
        pytest.param(b"inconnu=1&inconnu=2&grant_type=client_credentials&token=x", id="C02-unknown-doubled"),
        pytest.param(b"%67rant_type=a&grant_type=client_credentials&token=x", id="C02-doubled-encoded"),
        pytest.param(b"grant_type=client_credentials%00&token=%00", id="C55b-nul-encoded"),
        pytest.param(b"grant_type=client_credentials&token=\x00", id="C55b-nul"),
        pytest.param(b"grant_type=client_credentials&token=\xc3\xa9", id="C55b-bytes"),
        pytest.param(b"grant_type=client_credentials&token=%ff", id="C55b-not-utf-8"),
        pytest.param(b"grant_type=client_credentials&token=%ed%a0%80", id="C55b-surrogate"),
        pytest.param("&".join(f"a{n}=1" for n in range(101)).encode(), id="C56-fields"),
        pytest.param(b"token=" + b"x" * 70_000, id="C56-large"),
        pytest.param(b"", id="empty"),
        pytest.param(b"&&&===", id="separators"),
        pytest.param(b"{}", id="json"),
        pytest.param(b"\x1f\x8b\x08\x00", id="C53-gzip"),
    ],
)
def test_a_body_that_cannot_be_read_without_doubt_is_refused(machine, path, body):
    headers, _ = machine.credentials()
    response = machine.call(path, data=body, headers=headers, content_type="application/x-www-form-urlencoded")

    assert is_clear(response, 400, 413)
    assert response.json["error"] == "invalid_request"


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("length", "status"),
    [("9" * 5000, 413), ("70000", 413), ("-1", 400), ("1e3", 400), ("٣", 400), ("0x10", 400), ("5000", 400), ("+5", 400)],
)
def test_C55b_a_length_that_is_not_the_body_s_is_refused(machine, path, length, status):
    headers, _ = machine.credentials()
    overrides = {"CONTENT_LENGTH": length.encode().decode("latin-1")}
    response = machine.call(path, data={"token": "x", "grant_type": "client_credentials"}, headers=headers, environ_overrides=overrides)

    assert is_clear(response, status)


@pytest.mark.parametrize("path", FORMS)
def test_a_body_sent_in_chunks_is_read_and_bounded(machine, path):
    """The server unframes chunks: the door sees a stream without a length."""
    headers, _ = machine.credentials()

    def send(body: bytes):
        stream = {"CONTENT_LENGTH": "", "wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
        kind = "application/x-www-form-urlencoded"
        return machine.call(path, headers=headers, content_type=kind, environ_overrides=stream)

    assert send(b"grant_type=client_credentials&token=x").status_code == 200
    assert is_clear(send(b"token=" + b"x" * 70_000), 413)


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "é"])
def test_C57_a_method_that_is_not_allowed_says_which_are(machine, path, method):
    response = machine.call(path, method, headers={"X-HTTP-Method-Override": "GET", "X-HTTP-Method": "GET"})
    allowed = {"/userinfo": ("GET", "POST"), "/habilitations/v1": ("GET",), "/jwks": ("GET", "HEAD")}.get(path, ("GET", "HEAD"))
    allowed = ("POST",) if path in FORMS else allowed

    if method in allowed:
        assert response.status_code in (200, 401, 415)
    else:
        assert is_clear(response, 405)
        assert set(allowed) <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize("grant_type", ["client_credentials", "refresh_token", "authorization_code"])
@pytest.mark.parametrize("scope", [" ".join(f"s{n}" for n in range(9_000)), "a " * 20_000, "é", "\x01", '"\\', " "])
def test_C53_scopes_without_end_are_refused(machine, grant_type, scope):
    response = machine.token(grant_type, scope=scope, refresh_token="x", code="x")

    assert is_clear(response, 400) or (grant_type == "client_credentials" and not scope.strip() and response.status_code == 200)


@pytest.mark.parametrize("next_", ["x", "0", "0.", ".0", "-1.0", "0.-1", "9" * 40 + ".0", "0." + "9" * 40, "٣.٣", "0.0&next=0.0", "%ff"])
def test_a_page_of_rights_without_a_pass_is_refused_whatever_it_asks(machine, next_):
    assert is_clear(machine.call("/habilitations/v1", "GET", query_string=f"next={next_}"), 400, 401)


@pytest.mark.parametrize("path", MACHINES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_AUTHORIZATION", "Basic " + "A" * 20_000),
        ("HTTP_AUTHORIZATION", "Bearer"),
        ("HTTP_AUTHORIZATION", "\xff\xfe"),
        ("HTTP_AUTHORIZATION", "Bearer \x00"),
        ("HTTP_COOKIE", "\xff=;;;=\x00"),
        ("HTTP_IF_NONE_MATCH", "\xff" * 100),
        ("HTTP_ACCEPT", "\x00"),
        ("HTTP_ORIGIN", "javascript:alert(1)"),
        ("CONTENT_TYPE", "\xff"),
        ("QUERY_STRING", "\xff&&%"),
    ],
)
def test_C29_malformed_headers_are_never_a_5xx(machine, path, name, value):
    for method in ("GET", "POST"):
        assert machine.call(path, method, environ_overrides={name: value}).status_code < 500


# ----------------------------------------------------------------------------------------------------------- both doors


@pytest.mark.parametrize("path", [*MACHINES, *PAGES])
def test_C56_an_address_longer_than_8_kib_is_refused(client, path):
    response = client.get(path, query_string="a=" + "x" * 8200)

    assert response.status_code == 414
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*MACHINES, *PAGES])
@pytest.mark.parametrize("host", ["autre.test", "mag.test.mal.test", "mag.test:8443", "mag.test@mal.test", "", "é", "mag.test, autre.test"])
def test_C49_another_host_is_not_served(client, path, host):
    response = client.get(path, environ_overrides={"HTTP_HOST": host.encode().decode("latin-1")})

    assert response.status_code == 421
    assert "mal.test" not in response.text


@pytest.mark.parametrize("host", ["MAG.test", "mag.test:443"])
def test_C49_the_same_host_written_otherwise_is_served(client, host):
    """RFC 9110 section 4.2.3: hosts have no case, and 443 is the port of https."""
    assert client.get("/jwks", environ_overrides={"HTTP_HOST": host}).status_code == 200


@pytest.mark.parametrize("path", [*MACHINES, *PAGES])
def test_C56_headers_larger_than_16_kib_are_refused(machine, path):
    for name in ("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_X_AUTRE"):
        assert machine.call(path, "GET", environ_overrides={name: "a" * 20_000}).status_code == 431


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND"])
def test_C57_pages_refuse_other_methods(client, path, method):
    response = client.open(path, method=method)

    assert response.status_code == 405
    assert "Allow" in response.headers


@pytest.mark.parametrize("path", ["/authorize/consentement", "/session/end/confirmation", "/connexion"])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "Multipart/Form-Data; boundary=x"])
def test_C56_multipart_is_refused(client, path, kind):
    body = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'

    assert client.post(path, data=body, content_type=kind).status_code == 415


@pytest.mark.parametrize("path", ["/authorize", "/session/end", "/logout"])
@pytest.mark.parametrize("kind", [None, "text/plain", "application/json", "application/x-www-form-urlencoded2"])
def test_C57_a_page_that_takes_a_partners_form_takes_nothing_else(signed_in, path, kind):
    """A form of another site may say text/plain: it must not be read as one that says what it is."""
    response = signed_in.post(path, data="client_id=portail", content_type=kind)

    assert (response.status_code, "Location" in response.headers, "Set-Cookie" in response.headers) == (415, False, False)


@pytest.mark.parametrize("path", ["/authorize/consentement", "/session/end/confirmation", "/session/end", "/authorize", "/connexion"])
@pytest.mark.parametrize("body", ["a=" + "x" * 70_000, urlencode([(f"a{n}", 1) for n in range(1500)]), "%00=%00", "%ff=%ff", "=" * 5000])
def test_C56_forms_of_pages_are_bounded_too(signed_in, path, body):
    response = signed_in.post(path, data=body, content_type="application/x-www-form-urlencoded")

    assert 400 <= response.status_code < 500 or path == "/session/end"


@pytest.mark.parametrize("path", ["//authorize", "///token", "/authorize/", "/./authorize", "/AUTHORIZE", "/token/", "/jwks%00", "/%ff"])
def test_an_address_that_is_nearly_one_of_ours_is_not_one(client, path):
    test_C59_what_is_not_a_page_is_a_404_and_no_redirect(client, path)


@pytest.mark.parametrize(
    "path",
    ["/..;/jwks", "/static/../wsgi.py", "/static/%2e%2e/%2e%2e/wsgi.py", "/static/..%5cwsgi.py", "/console", "/metrics", "/.git/config"],
)
def test_C59_what_is_not_a_page_is_a_404_and_no_redirect(client, path):
    response = client.get("/", environ_overrides={"PATH_INFO": unquote(path, "latin-1")})

    assert response.status_code in (400, 404)
    assert "Location" not in response.headers


# ------------------------------------------------------------------------------------------------------- property tests

TEXT = st.text(max_size=200)
NAMES = st.text(max_size=20) | st.sampled_from(
    ["client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "prompt", "max_age", "claims", "code_challenge", "acr_values",
     "code_challenge_method", "id_token_hint", "login_hint", "ui_locales", "response_mode", "request", "request_uri", "demande", "choix",
     "refus", "csrf", "reponse", "siret", "nom", "prenom", "password", "identite", "grant_type", "code", "code_verifier", "refresh_token",
     "token", "client_secret", "client_assertion", "client_assertion_type", "access_token", "next", "post_logout_redirect_uri"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["machine", "https://machine.test/retour", "code", "openid", "none", "login", "S256", "client_credentials", "refresh_token", "{}",
     "authorization_code", ASSERTION_TYPE, "e30.e30.e30", "0", "~", "\0", "\ud7ff", "<script>"]
) | TEXT  # fmt: skip
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=12)
RAW = st.binary(max_size=300)
HEADERS = st.dictionaries(
    st.sampled_from(["HTTP_AUTHORIZATION", "HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_ACCEPT", "HTTP_IF_NONE_MATCH", "CONTENT_TYPE"]),
    st.sampled_from(["Basic bWFjaGluZTp4", "Bearer e30.e30.e30", "https://mag.test", "null", "application/json", "*"])
    | st.text(st.characters(max_codepoint=255), max_size=60),
    max_size=3,
)
QUIET = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def encoded(pairs) -> str:
    return "&".join("=".join(quote(text, safe="", errors="surrogatepass") for text in pair) for pair in pairs)


def is_well_formed(path: str, response, method: str = "") -> None:
    assert response.status_code < 500, (path, response.status_code, response.text)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    if path in MACHINES and method != "HEAD" and response.status_code >= 400 and response.status_code not in (414, 421, 431):
        assert is_clear(response, response.status_code)
    location = response.headers.get("Location", "")
    assert not location or location.startswith(("/", "https://machine.test/retour?")), location
    assert not location.startswith("//")


@pytest.fixture
def anyone(partner, signed_in):
    """A door that one client is registered at; a browser that is signed in or not."""
    partner("machine", grant_types=["authorization_code", "refresh_token", "client_credentials"], scope="openid email api:lire")
    return signed_in


@QUIET
@given(path=st.sampled_from([*MACHINES, *PAGES]), method=st.sampled_from(["GET", "POST", "HEAD"]), pairs=PAIRS, headers=HEADERS)
@example(path="/authorize", method="GET", pairs=[("client_id", "machine"), ("redirect_uri", "https://machine.test/retour")], headers={})
@example(path="/token", method="HEAD", pairs=[], headers={})
def test_any_parameters_anywhere_never_break_a_door(anyone, path, method, pairs, headers):
    text = encoded(pairs)
    if method == "POST":
        kind = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
        response = anyone.open(path, method=method, data=text, environ_overrides=kind | headers)
    else:
        response = anyone.open(path, method=method, query_string=text, environ_overrides=headers)

    is_well_formed(path, response, method)


@QUIET
@given(path=st.sampled_from([*MACHINES, *PAGES]), raw=RAW, in_query=st.booleans())
def test_any_bytes_anywhere_never_break_a_door(anyone, path, raw, in_query):
    if in_query:
        response = anyone.get(path, environ_overrides={"QUERY_STRING": raw.decode("latin-1")})
    else:
        response = anyone.post(path, data=raw, content_type="application/x-www-form-urlencoded")

    is_well_formed(path, response)


@QUIET
@given(path=st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_path_never_breaks_a_door(anyone, path):
    is_well_formed("", anyone.get("/", environ_overrides={"PATH_INFO": f"/{path}"}))


@QUIET
@given(changes=st.dictionaries(NAMES, VALUES, max_size=4))
def test_an_authorization_request_changed_anyhow_never_goes_elsewhere(anyone, partner, changes):
    portail = Partner(anyone.application, "machine", "", "https://machine.test/retour", "none")
    response = anyone.get("/authorize", query_string=encoded({**portail.request(), **changes}.items()))

    is_well_formed("/authorize", response)
    if "redirect_uri" in changes and changes["redirect_uri"] != "https://machine.test/retour":
        assert not response.headers.get("Location", "").startswith("https://")


@QUIET
@given(cookie=st.text(st.characters(max_codepoint=255), max_size=80), name=st.sampled_from([COOKIE, BINDING, "autre"]))
def test_any_cookie_never_breaks_a_page(machine, cookie, name):
    for path in PAGES:
        is_well_formed(path, machine.call(path, "GET", environ_overrides={"HTTP_COOKIE": f"{name}={cookie}; {cookie}"}))


@QUIET
@given(
    parts=st.lists(RAW, min_size=1, max_size=5),
    alg=st.sampled_from(["none", "HS256", "ES256", "RS256", "", "dir"]),
    as_=st.sampled_from(["bearer", "assertion", "hint", "token"]),
)
def test_any_jose_text_never_breaks_a_door(anyone, parts, alg, as_):
    token = ".".join([b64(f'{{"alg":"{alg}","typ":"at+jwt"}}'.encode()), *map(b64, parts)])
    if as_ == "bearer":
        response = anyone.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
    elif as_ == "assertion":
        response = anyone.post("/token", data={"grant_type": "x", "client_assertion": token, "client_assertion_type": ASSERTION_TYPE})
    elif as_ == "hint":
        response = anyone.get("/session/end", query_string={"id_token_hint": token})
    else:
        response = anyone.get("/habilitations/v1", headers={"Authorization": f"Bearer {token}"})

    assert 400 <= response.status_code < 500


# ------------------------------------------------------------------------------------------------------ proofs, certificates

KEY = ECKey.generate_key("P-256")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "a"]), inside),
    max_leaves=6,
)
MEMBERS = st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit", "b64", "kid", "jti", "htm", "htu", "iat", "ath", "nonce"]), JSON)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(header=MEMBERS, claims=MEMBERS, signature=st.binary(max_size=70))
def test_C31b_a_proof_of_anything_is_refused_clearly(machine, header, claims, signature):
    """Of a good proof, some members are anything; the rest is right, so that each rule is reached."""
    good = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.as_dict(private=False)}
    rest = {"jti": "1", "htm": "POST", "htu": "https://mag.test/token", "iat": int(time.time())}
    text = ".".join(b64(part) for part in (orjson.dumps({**good, **header}), orjson.dumps({**rest, **claims}), signature))
    headers = {**machine.credentials()[0], "DPoP": text}

    assert is_clear(machine.call("/token", data={"grant_type": "client_credentials"}, headers=headers), 400)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=MEMBERS)
def test_C31b_a_signed_proof_that_says_anything_is_never_a_5xx(machine, changes):
    changed = {name: value for name, value in changes.items() if name not in ("typ", "alg", "jwk", "crit", "b64", "kid")}
    headers = {**machine.credentials()[0], "DPoP": machine.proof(key=KEY, **changed)}

    assert machine.call("/token", data={"grant_type": "client_credentials"}, headers=headers).status_code in (200, 400)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    text=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60)
    | st.binary(max_size=80).map(lambda b: f":{b64(b)}:")
)
def test_a_certificate_of_anything_is_as_if_absent(text):
    certificates = Certificates(Settings(issuer="https://mag.test", secrets=SECRETS, **certificate.SETTINGS))

    assert certificates.of({"REMOTE_ADDR": certificate.PROXY, certificate.HEADER: text}) is None


@settings(max_examples=400, deadline=None)
@given(at=st.integers(0, 600), value=st.integers(0, 255))
def test_a_certificate_with_one_byte_changed_is_never_a_5xx(at, value):
    der = bytearray(certificate.held().der)
    der[at % len(der)] = value
    certificates = Certificates(Settings(issuer="https://mag.test", secrets=SECRETS, **certificate.SETTINGS))
    header = f":{base64.b64encode(der).decode()}:"
    found = certificates.of({"REMOTE_ADDR": certificate.PROXY, certificate.HEADER: header, certificate.VERIFIED: "SUCCESS"})

    if found is not None:
        for kind, name in (("subject_dn", "CN=Paie en ligne"), ("san_dns", "a"), ("san_uri", "a"), ("san_ip", "::1"), ("san_email", "a@b")):
            assert not found.has_name(kind, name)
        assert not found.has_key_of([KEY])
