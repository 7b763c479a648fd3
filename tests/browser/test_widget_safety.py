"""What a partner never sees (W15), what is not believed (W10), and what happens when people go back, reload or take their time (W16).

One Chromium for the file, third-party cookies blocked. Both portals keep all that they receive and answer.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest
import time_machine
from flask import Flask, Response, request
from playwright.sync_api import expect

from partners.kit import MagKit
from partners.kit.blueprint import SESSION
from tests.browser.widget_scene import Chooser, Site, button, raised, seen, until, violations
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant

pytestmark = pytest.mark.browser
SPELLINGS = {PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), quote_plus(PASSWORD)}
"""The password, however a body or an address writes it."""
LOOKS = 5_100
"""Milliseconds: the button looks at the session every five seconds at most."""
HEARD = """
globalThis.heard = [];
addEventListener("message", ({data, origin}) => heard.push([origin, data]));
globalThis.BroadcastChannel = class extends BroadcastChannel {
  constructor(name) { super(name); heard.push([name]); this.addEventListener("message", ({data}) => heard.push([name, data])); }
};
"""


@dataclass
class Witness(Site):
    """A partner's site that keeps what it receives and what it answers."""

    received: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    kit: MagKit | None = None

    def application(self, secret: str, sessions: Path) -> Flask:
        app = super().application(secret, sessions)
        self.kit = app.extensions["mag_kit"]
        app.before_request(self._receive)
        app.after_request(self._answer)
        return app

    def _receive(self) -> None:
        self.received.append(f"{request.method} {request.full_path}\n{request.headers}{request.get_data(as_text=True)}")

    def _answer(self, response: Response) -> Response:
        body = "" if response.direct_passthrough else response.get_data(as_text=True)
        self.answered.append(f"{response.status}\n{response.headers}{body}")
        return response


@pytest.fixture(scope="module")
def stage(sqlite_template, tmp_path_factory):
    with raised(sqlite_template, tmp_path_factory.mktemp("safety"), "3pc-blocked", Witness) as found:
        found.claire = un_declarant(found.doors.flask, email="claire@exemple.fr")
        found.allow_frames()
        yield found


@pytest.fixture
def scene(stage):
    stage.begin()
    for site in (stage.a, stage.b):
        site.received.clear()
        site.answered.clear()
    return stage


def sign_in(window):
    """At MAG, as a person types."""
    window.wait_for_url("**/connexion?**")
    for name, value in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        window.locator(f"[name={name}]").fill(value)
    window.get_by_role("button", name="Se connecter", exact=True).click()


def name_of_session(scene):
    return next((one["value"] for one in scene.browser.cookies(scene.a.origin) if one["name"] == SESSION), "")


def is_in(scene):
    return scene.a.kit.accounts.read(name_of_session(scene)) is not None


def text(page):
    return page.locator("body").inner_text().replace("\u00a0", " ")


# ---------------------------------------------------------------------------------------------------------------------- W15


def by_redirect(scene, page):
    button(page).click()
    sign_in(page)
    page.wait_for_url("**/espace")


def by_popup(scene, page):
    with page.expect_event("popup") as opened:
        button(page).click()
    sign_in(opened.value)
    seen(page, "success")


def by_fedcm(scene, page):
    chooser = Chooser(page)
    with scene.browser.expect_page(predicate=lambda found: found is not page) as opened:
        button(page).click()
    sign_in(opened.value)
    chooser.pass_by()
    seen(page, "success")


def by_inline(scene, page):
    button(page).click()
    frame = page.frame_locator("mag-login iframe")
    for name, value in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        frame.locator(f"[name={name}]").fill(value)
    expect(frame.locator("#entrer")).to_be_enabled()
    frame.locator("#entrer").click()
    seen(page, "success")


WAYS = {"redirect": by_redirect, "popup": by_popup, "fedcm": by_fedcm, "inline": by_inline}


