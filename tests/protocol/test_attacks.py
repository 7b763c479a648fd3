"""Attacks that cross several doors: the same vector tried wherever it could be heard. Checks of docs/verifications.md, by number."""

import itertools
import re
import socket
import threading
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import inspect, text

from idp.authentication.session import COOKIE, close_every_session
from idp.database import db
from idp.declarants import inscription
from idp.declarants.models import Declarant
from idp.ephemeral import SqlEphemeral
from idp.oidc.endpoints import Endpoint
from idp.seals import b64
from partners import onboarding
from tests.protocol.relying import ASSERTION_TYPE, VERIFIER, Partner, answer_of, hidden_fields, register, sent_to

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GRANTS = ("authorization_code", "refresh_token", "client_credentials", DEVICE, CIBA, JWT_BEARER, EXCHANGE)
FORMS = ("/token", "/token/introspection", "/token/revocation", "/request", "/device_authorization", "/bc-authorize")
MACHINES = (*FORMS, "/userinfo", "/habilitations/v1", "/reg", "/reg/x")
SIRET = "73282932000074"


@pytest.fixture
def logiciel(partner) -> Partner:
    """A client that may do everything: what is refused is refused for another reason."""
    return partner(
        "logiciel",
        grant_types=list(GRANTS),
        scope="openid email siret offline_access",
        token_endpoint_auth_method="private_key_jwt",
        backchannel_token_delivery_mode="poll",
        exchange=["https://dsn.test"],
        introspect=["logiciel"],
    )


@pytest.fixture
def anne(new_declarant) -> int:
    return new_declarant(nom="Martin")


@pytest.fixture
def browser(browser_of, anne):
    return browser_of(anne)


@pytest.fixture
def everything(logiciel, browser, wsgi_app, anne) -> dict[str, str]:
    """One secret of each kind, alive."""
    answer = logiciel.redeem(logiciel.code(browser, scope="openid offline_access")).json
    told = logiciel.post("/device_authorization", {"scope": "openid"}).json
    page = browser.post("/device", data={**hidden_fields(browser.get("/device")), "code": told["user_code"]})
    browser.post("/device/confirmation", data={**hidden_fields(browser.get(page.headers["Location"])), "reponse": "accepter"})
    with wsgi_app.flask.app_context():
        person = db.session.get(Declarant, anne)
        hint = f"{SIRET}|{person.nom}|{person.prenom}"
    asked = logiciel.post("/bc-authorize", {"scope": "openid", "login_hint": hint}).json
    browser.post("/demandes", data={**hidden_fields(browser.get("/demandes")), "reponse": "accepter"})
    return {
        "code": logiciel.code(browser),
        "refresh_token": answer["refresh_token"],
        "access_token": answer["access_token"],
        "id_token": answer["id_token"],
        "device_code": told["device_code"],
        "auth_req_id": asked["auth_req_id"],
        "request_uri": logiciel.pushed(),
        "reference": logiciel.pushed().rpartition(":")[2],
        "session": browser.get_cookie(COOKIE, domain="mag.test").value,
        "grant_id": answer["grant_id"],
    }


def ask_with(logiciel: Partner, grant: str, secret: str, **more: str) -> Any:
    """A token request where a secret is in the place that this grant reads."""
    place = {
        "authorization_code": {"code": secret, "redirect_uri": logiciel.redirect_uri, "code_verifier": VERIFIER},
        "refresh_token": {"refresh_token": secret},
        "client_credentials": {"scope": "openid"},
        DEVICE: {"device_code": secret},
        CIBA: {"auth_req_id": secret},
        JWT_BEARER: {"assertion": secret},
        EXCHANGE: {"subject_token": secret, "subject_token_type": ACCESS_TOKEN, "audience": "https://dsn.test"},
    }
    return logiciel.token(grant, **{**place[grant], **more})


PLACES = {
    "authorization_code": "code",
    "refresh_token": "refresh_token",
    DEVICE: "device_code",
    CIBA: "auth_req_id",
    EXCHANGE: "access_token",
}


# ---------------------------------------------------------------------------------------------------- codes, tokens, kinds


