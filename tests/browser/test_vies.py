"""What identities live through, on the real pages, with the mails that SMTP carries and the letters that a printer takes.

A candidate let in, by a colleague or by a posted key; one whom nobody answers; somebody invited; somebody who leaves; a factor
that is lost. The first administrator, recovery, applications and keys have files of their own.
"""

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
import time_machine
from pypdf import PdfReader

from idp.authentication.factors.models import FactorLoss
from idp.database import db
from idp.declarants.cooptation import DELAY
from tests.browser.test_inscription import fill_person, fill_siret, press, send
from tests.facteurs import with_totp
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.test_radiation import give, may
from tests.parcours import EMAIL, un_etablissement
from tests.parcours import PASSWORD as CHOSEN

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
CHEF = "paul@exemple.fr"


@pytest.fixture
def mag(app, live_server):
    """A company of one administrator, whose hands hold everything below."""
    un_etablissement(app)
    un_administrateur(app, nom="Martin", prenom="Paul", email=CHEF)
    return live_server()


@pytest.fixture
def read(mag, mailbox):
    """`read(recipient, subject)`: the path of the link of the one mail that came, or nothing where it holds none."""

    def act(recipient, subject, start="/"):
        [mail] = [one for one in mailbox() if one.recipients == (recipient,) and one.subject == subject]
        found = re.search(rf"https?://[^/\s]+({re.escape(start)}[^\s>]*)", mail.text)
        return found[1] if found else ""

    return act


def sign_in(opened, nom, prenom, password=PASSWORD):
    """Fills in the mire that is on the screen."""
    for name, text in {"siret": SIRET, "nom": nom, "prenom": prenom, "password": password}.items():
        opened.fill(f"#{name}", text)
    press(opened, "Se connecter")
    opened.wait_for_load_state()


def enter(opened, mag, nom, prenom, path="/", password=PASSWORD):
    opened.goto(mag + "/connexion")
    sign_in(opened, nom, prenom, password)
    opened.goto(mag + path)


def says(opened):
    return opened.locator("main").inner_text().replace("\u00a0", " ").replace("\u202f", " ")


def become_candidate(opened, mag, read):
    """From the SIRET to the link of the mail."""
    opened.goto(mag + "/inscription")
    fill_siret(opened)
    press(opened, "Continuer comme candidat administrateur")
    fill_person(opened)
    send(opened)
    opened.wait_for_url("**/courriel")
    opened.goto(mag + read(EMAIL, "Confirmez l'inscription de votre entreprise", "/inscription/confirmer/"))
    press(opened, "Confirmer mon inscription")
    opened.wait_for_url("**/resultat")
    assert opened.locator("h1").inner_text() == "Votre candidature est transmise"


def follow(opened, mag, nom="Lefèvre", prenom="Claire", password=CHOSEN):
    """« Suivre ma demande »."""
    opened.goto(mag + "/activation")
    for name, text in {"siret": SIRET, "nom": nom, "prenom": prenom, "email": EMAIL, "password": password}.items():
        opened.fill(f"#{name}", text)
    press(opened, "Voir ma demande")
    opened.wait_for_load_state()


# ------------------------------------------------------------------------------------------------------- a later administrator


def test_a_candidate_is_let_in_by_an_administrator(mag, page, read):
    hers, his = page(), page()
    become_candidate(hers, mag, read)
    his.goto(mag + read(CHEF, "Une demande d'administration attend votre décision", "/equipe/demandes/"))
    sign_in(his, "Martin", "Paul")
    assert "Claire Lefèvre" in says(his)
    press(his, "Donner mon accord")
    assert "Accord enregistré" in says(his)
    hers.goto(mag + read(EMAIL, "Votre demande est acceptée", "/connexion"))
    sign_in(hers, "Lefèvre", "Claire", CHOSEN)
    hers.goto(mag + "/equipe")

    assert "Martin Paul" in says(hers), "she administers"
    his.goto(mag + "/equipe/demandes")
    assert "Claire Lefèvre" not in says(his)


