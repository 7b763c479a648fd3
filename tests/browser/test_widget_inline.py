"""The frame of MAG on a partner's page (W1, W2, W9): what people type in it, who may hold it, and what it never lets happen.

Chromium with third-party cookies allowed and blocked: it alone tells a frame whether people see it.
"""

from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import expect

from idp.authentication.session import COOKIE
from idp.database import db
from idp.declarants.models import Declarant
from tests.browser.conftest import look_at
from tests.browser.widget_scene import POLICIES, button, raised, seen, until, violations
from tests.facteurs import with_totp
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant
from widget.releases import releases

pytestmark = pytest.mark.browser
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


@pytest.fixture(scope="module", params=POLICIES)
def stage(request, sqlite_template, tmp_path_factory):
    with raised(sqlite_template, tmp_path_factory.mktemp("inline"), request.param) as found:
        found.claire = un_declarant(found.doors.flask, email="claire@exemple.fr")
        found.allow_frames()
        yield found


@pytest.fixture
def scene(stage):
    stage.begin()
    yield stage
    stage.a.headers = {}


def framed(scene, query="modes=inline&stays=1"):
    """The page, and what its frame holds."""
    page = scene.open(query=query)
    button(page).click()
    return page, page.frame_locator("mag-login iframe")


def type_identity(frame):
    for name, value in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        frame.locator(f"#{name}").fill(value)


def enter(frame):
    expect(frame.locator("#entrer")).to_be_enabled()
    frame.locator("#entrer").click()


@pytest.mark.parametrize("headers", [pytest.param({}, id="W1-inline"), pytest.param(ISOLATED, id="W2-inline")])
def test_a_password_typed_in_the_frame_opens_the_partners_session(scene, headers):
    scene.a.headers = headers
    page, frame = framed(scene)
    type_identity(frame)
    enter(frame)

    assert seen(page, "success") == {"method": "inline", "return_to": "/espace"}
    assert page.locator("mag-login iframe").count() == 0
    assert button(page).is_visible()
    assert violations(page) == []
    page.goto(f"{scene.a.origin}/espace")
    assert page.locator("body").inner_text() == f"Bonjour {PRENOM} {NOM}"
    assert COOKIE not in {one["name"] for one in scene.browser.cookies()}, "no session of MAG in this browser"


def test_the_frame_says_whose_it_is_and_what_axe_knows_is_right(scene):
    page, frame = framed(scene)
    frame.get_by_role("heading", name="Connexion à Portail A").wait_for()
    assert frame.locator(".adresse").inner_text().split() == ["MAG", urlsplit(scene.issuer).netloc]
    assert frame.get_by_text(urlsplit(scene.a.origin).netloc).is_visible()
    assert page.locator("mag-login iframe").get_attribute("title") == "Connexion avec MAG"
    until(page, "document.activeElement.shadowRoot?.activeElement?.tagName === 'IFRAME'")
    until(page, "document.querySelector('mag-login').shadowRoot.querySelector('iframe').clientHeight > 450")
    look_at(page, "widget-cadre")
    page.set_viewport_size({"width": 340, "height": 900})
    until(scrolls := page.frames[-1], "document.documentElement.scrollHeight <= innerHeight")
    assert scrolls.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []


@pytest.mark.parametrize(
    ("query", "typed"),
    [
        pytest.param(f"login-hint={SIRET}", [SIRET, "", ""], id="a-siret"),
        pytest.param("login-hint=356 000 000 00048", ["35600000000048", "", ""], id="of-nobody"),
        pytest.param(f"start=/auth/mag/start?login_hint={SIRET}|{NOM}|{PRENOM}", [SIRET, NOM, PRENOM], id="names"),
        pytest.param("login-hint=732829320", ["", "", ""], id="not-a-siret"),
        pytest.param("start=/auth/mag/start?login_hint=%2522%253E%253Cscript%253E|x|y", ["", "", ""], id="nonsense"),
    ],
)
def test_the_form_is_filled_with_what_the_page_hints(scene, query, typed):
    """As in the other modes, whether or not anybody has that account."""
    page, frame = framed(scene, f"modes=inline&stays=1&{query}")
    frame.locator("#identification").wait_for()

    assert ["".join(frame.locator(f"#{name}").input_value().split()) for name in ("siret", "nom", "prenom")] == typed
    assert violations(page) == []


