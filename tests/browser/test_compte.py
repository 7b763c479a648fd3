"""« Mon compte », home and authorisations as people meet them: keyboard, no script, light and dark, from 320 pixels up."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.notifications.models import Mail
from idp.oidc.client import JWT_BEARER
from idp.oidc.models import Consent, RefreshFamily
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.test_radiation import give
from tests.parcours import un_etablissement
from tests.protocol.relying import register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
EMAIL, OTHER, NEW = "claire-alexandrine.lefevre-dupont@ateliers-du-pont-de-toulouse.fr", "c.lefevre@autre.fr", "trois poules sur un mur"
PAGES = {
    "accueil": "/",
    "apercu": "/compte",
    "coordonnees": "/compte/coordonnees",
    "adresse": "/compte/adresse",
    "adresse-envoyee": "/compte/adresse/envoyee",
    "mot-de-passe": "/compte/mot-de-passe",
    "sessions": "/compte/sessions",
    "historique": "/compte/historique",
    "donnees": "/compte/donnees",
    "fermeture": "/compte/fermeture",
    "autorisations": "/autorisations",
    "securite": "/compte/securite",
    "appareil": "/device",
    "demandes": "/demandes",
}
FORMS = {"coordonnees": "Enregistrer", "adresse": "Recevoir le lien", "mot-de-passe": "Changer", "fermeture": "Fermer"}
"""Sent as they are, each of them is shown again."""


@pytest.fixture
def claire(app, wsgi_app):
    """Somebody with a right, an address, an agreement, and a colleague who administers."""
    un_etablissement(app)
    un_administrateur(app, nom="Martin", prenom="Odile", email="odile@exemple.fr")
    person = un_declarant(app, email=EMAIL, email_verified=True, email_verified_at=datetime.now(UTC), telephone="+33 1 42 68 53 00")
    register(wsgi_app, "portail", client_name="Portail des cotisations")
    with app.app_context():
        refresh(parse(shipped()), datetime.now(UTC))
        agreed = Consent(declarant_id=person.id, client_id="portail", scope="openid profile siret", given_at=datetime.now(UTC))
        db.session.add(agreed)
        db.session.commit()
    give(app, person.id, int(SIRET))
    return person


@pytest.fixture
def mag(claire, live_server):
    return live_server()


@pytest.fixture
def signed_in(mag, page):
    """`signed_in(path, **options)`: Claire's browser, on that page."""

    def visit(path="/compte", **options):
        opened = page(**options)
        sign_in(opened, mag)
        opened.goto(mag + path)
        return opened

    return visit


def sign_in(opened, mag, password=PASSWORD):
    opened.goto(f"{mag}/connexion")
    for name, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": password}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()
    opened.wait_for_url(f"{mag}/")


def main(opened):
    return opened.locator("main").inner_text()


def link(app, kind):
    """The path of the last link that was mailed."""
    with app.app_context():
        body = db.session.query(Mail).filter_by(kind=kind).order_by(Mail.id.desc()).first().body
    return re.search(r"/compte/adresse/\S+", body)[0]


def test_every_page_of_the_account_is_looked_at(app, claire, mag, signed_in):
    complaints = []
    opened = signed_in("/")
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for name, path in PAGES.items():
        opened.goto(mag + path)
        look_at(opened, name)
    assert complaints == []
    for name, button in {
        "coordonnees": "Enregistrer",
        "adresse": "Recevoir le lien",
        "mot-de-passe": "Changer",
        "fermeture": "Fermer",
    }.items():
        opened.goto(mag + PAGES[name])
        if name == "coordonnees":
            opened.fill("#telephone", "12")
        opened.get_by_role("button", name=button).click()
        opened.get_by_role("alert").wait_for()
        assert opened.evaluate("document.activeElement.id") == "erreurs"
        look_at(opened, f"{name}-erreurs")
    opened.goto(f"{mag}/compte/adresse")
    opened.fill("#email", OTHER)
    opened.get_by_role("button", name="Recevoir le lien").click()
    for kind, button in {"adresse_nouvelle": "Confirmer l'adresse", "adresse_changee": "Annuler le changement"}.items():
        opened.goto(mag + link(app, kind))
        look_at(opened, kind)
        opened.get_by_role("button", name=button).click()
        look_at(opened, f"{kind}-fait")
        if kind == "adresse_nouvelle":
            opened.goto(f"{mag}/compte/adresse")
            assert "Pas avant le" in main(opened)
            look_at(opened, "adresse-verrou")


@pytest.mark.parametrize("state", ["rejet", "a-confirmer"])
def test_home_says_what_is_wrong_with_the_address(app, claire, mag, signed_in, state):
    with app.app_context():
        person = db.session.get(Declarant, claire.id)
        person.email_verified, person.email_bounced_at = False, datetime.now(UTC) if state == "rejet" else None
        db.session.commit()
    opened = signed_in("/")

    assert opened.locator(f"#{state}").is_visible()
    look_at(opened, f"accueil-{state}")


