"""Dynamic registration over HTTP: RFC 7591, OpenID Connect Registration 1.0. Numbers in brackets are those of the certification suite."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from socket import gaierror
from typing import Any

import orjson
import pytest
import time_machine
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.ephemeral import Counter
from idp.seals import digest
from partners import admission, onboarding
from partners.endpoints import REQUESTS_AN_HOUR
from partners.models import OAuthClient
from partners.outgoing import Fetcher
from partners.terms import read_terms
from tests.protocol.relying import Partner

REDIRECT = "https://nouveau.test/retour"
LEAST = {"redirect_uris": [REDIRECT]}
ISS = "https://editeur.test"
BLOCK = "reg:0.0.0.0/32"
"""The counter of the network that tests come from."""


@pytest.fixture
def settings(settings):
    return replace(settings, open_registration=True, outgoing_hosts=("127.0.0.1",))


@pytest.fixture
def reg(send) -> Callable[..., TestResponse]:
    """`reg(client_name="x")`: register with the least metadata and these."""
    return lambda token="", **metadata: send("/reg", json={**LEAST, **metadata}, token=token)


@pytest.fixture
def closed(wsgi_app) -> None:
    """Nobody registers without a token."""
    object.__setattr__(wsgi_app.mag.settings, "open_registration", False)


@pytest.fixture
def initial(wsgi_app) -> Callable[..., str]:
    """`initial(uses=2, profiles=["fapi2"])`: an initial access token of the partner `editeur`."""

    def make(uses: int = 1, profiles: tuple[str, ...] = ("openid",), scopes: tuple[str, ...] = ()) -> str:
        with wsgi_app.flask.app_context():
            now = datetime.now(UTC)
            owner = admission.Partenaire.with_code("editeur") or onboarding.register_partenaire("editeur", "Éditeur", None, now)
            token = admission.make_initial_token(owner, read_terms(profiles, scopes), uses, timedelta(days=1), now)
            db.session.commit()
        wsgi_app.mag.versions.refresh()
        return token

    return make


@pytest.fixture
def publisher(wsgi_app) -> ECKey:
    """A publisher of software that the operator knows; its key."""
    key = ECKey.generate_key("P-256", {"kid": "editeur", "use": "sig"})
    with wsgi_app.flask.app_context():
        now = datetime.now(UTC)
        owner = onboarding.register_partenaire("logiciels", "Logiciels", None, now)
        jwks = {"keys": [key.as_dict(private=False)]}
        admission.register_publisher(owner, ISS, "ES256", jwks, read_terms(["strict", "openid"], ["habilitations:dsn"]), now)
        db.session.commit()
    wsgi_app.mag.versions.refresh()
    return key


def statement(key: Any, header: dict[str, Any] | None = None, **claims: Any) -> str:
    given = {"iss": ISS, "iat": int(time.time()), "software_id": "paie-facile", "client_name": "Paie facile", **claims}
    wanted = {"alg": "ES256", **(header or {})}
    return jwt.encode(wanted, {name: value for name, value in given.items() if value is not None}, key, algorithms=[wanted["alg"]])


def as_partner(doors: Any, answer: dict[str, Any]) -> Partner:
    method = answer["token_endpoint_auth_method"]
    return Partner(doors, answer["client_id"], answer.get("client_secret", ""), answer["redirect_uris"][0], method)


# ---------------------------------------------------------------------------------------------------------------- answered


def test_a_client_registers_and_everything_registered_is_told(reg):
    """RFC 7591 section 3.2.1; [51] [25] [54] [55]."""
    answer = reg(client_name="Nouveau", contacts=["a@nouveau.test"], initiate_login_uri="https://nouveau.test/go", frobnicate=3)

    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json
    assert len(told["client_secret"]) >= 43
    assert len(told["registration_access_token"]) >= 43
    assert told["registration_client_uri"] == f"https://mag.test/reg/{told['client_id']}"
    assert told["client_secret_expires_at"] == 0
    assert abs(told["client_id_issued_at"] - time.time()) < 60
    assert "frobnicate" not in told
    assert {name: told[name] for name in ("client_name", "contacts", "initiate_login_uri", *DEFAULTS)} == {
        "client_name": "Nouveau",
        "contacts": ["a@nouveau.test"],
        "initiate_login_uri": "https://nouveau.test/go",
        **DEFAULTS,
    }
    assert "openid profile email" in told["scope"]
    assert "habilitations" not in told["scope"]


DEFAULTS = {
    "redirect_uris": [REDIRECT],
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "id_token_signed_response_alg": "RS256",
    "subject_type": "pairwise",
    "application_type": "web",
    "profile": "openid",
    "first_party": False,
}


def test_a_client_that_registered_itself_signs_people_in(reg, wsgi_app, signed_in):
    """At once, in this process; with the person's consent, since it is not first-party; without PKCE, as the standard lets it."""
    partner = as_partner(wsgi_app, reg(scope="openid email").json)

    page = partner.ask(signed_in, scope="openid email", code_challenge=None, code_challenge_method=None)

    assert page.status_code == 200
    assert "consentement" in page.text


