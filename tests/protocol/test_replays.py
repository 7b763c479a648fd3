"""Every link of a mail and every key of a letter, played by several browsers at one instant, then again: it serves once (C44, C82).

On PostgreSQL, where two requests do run together. Links of recovery and of inscription have theirs in the tests of these rooms.
"""

from collections import Counter

import pytest
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from tests.facteurs import letters, link_in, une_personne_protegee, where
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, envoyer, lien, relu, un_candidat, un_etablissement
from tests.journeys.test_activation import enter, key_of
from tests.journeys.test_activation import letters as papers
from tests.journeys.test_activation import send as send_key
from tests.journeys.test_cooptation import page_of
from tests.journeys.test_invitation import WHO
from tests.protocol.test_totp import together

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
AT_ONCE = 6
NEW = "trois lampes et un vélo"


def invitation(app, client, new_client):
    administrateur_connecte(app, client)
    envoyer(client, "/equipe/inviter", **WHO)
    path = lien(courriers(app, "invitation")[0], "/invitation/")
    version = new_client().get(path).text.split('name="conditions" value="')[1].split('"')[0]
    return path, {"nouveau": NEW, "confirmation": NEW, "accord": "oui", "conditions": version}


def new_address(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr", email_verified=True)
    se_connecter(client)
    envoyer(client, "/compte/adresse", email="c.lefevre@autre.fr")
    return link_in(letters(app, "adresse_nouvelle")[0], "/compte/adresse/"), {}


def former_address(app, client, new_client):
    path, _ = new_address(app, client, new_client)
    envoyer(client, path)
    return link_in(letters(app, "adresse_changee")[0], "/compte/adresse/"), {}


def denial(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    se_connecter(new_client())
    return link_in(letters(app, "nouvel_appareil")[0], "/desaveu/"), {}


def lost_factor(app, client, new_client):
    une_personne_protegee(app)
    path, query = where(se_connecter(client))
    page = client.get(path, query_string=query).text
    client.post("/connexion/second-facteur/perdu", data={"csrf": csrf_in(page), **query, "confirmer": "oui"})
    return link_in(letters(app, "facteur_perdu")[0], "/annuler/"), {}


@pytest.mark.parametrize(
    ("prepared", "fact", "told"),
    [
        pytest.param(invitation, "InvitationChanged", 2, id="invitation"),
        pytest.param(new_address, "EmailChanged", 1, id="new-address"),
        pytest.param(former_address, "EmailChangeReverted", 1, id="former-address"),
        pytest.param(denial, "ConnexionDenied", 1, id="denial"),
        pytest.param(lost_factor, "FactorLossClosed", 1, id="lost-factor"),
    ],
)
def test_C44_a_link_played_by_several_at_once_serves_once(app, client, new_client, prepared, fact, told):
    """`told`: lines of journal of this kind, its sending included."""
    path, form = prepared(app, client, new_client)
    browsers = [new_client() for _ in range(AT_ONCE)]
    forms = [{"csrf": csrf_in(browser.get(path).text), **form} for browser in browsers]
    answers = together([lambda n=n: browsers[n].post(path, data=forms[n]) for n in range(AT_ONCE)])
    codes = Counter(answer.status_code for answer in answers)

    assert codes[200] + codes[303] == 1, codes
    assert set(codes) <= {200, 303, 404, 409, 503}, codes
    assert facts(app, fact) == told
    assert browsers[0].get(path).status_code == 404, "looked at again, it is dead"
    assert browsers[0].post(path, data=forms[0]).status_code == 404, "played again too"
    assert facts(app, fact) == told


def facts(app, kind):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(AuditEvent).filter_by(kind=kind))


def test_C45_a_link_is_about_whom_it_was_made_for_whoever_is_signed_in(app, client, new_client):
    """Paul opens, in his own session, the link that proves Claire's new address: nothing of his changes."""
    path, _ = new_address(app, client, new_client)
    paul, his = un_declarant(app, nom="Durand", prenom="Paul", email="paul@exemple.fr"), new_client()
    se_connecter(his, nom="Durand", prenom="Paul")
    assert envoyer(his, path).status_code == 200

    assert relu(app, paul.id).email == "paul@exemple.fr"
    with app.app_context():
        assert db.session.scalar(select(Declarant.email).filter_by(nom="Lefèvre")) == "c.lefevre@autre.fr"


# ------------------------------------------------------------------------------------------------------- a later administrator


@pytest.fixture
def nina(app):
    un_etablissement(app)
    return un_candidat(app)


def with_the_key(app, new_client, number):
    """So many browsers of the candidate, each at the page that takes the key; the key."""
    browsers = [new_client() for _ in range(number)]
    for browser in browsers:
        assert enter(browser).status_code == 303
    send_key(browsers[0], "/activation/lettre")
    key = key_of(papers(app)[0])
    return [(browser, {"csrf": csrf_in(browser.get("/activation").text), "cle": key}) for browser in browsers]


def test_C44_a_posted_key_typed_by_several_at_once_activates_once(app, new_client, nina):
    un_administrateur(app, email="claire@exemple.fr")
    ready = with_the_key(app, new_client, 4)
    answers = together([lambda one=one: one[0].post("/activation/cle", data=one[1]) for one in ready])
    activated = [answer for answer in answers if "Votre compte est activé" in answer.text]

    assert len(activated) == 1, [answer.status_code for answer in answers]
    assert {answer.status_code for answer in answers} <= {200, 303, 409, 422}
    assert relu(app, nina.id).statut is Statut.ACTIF
    assert len(courriers(app, "activation_par_cle")) == 1
    again = ready[0][0].post("/activation/cle", data=ready[0][1])
    assert "Votre compte est activé" not in again.text


@pytest.mark.parametrize("answer", ["accord", "refus"])
def test_C82_a_key_and_an_answer_at_once_are_one_decision(app, client, new_client, nina, answer):
    administrateur_connecte(app, client)
    [(theirs, form)] = with_the_key(app, new_client, 1)
    page = page_of(app, nina)
    said = {"csrf": csrf_in(client.get(page).text), "reponse": answer, "remplace": ""}
    typed, told = together([lambda: theirs.post("/activation/cle", data=form), lambda: client.post(page, data=said)])
    activated, decided = "Votre compte est activé" in typed.text, told.status_code == 200

    assert activated != decided, (typed.status_code, told.status_code)
    assert told.status_code in (200, 409)
    assert typed.status_code in (200, 303, 409, 422)
    kept = relu(app, nina.id)
    assert (kept is not None) == (activated or answer == "accord")
    assert len(courriers(app, "activation_par_cle")) == activated
    assert len(courriers(app, "candidature_acceptee")) == (activated or answer == "accord"), "said once, whoever let them in"


def test_C82_two_cooptations_of_two_tabs_are_one(app, client, nina):
    """One administrator, the same answer twice: the second says that it was done."""
    administrateur_connecte(app, client)
    page = page_of(app, nina)
    said = {"csrf": csrf_in(client.get(page).text), "reponse": "accord", "remplace": ""}
    answers = together([lambda: client.post(page, data=said)] * 2)

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Declarant).filter_by(nom="Petit")) == 1
    assert se_connecter(client, siret=SIRET, nom="Petit", prenom="Nina", password=PASSWORD).status_code == 303
