"""The page where a developer composes the button: looked at with axe, the button live under MAG's own policy, and without script."""

import pytest

from tests.browser.conftest import look_at

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
CHOSEN = (
    "client=mon-portail&modes=popup&label=continue&lang=en&bg=%23ffee00&fg=%23000000&page=%23111111&focus=%23ffffff"
    "&siret=73282932000074&rayon=12&serveur=php"
)


@pytest.fixture
def mag(app, live_server):
    return live_server()


def test_the_page_is_looked_at(mag, page):
    opened, said = page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(f"{mag}/developpeurs/widget")
    opened.locator("mag-login[client-id]").get_by_role("link", name="Se connecter avec MAG").wait_for()
    look_at(opened, "developpeurs")
    opened.goto(f"{mag}/developpeurs/widget?{CHOSEN}")
    look_at(opened, "developpeurs-choisi")
    opened.goto(f"{mag}/developpeurs/widget?modes=redirect&bg=rouge&siret=1&serveur=node")
    look_at(opened, "developpeurs-erreurs")
    opened.goto(f"{mag}/developpeurs/widget/essai?mode=popup&flow=abc&login_hint=73282932000074")
    look_at(opened, "developpeurs-essai")

    assert said == []


def test_the_button_lives_and_its_events_are_told(mag, page):
    opened = page()
    opened.goto(f"{mag}/developpeurs/widget?modes=popup")
    button = opened.locator("mag-login").get_by_role("link", name="Se connecter avec MAG")
    with opened.expect_popup() as popup:
        button.click()
    popup.value.get_by_role("heading", name="Ici, votre serveur prend la main").wait_for()

    opened.locator("#evenements li").filter(has_text='mag:start {"method":"popup"}').wait_for()


def test_chosen_colours_are_worn(mag, page):
    opened = page()
    opened.goto(f"{mag}/developpeurs/widget?modes=redirect&bg=%23123456&fg=%23ffffff")
    button = opened.locator("mag-login").get_by_role("link", name="Se connecter avec MAG")

    assert button.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(18, 52, 86)"


def test_without_a_script_the_form_composes(mag, page):
    opened = page(javascript=False)
    opened.goto(f"{mag}/developpeurs/widget")
    opened.fill("#client", "mon-portail-2")
    opened.get_by_label("Associer mon identité MAG").check()
    opened.get_by_role("button", name="Composer").click()

    assert 'client-id="mon-portail-2"' in opened.locator("#page-code").inner_text()
    opened.locator("mag-login").get_by_role("link", name="Associer mon identité MAG").click()
    assert opened.url == f"{mag}/developpeurs/widget/essai"