def test_a_secret_is_kept_as_a_digest(reg, wsgi_app):
    told = reg().json

    with wsgi_app.flask.app_context():
        row = db.session.get(OAuthClient, told["client_id"])
        assert row.registration.token_hash == digest(told["registration_access_token"])
        assert [one.secret_hash for one in row.secrets] == [digest(told["client_secret"])]
        assert told["client_secret"] not in str(row.client_metadata)


def test_a_client_with_a_key_or_none_has_no_secret(reg):
    """RFC 7591 section 3.2.1."""
    key = ECKey.generate_key("P-256", {"kid": "1"}).as_dict(private=False)

    for metadata in ({"token_endpoint_auth_method": "none"}, {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}}):
        told = reg(**metadata).json
        assert "client_secret" not in told
        assert "client_secret_expires_at" not in told


def test_the_secret_of_client_secret_jwt_checks_signatures(reg, wsgi_app):
    told = reg(token_endpoint_auth_method="client_secret_jwt").json

    assert wsgi_app.mag.registry.find(told["client_id"]).secret_keys == (told["client_secret"].encode(),)


def test_members_that_are_null_are_absent(reg):
    """RFC 7592 section 2.2, read the same way at registration."""
    assert "logo_uri" not in reg(logo_uri=None).json


def test_what_a_registration_answers_is_not_asked(reg):
    """ours: an identifier and a secret are MAG's to make."""
    told = reg(client_id="choisi", client_secret="choisi-choisi-choisi-choisi-choisi").json

    assert told["client_id"] != "choisi"
    assert told["client_secret"] != "choisi-choisi-choisi-choisi-choisi"


def test_scopes_are_those_that_are_allowed(reg):
    """RFC 7591 section 2: the server may replace."""
    assert reg(scope="openid email habilitations:dsn address").json["scope"] == "openid email"