def test_a_person_whom_the_page_hints_types_the_password_alone(scene):
    page, frame = framed(scene, f"modes=inline&stays=1&start=/auth/mag/start?login_hint={SIRET}|{NOM}|{PRENOM}")
    frame.locator("#password").fill(PASSWORD)
    enter(frame)

    assert seen(page, "success") == {"method": "inline", "return_to": "/espace"}


def test_giving_up_in_the_frame_is_a_cancellation_and_the_button_comes_back(scene):
    page, frame = framed(scene)
    frame.get_by_role("button", name="Annuler").click()

    assert seen(page, "cancel") == {"reason": "access_denied"}
    assert page.locator("mag-login iframe").count() == 0
    until(page, "document.activeElement.shadowRoot?.activeElement?.getAttribute('part') === 'button'")


def test_a_wrong_password_is_said_in_the_frame(scene):
    page, frame = framed(scene)
    type_identity(frame)
    frame.locator("#password").fill("pas le bon mot de passe")
    enter(frame)
    expect(frame.get_by_role("alert")).to_contain_text("Nous n'avons pas pu vous connecter")
    type_identity(frame)
    enter(frame)

    assert seen(page, "success")["method"] == "inline"


def test_what_needs_more_than_a_password_goes_on_in_a_window(scene):
    """The second factor, and so whatever remains: the click in the frame is the page's too, and opens the window."""
    person = un_declarant(scene.doors.flask, prenom=f"Paul {scene.browser.pages.__len__()}", email="paul@exemple.fr")
    with_totp(scene.doors.flask, person)
    with scene.doors.flask.app_context():
        prenom = db.session.get(Declarant, person.id).prenom
    page, frame = framed(scene)
    type_identity(frame)
    frame.locator("#prenom").fill(prenom)
    enter(frame)
    frame.get_by_role("heading", name="Continuez dans une fenêtre de MAG").wait_for()
    with page.expect_event("popup") as opened:
        frame.get_by_role("button", name="Continuer dans une fenêtre").click()

    opened.value.wait_for_url("**/connexion?**")
    assert page.locator("mag-login iframe").count() == 0
    assert page.locator("mag-login [part=status]").inner_text() == "Continuez dans la fenêtre."


def test_a_window_from_the_frame_ends_at_the_partner_and_serves_every_portal(scene):
    page, frame = framed(scene)
    with page.expect_event("popup") as opened:
        frame.get_by_role("button", name="Continuer dans une fenêtre").click()
    opened.value.wait_for_url("**/connexion?**")
    for name, value in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        opened.value.locator(f"[name={name}]").fill(value)
    opened.value.get_by_role("button", name="Se connecter", exact=True).click()

    assert seen(page, "success") == {"method": "popup", "return_to": "/espace"}
    other = scene.open(scene.b, "modes=redirect")
    button(other).click()
    other.wait_for_url(f"{scene.b.origin}/espace")


@pytest.mark.parametrize("fault", ["the registry has no inline", "the page forbids frames", "the page forbids the script"])
def test_where_a_frame_cannot_come_the_next_mode_takes_over(scene, fault):
    """Not registered: MAG's page is held by nobody. Nothing is left on the page."""
    try:
        if fault == "the registry has no inline":
            scene.register()
        else:
            scene.a.headers = {"Content-Security-Policy": f"script-src 'self' {scene.issuer}; frame-src 'none'"}
        if fault == "the page forbids the script":
            scene.a.headers = {"Content-Security-Policy": f"script-src 'self' {scene.issuer}/widget/{releases()[0].version}/mag-login.js"}
        page = scene.open(query="modes=inline redirect")
        button(page).click()
        page.wait_for_url("**/connexion?**")
    finally:
        scene.allow_frames()


# ----------------------------------------------------------------------------------------------------------------------- W9


