"""A mass file from end to end: exported, edited, sent, checked line by line, applied in one operation, undone."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, insert, select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.statuts import Role
from idp.habilitations.droits import Droit
from idp.habilitations.fichiers import tableur
from idp.habilitations.fichiers.models import FichierContenu, FichierDroits, FichierLigne
from idp.habilitations.fichiers.statuts import Etat
from idp.habilitations.models import DroitDirect, Operation
from tests.factories import SIRET, csrf_in, se_connecter, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, envoyer, texte, un_etablissement
from tests.journeys.fichiers import (
    CLIENT,
    HEAD,
    OTHER,
    PLACE,
    clients_de,
    donner,
    droits_de,
    envoyer_fichier,
    exclusions_de,
    le_catalogue,
    le_fichier,
    ligne,
    travailler,
    un_portefeuille,
    verifier,
)

DECLARER, PAYER, BOTH = (1, 0, 0, 0), (0, 1, 0, 0), (1, 1, 0, 0)


@pytest.fixture
def claire(app, client):
    """The administrator, at the head office of her company."""
    un_etablissement(app)
    le_catalogue(app)
    return administrateur_connecte(app, client)


@pytest.fixture
def zoe(app, claire):
    return un_declarant(app, nom="Autre", prenom="Zoé", password=None)


def apply(app, client, path):
    """Confirmed as a browser does, and done."""
    response = envoyer(client, f"{path}/application")
    travailler(app)
    return response


def events(app, kind):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.kind == kind))


# --------------------------------------------------------------------------------------------------------------- refusals

WRONG = [
    pytest.param((SIRET, "Personne", "Jean", "", SIRET, "dsn", "declarer", ""), "Personne n'est inscrit", id="nobody"),
    pytest.param((SIRET, "", "", "", SIRET, "dsn", "declarer", ""), "Personne n'est inscrit", id="no-name"),
    pytest.param(("123", "Autre", "Zoé", "", SIRET, "dsn", "declarer", ""), "vous en avez saisi 3", id="siret-too-short"),
    pytest.param(("7,32829E+13", "Autre", "Zoé", "", SIRET, "dsn", "declarer", ""), "abrégé", id="shortened-siret"),
    pytest.param((SIRET, "Autre", "Zoé", "", "7.84E+13", "dsn", "declarer", ""), "abrégé", id="shortened-target"),
    pytest.param((SIRET, "Autre", "Zoé", "", "73282932000075", "dsn", "declarer", ""), "clé de contrôle", id="wrong-key"),
    pytest.param((SIRET, "Autre", "Zoé", "", "", "dsn", "declarer", ""), "14 chiffres", id="no-target"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "minitel", "declarer", ""), "« minitel » n'existe pas", id="service"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "dsn", "signer", ""), "« signer » n'est pas un droit", id="right"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "dpae", "payer", ""), "ne connaît pas le droit", id="right-it-has-not"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "c3s", "declarer", ""), "entreprise entière", id="grain"),
    pytest.param((SIRET, "Autre", "Zoé", "", CLIENT, "atmp", "telecharger_officiel", ""), "Seule l'entreprise elle-même", id="official"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "dsn", "declarer", "demain"), "Date de fin illisible", id="date"),
    pytest.param((SIRET, "Autre", "Zoé", "", OTHER, "dsn", "declarer", "01/01/2020"), "est passée", id="past"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "dsn", "", "01/01/2099"), "aucun droit", id="end-of-nothing"),
    pytest.param((SIRET, "Autre", "Zoé", "Nord", SIRET, "dsn", "declarer", ""), "une personne et un portefeuille", id="two-holders"),
    pytest.param(("", "", "", "Inconnu", CLIENT, "dsn", "declarer", ""), "Ce portefeuille n'existe pas dans", id="portfolio"),
    pytest.param(("", "", "", "Nord (n° 999)", CLIENT, "dsn", "declarer", ""), "Ce portefeuille n'existe pas dans", id="portfolio-number"),
    pytest.param(("", "", "", "Nord", CLIENT, "dpae", "declarer", ""), "Ajoutez d'abord « Déclaration préalable", id="container"),
    pytest.param((SIRET, "Autre", "Zoé", "", "=A1", "dsn", "declarer", ""), "formule", id="formula"),
    pytest.param((SIRET, "Autre", "Zoé", "", SIRET, "x" * 301, "declarer", ""), "plus de 300 caractères", id="huge-cell"),
    pytest.param((SIRET, "Au\x00tre", "Zoé", "", SIRET, "dsn", "declarer", ""), "caractère interdit", id="control"),
    pytest.param((SIRET, "Autre", "Zoé"), "Ligne incomplète", id="incomplete"),
    pytest.param((SIRET, "Parti", "Paul", "", SIRET, "dsn", "declarer", ""), "n'est pas active", id="suspended"),
    pytest.param((SIRET, "Chef", "Anne", "", SIRET, "dsn", "declarer", ""), "administre sans déclarer", id="does-not-declare"),
]


def test_a_file_with_every_kind_of_error_is_refused_line_by_line(app, client, zoe):
    un_declarant(app, nom="Parti", prenom="Paul", password=None, statut="suspendu")
    un_declarant(app, nom="Chef", prenom="Anne", password=None, role=Role.ADMINISTRATEUR)
    un_portefeuille(app)
    rows = [";".join(found.values[0]) for found in WRONG]
    path = verifier(app, client, *rows, ligne("Autre", "Zoé", SIRET, "dsn", "payer"), ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))

    fichier = le_fichier(app, path)
    assert (fichier.etat, fichier.bilan["refusees"], fichier.bilan["changees"]) == (Etat.VERIFIE, len(WRONG) + 1, 1)
    with app.app_context():
        refused = FichierLigne.page(fichier.id, refusee=True, after=0, limit=100)
        for number, (found, line) in enumerate(zip(WRONG, refused, strict=False), 2):
            assert (line.numero, found.values[1] in (line.raison or "")) == (number, True), (found.id, line.raison)
        assert "même chose que la ligne" in refused[-1].raison
    page = texte(client.get(f"{path}?lignes=refusees"))
    assert "« minitel » n'existe pas" in page
    corrected = client.get(f"{path}/refusees.csv").data.decode("utf-8-sig").splitlines()
    assert corrected[0] == f"{HEAD};erreur;ligne"
    assert len(corrected) == len(WRONG) + 2
    assert any(row.startswith(f"{SIRET};Autre;Zoé;;'=A1;") for row in corrected), "a formula is not given back as one"
    assert droits_de(app, zoe.id) == {}, "nothing is applied by a check"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        pytest.param({"content": b""}, 422, "celui-ci est vide", id="empty"),
        pytest.param({"depot": "x"}, 422, "n'est plus valable", id="no-form"),
        pytest.param({"content": b"x" * ((32 << 20) + 1)}, 422, "dépasse 32 Mo", id="too-large"),
        pytest.param({"csrf": "x"}, 403, "n'est plus valable", id="anti-forgery"),
    ],
)
def test_a_file_that_cannot_come_in_is_refused_at_the_door(app, client, claire, changes, status, words):
    response = envoyer_fichier(client, **changes)

    assert (response.status_code, words in texte(response)) == (status, True)
    assert le_nombre(app) == 0


def le_nombre(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(FichierDroits))


def test_files_are_refused_everywhere_else(client, claire):
    response = client.post("/equipe/inviter", data={"fichier": (__import__("io").BytesIO(b"x"), "x")}, content_type="multipart/form-data")

    assert response.status_code == 415


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"nom;prenom\r\nx;y", "Colonnes absentes", id="columns"),
        pytest.param(f"{HEAD}\r\né".encode("cp1252"), "UTF-8", id="encoding"),
        pytest.param(b"PK\x03\x04broken", "n'est pas un classeur", id="broken-workbook"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(app, client, claire, content, words):
    path = verifier(app, client, content=content)

    assert le_fichier(app, path).etat is Etat.ILLISIBLE
    assert words in texte(client.get(path))


def test_whoever_does_not_administer_has_no_file_and_another_company_s_do_not_exist(app, client, new_client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    paul, elsewhere = new_client(), new_client()
    un_declarant(app, nom="Petit", prenom="Paul")
    se_connecter(paul, nom="Petit", prenom="Paul")
    administrateur_connecte(app, elsewhere, siret=OTHER, nom="Loin", prenom="Léa")

    assert paul.get(PLACE).status_code == 403
    assert paul.get(path).status_code == 403
    assert new_client().get(PLACE).status_code == 303
    ref = path.rpartition("/")[2]
    acts = (
        f"/equipe/droits/fichiers/{ref}/application",
        f"/equipe/droits/fichiers/{ref}/accord",
        f"/equipe/droits/fichiers/{ref}/annulation",
    )
    pages = (f"/equipe/droits/fichiers/{ref}", f"/equipe/droits/fichiers/{ref}/refusees.csv", f"/equipe/droits/fichiers/{ref}/rapport.xlsx")
    form = {"csrf": csrf_in(elsewhere.get("/equipe/droits/fichiers").text)}
    assert [elsewhere.get(page).status_code for page in (*pages, *acts)] == [404] * 6
    assert [elsewhere.post(act, data=form).status_code for act in (*acts, f"/equipe/droits/fichiers/{ref}/abandon")] == [404] * 4
    assert client.get(f"{path}/refusees.pdf").status_code == 404
    assert elsewhere.get(f"/equipe/droits/fichiers/export.csv?personne={zoe.uid}").status_code == 404


def test_a_secondary_establishment_speaks_of_its_own_people_and_places_alone(app, client, claire, new_client):
    second = "73282932000082"
    un_etablissement(app, second, siege=False)
    there = new_client()
    administrateur_connecte(app, there, siret=second, nom="Second", prenom="Luc")
    un_declarant(app, nom="Autre", prenom="Zoé", password=None)
    un_portefeuille(app, claire.id)
    path = verifier(
        app,
        there,
        ligne("Autre", "Zoé", CLIENT, "dsn", "declarer"),
        ";".join(("", "", "", "Nord", CLIENT, "dsn", "payer", "")),
        f"{second};Second;Luc;;{SIRET};dsn;declarer;",
        f"{second};Second;Luc;;732829320;dsn;declarer;",
        f"{second};Second;Luc;;{second};dsn;declarer;",
        f"{second};Second;Luc;;{CLIENT};dsn;declarer;",
    )

    assert (le_fichier(app, path).bilan["refusees"], le_fichier(app, path).bilan["changees"]) == (4, 2)
    page = texte(there.get(path))
    assert "se donnent depuis le siège" in page
    assert "« Nord » a des membres d'autres établissements" in page


def test_an_act_that_comes_too_late_is_refused_and_changes_nothing(app, client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    form = {"csrf": csrf_in(client.get(f"{path}/application").text)}
    assert client.post(f"{path}/application", data=form).status_code == 303

    again = client.post(f"{path}/application", data=form)
    assert (again.status_code, "application en cours" in texte(again)) == (409, True)
    assert client.get(f"{path}/accord").status_code == 409
    assert client.get(f"{path}/annulation").status_code == 409
    assert client.post(f"{path}/abandon", data={"csrf": csrf_in(client.get(PLACE).text)}).status_code == 409
    for end in ("application", "accord", "annulation", "abandon"):
        assert client.post(f"{path}/{end}", data={"csrf": "x"}).status_code == 403
    travailler(app)
    assert events(app, "FichierApplied") == 1


def test_the_same_form_sent_twice_is_one_file(app, client, claire):
    page = client.get(PLACE).text
    depot = page.split('name="depot" value="', 1)[1].split('"', 1)[0]

    first, second = (envoyer_fichier(client, depot=depot) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert le_nombre(app) == 1


def test_an_establishment_has_ten_files_under_way_at_most(app, client, claire):
    for _ in range(10):
        assert envoyer_fichier(client).status_code == 303

    assert envoyer_fichier(client).status_code == 409


# --------------------------------------------------------------------------------------------------------------- the whole


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_changes_nothing_when_it_is_sent_back(app, client, zoe, kind):
    donner(app, zoe.id, "732829320")
    donner(app, zoe.id, OTHER)
    un_portefeuille(app, zoe.id, cibles=(CLIENT, OTHER))
    path = verifier(app, client, ligne("Autre", "Zoé", CLIENT, "dsn", ""), ligne("Autre", "Zoé", OTHER, "dsn", "payer", "31/12/2099"))
    apply(app, client, path)
    assert exclusions_de(app, zoe.id) == {int(CLIENT): DECLARER, int(OTHER): DECLARER}

    for portee, lines in (("ecrits", 5), ("effectifs", 3)):
        exported = client.get(f"{PLACE}/export.{kind}?portee={portee}")
        assert exported.status_code == 200
        again = le_fichier(app, verifier(app, client, content=exported.data, name=f"export.{kind}"))
        assert (again.etat, again.bilan["lues"], again.bilan["inchangees"]) == (Etat.VERIFIE, lines, lines), portee
    assert events(app, "FichierExported") == 2


def test_an_export_too_long_for_a_workbook_leads_to_its_csv(app, client, zoe):
    donner(app, zoe.id, OTHER)
    with app.app_context():
        [given] = db.session.scalars(select(DroitDirect))
        same = {name: getattr(given, name) for name in ("declarant_id", "effective_from", "ends_at", "operation_id", *Droit)}
        rows = [{**same, "cible": 40_000_000_000_012 + i * 100_000} for i in range(tableur.MOST_SHEET)]
        db.session.execute(insert(DroitDirect), rows)
        db.session.commit()

    page = client.get(f"{PLACE}/export.xlsx")

    assert page.status_code == 422
    assert "Un classeur XLSX a 20 000 lignes au plus. Téléchargez plutôt le fichier CSV" in texte(page).replace("\u202f", " ")
    [instead] = re.findall(r'href="([^"]*export.csv[?]personne=[^"]*)"', page.text)
    assert client.get(html.unescape(instead)).data.count(b"\r\n") == tableur.MOST_SHEET + 2
    assert events(app, "FichierExported") == 1


def test_a_file_is_applied_in_one_operation_and_undone_within_a_day(app, client, zoe):
    donner(app, zoe.id, OTHER)
    folder = un_portefeuille(app, zoe.id)
    before = droits_de(app, zoe.id), clients_de(app, folder)
    path = verifier(
        app,
        client,
        ligne("Autre", "Zoé", "SIREN 732 829 320", "dsn", "déclarer, payer"),
        ligne("Autre", "Zoé", OTHER, "dsn", ""),
        ligne("Autre", "Zoé", CLIENT, "dsn", ""),
        f";;;Nord;{CLIENT};dsn;declarer payer;",
        f";;;nord;{OTHER};dsn;payer;31/12/2099",
    )

    page = texte(client.get(path))
    assert "5 lignes : 4 droits donnés et 2 droits retirés" in page
    assert "1 exception créée" in page
    assert apply(app, client, path).headers["Location"].endswith(path)
    fichier = le_fichier(app, path)
    assert fichier.etat is Etat.APPLIQUE
    assert droits_de(app, zoe.id) == {732829320: BOTH}
    assert exclusions_de(app, zoe.id) == {int(CLIENT): DECLARER}
    assert clients_de(app, folder) == {int(CLIENT): BOTH, int(OTHER): PAYER}
    with app.app_context():
        assert db.session.get(Operation, fichier.operation_id).kind == "importer_fichier"
    assert (events(app, "FichierApplied"), len(courriers(app, "fichier_applique"))) == (1, 1)

    undone = envoyer(client, f"{path}/annulation")
    assert undone.status_code == 303
    travailler(app)
    assert le_fichier(app, path).etat is Etat.ANNULE
    assert (droits_de(app, zoe.id), clients_de(app, folder)) == before
    assert exclusions_de(app, zoe.id) == {}


def test_a_file_that_is_a_day_old_is_not_undone(app, client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    apply(app, client, path)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=False):
        se_connecter(client)
        assert client.get(f"{path}/annulation").status_code == 409
        assert "Annuler ce fichier" not in texte(client.get(path))


def test_an_undo_that_others_overtook_says_so_and_leaves_all(app, client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    apply(app, client, path)
    donner(app, zoe.id, SIRET, "dpae")

    envoyer(client, f"{path}/annulation")
    travailler(app)
    fichier = le_fichier(app, path)
    assert (fichier.etat, "D'autres opérations ont changé" in (fichier.motif or "")) == (Etat.APPLIQUE, True)


def test_rights_that_moved_since_the_check_are_shown_again_and_nothing_is_lost(app, client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    donner(app, zoe.id, SIRET)
    apply(app, client, path)

    fichier = le_fichier(app, path)
    assert (fichier.etat, fichier.bilan["changees"]) == (Etat.VERIFIE, 0)
    assert "Des droits ont changé depuis la vérification" in texte(client.get(path))
    assert "il n'y a rien à appliquer" in texte(client.get(path))
    assert envoyer(client, f"{path}/application").status_code == 409


def test_an_author_who_lost_the_role_applies_nothing(app, client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    envoyer(client, f"{path}/application")
    with app.app_context():
        FichierDroits.find(path.rpartition("/")[2]).author.role = "declarant"
        db.session.commit()
    travailler(app)

    fichier = le_fichier(app, path)
    assert (fichier.etat, droits_de(app, zoe.id)) == (Etat.ECHEC, {})
    assert len(courriers(app, "fichier_echec")) == 1


def test_a_dropped_file_changes_nothing_and_is_erased_after_a_month(app, client, zoe):
    path = verifier(app, client, ligne("Autre", "Zoé", SIRET, "dsn", "declarer"))
    dropped = client.post(f"{path}/abandon", data={"csrf": csrf_in(client.get(path).text)})
    assert "fait=abandon" in dropped.headers["Location"]
    assert le_fichier(app, path).etat is Etat.ABANDONNE

    with app.app_context():
        assert FichierDroits.purge(datetime.now(UTC)) == 0
        assert FichierDroits.purge(datetime.now(UTC) + timedelta(days=31)) == 1
        db.session.commit()
        assert [db.session.scalar(select(func.count()).select_from(kind)) for kind in (FichierContenu, FichierLigne)] == [0, 0]


def test_a_page_under_work_comes_back_by_itself_and_says_how_far_it_is(app, client, claire):
    sent = envoyer_fichier(client)
    page = client.get(sent.headers["Location"])

    assert page.headers["Refresh"] == "3"
    assert "Vérification en cours" in texte(page)
    travailler(app)
    assert "Refresh" not in client.get(sent.headers["Location"]).headers


def test_a_report_is_read_by_pages_and_downloaded_whole(app, client, zoe):
    sirets = [f"356000000{nic:05d}" for nic in range(2000) if _holds(f"356000000{nic:05d}")][:60]
    path = verifier(app, client, *(ligne("Autre", "Zoé", siret, "dsn", "declarer") for siret in sirets))

    first = texte(client.get(path))
    assert first.count("→") == 50
    following = first.split("?lignes=&apres=")[1].split("#")[0]
    assert texte(client.get(f"{path}?apres={following}")).count("→") == 10
    assert len(client.get(f"{path}/rapport.csv").data.decode("utf-8-sig").splitlines()) == 61
    assert client.get(f"{path}/rapport.xlsx").data.startswith(b"PK")
    assert client.get(f"{path}?apres=abc&lignes=zzz").status_code == 200


def _holds(siret: str) -> bool:
    from idp.entreprises.siret import is_siret

    return is_siret(siret)


def test_the_model_names_the_columns_and_the_services(client, claire):
    assert client.get("/equipe/droits/fichiers/modele.csv").data.decode("utf-8-sig").strip() == HEAD
    assert client.get(f"{PLACE}/modele.xlsx").data.startswith(b"PK")
    assert client.get(f"{PLACE}/modele.ods").status_code == 404


def test_files_sent_are_listed_by_pages(app, client, claire):
    for _ in range(2):
        path = verifier(app, client)
        client.post(f"{path}/abandon", data={"csrf": csrf_in(client.get(path).text)})

    page = texte(client.get(PLACE))
    assert page.count("Abandonné") == 2
    assert "Aucun fichier n'a été envoyé" in texte(client.get(f"{PLACE}?avant=1"))