def test_it_is_in_the_journal(reg, journal):
    told = reg().json

    assert {"client_id": told["client_id"], "change": "client registered"}.items() <= journal("PartenaireChanged")[-1].items()
    assert journal("SecretRotated")[-1]["client_id"] == told["client_id"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_issuer_with_a_path_has_its_registration_under_it(settings, backend, compose):
    doors = compose(replace(settings, issuer="https://mag.test/api/v2"))
    browser = Client(doors, use_cookies=False)

    told = browser.post("/api/v2/reg", base_url="https://mag.test", json=LEAST).json

    assert told["registration_client_uri"] == f"https://mag.test/api/v2/reg/{told['client_id']}"
    token = {"Authorization": f"Bearer {told['registration_access_token']}"}
    path = told["registration_client_uri"].removeprefix("https://mag.test")
    assert browser.get(path, base_url="https://mag.test", headers=token).status_code == 200


# ----------------------------------------------------------------------------------------------------------------- refused


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    return [nested(depth - 1)] if depth else []


BAD = [
    pytest.param({"redirect_uris": [REDIRECT + "#f"]}, "invalid_redirect_uri", id="52-redirect-uri-with-a-fragment"),
    pytest.param({"redirect_uris": []}, "invalid_redirect_uri", id="2-redirect-uris-required"),
    pytest.param({"redirect_uris": ["http://nouveau.test/"]}, "invalid_redirect_uri", id="2-https"),
    pytest.param({"redirect_uris": ["nouveau:/x"]}, "invalid_redirect_uri", id="ours-no-scheme-of-its-own"),
    pytest.param({"initiate_login_uri": "http://nouveau.test/go"}, "invalid_client_metadata", id="54-initiate-login-uri-https"),
    pytest.param({"grant_types": ["password"]}, "invalid_client_metadata", id="2-unknown-grant"),
    pytest.param({"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]}, "invalid_client_metadata", id="ours-no-exchange"),
    pytest.param({"grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"]}, "invalid_client_metadata", id="ours-no-jwt-bearer"),
    pytest.param(
        {"grant_types": ["authorization_code", "implicit"], "response_types": ["code id_token"]},
        "invalid_client_metadata",
        id="ours-no-front-channel-token",
    ),
    pytest.param({"response_types": ["token"]}, "invalid_client_metadata", id="2-unknown-response-type"),
    pytest.param({"first_party": True}, "invalid_client_metadata", id="ours-not-first-party"),
    pytest.param({"profile": "proconnect"}, "invalid_client_metadata", id="ours-not-a-profile-beyond-the-terms"),
    pytest.param({"profile": ["openid"]}, "invalid_client_metadata", id="ours-profile-is-a-text"),
    pytest.param({"audience": ["https://api.test"]}, "invalid_client_metadata", id="ours-no-audience"),
    pytest.param({"introspect": ["https://api.test"]}, "invalid_client_metadata", id="ours-no-introspection"),
    pytest.param({"exchange": ["https://api.test"]}, "invalid_client_metadata", id="ours-no-audience-of-exchange"),
    pytest.param({"authorization_details_types": ["habilitation"]}, "invalid_client_metadata", id="ours-no-habilitation"),
    pytest.param({"sector_identifier": "banque.test"}, "invalid_client_metadata", id="ours-no-sector-by-word"),
    pytest.param({"widget_origins": ["https://banque.test"]}, "invalid_client_metadata", id="ours-no-pages-of-others"),
    pytest.param({"widget_modes": ["inline"]}, "invalid_client_metadata", id="ours-no-frame-by-oneself"),
    pytest.param({"id_token_signed_response_alg": "none"}, "invalid_client_metadata", id="core-2-never-none"),
    pytest.param({"scope": 3}, "invalid_client_metadata", id="2-scope-is-a-text"),
    pytest.param({"contacts": "a@b.test"}, "invalid_client_metadata", id="2-contacts-is-a-list"),
    pytest.param({"contacts": [3]}, "invalid_client_metadata", id="2-contacts-are-texts"),
    pytest.param({"software_id": "x" * 401}, "invalid_client_metadata", id="2-software-id-is-short"),
    pytest.param({"application_type": "toaster"}, "invalid_client_metadata", id="registration-2-application-type"),
    pytest.param({"client_name": "a\u0000b"}, "invalid_client_metadata", id="ours-printable-name"),
    pytest.param({"client_name": "\ud800"}, "invalid_client_metadata", id="ours-lone-surrogate"),
    pytest.param({"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}, "invalid_client_metadata", id="ours-public-keys"),
    pytest.param({"jwks": {"keys": [{"kty": "EC", "x": nested(300)}]}}, "invalid_client_metadata", id="ours-not-that-deep"),
    pytest.param({"software_statement": 3}, "invalid_software_statement", id="2.3-statement-is-a-jwt"),
]


@pytest.mark.parametrize(("metadata", "error"), BAD)
def test_metadata_that_breaks_a_rule_is_refused_in_the_form_of_the_standard(reg, metadata, error):
    """RFC 7591 section 3.2.2."""
    answer = reg(**metadata)

    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert answer.json["error_description"].isascii()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b"", "application/json", 400, id="empty"),
        pytest.param(b"[]", "application/json", 400, id="not-an-object"),
        pytest.param(b"{", "application/json", 400, id="not-json"),
        pytest.param(
            b'{"redirect_uris":["https://a.test/"],"redirect_uris":["https://b.test/"]}', "application/json", 400, id="a-member-twice"
        ),
        pytest.param(b'{"jwks":{"keys":[{"kty":"EC","x":"1","x":"2"}]}}', "application/json", 400, id="a-deep-member-twice"),
        pytest.param(b'{"a":NaN}', "application/json", 400, id="nan"),
        pytest.param(b'{"default_max_age":99999999999999999999}', "application/json", 400, id="a-huge-number"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "application/json", 400, id="more-digits-than-python-reads"),
        pytest.param(b'{"default_max_age":1e400,"redirect_uris":["https://a.test/"]}', "application/json", 400, id="infinite"),
        pytest.param(b'{"a":"\xff"}', "application/json", 400, id="not-utf-8"),
        pytest.param(b"[" * 60_000, "application/json", 400, id="deep"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "application/json", 400, id="deep-objects"),
        pytest.param(b'{"a":"' + b"x" * 70_000 + b'"}', "application/json", 413, id="large"),
        pytest.param(orjson.dumps(LEAST), "text/plain", 415, id="another-content-type"),
        pytest.param(orjson.dumps(LEAST), "application/x-www-form-urlencoded", 415, id="a-form"),
        pytest.param(orjson.dumps(LEAST), "", 415, id="no-content-type"),
    ],
)
def test_a_body_that_cannot_be_read_without_doubt_is_refused(send, body, kind, status):
    answer = send("/reg", data=body, content_type=kind)

    assert answer.status_code == status
    assert answer.json["error"] in ("invalid_client_metadata", "invalid_request")


def test_json_says_its_charset(send):
    assert send("/reg", data=orjson.dumps(LEAST), content_type="application/json; charset=UTF-8").status_code == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_registers(send, method):
    answer = send("/reg", method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_front_channel_tokens_need_the_setting(reg, wsgi_app):
    object.__setattr__(wsgi_app.mag.settings, "front_channel_tokens", True)

    told = reg(grant_types=["authorization_code", "implicit"], response_types=["code id_token", "token id_token"]).json

    assert told["response_types"] == ["code id_token", "id_token token"]


def test_one_network_has_a_limit(reg, wsgi_app, send):
    wsgi_app.mag.ephemeral.count(Counter(BLOCK, 3600), by=REQUESTS_AN_HOUR)

    answer = reg()

    assert (answer.status_code, answer.json["error"]) == (429, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "3600"
    assert send("/reg/x", "GET").status_code == 429


# ------------------------------------------------------------------------------------------------------- who may register


def test_closed_by_default(reg, closed):
    answer = reg()

    assert (answer.status_code, answer.json) == (401, {"error": "invalid_token"})
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mag"'


def test_discovery_says_it_when_it_is_possible(send, closed, initial, wsgi_app):
    """OpenID Connect Discovery section 3; only true."""
    address = "/.well-known/openid-configuration"
    assert "registration_endpoint" not in send(address, "GET").json

    initial()

    assert send(address, "GET").json["registration_endpoint"] == "https://mag.test/reg"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert "registration_endpoint" not in send(address, "GET").json
    object.__setattr__(wsgi_app.mag.settings, "open_registration", True)
    assert send(address, "GET").json["registration_endpoint"] == "https://mag.test/reg"


def test_an_initial_token_registers_for_its_partner_as_often_as_it_may(reg, closed, initial, wsgi_app):
    token = initial(uses=2, profiles=("strict", "openid"), scopes=("habilitations:dsn",))

    first = reg(token, scope="openid habilitations:dsn habilitations:ducs")
    assert (first.status_code, first.json["scope"], first.json["profile"]) == (201, "openid habilitations:dsn", "strict")
    assert wsgi_app.mag.registry.find(first.json["client_id"]).partenaire == "editeur"
    assert reg(token, profile="openid").status_code == 201

    third = reg(token)
    assert (third.status_code, third.headers["WWW-Authenticate"]) == (401, 'Bearer realm="mag", error="invalid_token"')


def test_a_refused_registration_spends_nothing(reg, closed, initial):
    token = initial()

    assert reg(token, redirect_uris=[]).status_code == 400
    assert reg(token, profile="fapi2").status_code == 400
    assert reg(token).status_code == 201


def test_an_initial_token_ends(reg, closed, initial):
    token = initial()

    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert reg(token).status_code == 401


def test_the_token_of_a_disabled_partner_opens_nothing(reg, closed, initial, wsgi_app):
    token = initial()
    with wsgi_app.flask.app_context():
        onboarding.switch(onboarding.partenaire_named("editeur"), datetime.now(UTC), enabled=False)
        db.session.commit()

    assert reg(token).status_code == 401


def test_a_wrong_token_is_refused_even_where_none_is_needed(reg, send):
    assert reg("faux").status_code == 401
    assert send("/reg", json=LEAST, auth=("a", "b")).status_code == 401


@pytest.mark.parametrize("path", ["/reg", "/reg/personne"])
def test_a_token_that_is_not_good_is_in_the_journal(send, journal, path):
    send(path, "POST" if path == "/reg" else "GET", token="faux", json=LEAST)

    assert journal("RegistrationRefused")[-1]["outcome"] == "failure"


def at_once(act: Callable[[], Any], times: int) -> list[Any]:
    """The answers of as many simultaneous calls."""
    start = threading.Barrier(times)

    def wait_and_act(_: int) -> Any:
        start.wait(10)
        return act()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(wait_and_act, range(times)))


def test_the_last_use_of_a_token_is_ones(reg, closed, initial):
    token = initial(uses=2)

    answers = at_once(lambda: reg(token).status_code, 8)

    assert sorted(answers) == [201] * 2 + [401] * 6


def test_the_first_clients_of_an_open_house_come_together(reg, journal):
    """The partner they belong to is made once."""
    assert at_once(lambda: reg().status_code, 4) == [201] * 4
    assert [line for line in journal("PartenaireChanged") if line["change"] == "registered"] == [
        {"client_id": None, "declarant_id": None, "outcome": "success", "partenaire": admission.OPEN_CODE, "change": "registered"}
    ]


def test_a_disabled_house_partner_closes_open_registration(reg, wsgi_app):
    reg()
    with wsgi_app.flask.app_context():
        onboarding.switch(onboarding.partenaire_named(admission.OPEN_CODE), datetime.now(UTC), enabled=False)
        db.session.commit()

    assert reg().status_code == 401


# ------------------------------------------------------------------------------------------------------ software statements


def test_a_statement_opens_the_door_and_its_members_win(reg, closed, publisher):
    """RFC 7591 sections 2.3 and 3.1.1."""
    sent = statement(publisher)

    told = reg(software_statement=sent, client_name="Autre nom", scope="openid habilitations:dsn").json

    assert (told["client_name"], told["software_id"], told["profile"]) == ("Paie facile", "paie-facile", "strict")
    assert told["software_statement"] == sent
    assert told["scope"] == "openid habilitations:dsn"
    assert "iss" not in told


def test_a_statement_is_checked_beside_a_token_too(reg, initial, publisher):
    assert reg(initial(), software_statement=statement(publisher, iss="https://autre.test")).status_code == 400
    assert reg(initial(), software_statement=statement(publisher)).json["client_name"] == "Paie facile"


def other_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "editeur", "use": "sig"})


