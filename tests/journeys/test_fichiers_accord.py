"""Above a threshold, a second person agrees before a mass file applies: another administrator, or an operator where there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.habilitations.fichiers.statuts import Etat
from idp.support.models import Fonction
from tests.factories import SIRET, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, envoyer, lien, texte, un_etablissement
from tests.journeys.fichiers import droits_de, le_catalogue, le_fichier, ligne, travailler, verifier
from tests.journeys.operateurs import DESK, au_bureau, poster

DECLARER = (1, 0, 0, 0)


@pytest.fixture
def settings(settings):
    """One right may change alone."""
    return replace(settings, mass_approval=1, desk_url=DESK)


@pytest.fixture
def asked(app, client):
    """A file of Claire's that changes two rights of Zoé; the path of its page, and Zoé."""
    un_etablissement(app)
    le_catalogue(app)
    administrateur_connecte(app, client)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", password=None)
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"), ligne("Autre", "Zoé", SIRET, "dpae", "declarer"))
    return path, zoe


@pytest.fixture
def bruno(app, new_client):
    """Another administrator, signed in."""
    un_administrateur(app, nom="Second", prenom="Bruno", email="bruno@exemple.fr")
    there = new_client()
    se_connecter(there, nom="Second", prenom="Bruno")
    return there


def test_another_administrator_agrees_from_the_mail_and_the_file_applies(app, client, bruno, asked):
    path, zoe = asked
    assert "Demander un accord" in texte(client.get(path))
    assert "1 autre administrateur est prévenu" in texte(client.get(f"{path}/application"))
    envoyer(client, f"{path}/application")
    assert (travailler(app), le_fichier(app, path).etat, droits_de(app, zoe.id)) == (0, Etat.A_APPROUVER, {})

    [mail] = courriers(app, "fichier_accord")
    assert (mail.recipient, lien(mail, "/equipe/droits/fichiers/")) == ("bruno@exemple.fr", path)
    assert "Relire et répondre" in texte(bruno.get(path))
    assert envoyer(bruno, f"{path}/accord", reponse="accord").status_code == 303
    travailler(app)
    assert (le_fichier(app, path).etat, droits_de(app, zoe.id)) == (Etat.APPLIQUE, {int(SIRET): (5, 0, 0, 0)})
    assert "Bruno Second" in texte(client.get(path))
    assert len(courriers(app, "fichier_accepte")) == 1


def test_a_refusal_has_a_reason_that_the_author_reads_and_may_ask_again(app, client, bruno, asked):
    path, zoe = asked
    envoyer(client, f"{path}/application")

    assert envoyer(bruno, f"{path}/accord", reponse="refus", motif="  ").status_code == 422
    assert envoyer(bruno, f"{path}/accord", reponse="peut-être").status_code == 400
    assert envoyer(bruno, f"{path}/accord", reponse="refus", motif="Zoé part vendredi").status_code == 303
    assert (le_fichier(app, path).etat, droits_de(app, zoe.id)) == (Etat.REFUSE, {})
    assert "Zoé part vendredi" in texte(client.get(path))
    assert "Zoé part vendredi" in courriers(app, "fichier_refuse")[0].body
    assert envoyer(client, f"{path}/application").status_code == 303
    assert le_fichier(app, path).etat is Etat.A_APPROUVER


def test_an_author_does_not_agree_to_his_own_file(app, client, bruno, asked):
    path, _ = asked
    envoyer(client, f"{path}/application")

    assert client.get(f"{path}/accord").status_code == 409
    assert envoyer(client, f"{path}/accord", path, reponse="accord").status_code in (403, 409)
    assert le_fichier(app, path).etat is Etat.A_APPROUVER
    assert envoyer(bruno, f"{path}/accord", reponse="accord").status_code == 303
    assert envoyer(bruno, f"{path}/accord", "/equipe/droits/fichiers", reponse="accord").status_code in (403, 409)


def test_an_answer_that_does_not_come_in_time_drops_the_request(app, client, bruno, asked):
    path, _ = asked
    envoyer(client, f"{path}/application")

    with time_machine.travel(datetime.now(UTC) + timedelta(days=8), tick=False):
        se_connecter(bruno, nom="Second", prenom="Bruno")
        assert envoyer(bruno, f"{path}/accord", reponse="accord").status_code == 409
        travailler(app)
    assert (le_fichier(app, path).etat, len(courriers(app, "fichier_expire"))) == (Etat.EXPIRE, 1)


def test_without_another_administrator_an_operator_answers_at_the_desk(app, wsgi_app, client, asked):
    path, zoe = asked
    envoyer(client, f"{path}/application")
    assert "un opérateur de MAG relit votre fichier" in texte(client.get(path))
    reference = path.rpartition("/")[2]

    stranger = au_bureau(wsgi_app, "Luc Petit", fonctions=[Fonction.ASSISTANCE])
    assert stranger.get("/fichiers").status_code == 403
    desk = au_bureau(wsgi_app)
    assert "Claire Lefèvre" in texte(desk.get("/fichiers"))
    assert "aucun droit → déclarer" in texte(desk.get(f"/fichiers/{reference}"))
    assert desk.get("/fichiers/inconnu").status_code == 404
    page = f"/fichiers/{reference}"
    assert poster(desk, page, f"/fichiers/{reference}/decision", decision="refus").status_code == 422
    assert desk.post(f"/fichiers/{reference}/decision", data={"decision": "accord"}).status_code == 403
    assert poster(desk, page, f"/fichiers/{reference}/decision", decision="accord").status_code == 303
    assert desk.get(f"/fichiers/{reference}").status_code == 404
    travailler(app)
    assert (le_fichier(app, path).etat, len(droits_de(app, zoe.id))) == (Etat.APPLIQUE, 1)
    assert "un opérateur de MAG" in texte(client.get(path))
