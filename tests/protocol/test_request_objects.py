"""Request objects: authorization requests signed by the client. RFC 9101, OpenID Connect Core section 6, FAPI 2.0 Message Signing 5.3.1."""

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import time_machine
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.conftest import composed
from tests.protocol.relying import answer_of, register, sent_to

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
ES256 = ECKey.generate_key("P-256", {"kid": "une", "use": "sig"})
RS256 = RSAKey.generate_key(2048, {"kid": "deux", "use": "sig"})
EDDSA = OKPKey.generate_key("Ed25519", {"kid": "trois", "use": "sig"})
FOREIGN = ECKey.generate_key("P-256", {"kid": "une"})
JWKS = {"keys": [key.as_dict(private=False) for key in (ES256, RS256, EDDSA)]}
NOW = int(time.time())


@pytest.fixture
def portail(wsgi_app):
    """A partner that may sign its requests, and need not."""
    found = register(wsgi_app, jwks=JWKS, client_name="Portail portail")
    found.key = ES256
    return found


@pytest.fixture
def message(wsgi_app):
    """A partner of the profile FAPI 2.0 Message Signing."""
    found = register(wsgi_app, "message", profile="fapi2-message", token_endpoint_auth_method="private_key_jwt", jwks=JWKS)
    found.key = ES256
    return found


def is_refusal_page(response) -> bool:
    return response.status_code == 400 and response.mimetype == "text/html" and "Location" not in response.headers


def refusal(response) -> str:
    """What a partner reads where it asked to be answered."""
    return answer_of(response)[1]["error"]