@pytest.mark.parametrize(
    ("make", "error"),
    [
        pytest.param(lambda key: statement(key, iss="https://autre.test"), "unapproved_software_statement", id="unknown-publisher"),
        pytest.param(lambda key: statement(key, iss=None), "invalid_software_statement", id="no-iss"),
        pytest.param(lambda key: statement(key, iss=3), "invalid_software_statement", id="iss-is-a-text"),
        pytest.param(lambda key: statement(other_key()), "invalid_software_statement", id="another-key"),
        pytest.param(lambda key: statement(key, exp=int(time.time()) - 120), "invalid_software_statement", id="expired"),
        pytest.param(lambda key: statement(key, nbf=int(time.time()) + 600), "invalid_software_statement", id="not-yet"),
        pytest.param(lambda key: statement(key, exp="demain"), "invalid_software_statement", id="exp-is-a-date"),
        pytest.param(
            lambda key: statement(key, {"jwk": key.as_dict(private=False)}), "invalid_software_statement", id="C23-key-in-the-header"
        ),
        pytest.param(
            lambda key: "eyJhbGciOiJub25lIn0." + statement(key).split(".")[1] + ".", "invalid_software_statement", id="C23-alg-none"
        ),
        pytest.param(lambda key: "a.b", "invalid_software_statement", id="not-a-jwt"),
        pytest.param(lambda key: "é" * 10, "invalid_software_statement", id="not-ascii"),
        pytest.param(lambda key: "a" * 20_000, "invalid_software_statement", id="too-long"),
        pytest.param(lambda key: statement(key, first_party=True), "invalid_client_metadata", id="privileges-are-the-operators"),
        pytest.param(lambda key: statement(key, profile="fapi2"), "invalid_client_metadata", id="profile-beyond-the-terms"),
    ],
)
def test_a_statement_that_proves_nothing_is_refused(reg, closed, publisher, make, error):
    """RFC 7591 section 3.2.2."""
    answer = reg(software_statement=make(publisher))

    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_what_a_publisher_fixed_another_does_not_undo(reg, send, closed, publisher, wsgi_app):
    """RFC 7592 section 2.2: a new statement of the same publisher is welcome."""
    other = other_key()
    with wsgi_app.flask.app_context():
        now, jwks = datetime.now(UTC), {"keys": [other.as_dict(private=False)]}
        owner = onboarding.register_partenaire("autres", "Autres", None, now)
        admission.register_publisher(owner, "https://autre.test", "ES256", jwks, read_terms([], []), now)
        db.session.commit()
    told = reg(software_statement=statement(publisher)).json
    path, token = f"/reg/{told['client_id']}", told["registration_access_token"]

    def changed(sent: str) -> TestResponse:
        whole = {**LEAST, "client_id": told["client_id"], "software_statement": sent}
        return send(path, "PUT", token=token, json=whole)

    refused = changed(statement(other, iss="https://autre.test", client_name="Autre"))
    assert (refused.status_code, refused.json["error"]) == (400, "unapproved_software_statement")
    assert changed(statement(publisher, client_name="Paie plus facile")).json["client_name"] == "Paie plus facile"


