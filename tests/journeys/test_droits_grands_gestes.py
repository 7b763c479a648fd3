"""Acts that change so many rights that somebody else agrees first, or that are too much for a page: done by a job, as files are."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from idp.database import db
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.statuts import Etat
from idp.habilitations.models import Operation, PortefeuilleMembre
from idp.habilitations.portefeuilles import ajouter_clients, ouvrir_services
from tests.factories import csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.droits import CLIENTS, DPAE, DSN, HERE, champs, clients_numbered, confirmer, fait, geste, simuler, un_cabinet
from tests.journeys.equipe import courriers, envoyer, lien, texte
from tests.journeys.fichiers import droits_de, le_fichier, travailler

MANY = 10
PEOPLE, LARGE = 6, 900


@pytest.fixture
def settings(settings):
    return replace(settings, mass_approval=MANY)


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


@pytest.fixture
def second(app, cabinet, new_client):
    """Another administrator, signed in."""
    un_administrateur(app, nom="Second", prenom="Anne", email="anne@exemple.fr")
    there = new_client()
    se_connecter(there, nom="Second", prenom="Anne")
    return there


def attribution(who, cibles):
    return {"acte": "attribuer", "personne": [who.uid], "cible": [str(one) for one in cibles], "droit": ["dpae.declarer"]}


def operations(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Operation))


def demander(client, cabinet, cibles=CLIENTS[:20]):
    """An act of more rights than one person may change alone; the path of its page."""
    return confirmer(client, simuler(client, **attribution(cabinet.bruno, cibles))).headers["Location"]


def test_another_administrator_agrees_to_an_act_and_it_is_done_in_one_operation_that_is_undone(app, client, second, cabinet):
    before = operations(app)
    preview = simuler(client, **attribution(cabinet.bruno, CLIENTS[:20]))
    assert "Au-delà de 10 droits en 24 heures, une seconde personne" in texte(preview)
    sent = confirmer(client, preview)
    path = sent.headers["Location"]

    page = texte(client.get(path))
    assert (sent.status_code, travailler(app), operations(app)) == (303, 0, before)
    assert "En attente d'un accord" in page
    assert "Attribuer" in page
    assert "20 droits donnés" in page
    [mail] = courriers(app, "fichier_accord")
    assert (mail.recipient, lien(mail, "/equipe/droits/fichiers/")) == ("anne@exemple.fr", path)
    assert "Un changement d'habilitations attend votre accord" in mail.subject
    assert "gagne déclarer, ici et sur 19 autres établissements" in texte(second.get(path))
    assert client.get(f"{path}/accord").status_code == 409, "one's own"
    assert envoyer(second, f"{path}/accord", reponse="accord").status_code == 303

    travailler(app)
    found = le_fichier(app, path)
    assert (found.etat, len(droits_de(app, cabinet.bruno.id)), operations(app)) == (Etat.APPLIQUE, 20, before + 1)
    assert "Attribuer" in texte(client.get(f"/equipe/droits/operations/{found.operation_id}"))
    envoyer(client, f"{path}/annulation")
    travailler(app)
    assert (le_fichier(app, path).etat, droits_de(app, cabinet.bruno.id)) == (Etat.ANNULE, {})


def test_an_act_that_is_long_to_tell_is_called_by_its_kind_and_its_people(app, client, cabinet):
    rights = ["dpae.declarer", "atmp.declarer", "atmp.consulter", "ducs.declarer", "ducs.payer", "dsn.declarer", "dsn.payer"]
    fields = attribution(cabinet.bruno, CLIENTS[:20]) | {"droit": rights}
    sent = confirmer(client, simuler(client, **fields))

    assert le_fichier(app, sent.headers["Location"]).nom == "Attribution : Bruno Blanc"
    assert "Attribution : Bruno Blanc" in texte(client.get("/equipe/droits/fichiers"))


def test_a_refusal_changes_nothing_and_says_why(app, client, second, cabinet):
    path = demander(client, cabinet)

    assert envoyer(second, f"{path}/accord", reponse="refus", motif="Trop large.").status_code == 303
    assert (le_fichier(app, path).etat, travailler(app), droits_de(app, cabinet.bruno.id)) == (Etat.REFUSE, 0, {})
    assert "Trop large." in texte(client.get(path))
    assert "Votre changement d'habilitations est refusé" in courriers(app, "fichier_refuse")[0].subject


def test_a_confirmation_sent_twice_asks_once(app, client, cabinet):
    page = simuler(client, **attribution(cabinet.bruno, CLIENTS[:20]))

    first, again = confirmer(client, page), confirmer(client, page)

    assert first.headers["Location"] == again.headers["Location"]
    with app.app_context():
        [one] = db.session.scalars(select(FichierDroits))
        assert (one.etat, one.bureau) == (Etat.A_APPROUVER, True), "no other administrator: an operator answers"


def test_rights_that_moved_since_an_agreement_are_shown_again(app, client, second, cabinet):
    path = demander(client, cabinet)
    envoyer(second, f"{path}/accord", reponse="accord")
    fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:1])))

    travailler(app)

    found = le_fichier(app, path)
    assert (found.etat, found.bilan["donnes"], len(droits_de(app, cabinet.bruno.id))) == (Etat.VERIFIE, 19, 1)
    assert "Des droits ont changé depuis la vérification" in texte(client.get(path))


def test_an_undo_and_what_is_within_the_threshold_need_nobody(app, client, cabinet, second):
    small = fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:MANY])))
    assert len(droits_de(app, cabinet.bruno.id)) == MANY
    path = demander(client, cabinet, CLIENTS[MANY:])
    envoyer(second, f"{path}/accord", reponse="accord")
    travailler(app)

    large = le_fichier(app, path).operation_id
    undo = {"csrf": csrf_in(client.get("/equipe/droits/passation").text), "acte": "annuler", "operation": str(large)}
    assert fait(client, client.post("/equipe/droits/gestes", data=undo))
    assert len(droits_de(app, cabinet.bruno.id)) == MANY
    assert small < large


def test_members_of_a_portfolio_and_a_transfer_need_an_agreement_too(app, client, cabinet, second):
    page = f"/equipe/droits/portefeuilles/{cabinet.nord}/membres"
    version = client.get(page).text.split('name="version" value="')[1].split('"')[0]
    fields = {"acte": "ajouter_membres", "portefeuille": str(cabinet.nord), "version": version, "personne": [cabinet.bruno.uid]}
    members = confirmer(client, simuler(client, **fields, droit=["dsn.declarer"]))
    csrf = csrf_in(client.get("/equipe/droits/passation").text)
    passing = {"csrf": csrf, "acte": "transferer", "de": [cabinet.zoe.uid], "vers": [cabinet.bruno.uid]}
    transfer = confirmer(client, client.post("/equipe/droits/gestes", data=passing))

    for path in (members.headers["Location"], transfer.headers["Location"]):
        assert le_fichier(app, path).etat is Etat.A_APPROUVER
    with app.app_context():
        assert [one.declarant_id for one in PortefeuilleMembre.in_portfolio(cabinet.nord)] == [cabinet.zoe.id]


# ------------------------------------------------------------------------------------------------------------- too large


@pytest.fixture
def grand(app, cabinet):
    """People to be made members of a portfolio of many clients: more places than a page looks at. The fields of the act."""
    people = [un_declarant(app, nom="Equipe", prenom=f"N{n}", password=None).uid for n in range(PEOPLE)]
    with app.app_context():
        ouvrir_services(geste(app), cabinet.nord, DPAE)
        ajouter_clients(geste(app), cabinet.nord, clients_numbered(700_000_000, LARGE), DSN)
        db.session.commit()
    return people


def fields_of(client, cabinet, people):
    page = client.get(f"/equipe/droits/portefeuilles/{cabinet.nord}/membres").text
    version = page.split('name="version" value="')[1].split('"')[0]
    common = {"acte": "ajouter_membres", "portefeuille": str(cabinet.nord), "version": version, "droit": "dsn.declarer"}
    return {**common, "csrf": csrf_in(page), "personne": people, "retour": f"/equipe/droits/portefeuilles/{cabinet.nord}"}


def test_an_act_too_large_for_a_page_is_looked_at_by_a_job_then_applied_and_undone(app, client, second, cabinet, grand):
    page = client.post("/equipe/droits/gestes", data=fields_of(client, cabinet, grand))
    assert "touche plus de 5\u202f000 couples" in texte(page)
    assert "Membre de « Nord »" in texte(page)
    before = operations(app)
    sent = client.post("/equipe/droits/gestes", data=champs(page))
    assert client.post("/equipe/droits/gestes", data=champs(page)).headers["Location"] == sent.headers["Location"]
    path = sent.headers["Location"]
    assert "Le travail avance" in texte(client.get(path))

    travailler(app)
    found = le_fichier(app, path)
    expected = PEOPLE * (LARGE + len(CLIENTS))
    assert (found.etat, found.bilan["lues"], found.bilan["personnes"]) == (Etat.VERIFIE, expected, PEOPLE)
    assert found.bilan["donnes"] >= expected
    assert "Membre de « Nord »" in found.nom
    assert operations(app) == before
    envoyer(client, f"{path}/application")
    envoyer(second, f"{path}/accord", reponse="accord")
    travailler(app)
    assert (le_fichier(app, path).etat, operations(app)) == (Etat.APPLIQUE, before + 1)
    with app.app_context():
        assert len(PortefeuilleMembre.in_portfolio(cabinet.nord)) == PEOPLE + 1
    envoyer(client, f"{path}/annulation")
    travailler(app)
    with app.app_context():
        assert len(PortefeuilleMembre.in_portfolio(cabinet.nord)) == 1


def test_what_the_job_cannot_do_is_told_and_changes_nothing(app, client, cabinet, grand):
    page = client.post("/equipe/droits/gestes", data=fields_of(client, cabinet, grand))
    path = client.post("/equipe/droits/gestes", data=champs(page)).headers["Location"]
    with app.app_context():
        ajouter_clients(geste(app), cabinet.nord, [HERE], DSN)
        db.session.commit()

    travailler(app)

    found = le_fichier(app, path)
    assert (found.etat, "Quelqu'un d'autre a changé ce portefeuille" in found.motif) == (Etat.ECHEC, True)
    assert "Votre changement d'habilitations n'a pas été appliqué" in courriers(app, "fichier_echec")[0].subject


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"acte": "rien"}, 400), ({"depot": "court"}, 422), ({"csrf": "x"}, 403)],
    ids=["no-such-act", "no-form-of-ours", "forged"],
)
def test_what_is_not_an_act_is_not_given_to_a_job(app, client, cabinet, changes, status):
    csrf = csrf_in(client.get("/equipe/droits/passation").text)
    sent = {"csrf": csrf, "etape": "confier", "depot": "d" * 24, **attribution(cabinet.bruno, CLIENTS[:2]), **changes}

    assert client.post("/equipe/droits/gestes", data=sent).status_code == status
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(FichierDroits)) == 0
