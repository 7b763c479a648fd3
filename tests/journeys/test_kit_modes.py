"""The kit when a widget stands before it: popup, FedCM and inline answers, what each refuses, and what the person is told."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from werkzeug.test import Client, TestResponse

from idp.config import Settings
from partners.kit.blueprint import SESSION
from partners.kit.transactions import LOGOUT, TRANSACTION
from tests.factories import PASSWORD
from tests.interop import person
from tests.journeys.portal import SIRET, Portal, make_portal
from tests.services import free_port

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
FLOW = "b2f4d3c0-7a51-4d0e-9d43-5f0d6f6f2f11"
PIN = "sha384-" + "A" * 64
HERE = {"Sec-Fetch-Site": "same-origin", "Origin": "https://facile.test"}
CALLBACK = "/auth/mag/callback"
START = "/auth/mag/start"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """MAG at an address that the kit can reach."""
    return replace(settings, issuer=f"http://mag.localhost:{free_port()}")


def ask(browser: Client, mode: str = "fedcm", **query: str) -> dict[str, str]:
    """What the page's script is given to ask MAG."""
    answer = browser.get(START, query_string={"mode": mode, "return_to": "/espace", **query}, headers=HERE)
    assert answer.status_code == 200, answer.text
    params: dict[str, str] = answer.json["params"]
    return params


def granted(portal: Portal, params: dict[str, str]) -> dict[str, str]:
    """What MAG answers to it: `state`, `code`, `iss`."""
    address = f"{portal.kit.config.issuer}/authorize?" + urlencode({"client_id": portal.kit.config.client_id, **params})
    return {name: values[0] for name, values in parse_qs(urlsplit(portal.through(portal.mire(), address)).query).items()}


def post(browser: Client, form: Any, headers: dict[str, str] = HERE) -> TestResponse:
    return browser.post(CALLBACK, data=form, headers=headers)


def is_out(browser: Client) -> bool:
    return browser.get("/").text == "personne"


def message(page: TestResponse) -> dict[str, str]:
    """What a popup says to the page that opened it."""
    found = re.search(r'<script type="application/json" id="mag-done">(.*?)</script>', page.text)
    assert found is not None, page.text
    said: dict[str, str] = json.loads(found[1])
    return said


# ------------------------------------------------------------------------------------------------------------------ popup


def popup(portal: Portal, browser: Client, **query: str) -> TestResponse:
    start = browser.get(START, query_string={"mode": "popup", "flow": FLOW, "return_to": "/espace?a=<b>", **query})
    return browser.get(portal.through(portal.mire(), start.location))


def test_a_popup_ends_on_a_page_that_tells_where_to_go_and_nothing_else(served, personne):
    portal = make_portal(served, "facile", {}, widget_integrity=PIN)
    browser = portal.browser()
    start = browser.get(START, query_string={"mode": "popup", "flow": FLOW, "return_to": "/espace?a=b"})
    page = browser.get(portal.through(portal.mire(), start.location))

    assert page.status_code == 200
    assert message(page) == {"flow": FLOW, "return_to": "/espace?a=b"}
    issuer = portal.kit.config.issuer
    script = f'crossorigin="anonymous" integrity="{PIN}" src="{issuer}/widget/1.1.0/mag-done.js"'
    assert script in page.text
    assert 'href="/espace?a=b"' in page.text, "without the script, a link"
    policy = page.headers["Content-Security-Policy"]
    assert f"default-src 'none'; script-src {issuer};" in policy
    assert {"unsafe", "*"} & set(policy.split()) == set()
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    record = portal.kit.accounts.read(browser.get_cookie(SESSION, domain="facile.test").value)
    for secret in (record.tokens.access_token, record.tokens.id_token, record.tokens.refresh_token):
        assert secret not in page.text
    assert not is_out(browser)


def test_the_hash_of_its_script_is_the_one_that_mag_publishes(portal):
    page = popup(portal, portal.browser())
    (release, *_) = portal.mire().get("/widget/releases.json").json["releases"]

    assert f'integrity="{release["files"]["mag-done.js"]["integrity"]}"' in page.text


def test_a_release_that_mag_does_not_have_leaves_a_link(served, personne):
    portal = make_portal(served, "facile", {}, widget_version="9.9.9")
    page = popup(portal, portal.browser())

    assert (page.status_code, 'type="module"' in page.text) == (200, False)
    assert message(page)["flow"] == FLOW
    assert ">Continuer</a>" in page.text


