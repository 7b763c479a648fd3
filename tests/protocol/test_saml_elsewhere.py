"""A session that ends in another browser than its own: sites of SAML hear of logouts from browsers alone, and the pages say so."""

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from tests import factories
from tests.protocol.test_saml_slo import is_out, logout_request, statuses, visit
from tests.saml import SLO, Site, path_of, redirected, register

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
UNTOLD = "n'a pas pu être prévenu"
TOLD = "sont prévenus."
NEW = "un autre mot de passe, long"


@pytest.fixture
def site(wsgi_app: Any) -> Site:
    found = Site("ici")
    register(wsgi_app, found)
    return found


@pytest.fixture
def here(wsgi_app: Any, client: Client, site: Site) -> Client:
    """This browser, signed in, where the site was opened."""
    factories.un_declarant(wsgi_app.flask)
    factories.se_connecter(client)
    return client


@pytest.fixture
def away(wsgi_app: Any, here: Client, new_client: Callable[[], Client]) -> Client:
    """Another browser of the same person, where another site was opened."""
    register(wsgi_app, site := Site("ailleurs"))
    browser = new_client()
    factories.se_connecter(browser)
    visit(browser, site)
    return browser


def post(browser: Client, path: str, page: str = "", **fields: str) -> TestResponse:
    """The page that follows the form."""
    csrf = factories.csrf_in(browser.get(page or path).text)
    done = browser.post(path, data={"csrf": csrf, **fields})
    return browser.get(done.headers["Location"]) if done.status_code == 303 else done


def shown(page: TestResponse) -> str:
    return unescape(page.text)


def session_shown(page: str) -> str:
    return page.partition('name="session" value="')[2].partition('"')[0]


def test_one_session_ended_from_elsewhere_says_which_sites_nobody_told(here: Client, away: Client) -> None:
    page = shown(here.get("/compte/sessions"))
    assert "MAG ne peut pas prévenir d'ici Site ailleurs" in page
    done = shown(post(here, "/compte/sessions", session=session_shown(page)))

    assert UNTOLD in done
    assert "Site ailleurs" in done
    assert TOLD not in done
    assert is_out(away)


def test_sessions_without_such_sites_end_and_everybody_is_told(here: Client, new_client: Callable[[], Client]) -> None:
    factories.se_connecter(new_client())

    assert TOLD in shown(post(here, "/compte/sessions", toutes="1"))
    assert UNTOLD not in shown(here.get("/compte/sessions?fait=une&restent=autre-chose"))


def test_the_sites_of_this_browser_are_told_at_its_sign_out_after_the_other_sessions_ended(here: Client, away: Client, site: Site) -> None:
    """The session is another one since; the site knows the former."""
    opened = visit(here, site)
    index = opened.find(".//saml:AuthnStatement").get("SessionIndex")
    done = shown(post(here, "/compte/sessions", toutes="1"))
    assert UNTOLD in done
    assert "Site ailleurs" in done
    assert "Site ici" not in done.partition(UNTOLD)[2].partition("</section>")[0]

    page = here.post("/deconnexion", data={"csrf": factories.csrf_in(here.get("/").text)})
    address = page.text.partition('id="retour"')[2].partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    told = redirected(TestResponse([], "303", {"Location": address}, None))  # type: ignore[arg-type]
    assert address.startswith(f"{site.host}/saml/slo?SAMLRequest=")
    assert told.find("{*}SessionIndex").text == index  # type: ignore[union-attr]
    assert told.find("{*}NameID").text == opened.text(".//saml:NameID")  # type: ignore[union-attr]


def test_a_site_ends_a_session_that_was_renewed_by_the_name_it_knows(here: Client, site: Site) -> None:
    asked = logout_request(site, visit(here, site))
    post(here, "/compte/mot-de-passe", actuel=factories.PASSWORD, nouveau=NEW, confirmation=NEW)

    assert here.get("/compte").status_code == 200
    assert statuses(redirected(here.get(path_of(site.address(asked, to=SLO))))) == ["Success"]
    assert is_out(here)


def test_a_site_that_signs_in_again_calls_the_renewed_session_by_its_name(here: Client, away: Client, site: Site) -> None:
    before = visit(here, site).find(".//saml:AuthnStatement").get("SessionIndex")
    post(here, "/compte/sessions", toutes="1")
    anew = visit(here, site)

    assert anew.find(".//saml:AuthnStatement").get("SessionIndex") != before
    assert statuses(redirected(here.get(path_of(site.address(logout_request(site, anew), to=SLO))))) == ["Success"]
    assert is_out(here)


def test_signing_out_everywhere_names_the_sites_of_other_browsers(here: Client, away: Client) -> None:
    page = shown(post(here, "/deconnexion", "/", portee="partout"))

    assert "Votre session est fermée" in page
    assert "Site ailleurs" in page.partition(UNTOLD)[2]
    assert is_out(away)


def test_a_new_password_names_the_sites_of_other_browsers(here: Client, away: Client) -> None:
    page = shown(post(here, "/compte/mot-de-passe", actuel=factories.PASSWORD, nouveau=NEW, confirmation=NEW))

    assert "Votre mot de passe est changé" in page
    assert "Site ailleurs" in page.partition(UNTOLD)[2]


def test_closing_an_account_names_the_sites_that_nobody_will_tell(here: Client, away: Client, site: Site) -> None:
    visit(here, site)

    assert "sauf Site ailleurs, Site ici" in shown(here.get("/compte/fermeture"))
