"""FedCM in Chromium with third-party cookies blocked (W7): what the browser shows, what a choice needs, how it fails."""

import pytest

from idp.oidc.models import Consent
from partners.models import OAuthClient
from tests.browser.widget_scene import Chooser, button, raised, seen
from tests.facteurs import code, with_totp
from tests.factories import PASSWORD, PRENOM, SIRET, un_declarant

pytestmark = pytest.mark.browser
OTHER_SIRET = "35600000000048"


@pytest.fixture(scope="module")
def stage(sqlite_template, tmp_path_factory):
    with raised(sqlite_template, tmp_path_factory.mktemp("widget"), "3pc-blocked") as found:
        app = found.doors.flask
        found.claire = un_declarant(app, email="claire@exemple.fr")
        found.ailleurs = un_declarant(app, siret=OTHER_SIRET)
        yield found


@pytest.fixture
def scene(stage):
    stage.begin()
    return stage


def opened(scene, query="modes=fedcm&stays=1", **options):
    page = scene.open(options.pop("site", None), query, **options)
    return page, Chooser(page)


def in_window(scene, page, act):
    """What happens in the window that the browser opens when `act` is done."""
    with scene.browser.expect_page(predicate=lambda found: found is not page) as found:
        act()
    return found.value


def type_identity(window, siret=SIRET):
    window.locator("[name=siret]").fill(siret)
    window.locator("[name=nom]").fill("Lefèvre")
    window.locator("[name=prenom]").fill(PRENOM)
    window.locator("[name=password]").fill(PASSWORD)
    window.get_by_role("button", name="Se connecter", exact=True).click()


def test_w7_two_sirets_are_listed_and_hints_filter_them(scene):
    scene.sign_in(scene.claire, scene.ailleurs)
    page, chooser = opened(scene)
    button(page).click()
    shown = chooser.wait()
    chooser.close(shown)

    assert [one["email"] for one in shown["accounts"]] == ["732 829 320 00074", "356 000 000 00048"]
    assert [one["name"] for one in shown["accounts"]] == ["Claire Lefèvre"] * 2
    assert seen(page, "cancel") == {"reason": "dismissed"}
    for hint in (f"login-hint={OTHER_SIRET}", "domain-hint=356 000 000"):
        page, chooser = opened(scene, f"modes=fedcm&{hint}")
        button(page).click()
        shown = chooser.wait()
        chooser.close(shown)
        assert [one["email"] for one in shown["accounts"] if not one.get("isFilteredOut")] == ["356 000 000 00048"], hint


def test_w7_a_choice_that_is_dismissed_leaves_the_page_as_it_was(scene):
    scene.sign_in(scene.claire, scene.ailleurs)
    page, chooser = opened(scene)
    button(page).click()
    shown = chooser.wait()
    chooser.close(shown)

    assert seen(page, "cancel") == {"reason": "dismissed"}
    assert page.url.startswith(scene.a.origin)
    assert page.locator("mag-login [part=status]").inner_text() == ""


def test_w7_who_is_signed_out_signs_in_in_the_browser_s_window(scene):
    page, chooser = opened(scene)
    window = in_window(scene, page, button(page).click)
    window.wait_for_url("**/connexion?**")
    type_identity(window)
    chooser.pass_by()

    assert seen(page, "success") == {"method": "fedcm", "return_to": "/espace"}


def test_w7_a_session_that_was_lost_leads_to_the_sign_in_too(scene):
    session = scene.sign_in(scene.claire)
    scene.doors.mag.ephemeral.end(f"sid:{session.sid}", lifetime=600)
    page, chooser = opened(scene)
    window = in_window(scene, page, button(page).click)
    window.wait_for_url("**/connexion?**")
    type_identity(window)
    chooser.pass_by()

    assert seen(page, "success")["method"] == "fedcm"


def test_w7_another_account_goes_on_in_a_window(scene):
    scene.sign_in(scene.claire, scene.ailleurs)
    page, chooser = opened(scene)
    button(page).click()
    shown = chooser.wait()
    window = in_window(scene, page, lambda: chooser.take(shown, 1))
    window.wait_for_url("**/connexion?**")
    assert window.locator("[name=siret]").input_value() == "356 000 000 00048"
    window.locator("[name=password]").fill(PASSWORD)
    window.get_by_role("button", name="Se connecter", exact=True).click()

    assert seen(page, "success")["method"] == "fedcm"


