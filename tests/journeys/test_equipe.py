"""« Espace administrateur »: the list, one person, roles, suspension; and who may look (facts 27, 28, 35, 37)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.database import db
from idp.declarants import inscription
from idp.declarants.equipe import invitation
from idp.declarants.equipe.invitation import Invited
from idp.declarants.equipe.models import PAGE
from idp.declarants.identite import Identite
from idp.declarants.inscription import inscrire
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import Siret
from idp.visitor import RECENT
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant, une_personne_suspendue
from tests.journeys.equipe import ISSUER, SECOND, administrateur_connecte, courriers, envoyer, relu, texte, un_candidat, un_etablissement


@pytest.fixture
def zoe(app):
    return un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")


PAGES = ["/equipe", "/equipe/demandes", "/equipe/invitations", "/equipe/inviter"]


@pytest.mark.parametrize("path", PAGES)
def test_the_space_is_for_administrators(app, client, zoe, path):
    assert client.get(path).status_code == 303, "a stranger is asked to sign in"
    se_connecter(client, nom="Autre", prenom="Zoé")

    assert client.get(path).status_code == 403
    assert "Espace administrateur" not in client.get("/compte/administrateurs").text, "nor is it in their menu (fact 35)"


@pytest.mark.parametrize("act", ["", "/role", "/suspension", "/depart"])
def test_C60_another_companys_people_do_not_exist(app, client, act):
    administrateur_connecte(app, client)
    stranger = un_declarant(app, siret="35600000000048", nom="Autre", prenom="Zoé")

    assert client.get(f"/equipe/personnes/{stranger.uid}{act}").status_code == 404
    assert client.get(f"/equipe/personnes/inconnu{act}").status_code == 404
    if act:
        assert client.post(f"/equipe/personnes/{stranger.uid}{act}", data={"role": "administrateur"}).status_code == 404


def test_C60_an_administrator_of_another_establishment_sees_nothing_of_this_one(app, client, zoe):
    un_etablissement(app)
    un_etablissement(app, SECOND, siege=False)
    administrateur_connecte(app, client, siret=SECOND, nom="Roux", prenom="Ali")

    assert client.get(f"/equipe/personnes/{zoe.uid}").status_code == 404
    assert "Autre" not in client.get("/equipe").text


def test_the_head_office_sees_the_whole_company(app, client):
    un_etablissement(app)
    un_etablissement(app, SECOND, siege=False)
    un_declarant(app, siret=SECOND, nom="Autre", prenom="Zoé")
    administrateur_connecte(app, client)

    page = texte(client.get("/equipe"))
    assert "Autre Zoé" in page
    assert "Autre Zoé" not in texte(client.get(f"/equipe?etablissement={SIRET}"))
    assert "Autre Zoé" in texte(client.get(f"/equipe?etablissement={SECOND}"))


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", {"Lefèvre", "Autre", "Roux"}),
        ("q=AUTRE", {"Autre"}),
        ("q=zoe", {"Autre"}),
        ("q=zoe@exemple", {"Autre"}),
        ("statut=suspendu", {"Roux"}),
        ("role=declarant", {"Autre", "Roux"}),
        ("q=%25", set()),
        ("q=_", set()),
        ("statut=nonsense&role=x&apres=-1&etablissement=12", {"Lefèvre", "Autre", "Roux"}),
        ("q=personne", set()),
    ],
)
def test_search_and_filters_are_in_the_address(app, client, zoe, query, seen):
    administrateur_connecte(app, client)
    une_personne_suspendue(app, nom="Roux", prenom="Ali")
    page = client.get(f"/equipe?{query}").text
    table = page.partition("<tbody>")[2]

    assert {name for name in ("Lefèvre", "Autre", "Roux") if name in table} == seen


def test_the_list_goes_page_by_page_and_counts_everybody(app, client):
    administrateur_connecte(app, client)
    with app.app_context():
        for n in range(PAGE + 5):
            inscrire(Identite(Siret(SIRET), f"Personne{n:03}", "Une"), datetime.now(UTC))
        db.session.commit()
    first = texte(client.get("/equipe"))
    following = first.split("apres=")[1].split('"')[0]
    second = texte(client.get(f"/equipe?apres={following}"))

    assert f"{PAGE + 6} personnes en tout" in first
    assert first.count('scope="row"') == PAGE
    assert second.count('scope="row"') == 6
    assert "Personnes suivantes" not in second


def test_a_persons_page_says_what_they_are(app, client, zoe):
    administrateur_connecte(app, client)
    page = texte(client.get(f"/equipe/personnes/{zoe.uid}"))

    for expected in ("Zoé Autre", "Déclarant", "Actif", "zoe@exemple.fr", "Jamais", "Aucune habilitation ouverte"):
        assert expected in page


def test_a_persons_last_sign_in_is_read_in_the_journal(app, client, new_client, zoe):
    se_connecter(new_client(), nom="Autre", prenom="Zoé")
    administrateur_connecte(app, client)

    assert "Jamais" not in texte(client.get(f"/equipe/personnes/{zoe.uid}"))
    assert "Jamais" not in texte(client.get("/equipe?q=Autre"))


# -------------------------------------------------------------------------------------------------------------------- role


def test_an_administrator_gives_the_role_of_administrator(app, client, zoe):
    administrateur_connecte(app, client)
    un_administrateur(app, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    response = envoyer(client, f"/equipe/personnes/{zoe.uid}/role", role="administrateur")

    assert response.status_code == 303
    assert relu(app, zoe.id).role is Role.ADMINISTRATEUR
    assert [mail.recipient for mail in courriers(app, "role")] == ["zoe@exemple.fr"]
    assert [mail.recipient for mail in courriers(app, "nouvel_administrateur")] == ["ali@exemple.fr"]
    envoyer(client, f"/equipe/personnes/{zoe.uid}/role", role="administrateur")
    assert len(courriers(app, "role")) == 1, "asked twice, done once (C82)"


def test_a_role_is_given_by_somebody_who_just_typed_a_password(app, client, zoe):
    administrateur_connecte(app, client)
    path = f"/equipe/personnes/{zoe.uid}/role"
    csrf = csrf_in(client.get(path).text)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=RECENT + 5)):
        for response in (client.get(path), client.post(path, data={"csrf": csrf, "role": "administrateur"})):
            assert response.status_code == 303
            assert "/connexion" in response.headers["Location"]

    assert relu(app, zoe.id).role is Role.DECLARANT


@pytest.mark.parametrize(("typed", "status"), [({"role": "roi"}, 400), ({}, 400), ({"csrf": "faux", "role": "declarant"}, 403)])
def test_a_role_that_is_none(app, client, zoe, typed, status):
    administrateur_connecte(app, client)
    path = f"/equipe/personnes/{zoe.uid}/role"
    csrf = csrf_in(client.get(path).text)

    assert client.post(path, data={"csrf": csrf, **typed}).status_code == status


def test_the_last_administrator_keeps_the_role(app, client, zoe):
    chef = administrateur_connecte(app, client)
    response = envoyer(client, f"/equipe/personnes/{chef.uid}/role", role="declarant")

    assert response.status_code == 409
    assert "dernier administrateur" in texte(response)
    assert relu(app, chef.id).role.administers


def test_an_administrator_may_give_the_role_up_when_another_stays(app, client):
    chef = administrateur_connecte(app, client)
    un_administrateur(app, nom="Roux", prenom="Ali")
    response = envoyer(client, f"/equipe/personnes/{chef.uid}/role", role="declarant")

    assert response.headers["Location"] == "/compte/administrateurs"
    assert client.get("/equipe").status_code == 403


# -------------------------------------------------------------------------------------------------------------- suspension


def test_a_suspension_ends_sessions_at_once_and_is_lifted(app, client, new_client, zoe):
    administrateur_connecte(app, client)
    hers = new_client()
    se_connecter(hers, nom="Autre", prenom="Zoé")
    path = f"/equipe/personnes/{zoe.uid}/suspension"
    assert envoyer(client, path, acte="suspendre").status_code == 303

    assert relu(app, zoe.id).statut is Statut.SUSPENDU
    assert hers.get("/").status_code == 303
    assert se_connecter(hers, nom="Autre", prenom="Zoé").status_code == 422
    assert [mail.recipient for mail in courriers(app, "suspension")] == ["zoe@exemple.fr"]
    assert envoyer(client, path, acte="reactiver").status_code == 303
    assert relu(app, zoe.id).statut is Statut.ACTIF
    assert se_connecter(hers, nom="Autre", prenom="Zoé").status_code == 303
    assert [mail.recipient for mail in courriers(app, "reactivation")] == ["zoe@exemple.fr"]


def test_nobody_suspends_themselves_nor_twice(app, client, zoe):
    chef = administrateur_connecte(app, client)
    path = f"/equipe/personnes/{zoe.uid}/suspension"
    csrf = csrf_in(client.get(path).text)
    codes = [client.post(path, data={"csrf": csrf, "acte": "suspendre"}).status_code for _ in range(2)]

    assert codes == [303, 409]
    assert len(courriers(app, "suspension")) == 1
    assert client.post(f"/equipe/personnes/{chef.uid}/suspension", data={"csrf": csrf, "acte": "suspendre"}).status_code == 409
    assert relu(app, chef.id).statut is Statut.ACTIF
    assert client.post(path, data={"csrf": "faux", "acte": "reactiver"}).status_code == 403


# ---------------------------------------------------------------------------------------------------- who is my administrator


def test_a_declarant_reads_who_administers_and_writes_to_them(app, client, zoe):
    un_administrateur(app, email="claire@exemple.fr")
    un_administrateur(app, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    se_connecter(client, nom="Autre", prenom="Zoé")
    page = texte(client.get("/compte/administrateurs"))
    assert "Claire Lefèvre" in page
    assert "Ali Roux" in page
    assert "claire@exemple.fr" not in page, "names alone"
    response = envoyer(client, "/compte/administrateurs", administrateur="tous", message="Pouvez-vous m'habiliter à la DSN ?")

    assert response.status_code == 303
    mails = courriers(app, "message_administrateur")
    assert {mail.recipient for mail in mails} == {"claire@exemple.fr", "ali@exemple.fr"}
    assert all("Zoé Autre" in mail.body and "zoe@exemple.fr" not in mail.body for mail in mails)


@pytest.mark.parametrize(
    "typed",
    [
        {"administrateur": "tous", "message": ""},
        {"administrateur": "tous", "message": "x" * 1001},
        {"administrateur": "tous", "message": "voyez https://exemple.test"},
        {"administrateur": "inconnu", "message": "bonjour"},
        {"message": "bonjour"},
    ],
)
def test_a_message_that_is_not_carried(app, client, zoe, typed):
    un_administrateur(app, email="claire@exemple.fr")
    se_connecter(client, nom="Autre", prenom="Zoé")

    assert envoyer(client, "/compte/administrateurs", **typed).status_code == 422
    assert courriers(app, "message_administrateur") == []


def test_messages_are_few(app, client, zoe):
    un_administrateur(app, email="claire@exemple.fr")
    se_connecter(client, nom="Autre", prenom="Zoé")
    codes = [envoyer(client, "/compte/administrateurs", administrateur="tous", message="bonjour").status_code for _ in range(6)]

    assert codes == [303] * 5 + [429]
    assert len(courriers(app, "message_administrateur")) == 5


def test_a_suspension_by_an_operator_is_not_undone_by_a_colleague(app, client):
    administrateur_connecte(app, client)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé")
    page = f"/equipe/personnes/{zoe.uid}"
    with app.app_context():
        inscription.suspendre(db.session.get(Declarant, zoe.id), datetime.now(UTC), actor="operateur:Aline Roux")
        db.session.commit()
    shown = texte(client.get(page))
    assert "lui seul peut lever la suspension" in shown
    assert "Lever la suspension" not in shown
    assert client.get(f"{page}/suspension").status_code == 409
    csrf = suspension_csrf(app, client)
    response = client.post(f"{page}/suspension", data={"csrf": csrf, "acte": "reactiver"})

    assert response.status_code == 409
    assert "par sécurité" in texte(response)
    assert relu(app, zoe.id).statut is Statut.SUSPENDU


@pytest.mark.parametrize("who", ["declarant:1", "temps"])
def test_a_suspension_by_a_colleague_or_by_time_is_lifted(app, client, who):
    administrateur_connecte(app, client)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé")
    with app.app_context():
        inscription.suspendre(db.session.get(Declarant, zoe.id), datetime.now(UTC), actor=who)
        db.session.commit()

    assert envoyer(client, f"/equipe/personnes/{zoe.uid}/suspension", acte="reactiver").status_code == 303
    assert relu(app, zoe.id).statut is Statut.ACTIF


def suspension_csrf(app, client):
    """Of the same form, on the page of somebody else."""
    other = un_declarant(app, nom="Blanc", prenom="Léa")
    return csrf_in(client.get(f"/equipe/personnes/{other.uid}/suspension").text)


def test_C60_somebody_of_another_company_is_no_place_to_go_on_from(app, client):
    administrateur_connecte(app, client)
    other = un_declarant(app, siret="55208131766522", nom="Zola", prenom="Émile")

    after, whole = (client.get(f"/equipe{query}").text.count("/equipe/personnes/") for query in (f"?apres={other.id}", ""))

    assert after == whole > 0


def test_candidacies_and_invitations_go_a_page_at_a_time(app, client, monkeypatch):
    """None is hidden behind a limit, and the place where a list goes on is within the establishment."""
    chef = administrateur_connecte(app, client)
    with app.app_context():
        host, now = db.session.get(Declarant, chef.id), datetime.now(UTC)
        for number in range(PAGE + 2):
            invited = Invited(Siret(SIRET), "Invitée", f"Zoé {number:02}", f"zoe{number}@exemple.fr", Role.DECLARANT)
            invitation.inviter(host, invited, now + timedelta(minutes=number), issuer=ISSUER)
        db.session.commit()
    for number in range(PAGE + 1):
        un_candidat(app, prenom=f"Nina {number:02}", email=None)
    seen = {}
    for path, name in (("/equipe/invitations", "Zoé"), ("/equipe/demandes", "Nina")):
        first = texte(client.get(path))
        onward = re.search(rf'href="({path}\?apres=\d+)"', first)[1]
        second = texte(client.get(onward))
        seen[path] = [re.findall(rf"<h2[^>]*>{name} (\d\d)", page) for page in (first, second)]
        assert "Revenir au début" in second
        assert "suivantes" not in second
        assert re.findall(r"<h2[^>]*>.*", texte(client.get(f"{path}?apres=999999"))) == re.findall(r"<h2[^>]*>.*", first)
        assert client.get(f"{path}?apres=é").status_code == 200

    whole = [f"{number:02}" for number in range(PAGE + 2)]
    assert seen["/equipe/invitations"] == [whole[:PAGE], whole[PAGE:]]
    assert [len(page) for page in seen["/equipe/demandes"]] == [PAGE, 1]
    assert f"({PAGE + 2})" in texte(client.get("/equipe/invitations"))
