"""A later administrator asks, colleagues answer, time passes (facts 30, 31, 33, 34, 36)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.cooptation import DELAY, mailbox
from idp.declarants.equipe.models import Candidature
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.notifications.models import Letter
from tests.factories import PASSWORD, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, envoyer, lien, relu, texte, un_candidat, un_etablissement

BIRTH = datetime(2026, 11, 2, 9, tzinfo=UTC)


def page_of(app, candidate) -> str:
    with app.app_context():
        return f"/equipe/demandes/{Candidature.of(candidate.id).reference}"


def facts(app, kind, declarant_id):
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent).where(AuditEvent.kind == kind, AuditEvent.declarant_id == declarant_id)))


def test_every_administrator_receives_a_mail_and_the_candidate_too(app):
    un_administrateur(app, email="claire@exemple.fr")
    un_administrateur(app, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    un_candidat(app)

    assert {mail.recipient for mail in courriers(app, "candidature")} == {"claire@exemple.fr", "ali@exemple.fr"}
    assert [mail.recipient for mail in courriers(app, "candidature_recue")] == ["nina@exemple.fr"]


def test_an_administrator_agrees_and_the_candidate_signs_in(app, client, new_client):
    chef = administrateur_connecte(app, client)
    nina = un_candidat(app)
    assert se_connecter(new_client(), nom="Petit", prenom="Nina").status_code == 422, "nothing opens before the answer"
    assert "Nina Petit" in client.get("/equipe/demandes").text
    path = lien(courriers(app, "candidature")[0], "/equipe/demandes/")
    response = envoyer(client, path, reponse="accord", remplace="")

    assert response.status_code == 200
    assert "Accord enregistré" in response.text
    found = relu(app, nina.id)
    assert (found.statut, found.role, found.expires_at) == (Statut.ACTIF, Role.ADMINISTRATEUR, None)
    assert [mail.recipient for mail in courriers(app, "candidature_acceptee")] == ["nina@exemple.fr"]
    assert [fact.actor for fact in facts(app, "DeclarantChanged", nina.id)] == [f"declarant:{chef.id}"]
    assert se_connecter(new_client(), nom="Petit", prenom="Nina").status_code == 303


def test_a_refusal_erases_and_says_so(app, client):
    chef = administrateur_connecte(app, client)
    nina = un_candidat(app)
    response = envoyer(client, page_of(app, nina), reponse="refus")

    assert "Refus enregistré" in response.text
    assert relu(app, nina.id) is None
    assert [(mail.recipient, mail.subject) for mail in courriers(app, "candidature_refusee")] == [
        ("nina@exemple.fr", "Votre demande est refusée")
    ]
    assert [fact.actor for fact in facts(app, "DeclarantErased", nina.id)] == [f"declarant:{chef.id}"]


@pytest.mark.parametrize(("first", "word"), [("accord", "l'accord"), ("refus", "le refus")])
def test_C82_the_second_decision_learns_who_was_first(app, client, new_client, first, word):
    administrateur_connecte(app, client)
    other = new_client()
    administrateur_connecte(app, other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    nina = un_candidat(app)
    page = page_of(app, nina)
    csrf = csrf_in(other.get(page).text)
    envoyer(client, page, reponse=first)
    response = other.post(page, data={"csrf": csrf, "reponse": "refus" if first == "accord" else "accord"})

    assert response.status_code == 409
    assert "déjà décidée par Claire Lefèvre" in texte(response)
    assert word in texte(response)
    assert other.get(page).status_code == 409
    assert (relu(app, nina.id) is not None) == (first == "accord")


def test_nobody_vouches_for_their_own_address(app, client):
    administrateur_connecte(app, client, email="claire@exemple.fr")
    nina = un_candidat(app, email="Claire+mag@exemple.fr")
    page = page_of(app, nina)
    assert "vous porter garant de vous-même" in texte(client.get(page))
    csrf = csrf_in(client.get("/equipe/inviter").text)
    assert client.post(page, data={"csrf": csrf, "reponse": "accord"}).status_code == 403, "a form that the page did not show"

    assert relu(app, nina.id).statut is Statut.CANDIDAT


def test_one_mailbox_has_several_spellings():
    assert mailbox("Claire+mag@Exemple.fr") == mailbox("claire@exemple.fr") != mailbox("clair@exemple.fr")


@pytest.mark.parametrize("who", ["declarant", "elsewhere", "stranger"])
def test_C60_who_may_not_answer(app, client, who):
    un_administrateur(app, email="claire@exemple.fr")
    nina = un_candidat(app)
    if who == "declarant":
        un_declarant(app, nom="Autre", prenom="Zoé")
        se_connecter(client, nom="Autre", prenom="Zoé")
    elif who == "elsewhere":
        administrateur_connecte(app, client, siret="35600000000048", nom="Roux", prenom="Ali")
    page = page_of(app, nina)
    expected = {"declarant": 403, "elsewhere": 404, "stranger": 303}[who]

    assert client.get(page).status_code == expected
    assert client.post(page, data={"reponse": "accord"}).status_code == expected
    assert relu(app, nina.id).statut is Statut.CANDIDAT


@pytest.mark.parametrize(("typed", "status"), [({"reponse": "peut-être"}, 400), ({}, 400), ({"csrf": "faux", "reponse": "accord"}, 403)])
def test_an_answer_that_is_none(app, client, typed, status):
    administrateur_connecte(app, client)
    nina = un_candidat(app)
    page = page_of(app, nina)
    csrf = csrf_in(client.get(page).text)

    assert client.post(page, data={"csrf": csrf, **typed}).status_code == status
    assert relu(app, nina.id).statut is Statut.CANDIDAT


# -------------------------------------------------------------------------------------------------------------- replacing


def test_a_candidate_takes_the_place_of_an_administrator_with_proof(app, client, new_client):
    chef = administrateur_connecte(app, client)
    former, other = new_client(), None
    old = administrateur_connecte(app, former, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    nina = un_candidat(app)
    response = envoyer(client, page_of(app, nina), reponse="accord", remplace=old.uid, preuve="Arrêté 2026-118 du 3 novembre 2026")

    assert response.status_code == 200
    assert "Arrêté 2026-118" in response.text
    assert relu(app, nina.id).statut is Statut.ACTIF
    assert relu(app, old.id).statut is Statut.RADIE
    assert former.get("/").status_code == 303, "their session ended at once"
    assert [fact.details["proof"] for fact in facts(app, "AdministratorReplaced", old.id)] == ["Arrêté 2026-118 du 3 novembre 2026"]
    assert [mail.recipient for mail in courriers(app, "radiation")] == ["ali@exemple.fr"]
    assert (chef.id, other) == (chef.id, None)


def test_an_administrator_gives_way_himself(app, client):
    """The only administrator of a public body hands over (fact 36)."""
    chef = administrateur_connecte(app, client)
    nina = un_candidat(app)
    response = envoyer(client, page_of(app, nina), reponse="accord", remplace=chef.uid, preuve="Délibération du 3 novembre")

    assert response.status_code == 200
    assert (relu(app, nina.id).statut, relu(app, chef.id).statut) == (Statut.ACTIF, Statut.RADIE)
    assert client.get("/equipe").status_code == 303


def test_no_replacement_without_proof_nor_of_a_stranger(app, client):
    chef = administrateur_connecte(app, client)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé")
    nina = un_candidat(app)
    for remplace, preuve in ((chef.uid, "  "), (zoe.uid, "Arrêté"), ("inconnu", "Arrêté")):
        assert envoyer(client, page_of(app, nina), reponse="accord", remplace=remplace, preuve=preuve).status_code == 400

    assert relu(app, nina.id).statut is Statut.CANDIDAT
    assert relu(app, chef.id).statut is Statut.ACTIF


# -------------------------------------------------------------------------------------------------------------------- time


def pass_time(app, at):
    with time_machine.travel(at, tick=False):
        return app.test_cli_runner().invoke(args=["declarants", "echeances"])


def test_C81_days_fourteen_fifteen_and_sixteen(app):
    with time_machine.travel(BIRTH, tick=False):
        un_administrateur(app, email="claire@exemple.fr")
        nina = un_candidat(app, now=BIRTH)
    told = []
    for day in (11, 12, 12, 13, 14, 14):
        pass_time(app, BIRTH + timedelta(days=day))
        told.append(sorted(mail.recipient for mail in courriers(app, "candidature_bientot")))
    both = ["claire@exemple.fr", "nina@exemple.fr"]
    assert told == [[], both, both, both, sorted(both * 2), sorted(both * 2)]
    assert relu(app, nina.id).statut is Statut.CANDIDAT
    pass_time(app, BIRTH + DELAY - timedelta(seconds=1))
    assert relu(app, nina.id) is not None
    assert "1 candidature(s) effacée(s)" in pass_time(app, BIRTH + DELAY).output
    assert relu(app, nina.id) is None
    assert "0 candidature(s) effacée(s)" in pass_time(app, BIRTH + timedelta(days=16)).output

    assert [mail.recipient for mail in courriers(app, "demande_effacee")] == ["nina@exemple.fr"]
    assert len(facts(app, "DeclarantErased", nina.id)) == 1


def test_a_candidacy_that_time_erased_is_told_as_such(app, client):
    nina = un_candidat(app, now=datetime.now(UTC) - DELAY)
    page = page_of(app, nina)
    app.test_cli_runner().invoke(args=["declarants", "echeances"])
    administrateur_connecte(app, client)

    assert "personne n'avait répondu" in texte(client.get(page))


@pytest.mark.parametrize("answer", ["accord", "refus"])
def test_the_end_is_a_date_whether_or_not_a_timer_passed(app, client, answer):
    administrateur_connecte(app, client)
    nina = un_candidat(app, now=datetime.now(UTC) - DELAY + timedelta(seconds=60))
    page = page_of(app, nina)
    csrf = csrf_in(client.get(page).text)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=90)):
        assert client.get(page).status_code == 409
        response = client.post(page, data={"csrf": csrf, "reponse": answer, "remplace": ""})

    assert response.status_code == 409
    assert "personne n'avait répondu" in texte(response)
    assert relu(app, nina.id).statut is Statut.CANDIDAT


@pytest.mark.parametrize("answer", ["accord", "refus"])
def test_after_a_decision_the_key_is_not_posted(app, client, new_client, answer):
    un_etablissement(app)
    administrateur_connecte(app, client)
    nina = un_candidat(app)
    theirs = new_client()
    envoyer(theirs, "/activation", siret=str(nina.siret), nom="Petit", prenom="Nina", email=nina.email, password=PASSWORD)
    envoyer(theirs, "/activation/lettre", "/activation")
    with app.app_context():
        assert len(Letter.waiting()) == 1
    envoyer(client, page_of(app, nina), reponse=answer, remplace="")

    with app.app_context():
        assert Letter.waiting() == []


def test_a_first_administrator_whom_nobody_settled_is_erased(app):
    from idp.declarants.identite import Identite
    from idp.declarants.inscription import inscrire
    from idp.declarants.statuts import Act, By
    from idp.entreprises.siret import Siret

    with app.app_context():
        primo = inscrire(Identite(Siret("73282932000074"), "Petit", "Nina"), BIRTH, act=Act.INSCRIRE_PREMIER, by=By.SOI)
        primo.expires_at = BIRTH + DELAY
        db.session.commit()
        number = primo.id
    pass_time(app, BIRTH + DELAY - timedelta(seconds=1))
    assert relu(app, number) is not None
    pass_time(app, BIRTH + DELAY)

    assert relu(app, number) is None
    with app.app_context():
        assert db.session.scalar(select(Declarant.id)) is None