def test_what_a_popup_says_cannot_end_its_own_script(portal):
    """The path is kept, as JSON that no parser of HTML reads as a tag."""
    page = popup(portal, portal.browser(), return_to="/espace?a=</script><b>")

    assert message(page)["return_to"] == "/espace?a=</script><b>"
    assert "<b>" not in page.text


@pytest.mark.parametrize("flow", ["", "court", "x" * 65, "a b c d e f g", "../../../..", "é" * 10])
def test_a_popup_that_nobody_listens_to_does_not_open(portal, flow):
    answer = portal.browser().get(START, query_string={"mode": "popup", "flow": flow})

    assert (answer.status_code, "pas valable" in answer.text, answer.headers.getlist("Set-Cookie")) == (400, True, [])


def test_giving_up_in_a_popup_is_told_to_the_page(portal):
    browser = portal.browser()
    asked = parse_qs(urlsplit(browser.get(START, query_string={"mode": "popup", "flow": FLOW}).location).query)
    query = {"state": asked["state"][0], "iss": portal.kit.config.issuer, "error": "access_denied"}
    page = browser.get(CALLBACK, query_string=query)
    said = message(page)

    assert (page.status_code, said["flow"], said["error"]) == (200, FLOW, "access_denied")
    assert said["correlation_id"] in page.text
    assert "abandonné" in page.text
    assert is_out(browser)


def test_a_popup_whose_transaction_is_lost_explains_itself(portal):
    browser = portal.browser()
    start = browser.get(START, query_string={"mode": "popup", "flow": FLOW})
    answer = portal.through(portal.mire(), start.location)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=601)):
        page = browser.get(answer)

    assert page.status_code == 400
    assert "plus de dix minutes" in page.text
    assert f'href="{START}"' in page.text
    assert "mag-done" not in page.text


# ------------------------------------------------------------------------------------------------- FedCM and inline frames


@pytest.mark.parametrize("mode", ["fedcm", "inline"])
def test_a_script_carries_question_and_answer(portal, mode):
    browser = portal.browser()
    params = ask(browser, mode)
    assert set(params) == {"response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method"}
    assert (params["response_type"], params["code_challenge_method"]) == ("code", "S256")
    answer = post(browser, granted(portal, params))

    assert (answer.status_code, answer.json) == (200, {"return_to": "/espace"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert browser.get("/espace").json["name"] == "Claire Lefèvre"
    assert [header.split("=")[0] for header in answer.headers.getlist("Set-Cookie")] == [SESSION, TRANSACTION + params["state"]]


def test_a_frame_is_told_the_hints_and_fedcm_has_its_own(portal):
    """Nothing of the question itself is theirs to change."""
    given = {"login_hint": "73282932000074|Lefèvre|Claire", "siret_hint": "73282932000074", "scope": "openid email", "state": "x"}
    params = ask(portal.browser(), "inline", **given)

    assert {name: params[name] for name in given if "hint" in name} == {name: value for name, value in given.items() if "hint" in name}
    assert params["scope"] != "openid email"
    assert len(params["state"]) == 43
    assert "login_hint" not in ask(portal.browser(), "fedcm", **given)


def test_the_question_costs_nothing_to_mag(served, personne):
    """The widget asks it when the pointer comes near: MAG need not even be there."""
    portal = make_portal(served, "isole", {}, issuer="http://mag.localhost:9")
    answer = portal.browser().get(START, query_string={"mode": "fedcm"}, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.json["callback"] == CALLBACK
    assert "Max-Age=600" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["fedcm", "inline"])
def test_another_site_makes_no_transaction_by_script(portal, mode, site):
    answer = portal.browser().get(START, query_string={"mode": mode}, headers={"Sec-Fetch-Site": site})

    assert (answer.status_code, answer.json["error"]) == (403, "invalid_request")
    assert answer.headers.getlist("Set-Cookie") == []


def test_a_mode_that_does_not_exist(portal):
    answer = portal.browser().get(START, query_string={"mode": "telepathie"})

    assert (answer.status_code, "pas valable" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://facile.test"}, id="W10-cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="W10-same-site"),
        pytest.param({"Sec-Fetch-Site": "none"}, id="W10-typed"),
        pytest.param({"Origin": "https://evil.test"}, id="W10-old-browser-other-origin"),
        pytest.param({"Origin": "null"}, id="W10-null-origin"),
        pytest.param({}, id="W10-says-nothing"),
    ],
)
def test_an_answer_posted_by_another_site_opens_nothing(portal, headers):
    browser = portal.browser()
    form = granted(portal, ask(browser))
    answer = post(browser, form, headers)

    assert (answer.status_code, answer.json["error"]) == (403, "invalid_request")
    assert is_out(browser)
    assert post(browser, form, {"Origin": "https://facile.test"}).status_code == 200, "the transaction is still good"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"state": "A" * 43}, id="W10-state"),
        pytest.param({"state": ""}, id="W10-no-state"),
        pytest.param({"state": "é"}, id="W10-state-not-ascii"),
        pytest.param({"iss": "https://evil.test"}, id="W10-iss-mix-up"),
        pytest.param({"iss": ""}, id="W10-no-iss"),
        pytest.param({"code": "faux"}, id="W10-code"),
        pytest.param({"code": "\x00"}, id="W10-code-nul"),
        pytest.param({"code": ["a", "b"]}, id="rfc6749-3.1-twice"),
    ],
)
def test_an_answer_posted_that_was_tampered_with_opens_nothing(portal, change):
    browser = portal.browser()
    answer = post(browser, {**granted(portal, ask(browser)), **change})

    assert (answer.status_code, answer.json["error"]) == (400, "transaction_lost")
    assert re.fullmatch(r"[0-9a-f]{8}", answer.json["correlation_id"])
    assert is_out(browser)