def test_a_publisher_that_was_stopped_is_believed_no_more(reg, closed, publisher, wsgi_app):
    with wsgi_app.flask.app_context():
        admission.stop_publisher(ISS, datetime.now(UTC))
        db.session.commit()

    assert reg(software_statement=statement(publisher)).json["error"] == "unapproved_software_statement"


# -------------------------------------------------------------------------------------------------------- sector identifier


def test_C52_a_sector_document_is_read_under_guard(reg):
    """[52] OpenID Connect Registration section 5: https alone, no private address."""
    for uri in ("https://10.0.0.1/s.json", "https://nulle-part.invalid/s.json"):
        answer = reg(redirect_uris=[REDIRECT, "https://autre.test/r"], sector_identifier_uri=uri)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")


def test_C52_whoever_registers_does_not_learn_which_names_exist(reg, wsgi_app):
    """A name of a private network and one that is nobody's have one answer."""
    registrations = wsgi_app.flask.extensions["mag_registrations"]

    def resolver(host, port):
        if host == "interne.exemple.fr":
            return ["10.0.0.1"]
        raise gaierror("unknown")

    fetcher = Fetcher(wsgi_app.mag.settings, resolver=resolver)
    registrations.means = replace(registrations.means, fetch_sector=fetcher.json)
    told = []
    for host in ("interne.exemple.fr", "absent.exemple.fr"):
        answer = reg(redirect_uris=[REDIRECT, "https://autre.test/r"], sector_identifier_uri=f"https://{host}/s.json")
        told.append((answer.status_code, answer.text.replace(host, "…")))

    assert told[0] == told[1]
    assert told[0][0] == 400


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        pytest.param([REDIRECT, "https://autre.test/r"], 201, id="lists-them"),
        pytest.param([REDIRECT], 400, id="52-lacks-one"),
        pytest.param({"uris": []}, 400, id="not-a-list"),
        pytest.param([3], 400, id="not-texts"),
    ],
)
def test_the_sector_document_lists_every_redirect_uri(reg, wsgi_app, declared, status):
    """OpenID Connect Core section 8.1. The document is what the guard of outgoing calls would give."""
    wsgi_app.flask.extensions["mag_registrations"].means = replace(
        wsgi_app.flask.extensions["mag_registrations"].means, fetch_sector=lambda uri: declared
    )

    answer = reg(redirect_uris=[REDIRECT, "https://autre.test/r"], sector_identifier_uri="https://secteur.test/s.json")

    assert answer.status_code == status
    if status == 201:
        assert wsgi_app.mag.registry.find(answer.json["client_id"]).sector == "secteur.test"


