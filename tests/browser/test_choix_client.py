"""A tiers déclarant of 60,000 clients signs in at a partner and picks one by name, in a real browser; the token is as short as for one."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from idp.database import db
from idp.habilitations import catalogue
from idp.habilitations.choix.models import EtablissementChoisi
from tests.browser.conftest import look_at
from tests.cabinet import name_of, siret_of, un_cabinet
from tests.factories import PASSWORD, SIRET, un_declarant
from tests.protocol.relying import VERIFIER, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
TYPE, CLIENTS = "urn:mag:habilitation", 60_000
NUMBER = 47_120
"""`BOULANGERIE LEFEVRE 47120`."""
LONGEST = 1_200
"""Bytes of a token for one establishment."""


@pytest.fixture
def person(app, wsgi_app):
    """Claire, who declares for her clients."""
    with app.app_context():
        catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()
    return un_declarant(app, email="claire@exemple.fr").id


@pytest.fixture
def portail(wsgi_app):
    """Nothing listens at its address: the answer is read in the address bar."""
    return register(
        wsgi_app,
        "portail",
        client_name="Portail d'essai",
        redirect_uris=["http://portail.localhost:9/retour"],
        scope="openid habilitations:dsn",
        authorization_details_types=[TYPE],
    )


@pytest.fixture
def asked(portail, live_server):
    """The address that the partner sends a browser to."""
    mag = live_server()
    details = json.dumps([{"type": TYPE, "services": ["dsn"]}])
    return f"{mag}/authorize?" + urlencode(portail.request(scope="openid habilitations:dsn", authorization_details=details))


def sign_in(opened):
    for name, text in {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


def answer_of(opened, press) -> dict[str, str]:
    """What the browser is sent back with."""
    with opened.expect_request(lambda request: request.url.startswith("http://portail.localhost:9/retour")) as found:
        press()
    return dict(parse_qsl(urlsplit(found.value.url).query))


def tokens_of(portail, code):
    response = portail.redeem(code, code_verifier=VERIFIER)
    assert response.status_code == 200, response.text
    return response.json


@pytest.mark.parametrize("javascript", [True, False], ids=["JavaScript", "without"])
def test_a_client_among_60_000_is_picked_by_name_and_the_token_is_short(app, wsgi_app, person, portail, asked, page, javascript):
    sirets = un_cabinet(app, person, CLIENTS, wsgi_app.mag.catalogue(), each=2000)
    opened = page(javascript=javascript)
    opened.goto(asked)
    sign_in(opened)
    assert opened.locator("h1").inner_text() == "Pour quel établissement agissez-vous\u00a0?"
    assert "Vous avez beaucoup d'établissements" in opened.content()
    assert len(opened.content()) < 60_000
    opened.fill("#q", "boulangerie Lefèvre 4712")
    opened.press("#q", "Enter")
    opened.get_by_role("heading", name="Établissements trouvés").wait_for()
    if javascript:
        look_at(opened)
    answer = answer_of(opened, lambda: opened.get_by_role("button", name=name_of(NUMBER)).click())
    told = tokens_of(portail, answer["code"])

    assert told["authorization_details"] == [{"type": TYPE, "siret": str(sirets[NUMBER]), "services": {"dsn": "dpc"}}]
    assert len(told["access_token"]) < LONGEST


def test_the_page_in_light_and_dark_wide_and_narrow(app, wsgi_app, person, asked, page):
    un_cabinet(app, person, 40, wsgi_app.mag.catalogue())
    with app.app_context():
        EtablissementChoisi.keep(person, siret_of(3), datetime.now(UTC))
        db.session.commit()
    opened = page()
    opened.goto(asked)
    sign_in(opened)
    opened.get_by_role("heading", name="Vos derniers choix").wait_for()
    look_at(opened, "client")
    opened.fill("#q", "lefe")
    assert "la touche Entrée cherche parmi tous vos établissements" in opened.locator("#filtre").inner_text()
    assert opened.locator(".person:visible").count() == opened.locator(".person:visible", has_text="LEFEVRE").count() > 0
    opened.press("#q", "Enter")
    opened.get_by_role("heading", name="Établissements trouvés").wait_for()
    look_at(opened, "client-cherche")
    opened.fill("#q", "zzz")
    opened.press("#q", "Enter")
    opened.get_by_text("Aucun établissement où vous ayez un droit").wait_for()
    look_at(opened)


def test_by_keyboard_alone(app, wsgi_app, person, asked, page):
    un_cabinet(app, person, 40, wsgi_app.mag.catalogue())
    opened = page()
    opened.goto(asked)
    sign_in(opened)
    opened.locator("#q").wait_for()
    opened.focus("#q")
    opened.keyboard.type("fleuriste lefevre")
    opened.keyboard.press("Enter")
    opened.get_by_role("heading", name="Établissements trouvés").wait_for()
    opened.get_by_role("button", name=name_of(8)).focus()

    assert "code" in answer_of(opened, lambda: opened.keyboard.press("Enter"))


def test_giving_up_tells_the_partner(app, wsgi_app, person, asked, page):
    un_cabinet(app, person, 40, wsgi_app.mag.catalogue())
    opened = page()
    opened.goto(asked)
    sign_in(opened)

    answer = answer_of(opened, lambda: opened.get_by_role("button", name="Annuler et revenir à Portail d'essai").click())
    assert answer["error"] == "access_denied"