def raw_jws(header: object, payload: object) -> str:
    """A compact JWS that nobody signed."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + ".AAAA"


# ------------------------------------------------------------------------------------------------------ what is accepted


@pytest.mark.parametrize(("key", "alg"), [(ES256, "ES256"), (RS256, "RS256"), (RS256, "PS256"), (EDDSA, "EdDSA"), (EDDSA, "Ed25519")])
def test_6_1_a_signed_request_is_answered(portail, signed_in, key, alg):
    signed = portail.request_object(header={"alg": alg, "kid": key.kid}, key=key)
    address, answer = answer_of(portail.ask_signed(signed_in, signed))

    assert (address, answer["state"]) == (portail.redirect_uri, "etat-0123456789")
    assert portail.redeem(answer["code"]).status_code == 200


@pytest.mark.parametrize("typ", [None, "JWT", "oauth-authz-req+jwt"])
def test_4_the_types_of_a_request_object(portail, signed_in, typ):
    assert "code" in answer_of(portail.ask_signed(signed_in, portail.request_object(header={"typ": typ})))[1]


def test_without_a_kid_the_keys_of_the_client_are_tried(portail, signed_in):
    for key, alg in ((ES256, "ES256"), (RS256, "RS256")):
        bare = type(key).import_key({k: v for k, v in key.as_dict(private=True).items() if k != "kid"})
        signed = portail.request_object(header={"alg": alg}, key=bare)
        assert "code" in answer_of(portail.ask_signed(signed_in, signed))[1]


def test_84_a_clock_a_little_ahead_and_several_audiences_are_accepted(message, signed_in):
    for change in ({"nbf": int(time.time()) + 8}, {"aud": [message.issuer, "https://autre.test"]}, {"nbf": int(time.time()) - 3500}):
        assert message.push(**dict.fromkeys(message.request()), request=message.request_object(**change)).status_code == 201


def test_numbers_objects_and_lists_of_an_object_are_parameters(portail, client, signed_in):
    asked = {"max_age": 0, "claims": {"userinfo": {"email": {"essential": True}}}, "prompt": ["login", "consent"]}
    response = portail.ask_signed(signed_in, portail.request_object(**asked))

    assert urlsplit(response.headers["Location"]).path == "/connexion", "max_age 0 asks for a new sign-in"
    assert "code" in answer_of(portail.ask_signed(signed_in, portail.request_object(max_age=9000, claims=asked["claims"])))[1]


# --------------------------------------------------------------------------------------------------------------- merging


def test_C09_30_what_the_object_says_wins(portail, signed_in):
    signed = portail.request_object(state="dedans", nonce="dedans", scope="openid email")
    beside = {"state": "dehors", "nonce": "dehors", "scope": "openid", "redirect_uri": "https://mal.test/", "response_type": "code"}
    address, answer = answer_of(portail.ask_signed(signed_in, signed, **beside))
    tokens = portail.tokens(portail.redeem(answer["code"]))

    assert (address, answer["state"]) == (portail.redirect_uri, "dedans")
    assert (tokens.claims["nonce"], tokens.scope) == ("dedans", "openid email")


def test_6_1_what_it_does_not_say_comes_from_beside(portail, signed_in):
    signed = portail.request_object(state=None, nonce=None)
    _, answer = answer_of(portail.ask_signed(signed_in, signed, state="dehors", nonce="n"))

    assert answer["state"] == "dehors"


def test_6_1_the_response_type_is_the_same_on_both_sides(portail, signed_in):
    response = portail.ask_signed(signed_in, response_type="code id_token", redirect_uri=portail.redirect_uri)

    assert sent_to(response, "#")[1]["error"] == "invalid_request"


@pytest.mark.parametrize("metadata", [{"require_signed_request_object": True}, {"profile": "strict"}])
def test_C09_85_where_the_object_must_be_alone_nothing_beside_it_counts(wsgi_app, signed_in, metadata):
    """RFC 9101 section 6.3, RFC 9126 section 3."""
    seul = register(wsgi_app, "seul", token_endpoint_auth_method="private_key_jwt", jwks=JWKS, **metadata)
    seul.key = ES256
    signed = seul.request_object(state=None, scope="openid")
    if "profile" in metadata:
        address, answer = answer_of(seul.ask_by(signed_in, seul.pushed(request=signed, state="dehors", scope="openid email")))
    else:
        address, answer = answer_of(seul.ask_signed(signed_in, signed, state="dehors", scope="openid email"))

    assert address == seul.redirect_uri
    assert "state" not in answer
    assert seul.tokens(seul.redeem(answer["code"])).scope == "openid"


def test_9126_3_what_is_pushed_beside_an_object_counts_for_nothing(portail, signed_in):
    signed = portail.request_object(state=None)
    _, answer = answer_of(portail.ask_by(signed_in, portail.pushed(request=signed, state="dehors")))

    assert "state" not in answer
    incomplete = portail.push(request=portail.request_object(redirect_uri=None))
    assert (incomplete.status_code, incomplete.json["error"]) == (400, "invalid_request")


# --------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"client_id": "autre"}, id="6.3-client-id-inside-is-another"),
        pytest.param({"iss": "autre"}, id="4-iss-is-another"),
        pytest.param({"aud": "https://autre.test"}, id="4-aud-is-another"),
        pytest.param({"aud": ["https://autre.test"]}, id="4-aud-list-without-us"),
        pytest.param({"aud": 1}, id="4-aud-is-a-number"),
        pytest.param({"aud": []}, id="4-aud-is-empty"),
        pytest.param({"exp": NOW - 600}, id="7519-4.1.4-expired"),
        pytest.param({"exp": "demain"}, id="7519-4.1.4-exp-is-a-text"),
        pytest.param({"exp": True}, id="7519-4.1.4-exp-is-a-boolean"),
        pytest.param({"exp": float("nan")}, id="7519-2-exp-is-not-a-number"),
        pytest.param({"exp": 10**400}, id="7519-2-exp-is-beyond-numbers"),
        pytest.param({"nbf": NOW + 3600}, id="7519-4.1.5-not-yet"),
        pytest.param({"nbf": [1]}, id="7519-4.1.5-nbf-is-a-list"),
        pytest.param({"iat": "hier"}, id="7519-4.1.6-iat-is-a-text"),
        pytest.param({"sub": "portail"}, id="10.8-a-client-assertion-in-disguise"),
        pytest.param({"request": "x"}, id="4-an-object-inside"),
        pytest.param({"request_uri": "https://portail.test/r"}, id="4-a-reference-inside"),
        pytest.param({"state": "\ud800"}, id="C53-half-a-surrogate-pair"),
        pytest.param({"state": "a\0b"}, id="C55b-nul"),
        pytest.param({"inconnu": "\0"}, id="C55b-nul-elsewhere"),
        pytest.param({"max_age": 10**30}, id="C53-a-number-beyond-64-bits"),
        pytest.param({"claims": {"userinfo": {"\ud800": None}}}, id="C53-surrogate-in-json"),
    ],
)
def test_C09_an_object_that_breaks_one_rule_is_refused(portail, signed_in, change):
    signed = portail.request_object(**change)

    assert refusal(portail.ask_signed(signed_in, signed, redirect_uri=portail.redirect_uri)) == "invalid_request_object"
    assert is_refusal_page(portail.ask_signed(signed_in, signed)), "nothing outside says where to answer"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        pytest.param({"kid": "une"}, FOREIGN, id="10.1-key-of-another-under-the-same-name"),
        pytest.param({"kid": "autre"}, ES256, id="10.1-unknown-kid"),
        pytest.param({"kid": "deux"}, ES256, id="8725-3.1-kid-of-another-kind-of-key"),
        pytest.param({"alg": "HS256", "kid": "une"}, OctKey.import_key(json.dumps(ES256.as_dict(private=False))), id="8725-2.1-hmac"),
        pytest.param({"alg": "ES384"}, ECKey.generate_key("P-384"), id="8725-3.1-other-algorithm"),
        pytest.param({"typ": "at+jwt"}, ES256, id="8725-3.11-typ"),
        pytest.param({"jwk": FOREIGN.as_dict(private=False)}, FOREIGN, id="C23-jwk"),
        pytest.param({"jku": "https://mal.test/jwks"}, FOREIGN, id="C23-jku"),
        pytest.param({"x5u": "https://mal.test/x"}, FOREIGN, id="C23-x5u"),
        pytest.param({"x5c": ["AAAA"]}, FOREIGN, id="C23-x5c"),
    ],
)
def test_C09_a_header_that_breaks_one_rule_is_refused(portail, signed_in, header, key):
    wanted = {"alg": "ES256", **header}
    payload = json.dumps({**portail.request(), "iss": "portail", "aud": portail.issuer}).encode()
    lax = jws.JWSRegistry(strict_check_header=False, algorithms=[wanted["alg"]])
    signed = jws.serialize_compact(wanted, payload, key, registry=lax)

    assert refusal(portail.ask_signed(signed_in, signed, redirect_uri=portail.redirect_uri)) == "invalid_request_object"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x", id="not-a-jws"),
        pytest.param("a.b.c", id="not-base64"),
        pytest.param("é.b.c", id="accent"),
        pytest.param("a.b.c.d.e", id="encrypted"),
        pytest.param("..", id="empty-parts"),
        pytest.param(raw_jws({"alg": "ES256", "typ": 1}, {}), id="8725-3.11-typ-is-a-number"),
        pytest.param(raw_jws({"alg": "ES256", "kid": 1}, {}), id="7515-4.1.4-kid-is-a-number"),
        pytest.param(raw_jws([], {}), id="header-is-a-list"),
        pytest.param(raw_jws("x", {}), id="header-is-a-text"),
        pytest.param(raw_jws({}, {}), id="no-alg"),
        pytest.param(raw_jws({"alg": ["ES256"]}, {}), id="alg-is-a-list"),
        pytest.param(raw_jws({"alg": "ES256", "crit": ["b64"], "b64": False}, {}), id="C23-crit"),
        pytest.param(raw_jws({"alg": "ES256"}, {}), id="unsigned"),
        pytest.param(raw_jws(b'{"alg":"ES256","a":' + b"[" * 3000 + b"]" * 3000 + b"}", {}), id="C53-deep"),
        pytest.param(raw_jws(b'{"alg":"ES256","a":' + b"9" * 5000 + b"}", {}), id="C53-number-of-5000-digits"),
        pytest.param(raw_jws(b"\xff", b"\xff"), id="not-utf-8"),
    ],
)
def test_C09_what_is_not_a_request_object_is_refused(portail, signed_in, text):
    asked = {"client_id": "portail", "request": text, "redirect_uri": portail.redirect_uri}
    first = signed_in.post("/authorize", data=asked)

    assert refusal(first) == "invalid_request_object"


@pytest.mark.parametrize("payload", [b"[]", b'"x"', b"1", b"null", b"{", b"[" * 5000 + b"]" * 5000, b"\xff", b""])
def test_C09_a_signed_object_that_holds_no_request_is_refused(portail, signed_in, payload):
    signed = jws.serialize_compact({"alg": "ES256", "kid": "une"}, payload, ES256, algorithms=["ES256"])
    response = signed_in.post("/authorize", data={"client_id": "portail", "request": signed, "redirect_uri": portail.redirect_uri})

    assert refusal(response) == "invalid_request_object"


def test_29_an_unsigned_object_is_not_ignored(portail, signed_in):
    """OpenID Connect Core section 3.1.2.6."""
    unsigned = raw_jws({"alg": "none"}, portail.request(state="dedans")).removesuffix("AAAA")
    _, answer = answer_of(portail.ask_signed(signed_in, unsigned, **portail.request()))

    assert (answer["error"], answer["state"]) == ("request_not_supported", "etat-0123456789")


def test_8725_3_1_a_registered_algorithm_is_the_only_one(wsgi_app, signed_in):
    one = register(wsgi_app, "un-alg", jwks=JWKS, request_object_signing_alg="RS256")
    accepted = one.request_object(header={"alg": "RS256", "kid": "deux"}, key=RS256)
    refused = one.request_object(header={"alg": "ES256", "kid": "une"}, key=ES256)

    assert "code" in answer_of(one.ask_signed(signed_in, accepted))[1]
    assert refusal(one.ask_signed(signed_in, refused, redirect_uri=one.redirect_uri)) == "invalid_request_object"


def test_an_object_of_a_client_without_keys_is_refused(partner, signed_in):
    bare = partner("sans-cle")
    signed = bare.request_object(key=ES256)

    assert refusal(bare.ask_signed(signed_in, signed, redirect_uri=bare.redirect_uri)) == "invalid_request_object"


def test_C01_the_redirect_uri_of_an_object_is_registered_too(portail, signed_in):
    signed = portail.request_object(redirect_uri="https://mal.test/retour")

    assert is_refusal_page(portail.ask_signed(signed_in, signed, redirect_uri=portail.redirect_uri))


def test_86_an_object_without_its_client_beside_stays_on_a_page(portail, signed_in):
    assert is_refusal_page(portail.ask_signed(signed_in, client_id=None))
    assert is_refusal_page(portail.ask_signed(signed_in, client_id="autre"))


def test_rules_of_a_request_hold_for_what_is_signed(portail, signed_in):
    for change, error in (
        ({"code_challenge": None}, "invalid_request"),
        ({"scope": "phone"}, "invalid_scope"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"resource": ["https://ailleurs.test"]}, "invalid_target"),
        ({"authorization_details": [{"type": "x"}]}, "invalid_authorization_details"),
    ):
        response = portail.ask_signed(signed_in, portail.request_object(**change))
        mark = "#" if "#" in response.headers["Location"] else "?"
        assert sent_to(response, mark)[1]["error"] == error, change


def test_ours_names_that_only_MAG_writes_are_not_read_in_an_object(portail, signed_in):
    signed = portail.request_object(mag_reference="x", mag_dpop_jkt="A" * 43, mag_signed="1")
    for _ in range(2):
        _, answer = answer_of(portail.ask_signed(signed_in, signed))
        assert portail.redeem(answer["code"]).status_code == 200, "no key was asked, no use was counted"


# --------------------------------------------------------------------------------------------- FAPI 2.0 Message Signing


def pushed(partner, **claims):
    """The answer to a deposit that holds a request object and credentials alone."""
    return partner.push(**dict.fromkeys(partner.request()), request=partner.request_object(**claims))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"exp": None}, id="84-no-exp"),
        pytest.param({"nbf": None}, id="84-no-nbf"),
        pytest.param({"aud": None}, id="84-no-aud"),
        pytest.param({"iss": None}, id="84-no-iss"),
        pytest.param({"nbf": NOW - 4000, "exp": NOW + 60}, id="84-nbf-more-than-an-hour-ago"),
        pytest.param({"exp": NOW + 7200}, id="84-exp-more-than-an-hour-after-nbf"),
        pytest.param({"exp": float("inf")}, id="84-exp-never"),
        pytest.param({"exp": NOW - 300}, id="84-expired"),
        pytest.param({"nbf": NOW + 3000, "exp": NOW + 3060}, id="84-nbf-too-far-ahead"),
        pytest.param({"aud": "https://autre.test"}, id="84-aud"),
        pytest.param({"header": {"alg": "RS256", "kid": "deux"}, "key": RS256}, id="84-RS256"),
    ],
)
def test_C09_84_what_message_signing_asks_of_an_object(message, change):
    response = pushed(message, **change)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request_object")


def test_84_a_plain_request_is_refused_of_who_must_sign(message, wsgi_app, signed_in):
    response = message.push()
    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
    signer = register(wsgi_app, "signataire", jwks=JWKS, require_signed_request_object=True)
    assert refusal(signer.ask(signed_in)) == "invalid_request"


# ------------------------------------------------------------------------------------------------------------ by reference


class Shelf:
    """A real server of a partner: what it holds by path, and what it was asked."""

    def __init__(self) -> None:
        self.holds: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.asked.append(self.path)
                status, kind, body = shelf.holds.get(self.path, (404, "text/plain", b""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status == 302:
                    self.send_header("Location", "/objet")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def shelf():
    found = Shelf()
    yield found
    found.close()


class TestByReference:
    """RFC 9101 section 5.2, OpenID Connect Core section 6.2; C52."""

    @pytest.fixture
    def settings(self, sqlite_url, shelf):
        from idp.config import Settings
        from tests.conftest import ISSUER, QUICK_HASH, SECRETS

        allowed = (urlsplit(shelf.address).netloc,)
        return Settings(issuer=ISSUER, secrets=SECRETS, database_url=sqlite_url, outgoing_hosts=allowed, **QUICK_HASH)

    @pytest.fixture
    def wsgi_app(self, settings):
        with composed(settings) as doors:
            yield doors

    @pytest.fixture
    def portail(self, wsgi_app, shelf):
        shelf.holds.clear()
        shelf.asked.clear()
        uris = [f"{shelf.address}/{name}" for name in ("objet", "ailleurs", "html", "long", "absent", "redirige", "faux")]
        found = register(wsgi_app, jwks=JWKS, request_uris=[*uris, "https://injoignable.invalid/objet"])
        found.key = ES256
        shelf.holds["/objet"] = (200, "application/oauth-authz-req+jwt", found.request_object(state="dedans").encode() + b"\n")
        shelf.holds["/html"] = (200, "text/html", shelf.holds["/objet"][2])
        shelf.holds["/long"] = (200, "application/jwt", b"a" * 70_000)
        shelf.holds["/redirige"] = (302, "application/jwt", b"")
        shelf.holds["/faux"] = (200, "application/jwt", found.request_object(key=FOREIGN).encode())
        return found

    def test_31_a_registered_address_is_fetched_and_honoured(self, portail, shelf, signed_in):
        _, answer = answer_of(portail.ask_by(signed_in, f"{shelf.address}/objet", response_type="code", scope="openid"))

        assert answer["state"] == "dedans"
        assert portail.redeem(answer["code"]).status_code == 200

    def test_6_2_the_fragment_of_an_address_changes_with_its_content(self, portail, shelf, signed_in):
        assert "code" in answer_of(portail.ask_by(signed_in, f"{shelf.address}/objet#GkurKxf5T0Y"))[1]
        assert shelf.asked == ["/objet"]

    def test_a_sign_in_does_not_fetch_it_again(self, portail, shelf, client, sign_in, un_declarant):
        response = portail.ask_by(client, f"{shelf.address}/objet")
        sign_in(client, un_declarant)
        _, answer = answer_of(client.get(response.headers["Location"].replace("/connexion", "/authorize")))

        assert "code" in answer
        assert shelf.asked == ["/objet"]

    @pytest.mark.parametrize("path", ["/objet?x=1", "/objet/", "/autre", "/objet/../objet", "/%6fbjet", "//objet", "", "@mal.test/objet"])
    def test_C52_an_address_that_is_not_registered_is_never_fetched(self, portail, shelf, signed_in, path):
        response = portail.ask_by(signed_in, f"{shelf.address}{path}", redirect_uri=portail.redirect_uri)

        assert refusal(response) == "invalid_request_uri"
        assert shelf.asked == []

    @pytest.mark.parametrize("name", ["html", "long", "absent", "redirige"])
    def test_C52_what_cannot_be_read_is_refused(self, portail, shelf, signed_in, name):
        response = portail.ask_by(signed_in, f"{shelf.address}/{name}", redirect_uri=portail.redirect_uri)

        assert refusal(response) == "invalid_request_uri"
        assert len(shelf.asked) == 1, "no redirect is followed"

    def test_C52_a_failure_is_remembered_for_a_moment(self, portail, shelf, signed_in):
        """Anybody's browser may name a registered address: it must not become a flood."""
        for fragment in ("", "#a", "#b"):
            response = portail.ask_by(signed_in, f"{shelf.address}/absent{fragment}", redirect_uri=portail.redirect_uri)
            assert refusal(response) == "invalid_request_uri"
        assert shelf.asked == ["/absent"]
        shelf.holds["/absent"] = shelf.holds["/objet"]
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=11)):
            assert "code" in answer_of(portail.ask_by(signed_in, f"{shelf.address}/absent"))[1]

    def test_what_is_there_obeys_the_same_rules(self, portail, shelf, signed_in):
        response = portail.ask_by(signed_in, f"{shelf.address}/faux", redirect_uri=portail.redirect_uri)

        assert refusal(response) == "invalid_request_object"

    def test_a_server_that_does_not_answer_is_a_refusal(self, portail, signed_in):
        response = portail.ask_by(signed_in, "https://injoignable.invalid/objet", redirect_uri=portail.redirect_uri)

        assert refusal(response) == "invalid_request_uri"

    def test_by_value_and_by_reference_exclude_each_other(self, portail, shelf, signed_in):
        beside = {"redirect_uri": portail.redirect_uri, "request": portail.request_object()}

        assert refusal(portail.ask_by(signed_in, f"{shelf.address}/objet", **beside)) == "invalid_request"
        assert shelf.asked == []

    def test_45_a_new_key_of_the_client_is_found(self, portail, shelf, wsgi_app, signed_in):
        """The keys at `jwks_uri` are asked again for a `kid` unknown so far."""
        first, second = (ECKey.generate_key("P-256", {"kid": kid}) for kid in ("ancienne", "nouvelle"))
        shelf.holds["/jwks"] = (200, "application/json", json.dumps({"keys": [first.as_dict(private=False)]}).encode())
        tournant = register(wsgi_app, "tournant", jwks_uri=f"{shelf.address}/jwks")
        old = tournant.request_object(header={"kid": "ancienne"}, key=first)
        assert "code" in answer_of(tournant.ask_signed(signed_in, old))[1]
        shelf.holds["/jwks"] = (200, "application/json", json.dumps({"keys": [second.as_dict(private=False)]}).encode())
        wsgi_app.mag.registry._jwks._clock = lambda: time.monotonic() + 31
        new = tournant.request_object(header={"kid": "nouvelle"}, key=second)

        assert "code" in answer_of(tournant.ask_signed(signed_in, new))[1]
        assert refusal(tournant.ask_signed(signed_in, old, redirect_uri=tournant.redirect_uri)) == "invalid_request_object"