def test_C12_a_secret_of_one_kind_serves_as_no_other(logiciel, everything):
    """Types are part of the store's keys and of what is signed: a session is no code, a reference no device (CVE-2026-4282)."""
    for grant, name in itertools.product((*PLACES, JWT_BEARER), everything):
        if PLACES.get(grant) != name:
            response = ask_with(logiciel, grant, everything[name])
            assert (response.status_code, response.json["error"] in ("invalid_grant", "invalid_request")) == (400, True), (grant, name)
    for name in everything.keys() - {"access_token"}:
        assert logiciel.userinfo(everything[name]).status_code == 401, name
        assert name in ("refresh_token",) or logiciel.introspect(everything[name]).json == {"active": False}, name
    for grant, name in PLACES.items():
        assert ask_with(logiciel, grant, everything[name]).status_code == 200, f"{name} was spent by none of this"


def test_C12_every_secret_is_long_and_no_store_holds_it(everything, wsgi_app):
    """128 bits at least; a dump of the database opens nothing."""
    with wsgi_app.flask.app_context():
        tables = inspect(db.engine).get_table_names()
        dump = "".join(str(db.session.execute(text(f'select * from "{table}"')).all()) for table in tables)

    assert isinstance(wsgi_app.mag.ephemeral, SqlEphemeral), "short-lived state is in the same dump"
    for name in everything.keys() - {"grant_id"}:
        assert len(everything[name]) >= 43, name
        assert everything[name] not in dump, name


@pytest.mark.parametrize("name", list(PLACES.values()))
def test_C12_a_secret_cut_or_lengthened_by_one_character_is_nothing(logiciel, everything, name):
    """CVE-2026-27840."""
    grant = next(grant for grant, place in PLACES.items() if place == name)
    true = everything[name]
    for forged in (true[:-1], true[1:], true + "A", true.swapcase(), f" {true}", f"{true}\n", true[:20] + "é" + true[20:]):
        assert ask_with(logiciel, grant, forged).status_code == 400, forged
    assert ask_with(logiciel, grant, true).status_code == 200


# ------------------------------------------------------------------------------------------ the same rules for every grant


