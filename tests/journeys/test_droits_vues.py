"""Rights seen three ways, why, and one's own rights: another company's do not exist, pages are bounded, filters are in the address."""

import re

import pytest

from idp.database import db
from idp.declarants.statuts import Role
from idp.habilitations.attribution import attribuer, exclure
from idp.habilitations.portefeuilles import ajouter_clients, creer
from tests.factories import se_connecter, un_declarant
from tests.journeys.droits import CLIENTS, DSN, HERE, SIREN, C, D, clients_numbered, geste, statements, un_cabinet
from tests.journeys.equipe import administrateur_connecte, texte, un_etablissement

ELSEWHERE = "35600000000048"
MOST_BYTES = 60_000


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


def hrefs(page, start):
    return [link for link in re.findall(r'href="([^"]+)"', page.text) if link.startswith(start)]


# ---------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "path",
    [
        "/equipe/droits",
        "/equipe/droits/etablissements",
        f"/equipe/droits/etablissements/{HERE}",
        "/equipe/droits/services",
        "/equipe/droits/services/dsn",
        "/equipe/droits/suivi/services",
    ],
)
def test_pages_of_administrators_are_for_them_alone(app, client, path):
    un_etablissement(app)
    un_declarant(app)
    se_connecter(client)

    assert client.get(path).status_code == 403


@pytest.mark.parametrize("path", ["/droits", "/equipe/droits", f"/droits/pourquoi/{HERE}/dsn"])
def test_a_stranger_is_sent_to_sign_in(client, path):
    response = client.get(path)

    assert (response.status_code, "/connexion" in response.headers["Location"]) == (303, True)


def test_people_of_another_company_do_not_exist(app, client, cabinet):
    other = un_declarant(app, siret=ELSEWHERE, nom="Loin", prenom="Luc")

    assert client.get(f"/equipe/droits/personnes/{other.uid}").status_code == 404
    assert client.get(f"/equipe/droits/pourquoi/{other.uid}/{HERE}/dsn").status_code == 404
    assert "Luc" not in client.get("/equipe/droits").text


def test_a_colleague_of_another_establishment_belongs_to_the_head_office(app, client):
    second = "73282932000082"
    un_etablissement(app)
    un_etablissement(app, second, siege=False)
    administrateur_connecte(app, client, siret=second)
    zoe = un_declarant(app, nom="Autre", prenom="Zoé")

    assert client.get(f"/equipe/droits/personnes/{zoe.uid}").status_code == 404


@pytest.mark.parametrize(
    "path", [f"/equipe/droits/pourquoi/{{}}/{HERE}/rien", "/equipe/droits/pourquoi/{}/12/dsn", "/equipe/droits/services/rien"]
)
def test_what_does_not_exist_is_not_found(client, cabinet, path):
    assert client.get(path.format(cabinet.zoe.uid)).status_code == 404


@pytest.mark.parametrize(
    "query", ["apres=x", "apres=999999999999999.9999999999999999", "suite=-1", "q=%F0%9F%A6%84", "service=rien", "q='--", "coche=x&vu=1"]
)
def test_nonsense_in_an_address_narrows_nothing(client, cabinet, query):
    for path in ("/equipe/droits", f"/equipe/droits/personnes/{cabinet.zoe.uid}", "/equipe/droits/etablissements", "/droits"):
        assert client.get(f"{path}?{query}").status_code == 200


# --------------------------------------------------------------------------------------------------------------- by person


def test_each_right_says_what_gives_it(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.zoe.id, SIREN, "dpae", {D})
        db.session.commit()

    page = texte(client.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}"))

    assert "déclarer, payer" in page
    assert "portefeuille « Nord »" in page
    assert "attribution directe" in page
    assert "30 clients" in page
    assert "par héritage, portefeuille « Nord »" in page


def test_a_right_that_is_excluded_is_not_shown(app, client, cabinet):
    with app.app_context():
        exclure(geste(app), cabinet.zoe.id, CLIENTS[0], {"dsn": frozenset({C, *DSN["dsn"]})})
        db.session.commit()

    page = client.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}?q={CLIENTS[0]}")

    assert f"/{CLIENTS[0]}/dsn" not in page.text


def test_the_pages_of_a_person_tell_each_target_once(client, cabinet):
    path, seen = f"/equipe/droits/personnes/{cabinet.zoe.uid}", []
    while path:
        page = client.get(path)
        seen += re.findall(r"pourquoi/[^/]+/(\d+)/dsn", page.text)
        following = re.findall(r'name="apres" value="([^"]+)"', page.text)
        path = f"/equipe/droits/personnes/{cabinet.zoe.uid}?apres={following[0]}" if following else ""

    assert [int(cible) for cible in seen] == CLIENTS