def test_a_candidate_types_the_key_of_a_letter(app, mag, page, read, mailbox, tmp_path):
    hers = page()
    become_candidate(hers, mag, read)
    hers.get_by_role("link", name="Demander ou saisir la clé").click()
    follow(hers, mag)
    assert "8 RUE DU PONT" in says(hers)
    press(hers, "Demander une lettre")
    assert "La lettre part à l'adresse de l'établissement" in says(hers)
    told = {mail.recipients for mail in mailbox() if mail.subject == "Une clé d'activation part par courrier postal"}
    assert told == {(EMAIL,), (CHEF,)}
    app.test_cli_runner().invoke(args=["lettres", "exporter", str(tmp_path / "poste")])
    [printed] = (tmp_path / "poste").iterdir()
    paper = "".join(sheet.extract_text() for sheet in PdfReader(BytesIO(printed.read_bytes())).pages)
    assert "31000 TOULOUSE" in paper
    key = re.search(r"(?:[A-Z2-9]{4}[- ]){3}[A-Z2-9]{4}", paper)
    assert key, paper
    hers.fill("#cle", key[0].lower())
    press(hers, "Activer mon compte")
    assert hers.locator("h1").inner_text() == "Votre compte est activé"
    assert read(CHEF, "Un nouvel administrateur a activé son compte par la clé postée") == "/equipe"
    hers.get_by_role("link", name="Me connecter").click()
    sign_in(hers, "Lefèvre", "Claire", CHOSEN)

    assert "Claire" in hers.locator("h1").inner_text()


def test_a_candidate_whom_nobody_answers_is_forgotten_on_the_fifteenth_day(app, mag, page, read, mailbox):
    hers = page()
    become_candidate(hers, mag, read)
    birth = datetime.now(UTC)

    def round_at(day):
        """The timer of that day; subjects of the mails that leave."""
        known = len(mailbox())
        with time_machine.travel(birth + timedelta(days=day), tick=False):
            assert app.test_cli_runner().invoke(args=["declarants", "echeances"]).exit_code == 0
            received = mailbox()
        return sorted((mail.recipients[0], mail.subject) for mail in received[: len(received) - known])

    warned = [(EMAIL, "Votre demande va s'effacer"), (CHEF, "Une demande d'administration va s'effacer sans réponse")]
    assert round_at(11) == []
    assert round_at(12) == sorted(warned), "three days before"
    assert round_at(13) == []
    assert round_at(14) == sorted(warned), "the day before"
    follow(hers, mag)
    assert "En attente de l'accord d'un administrateur" in says(hers)
    assert timedelta(days=15) == DELAY
    assert round_at(15) == [(EMAIL, "Votre demande est effacée")]
    assert round_at(16) == []
    hers.goto(mag + "/activation")
    assert hers.locator("h1").inner_text() == "Suivre ma demande"
    follow(hers, mag)
    assert "La demande n'a pas été retrouvée" in says(hers)
    his = page()
    enter(his, mag, "Martin", "Paul", "/equipe")
    assert "Lefèvre" not in says(his)


# --------------------------------------------------------------------------------------------------------- a person of a company


@pytest.mark.parametrize("javascript", [True, False])
def test_a_person_is_invited_accepts_and_signs_in(mag, page, read, javascript):
    his, hers = page(), page(javascript=javascript)
    enter(his, mag, "Martin", "Paul", "/equipe/inviter")
    for name, text in {"nom": "Petit", "prenom": "Nina", "email": "nina@exemple.fr"}.items():
        his.fill(f"#{name}", text)
    his.check("input[value=declarant]")
    press(his, "Envoyer l'invitation")
    his.wait_for_url("**/equipe/invitations*")
    assert "Nina Petit" in says(his)
    link = read("nina@exemple.fr", "Invitation à ouvrir votre compte MAG", "/invitation/")
    hers.goto(mag + link)
    assert "Paul Martin vous ouvre un compte pour LES ATELIERS DU PONT" in says(hers)
    for name in ("nouveau", "confirmation"):
        hers.fill(f"#{name}", CHOSEN)
    hers.check("#accord")
    press(hers, "Accepter et ouvrir mon compte")
    assert "Votre compte est ouvert" in says(hers)
    enter(hers, mag, "petit", "nina", "/compte/administrateurs", CHOSEN)
    assert "Paul Martin" in says(hers)
    assert read(CHEF, "Nina Petit a accepté votre invitation") == "/equipe"

    assert hers.goto(mag + link).status == 404, "a link serves once"
    his.goto(mag + "/equipe")
    assert "Petit Nina" in says(his)