@pytest.mark.parametrize(
    ("own", "status"),
    [
        pytest.param({}, 400, id="nothing-proves-it"),
        pytest.param({"jwks_uri": "https://nouveau.test/jwks"}, 400, id="jwks-uri-not-listed"),
        pytest.param({"jwks_uri": "https://secteur.test/jwks"}, 201, id="ciba-4-jwks-uri-listed"),
    ],
)
def test_whoever_redirects_nobody_does_not_take_the_sector_of_another(reg, wsgi_app, own, status):
    """OpenID Connect Core section 8.1, CIBA Core section 4: with the sector come the subjects that another partner knows."""
    registrations = wsgi_app.flask.extensions["mag_registrations"]
    declared = ["https://secteur.test/retour", "https://secteur.test/jwks"]
    registrations.means = replace(registrations.means, fetch_sector=lambda uri: declared)
    device = {"redirect_uris": [], "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"], "response_types": []}

    assert reg(**device, sector_identifier_uri="https://secteur.test/s.json", **own).status_code == status


# --------------------------------------------------------------------------------------------------------------- properties

NAMES = st.one_of(
    st.sampled_from(["scope", "jwks", "jwks_uri", "contacts", "client_name", "logo_uri", "sector_identifier", "default_max_age"]),
    st.sampled_from(["tls_client_auth_subject_dn", "tls_client_auth_san_dns", "id_token_encrypted_response_alg", "software_statement"]),
    st.sampled_from(["backchannel_logout_uri", "hab_bound", "introspect", "amr_names", "default_acr_values", "client_id", "request_uris"]),
    st.sampled_from([*DEFAULTS, "backchannel_token_delivery_mode", "token_endpoint_auth_signing_alg", "software_id"]),
)
WORDS = st.sampled_from(
    [
        "",
        "openid",
        "code",
        "none",
        "private_key_jwt",
        "client_secret_jwt",
        "fapi2",
        "sandbox",
        "ES256",
        "https://a.test/x",
        "http://[",
        "a\0b",
        "é",
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), WORDS, st.text()
)
VALUES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)))
KEYS = st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "kid"]), LEAVES, max_size=5)
METADATA = st.dictionaries(
    NAMES, st.one_of(VALUES, st.lists(WORDS, max_size=3), st.fixed_dictionaries({"keys": st.lists(KEYS, max_size=2)})), max_size=6
)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@effort(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(metadata=METADATA)
def test_random_metadata_never_gives_a_500_and_never_a_privilege(send, wsgi_app, metadata):
    """What is registered can be read, sent back, used and removed."""
    wsgi_app.mag.ephemeral.delete("n", BLOCK)
    answer = send("/reg", data=json.dumps({**LEAST, **metadata}).encode(), content_type="application/json")

    assert answer.status_code in (201, 400), answer.text
    assert answer.json
    if answer.status_code == 201:
        told = answer.json
        assert told["first_party"] is False
        assert not {"audience", "introspect", "exchange"} & {name for name in told if told[name]}
        token, path = told["registration_access_token"], f"/reg/{told['client_id']}"
        assert wsgi_app.mag.registry.find(told["client_id"]) is not None
        wsgi_app.mag.registry.keys(wsgi_app.mag.registry.find(told["client_id"]), None)
        again = send(path, "GET", token=token)
        assert again.status_code == 200
        kept = {n: v for n, v in again.json.items() if not n.startswith(("registration_", "client_id_", "client_secret_"))}
        assert send(path, "PUT", json=kept, token=token).status_code == 200
        assert send(path, "DELETE", token=token).status_code == 204
