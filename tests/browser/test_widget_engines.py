"""The button in Firefox ESR and in Safari's engine (WebKitGTK): rows W1, W2, W4, W5, W6, W10 and W16 of the matrix of the widget.

FedCM and the inline frame are Chromium's: their tests are elsewhere. A browser starts once for all the tests of one row of ENGINES.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.browser import engines
from tests.browser.engines import Driver
from tests.browser.tls_scene import Scene, scene
from tests.browser.widget_scene import Site
from widget.releases import releases, tag

pytestmark = pytest.mark.browser
ENGINES = {
    "firefox": engines.firefox,
    "firefox-3pc-blocked": lambda: engines.firefox(**{"network.cookie.cookieBehavior": 1}),
    "webkit": engines.webkit,
}
MOZILLA = pytest.mark.parametrize("started", ["firefox", "firefox-3pc-blocked"], indirect=True)
"""Rows of the matrix that WebKitGTK is not in: its driver sometimes answers no more after a step back."""
MODES = ("redirect", "popup")
SIGN_OUT = """
const form = Object.assign(document.createElement('form'), { method: 'post', action: '/auth/mag/logout' });
document.body.append(form);
form.submit();
"""


@pytest.fixture(scope="module")
def place(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    shutil.copyfile(sqlite_template, folder / "mag.sqlite3")
    with scene(f"sqlite:///{folder / 'mag.sqlite3'}", folder) as found:
        yield found


@pytest.fixture(scope="module", params=ENGINES)
def started(request: pytest.FixtureRequest) -> Iterator[Driver]:
    need = services.NEEDS[request.param.partition("-")[0]]
    if not need.find():
        pytest.skip(f"{need.what} cannot be installed here: apt-get install {' '.join(need.packages)}")
    with ENGINES[request.param]() as driver:
        yield driver


@pytest.fixture
def driver(started: Driver, place: Scene) -> Driver:
    """Nobody is signed in anywhere."""
    for origin in (place.issuer + "/aide", place.sites["portail-a"].origin + "/espace", place.sites["portail-b"].origin + "/espace"):
        started.goto(origin)
        started.ask("forget")
    return started


@pytest.fixture
def a(place: Scene) -> Iterator[Site]:
    """The first partner, as it was afterwards."""
    site = place.sites["portail-a"]
    yield site
    site.headers, site.tag, site.held = {}, "", None


def seen(driver: Driver) -> list[Any]:
    return list(driver.script("return globalThis.seen ?? []"))


def press(driver: Driver, site: Site, mode: str, query: str = "") -> None:
    driver.goto(f"{site.origin}/?modes={mode}{query}")
    driver.click("[part=button]", within="mag-login")


def enter(driver: Driver, place: Scene, site: Site, mode: str) -> None:
    """From the button to the partner's page, the password typed at MAG."""
    press(driver, site, mode)
    if mode == "popup":
        with driver.popup():
            place.sign_in(driver)
    else:
        place.sign_in(driver)
    driver.arrive(f"{site.origin}/espace")
    driver.says("Bonjour Claire Lefèvre")


def is_in(driver: Driver, site: Site) -> bool:
    driver.goto(f"{site.origin}/auth/mag/session")
    told = json.loads(driver.wait(lambda: driver.text, "what the session says"))
    return bool(told["active"])


@pytest.mark.parametrize("mode", MODES, ids=[f"W1-{mode}" for mode in MODES])
def test_from_the_button_to_the_partners_session(driver, place, a, mode):
    enter(driver, place, a, mode)

    assert is_in(driver, a)
    assert driver.window_count == 1


