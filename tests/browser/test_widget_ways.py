"""The button on a partner's page, in Chromium as people have it, with third-party cookies and without: every way ends at the partner."""

from urllib.parse import urlsplit

import pytest

from tests import services
from tests.browser.widget_scene import POLICIES, Chooser, button, raised, seen, until, violations
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant
from widget.releases import releases, tag

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=POLICIES)
def stage(request, sqlite_template, tmp_path_factory):
    with raised(sqlite_template, tmp_path_factory.mktemp("widget"), request.param) as found:
        found.claire = un_declarant(found.doors.flask, email="claire@exemple.fr")
        yield found


@pytest.fixture
def scene(stage):
    stage.begin()
    return stage


def is_signed_in(page):
    page.wait_for_url("**/espace")
    return page.locator("body").inner_text() == f"Bonjour {PRENOM} {NOM}"


def stored(page):
    """What scripts of the partner's origin could read again (W13)."""
    counts = (
        "[localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length, (await caches.keys()).length]"
    )
    return page.evaluate(f"async () => {counts}")


@pytest.mark.parametrize("way", [pytest.param("redirect", id="W1-redirect")])
def test_a_redirect_leads_through_the_sign_in_and_back(scene, way):
    page = scene.open(query=f"modes={way}")
    assert stored(page) == [0, 0, "", 0, 0]
    assert violations(page) == []
    button(page).click()
    page.wait_for_url("**/connexion?**")
    for name, value in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button", name="Se connecter", exact=True).click()

    assert is_signed_in(page)


@pytest.mark.parametrize("way", [pytest.param("popup", id="W1-popup")])
def test_a_popup_comes_back_to_the_page_that_stayed(scene, way):
    scene.sign_in(scene.claire)
    page = scene.open(query=f"modes={way}&stays=1")
    with page.expect_event("popup") as opened:
        button(page).click()
    assert seen(page, "start") == {"method": "popup"}
    assert seen(page, "success") == {"method": "popup", "return_to": "/espace"}
    if not opened.value.is_closed():
        opened.value.wait_for_event("close")

    assert page.evaluate("document.querySelector('mag-login').hasAttribute('signed-in')")
    assert (violations(page), stored(page)) == ([], [0, 0, "", 0, 0])


@pytest.mark.parametrize("way", [pytest.param("fedcm", id="W1-fedcm")])
def test_the_browser_s_own_chooser_signs_in(scene, way):
    scene.sign_in(scene.claire)
    page = scene.open(query=f"modes={way}")
    chooser = Chooser(page)
    button(page).click()
    assert chooser.select()["accounts"][0]["email"] == "732 829 320 00074"

    assert is_signed_in(page)


def test_w5_under_a_strict_policy_nothing_complains(scene):
    """Content Security Policy without styles or evaluation, Trusted Types `'none'`, and the page isolated by both of its policies."""
    scene.sign_in(scene.claire)
    scene.a.headers = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
    complaints = []
    try:
        page = scene.open(query="modes=popup&stays=1")
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        chooser = Chooser(page)
        button(page).click()
        assert seen(page, "success")["method"] == "popup"
        page.evaluate("document.querySelector('mag-login').setAttribute('modes', 'fedcm')")
        button(page).click()
        chooser.pass_by()
    finally:
        scene.a.headers = {}

    assert (violations(page), complaints) == ([], [])