def test_an_answer_comes_back_as_it_was_asked_for(portal):
    """W10: a code asked by script is no link to follow, and the reverse."""
    browser = portal.browser()
    form = granted(portal, ask(browser))
    assert browser.get(CALLBACK, query_string=form).status_code == 400

    answer = portal.through(portal.mire(), browser.get(START).location)
    form = {name: values[0] for name, values in parse_qs(urlsplit(answer).query).items()}
    assert post(browser, form).status_code == 400
    assert is_out(browser)


def test_an_answer_posted_twice_opens_one_session(portal):
    browser = portal.browser()
    form = granted(portal, ask(browser))

    assert post(browser, form).status_code == 200
    again = post(browser, form)
    assert (again.status_code, again.json["error"]) == (400, "transaction_lost")
    assert not is_out(browser)


def test_a_sign_out_in_progress_is_no_sign_in(portal):
    browser = portal.browser()
    assert post(browser, granted(portal, ask(browser))).status_code == 200
    browser.post("/auth/mag/logout")
    (kept,) = [cookie for cookie in browser._cookies.values() if cookie.key.startswith(LOGOUT)]
    state = kept.key.removeprefix(LOGOUT)
    browser.set_cookie(TRANSACTION + state, kept.value, domain=kept.domain, secure=True, httponly=True)

    assert browser.get(CALLBACK, query_string={"state": state, "code": "x"}).status_code == 400


def test_an_answer_of_another_browser_opens_nothing(portal):
    victim = portal.browser()
    ask(victim)

    assert post(victim, granted(portal, ask(portal.browser()))).json["error"] == "transaction_lost"
    assert is_out(victim)


def test_a_refusal_of_mag_is_passed_on_to_the_script(portal, caplog):
    browser = portal.browser()
    form = {"state": ask(browser)["state"], "iss": portal.kit.config.issuer, "error": "server_error", "error_description": "M1\n<b>"}
    with caplog.at_level(logging.WARNING):
        answer = post(browser, form)

    assert (answer.status_code, answer.json["error"]) == (400, "server_error")
    assert answer.json["correlation_id"] in caplog.text
    assert "M1\\n<b>" in caplog.text, "one line, whatever came"


def test_a_session_planted_before_is_worth_nothing_after_any_mode(portal):
    browser, attacker = portal.browser(), portal.browser()
    assert post(attacker, granted(portal, ask(attacker))).status_code == 200
    planted = attacker.get_cookie(SESSION, domain="facile.test").value
    browser.set_cookie(SESSION, planted, domain="facile.test", secure=True)

    assert post(browser, granted(portal, ask(browser))).status_code == 200
    assert browser.get_cookie(SESSION, domain="facile.test").value != planted
    assert is_out(attacker)


def test_bodies_are_bounded(portal):
    assert post(portal.browser(), {"state": "x" * 100_000}).status_code == 413
    assert portal.browser().post("/auth/mag/backchannel-logout", data={"logout_token": "x" * 100_000}).status_code == 413