@MOZILLA
def test_w1_inline_gives_way_where_a_frame_cannot_know_that_people_see_it(driver, place, a):
    """No IntersectionObserver v2: the next mode takes over, and nothing is left of the frame."""
    press(driver, a, "inline")
    place.sign_in(driver)
    driver.arrive(f"{a.origin}/espace")

    assert is_in(driver, a)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Cross-Origin-Opener-Policy": "same-origin"}, id="W2-coop"),
        pytest.param({"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}, id="W2-coep"),
    ],
)
def test_isolated_pages_lose_nothing(driver, place, a, mode, headers):
    """MAG's own pages send COOP always: both sides do here."""
    a.headers = headers

    enter(driver, place, a, mode)


def wrong(found: str) -> str:
    at = found.index("sha384-") + 10
    return found[:at] + ("A" if found[at] != "A" else "B") + found[at + 1 :]


@pytest.mark.parametrize("fault", [pytest.param(one, id=f"W4-{one}") for one in ("no-script", "sri", "host-down")])
def test_the_link_signs_in_without_the_widget(driver, place, a, fault):
    whole = tag(place.issuer, releases()[0])
    down = whole.replace(place.issuer, f"https://mag.localhost:{services.free_port()}")
    a.tag = {"no-script": whole, "sri": wrong(whole), "host-down": down}[fault]
    if fault == "no-script":
        a.headers = {"Content-Security-Policy": "default-src 'none'; script-src 'none'"}
    driver.goto(a.origin)
    assert not driver.script("return document.querySelector('mag-login').shadowRoot !== null")
    driver.click("mag-login a")
    place.sign_in(driver)

    driver.says("Bonjour Claire Lefèvre")


@pytest.mark.parametrize("mode", MODES, ids=[f"W5-{mode}" for mode in MODES])
def test_a_strict_policy_is_never_violated(driver, place, a, mode):
    press(driver, a, mode, "&stays=1&keeps=1")
    if mode == "popup":
        with driver.popup():
            place.sign_in(driver)
        driver.wait(lambda: any(event[0] == "success" for event in seen(driver)), "mag:success")
        found = seen(driver)
    else:
        place.sign_in(driver)
        driver.arrive(f"{a.origin}/espace")
        found = json.loads(driver.script("const kept = localStorage.getItem('seen'); localStorage.clear(); return kept"))
    assert "start" in {name for name, _ in found}
    violations = [what for name, what in found if name == "violation" and "/favicon.ico" not in what]
    assert violations == [], "but for the icon that a browser asks by itself"


def test_w6_hops_ask_no_second_password_and_a_sign_out_reaches_the_other_site(driver, place, a):
    b = place.sites["portail-b"]
    enter(driver, place, a, "redirect")
    for site in (b, a):
        press(driver, site, "redirect")
        driver.arrive(f"{site.origin}/espace")
        driver.says("Bonjour Claire Lefèvre")
    driver.goto(f"{b.origin}/?modes=redirect")
    driver.wait(lambda: driver.script("return document.querySelector('mag-login').hasAttribute('signed-in')"), "signed in at B")
    with driver.tab():
        driver.goto(f"{a.origin}/espace")
        driver.script(SIGN_OUT)
        driver.wait(lambda: driver.url == f"{a.origin}/", "back at A")
        assert not is_in(driver, a)
        driver.wait(lambda: not is_in(driver, b), "B was told")
    driver.wait(lambda: told_of_logout(driver), "mag:logout at B")


def told_of_logout(driver: Driver) -> bool:
    """The page is looked at again: the button asks, at most every five seconds."""
    driver.script("dispatchEvent(new Event('visibilitychange'))")
    return any(event[0] == "logout" for event in seen(driver))


@pytest.mark.parametrize(
    "wanted", ["//evil.test/", "/\\evil.test/", "javascript:alert(1)", "https://evil.test/"], ids=lambda one: f"W10-{one}"
)
def test_a_return_elsewhere_stays_here(driver, place, a, wanted):
    driver.goto(f"{a.origin}/espace")
    driver.script("location = '/auth/mag/start?return_to=' + encodeURIComponent(arguments[0])", wanted)
    place.sign_in(driver)

    driver.arrive(f"{a.origin}/")
    driver.wait(lambda: "/auth/mag" not in driver.url, "the home page")
    assert driver.url.split("?")[0] in (f"{a.origin}/", f"{a.origin}/espace")


