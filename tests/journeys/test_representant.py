"""A legal representative agrees to a first administrator who is not one (fact 75): asked by MAG or by an operator, by mail or letter."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.config import Settings
from idp.database import db
from idp.declarants.controles import tenue
from idp.declarants.controles.dossier import Nature, Sens
from idp.declarants.controles.models import Controle, RepresentantLegal
from idp.declarants.controles.representants.models import AccordRepresentant
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations.models import DroitDirect
from idp.notifications.models import Letter, Mail
from idp.support.models import Fonction
from tests.factories import SIRET, csrf_in, un_administrateur
from tests.journeys.operateurs import DESK, au_bureau, poster
from tests.journeys.test_bureau import une_revue
from tests.journeys.test_controles import une_entreprise
from tests.parcours import EMAIL, Parcours, link_in, mails, un_etablissement

CHEF = "paul.martin@registre.fr"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, desk_url=DESK)


@pytest.fixture
def place(app):
    """A company whose services demand a representative, whom the register knows."""
    un_etablissement(app)
    with app.app_context():
        options = {"service": "dsn", "services": {"dsn"}, "motif": "Pilote", "proprietaire": "Cellule", "actor": "essai"}
        tenue.ajouter(Sens.REPRESENTANT, Nature.TOUS, "*", datetime.now(UTC), expires_at=None, **options)
        db.session.commit()


def register(app, tmp_path, email: str = "") -> None:
    file = tmp_path / "representants.csv"
    file.write_text(f"siren;nom;prenom;qualite;email\n{SIRET[:9]};MARTIN;Paul;Gérant;{email}\n", "utf-8")
    assert app.test_cli_runner().invoke(args=["representants", "importer", str(file)]).exit_code == 0


def inscribe(app, client) -> Declarant:
    """Claire, who is no representative, to the end of the journey."""
    parcours = Parcours(client)
    parcours.until("recapitulatif")
    assert parcours.confirm(link_in(mails(app)[-1])).status_code == 303
    with app.app_context():
        found = db.session.scalars(select(Declarant)).one()
        db.session.expunge_all()
        return found


def key_in(app, kind: str = "accord_representant") -> str:
    with app.app_context():
        mail = db.session.scalars(select(Mail).filter_by(kind=kind).order_by(Mail.id.desc())).first()
        return re.search(r"/representant/([A-Z2-9]{16})", mail.body).group(1)


def reply(client, key: str, says: str):
    page = client.get(f"/representant/{key}")
    return client.post(f"/representant/{key}", data={"csrf": csrf_in(page.text), "reponse": says})


def relu(app, declarant_id: int) -> Declarant | None:
    with app.app_context():
        found = db.session.get(Declarant, declarant_id)
        if found is not None:
            db.session.expunge(found)
        return found


def test_the_representative_of_the_register_is_written_to_and_agrees(app, client, new_client, tmp_path, place):
    register(app, tmp_path, CHEF)
    claire = inscribe(app, client)
    assert claire.statut is Statut.PRIMO
    assert [mail.recipient for mail in mails(app, CHEF)] == [CHEF]
    assert any("représentant" in mail.subject for mail in mails(app))
    chef, key = new_client(), key_in(app)
    page = chef.get(f"/representant/{key}").text
    assert "Claire Lefèvre" in page
    assert EMAIL not in page

    done = reply(chef, key, "accord")

    assert "enregistrée" in done.text
    assert relu(app, claire.id).statut is Statut.ACTIF
    with app.app_context():
        assert db.session.query(DroitDirect).count() > 0, "the services asked for are open"
        [controle] = Controle.of(claire.id)
        assert (controle.decision, controle.reason) == ("valider", "Accord de Paul Martin, Gérant, représentant légal.")
        [accord] = AccordRepresentant.of(controle.id)
        assert controle.decided_by == f"representant:{accord.id}"
        kinds = list(db.session.scalars(select(AuditEvent.kind).where(AuditEvent.kind.like("Representant%")).order_by(AuditEvent.id)))
        assert kinds == ["RepresentantAsked", "RepresentantAnswered"]
    assert "validée" in mails(app)[-1].subject
    assert chef.get(f"/representant/{key}").status_code == 404, "once"


def test_without_an_address_a_letter_goes_to_the_directory_and_the_key_is_typed(app, client, new_client, tmp_path, place):
    register(app, tmp_path)
    claire = inscribe(app, client)
    with app.app_context():
        letter = db.session.scalars(select(Letter)).one()
        assert "À l'attention de Paul Martin" in letter.recipient
        digest = db.session.scalars(select(AccordRepresentant)).one().key_hash
    assert len(digest) > 20
    other = new_client()
    form = other.get("/representant")
    wrong = other.post("/representant", data={"csrf": csrf_in(form.text), "cle": "AAAA-BBBB-CCCC-DDDD"})

    assert wrong.status_code == 422
    assert "pas la bonne" in wrong.text
    assert relu(app, claire.id).statut is Statut.PRIMO


def test_a_refusal_erases_the_identity(app, client, new_client, tmp_path, place):
    register(app, tmp_path, CHEF)
    claire = inscribe(app, client)

    assert "effacées" in reply(new_client(), key_in(app), "refus").text

    assert relu(app, claire.id) is None
    assert "n'a pas été retenue" in mails(app)[-1].subject


def test_reading_spends_nothing_and_a_form_without_answer_neither(app, client, new_client, tmp_path, place):
    register(app, tmp_path, CHEF)
    claire = inscribe(app, client)
    chef, key = new_client(), key_in(app)
    for _ in range(3):
        assert chef.get(f"/representant/{key.lower()}").status_code == 200
    assert reply(chef, key, "peut-être").status_code == 303
    assert chef.post(f"/representant/{key}", data={"reponse": "accord"}).status_code in (303, 403), "forged"
    assert relu(app, claire.id).statut is Statut.PRIMO
    with time_machine.travel(datetime.now(UTC) + timedelta(days=16)):
        assert chef.get(f"/representant/{key}").status_code == 404


def test_keys_are_not_guessed(client):
    csrf = csrf_in(client.get("/representant").text)
    answers = [client.post("/representant", data={"csrf": csrf, "cle": "A" * 16}).status_code for _ in range(32)]

    assert set(answers[:30]) == {422}
    assert set(answers[30:]) == {429}
    assert client.get("/representant/x").status_code == 404


# ------------------------------------------------------------------------------------------------------------ at the desk


@pytest.fixture
def review(app):
    """A first administrator who waits for an operator, for another reason."""
    assert app.test_cli_runner().invoke(args=["habilitations", "catalogue"]).exit_code == 0
    with app.app_context():
        une_entreprise()
        place = db.session.get(Etablissement, Siret(SIRET))
        place.voie, place.code_postal, place.commune = "8 RUE DU PONT", "31000", "TOULOUSE"
        db.session.commit()
    return une_revue(app)


def test_an_operator_asks_and_an_agreement_leaves_the_other_doubts(app, wsgi_app, new_client, review):
    number, person = review
    operator = au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])
    who = {"nom": "Martin", "prenom": "Paul", "qualite": "Président", "email": CHEF}

    assert poster(operator, f"/controles/{number}", f"/controles/{number}/representant", **who).status_code == 303
    assert "enregistrée" in reply(new_client(), key_in(app), "accord").text

    assert relu(app, person).statut is Statut.PRIMO, "an operator still has something to look at"
    page = operator.get(f"/controles/{number}").text
    assert "accord donné" in page
    assert "Paul Martin, Président" in page
    assert "a donné son accord" in " ".join(mail.subject for mail in mails(app, "claire@boulangerie-lefevre.fr"))


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        pytest.param({"nom": ""}, 422, id="no-name"),
        pytest.param({"email": "pas une adresse"}, 422, id="no-address"),
        pytest.param({"csrf": "faux"}, 403, id="forged"),
    ],
)
def test_an_operator_who_asks_badly_asks_nothing(app, wsgi_app, review, typed, status):
    number, _ = review
    operator = au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])
    form = {"nom": "Martin", "prenom": "Paul", "qualite": "Gérant", "email": "", **typed}

    assert poster(operator, f"/controles/{number}", f"/controles/{number}/representant", **form).status_code == status

    with app.app_context():
        assert AccordRepresentant.of(number) == []


def test_three_are_asked_at_most_and_none_once_settled(app, wsgi_app, review):
    number, _ = review
    operator = au_bureau(wsgi_app, fonctions=[Fonction.CONTROLES])
    who = {"nom": "Martin", "prenom": "Paul", "qualite": "", "email": ""}

    def ask() -> int:
        return poster(operator, f"/controles/{number}", f"/controles/{number}/representant", **who).status_code

    assert [ask() for _ in range(4)] == [303, 303, 303, 409]
    with app.app_context():
        assert db.session.query(Letter).count() == 3
    un_administrateur(app, nom="Autre")
    decided = {"decision": "valider", "motif": "Kbis reçu et vérifié."}
    assert poster(operator, f"/controles/{number}", f"/controles/{number}/decision", **decided).status_code == 303
    assert ask() == 409


def test_addresses_of_the_register_are_kept(app, tmp_path):
    register(app, tmp_path, CHEF)
    with app.app_context():
        assert [one.email for one in RepresentantLegal.rows(Siret(SIRET).siren)] == [CHEF]