@pytest.mark.parametrize("javascript", [True, False])
def test_contact_password_and_messages_change_with_or_without_script(mag, signed_in, javascript):
    opened = signed_in("/compte", javascript=javascript)
    opened.get_by_role("link", name="Modifier mes coordonnées").click()
    opened.fill("#mobile", "06 12 34 56 78")
    opened.get_by_role("button", name="Enregistrer").click()
    opened.wait_for_url("**/compte?fait=coordonnees")
    assert "+33 6 12 34 56 78" in main(opened)
    opened.get_by_role("button", name="Les recevoir").click()
    opened.wait_for_url("**/compte?fait=information")
    assert "Vous recevrez nos messages" in main(opened)
    opened.get_by_role("link", name="Changer de mot de passe").click()
    for name, text in {"actuel": PASSWORD, "nouveau": NEW, "confirmation": NEW}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Changer de mot de passe").click()
    opened.wait_for_url("**/compte?fait=mot-de-passe")
    assert "Votre mot de passe est changé" in main(opened)


def press(opened, role, name):
    """By the keyboard: reached by Tab from where one is, then Enter."""
    wanted = opened.get_by_role(role, name=name).first
    for _ in range(60):
        opened.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            outline = wanted.evaluate("one => getComputedStyle(one).outlineStyle")
            assert outline != "none", f"{name}: nothing shows where one is"
            return opened.keyboard.press("Enter")
    raise AssertionError(f"{name} is not reached by the keyboard")


@pytest.mark.parametrize("javascript", [True, False])
def test_agreements_are_withdrawn_by_the_keyboard(mag, signed_in, javascript):
    opened = signed_in("/", javascript=javascript)
    press(opened, "link", "Voir mes autorisations")
    opened.wait_for_url("**/autorisations")
    assert "Portail des cotisations" in main(opened)
    press(opened, "button", re.compile("Retirer mon accord"))
    opened.get_by_role("status").wait_for()

    assert "C'est retiré" in main(opened)
    assert "Portail des cotisations" not in main(opened)


@pytest.mark.parametrize("javascript", [True, False])
def test_other_sessions_end_and_the_account_closes_by_the_keyboard(mag, page, signed_in, javascript):
    elsewhere = page()
    sign_in(elsewhere, mag)
    opened = signed_in("/compte", javascript=javascript)
    press(opened, "link", "Voir mes sessions")
    opened.wait_for_url("**/compte/sessions")
    assert opened.locator("h2").filter(has_text="Chrome").count() == 2
    assert opened.get_by_role("button", name="Fermer toutes les autres sessions").is_visible()
    press(opened, "button", re.compile("Fermer cette session"))
    opened.get_by_role("status").wait_for()
    elsewhere.goto(f"{mag}/compte")
    assert "/connexion" in elsewhere.url
    opened.goto(f"{mag}/compte")
    press(opened, "link", "Fermer mon compte")
    opened.fill("#mot", "fermer")
    opened.keyboard.press("Enter")
    opened.get_by_text("Votre compte est fermé").wait_for()
    if javascript:  # axe is a script
        look_at(opened, "ferme")


def test_the_data_are_a_file(mag, signed_in):
    opened = signed_in("/compte/donnees")
    with opened.expect_download() as waiting:
        opened.get_by_role("button", name="Télécharger mes données").click()

    assert re.fullmatch(r"mag-mes-donnees-\d{4}-\d\d-\d\d\.json", waiting.value.suggested_filename)


def test_identities_of_one_person_and_their_software_are_looked_at(app, wsgi_app, claire, mag, signed_in):
    """From a page with nothing, to the page that names both identities, to the list and the way across."""
    elsewhere, now = "55208131766522", datetime.now(UTC)
    un_declarant(app, siret=elsewhere, email=OTHER, password=NEW)
    register(wsgi_app, "paie", client_name="Paie Facile", grant_types=["authorization_code", "refresh_token", JWT_BEARER])
    opened = signed_in("/compte/logiciels")
    look_at(opened, "logiciels-aucun")
    with app.app_context():
        kept = {"client_id": "paie", "declarant_id": claire.id, "version": claire.version, "sid": "s" * 32, "offline": True}
        dates = {"opened_at": now, "expires_at": now + timedelta(days=300)}
        context = {"scope": ["openid", "offline_access", "habilitations:dsn"]}
        db.session.add(RefreshFamily(id="f" * 32, current_hash="0" * 64, context=context, **kept, **dates))
        db.session.commit()
    opened.reload()
    assert "Paie Facile" in main(opened)
    look_at(opened, "logiciels")

    opened.goto(f"{mag}/compte/identites")
    look_at(opened, "identites-aucune")
    opened.get_by_role("button", name="Relier une autre identité").click()
    for name, text in {"siret": elsewhere, "nom": "Lefèvre", "prenom": "Claire", "password": NEW}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()
    opened.wait_for_url("**/compte/identites/relier/*")
    assert "552 081 317 66522" in re.sub(r"\s", " ", main(opened))
    look_at(opened, "identites-relier")
    opened.get_by_role("button", name="Accepter").click()
    opened.wait_for_url("**/compte/identites?*")
    look_at(opened, "identites")
