"""A candidate whom nobody answers: a key posted to the address of the directory, typed on /activation (fact 32)."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pypdf import PdfReader
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants import activation
from idp.declarants.activation import LENGTH, MOST_TRIES, read_key
from idp.declarants.cooptation import DELAY
from idp.declarants.equipe.models import ActivationKey
from idp.declarants.statuts import Statut
from idp.notifications.models import Letter
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import courriers, relu, texte, un_candidat, un_etablissement

WHO = {"siret": SIRET, "nom": "Petit", "prenom": "Nina", "email": "nina@exemple.fr", "password": PASSWORD}


@pytest.fixture
def nina(app):
    un_etablissement(app)
    un_administrateur(app, email="claire@exemple.fr")
    return un_candidat(app)


def enter(client, **typed):
    page = client.get("/activation").text
    return client.post("/activation", data={"csrf": csrf_in(page), **WHO, **typed})


def send(client, path, **typed):
    return client.post(path, data={"csrf": csrf_in(client.get("/activation").text), **typed})


def letters(app):
    with app.app_context():
        found = list(db.session.scalars(select(Letter).order_by(Letter.id)))
        db.session.expunge_all()
        return found


def key_of(letter) -> str:
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(letter.pdf)).pages)
    found = re.search(r"([A-Z2-9]{4}[- ]){3}[A-Z2-9]{4}", text)
    assert found is not None, text
    return found[0]


def test_a_key_is_posted_to_the_address_of_the_directory_and_opens_the_account(app, client, nina):
    assert enter(client).status_code == 303
    page = texte(client.get("/activation"))
    assert "En attente de l'accord" in page
    assert "12 RUE DU PONT" in page
    assert send(client, "/activation/lettre").status_code == 303
    [letter] = letters(app)
    assert letter.recipient.split("\n")[-1] == "69003 LYON"
    assert {mail.recipient for mail in courriers(app, "cle_postee")} == {"nina@exemple.fr", "claire@exemple.fr"}
    response = send(client, "/activation/cle", cle=key_of(letter).lower().replace("-", " "))

    assert response.status_code == 200
    assert "Votre compte est activé" in response.text
    assert relu(app, nina.id).statut is Statut.ACTIF
    assert [mail.recipient for mail in courriers(app, "activation_par_cle")] == ["claire@exemple.fr"]
    assert se_connecter(client, nom="Petit", prenom="Nina").status_code == 303


def test_the_database_does_not_know_the_key(app, client, nina):
    enter(client)
    send(client, "/activation/lettre")
    key = read_key(key_of(letters(app)[0]))
    with app.app_context():
        stored = db.session.scalars(select(ActivationKey)).one()

    assert len(key) == LENGTH >= 12
    assert key not in stored.key_hash


def test_C40_five_tries_then_another_letter(app, client, nina):
    enter(client)
    send(client, "/activation/lettre")
    key = key_of(letters(app)[0])
    codes = [send(client, "/activation/cle", cle="AAAA-AAAA-AAAA-AAAA") for _ in range(MOST_TRIES)]
    assert [code.status_code for code in codes] == [422] * MOST_TRIES
    assert "Aucune clé ne peut plus être essayée" in texte(send(client, "/activation/cle", cle=key)), "the right one is too late"
    assert relu(app, nina.id).statut is Statut.CANDIDAT
    with app.app_context():
        tried = db.session.scalars(select(AuditEvent).where(AuditEvent.kind == "ActivationKeyRefused")).all()
        assert len(tried) == MOST_TRIES
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1, minutes=1)):
        enter(client)
        assert send(client, "/activation/lettre").status_code == 303
        assert "ne servira plus" not in texte(send(client, "/activation/cle", cle=key))
        assert send(client, "/activation/cle", cle=key_of(letters(app)[1])).status_code == 200


def test_a_letter_a_day_and_three_in_all(app, client, nina):
    start = datetime.now(UTC)
    codes = []
    for hours in (0, 1, 25, 26, 50, 51, 80, 120):
        with time_machine.travel(start + timedelta(hours=hours)):
            enter(client)
            csrf = csrf_in(client.get("/activation").text)
            codes.append(client.post("/activation/lettre", data={"csrf": csrf}).status_code)

    assert codes == [303, 429, 303, 429, 303, 429, 429, 429]
    assert len(letters(app)) == 3
    assert [bool(letter.void_at) for letter in letters(app)] == [True, True, False], "a letter not printed yet does not leave for nothing"


@pytest.mark.parametrize("place", ["masked", "unknown", "closed", "without-address"])
def test_no_key_without_a_published_address(app, client, place):
    options = {
        "masked": {"statut_diffusion": "P"},
        "closed": {"actif": False},
        "without-address": {"voie": None, "commune": None, "code_postal": None},
    }
    if place != "unknown":
        un_etablissement(app, **options[place])
    un_administrateur(app)
    un_candidat(app)
    enter(client)
    assert "n'est pas diffusée" in texte(client.get("/activation"))
    response = send(client, "/activation/lettre")

    assert response.status_code == 422
    assert letters(app) == []


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param({"password": "autre chose que cela"}, id="wrong-password"),
        pytest.param({"nom": "Inconnu"}, id="unknown"),
        pytest.param({"nom": NOM, "prenom": PRENOM}, id="already-active"),
        pytest.param({"siret": "35600000000048"}, id="elsewhere"),
    ],
)
def test_every_failure_has_one_answer(app, client, nina, typed):
    response = enter(client, **typed)

    assert response.status_code == 422
    assert "La demande n'a pas été retrouvée" in texte(response)
    assert len(response.data) % 1024 == 0
    assert client.get_cookie("__Host-mag_a", domain="mag.test", path="/") is None


def test_candidates_are_under_the_brakes_of_every_sign_in(app, client, new_client, nina):
    for _ in range(6):
        enter(new_client(), password="autre chose que cela")

    assert enter(client).status_code == 422, "braked, the right password is not told apart (C35)"


def test_a_ticket_lives_in_its_browser_for_a_quarter_of_an_hour(app, client, new_client, nina):
    enter(client)
    ticket = client.get_cookie("__Host-mag_a", domain="mag.test", path="/")
    thief = new_client()
    thief.set_cookie("__Host-mag_a", ticket.value, domain="mag.test", path="/", secure=True)
    assert "Suivre ma demande" in texte(thief.get("/activation")), "copied, it is worth nothing (C38)"
    assert "Votre demande" in texte(client.get("/activation"))
    send(client, "/activation/quitter")

    assert "Suivre ma demande" in texte(client.get("/activation"))


@pytest.mark.parametrize("path", ["/activation/lettre", "/activation/cle"])
def test_without_a_ticket_nothing_is_done(app, client, nina, path):
    csrf = csrf_in(client.get("/activation").text)

    assert client.post(path, data={"csrf": csrf, "cle": "x"}).status_code == 403, "a form of another page"
    assert client.post(path, data={"cle": "x"}).status_code == 403
    assert letters(app) == []


def test_a_form_that_is_not_whole(app, client):
    response = enter(client, siret="12", nom="", password="")

    assert response.status_code == 422
    assert "Saisissez votre nom" in texte(response)


def test_a_key_that_comes_too_late(app, client, nina):
    enter(client)
    send(client, "/activation/lettre")
    key = key_of(letters(app)[0])
    with time_machine.travel(datetime.now(UTC) + DELAY + timedelta(minutes=1)):
        enter(client)
        assert "réglée entre-temps" in texte(send(client, "/activation/cle", cle=key))

    assert relu(app, nina.id).statut is Statut.CANDIDAT


def test_a_key_opens_for_its_own_candidate_alone(app, client, new_client, nina):
    un_candidat(app, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    enter(client)
    send(client, "/activation/lettre")
    other = new_client()
    enter(other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    send(other, "/activation/lettre")

    assert send(other, "/activation/cle", cle=key_of(letters(app)[0])).status_code == 422


def test_a_first_administrator_sees_that_controls_are_under_way(app, client):
    un_declarant(app, nom="Petit", prenom="Nina", email="nina@exemple.fr", statut=Statut.PRIMO)
    enter(client)

    assert "Vérifications en cours" in texte(client.get("/activation"))
    assert send(client, "/activation/lettre").status_code == 303
    assert letters(app) == []


def test_one_address_does_not_receive_a_heap_of_letters(app, client, new_client, nina, monkeypatch):
    """Whoever asks: candidates one after the other."""
    monkeypatch.setattr(activation, "MOST_AT_ONE_ADDRESS", 1)
    un_candidat(app, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    enter(client)
    send(client, "/activation/lettre")
    other = new_client()
    enter(other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    response = send(other, "/activation/lettre")
    with time_machine.travel(datetime.now(UTC) + activation.WINDOW + timedelta(minutes=1), tick=False):
        enter(other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
        later = send(other, "/activation/lettre")

    assert response.status_code == 429
    assert "Beaucoup de lettres" in texte(response)
    assert later.status_code == 303, "the month is over"
