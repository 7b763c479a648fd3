"""The mire as a person meets it: keyboard, paste, no script, light and dark, from 320 pixels up."""

import pytest

from idp.authentication.throttle import BLOCK_FAILURES
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_declarant

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


@pytest.fixture
def mag(app, live_server):
    """MAG with one person, at its address."""
    un_declarant(app, email="claire@exemple.fr")
    return live_server()


@pytest.fixture
def complaints():
    """What the page's console says: a broken policy shows here."""
    return []


@pytest.fixture
def mire(mag, page, complaints):
    """A page on the mire, in a browser of its own."""

    def visit(path="/connexion", **options):
        opened = page(**options)
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(mag + path)
        return opened

    return visit


def sign_in(opened, password=PASSWORD, **typed):
    for name, text in ({"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire", "password": password} | typed).items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


def test_signing_in_by_the_keyboard_alone(mire, complaints):
    opened = mire()
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Aller au contenu"
    for stop in ("brand", "siret"):
        opened.keyboard.press("Tab")
        assert stop in opened.evaluate("document.activeElement.id + document.activeElement.className")
    for text in ("732 829 320 00074", "lefevre", "claire", PASSWORD):
        opened.keyboard.type(text)
        opened.keyboard.press("Tab")
    opened.locator("#password").press("Enter")
    opened.wait_for_url("**/")

    assert opened.locator("h1").inner_text() == "Bonjour Claire"
    assert complaints == []


def test_signing_in_without_javascript(mire):
    opened = mire(javascript=False)
    assert not opened.locator("#voir").is_visible()
    sign_in(opened, siret="SIRET : 732.829.320.00074")
    opened.wait_for_url("**/")

    assert "732 829 320 00074" in opened.locator("main").inner_text()


@pytest.mark.parametrize(
    ("pasted", "shown", "said"),
    [
        ("SIRET : 732.829.320.00074", "732 829 320 00074", "14 chiffres"),
        ("732\u00a0829\u202f320\u00a000074", "732 829 320 00074", "14 chiffres"),
        ("７３２８２９３２０", "732 829 320", "SIREN"),
        ("7328293200007499", "732 829 320 0007499", "16 chiffres sur 14"),
        ("abc", "", ""),
    ],
)
def test_what_is_pasted_is_regrouped_and_counted(mire, pasted, shown, said):
    opened = mire()
    opened.locator("#siret").focus()
    opened.keyboard.insert_text(pasted)

    assert opened.input_value("#siret") == shown
    assert said in opened.locator("#siret-compte").inner_text()


def test_correcting_a_digit_keeps_the_caret(mire):
    opened = mire()
    opened.fill("#siret", "73282932000074")
    opened.evaluate("document.getElementById('siret').setSelectionRange(5, 5)")
    opened.keyboard.press("Backspace")
    opened.keyboard.type("8")

    assert opened.input_value("#siret") == "732 829 320 00074"
    assert opened.evaluate("document.getElementById('siret').selectionStart") == 5


def test_a_password_is_shown_on_request_and_hidden_when_sent(mire):
    opened = mire()
    opened.fill("#password", "visible")
    button = opened.locator("#voir")
    button.click()
    assert (opened.get_attribute("#password", "type"), button.get_attribute("aria-pressed")) == ("text", "true")
    assert button.inner_text().startswith("Masquer")
    button.click()

    assert (opened.get_attribute("#password", "type"), button.get_attribute("aria-pressed")) == ("password", "false")


def test_capitals_are_said(mire):
    opened = mire()
    opened.locator("#password").focus()
    opened.evaluate("""document.getElementById('password').dispatchEvent(
        new KeyboardEvent('keydown', {key: 'A', modifierCapsLock: true, bubbles: true}))""")

    assert "majuscules" in opened.locator("#majuscules").inner_text()


def test_password_managers_keep_one_user_name(mire):
    opened = mire()
    opened.fill("#siret", "732 829 320 00074")
    opened.fill("#nom", "Lefèvre")
    opened.fill("#prenom", "Claire")
    kept = opened.input_value("#identifiant")
    opened.reload()
    opened.evaluate(
        """value => { const field = document.getElementById('identifiant'); field.value = value;
        field.dispatchEvent(new Event('change')); }""",
        kept,
    )

    assert kept == "73282932000074|Lefèvre|Claire"
    assert [opened.input_value(f"#{name}") for name in ("siret", "nom", "prenom")] == ["732 829 320 00074", "Lefèvre", "Claire"]


def test_a_refusal_is_announced_focused_and_keeps_the_identity(mire):
    opened = mire()
    sign_in(opened, password="mauvais")
    opened.get_by_role("alert").wait_for()

    assert opened.evaluate("document.activeElement.id") == "erreurs"
    assert opened.title().startswith("Connexion")
    assert opened.input_value("#nom") == "LEFEVRE"
    assert opened.input_value("#password") == ""


def test_each_error_leads_to_its_field(mire):
    opened = mire()
    sign_in(opened, siret="732", nom="")
    opened.get_by_role("alert").get_by_role("link").first.click()

    assert opened.evaluate("document.activeElement.id") == "siret"
    assert opened.get_attribute("#siret", "aria-invalid") == "true"
    assert "siret-erreur" in opened.get_attribute("#siret", "aria-describedby")


def test_a_proof_of_work_is_done_by_the_browser(mag, mire, complaints):
    guest = mire()
    for n in range(BLOCK_FAILURES + 1):
        sign_in(guest, nom=f"Personne {'x' * n}", password="mauvais")
        guest.get_by_role("alert").wait_for()
    opened = mire()
    sign_in(opened)
    opened.get_by_text("Vérification automatique terminée").wait_for()
    opened.fill("#password", PASSWORD)
    opened.get_by_role("button", name="Se connecter", exact=True).click()
    opened.wait_for_url("**/")

    assert [c for c in complaints if "422" not in c] == []


def test_pages_are_accessible_and_never_scroll_sideways(mire):
    opened = mire()
    origin = opened.url.removesuffix("/connexion")
    check(opened)
    sign_in(opened, siret="732", nom="")
    opened.get_by_role("alert").wait_for()
    check(opened)
    sign_in(opened, password="mauvais")
    opened.get_by_text("La connexion n'a pas abouti").wait_for()
    check(opened)
    opened.check("[name=memoriser]")
    sign_in(opened)
    opened.wait_for_url("**/")
    check(opened)
    for path in ("/connexion", "/connexion?identite=0", "/connexion/choix", "/aide", "/accessibilite", "/nulle-part"):
        opened.goto(origin + path)
        check(opened)


def check(opened):
    look_at(opened)
    assert opened.title().endswith(" — MAG"), "the page comes first in its title"


@pytest.mark.parametrize("width", [320, 1280])
def test_primary_targets_are_44_pixels_high(mire, width):
    opened = mire(viewport={"width": width, "height": 800})

    for target in opened.locator("#identification input:visible:not([type=checkbox], .unseen), .button:visible").all():
        assert target.bounding_box()["height"] >= 44