@pytest.mark.parametrize("grant", GRANTS)
def test_C26_a_client_that_did_not_register_a_grant_has_it_refused(partner, logiciel, everything, grant):
    others = [one for one in GRANTS if one != grant] if grant != "authorization_code" else ["client_credentials"]
    metadata = {**logiciel.extra, "grant_types": others, "exchange": ["https://dsn.test"]}
    if grant == "authorization_code":
        metadata |= {"redirect_uris": [], "response_types": []}
    narrow = partner("etroit", **{name: value for name, value in metadata.items() if name != "jwks"})
    response = ask_with(narrow, grant, everything.get(PLACES.get(grant, ""), "x"))

    assert (response.status_code, response.json["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize("grant", ["password", "implicit", "", "AUTHORIZATION_CODE", "authorization_code ", "é", "urn:x", "x" * 5000])
def test_C26_an_unknown_grant_is_unsupported(logiciel, grant):
    response = logiciel.token(grant)

    assert (response.status_code, response.json["error"]) == (400, "unsupported_grant_type" if grant else "invalid_request")


@pytest.mark.parametrize("grant", [*PLACES, JWT_BEARER])
def test_C26_C46_no_grant_gives_anything_for_somebody_who_is_suspended(logiciel, everything, wsgi_app, anne, grant):
    """A rule that one door alone forgets is the most frequent flaw of peers (CVE-2026-9792, 9798, 16103)."""
    secret = everything.get(PLACES.get(grant, ""), "")
    if grant == JWT_BEARER:
        sub = logiciel.userinfo(everything["access_token"]).json["sub"]
        secret = logiciel.assertion(sub=sub, grant_id=everything["grant_id"])
    with wsgi_app.flask.app_context():
        person = db.session.get(Declarant, anne)
        close_every_session(wsgi_app.mag.ephemeral, wsgi_app.mag.settings, person)
        inscription.suspendre(person, datetime.now(UTC))
        db.session.commit()
    response = ask_with(logiciel, grant, secret)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request" if grant == EXCHANGE else "invalid_grant")


@pytest.mark.parametrize("grant", GRANTS)
def test_C26_C61_no_grant_serves_a_client_that_is_disabled(logiciel, everything, wsgi_app, grant):
    def switch(*, enabled: bool) -> None:
        with wsgi_app.flask.app_context():
            onboarding.switch(onboarding.client_named("logiciel"), datetime.now(UTC), enabled=enabled)
            db.session.commit()
        wsgi_app.mag.versions.refresh()

    switch(enabled=False)
    response = ask_with(logiciel, grant, everything.get(PLACES.get(grant, ""), "x"))
    others = [logiciel.post(path, {"token": "x", "scope": "openid"}).status_code for path in FORMS[1:]]
    switch(enabled=True)

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")
    assert others == [401] * 5


@pytest.mark.parametrize("end", ["revoked", "signed out", "expired"])
def test_C21_a_token_that_ended_is_inactive_and_says_nothing(logiciel, browser, wsgi_app, end):
    import time_machine

    tokens = logiciel.tokens(logiciel.redeem(logiciel.code(browser, scope="openid email")))
    assert logiciel.is_alive(tokens)
    if end == "revoked":
        assert logiciel.revoke(tokens.access_token).status_code == 200
    if end == "signed out":
        assert browser.get("/session/end", query_string={"id_token_hint": tokens.id_token}).status_code in (200, 303)
    with time_machine.travel(datetime.fromtimestamp(time.time() + (400 if end == "expired" else 0), UTC)):
        assert logiciel.userinfo(tokens.access_token).status_code == 401
        assert logiciel.introspect(tokens.access_token).json == {"active": False}


def test_C22_whoever_asks_first_never_answers_for_whoever_asks_next(partner, browser, logiciel):
    """What is remembered of a token is its signature, never who may read it: callers alternate."""
    portail, stranger = partner(), partner("etranger")
    token = portail.tokens(portail.redeem(portail.code(browser))).access_token

    assert [caller.introspect(token).json["active"] for caller in (portail, stranger) * 3] == [True, False] * 3
    assert stranger.introspect(token).json == {"active": False}


# --------------------------------------------------------------------------------------------------------- what is stored


def test_C28_no_answer_of_a_machine_s_door_is_kept(logiciel, everything, partner):
    """Successes and refusals alike."""
    answers = {
        "token": ask_with(logiciel, "refresh_token", everything["refresh_token"]),
        "introspection": logiciel.introspect(everything["access_token"]),
        "userinfo": logiciel.userinfo(everything["access_token"]),
        "deposit": logiciel.push(),
        "device": logiciel.post("/device_authorization", {"scope": "openid"}),
        "revocation": logiciel.revoke(everything["access_token"]),
        "refused secret": logiciel.call("/token", data={"client_id": "logiciel", "client_secret": "x", "grant_type": "refresh_token"}),
        "refused grant": logiciel.token("password"),
        "refused method": logiciel.call("/token", "GET"),
        "dead token": logiciel.userinfo(everything["access_token"]),
        "registration": logiciel.call("/reg", json={}),
        "management": logiciel.call("/reg/x", "GET"),
        "rights": logiciel.call("/habilitations/v1", "GET"),
    }

    assert {name for name, answer in answers.items() if answer.status_code < 300} >= {"token", "userinfo", "deposit", "device"}
    for name, answer in answers.items():
        assert answer.headers["Cache-Control"] == "no-store", name
        assert "Set-Cookie" not in answer.headers, name


@pytest.mark.parametrize("path", FORMS)
def test_C30_credentials_and_tokens_of_an_address_are_not_read(partner, path):
    """A query ends in logs and in Referer headers."""
    portail = partner(token_endpoint_auth_method="client_secret_post")
    asked = {"client_id": "portail", "client_secret": portail.secret, "grant_type": "client_credentials", "token": "x", "scope": "openid"}
    read = portail.call(path, data=asked).status_code
    unread = portail.call(path, data={"inconnu": "1"}, query_string=asked)

    assert (unread.status_code, unread.json["error"]) in ((401, "invalid_client"), (400, "invalid_request"))
    assert read != 401, "the same fields in the body are read"


# ------------------------------------------------------------------------------------------------ what is signed or sealed


def sealed(content: bytes, header: dict[str, Any], key: Any) -> str:
    return jwe.encrypt_compact({"enc": "A256GCM", **header}, content, key, algorithms=[header["alg"], "A256GCM", "DEF"])


@pytest.fixture
def hidden(logiciel, wsgi_app) -> dict[str, str]:
    """Encrypted texts, under the key that MAG publishes, under the client's, under one that everybody knows."""
    published = next(key for key in logiciel.call("/jwks", "GET").json["keys"] if key["kty"] == "EC")
    ours = ECKey.import_key({name: published[name] for name in ("kty", "crv", "x", "y")})
    plain = orjson.dumps({**logiciel.request(), "iss": "logiciel", "sub": "logiciel", "aud": logiciel.issuer, "exp": int(time.time()) + 60})
    inside = logiciel.request_object().encode()
    to_us = sealed(plain, {"alg": "ECDH-ES"}, ours)
    return {
        "plain JSON under our key": to_us,
        "a JWS under our key": sealed(inside, {"alg": "ECDH-ES", "cty": "JWT"}, ours),
        "compressed": sealed(b"[" * 2_000_000, {"alg": "ECDH-ES", "zip": "DEF"}, ours),
        "direct": sealed(plain, {"alg": "dir"}, OctKey.generate_key(256)),
        "wrong tag": to_us[:-4] + ("AAAA" if to_us[-4:] != "AAAA" else "BBBB"),
        "wrong padding": ".".join(
            [b64(b'{"alg":"RSA1_5","enc":"A128CBC-HS256"}'), b64(b"x" * 256), b64(b"y" * 16), b64(b"z" * 33), b64(b"t" * 16)]
        ),
        "wrong key": ".".join(
            [b64(b'{"alg":"RSA-OAEP","enc":"A256GCM"}'), b64(b"x" * 256), b64(b"y" * 12), b64(b"z" * 33), b64(b"t" * 16)]
        ),
        "password of two thousand million turns": ".".join(
            [
                b64(b'{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"AAAAAAAAAAA","p2c":2000000000}'),
                b64(b"x" * 40),
                b64(b"y" * 12),
                "eA",
                "eA",
            ]
        ),
    }


def doors(logiciel: Partner, browser: Any, unreadable: str) -> dict[str, Any]:
    """Every place where MAG reads a JOSE text."""
    assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": unreadable}
    headers, fields = logiciel.credentials()
    asked = {**fields, "grant_type": "client_credentials"}
    return {
        "request": browser.post("/authorize", data={"client_id": "logiciel", "redirect_uri": logiciel.redirect_uri, "request": unreadable}),
        "deposit": logiciel.push(request=unreadable),
        "client": logiciel.call("/token", data={"grant_type": "client_credentials", **assertion}),
        "bearer": logiciel.userinfo(unreadable),
        "introspection": logiciel.introspect(unreadable),
        "subject": ask_with(logiciel, EXCHANGE, unreadable),
        "person": ask_with(logiciel, JWT_BEARER, unreadable),
        "hint": browser.get("/authorize", query_string=logiciel.request(id_token_hint=unreadable)),
        "sign-out": browser.get("/session/end", query_string={"id_token_hint": unreadable}),
        "proof": logiciel.call("/token", data=asked, headers={**headers, "DPoP": unreadable}),
        "statement": logiciel.call("/reg", json={"redirect_uris": ["https://x.test/"], "software_statement": unreadable}),
        "rights": logiciel.call("/habilitations/v1", "GET", headers={"Authorization": f"Bearer {unreadable}"}),
    }


def said(answer: Any) -> tuple[int, str]:
    """Status and error; of an answer that goes to a partner, the error it bears."""
    where = answer.headers.get("Location", "")
    if where.startswith("https://"):
        return answer.status_code, sent_to(answer, "?")[1]["error"]
    return answer.status_code, str(answer.json.get("error", answer.json)) if answer.is_json else answer.mimetype


def test_C09_C54_an_encrypted_text_has_one_answer_whatever_is_wrong_with_it(logiciel, browser, hidden):
    """MAG decrypts nothing that it is sent, so no padding, tag or key can be told apart (Authlib 1.6.9, CVE-2026-9793)."""
    answers = {name: {door: said(answer) for door, answer in doors(logiciel, browser, one).items()} for name, one in hidden.items()}
    first, *others = answers.values()

    assert all(other == first for other in others), answers
    assert first["request"] == (303, "invalid_request_object")
    assert first["deposit"] == (400, "invalid_request_object")
    assert first["client"] == (401, "invalid_client")
    assert first["bearer"] == (401, "invalid_token")
    assert first["introspection"] == (200, "{'active': False}")
    assert first["subject"] == (400, "invalid_request")
    assert first["person"] == (400, "invalid_grant")
    assert first["proof"] == (400, "invalid_dpop_proof")
    told = logiciel.call("/.well-known/openid-configuration", "GET").json
    assert not [name for name in told if name.startswith("request_object_encryption")]
    assert all(key["use"] == "sig" for key in logiciel.call("/jwks", "GET").json["keys"])


BOMBS = {
    "nested arrays": b"[" * 5_000,
    "nested objects": b'{"a":' * 3_000,
    "a number of 6,000 digits": b'{"exp":' + b"9" * 6_000 + b"}",
    "a long key": b'{"' + b"k" * 6_000 + b'":1}',
    "the same member a thousand times": b"{" + b",".join(b'"alg":"none"' for _ in range(500)) + b"}",
    "text that is not": b"\xff" * 3_000,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("part", [0, 1])
def test_C53_a_text_made_to_exhaust_is_refused_quickly_everywhere(logiciel, browser, name, part):
    parts = [b64(b'{"alg":"ES256","typ":"JWT"}'), b64(b'{"iss":"logiciel"}'), b64(b"s" * 64)]
    parts[part] = b64(BOMBS[name])
    began = time.monotonic()
    answers = doors(logiciel, browser, ".".join(parts))

    assert time.monotonic() - began < 2 * len(answers)
    assert {door: answer.status_code for door, answer in answers.items() if not 300 <= answer.status_code < 500} == {"introspection": 200}


def test_C53_segments_without_end_are_refused_quickly(logiciel, browser):
    for unreadable in ("." * 6_000, "a." * 3_000, "A" * 6_000, b64(b"{}") + "." + "A" * 6_000 + ".A"):
        began = time.monotonic()
        assert all(answer.status_code < 500 for answer in doors(logiciel, browser, unreadable).values())
        assert time.monotonic() - began < 5


# -------------------------------------------------------------------------------------------------- calls to the outside


class Trap:
    """An address that counts who calls it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.calls = 0
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.listener.getsockname()[1]}"

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()


def test_C23_C52_nobody_who_has_not_authenticated_makes_mag_call_an_address(logiciel, browser, client):
    trap = Trap()
    lures = {name: f"{trap.url}/{name}" for name in ("jku", "x5u")}
    for header in ({name: url} for name, url in lures.items()):
        unverified = (
            f"{b64(orjson.dumps({'alg': 'ES256', **header}))}.{b64(orjson.dumps({'iss': 'logiciel', 'sub': 'logiciel'}))}.{b64(b's' * 64)}"
        )
        doors(logiciel, browser, unverified)
    uris = ("jwks_uri", "sector_identifier_uri", "logo_uri", "request_uris", "initiate_login_uri", "backchannel_logout_uri")
    logiciel.call("/reg", json={"redirect_uris": ["https://x.test/"], **{uri: f"{trap.url}/{uri}" for uri in uris}})
    for path in ("/authorize", "/session/end", "/connexion"):
        names = (*uris, "request_uri", "post_logout_redirect_uri", "iss", "target_link_uri", "registration")
        for name in names:
            client.get(path, query_string={**logiciel.request(), name: f"{trap.url}/{name}"})

    assert trap.calls == 0


# ------------------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param("a=1&a=2", "application/x-www-form-urlencoded", 400, id="C02-twice"),
        pytest.param("scope=openid&scope=", "application/x-www-form-urlencoded", 400, id="C02-twice-once-empty"),
        pytest.param("a=%ff", "application/x-www-form-urlencoded", 400, id="C55b-not-utf-8"),
        pytest.param("a=%00", "application/x-www-form-urlencoded", 400, id="C55b-nul"),
        pytest.param("&".join(f"a{n}=1" for n in range(101)), "application/x-www-form-urlencoded", 400, id="C56-fields"),
        pytest.param("a=" + "x" * 70_000, "application/x-www-form-urlencoded", 413, id="C56-large"),
        pytest.param("--x\r\n", "multipart/form-data; boundary=x", 415, id="C56-multipart"),
        pytest.param("{}", "application/json", 415, id="C57-json"),
        pytest.param("a=1", "text/plain", 415, id="C57-text"),
    ],
)
def test_a_form_that_cannot_be_read_without_doubt_is_refused_before_anything_else(client, path, body, kind, status):
    response = client.post(path, data=body, content_type=kind)

    assert (response.status_code, response.json["error"]) == (status, "invalid_request")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_C57_a_form_is_posted_and_nothing_overrides_it(client, path, method):
    response = client.open(
        path, method=method, headers={"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"}, query_string="_method=POST"
    )

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("path", [*MACHINES, "/device", "/device/confirmation", "/demandes", "/authorize", "/session/end"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"HTTP_COOKIE": "=__Host-mag_s=x; ;;=;\x00"}, id="C29-cookie-without-a-name"),
        pytest.param({"HTTP_COOKIE": f"{COOKIE}={'x' * 4000}; {COOKIE}=é"}, id="C29-cookie-twice"),
        pytest.param({"HTTP_AUTHORIZATION": "Basic \xff"}, id="C29-basic"),
        pytest.param({"HTTP_AUTHORIZATION": "DPoP"}, id="C29-scheme-alone"),
        pytest.param({"HTTP_AUTHORIZATION": "Bearer x y z"}, id="C29-three-words"),
        pytest.param({"HTTP_DPOP": "\xff, x"}, id="C29-two-proofs"),
        pytest.param({"HTTP_ACCEPT": "application/json;q=" + "9" * 5000}, id="C29-weight"),
    ],
)
def test_C29_headers_made_badly_never_break_a_door(logiciel, path, headers):
    for method in ("GET", "POST"):
        assert logiciel.call(path, method, environ_overrides=headers).status_code < 500


# ------------------------------------------------------------------------------------------------------------------- pages

HOSTILE = "\"'><script src=//mal.test></script><img src=x onerror=alert(1)>{{7*7}}${7*7}"
WORDS = ("state", "nonce", "login_hint", "siret_hint", "idp_hint", "ui_locales", "acr_values", "scope", "claims", "prompt", "max_age",
         "client_id", "redirect_uri", "response_type", "response_mode", "id_token_hint", "demande", "choix", "user_code", "error",
         "error_description", "post_logout_redirect_uri", "logout_hint", "binding_message", "csrf", "code")  # fmt: skip


@pytest.mark.parametrize("path", ["/authorize", "/connexion", "/device", "/demandes", "/session/end", "/", "/inconnue/<script>"])
def test_C58_no_parameter_comes_back_in_a_page_as_anything_but_text(logiciel, browser, client, path):
    for visitor, name in itertools.product((browser, client), WORDS):
        asked = {**logiciel.request(response_mode="form_post"), name: HOSTILE}
        for response in (visitor.get(path, query_string=asked), visitor.post(path, data=asked)):
            assert response.status_code < 500
            assert "<script src=//mal.test" not in response.text, name
            assert "<img src=x" not in response.text, name
            assert "alert(1)&gt;49" not in response.text, name
            assert "\n" not in response.headers.get("Location", "")
            if response.mimetype == "text/html":
                policy = response.headers["Content-Security-Policy"]
                assert "unsafe" not in policy
                assert "mal.test" not in policy


def test_C58_what_a_partner_registered_is_text_too(partner, browser, client):
    """Its name is shown at sign-in, at consent, on the device page and at sign-out."""
    tiers = partner(
        "hostile", client_name=HOSTILE, first_party=False, client_uri="https://hostile.test/", policy_uri="https://hostile.test/p"
    )
    for page in (browser.get(tiers.address()), client.get(client.get(tiers.address()).headers["Location"])):
        assert page.status_code == 200
        assert "<script src=//mal.test" not in page.text
        assert "&lt;script src=//mal.test" in page.text


def test_C59_an_error_that_nobody_foresaw_says_an_incident_number_and_nothing_else(wsgi_app, client):
    """On both doors; the exception's own words stay in the log."""

    def broken(*_: Any) -> Any:
        raise KeyError("mot de passe de la base")

    wsgi_app.machines.add("/panne-machine", Endpoint(("GET",), broken))
    if "panne" not in wsgi_app.flask.view_functions:
        wsgi_app.flask._got_first_request = False
        wsgi_app.flask.add_url_rule("/panne-page", "panne", broken)
    machine, page = client.get("/panne-machine"), client.get("/panne-page")

    assert (machine.status_code, page.status_code) == (500, 500)
    assert re.fullmatch(r"incident [0-9a-f]{16}", machine.json["error_description"])
    assert machine.headers["X-Request-ID"] in machine.json["error_description"]
    assert page.headers["X-Request-ID"] in page.text
    for response in (machine, page):
        assert "mot de passe" not in response.text
        assert "Traceback" not in response.text
        assert "KeyError" not in response.text
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/console", "/?__debugger__=yes&cmd=resource&f=style.css", "/metrics", "/debug", "/.env", "/wsgi.py", "/static/", "/admin"]
)
def test_C59_there_is_no_console_no_source_no_metrics(client, path):
    response = client.get(path)

    assert response.status_code in (200, 303, 404)
    assert not re.search(r"__debugger__|Werkzeug|Traceback|import |# HELP|MAG_SECRETS", response.text)
    assert response.status_code == 404 or path.startswith("/?")
    assert not {"Server", "X-Powered-By"} & set(response.headers.keys())


def test_C60_a_client_of_another_partner_is_as_if_it_were_not(wsgi_app, client):
    """Registration tokens open one client; of any other, the answer is that of nobody (RFC 7592 section 2.1)."""
    one, other = register(wsgi_app, "premier"), register(wsgi_app, "second")
    answers = [
        client.open(f"/reg/{name}", method=method, headers={"Authorization": f"Bearer {one.secret}"}, json={})
        for name in (one.client_id, other.client_id, "inconnu")
        for method in ("GET", "PUT", "DELETE")
    ]

    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}


def test_C07_every_refusal_that_reaches_a_partner_names_its_issuer(logiciel, browser, client):
    """RFC 9207 section 2: a mix-up is seen on errors too."""
    changes = (
        {"scope": "phone"},
        {"prompt": "none", "max_age": "0"},
        {"code_challenge": None},
        {"response_type": "token"},
        {"claims": "["},
    )
    for change in changes:
        response = client.get(logiciel.address(**change))
        mark = "#" if "#" in response.headers["Location"] else "?"
        assert sent_to(response, mark)[1]["iss"] == logiciel.issuer, change
    assert answer_of(logiciel.ask(browser))[1]["iss"] == logiciel.issuer


def test_C67_an_image_or_a_link_signs_nobody_out(logiciel, browser):
    """Loaded by a page of somebody else: no form of ours, no ID token of this session."""
    for asked in (
        {},
        {"client_id": "logiciel"},
        {"post_logout_redirect_uri": logiciel.redirect_uri},
        {"logout_hint": "x"},
        {"id_token_hint": "x"},
    ):
        for path in ("/session/end", "/deconnexion"):
            browser.get(path, query_string=asked, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"})
            browser.post(path, data=asked, headers={"Origin": "https://mal.test"})

    assert "code" in answer_of(logiciel.ask(browser, prompt="none"))[1]