ISOLATION = {
    "coop": {"Cross-Origin-Opener-Policy": "same-origin"},
    "coep": {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"},
}


@pytest.mark.parametrize("headers", [pytest.param(value, id=f"W2-{name}") for name, value in ISOLATION.items()])
def test_isolated_pages_lose_no_way(scene, headers):
    """MAG's own pages send COOP always: both sides do here."""
    scene.sign_in(scene.claire)
    scene.a.headers = headers
    try:
        for way in ("redirect", "popup"):
            page = scene.open(query=f"modes={way}")
            button(page).click()
            assert is_signed_in(page), way
            scene.browser.clear_cookies(domain=urlsplit(scene.a.origin).hostname)
        page = scene.open(query="modes=fedcm&stays=1")
        chooser = Chooser(page)
        button(page).click()
        chooser.pass_by()
        assert seen(page, "success") == {"method": "fedcm", "return_to": "/espace"}
    finally:
        scene.a.headers = {}


def broken(fault, scene):
    whole = tag(scene.issuer, releases()[0])
    at = whole.index("sha384-") + 10
    down = whole.replace(scene.issuer, f"http://mag.localhost:{services.free_port()}")
    return {"no-script": whole, "sri": whole[:at] + ("B" if whole[at] == "A" else "A") + whole[at + 1 :], "host-down": down}[fault]


@pytest.mark.parametrize("fault", [pytest.param(one, id=f"W4-{one}") for one in ("no-script", "sri", "host-down")])
def test_the_link_signs_in_without_the_widget(scene, fault):
    scene.sign_in(scene.claire)
    page = scene.browser.new_page()
    scene.a.tag = broken(fault, scene)
    if fault == "no-script":
        scene.a.headers = {"Content-Security-Policy": "default-src 'none'; script-src 'none'"}
    try:
        page.goto(scene.a.origin)
        assert page.evaluate("document.querySelector('mag-login').shadowRoot") is None
        page.locator("mag-login a").click()
        assert is_signed_in(page)
    finally:
        scene.a.tag, scene.a.headers = "", {}


def test_w6_hops_ask_no_second_password_and_a_sign_out_reaches_the_other_site(scene):
    scene.sign_in(scene.claire)
    for site in (scene.a, scene.b, scene.a):
        page = scene.open(site, "modes=redirect")
        button(page).click()
        assert is_signed_in(page), site.name
    watch = scene.open(scene.b, "modes=redirect")
    watch.locator("mag-login[signed-in]").wait_for()
    watch.clock.install()
    page.evaluate("document.body.append(Object.assign(document.createElement('form'), { method: 'post', action: '/auth/mag/logout' }))")
    page.evaluate("document.querySelector('form').submit()")
    page.wait_for_url(f"{scene.a.origin}/")
    told_within_one_look(watch)
    page.goto(f"{scene.a.origin}/espace")
    assert page.locator("body").inner_text() == "Personne"


def told_within_one_look(watch):
    """MAG tells B's server; the page asks it at its next look, and only then."""
    until(watch, "async () => !(await (await fetch('/auth/mag/session')).json()).active")
    assert not watch.evaluate("seen.some(([name]) => name === 'logout')")
    watch.clock.fast_forward(5_100)
    watch.evaluate("dispatchEvent(new Event('visibilitychange'))")
    assert seen(watch, "logout") is None


# -------------------------------------------------------------------------------------------------------- refused, doubled

UNASKED = "addEventListener('load', () => setTimeout(() => document.querySelector('mag-login').shadowRoot.querySelector('a').click(), 200))"
SLOW = """const asked = fetch; globalThis.fetch = (address, ...more) => String(address).includes("mode=fedcm")
  ? new Promise((resolve) => setTimeout(() => resolve(new Response("{}", {status: 500})), 6000)) : asked(address, ...more);"""


def test_w3_a_popup_that_nobody_asked_for_becomes_a_redirect(scene):
    scene.sign_in(scene.claire)
    page = scene.browser.new_page()
    page.add_init_script(UNASKED)
    page.goto(f"{scene.a.origin}/?modes=popup")

    assert is_signed_in(page)
    assert [one for one in scene.browser.pages if "/connexion?" in one.url] == []


def test_w3_a_popup_that_comes_too_long_after_the_click_becomes_a_redirect(scene):
    scene.sign_in(scene.claire)
    page = scene.open(query="modes=fedcm popup", before=SLOW)
    button(page).click()

    assert is_signed_in(page)


def test_w3_a_double_click_opens_one_window_and_two_buttons_share_it(scene):
    page = scene.open(query="modes=popup&elements=2")
    opened = []
    page.on("popup", lambda window: opened.append(window.url))
    button(page).dblclick()
    until(page, "document.querySelector('mag-login').shadowRoot.querySelector('[part=actions]').checkVisibility()")
    button(page, 1).dblclick()

    assert page.evaluate("seen.filter(([name]) => name === 'start').length") == 1
    with page.expect_event("popup"):
        page.get_by_role("button", name="Rouvrir la fenêtre").first.click()
    page.get_by_role("button", name="Continuer dans cette page").first.click()
    page.wait_for_url("**/connexion?**")
    assert len(opened) == 3, "one a double click: the other button opens the window of the sign-in under way again, as the reopening does"


def test_a_refusal_in_the_window_is_a_cancellation(scene):
    page = scene.open(query="modes=popup")
    with page.expect_event("popup") as opened:
        button(page).click()
    opened.value.get_by_role("button", name="Annuler").click()

    assert seen(page, "cancel") == {"reason": "access_denied"}
    assert page.locator("mag-login [part=actions]").is_hidden()


def test_a_click_with_a_modifier_is_a_link_s(scene):
    page = scene.open(query="modes=popup")
    with scene.browser.expect_page() as opened:
        button(page).click(modifiers=["Control"])

    opened.value.wait_for_url("**/connexion?**")
    assert page.evaluate("seen.some(([name]) => name === 'start')") is False


def test_a_page_framed_by_another_site_sends_the_whole_window(scene):
    page = scene.browser.new_page()
    page.goto(f"{scene.b.origin}/cadre?adresse={scene.a.origin}/?modes=popup")
    page.frame_locator("iframe").locator("mag-login [part=button]").click()

    page.wait_for_url("**/connexion?**")


# ------------------------------------------------------------------------------------------------------------ sign-out seen


def test_a_session_that_ends_at_mag_is_seen_by_the_page(scene):
    session = scene.sign_in(scene.claire)
    page = scene.open(query="modes=popup&stays=1")
    button(page).click()
    seen(page, "success")
    scene.doors.mag.ephemeral.end(f"sid:{session.sid}", lifetime=600)
    page.clock.install()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow'))")
    page.evaluate("new BroadcastChannel('mag-session').postMessage(1)")

    assert seen(page, "logout") is None
    assert page.locator("mag-login [part=status]").inner_text() == "Session terminée."
    assert not page.evaluate("document.querySelector('mag-login').hasAttribute('signed-in')")


def test_an_address_of_another_site_is_not_followed(scene):
    """Neither to start, nor to ask who is signed in, nor at the end."""
    page = scene.open(query=f"start={scene.b.origin}/auth/mag/start&session={scene.b.origin}/auth/mag/session&modes=redirect")

    assert button(page).evaluate("link => link.href").startswith(f"{scene.a.origin}/auth/mag/start")
    assert violations(page) == []