@pytest.mark.parametrize(
    ("query", "number"),
    [("q=boulangerie", 3), (f"q={CLIENTS[4] // 100_000}", 1), ("service=dsn", 25), ("service=dpae", 0), ("q=personne", 0)],
    ids=["name", "beginning", "service", "not-held", "nobody"],
)
def test_a_person_s_rights_are_searched_and_filtered(client, cabinet, query, number):
    page = client.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}?{query}")

    assert len(set(re.findall(r"pourquoi/[^/]+/(\d+)/", page.text))) == number


def test_a_search_by_number_goes_on(client, cabinet):
    page = client.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}?q=40")
    [following] = re.findall(r'name="apres" value="([^"]+)"', page.text)

    assert page.text.count('class="droits"') == 25
    assert client.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}?q=40&apres={following}").text.count('class="droits"') == 5


def test_rights_that_open_later_are_announced(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.zoe.id, HERE, "atmp", {D})
        db.session.commit()

    page = texte(client.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}"))

    assert "Pas encore ouvert" in page
    assert "Compte AT/MP : déclarer" in page


def test_a_suspended_person_has_nothing(app, client, cabinet):
    from idp.declarants.statuts import Statut

    gone = un_declarant(app, nom="Suspendu", prenom="Sam", statut=Statut.SUSPENDU)

    page = texte(client.get(f"/equipe/droits/personnes/{gone.uid}"))

    assert "n'est pas actif" in page


# -------------------------------------------------------------------------------------------------------- by establishment


def test_every_target_of_the_company_is_listed_once_and_in_order(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, CLIENTS[3], "dpae", {D})
        attribuer(geste(app), cabinet.bruno.id, HERE, "dpae", {D})
        db.session.commit()
    path, seen = "/equipe/droits/etablissements", []
    while path:
        page = client.get(path)
        seen += [int(found) for found in re.findall(r'href="/equipe/droits/etablissements/(\d+)"', page.text)]
        path = next((link for link in hrefs(page, "/equipe/droits/etablissements?apres")), "")

    assert seen == sorted({*CLIENTS, HERE})


def test_the_list_of_targets_narrows_by_number_and_by_service(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, HERE, "dpae", {D})
        db.session.commit()

    def found(query):
        return re.findall(r'href="/equipe/droits/etablissements/(\d+)"', client.get(f"/equipe/droits/etablissements?{query}").text)

    assert found("service=dpae") == [str(HERE)]
    assert found(f"q={HERE}") == [str(HERE)]
    assert found("q=732") == [str(HERE)]
    assert found("service=dsn&q=732") == []
    assert found("q=boulangerie") == [str(cible) for cible in CLIENTS[:3]]
    assert found("q=boulangerie&service=dsn&apres=0." + str(CLIENTS[0])) == [str(cible) for cible in CLIENTS[1:3]]
    assert found("q=boulangerie&service=dpae") == []
    assert found("q=zanzibar") == []


def test_clients_of_a_portfolio_are_searched_by_name(client, cabinet):
    page = client.get(f"/equipe/droits/portefeuilles/{cabinet.nord}?q=Boulangerie+{CLIENTS[1] % 1000}")
    form = client.get(f"/equipe/droits/portefeuilles/{cabinet.nord}/clients?cherche=boulangerie")

    assert re.findall(r'name="cible" value="(\d+)"', page.text) == [str(CLIENTS[1])]
    assert re.findall(r'name="cible" value="(\d+)"', form.text) == [str(cible) for cible in CLIENTS[:3]]


def test_another_firm_s_clients_are_not_listed(app, client, cabinet):
    hidden = clients_numbered(500_000_000, 1)
    luc = un_declarant(app, siret=ELSEWHERE, nom="Loin", prenom="Luc")
    with app.app_context():
        other = creer(geste(app), 356000000, "Ailleurs", DSN).id
        ajouter_clients(geste(app), other, hidden, DSN)
        attribuer(geste(app), luc.id, CLIENTS[0], "dpae", {D})
        db.session.commit()

    assert str(hidden[0]) not in client.get("/equipe/droits/etablissements?q=5").text
    assert "Luc" not in client.get(f"/equipe/droits/etablissements/{CLIENTS[0]}").text


def test_one_target_tells_who_may_what(client, cabinet):
    page = texte(client.get(f"/equipe/droits/etablissements/{CLIENTS[0]}"))

    assert "Autre Zoé" in page
    assert "portefeuille « Nord »" in page
    assert "Blanc" not in page


# -------------------------------------------------------------------------------------------------------------- by service


def test_services_tell_how_many_portfolios_and_who(client, cabinet):
    assert "Déclaration sociale nominative" in texte(client.get("/equipe/droits/services"))

    page = texte(client.get("/equipe/droits/services/dsn"))

    assert re.search(r"Autre Zoé</a></th>\s*<td>Aucune</td>\s*<td>Nord</td>", page)


