"""A later administrator from the first page to the rights chosen there: let in by a colleague, or by the key posted to the place."""

from datetime import UTC, datetime

import pytest

from idp.declarants.statuts import Statut
from idp.habilitations import decision
from idp.habilitations.droits import Droit
from tests.factories import NOM, PRENOM, SIRET, csrf_in, se_connecter
from tests.journeys.equipe import administrateur_connecte, courriers, envoyer, lien, relu
from tests.journeys.test_activation import key_of, letters, send
from tests.parcours import EMAIL, PASSWORD, Parcours, link_in, mails, un_etablissement

MARIE = {"nom": "Petit", "prenom": "Marie"}


@pytest.fixture
def colleague(new_client):
    return new_client()


@pytest.fixture
def candidate(app, client, colleague):
    """Inscribed and confirmed, waiting."""
    un_etablissement(app)
    administrateur_connecte(app, colleague)
    parcours = Parcours(client)
    parcours.until("recapitulatif", identite=MARIE)
    parcours.confirm(link_in(mails(app)[0]))
    return parcours


def marie(app):
    from idp.database import db
    from idp.declarants.identite import Identite
    from idp.declarants.models import Declarant
    from idp.entreprises.siret import Siret

    with app.app_context():
        found = Declarant.find(Identite(Siret(SIRET), "Petit", "Marie"))
        db.session.expunge_all()
        return found


def may_declare(app):
    mag = app.extensions["mag"]
    asked = {"siret": int(SIRET), "service": "dsn", "droit": Droit.DECLARER, "now": datetime.now(UTC)}
    return decision.check(mag.connections, mag.catalogue(), marie(app).id, **asked)


def test_a_colleague_agrees_and_the_services_chosen_open(app, client, colleague, candidate):
    assert marie(app).statut is Statut.CANDIDAT
    assert not may_declare(app)
    envoyer(colleague, lien(courriers(app, "candidature")[0], "/equipe/demandes/"), reponse="accord", remplace="")

    assert relu(app, marie(app).id).statut is Statut.ACTIF
    assert may_declare(app)
    assert se_connecter(client, password=PASSWORD, **MARIE).status_code == 303
    assert "est terminée" in candidate.get("/inscription/resultat").text


def test_a_colleague_refuses_and_nothing_is_left(app, client, colleague, candidate):
    envoyer(colleague, lien(courriers(app, "candidature")[0], "/equipe/demandes/"), reponse="refus")

    assert marie(app) is None
    assert "n&#39;existe plus" in candidate.get("/inscription/resultat").text.replace("'", "&#39;")
    assert candidate.get("/inscription/recu.pdf").status_code == 404
    assert candidate.send("siret").status_code == 303, "and may begin again"


def test_the_posted_key_opens_the_same_services(app, client, candidate):
    page = client.get("/activation").text
    client.post("/activation", data={"csrf": csrf_in(page), "siret": SIRET, "email": EMAIL, "password": PASSWORD, **MARIE})
    send(client, "/activation/lettre")
    assert not may_declare(app)
    assert send(client, "/activation/cle", cle=key_of(letters(app)[0])).status_code == 200

    assert marie(app).statut is Statut.ACTIF
    assert may_declare(app)


def test_the_receipt_says_that_nothing_is_open_yet(app, candidate):
    page = candidate.get("/inscription/resultat").text

    assert "à l&#39;activation du compte" in page.replace("'", "&#39;")
    assert [mail.kind for mail in mails(app) if mail.kind == "inscription_recu"] == ["inscription_recu"]
    assert EMAIL in page
    assert f"{PRENOM} {NOM}" not in page