def test_w7_a_second_factor_goes_on_in_a_window(scene):
    person = un_declarant(scene.doors.flask, prenom="Paul", email="paul@exemple.fr")
    scene.sign_in(person)
    secret = with_totp(scene.doors.flask, person)
    scene.register(default_acr_values=["eidas1-mfa"])
    try:
        page, chooser = opened(scene)
        button(page).click()
        shown = chooser.wait()
        window = in_window(scene, page, lambda: chooser.take(shown, 0))
        window.wait_for_url("**/connexion/second-facteur?**")
        window.locator("[name=code]").fill(code(secret))
        window.locator("button[type=submit]").first.click()
        assert seen(page, "success")["method"] == "fedcm"
    finally:
        scene.register()


@pytest.mark.parametrize("agreed", [False, True])
def test_w7_a_first_link_goes_on_in_a_window(scene, agreed):
    scene.sign_in(scene.claire, scene.ailleurs)
    scene.register(first_party=False)
    try:
        page, chooser = opened(scene)
        button(page).click()
        shown = chooser.wait()
        window = in_window(scene, page, lambda: chooser.take(shown, 0))
        window.locator(f"[name=reponse][value={'accepter' if agreed else 'refuser'}]").click()
        if agreed:
            assert seen(page, "success")["method"] == "fedcm"
        else:
            assert seen(page, "cancel") == {"reason": "dismissed"}
    finally:
        scene.register()
        with scene.doors.flask.app_context():
            from idp.database import db

            Consent.forget_client(scene.a.name)
            assert db.session.get(OAuthClient, scene.a.name) is not None
            db.session.commit()


@pytest.mark.parametrize(
    ("change", "error"), [({"widget_modes": ["redirect"]}, "unauthorized_client"), ({"scope": "openid"}, "invalid_scope")]
)
def test_w7_an_error_of_mag_is_told_to_the_page_with_its_trace(scene, change, error):
    scene.sign_in(scene.claire, scene.ailleurs)
    scene.register(**change)
    try:
        page, chooser = opened(scene)
        button(page).click()
        chooser.select()
        chooser.read_error()
        told = seen(page, "error")
    finally:
        scene.register()

    if error == "invalid_scope":
        assert told["error"] == error
        assert len(told["correlation_id"]) == 16
    else:  # the page is not known to be the client's: the browser says no more
        assert told["error"] == "server_error"
    assert page.locator("mag-login [part=status]").inner_text() == "La connexion a échoué. Réessayez."


def test_w7_the_page_of_another_site_gets_nothing(scene):
    scene.sign_in(scene.claire, scene.ailleurs)
    page, chooser = opened(scene, f"modes=fedcm&client-id={scene.a.name}", site=scene.b)
    button(page).click()
    chooser.select()
    chooser.read_error()

    assert seen(page, "error")["error"] == "server_error"
    assert page.evaluate("seen.some(([name]) => name === 'success')") is False


IMPATIENT = "const timeout = AbortSignal.timeout; AbortSignal.timeout = (ms) => timeout.call(AbortSignal, Math.min(ms, 9000));"


def test_w7_a_window_left_alone_ends_by_time(scene):
    """Closing it tells the page nothing: the wait is bounded all the same."""
    scene.sign_in(scene.claire, scene.ailleurs)
    page, chooser = opened(scene, before=IMPATIENT)
    button(page).click()
    shown = chooser.wait()
    window = in_window(scene, page, lambda: chooser.take(shown, 1))
    window.close()

    assert seen(page, "cancel")["reason"] in ("timeout", "dismissed")
    button(page).click()
    assert chooser.wait()["accounts"]


def test_w7_a_passive_request_never_blocks_a_click(scene):
    """`auto` asks in the background; the click ends it and shows the chooser at once."""
    scene.sign_in(scene.claire, scene.ailleurs)
    page, chooser = opened(scene, "modes=fedcm&auto&stays=1", auto=True)
    button(page).click()
    chooser.pass_by()

    assert seen(page, "success") == {"method": "fedcm", "return_to": "/espace"}
    assert page.evaluate("seen.filter(([name]) => name === 'error' || name === 'cancel').length") == 0


def test_w7_a_window_of_the_browser_forbidden_by_the_page_gives_way_to_a_redirect(scene):
    scene.sign_in(scene.claire)
    scene.a.headers = {"Permissions-Policy": "identity-credentials-get=()"}
    try:
        page, _ = opened(scene, "modes=fedcm redirect")
        button(page).click()
        page.wait_for_url("**/espace")
    finally:
        scene.a.headers = {}