# ------------------------------------------------------------------------------------------------------ time, absence, words


def away(portal: Portal) -> None:
    """MAG does not answer any more."""
    endpoints = portal.kit.provider.metadata()
    moved = {name: re.sub(r":\d+/", ":9/", value) if isinstance(value, str) else value for name, value in endpoints.items()}
    portal.kit.provider._metadata = (portal.kit.provider._metadata[0], moved)


@pytest.mark.parametrize("mode", ["popup", "fedcm", "redirect"])
def test_mag_away_at_the_last_moment_is_told_and_may_be_tried_again(portal, mode):
    browser = portal.browser()
    if mode == "fedcm":
        form = granted(portal, ask(browser))
        away(portal)
        answer = post(browser, form)
        assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")
    else:
        start = browser.get(START, query_string={"mode": mode, "flow": FLOW})
        address = portal.through(portal.mire(), start.location)
        away(portal)
        answer = browser.get(address)
        assert answer.status_code == 503
        assert "momentanément indisponible" in answer.text
        assert mode == "redirect" or message(answer)["error"] == "temporarily_unavailable"
    assert answer.headers.getlist("Set-Cookie") == []
    portal.kit.provider._metadata = None
    again = post(browser, form) if mode == "fedcm" else browser.get(address)
    assert again.status_code == (303 if mode == "redirect" else 200)
    assert not is_out(browser)


def test_the_session_probe_says_when_mag_is_away(portal):
    browser = portal.browser()
    portal.sign_in(browser, portal.mire())
    away(portal)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10)):
        answer = browser.get("/auth/mag/session")

    assert (answer.status_code, answer.json) == (503, {"error": "temporarily_unavailable"})


@pytest.mark.parametrize(
    ("wrong", "outcome"),
    [
        pytest.param(timedelta(seconds=-40), "in", id="W16-a-little-behind"),
        pytest.param(timedelta(seconds=40), "in", id="W16-a-little-ahead"),
        pytest.param(timedelta(hours=-2), "ahead of this server's clock", id="W16-clock-in-the-past"),
        pytest.param(timedelta(hours=2), "behind this server's clock", id="W16-clock-in-the-future"),
    ],
)
def test_a_site_whose_clock_is_wrong_says_so(served, personne, live_server: Callable[..., str], wrong, outcome, caplog):
    """MAG in another process, on time; the site is not."""
    port = free_port()
    issuer = f"http://localhost:{port}"
    live_server(port, MAG_ISSUER=issuer)
    portal = make_portal(served, "facile", {}, issuer=issuer)
    with time_machine.travel(datetime.now(UTC) + wrong):
        browser = portal.browser()
        identity = {"siret": str(SIRET), "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}
        landed = browser.get(person.Browser().sign_in(browser.get(START).location, identity, f"{portal.origin}/"))
        if outcome == "in":
            assert landed.status_code == 303
            assert not is_out(browser)
            return
        assert landed.status_code == 500
        assert "horloge de ce site est déréglée" in landed.text
        assert outcome in caplog.text
        reference = re.search("<code>(.*?)</code>", landed.text)
        assert reference is not None
        assert reference[1] in caplog.text
        assert is_out(browser)


@pytest.mark.parametrize(
    ("query", "accepted", "lang", "heading"),
    [
        ("", "", "fr", "Ce lien n'est pas valable"),
        ("", "de,en;q=0.8", "en", "This link is not valid"),
        ("&ui_locales=fr", "en", "fr", "Ce lien n'est pas valable"),
        ("&ui_locales=de en-GB", "fr", "en", "This link is not valid"),
        ("&ui_locales=xx", "yy", "fr", "Ce lien n'est pas valable"),
    ],
)
def test_pages_speak_french_or_english(portal, query, accepted, lang, heading):
    page = portal.browser().get(f"{START}?mode=x{query}", headers={"Accept-Language": accepted})

    assert f'<html lang="{lang}">' in page.text
    assert heading in page.text.replace("&#39;", "'")


def test_pages_of_the_kit_are_dressed_under_a_strict_policy(portal):
    browser = portal.browser()
    page = browser.get(f"{START}?mode=x")
    (sheet,) = re.findall('href="([^"]*kit.css)"', page.text)

    assert browser.get(sheet).mimetype == "text/css"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
