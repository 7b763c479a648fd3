"""A company inscribes itself as its first administrator would: from a partner and back, with the real mail and the real paper."""

from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pypdf import PdfReader

from tests.browser.conftest import look_at
from tests.factories import SIRET, un_administrateur
from tests.parcours import EMAIL, PASSWORD, un_etablissement
from tests.protocol.receiver import receiving
from tests.protocol.relying import VERIFIER, challenge_of, register

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
CLOSED = "73282932000082"


@pytest.fixture
def site():
    with receiving() as found:
        yield found


@pytest.fixture
def mag(app, wsgi_app, site, live_server):
    """MAG, two establishments and a partner."""
    un_etablissement(app)
    un_etablissement(app, CLOSED, actif=False)
    register(wsgi_app, "portail", client_name="Portail d'essai", redirect_uris=[site.address("/retour", "portail.localhost")])
    return live_server()


@pytest.fixture
def complaints():
    """What consoles say: a broken policy shows here."""
    return []


@pytest.fixture
def visit(mag, page, complaints):
    def act(path="/inscription", **options):
        opened = page(**options)
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        opened.goto(mag + path if path.startswith("/") else path)
        return opened

    return act


def press(opened, name):
    opened.get_by_role("button", name=name, exact=True).click()


def fill_siret(opened, siret=SIRET):
    opened.fill("#siret", siret)
    press(opened, "Continuer")


def fill_person(opened, email=EMAIL):
    for name, text in {"nom": "Lefèvre", "prenom": "Claire", "telephone": "01 23 45 67 89", "mobile": "06.12.34.56.78"}.items():
        opened.fill(f"#{name}", text)
    opened.fill("#email", email)
    opened.fill("#email2", email)
    press(opened, "Continuer")


def fill_password(opened):
    opened.fill("#nouveau", PASSWORD)
    opened.fill("#confirmation", PASSWORD)
    press(opened, "Continuer")


def send(opened):
    """From the person's form to the end of the recap, with nothing particular."""
    press(opened, "J'accepte les conditions")
    opened.get_by_label("Mon entreprise", exact=False).first.check()
    opened.get_by_label("Secteur privé").check()
    press(opened, "Continuer")
    press(opened, "Continuer")
    fill_password(opened)
    press(opened, "Tout est exact\u00a0: envoyer")


def until_recap(opened):
    fill_siret(opened)
    press(opened, "Oui, continuer")
    fill_person(opened)
    press(opened, "J'accepte les conditions")
    opened.get_by_label("Mon entreprise", exact=False).first.check()
    opened.get_by_label("Secteur privé").check()
    press(opened, "Continuer")
    opened.get_by_label("Déclaration préalable à l'embauche", exact=False).uncheck()
    press(opened, "Continuer")
    fill_password(opened)
    opened.wait_for_url("**/recapitulatif")


def link_of(mail):
    return next(word for word in mail.text.split() if "/inscription/confirmer/" in word)


def downloaded(opened, name):
    with opened.expect_download() as started:
        opened.get_by_role("link", name=name).click()
    return Path(started.value.path()).read_bytes()


