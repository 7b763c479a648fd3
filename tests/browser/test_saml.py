"""SAML in a real browser: the answer posted and the sites told under the policy of pages, with and without a script, and how it looks."""

from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from idp.saml.assertion import response
from idp.saml.errors import SUCCESS
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_declarant
from tests.saml import Site, new_id, redirected, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
PORTAL, SILENT = Site("portail"), Site("muet")


@pytest.fixture
def mag(wsgi_app: Any, live_server: Any) -> str:
    """MAG with one person and two sites, of which one says nowhere how it is told of a logout."""
    un_declarant(wsgi_app.flask)
    register(wsgi_app, PORTAL)
    register(wsgi_app, SILENT, SILENT.metadata(slo=""))
    return str(live_server())


def answers(mag: str, posted: list[dict[str, list[str]]]) -> Any:
    """The sites: they note what is posted, and answer a logout."""

    def act(route: Any) -> None:
        address, html = route.request.url, "<!doctype html><html lang='fr'><title>Site</title><h1>Bienvenue</h1></html>"
        if "/saml/slo?SAMLRequest=" in address:
            asked = redirected(TestResponse([], "303", {"Location": address}, None))  # type: ignore[arg-type]
            made = response(
                "samlp:LogoutResponse", new_id(), PORTAL.entity_id, f"{mag}/saml/slo", asked.get("ID", ""), datetime.now(UTC), SUCCESS
            )
            back = PORTAL.address(made, to=f"{mag}/saml/slo", kind="SAMLResponse")
            html = f"<!doctype html><meta http-equiv='refresh' content='0; url={escape(back)}'>"
        elif route.request.method == "POST":
            posted.append(parse_qs(route.request.post_data))
        route.fulfill(status=200, content_type="text/html; charset=utf-8", body=html)

    return act


def sign_in(opened: Any) -> None:
    for field, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}.items():
        opened.fill(f"#{field}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_somebody_signs_in_at_sites_and_signs_out_everywhere(mag: str, page: Any, script: bool) -> None:
    opened, posted = page(javascript=script), list[dict[str, list[str]]]()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for site in (PORTAL, SILENT):
        opened.route(f"{site.host}/**", answers(mag, posted))
    sso = f"{mag}/saml/sso"
    opened.goto(PORTAL.address(PORTAL.request(Destination=sso), "etat", to=sso))
    sign_in(opened)
    if not script:
        opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url(PORTAL.acs)
    opened.goto(SILENT.address(SILENT.request(Destination=sso), to=sso))
    if not script:
        opened.get_by_role("button", name="Continuer").click()
    opened.wait_for_url(SILENT.acs)
    assert [found.get("RelayState") for found in posted] == [["etat"], None]

    opened.goto(f"{mag}/compte/sessions")
    assert "Site portail" in opened.content()
    opened.goto(f"{mag}/autorisations")
    assert opened.get_by_role("heading", name="Site portail").count() == 1
    opened.goto(f"{mag}/")
    opened.locator('form[action$="/deconnexion"] button').first.click()
    opened.wait_for_url("**/deconnexion?*")
    assert opened.get_by_role("heading", name="Site prévenu de votre déconnexion").count() == 1
    assert opened.get_by_role("heading", name="Ce site n'a pas confirmé votre déconnexion").count() == 1
    assert "Site muet" in opened.content()
    assert complaints == []
    if script:
        look_at(opened, "saml-deconnexion")


def test_how_the_page_that_posts_the_answer_looks(mag: str, page: Any) -> None:
    """The script that sends it is held back."""
    opened, sso = page(), f"{mag}/saml/sso"
    opened.route("**/retour.js*", lambda route: route.fulfill(status=200, content_type="text/javascript", body=""))
    opened.goto(PORTAL.address(PORTAL.request(Destination=sso, IsPassive="true"), to=sso))

    assert urlsplit(opened.url).path == "/saml/sso"
    assert opened.get_by_role("button", name="Continuer").is_visible()
    look_at(opened, "saml-envoi")


def test_how_a_site_that_nobody_could_tell_is_named(mag: str, page: Any) -> None:
    """Another browser of the same person opened it."""
    opened, away, sso = page(), page(), f"{mag}/saml/sso"
    away.route(f"{SILENT.host}/**", answers(mag, []))
    away.goto(SILENT.address(SILENT.request(Destination=sso), to=sso))
    sign_in(away)
    away.wait_for_url(SILENT.acs)
    opened.goto(f"{mag}/connexion")
    sign_in(opened)
    opened.wait_for_url(f"{mag}/")
    opened.goto(f"{mag}/compte/sessions")
    assert opened.get_by_text("MAG ne peut pas prévenir d'ici Site muet").is_visible()
    look_at(opened, "saml-sessions")
    opened.get_by_role("button", name="Fermer cette session").click()
    assert opened.get_by_role("heading", name="Ce site n'a pas pu être prévenu").is_visible()
    look_at(opened, "saml-restent")
