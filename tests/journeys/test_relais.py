"""Before signing up: word to administrators whom the candidate does not learn (fact 26); a card said to be false (fact 14)."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.config import Settings
from idp.database import db
from idp.declarants.parcours.relais import mots
from idp.notifications.models import Mail
from idp.support.models import Fonction
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.operateurs import DESK, au_bureau
from tests.parcours import Parcours, un_etablissement

WHO = {"nom": "Claire Lefèvre", "email": "claire@exemple.fr"}
PLACE = "/inscription/etablissement"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK)


@pytest.fixture
def parcours(app, client):
    un_etablissement(app)
    found = Parcours(client)
    found.until("siret")
    return found


def written(app, kind="relais"):
    with app.app_context():
        return [(mail.recipient, mail.body) for mail in db.session.scalars(select(Mail).filter_by(kind=kind).order_by(Mail.id))]


def send(parcours, **typed):
    page = parcours.get("/inscription/ecrire")
    return parcours.post("/inscription/ecrire", page.text, **{**WHO, **typed})


def test_administrators_learn_who_asks_and_nothing_is_told_of_them(app, parcours):
    un_administrateur(app, nom="Place", prenom="Ada", email="ada@exemple.fr")
    un_administrateur(app, nom="Sans", prenom="Adresse")
    un_declarant(app, nom="Simple", email="simple@exemple.fr")
    assert "/inscription/ecrire" in parcours.get(PLACE).text

    done = send(parcours)

    assert done.status_code == 303
    [(recipient, body)] = written(app)
    assert recipient == "ada@exemple.fr"
    assert "Claire Lefèvre" in body
    assert "claire@exemple.fr" in body
    for page in (parcours.get(PLACE), parcours.get("/inscription/ecrire"), parcours.get("/inscription/ecrit")):
        assert not [word for word in ("Place", "Ada", "ada@", "Adresse Sans") if word in page.text]


def test_the_answer_is_the_same_when_nobody_administers(app, parcours):
    assert send(parcours).headers["Location"].endswith("/inscription/ecrit")
    assert written(app) == []


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param({"nom": ""}, id="no-name"),
        pytest.param({"nom": "Gagnez sur https://piege.fr"}, id="an-address-of-a-site"),
        pytest.param({"email": "pas une adresse"}, id="no-address"),
        pytest.param({"email": "a@b.fr\nBcc: c@d.fr"}, id="a-header"),
    ],
)
def test_nothing_of_a_stranger_s_own_words_is_passed_on(app, parcours, typed):
    un_administrateur(app, nom="Place", email="ada@exemple.fr")

    assert send(parcours, **typed).status_code == 422

    assert written(app) == []


def test_a_forged_form_and_a_browser_without_a_draft_do_nothing(app, parcours, new_client):
    un_administrateur(app, nom="Place", email="ada@exemple.fr")
    assert parcours.client.post("/inscription/ecrire", data={"csrf": "faux", **WHO}).status_code == 403
    stranger = new_client()
    assert stranger.get("/inscription/ecrire").status_code == 303
    assert stranger.post("/inscription/ecrire", data={"csrf": csrf_in(stranger.get("/verifier").text), **WHO}).status_code in (303, 403)
    assert written(app) == []


def test_a_network_that_insists_must_work_and_is_then_refused(app, parcours, monkeypatch):
    un_administrateur(app, nom="Place", email="ada@exemple.fr")
    assert [send(parcours).status_code for _ in range(2)] == [303, 303]

    asked = send(parcours)

    assert asked.status_code == 422
    assert "vérification" in asked.text
    assert len(written(app)) == 2
    monkeypatch.setattr(mots, "FREE", 100)
    answers = [send(parcours, email=f"autre{n}@exemple.fr").status_code for n in range(5)]
    assert answers[-1] == 429
    assert len(written(app)) <= mots.A_SIRET


# ------------------------------------------------------------------------------------------------------ the card is false


def test_a_card_said_to_be_false_is_told_to_administrators_and_to_the_desk(app, parcours, wsgi_app):
    un_administrateur(app, nom="Place", email="ada@exemple.fr")
    page = parcours.get(PLACE).text
    csrf = csrf_in(page.split("/inscription/fiche", 1)[1])

    done = [parcours.client.post("/inscription/fiche", data={"csrf": csrf, "faux": ["adresse", "etat", "piege"]}) for _ in range(4)]

    assert {one.status_code for one in done} == {303}
    assert "est transmis" in parcours.get(f"{PLACE}?fait=1").text
    assert len(written(app, "fiche_contestee")) == mots.CONTESTED_A_DAY, "said again and again, it is told twice"
    assert "l'adresse, l'état (ouvert ou fermé)" in written(app, "fiche_contestee")[0][1]
    desk = au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])
    assert "LES ATELIERS DU PONT" in desk.get("/fiches").text
    assert desk.get("/fiches?avant=x").status_code == 200


def test_somebody_who_is_in_reads_the_card_and_says_it_is_false(app, client):
    un_etablissement(app)
    un_administrateur(app, nom="Place", email="ada@exemple.fr")
    paul = un_declarant(app, nom="Durand", prenom="Paul", email="paul@exemple.fr")
    assert client.get("/compte/etablissement").status_code == 303
    se_connecter(client, nom="Durand", prenom="Paul")
    page = client.get("/compte/etablissement")
    assert "8 RUE DU PONT" in page.text
    csrf = csrf_in(page.text)

    assert client.post("/compte/etablissement", data={"csrf": "faux", "faux": "nom"}).status_code == 403
    assert client.post("/compte/etablissement", data={"csrf": csrf}).status_code == 303
    assert written(app, "fiche_contestee") == []
    assert client.post("/compte/etablissement", data={"csrf": csrf, "faux": "nom"}).status_code == 303

    [(recipient, body)] = written(app, "fiche_contestee")
    assert recipient == "ada@exemple.fr"
    assert "Paul Durand signale" in body
    with app.app_context():
        event = db.session.scalars(select(AuditEvent).filter_by(kind="CardContested")).one()
        assert (event.declarant_id, str(event.siret), event.details["what"]) == (paul.id, SIRET, "le nom")
