"""A Flask partner on the kit, against MAG served for real: sign-in, rights, renewal, sign-out, and everything that may go wrong."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from flask import Flask, request
from joserfc.jwk import ECKey
from werkzeug.test import Client

from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations import attribution, portefeuilles
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from partners.kit import KitConfigError, MagKit, current_identity
from partners.kit.blueprint import SESSION
from partners.kit.transactions import TRANSACTION
from tests.journeys.portal import SIRET, Portal, listening, make_portal
from tests.services import free_port

numbers = count(1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """MAG at an address that the kit can reach."""
    hosts = ("facile.localhost", "entreprises.localhost")
    return replace(settings, issuer=f"http://mag.localhost:{free_port()}", outgoing_hosts=hosts)


@pytest.fixture
def give(served: Any, personne: Declarant) -> Callable[..., None]:
    """`give("dsn", "declarer")`, or `give("dsn", "payer", gesture="retirer")`."""

    def act(service: str, droit: str, *, gesture: str = "attribuer", cible: int = SIRET) -> None:
        with served.flask.app_context():
            made = Gesture(None, served.mag.catalogue(), datetime.now(UTC) - timedelta(minutes=1))
            getattr(attribution, gesture)(made, personne.id, cible, service, frozenset({Droit(droit)}))
            db.session.commit()

    return act


# ------------------------------------------------------------------------------------------------------------- the way in


def test_somebody_signs_in_and_lands_where_they_were_going(portal, give):
    give("dsn", "declarer")
    browser = portal.browser()
    landed = portal.sign_in(browser, portal.mire(), "/espace?x=1")

    assert (landed.status_code, landed.location) == (303, "/espace?x=1")
    assert browser.get("/espace").json == {"name": "Claire Lefèvre", "siret": str(SIRET), "dsn": True, "services": ["dsn"]}


def test_the_same_with_a_private_key_and_signed_userinfo(served, personne):
    key = ECKey.generate_key("P-256", {"use": "sig"}, private=True, auto_kid=True)
    portal = make_portal(
        served,
        "sans-secret",
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.as_dict(private=False)]},
            "userinfo_signed_response_alg": "ES256",
        },
        private_key=key.as_dict(private=True),
    )
    browser = portal.browser()

    assert portal.sign_in(browser, portal.mire()).status_code == 303
    assert browser.get("/espace").json["name"] == "Claire Lefèvre"
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        assert browser.get("/espace").json["name"] == "Claire Lefèvre"


@pytest.mark.parametrize("method", ["client_secret_post", "none"])
def test_the_other_ways_to_authenticate(served, personne, method):
    given = {"client_auth": method} if method == "client_secret_post" else {}
    portal = make_portal(served, "autre", {"token_endpoint_auth_method": method}, **given)
    if method == "none":
        portal.kit.provider.config = replace(portal.kit.config, client_secret=None)
    browser = portal.browser()

    assert portal.sign_in(browser, portal.mire()).status_code == 303
    assert browser.get("/espace").status_code == 200


def test_a_client_that_registered_another_algorithm_is_told_what_to_compare(served, personne, caplog):
    portal = make_portal(served, "muet", {"id_token_signed_response_alg": "RS256"})
    refused = portal.sign_in(portal.browser(), portal.mire())

    assert refused.status_code == 400
    assert "signed with 'RS256', ES256 expected: give MagKit the id_token_alg" in caplog.text
    assert "registered at MAG as id_token_signed_response_alg" in caplog.text


@pytest.mark.parametrize("alg", ["RS256", "PS256", "EdDSA"])
def test_the_kit_believes_another_algorithm_when_it_is_told_so(served, personne, alg):
    portal = make_portal(served, "norme", {"id_token_signed_response_alg": alg}, id_token_alg=alg)
    browser = portal.browser()

    assert portal.sign_in(browser, portal.mire()).status_code == 303
    assert browser.get("/espace").status_code == 200


def test_the_second_portal_asks_no_password(served, portal):
    other = make_portal(served, "entreprises", {})
    mire, browser = portal.mire(), other.browser()
    portal.sign_in(portal.browser(), mire)
    answer = mire.get(browser.get("/auth/mag/start?return_to=/espace").location).location

    assert answer.startswith("https://entreprises.test/auth/mag/callback?code=")
    assert browser.get(answer).location == "/espace"
    assert browser.get("/espace").json["name"] == "Claire Lefèvre"


def test_two_tabs_do_not_disturb_each_other(portal):
    browser, mire = portal.browser(), portal.mire()
    first, second = (browser.get(f"/auth/mag/start?return_to=/{tab}").location for tab in ("un", "deux"))

    assert browser.get(portal.through(mire, second)).location == "/deux"
    assert browser.get(portal.through(mire, first)).location == "/un"


def test_cookies_are_short_and_say_nothing(portal):
    browser = portal.browser()
    start = browser.get("/auth/mag/start")
    landed = browser.get(portal.through(portal.mire(), start.location))

    for header in [*start.headers.getlist("Set-Cookie"), *landed.headers.getlist("Set-Cookie")]:
        assert header.startswith("__Host-")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in header.split(";")}
        assert len(header) < 1000
    assert "Max-Age=600" in start.headers["Set-Cookie"]
    assert start.headers["Cache-Control"] == "no-store"
    verifier_is_hidden = re.compile(r"[A-Za-z0-9_.=-]+")
    assert all(verifier_is_hidden.fullmatch(header.split(";")[0].split("=", 1)[1]) for header in start.headers.getlist("Set-Cookie"))


def test_sign_ins_left_in_progress_do_not_pile_up(portal):
    browser = portal.browser()
    for _ in range(20):
        browser.get("/auth/mag/start")

    assert len([name for name in cookies(browser) if name.startswith(TRANSACTION)]) <= 5


def cookies(browser: Client) -> list[str]:
    return [cookie.key for cookie in browser._cookies.values()]


@pytest.mark.parametrize(
    "query",
    [
        "return_to=//evil.test",
        "return_to=https://evil.test/",
        "return_to=/%5Cevil.test",
        "return_to=javascript:alert(1)",
        "return_to=/%09/evil.test",
        "target_link_uri=https://evil.test/espace",
        "target_link_uri=//evil.test",
    ],
)
def test_nobody_is_sent_elsewhere_after_a_sign_in(portal, query):
    browser = portal.browser()
    start = browser.get(f"/auth/mag/start?{query}")

    assert browser.get(portal.through(portal.mire(), start.location)).location == "/"


def test_another_site_may_start_a_sign_in_at_this_issuer_alone(portal):
    """OpenID Connect Core section 4."""
    browser, issuer = portal.browser(), portal.kit.config.issuer
    good = browser.get("/auth/mag/start", query_string={"iss": issuer, "login_hint": "x", "target_link_uri": "https://facile.test/espace"})

    assert "login_hint=x" in good.location
    assert browser.get(portal.through(portal.mire(), good.location)).location == "/espace"
    assert browser.get("/auth/mag/start?iss=https://evil.test").status_code == 400


# --------------------------------------------------------------------------------------------------- answers not believed


def test_an_answer_serves_once_and_in_the_browser_that_asked(portal):
    browser, victim = portal.browser(), portal.browser()
    answer = portal.through(portal.mire(), browser.get("/auth/mag/start").location)

    assert victim.get(answer).status_code == 400
    assert SESSION not in cookies(victim)
    assert browser.get(answer).status_code == 303
    again = browser.get(answer)
    assert (again.status_code, "déjà connecté" in again.text, again.headers.getlist("Set-Cookie")) == (200, True, [])
    browser.delete_cookie(SESSION, domain="facile.test")
    assert browser.get(answer).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda q: q.replace("iss=http", "iss=https"), id="rfc9207-iss"),
        pytest.param(lambda q: re.sub("iss=[^&]+&?", "", q), id="rfc9207-iss-missing"),
        pytest.param(lambda q: re.sub("state=[^&]+", "state=" + "A" * 43, q), id="state"),
        pytest.param(lambda q: re.sub("state=[^&]+&?", "", q), id="no-state"),
        pytest.param(lambda q: q + "&code=autre", id="rfc6749-3.1-twice"),
        pytest.param(lambda q: re.sub("code=[^&]+", "code=faux", q), id="wrong-code"),
        pytest.param(lambda q: re.sub("state=[^&]+", "state=%E2%98%A0", q), id="state-not-ascii"),
        pytest.param(lambda _q: "", id="nothing"),
        pytest.param(lambda q: re.sub("code=[^&]+", "code=%00", q), id="code-nul"),
    ],
)
def test_an_answer_that_was_tampered_with_opens_nothing(portal, change):
    browser = portal.browser()
    answer = portal.through(portal.mire(), browser.get("/auth/mag/start").location)
    response = browser.get("/auth/mag/callback?" + change(urlsplit(answer).query))

    assert response.status_code == 400
    assert "interrompue" in response.text
    assert SESSION not in cookies(browser)


def test_a_refusal_at_mag_is_told_to_the_person(portal):
    browser = portal.browser()
    asked = parse_qs(urlsplit(browser.get("/auth/mag/start").location).query)
    query = {"state": asked["state"][0], "iss": portal.kit.config.issuer}

    assert "abandonné" in browser.get("/auth/mag/callback", query_string=query | {"error": "access_denied"}).text
    asked = parse_qs(urlsplit(browser.get("/auth/mag/start").location).query)
    query = {"state": asked["state"][0], "iss": portal.kit.config.issuer, "error": "<script>"}
    response = browser.get("/auth/mag/callback", query_string=query)
    assert (response.status_code, "<script>" in response.text) == (400, False)


def test_an_answer_that_comes_too_late_opens_nothing(portal):
    browser = portal.browser()
    answer = portal.through(portal.mire(), browser.get("/auth/mag/start").location)

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=11)):
        assert browser.get(answer).status_code == 400


def test_a_session_planted_before_the_sign_in_is_worth_nothing(portal):
    browser, attacker = portal.browser(), portal.browser()
    portal.sign_in(attacker, portal.mire())
    planted = attacker.get_cookie(SESSION, domain="facile.test").value
    browser.set_cookie(SESSION, planted, domain="facile.test", secure=True)
    start = browser.get("/auth/mag/start")
    browser.get(portal.through(portal.mire(), start.location))

    assert browser.get_cookie(SESSION, domain="facile.test").value != planted
    assert attacker.get("/").text == "personne"


@pytest.mark.parametrize("value", ["", "x", "é", "a" * 5000, "../../etc/passwd"])
def test_a_session_cookie_that_is_nonsense_is_nobody(portal, value):
    assert portal.browser().get("/", headers={"Cookie": f"{SESSION}={value}"}).text == "personne"


# ------------------------------------------------------------------------------------------------------------ rights, acts


def test_a_right_is_seen_at_the_next_page_and_withdrawn_at_the_next_act(portal, give):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    assert browser.post("/payer").status_code == 403

    give("dsn", "payer")
    assert browser.post("/payer").status_code == 200
    give("dsn", "payer", gesture="retirer")
    assert browser.post("/payer").status_code == 403


def test_a_post_is_checked_again_even_when_pages_are_not(served, personne, give):
    portal = make_portal(served, "tranquille", {}, recheck=3600)
    give("dsn", "payer")
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    give("dsn", "payer", gesture="retirer")

    assert browser.get("/espace").json["services"] == ["dsn"]
    assert browser.post("/payer").status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}]
)
def test_an_act_asked_by_another_site_is_refused(portal, give, headers):
    give("dsn", "payer")
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())

    assert browser.post("/payer", headers=headers).status_code == 403
    assert browser.post("/auth/mag/logout", headers=headers).status_code == 403
    assert browser.post("/payer", headers={"Origin": "https://facile.test", "Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_an_act_without_a_session_is_refused_and_says_so(portal):
    response = portal.browser().post("/payer")

    assert response.status_code == 401
    assert "Reconnectez-vous" in response.text


def test_the_rights_of_a_large_account_are_read_page_by_page(served, portal, personne):
    clients = list(range(39234600300000, 39234600302500))
    with served.flask.app_context():
        gesture = Gesture(None, served.mag.catalogue(), datetime.now(UTC) - timedelta(minutes=1))
        rights = {"dsn": frozenset({Droit.DECLARER})}
        portefeuille = portefeuilles.creer(gesture, SIRET // 100_000, "Clients", rights)
        portefeuilles.ajouter_clients(gesture, portefeuille.id, clients, rights)
        portefeuilles.ajouter_membre(gesture, portefeuille.id, personne.id)
        db.session.commit()
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())

    with portal.app.test_request_context(headers={"Cookie": f"{SESSION}={browser.get_cookie(SESSION, domain='facile.test').value}"}):
        identity = current_identity()
        assert identity is not None
        assert identity.habilitations.is_large
        assert identity.peut("declarer", "dsn", str(clients[-1]))
        assert not identity.peut("payer", "dsn", str(clients[-1]))
        assert not identity.peut("declarer", "dsn", str(SIRET))
        assert sum(len(group.sirets) for group in identity.habilitations.groups) == len(clients)


# -------------------------------------------------------------------------------------------------------- time and absence


def test_tokens_are_renewed_without_a_word(portal):
    browser = portal.browser()
    with time_machine.travel(datetime(2026, 5, 4, 9, tzinfo=UTC)) as clock:
        portal.sign_in(browser, portal.mire())
        for _ in range(4):
            clock.shift(timedelta(minutes=20))
            assert browser.get("/espace").json["name"] == "Claire Lefèvre"


def test_a_session_has_an_idle_limit(portal):
    browser = portal.browser()
    with time_machine.travel(datetime(2026, 5, 4, 9, tzinfo=UTC)) as clock:
        portal.sign_in(browser, portal.mire())
        clock.shift(timedelta(hours=2, minutes=1))
        assert browser.get("/").text == "personne"


def test_when_mag_is_away_pages_go_on_for_a_while_and_acts_do_not(portal, give):
    give("dsn", "payer")
    browser = portal.browser()
    with time_machine.travel(datetime.now(UTC)) as clock:
        portal.sign_in(browser, portal.mire())
        portal.kit.provider.config = replace(portal.kit.config, issuer="http://mag.localhost:9")
        portal.kit.provider._metadata = (
            portal.kit.provider._metadata[0],
            {
                name: value.replace(f":{urlsplit(value).port}", ":9") if isinstance(value, str) and urlsplit(value).port else value
                for name, value in portal.kit.provider._metadata[1].items()
            },
        )

        assert browser.get("/espace").status_code == 200
        away = browser.post("/payer")
        assert (away.status_code, "indisponible" in away.text) == (503, True)
        clock.shift(timedelta(minutes=6))
        assert browser.get("/espace").status_code == 503


def test_mag_never_answered_at_all(personne, served):
    portal = make_portal(served, "isole", {}, issuer="http://mag.localhost:9")

    assert portal.browser().get("/auth/mag/start").status_code == 503


# ---------------------------------------------------------------------------------------------------------------- sign-out


def test_signing_out_here_signs_out_of_mag_and_of_the_other_portal(served, portal):
    other = make_portal(served, "entreprises", {})
    mire, browser, second = portal.mire(), portal.browser(), other.browser()
    portal.sign_in(browser, mire)
    other.sign_in(second, mire)

    out = browser.post("/auth/mag/logout", data={"return_to": "/?fini=1"})
    assert out.status_code == 303
    back = mire.get(out.location)
    assert back.location.startswith("https://facile.test/auth/mag/logged-out?state=")
    assert browser.get(back.location).location == "/?fini=1"

    assert browser.get("/").text == "personne"
    assert second.get("/").text == "personne"
    assert SESSION not in cookies(second)
    start = second.get(second.get("/espace").location)
    assert urlsplit(mire.get(start.location).location).path == "/connexion"


LOGOUT = "/auth/mag/backchannel-logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def listener(served, personne):
    """A portal that MAG tells, which asks MAG nothing by itself; `came.wait` until it was told."""
    port, came = free_port(), threading.Event()
    address = f"http://entreprises.localhost:{port}{LOGOUT}"
    portal = make_portal(served, "entreprises", {"backchannel_logout_uri": address}, recheck=3600)

    @portal.app.after_request
    def note(response):
        if request.path == LOGOUT:
            came.set()
        return response

    with listening(portal.app, port):
        yield portal, came


def test_the_other_portal_is_told_of_a_sign_out_and_asks_nothing(portal, listener):
    other, came = listener
    mire, browser, second = portal.mire(), portal.browser(), other.browser()
    portal.sign_in(browser, mire)
    other.sign_in(second, mire)
    assert second.get("/").text == "Claire Lefèvre"

    mire.get(browser.post("/auth/mag/logout").location)
    assert came.wait(10)
    assert second.get("/").text == "personne"
    assert SESSION not in cookies(second)


def test_a_person_who_is_suspended_is_out_of_a_portal_that_asks_nothing(served, listener):
    other, came = listener
    second = other.browser()
    other.sign_in(second, other.mire())

    served.flask.test_cli_runner().invoke(args=["declarants", "suspendre", str(SIRET), "Lefèvre", "Claire"])
    served.flask.test_cli_runner().invoke(args=["deconnexions", "envoyer"])
    assert came.wait(10)
    assert second.get("/").text == "personne"


@pytest.fixture
def notice(served, portal):
    """`notice(sid, typ=…, **claims)`: a logout token that MAG signed; a claim that is None is left out."""

    def make(sid: str, *, typ: str = "logout+jwt", alg: str = "ES256", **changes: Any) -> str:
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": portal.kit.config.issuer,
            "aud": "facile",
            "iat": now,
            "exp": now + 120,
            "jti": f"{sid}-{next(numbers)}",
            "sub": "x",
            "sid": sid,
            "events": {EVENT: {}},
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return served.mag.keyring.published().signer(alg).sign(kept, typ)

    return make


def sid_of(browser: Client, portal: Portal) -> str:
    record = portal.kit.accounts.read(browser.get_cookie(SESSION, domain="facile.test").value)
    assert record is not None
    return str(record.id_claims["sid"])


def tell(portal: Portal, token: str, **form: str) -> Any:
    return Client(portal.app).post(LOGOUT, data={"logout_token": token, **form}, base_url=portal.origin)


def test_a_good_logout_token_ends_the_session_once(portal, notice):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    token = notice(sid_of(browser, portal))
    answer = tell(portal, token)

    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (200, b"", "no-store")
    assert browser.get("/").text == "personne"
    assert tell(portal, token).status_code == 400, "jti serves once"


def test_a_session_that_ended_before_its_sign_in_was_over_never_opens(portal, notice):
    """The notice may be quicker than the browser."""
    browser, mire = portal.browser(), portal.mire()
    portal.sign_in(browser, mire)
    sid = sid_of(browser, portal)
    again = portal.browser()
    answer = portal.through(mire, again.get("/auth/mag/start").location)
    assert tell(portal, notice(sid)).status_code == 200

    again.get(answer)
    assert again.get("/").text == "personne"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"typ": "JWT"}, id="2.6-typ-of-an-id-token"),
        pytest.param({"typ": "at+jwt"}, id="2.6-typ-of-an-access-token"),
        pytest.param({"alg": "RS256"}, id="2.6-alg-not-registered"),
        pytest.param({"iss": "https://mal.test"}, id="2.6-iss"),
        pytest.param({"aud": "entreprises"}, id="2.6-aud"),
        pytest.param({"aud": ["facile", "entreprises"]}, id="2.6-aud-several"),
        pytest.param({"exp": 1}, id="2.6-exp"),
        pytest.param({"exp": None}, id="2.6-no-exp"),
        pytest.param({"iat": None}, id="2.6-no-iat"),
        pytest.param({"iat": 99999999999}, id="2.6-iat"),
        pytest.param({"events": None}, id="2.6-no-events"),
        pytest.param({"events": {}}, id="2.6-events-empty"),
        pytest.param({"events": {EVENT: True}}, id="2.6-event-is-no-object"),
        pytest.param({"events": [EVENT]}, id="2.6-events-list"),
        pytest.param({"nonce": "n"}, id="2.6-nonce"),
        pytest.param({"jti": None}, id="2.6-no-jti"),
        pytest.param({"sid": None}, id="ours-no-sid"),
        pytest.param({"sid": 12}, id="ours-sid-is-no-text"),
    ],
)
def test_a_logout_token_that_breaks_one_rule_ends_nothing(portal, notice, change):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    answer = tell(portal, notice(**{"sid": sid_of(browser, portal), **change}))

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert browser.get("/").text == "Claire Lefèvre"


def test_what_is_no_logout_token_ends_nothing(portal, notice):
    browser, mire = portal.browser(), portal.mire()
    portal.sign_in(browser, mire)
    record = portal.kit.accounts.read(browser.get_cookie(SESSION, domain="facile.test").value)
    good = notice(sid_of(browser, portal))
    forged = [record.tokens.id_token, record.tokens.access_token, good[:-4] + "AAAA", "eyJhbGciOiJub25lIn0.e30.", "", "é", "x" * 9000]

    assert {tell(portal, token).status_code for token in forged} == {400}
    client = Client(portal.app)
    assert client.post(LOGOUT, base_url=portal.origin).status_code == 400
    assert client.post(LOGOUT, data=f"logout_token={good}&logout_token={good}", base_url=portal.origin).status_code == 400
    assert client.get(LOGOUT, base_url=portal.origin).status_code == 405
    assert browser.get("/").text == "Claire Lefèvre"


def test_when_mag_s_keys_cannot_be_read_the_notice_is_to_be_sent_again(portal, notice):
    token = notice("s")
    portal.kit.provider.config = replace(portal.kit.config, issuer="http://mag.localhost:9")

    assert tell(portal, token).status_code == 503


def test_a_stolen_session_is_dead_after_sign_out(portal):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    stolen = browser.get_cookie(SESSION, domain="facile.test").value
    browser.post("/auth/mag/logout")

    assert portal.browser().get("/", headers={"Cookie": f"{SESSION}={stolen}"}).text == "personne"


def test_signing_out_twice_or_without_a_session_ends_at_home(portal):
    browser = portal.browser()

    assert browser.post("/auth/mag/logout", data={"return_to": "//evil.test"}).location == "/"
    assert browser.get("/auth/mag/logout").status_code == 405
    assert browser.get("/auth/mag/logged-out?state=" + "A" * 43).location == "/"


def test_a_person_who_is_suspended_is_out_at_the_next_page(served, portal, personne):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    assert browser.get("/").text == "Claire Lefèvre"

    result = served.flask.test_cli_runner().invoke(args=["declarants", "suspendre", str(SIRET), "Lefèvre", "Claire"])
    assert result.exit_code == 0, result.output
    assert browser.get("/").text == "personne"


def test_a_partner_that_is_disabled_has_nobody_signed_in_any_more(served, portal):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    served.flask.test_cli_runner().invoke(args=["partenaires", "desactiver", "facile"])
    served.mag.versions.refresh()

    assert browser.get("/").text == "personne"


def test_the_session_route_tells_scripts_what_they_may_know(portal):
    browser, mire = portal.browser(), portal.mire()
    assert browser.get("/auth/mag/session").json == {"active": False, "sid_hint": None}

    portal.sign_in(browser, mire)
    answer = browser.get("/auth/mag/session")
    assert answer.json["active"] is True
    assert len(answer.json["sid_hint"]) == 12
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_kit_refuses_an_application_without_a_real_secret_key():
    app = Flask("x")
    for key in (None, "", "court"):
        app.secret_key = key
        with pytest.raises(KitConfigError, match="secret_key"):
            MagKit(app, issuer="https://mag.test", base_url="https://p.test", client_id="x")
