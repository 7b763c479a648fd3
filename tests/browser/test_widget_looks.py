"""The button as people meet it: words in two languages (W12), the keyboard, screen readers, contrast and width (W11)."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults

from tests.browser.conftest import LOOKS, RULES, look_at
from tests.browser.widget_scene import LINK, button, raised, seen
from widget.releases import releases

pytestmark = pytest.mark.browser
WORDS = {
    "fr": {
        "signin": "Se connecter avec MAG",
        "continue": "Continuer avec MAG",
        "link": "Associer mon identité MAG",
        "help": "Qu’est-ce que MAG ?",
    },
    "en": {"signin": "Sign in with MAG", "continue": "Continue with MAG", "link": "Link my MAG identity", "help": "What is MAG?"},
}


@pytest.fixture(scope="module")
def stage(sqlite_template, tmp_path_factory):
    with raised(sqlite_template, tmp_path_factory.mktemp("widget"), "3pc-blocked") as found:
        yield found


@pytest.fixture
def scene(stage):
    stage.begin()
    return stage


def said(page):
    return [page.locator(f"mag-login [part={part}]").inner_text() for part in ("label", "help")]


def test_w12_the_words_follow_the_language_of_the_page_and_then_of_the_element(scene):
    page = scene.open()
    assert said(page) == [WORDS["fr"]["signin"], WORDS["fr"]["help"]]
    page.evaluate("document.documentElement.lang = 'en-GB'")
    assert said(page) == [WORDS["en"]["signin"], WORDS["en"]["help"]]
    page.evaluate("document.querySelector('mag-login').lang = 'fr-CA'")
    assert said(page) == [WORDS["fr"]["signin"], WORDS["fr"]["help"]]
    page.evaluate("document.querySelector('mag-login').lang = 'de'")
    assert said(page)[0] == WORDS["fr"]["signin"]
    for lang in ("en", "fr"):
        page.evaluate("lang => { document.querySelector('mag-login').lang = lang }", lang)
        for label in ("continue", "link", "signin"):
            page.evaluate("label => document.querySelector('mag-login').setAttribute('label', label)", label)
            assert said(page)[0] == WORDS[lang][label]
    page.evaluate("document.querySelector('mag-login').setAttribute('label', 'Gagnez un cadeau')")
    assert said(page)[0] == WORDS["fr"]["signin"]


def test_w11_the_page_has_no_fault_that_axe_knows(scene):
    page = scene.open(query="modes=popup&elements=2")
    with page.expect_event("popup"):
        button(page).click()
    look_at(page, "widget")
    page.emulate_media(forced_colors="active")
    page.evaluate(AXE_SCRIPT)
    for _, width in LOOKS[:2]:
        page.set_viewport_size({"width": width, "height": 900})
        found = AxeResults(page.evaluate("options => axe.run(document, options)", RULES))
        assert found.violations_count == 0, found.generate_report()
    assert (
        page.evaluate("getComputedStyle(document.querySelector('mag-login').shadowRoot.querySelector('a')).borderTopColor")
        != "rgba(0, 0, 0, 0)"
    )
    page.emulate_media(forced_colors="none")
    page.set_viewport_size({"width": 640, "height": 450})  # 200 % of 1280
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_w11_a_screen_reader_hears_a_link_a_status_and_what_may_be_done(scene):
    page = scene.open(query="modes=popup")

    assert page.locator("mag-login").aria_snapshot().splitlines()[0].strip().startswith('- link "Se connecter avec MAG"')
    with page.expect_event("popup"):
        button(page).click()
    told = page.locator("mag-login").aria_snapshot()
    assert "- status: Continuez dans la fenêtre." in told
    assert '- button "Rouvrir la fenêtre"' in told
    assert '- button "Continuer dans cette page"' in told
    assert '- link "Qu’est-ce que MAG' in told


def test_w11_the_keyboard_alone_is_enough(scene):
    page = scene.open(query="modes=popup")
    focused = "document.activeElement.shadowRoot?.activeElement?.getAttribute('part')"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "button"
    outline = page.evaluate("getComputedStyle(document.querySelector('mag-login').shadowRoot.activeElement).outlineStyle")
    assert outline == "solid"
    with page.expect_event("popup"):
        page.keyboard.press("Enter")
    order = []
    page.bring_to_front()
    for _ in range(3):
        page.keyboard.press("Tab")
        order.append(page.evaluate(focused))
    assert order == ["action", "action", "help"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/qu-est-ce-que-mag")


def test_w11_a_focus_on_the_link_of_before_moves_to_the_button(scene):
    """The page was read before the script came."""
    page = scene.browser.new_page()
    page.add_init_script("addEventListener('DOMContentLoaded', () => {});")
    page.goto(f"{scene.a.origin}/vide")
    page.evaluate(
        "link => { document.body.innerHTML = `<mag-login client-id=x>${link}</mag-login>`; document.querySelector('a').focus(); }", LINK
    )
    assert page.evaluate("document.activeElement.tagName") == "A"
    page.evaluate("address => import(address)", f"{scene.issuer}/widget/{releases()[0].version}/mag-login.js")

    assert page.evaluate("document.activeElement.shadowRoot.activeElement.getAttribute('part')") == "button"


def test_targets_are_large_and_colours_are_the_partner_s(scene):
    page = scene.open()
    assert button(page).bounding_box()["height"] >= 42
    assert page.locator("mag-login [part=help]").bounding_box()["height"] >= 24
    sheet = "mag-login { --mag-bg: rgb(1, 2, 3); --mag-fg: #fff; --mag-radius: 0px } mag-login::part(label) { font-style: italic }"
    page.evaluate("text => { const sheet = new CSSStyleSheet(); sheet.replaceSync(text); document.adoptedStyleSheets = [sheet]; }", sheet)
    style = "name => getComputedStyle(document.querySelector('mag-login').shadowRoot.querySelector('a')).getPropertyValue(name)"
    assert page.evaluate(style, "background-color") == "rgb(1, 2, 3)"
    assert page.evaluate(style, "border-radius") == "0px"
    assert page.evaluate("getComputedStyle(document.querySelector('mag-login').shadowRoot.querySelector('span')).fontStyle") == "italic"
    page.evaluate("document.querySelector('mag-login').hidden = true")
    assert page.locator("mag-login").is_hidden()
    assert seen(page, "ready") is None


@pytest.mark.parametrize("path", ["/qu-est-ce-que-mag", "/fedcm/aide?erreur=access_denied&trace=0123456789abcdef", "/fedcm/fini"])
def test_pages_around_the_button_are_looked_at(scene, path):
    page = scene.browser.new_page()
    page.goto(scene.issuer + path)

    look_at(page, "widget-" + path.strip("/").partition("?")[0].replace("/", "-"))