def address(scene, page=None, **changes):
    """Of a frame, as the element asks it."""
    asked = {
        "client_id": scene.a.name,
        "origine": page or scene.a.origin,
        "response_type": "code",
        "redirect_uri": f"{scene.a.origin}/auth/mag/callback",
        "scope": "openid profile siret",
        "state": "s" * 43,
        "nonce": "n" * 43,
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{scene.issuer}/cadre?{urlencode(asked)}"


def held_by(origin, src, **more):
    """The address of a page of this origin that holds a frame, whatever the element would do."""
    return f"{origin}/cadre?{urlencode({'adresse': src, **more})}"


@contextmanager
def holding(scene, origin, src, **more):
    page = scene.browser.new_page()
    page.set_viewport_size({"width": 900, "height": 1000})
    page.goto(held_by(origin, src, **more))
    yield page
    page.close()


def shown(page):
    """Whether a frame of MAG, at whatever depth, shows its form."""
    page.wait_for_timeout(700)
    return any(one.url.startswith("http") and "/cadre" in one.url and one.locator("#identification").count() for one in page.frames)


def sub_domain(origin):
    """Another origin, under the registered one."""
    return origin.replace("://", "://sous.")


def test_w9_nobody_else_holds_the_frame(scene):
    """Neither another site, nor a sub-domain, nor a page without an origin, nor the client's own page once another site holds it."""
    own, a = address(scene), scene.a.origin
    with holding(scene, a, own) as page:
        assert shown(page), "the client's own page does"
    for origin, src, more in (
        (scene.b.origin, own, {}),
        (sub_domain(a), own, {}),
        (a, held_by(a, own), {"sandbox": "1"}),
        (scene.b.origin, held_by(a, own), {}),
    ):
        with holding(scene, origin, src, **more) as page:
            assert not shown(page), (origin, more)


def test_w9_a_page_that_names_another_origin_is_refused(scene):
    for named in (scene.b.origin, sub_domain(scene.a.origin), "null", "*", scene.a.origin + "/"):
        with holding(scene, scene.a.origin, address(scene, named)) as page:
            assert not shown(page), named


VEIL = "document.body.append(Object.assign(document.createElement('div'), {style: 'position:fixed;inset:0;background:#fff;opacity:%s'}))"
COVERS = {
    "overlay": VEIL % 1,
    "transparent-overlay": VEIL % 0.01,
    "opacity": "document.getElementById('f').style.opacity = .5",
    "transform": "document.getElementById('f').style.transform = 'rotate(3deg)'",
    "filter": "document.getElementById('f').style.filter = 'contrast(.2)'",
    "too-narrow": "document.getElementById('f').style.width = '290px'",
    "too-low": "document.getElementById('f').style.height = '300px'",
}


@pytest.mark.parametrize("cover", [pytest.param(one, id=f"W9-{one}") for one in COVERS])
def test_a_frame_that_people_do_not_see_keeps_its_button_shut(scene, cover):
    with holding(scene, scene.a.origin, address(scene)) as page:
        frame = page.frame_locator("#f")
        expect(frame.locator("#entrer")).to_be_enabled()
        page.evaluate(COVERS[cover])
        expect(frame.locator("#entrer")).to_be_disabled()
        expect(frame.locator("#garde")).to_have_text("Le bouton s'active dès que ce cadre est entièrement visible.")
        frame.locator("#password").press("Enter")
        page.wait_for_timeout(1500)
        expect(frame.locator("#entrer")).to_be_disabled()


def test_w9_clip_path_is_what_remains(scene):
    """IntersectionObserver v2 calls a frame visible that `clip-path` crops: docs/securite.md says so."""
    with holding(scene, scene.a.origin, address(scene)) as page:
        frame = page.frame_locator("#f")
        expect(frame.locator("#entrer")).to_be_enabled()
        page.evaluate("document.getElementById('f').style.clipPath = 'inset(0 0 60% 0)'")
        page.wait_for_timeout(1500)
        assert frame.locator("#entrer").is_enabled(), "if a browser learns to see it, say so in docs/securite.md"


def test_w9_the_button_waits_a_whole_second(scene):
    with holding(scene, scene.a.origin, address(scene)) as page:
        frame = page.frame_locator("#f")
        frame.locator("#identification").wait_for()
        page.evaluate("document.getElementById('f').style.opacity = .5")
        expect(frame.locator("#entrer")).to_be_disabled()
        page.evaluate("document.getElementById('f').style.opacity = ''")
        page.wait_for_timeout(500)
        assert frame.locator("#entrer").is_disabled()
        expect(frame.locator("#entrer")).to_be_enabled()


def test_w9_a_message_that_is_not_of_the_frame_does_nothing(scene):
    """From the page itself, from a window of another site: the origin and the source are looked at."""
    page, frame = framed(scene)
    frame.locator("#identification").wait_for()
    page.evaluate("postMessage({annuler: true}); postMessage({reponse: {code: 'x', state: 'x'}})")
    page.wait_for_timeout(300)

    assert page.locator("mag-login iframe").count() == 1
    assert page.evaluate("seen.map(([name]) => name).filter((name) => name !== 'ready' && name !== 'start')") == []