@pytest.mark.parametrize("way", [pytest.param(name, id=f"W15-{name}") for name in WAYS])
def test_the_password_never_reaches_the_partner_and_tokens_never_reach_a_page(scene, way):
    sent, held = [], lambda one: sent.append((one.url, str(one.headers), one.post_data or ""))
    scene.browser.on("request", held)
    page = scene.open(query=f"modes={way}&stays=1", before=HEARD)
    WAYS[way](scene, page)
    scene.browser.remove_listener("request", held)

    record = scene.a.kit.accounts.read(name_of_session(scene))
    tokens = [record.tokens.access_token, record.tokens.id_token]
    assert all(len(one) > 40 for one in tokens)
    heard, history = str(page.evaluate("heard")), str(page.context.new_cdp_session(page).send("Page.getNavigationHistory"))
    stored = str(page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie, name, String(history.state)]"))
    page_says = [page.content(), heard, history, stored]
    for secret in (*SPELLINGS, *tokens):
        assert not [one for one in (*scene.a.received, *scene.a.answered, *page_says) if secret in one]
    with_password = [
        (url, "body" if spelling in body else "elsewhere")
        for url, headers, body in sent
        for spelling in SPELLINGS
        if spelling in url + headers + body
    ]
    assert {(url.split("?")[0], where) for url, where in with_password} == {
        (f"{scene.issuer}/{'cadre' if way == 'inline' else 'connexion'}", "body")
    }
    assert {urlsplit(url).netloc for url, _, _ in sent} <= {urlsplit(one).netloc for one in (scene.issuer, scene.a.origin)}
    codes = {code for one in scene.a.received for code in parse_qs(urlsplit(one.split("\n")[0].split(" ")[1]).query).get("code", ())}
    assert not [one for one in (*scene.a.answered, *page_says) for code in codes if code in one]
    assert violations(page) == [] if way != "redirect" else codes


# ---------------------------------------------------------------------------------------------------------------------- W10

ELSEWHERE = [
    "//{b}",
    "///{b}",
    "/\\{b}",
    "\\\\{b}",
    "/\t/{b}",
    "\n//{b}",
    "https:{b}",
    "http://{b}/",
    "http:///{b}",
    "{b}",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "%2F%2F{b}",
    "/%2F{b}",
    "/%5C{b}",
    "/%09/{b}",
    "/.//{b}",
    "/..//{b}",
    "/%2e%2e//{b}",
    "/@{b}",
    "//portail-a.localhost@{b}",
    "/espace\r\nLocation: http://{b}",
]


def test_w10_nobody_is_sent_elsewhere_whatever_return_to_says(scene):
    scene.sign_in(scene.claire)
    page = scene.browser.new_page()
    for wanted in ELSEWHERE:
        given = wanted.format(b=urlsplit(scene.b.origin).netloc)
        for written in (given, quote(given, safe="")):
            if "\n" in written:
                continue
            page.goto(f"{scene.a.origin}/auth/mag/start?return_to={written}")
            assert page.url.startswith(f"{scene.a.origin}/"), written

    assert is_in(scene)
    assert scene.b.received == []


def test_w10_nobody_is_sent_elsewhere_by_the_button(scene):
    """Its own addresses, and what its server might say."""
    scene.sign_in(scene.claire)
    page = scene.open(query=f"modes=popup&return-to={quote(scene.b.origin)}/")
    button(page).click()
    page.wait_for_url(f"{scene.a.origin}/")
    assert is_in(scene)

    page = scene.open(query="modes=popup", before=HEARD)
    flow = in_progress(scene, page)
    page.evaluate("([flow, to]) => new BroadcastChannel('mag-login-' + flow).postMessage({flow, return_to: to})", [flow, scene.b.origin])
    seen(page, "success")
    assert page.url.startswith(f"{scene.a.origin}/?")
    assert scene.b.received == []


def in_progress(scene, page):
    """A popup that waits at MAG; the name of its flow."""
    scene.browser.clear_cookies(domain=urlsplit(scene.issuer).hostname)
    with page.expect_event("popup") as opened:
        button(page).click()
    opened.value.wait_for_url("**/connexion?**")
    until(page, "heard.some(([name]) => name.startsWith('mag-login-'))")
    flow = page.evaluate("heard.find(([name]) => name.startsWith('mag-login-'))[0].slice(10)")
    page.popup = opened.value
    return flow


def test_w10_a_message_with_another_flow_or_from_another_site_is_not_heard(scene):
    page = scene.open(query="modes=popup&stays=1", before=HEARD)
    flow = in_progress(scene, page)
    said = "([name, flow]) => new BroadcastChannel('mag-login-' + name).postMessage({flow, return_to: '/piege'})"
    tab, stranger = scene.open(), scene.open(scene.b)
    tab.evaluate(said, [flow, "autre"])
    tab.evaluate(said, ["autre", flow])
    stranger.evaluate(said, [flow, flow])
    until(page, "heard.some(([, data]) => data?.flow === 'autre')")
    assert not page.evaluate("seen.some(([name]) => name === 'success')")

    sign_in(page.popup)
    assert seen(page, "success") == {"method": "popup", "return_to": "/espace"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("state", "A" * 43, id="W10-state"),
        pytest.param("state", "", id="W10-no-state"),
        pytest.param("iss", "https://evil.test", id="W10-iss-mix-up"),
        pytest.param("iss", "", id="W10-no-iss"),
        pytest.param("code", "faux", id="W10-code"),
    ],
)
def test_an_answer_that_was_tampered_with_opens_nothing_and_says_what_to_do(scene, name, value):
    scene.sign_in(scene.claire)
    page, address = scene.browser.new_page(), answer(scene)
    held = parse_qs(urlsplit(address).query)[name][0]
    page.goto(address.replace(quote(held, safe=""), quote(value, safe="")))

    assert "La connexion a été interrompue" in text(page)
    assert "Référence : " in text(page)
    assert not is_in(scene)
    page.get_by_role("link", name="Se connecter avec MAG").click()
    page.wait_for_url(f"{scene.a.origin}/")
    assert is_in(scene)


