"""A person takes back what a service provider of SAML had: it is told by this browser, and what stays open is said."""

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from idp.saml.errors import REQUESTER
from tests import factories
from tests.protocol.conftest import journal  # noqa: F401
from tests.protocol.test_saml_slo import is_out, logout_request, reply, statuses, visit
from tests.saml import SLO, Posted, Site, path_of, redirected, register

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
UNCONFIRMED = "n'a pas confirmé votre déconnexion"
UNTOLD = "n'a pas pu être prévenu"


@pytest.fixture
def here(wsgi_app: Any, client: Client) -> Client:
    """This browser, signed in."""
    factories.un_declarant(wsgi_app.flask)
    factories.se_connecter(client)
    return client


@pytest.fixture
def site(wsgi_app: Any) -> Site:
    register(wsgi_app, found := Site("ici"))
    return found


def withdraw(browser: Client, site: Site) -> TestResponse:
    csrf = factories.csrf_in(browser.get("/autorisations").text)
    return browser.post("/autorisations", data={"csrf": csrf, "client": f"saml:{site.code}"})


def sign_out(browser: Client) -> TestResponse:
    return browser.post("/deconnexion", data={"csrf": factories.csrf_in(browser.get("/").text)})


def onward(page: TestResponse) -> str:
    """Where a page that goes on by itself leads."""
    return unescape(page.text.partition('id="retour"')[2].partition('href="')[2].partition('"')[0])


def message_of(page: TestResponse) -> Any:
    return redirected(TestResponse([], "303", {"Location": onward(page)}, None))  # type: ignore[arg-type]


def shown(browser: Client, answer: TestResponse) -> str:
    """The page to which an answer leads."""
    return unescape(browser.get(answer.headers["Location"]).text)


def test_the_site_is_told_and_the_session_goes_on(here: Client, site: Site, journal: Any) -> None:  # noqa: F811
    opened = visit(here, site)
    left = withdraw(here, site)
    told = message_of(left)

    assert onward(left).startswith(f"{site.host}/saml/slo?SAMLRequest=")
    assert "Votre session MAG reste ouverte." in left.text
    assert told.find("{*}NameID").text == opened.text(".//saml:NameID")
    assert told.find("{*}SessionIndex").text == opened.find(".//saml:AuthnStatement").get("SessionIndex")
    page = shown(here, here.get(reply(site, told)))
    assert "Ce site a confirmé que votre session y est fermée." in page
    assert UNCONFIRMED not in page
    assert "Site ici" not in page
    assert here.get("/compte").status_code == 200
    assert journal("PortalDisconnected")[-1]["client_id"] == "saml:ici"
    assert [(one["client_id"], one["confirmed"]) for one in journal("LogoutSpread")] == [("saml:ici", 1)]
    assert sign_out(here).status_code == 303, "nobody is left to be told"


def test_a_site_told_by_a_form_says_so_too(wsgi_app: Any, here: Client) -> None:
    register(wsgi_app, site := Site("ici"), site.metadata(slo="POST"))
    visit(here, site)
    left = withdraw(here, site)

    assert "Votre session MAG reste ouverte." in unescape(left.text)
    assert f"form-action 'self' {site.host};" in left.headers["Content-Security-Policy"]
    assert "Ce site a confirmé" in shown(here, here.get(reply(site, Posted.of(left).root)))


def test_a_site_that_does_not_confirm_is_named_and_told_again_at_the_sign_out(here: Client, site: Site, journal: Any) -> None:  # noqa: F811
    opened = visit(here, site)
    page = shown(here, here.get(reply(site, message_of(withdraw(here, site)), REQUESTER)))

    assert "Site ici" in page.partition(UNCONFIRMED)[2].partition("</section>")[0]
    assert "Ce site vous redemandera" not in page
    assert journal("LogoutSpread")[-1]["failed"] == 1
    assert message_of(sign_out(here)).find("{*}NameID").text == opened.text(".//saml:NameID")


def test_whoever_does_not_come_back_left_nothing_forgotten(here: Client, site: Site) -> None:
    opened = visit(here, site)
    withdraw(here, site)

    assert "Site ici" in here.get("/autorisations").text
    assert message_of(sign_out(here)).find("{*}NameID").text == opened.text(".//saml:NameID")


def test_a_site_that_says_nowhere_how_it_is_told_is_named_at_once(wsgi_app: Any, here: Client) -> None:
    register(wsgi_app, site := Site("muet"), site.metadata(slo=""))
    visit(here, site)
    page = shown(here, withdraw(here, site))

    assert "Site muet" in page.partition(UNCONFIRMED)[2].partition("</section>")[0]
    assert "C'est retiré, mais une session est peut-être encore ouverte sur ce site." in page


def test_a_site_opened_in_another_browser_is_named_and_that_browser_tells_it(
    wsgi_app: Any,
    here: Client,
    site: Site,
    new_client: Callable[[], Client],
    journal: Any,  # noqa: F811
) -> None:
    factories.se_connecter(away := new_client())
    opened = visit(away, site)
    page = shown(here, withdraw(here, site))

    assert "Site ici" in page.partition(UNTOLD)[2].partition("</section>")[0]
    assert "C'est retiré, mais" in page
    assert [(one["client_id"], one["sessions"]) for one in journal("SiteLeftOpen")] == [("saml:ici", 1)]
    assert message_of(sign_out(away)).find("{*}NameID").text == opened.text(".//saml:NameID")


def test_a_site_may_still_end_the_session_after_the_agreement(here: Client, site: Site, new_client: Callable[[], Client]) -> None:
    factories.se_connecter(away := new_client())
    asked = logout_request(site, visit(away, site))
    withdraw(here, site)

    assert statuses(redirected(away.get(path_of(site.address(asked, to=SLO))))) == ["Success"]
    assert is_out(away)
    assert here.get("/compte").status_code == 200


def test_an_agreement_with_a_site_where_nobody_went_tells_nobody(wsgi_app: Any, here: Client) -> None:
    register(wsgi_app, site := Site("ici"), first_party=False)
    page = here.get(path_of(site.address(site.request())))
    fields = Posted.hidden(page.text)
    here.post("/saml/consentement", data={**fields, "reponse": "accepter"})

    assert "Ce site vous redemandera votre accord" in shown(here, withdraw(here, site))
