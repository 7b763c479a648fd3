"""Recovery as people meet it: looked at with axe, without script, light and dark, from 320 pixels up; the gauge as one types."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.database import db
from idp.notifications.models import Mail
from tests import services
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.operateurs import PASSWORD as OPERATORS
from tests.journeys.operateurs import code_of, email_of, un_operateur

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
NEW = "trois renards dans la neige"
WHO = {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire"}


@pytest.fixture
def mag(app, live_server):
    """MAG with somebody and two administrators, secret questions allowed."""
    un_declarant(app, email="claire@exemple.fr")
    un_administrateur(app, nom="Chef", prenom="Paul", email="chef@exemple.fr")
    return live_server(MAG_SECRET_QUESTION="1")


def mails(app, recipient):
    with app.app_context():
        return [mail.body for mail in db.session.scalars(select(Mail).where(Mail.recipient == recipient).order_by(Mail.id))]


def path_in(body):
    return re.search(r"https?://[^/\s]+(/connexion/oubli/\S+)", body)[1]


def fill(opened, **typed):
    for name, text in typed.items():
        opened.fill(f"#{name}", text)


def sign_in(opened, mag, path, nom="Lefèvre", prenom="Claire", password=PASSWORD):
    opened.goto(mag + path)
    fill(opened, siret=SIRET, nom=nom, prenom=prenom, password=password)
    opened.get_by_role("button", name="Se connecter", exact=True).click()
    opened.wait_for_load_state()
    opened.goto(mag + path)


def test_every_page_of_recovery_is_looked_at(app, mag, page):
    opened = page()

    def at(path, name):
        opened.goto(mag + path)
        look_at(opened, name)

    for path, name in {
        "/connexion/oubli": "oubli",
        "/connexion/oubli?voie=administrateur": "oubli-administrateur",
        "/connexion/oubli?voie=assistance": "oubli-assistance",
        "/connexion/oubli/suite?voie=courriel": "suite",
        "/connexion/oubli/suite?voie=administrateur": "suite-administrateur",
        "/connexion/oubli/suite?voie=assistance": "suite-assistance",
        "/connexion/oubli/code": "code",
        "/connexion/oubli/code/suite": "suite-code",
        "/connexion/oubli/question": "question",
        "/connexion/oubli/fait": "fait",
        "/connexion/oubli/arreter/jeton": "arreter",
        "/connexion/oubli/arrete": "arrete",
    }.items():
        at(path, name)
    opened.goto(mag + "/connexion/oubli?voie=assistance")
    opened.get_by_role("button", name="Envoyer à l'assistance").click()
    opened.get_by_role("alert").wait_for()
    look_at(opened, "oubli-erreurs")
    opened.goto(mag + "/connexion/oubli")
    fill(opened, **WHO)
    opened.get_by_role("button", name="Recevoir un lien").click()
    opened.get_by_text("Consultez votre messagerie").wait_for()
    at(path_in(mails(app, "claire@exemple.fr")[0]), "nouveau")
    for words, said in {"court": "trop court", "abcdefghijklmnop": "faible", "cheval bleus": "correct", NEW: "bon"}.items():
        opened.fill("#nouveau", words)
        assert said in opened.locator("#nouveau-force").inner_text()
        look_at(opened, f"jauge-{said.replace(' ', '-')}")
    opened.goto(mag + "/connexion/oubli?voie=administrateur")
    fill(opened, **WHO)
    opened.get_by_role("button", name="Demander à mes administrateurs").click()
    opened.get_by_text("Votre demande est transmise").wait_for()
    sign_in(opened, mag, "/equipe/recours", "Chef", "Paul")
    look_at(opened, "equipe")
    opened.get_by_role("link", name="Claire Lefèvre").click()
    opened.get_by_role("button", name="accepter").wait_for()
    look_at(opened, "decision")
    opened.get_by_role("button", name="accepter").click()
    opened.get_by_role("alert").wait_for()
    look_at(opened, "decision-erreurs")
    opened.check("[name=moyen][value=presence]")
    opened.check("[name=remise][value=code]")
    opened.get_by_role("button", name="accepter").click()
    opened.locator(".shown-code").wait_for()
    look_at(opened, "remise")
    at("/equipe/recours", "equipe-vide")
    at("/compte/question", "ma-question")
    opened.select_option("#question", "ecole")
    opened.fill("#answer", "Jean Moulin")
    opened.get_by_role("button", name="Enregistrer").click()
    opened.get_by_text("En place").wait_for()
    look_at(opened, "ma-question-en-place")


def test_a_password_is_recovered_by_mail_without_javascript(app, mag, page):
    opened = page(javascript=False)
    opened.goto(mag + "/connexion")
    opened.get_by_role("link", name="Mot de passe oublié").click()
    fill(opened, **WHO)
    opened.get_by_role("button", name="Recevoir un lien").click()
    opened.goto(mag + path_in(mails(app, "claire@exemple.fr")[0]))
    assert not opened.locator("#voir-nouveau").is_visible()
    assert not opened.locator("#nouveau-force").is_visible()
    fill(opened, nouveau="azertyuiop12", confirmation="azertyuiop12")
    opened.get_by_role("button", name="Enregistrer").click()
    assert "Solidité : faible" in opened.locator("#nouveau-force").inner_text().replace("\u00a0", " ")
    fill(opened, nouveau=NEW, confirmation=NEW)
    opened.get_by_role("button", name="Enregistrer").click()
    opened.get_by_text("Votre mot de passe est remplacé").wait_for()
    sign_in(opened, mag, "/", password=NEW)

    assert "Claire" in opened.locator("h1").inner_text()


def test_a_code_is_handed_over_and_a_new_address_is_proved(app, mag, page):
    opened, admin = page(), page()
    opened.goto(mag + "/connexion/oubli?voie=administrateur")
    fill(opened, **WHO)
    opened.get_by_role("button", name="Demander à mes administrateurs").click()
    sign_in(admin, mag, "/equipe/recours", "Chef", "Paul")
    admin.get_by_role("link", name="Claire Lefèvre").click()
    admin.check("[name=moyen][value=telephone]")
    admin.check("[name=remise][value=code]")
    admin.get_by_role("button", name="accepter").click()
    code = admin.locator(".shown-code").inner_text()
    opened.get_by_role("link", name="J'ai reçu un code").click()
    fill(opened, **WHO, code=code.lower().replace(" ", "-"), email="neuve@exemple.fr", email2="neuve@exemple.fr")
    opened.get_by_role("button", name="Continuer").click()
    opened.get_by_text("Consultez votre nouvelle adresse").wait_for()
    opened.goto(mag + path_in(mails(app, "neuve@exemple.fr")[0]))
    fill(opened, nouveau=NEW, confirmation=NEW)
    opened.get_by_role("button", name="Enregistrer").click()
    opened.get_by_text("Votre mot de passe est remplacé").wait_for()

    assert len(mails(app, "neuve@exemple.fr")) == 2


def test_what_is_typed_is_shown_on_request_and_hidden_when_sent(app, mag, page):
    opened, complaints = page(), []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(mag + "/connexion/oubli")
    fill(opened, **WHO)
    opened.get_by_role("button", name="Recevoir un lien").click()
    opened.goto(mag + path_in(mails(app, "claire@exemple.fr")[0]))
    opened.fill("#nouveau", NEW)
    button = opened.locator("#voir-nouveau")
    button.click()
    assert [opened.get_attribute(f"#{name}", "type") for name in ("nouveau", "confirmation")] == ["text", "text"]
    assert button.get_attribute("aria-pressed") == "true"
    button.click()

    assert [opened.get_attribute(f"#{name}", "type") for name in ("nouveau", "confirmation")] == ["password", "password"]
    assert complaints == []


def choose(opened, mag, path):
    """A new password, by the link that came."""
    opened.goto(mag + path)
    fill(opened, nouveau=NEW, confirmation=NEW)
    opened.get_by_role("button", name="Enregistrer").click()
    opened.get_by_text("Votre mot de passe est remplacé").wait_for()
    sign_in(opened, mag, "/", password=NEW)
    assert "Claire" in opened.locator("h1").inner_text()


def test_a_secret_question_is_answered_from_another_browser(app, mag, page):
    hers, elsewhere = page(), page(javascript=False)
    sign_in(hers, mag, "/compte/question")
    hers.select_option("#question", "ecole")
    hers.fill("#answer", "Jean Moulin")
    hers.get_by_role("button", name="Enregistrer").click()
    hers.get_by_text("En place").wait_for()
    elsewhere.goto(mag + "/connexion/oubli/question")
    fill(elsewhere, **WHO, answer="jean  MOULIN")
    elsewhere.select_option("#question", "ecole")
    elsewhere.get_by_role("button", name="Répondre").click()
    elsewhere.wait_for_load_state()

    choose(elsewhere, mag, elsewhere.url.removeprefix(mag))
    subjects = "".join(mails(app, "claire@exemple.fr"))
    assert "bonne réponse" in subjects


def operator(page, desk, nom, secret):
    opened = page()
    opened.goto(f"{desk}/connexion")
    fill(opened, email=email_of(nom), password=OPERATORS, code=code_of(secret))
    opened.get_by_role("button", name="Entrer").click()
    opened.wait_for_url(f"{desk}/")
    opened.goto(f"{desk}/recours")
    opened.get_by_role("link", name="Claire Lefèvre").click()
    return opened


def test_two_operators_agree_and_a_day_later_the_link_leaves_for_a_new_address(app, page, live_server):
    un_declarant(app, email="perdue@exemple.fr")
    names = ("Aline Roux", "Bruno Sey")
    secrets = {nom: un_operateur(app, nom) for nom in names}
    desk = f"http://bureau.localhost:{(port := services.free_port())}"
    mag, opened = live_server(port, MAG_DESK_URL=desk), page()
    opened.goto(mag + "/connexion/oubli?voie=assistance")
    fill(opened, **WHO, email="neuve@exemple.fr", email2="neuve@exemple.fr", telephone="01 23 45 67 89", reason="Adresse fermée en mars.")
    opened.get_by_role("button", name="Envoyer à l'assistance").click()
    opened.get_by_text("Votre demande est transmise").wait_for()
    first = operator(page, desk, names[0], secrets[names[0]])
    for box in first.locator("input[type=checkbox]").all():
        box.check()
    first.get_by_role("button", name="Proposer").click()
    first.get_by_text("un autre opérateur doit confirmer").wait_for()
    second = operator(page, desk, names[1], secrets[names[1]])
    second.get_by_role("button", name="Confirmer").click()
    second.get_by_text("Le lien part le").wait_for()
    assert not [body for body in mails(app, "neuve@exemple.fr") if "/connexion/oubli/nouveau/" in body]
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, minutes=1), tick=False):
        assert app.test_cli_runner().invoke(args=["recours", "suivre"]).output == "1 lien(s) envoyé(s).\n"

    choose(opened, mag, path_in(mails(app, "neuve@exemple.fr")[-1]))