def answer(scene, query="return_to=/espace"):
    """Where MAG sends the browser back, which did not go. Playwright's routes do not see what a redirect asks."""
    page, found = scene.browser.new_page(), Queue()
    protocol = page.context.new_cdp_session(page)
    protocol.send("Fetch.enable", {"patterns": [{"urlPattern": "*/auth/mag/callback?*"}]})
    protocol.on("Fetch.requestPaused", lambda paused: found.put(paused["request"]["url"]))
    page.evaluate("to => { location = to }", f"{scene.a.origin}/auth/mag/start?{query}")
    while found.empty():
        page.wait_for_timeout(20)
    page.close()
    return found.get()


# ---------------------------------------------------------------------------------------------------------------------- W16


@pytest.mark.parametrize(
    "query", [pytest.param("", id="W10-stale-cookie-W16-expired"), pytest.param("&mode=popup&flow=abcdefgh", id="W16-popup")]
)
def test_a_sign_in_that_took_more_than_ten_minutes_says_what_to_do(scene, query):
    scene.sign_in(scene.claire)
    address = answer(scene, f"return_to=/espace{query}")
    page = scene.browser.new_page()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=601)):
        page.goto(address)
    assert "plus de dix minutes" in text(page)
    assert not is_in(scene)

    page.get_by_role("link", name="Se connecter avec MAG").click()
    page.wait_for_url(f"{scene.a.origin}/")
    assert is_in(scene)


def test_w16_an_answer_loaded_again_says_that_one_is_signed_in(scene):
    scene.sign_in(scene.claire)
    address, page = answer(scene), scene.browser.new_page()
    page.goto(address)
    assert page.url == f"{scene.a.origin}/espace"
    before = name_of_session(scene)
    page.goto(address)

    assert "Vous êtes déjà connecté" in text(page)
    assert name_of_session(scene) == before
    page.reload()
    page.get_by_role("link", name="Continuer").click()
    page.wait_for_url(f"{scene.a.origin}/")
    assert is_in(scene)


def test_w16_reloads_in_the_middle_of_a_redirect(scene):
    page = scene.open(query="modes=redirect")
    button(page).click()
    page.wait_for_url("**/connexion?**")
    page.reload()
    sign_in(page)

    page.wait_for_url("**/espace")
    page.reload()
    assert text(page) == f"Bonjour {PRENOM} {NOM}"


def test_w16_a_page_loaded_again_while_its_popup_is_open_finds_the_session(scene):
    page = scene.open(query="modes=popup&stays=1")
    with page.expect_event("popup") as opened:
        button(page).click()
    opened.value.wait_for_url("**/connexion?**")
    page.clock.install()
    page.reload()
    until(page, "globalThis.seen?.some(([name]) => name === 'ready')")
    sign_in(opened.value)
    if not opened.value.is_closed():
        opened.value.wait_for_event("close")
    page.clock.fast_forward(LOOKS)
    page.evaluate("dispatchEvent(new Event('visibilitychange'))")

    page.locator("mag-login[signed-in]").wait_for()
    assert is_in(scene)


def test_w16_going_back_to_the_page_shows_who_is_signed_in_and_nothing_is_asked_twice(scene):
    scene.sign_in(scene.claire)
    before = "addEventListener('pageshow', ({persisted}) => globalThis.persisted = persisted)"
    page = scene.open(query="modes=redirect", before=before, auto=True)
    button(page).click()
    page.wait_for_url("**/espace")
    page.go_back(wait_until="commit")

    page.locator("mag-login[signed-in]").wait_for()
    assert page.evaluate("persisted"), "from the back/forward cache"
    assert not page.evaluate("seen.some(([name]) => name === 'logout')")
    button(page).click()
    page.wait_for_url("**/espace")
    assert is_in(scene)


def test_w16_a_browser_whose_clock_is_in_the_past(scene):
    page = scene.browser.new_page()
    page.clock.set_system_time("2001-02-03T04:05:06Z")
    page.goto(f"{scene.a.origin}/?modes=popup&stays=1")
    until(page, "globalThis.seen?.some(([name]) => name === 'ready')")
    by_popup(scene, page)

    assert page.evaluate("new Date().getFullYear()") == 2001
    assert seen(page, "success")["method"] == "popup"
    assert is_in(scene)
