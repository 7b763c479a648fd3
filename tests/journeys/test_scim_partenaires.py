"""« Partenaires »: an administrator entrusts people to a partner's software, and takes that back."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role
from idp.notifications.models import Mail
from partners.scim.models import Delegation
from tests.factories import PASSWORD, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import SECOND, un_etablissement
from tests.protocol.relying import register

PAGE = "/equipe/partenaires"
ACTS = {"confier": "/equipe/partenaires/confier", "retirer": "/equipe/partenaires/retirer"}


@pytest.fixture
def paie(wsgi_app):
    return register(wsgi_app, "paie", grant_types=["client_credentials"], redirect_uris=[], scope="scim")


@pytest.fixture
def odile(app):
    un_etablissement(app)
    un_etablissement(app, SECOND, siege=False)
    return un_administrateur(app, nom="Martin", prenom="Odile", email="odile@exemple.fr")


@pytest.fixture
def page(client, paie, odile):
    se_connecter(client, nom="Martin", prenom="Odile")
    return client


def send(client, act, **form):
    return client.post(ACTS[act], data={"csrf": csrf_in(client.get(PAGE).text), **form})


def rows(app):
    with app.app_context():
        return list(db.session.scalars(db.select(Delegation).order_by(Delegation.id)))


def journal(app):
    with app.app_context():
        lines = db.session.scalars(db.select(AuditEvent).filter_by(kind="DelegationChanged").order_by(AuditEvent.id))
        return [(line.details["change"], line.details["partenaire"], line.actor) for line in lines]


def test_an_administrator_entrusts_people_and_takes_that_back(app, page, odile):
    un_administrateur(app, nom="Roy", prenom="Luc", email="luc@exemple.fr")
    assert "Aucune gestion confiée" in page.get(PAGE).text

    done = send(page, "confier", partenaire="paie")

    assert (done.status_code, done.location) == (303, f"{PAGE}?fait=confie")
    shown = page.get(PAGE).text
    assert "Toute l'entreprise LES ATELIERS DU PONT" in shown.replace("&#39;", "'")
    assert "Odile Martin" in shown
    [row] = rows(app)
    done = send(page, "retirer", accord=row.id)
    assert (done.status_code, done.location) == (303, f"{PAGE}?fait=retire")
    assert journal(app) == [("entrusted", "paie", f"declarant:{odile.id}"), ("withdrawn", "paie", f"declarant:{odile.id}")]
    with app.app_context():
        told = sorted(mail.recipient for mail in db.session.scalars(db.select(Mail).filter_by(kind="gestion_confiee")))
    assert told == ["luc@exemple.fr", "luc@exemple.fr", "odile@exemple.fr", "odile@exemple.fr"]


def test_sent_twice_it_is_done_once(app, page):
    for _ in range(2):
        assert send(page, "confier", partenaire="paie").status_code == 303
    [row] = rows(app)
    for _ in range(2):
        assert send(page, "retirer", accord=row.id).status_code == 303

    assert len(journal(app)) == 2


def test_another_administrator_takes_over_what_was_given_by_one_who_left(app, page, odile, new_client):
    send(page, "confier", partenaire="paie")
    un_administrateur(app, nom="Roy", prenom="Luc")
    with app.app_context():
        db.session.get(Declarant, odile.id).role = Role.DECLARANT
        db.session.commit()
    luc = new_client()
    se_connecter(luc, nom="Roy", prenom="Luc")
    assert "Sans effet" in luc.get(PAGE).text

    assert send(luc, "confier", partenaire="paie").status_code == 303

    assert [(row.closed_at is None) for row in rows(app)] == [False, True]
    assert "Sans effet" not in luc.get(PAGE).text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("given", ["inconnu", "", "autre"])
def test_a_partner_that_no_operator_allowed_gets_nothing(app, wsgi_app, page, given):
    register(wsgi_app, "autre", scope="openid")

    answer = send(page, "confier", partenaire=given)

    assert (answer.status_code, "M600901" in answer.text) == (404, True)
    assert rows(app) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_without_the_word_of_the_form_nothing_is_done(app, page):
    assert page.post(ACTS["confier"], data={"partenaire": "paie"}).status_code == 403
    assert page.post(ACTS["retirer"], data={"accord": "1"}).status_code == 403
    assert rows(app) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_declarant_may_not(app, paie, client):
    un_etablissement(app)
    un_declarant(app, nom="Petit", prenom="Jean")
    se_connecter(client, nom="Petit", prenom="Jean")

    for answer in (client.get(PAGE), client.post(ACTS["confier"]), client.post(ACTS["retirer"])):
        assert answer.status_code == 403


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_entrusting_asks_for_the_password_again(app, page):
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        answer = send(page, "confier", partenaire="paie")

    assert (answer.status_code, "/connexion" in answer.location) == (303, True)
    assert rows(app) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_administrator_of_a_branch_sees_what_the_head_office_gave_and_leaves_it(app, page, new_client):
    send(page, "confier", partenaire="paie")
    [row] = rows(app)
    un_administrateur(app, siret=SECOND, nom="Roy", prenom="Luc", password=PASSWORD)
    luc = new_client()
    se_connecter(luc, siret=SECOND, nom="Roy", prenom="Luc")

    shown = luc.get(PAGE).text

    assert "Odile Martin" in shown
    assert "Retirer la gestion" not in shown
    assert send(luc, "retirer", accord=row.id).status_code == 404
    assert send(luc, "retirer", accord="9" * 30).status_code == 404
    assert rows(app)[0].closed_at is None