@pytest.mark.parametrize("javascript", [True, False])
def test_from_a_partner_and_back_with_the_mail_and_the_paper(mag, visit, site, mailbox, complaints, javascript):
    asked = {
        "client_id": "portail",
        "redirect_uri": site.address("/retour", "portail.localhost"),
        "response_type": "code",
        "scope": "openid",
        "state": "s" * 32,
        "prompt": "create",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    opened = visit(f"/authorize?{urlencode(asked)}", javascript=javascript)
    assert "Portail d'essai" in opened.locator(".asker").inner_text()
    until_recap(opened)
    assert "LES ATELIERS DU PONT" in opened.locator("main").inner_text()
    press(opened, "Tout est exact\u00a0: envoyer")
    opened.wait_for_url("**/courriel")
    [mail] = mailbox()
    assert mail.subject == "Confirmez l'inscription de votre entreprise"
    assert mail.recipients == (EMAIL,)

    opened.goto(link_of(mail))
    press(opened, "Confirmer mon inscription")
    opened.wait_for_url("**/resultat")
    assert opened.locator("h1").inner_text() == "Votre inscription est terminée"
    paper = "".join(sheet.extract_text() for sheet in PdfReader(BytesIO(downloaded(opened, "Télécharger le compte rendu (PDF)"))).pages)
    for expected in ("Compte rendu d'inscription", "Claire Lefèvre", "732 829 320 00074", "LES ATELIERS DU PONT", "AT/MP", "2026-1"):
        assert expected in paper.replace("\u00a0", " ").replace("’", "'"), expected
    signed = downloaded(opened, "Télécharger la preuve signée").decode()
    assert signed in mailbox()[0].text.replace("\n", "")

    opened.get_by_role("link", name="Me connecter et revenir à Portail d'essai").click()
    for name, text in {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    press(opened, "Se connecter")
    opened.wait_for_url("**/retour?*")
    assert "code=" in opened.url
    assert complaints == []


def test_by_the_keyboard_from_the_siret_to_the_conditions(visit):
    opened = visit()
    opened.locator("#siret").focus()
    opened.keyboard.type("732 829 320 00074")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/etablissement")
    opened.get_by_role("button", name="Oui, continuer").focus()
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/identite")
    opened.locator("#nom").focus()
    for text in ("Lefèvre", "Claire", "0123456789", "", EMAIL, EMAIL):
        opened.keyboard.type(text)
        opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/conditions")
    opened.locator("#texte").focus()
    opened.keyboard.press("End")
    opened.evaluate("""new Promise(done => {
        const text = document.getElementById('texte'), look = () => text.scrollTop > 100 ? done() : requestAnimationFrame(look);
        look();
    })""")


def test_every_page_in_light_and_dark_wide_and_narrow(app, mag, visit, mailbox):
    def see(name):
        look_at(opened, f"inscription-{name}")

    opened = visit("/inscription")
    see("depart")
    fill_siret(opened, CLOSED)
    see("ferme")
    fill_siret(opened, "55203253400646")
    see("inconnu")
    fill_siret(opened)
    see("etablissement")
    press(opened, "Oui, continuer")
    see("identite")
    press(opened, "Continuer")
    see("identite-erreurs")
    fill_person(opened)
    see("conditions")
    press(opened, "Je refuse")
    see("refus")
    opened.get_by_role("link", name="Revenir aux conditions").click()
    press(opened, "J'accepte les conditions")
    see("profil")
    press(opened, "Continuer")
    see("profil-erreurs")
    opened.get_by_label("Mon entreprise", exact=False).first.check()
    opened.get_by_label("Secteur privé").check()
    press(opened, "Continuer")
    see("services")
    press(opened, "Continuer")
    opened.fill("#nouveau", "trop court")
    see("mot-de-passe")
    press(opened, "Continuer")
    see("mot-de-passe-erreurs")
    fill_password(opened)
    see("recapitulatif")
    opened.goto(f"{mag}/inscription/mot-de-passe")
    see("mot-de-passe-garde")
    opened.goto(f"{mag}/inscription")
    see("depart-en-cours")
    press(opened, "Reprendre là où j'en étais")
    press(opened, "Continuer plus tard")
    see("plus-tard")
    opened.goto(next(word for word in mailbox()[0].text.split() if "/inscription/reprendre/" in word))
    see("reprendre")
    press(opened, "Reprendre ici")
    press(opened, "Tout est exact\u00a0: envoyer")
    see("courriel")
    link = link_of(mailbox()[0])
    elsewhere = visit(link)
    elsewhere.fill("#password", "mauvais")
    press(elsewhere, "Confirmer mon inscription")
    look_at(elsewhere, "inscription-confirmer-ailleurs")
    opened.goto(link)
    see("confirmer")
    press(opened, "Confirmer mon inscription")
    see("resultat")
    opened.goto(f"{mag}/conditions")
    see("lecture")


def test_the_pages_of_a_candidate(app, mag, visit, mailbox):
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    opened = visit("/inscription")
    fill_siret(opened)
    look_at(opened, "inscription-deja")
    press(opened, "Continuer comme candidat administrateur")
    fill_person(opened)
    send(opened)
    opened.goto(link_of(mailbox()[0]))
    press(opened, "Confirmer mon inscription")
    assert opened.locator("h1").inner_text() == "Votre candidature est transmise"
    look_at(opened, "inscription-candidat")
    assert {mail.recipients for mail in mailbox()} == {(EMAIL,), ("paul@exemple.fr",)}


def test_the_pages_of_a_first_administrator_who_waits_for_a_key(mag, visit, mailbox):
    opened, free = visit("/inscription"), "claire@gmail.com"
    fill_siret(opened)
    press(opened, "Oui, continuer")
    fill_person(opened, free)
    send(opened)
    opened.goto(link_of(mailbox()[0]))
    press(opened, "Confirmer mon inscription")
    assert opened.locator("h1").inner_text() == "Votre inscription est en vérification"
    look_at(opened, "inscription-primo")
    opened.get_by_role("link", name="Demander ou saisir la clé").click()
    for name, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "email": free, "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    press(opened, "Voir ma demande")
    look_at(opened, "activation-primo")
    press(opened, "Demander une lettre")
    look_at(opened, "activation-primo-lettre")
