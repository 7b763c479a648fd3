"""A first administrator whom nothing ties to the company: the key posted to its address does, without an operator (facts 22, 32)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants import echeances
from idp.declarants.controles.models import Controle
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.models import DroitDirect
from idp.notifications.models import Letter
from tests.factories import csrf_in, se_connecter, un_administrateur
from tests.journeys.equipe import texte
from tests.journeys.operateurs import au_bureau, poster
from tests.journeys.test_activation import enter, key_of, letters, send
from tests.journeys.test_representant import settings  # noqa: F401  # the desk has an address
from tests.parcours import PASSWORD, Parcours, link_in, mails, un_etablissement

FREE = "claire@gmail.com"
CLAIRE = {"nom": "Lefèvre", "prenom": "Claire", "email": FREE, "password": PASSWORD}


def relue(app):
    with app.app_context():
        found = db.session.scalars(select(Declarant)).first()
        db.session.expunge_all()
        return found


@pytest.fixture
def parcours(app, client):
    """Claire, inscribed from a mailbox that says nothing of her company, waits."""
    un_etablissement(app)
    found = Parcours(client)
    found.until("recapitulatif", identite={"email": FREE, "email2": FREE})
    found.confirm(link_in(mails(app, FREE)[0]))
    assert relue(app).statut is Statut.PRIMO
    return found


def test_the_key_posted_to_the_establishment_opens_account_and_services(app, client, parcours):
    assert "une clé soit postée" in texte(parcours.get("/inscription/resultat"))
    assert "/activation" in (mails(app, FREE)[-1].body or "")
    assert enter(client, **CLAIRE).status_code == 303
    assert "Rien ne vous rattache encore" in texte(client.get("/activation"))
    send(client, "/activation/lettre")
    [letter] = letters(app)
    assert letter.recipient.splitlines()[1:] == ["À l'attention de la direction", "8 RUE DU PONT", "31000 TOULOUSE"]
    assert send(client, "/activation/cle", cle="AAAA-BBBB-CCCC-DDDD").status_code == 422
    assert relue(app).statut is Statut.PRIMO

    assert send(client, "/activation/cle", cle=key_of(letter)).status_code == 200

    assert relue(app).statut is Statut.ACTIF
    with app.app_context():
        [controle] = db.session.scalars(select(Controle))
        assert (controle.decision, controle.decided_by) == ("valider", "cle")
        assert db.session.query(DroitDirect).count() > 0
        [event] = db.session.scalars(select(AuditEvent).filter_by(kind="ControlsSettled"))
        assert event.details["decision"] == "valider"
    assert se_connecter(client, password=PASSWORD).status_code == 303
    assert "est terminée" in parcours.get("/inscription/resultat").text


def test_what_else_is_against_is_for_an_operator_alone(app, client):
    un_etablissement(app, categorie_juridique="7210")
    parcours = Parcours(client)
    tiers = {"profil": "entreprise_et_clients", "secteur": "prive"}
    parcours.until("recapitulatif", identite={"email": FREE, "email2": FREE}, profil=tiers)
    parcours.confirm(link_in(mails(app, FREE)[0]))
    assert relue(app).statut is Statut.PRIMO
    assert "une clé soit postée" not in texte(parcours.get("/inscription/resultat"))
    enter(client, **CLAIRE)
    assert "Vérifications en cours" in texte(client.get("/activation"))
    send(client, "/activation/lettre")
    assert letters(app) == []
    assert send(client, "/activation/cle", cle="AAAA-BBBB-CCCC-DDDD").status_code == 422


def asked(app, client):
    enter(client, **CLAIRE)
    send(client, "/activation/lettre")
    return key_of(letters(app)[0])


@pytest.mark.parametrize("decision", ["valider", "ecarter"])
def test_an_operator_who_was_first_wins_and_the_letter_does_not_leave(app, wsgi_app, client, parcours, decision):
    key, operator = asked(app, client), au_bureau(wsgi_app)
    form = {"csrf": csrf_in(client.get("/activation").text), "cle": key}
    with app.app_context():
        number = db.session.scalars(select(Controle.id)).one()
    page = f"/controles/{number}"
    assert poster(operator, page, f"{page}/decision", decision=decision, motif="Vu avec la mairie du lieu.").status_code == 303

    assert client.post("/activation/cle", data=form).status_code == 303
    with app.app_context():
        assert Letter.count_waiting() == 0
        assert db.session.scalars(select(AuditEvent.kind).filter_by(kind="ControlsSettled")).all() == ["ControlsSettled"]


def test_an_operator_reads_that_the_key_settled_it(app, wsgi_app, client, parcours):
    send(client, "/activation/cle", cle=asked(app, client))
    operator = au_bureau(wsgi_app)
    with app.app_context():
        number = db.session.scalars(select(Controle.id)).one()
    assert "par la clé postée" in texte(operator.get(f"/controles/{number}"))


def test_after_fifteen_days_the_key_opens_nothing(app, client, parcours):
    key = asked(app, client)
    form = {"csrf": csrf_in(client.get("/activation").text), "cle": key}
    with time_machine.travel(datetime.now(UTC) + timedelta(days=15, minutes=1), tick=False), app.app_context():
        assert echeances.expire_primo(datetime.now(UTC), issuer="https://mag.test") == 1
        db.session.commit()
    assert client.post("/activation/cle", data=form).status_code == 303
    assert relue(app) is None


def test_an_administrator_who_came_meanwhile_is_told(app, client, parcours):
    key = asked(app, client)
    un_administrateur(app, nom="Martin", prenom="Paul", email="paul@exemple.fr")
    assert send(client, "/activation/cle", cle=key).status_code == 200
    assert [mail.kind for mail in mails(app, "paul@exemple.fr")] == ["activation_par_cle"]
