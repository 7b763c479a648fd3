"""Second factors as people meet them: an application from its drawing to its loss, with and without script; every page looked at."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.authentication.factors import losses
from idp.authentication.factors.models import Passkey, PasskeyIdentity
from idp.database import db
from idp.declarants.models import Declarant
from tests.browser.conftest import look_at
from tests.facteurs import code, letters, link_in, with_codes, with_totp
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


@pytest.fixture
def claire(app):
    return un_declarant(app, email="claire@exemple.fr")


@pytest.fixture
def mag(claire, live_server):
    return live_server()


def sign_in(opened, mag, prenom="Claire"):
    opened.goto(f"{mag}/connexion")
    for name, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": prenom, "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()
    opened.wait_for_load_state()


def sign_out(opened, mag):
    opened.goto(f"{mag}/")
    opened.get_by_role("button", name="Me déconnecter", exact=True).click()
    opened.wait_for_load_state()


def send_code(opened, typed, button="Continuer", field="#code"):
    opened.fill(field, typed)
    opened.get_by_role("button", name=button).click()
    opened.wait_for_load_state()


def set_up(opened, mag):
    """An application, by the key that the page writes out; its secret, and the recovery codes."""
    opened.goto(f"{mag}/compte/securite")
    opened.get_by_role("link", name="Activer une application").click()
    assert opened.locator(".qr-frame svg").bounding_box()["width"] > 150
    secret = re.sub(r"\s", "", opened.locator("code.key").inner_text())
    send_code(opened, code(secret, -1), "Activer")
    codes = opened.locator("ol.codes code").all_inner_texts()
    opened.get_by_role("link", name="J'ai gardé mes codes, continuer").click()
    return secret, codes


@pytest.mark.parametrize("javascript", [True, False])
def test_an_application_from_its_drawing_to_its_loss(app, mag, page, javascript):
    opened = page(javascript=javascript)
    sign_in(opened, mag)
    secret, codes = set_up(opened, mag)
    assert "Votre application de codes est active" in opened.locator("main").inner_text()
    assert len(codes) == 10
    sign_out(opened, mag)
    sign_in(opened, mag)
    send_code(opened, "000 000")
    assert "n'est pas le bon" in opened.get_by_role("alert").inner_text()
    send_code(opened, code(secret))
    assert "un code de votre application" in opened.locator("section[aria-labelledby=session]").inner_text()
    sign_out(opened, mag)
    sign_in(opened, mag)
    opened.get_by_role("link", name="Utiliser un code de secours").click()
    send_code(opened, codes[0], "Utiliser ce code", "#secours")
    assert "un code de secours" in opened.locator("section[aria-labelledby=session]").inner_text()
    sign_out(opened, mag)
    sign_in(opened, mag)
    opened.get_by_role("button", name="J'ai perdu mon second facteur").click()
    opened.get_by_role("button", name="Demander le retrait").click()
    assert "Votre demande est enregistrée" in opened.locator("h1").inner_text()
    (mail,) = letters(app, "facteur_perdu")
    opened.goto(mag + link_in(mail, "/annuler/"))
    opened.get_by_role("button", name="Annuler la demande").click()
    assert opened.locator("h1").inner_text() == "Demande annulée"
    sign_in(opened, mag)
    assert opened.get_by_role("button", name="J'ai perdu mon second facteur").is_visible()


def test_a_lost_factor_goes_when_its_time_has_come(app, mag, claire, page):
    with_totp(app, claire)
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=73)), app.app_context():
        losses.ask(app.extensions["mag"].settings, db.session.get_one(Declarant, claire.id), datetime.now(UTC))
        db.session.commit()
    opened = page()
    sign_in(opened, mag)
    opened.locator("form[action$=perdu] button").click()
    opened.wait_for_url(f"{mag}/")

    assert "Aucun" in opened.locator("section[aria-labelledby=securite]").inner_text()


def test_codes_are_copied_on_request(mag, page):
    opened = page(permissions=["clipboard-read", "clipboard-write"])
    sign_in(opened, mag)
    opened.goto(f"{mag}/compte/securite/application")
    secret = re.sub(r"\s", "", opened.locator("code.key").inner_text())
    send_code(opened, code(secret), "Activer")
    opened.get_by_role("button", name="Copier").click()
    opened.get_by_text("Les codes sont copiés").wait_for()

    assert opened.evaluate("navigator.clipboard.readText()").split("\n") == opened.locator("ol.codes code").all_inner_texts()


# ------------------------------------------------------------------------------------------------------------ looking at pages


def give_a_key(app, declarant):
    with app.app_context():
        now = datetime.now(UTC)
        key = Passkey(credential_id="cle", user_handle="", public_key=b"x", sign_count=0, transports="internal", aaguid="")
        key.discoverable = key.backup_eligible = key.backed_up = True
        key.created_at = key.used_at = now
        db.session.add(key)
        db.session.flush()
        db.session.add(PasskeyIdentity(passkey_id=key.id, declarant_id=declarant.id, name="Ordinateur du bureau", added_at=now))
        db.session.commit()


@pytest.fixture
def looking(page):
    """`looking()`: a page, and how to look at it under a name."""

    def begin(**options):
        opened = page(**options)
        return opened, lambda name: look_at(opened, name)

    return begin


def test_pages_of_security_are_accessible(app, mag, claire, looking):
    opened, look = looking()
    sign_in(opened, mag)
    opened.goto(f"{mag}/compte/securite")
    look("securite-rien")
    for name in ("application", "cles", "cles?lier=1", "appareils"):
        opened.goto(f"{mag}/compte/securite/{name}")
        look(f"securite-{name.partition('?')[2] or name}")
    opened.goto(f"{mag}/compte/securite/application")
    send_code(opened, "000000", "Activer")
    look("application-refus")
    secret = re.sub(r"\s", "", opened.locator("code.key").inner_text())
    send_code(opened, code(secret), "Activer")
    look("codes")
    give_a_key(app, claire)
    opened.get_by_role("link", name="J'ai gardé mes codes, continuer").click()
    look("securite-tout")
    opened.goto(f"{mag}/compte/securite/codes")
    look("nouveaux-codes")
    opened.goto(f"{mag}/")
    look("accueil")


def test_pages_of_a_sign_in_are_accessible(app, mag, claire, looking):
    secret = with_totp(app, claire)
    with_codes(app, claire)
    give_a_key(app, claire)
    opened, look = looking()
    sign_in(opened, mag)
    look("second-facteur")
    send_code(opened, "000000")
    look("second-facteur-refus")
    opened.get_by_role("link", name="Utiliser un code de secours").click()
    look("second-facteur-secours")
    opened.get_by_role("button", name="J'ai perdu mon second facteur").click()
    look("perdu")
    opened.get_by_role("button", name="Demander le retrait").click()
    look("perdu-demande")
    (mail,) = letters(app, "facteur_perdu")
    opened.goto(mag + link_in(mail, "/annuler/"))
    look("annuler")
    sign_in(opened, mag)
    look("second-facteur-attente")
    send_code(opened, code(secret))
    opened.goto(mag + link_in(mail, "/annuler/"))
    look("annuler-mort")


def test_pages_of_an_agreement_are_accessible(app, mag, looking):
    paul = un_administrateur(app, prenom="Paul", email="paul@exemple.fr")
    with_totp(app, paul)
    un_administrateur(app, prenom="Zoé", email="zoe@exemple.fr")
    with app.app_context():
        losses.ask(app.extensions["mag"].settings, db.session.get_one(Declarant, paul.id), datetime.now(UTC))
        db.session.commit()
    opened, look = looking()
    sign_in(opened, mag, "Zoé")
    opened.goto(f"{mag}/compte/securite")
    look("securite-accord")
    opened.get_by_role("link", name="attend votre accord").click()
    look("accords")
    opened.get_by_role("button", name="Donner mon accord").click()
    look("accords-fait")


def test_pages_of_a_denial_and_of_a_locked_password_are_accessible(app, mag, claire, looking):
    opened, look = looking()
    sign_in(opened, mag)
    opened.context.clear_cookies()
    sign_in(opened, mag)
    (mail,) = letters(app, "nouvel_appareil")
    opened.goto(mag + link_in(mail, "/desaveu/"))
    look("desaveu")
    opened.get_by_role("button", name="Ce n'était pas moi").click()
    look("desaveu-fait")
    secret = with_totp(app, claire)
    sign_in(opened, mag)
    send_code(opened, code(secret))
    look("mot-de-passe-etape")


def test_the_step_that_asks_for_a_factor_is_accessible(app, mag, looking):
    result = app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", "tous", "--delai", "10"])
    assert result.exit_code == 0
    opened, look = looking()
    sign_in(opened, mag)
    look("protection")