def test_a_service_says_its_delay_and_what_it_comes_from(client, cabinet):
    assert "24 heures plus tard" in texte(client.get("/equipe/droits/services/atmp"))
    assert "Découle aussi de" in texte(client.get("/equipe/droits/services/passeport_prevention"))


# --------------------------------------------------------------------------------------------------------- why, one's own


def test_why_tells_the_chain_and_what_to_ask(client, cabinet):
    yes = texte(client.get(f"/equipe/droits/pourquoi/{cabinet.zoe.uid}/{CLIENTS[0]}/dsn"))
    no = texte(client.get(f"/equipe/droits/pourquoi/{cabinet.zoe.uid}/{CLIENTS[0]}/dpae"))

    assert "Déclarer : oui" in yes
    assert "portefeuille « Nord »" in yes
    assert "Déclarer : non" in no
    assert "Que faire ?" in no


def test_another_service_is_one_form_away(client, cabinet):
    response = client.get(f"/equipe/droits/service?personne={cabinet.zoe.uid}&cible={CLIENTS[0]}&service=dpae")

    assert response.headers["Location"] == f"/equipe/droits/pourquoi/{cabinet.zoe.uid}/{CLIENTS[0]}/dpae"
    assert client.get("/droits/service?cible=x&service=../..").status_code == 303


def test_somebody_reads_their_own_rights(app, new_client, cabinet):
    theirs = new_client()
    se_connecter(theirs, nom="Autre", prenom="Zoé")

    page = texte(theirs.get("/droits"))

    assert "Mes droits" in page
    assert "portefeuille « Nord »" in page
    assert "/equipe" not in page
    assert "Déclarer : oui" in texte(theirs.get(f"/droits/pourquoi/{CLIENTS[0]}/dsn"))


def test_somebody_without_rights_is_told_whom_to_ask(new_client, cabinet):
    theirs = new_client()
    se_connecter(theirs, nom="Blanc", prenom="Bruno")

    assert "Aucun droit ne vous est ouvert" in texte(theirs.get("/droits"))


def test_the_menu_leads_there(client, new_client, cabinet):
    theirs = new_client()
    se_connecter(theirs, nom="Blanc", prenom="Bruno")

    assert 'href="/equipe/droits"' in client.get("/equipe").text
    assert 'href="/droits"' in theirs.get("/").text
    assert 'href="/equipe/droits"' not in theirs.get("/droits").text


# ------------------------------------------------------------------------------------------------------------------ bounds


def test_pages_are_bounded_in_bytes_and_statements(app, client, cabinet):
    """Whatever is held: 2,000 direct rights on every service do not make a page longer."""
    with app.app_context():
        catalogue = app.extensions["mag"].catalogue()
        rights = {code: one.droits for code, one in catalogue.services.items() if one.enabled and one.grain == "siret"}
        rights = {code: droits - {"telecharger_officiel"} for code, droits in rights.items() if droits - {"telecharger_officiel"}}
        big = creer(geste(app), SIREN, "Tout", rights).id
        ajouter_clients(geste(app), big, clients_numbered(600_000_000, 300), rights)
        from idp.habilitations.portefeuilles import ajouter_membre

        for n in range(12):
            ajouter_membre(geste(app), creer(geste(app), SIREN, f"Petit {n}", DSN).id, cabinet.zoe.id)
        ajouter_membre(geste(app), big, cabinet.zoe.id)
        db.session.commit()
    paths = {
        "/equipe/droits": 14,
        f"/equipe/droits/personnes/{cabinet.zoe.uid}": 18,
        f"/equipe/droits/personnes/{cabinet.zoe.uid}?service=dpae": 18,
        "/equipe/droits/etablissements": 18,
        "/equipe/droits/etablissements?service=dpae": 18,
        f"/equipe/droits/etablissements/{CLIENTS[0]}": 18,
        "/equipe/droits/services": 12,
        "/equipe/droits/services/dsn": 14,
        f"/equipe/droits/pourquoi/{cabinet.zoe.uid}/{CLIENTS[0]}/dsn": 16,
        f"/equipe/droits/personnes/{cabinet.zoe.uid}?q=boulangerie": 18,
        "/equipe/droits/etablissements?q=boulangerie": 18,
        "/equipe/droits/portefeuilles": 14,
        f"/equipe/droits/portefeuilles/{big}": 18,
        "/equipe/droits/suivi": 26,
        "/equipe/droits/operations": 14,
    }
    for path, most in paths.items():
        client.get(path)
        with statements(app) as found:
            page = client.get(path)
            assert found() <= most, (path, found())
        assert page.status_code == 200
        assert len(page.data) < MOST_BYTES, (path, len(page.data))


def test_an_administrator_who_does_not_declare_sees_them_too(app, client):
    un_etablissement(app)
    un_declarant(app, role=Role.ADMINISTRATEUR)
    se_connecter(client)

    assert client.get("/equipe/droits").status_code == 200