CHANGES = {
    "nothing": "",
    "state": "no such transaction in this browser",
    "iss": "iss is not MAG's: 'https://evil.test'",
    "cookie": "no such transaction in this browser",
    "code": "the code was refused: invalid_grant",
}
"""What is changed in a good answer, and why the partner's server says that it refuses it."""


@pytest.mark.parametrize("change", [pytest.param(one, id=f"W10-{one}") for one in CHANGES])
def test_an_answer_is_refused_for_what_was_changed_in_it_alone(driver, place, a, change, caplog):
    """The question is asked, and answered, for good; the answer is kept on its way back, and one thing changes."""
    a.held = []
    driver.goto(f"{a.origin}/auth/mag/start?return_to=/espace")
    place.sign_in(driver)
    driver.says("Retenu")
    answer, a.held = a.held[0], None
    state, code = (re.search(rf"[?&]{name}=([^&]+)", answer)[1] for name in ("state", "code"))
    if change == "cookie":
        driver.ask("forget")
    forged = {"state": (state, "A" * 43), "iss": (re.search(r"[?&]iss=([^&]+)", answer)[1], "https://evil.test"), "code": (code, "x")}
    driver.goto(answer.replace(*forged[change]) if change in forged else answer)
    driver.wait(lambda: driver.text, "an answer")

    assert ("Bonjour" in driver.text) == (change == "nothing")
    refusals = [one.getMessage() for one in caplog.records if "MAG sign-in" in one.getMessage()]
    assert len(refusals) == (change != "nothing")
    assert all(CHANGES[change] in one for one in refusals), refusals
    assert is_in(driver, a) == (change == "nothing")


def test_w10_a_message_of_another_flow_is_nothing(driver, place, a):
    driver.goto(f"{a.origin}/?modes=popup&stays=1")
    driver.script("crypto.randomUUID = () => '11111111-2222-4333-8444-555555555555'")
    driver.click("[part=button]", within="mag-login")
    message = {"flow": "another-flow", "return_to": "/forge"}
    driver.script(f"new BroadcastChannel('mag-login-11111111-2222-4333-8444-555555555555').postMessage({json.dumps(message)})")
    with driver.popup():
        place.sign_in(driver)
    driver.wait(lambda: any(event[0] == "success" for event in seen(driver)), "mag:success")

    assert [event[1]["return_to"] for event in seen(driver) if event[0] == "success"] == ["/espace"]


@MOZILLA
def test_w16_back_reload_and_again(driver, place, a):
    """A page that comes back from the cache of pages starts another sign-in; a reload in the middle asks again."""
    press(driver, a, "redirect")
    driver.arrive(f"{place.issuer}/connexion")
    driver.ask("back")
    driver.arrive(f"{a.origin}/")
    driver.click("[part=button]", within="mag-login")
    driver.arrive(f"{place.issuer}/connexion")
    driver.ask("refresh")
    place.sign_in(driver)
    driver.says("Bonjour Claire Lefèvre")
    driver.ask("back")

    assert is_in(driver, a)


@MOZILLA
def test_w16_a_question_too_old_is_asked_again(driver, place, a):
    """Ten minutes later the transaction's cookie is gone; the partner says so and offers to start again."""
    press(driver, a, "redirect")
    driver.arrive(f"{place.issuer}/connexion")
    mire = driver.url
    driver.goto(f"{a.origin}/espace")
    driver.ask("forget")
    driver.goto(mire)
    place.sign_in(driver)
    driver.arrive(f"{a.origin}/auth/mag/callback")
    again = driver.find("a[href*='/auth/mag/start']")
    driver.goto(str(driver.script("return arguments[0].href", again)))
    driver.wait(lambda: driver.url == f"{a.origin}/", "the home page")

    driver.wait(lambda: is_in(driver, a), "signed in")