def test_somebody_leaves_and_a_colleague_takes_over(app, mag, page, read):
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    bruno = un_declarant(app, nom="Blanc", prenom="Bruno", email="bruno@exemple.fr")
    give(app, zoe.id, int(SIRET))
    his, hers = page(), page()
    enter(hers, mag, "Autre", "Zoé")
    assert "Zoé" in hers.locator("h1").inner_text()
    enter(his, mag, "Martin", "Paul", "/equipe")
    his.get_by_role("link", name="Autre Zoé").click()
    his.get_by_role("link", name="Enregistrer son départ").click()
    his.check("input[value=collegue]")
    his.select_option("#collegue", label=f"Blanc Bruno ({zoe.siret.grouped})")
    press(his, "Voir l'aperçu")
    assert "1 attribution directe passe à Bruno Blanc" in says(his)
    press(his, "Confirmer le départ")
    assert "Le départ est enregistré" in says(his)

    assert hers.goto(mag + "/").url.endswith("/connexion"), "her session ended at once"
    sign_in(hers, "Autre", "Zoé")
    assert hers.url.endswith("/connexion")
    assert (may(app, zoe.id), may(app, bruno.id)) == (False, True)
    read("zoe@exemple.fr", "Votre compte est fermé")
    read("bruno@exemple.fr", "Des habilitations vous sont transférées")


# ---------------------------------------------------------------------------------------------------------------- a lost factor


def test_a_lost_factor_takes_three_days_and_is_told_at_each_step(app, mag, page, read, mailbox):
    claire = un_declarant(app, email=EMAIL)
    with_totp(app, claire)
    hers = page()
    hers.goto(mag + "/connexion")
    sign_in(hers, "Lefèvre", "Claire")
    assert "second-facteur" in hers.url
    press(hers, "J'ai perdu mon second facteur")
    press(hers, "Demander le retrait")
    assert hers.locator("h1").inner_text() == "Votre demande est enregistrée"
    [asked] = [mail for mail in mailbox() if mail.recipients == (EMAIL,)]
    assert "/connexion/second-facteur/annuler/" in asked.text
    hers.goto(mag + "/connexion")
    sign_in(hers, "Lefèvre", "Claire")
    assert "second-facteur" in hers.url, "slower, not weaker"

    three_days_pass(app, claire)
    assert app.test_cli_runner().invoke(args=["facteurs", "rappels"]).exit_code == 0
    assert len([mail for mail in mailbox() if mail.recipients == (EMAIL,)]) == 2
    hers.goto(mag + "/connexion")
    sign_in(hers, "Lefèvre", "Claire")
    hers.locator("form[action$=perdu] button").click()
    hers.wait_for_url(f"{mag}/")
    assert "Aucun" in hers.locator("section[aria-labelledby=securite]").inner_text()
    assert "a été retiré" in mailbox()[0].subject


def three_days_pass(app, declarant):
    """For the request alone: the server of the pages keeps the time of everybody."""
    with app.app_context():
        [loss] = db.session.query(FactorLoss).filter_by(declarant_id=declarant.id)
        for name in ("asked_at", "effective_at", "told_at"):
            setattr(loss, name, getattr(loss, name) - timedelta(hours=72, minutes=1))
        db.session.commit()
