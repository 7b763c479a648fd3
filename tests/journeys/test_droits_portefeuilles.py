"""Portfolios as administrators compose them: container then content, ceilings, splits, and two administrators at once."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from idp.database import db
from idp.habilitations import decision
from idp.habilitations.models import Operation, Portefeuille, PortefeuilleClient, PortefeuilleMembre
from idp.habilitations.portefeuilles import ajouter_clients, ajouter_membre
from tests.factories import csrf_in, un_administrateur, un_declarant
from tests.journeys.droits import CLIENTS, DSN, D, P, clients_numbered, confirmer, fait, geste, un_cabinet
from tests.journeys.equipe import administrateur_connecte, texte, un_etablissement

SECOND = "73282932000082"
HOME = "/equipe/droits/portefeuilles"


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


def may(app, who, cible, droit=D, service="dsn"):
    mag = app.extensions["mag"]
    now = datetime.now(UTC)
    return decision.check(mag.connections, mag.catalogue(), who.id, siret=cible, service=service, droit=droit, now=now)


def lu(client, portefeuille_id):
    """What a form says that its administrator read."""
    page = client.get(f"/equipe/droits/portefeuilles/{portefeuille_id}/membres")
    return {
        "csrf": csrf_in(page.text),
        "portefeuille": str(portefeuille_id),
        "version": re.search(r'name="version" value="([^"]+)"', page.text)[1],
    }


def agir(client, portefeuille_id, acte, form=None, **fields):
    return client.post("/equipe/droits/gestes", data={**(form or lu(client, portefeuille_id)), "acte": acte, **fields})


def relu(app, table, **where):
    with app.app_context():
        return list(db.session.scalars(select(table).filter_by(**where)))


# ---------------------------------------------------------------------------------------------------------------- creation


def creer(client, **fields):
    page = client.get(f"{HOME}/nouveau")
    return client.post(f"{HOME}/nouveau", data={"csrf": csrf_in(page.text), **fields})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"nom": "", "modele": "dsn"}, "Donnez au portefeuille un nom"),
        ({"nom": "x" * 121, "modele": "dsn"}, "Donnez au portefeuille un nom"),
        ({"nom": "nord", "modele": "dsn"}, "Un portefeuille s'appelle déjà « nord »"),
        ({"nom": "Sud", "modele": "libre"}, "Choisissez au moins un droit."),
        ({"nom": "Sud", "modele": "rien"}, "Choisissez au moins un droit."),
    ],
)
def test_a_portfolio_that_cannot_be_created(app, client, cabinet, fields, says):
    response = creer(client, **fields)

    assert (response.status_code, says in texte(response)) == (422, True)
    assert len(relu(app, Portefeuille)) == 1


def test_templates_open_the_least_and_never_everything(app, client, cabinet):
    page = client.get(f"{HOME}/nouveau")
    assert re.search(r'value="consultation" checked', page.text)

    response = creer(client, nom="Sud", modele="consultation")

    [made] = relu(app, Portefeuille, nom="Sud")
    assert response.headers["Location"] == f"{HOME}/{made.id}?fait=creation"
    assert (made.declarer, made.payer, bool(made.consulter)) == (0, 0, True)
    assert "Le portefeuille est créé" in texte(client.get(response.headers["Location"]))
    [operation] = relu(app, Operation, kind="creer_portefeuille", by_id=cabinet.claire.id)
    assert (operation.portefeuille_id, operation.resume) == (made.id, "Créer le portefeuille « Sud »")
    assert creer(client, nom="Sud", modele="consultation").status_code == 422


def test_one_s_own_choice_of_services(app, client, cabinet):
    creer(client, nom="Sud", modele="libre", droit=["dsn.declarer", "dsn.payer"])

    [made] = relu(app, Portefeuille, nom="Sud")
    assert (made.declarer, made.payer) == (1, 1)


# ----------------------------------------------------------------------------------------------------------------- refusals


def test_portfolios_of_another_firm_do_not_exist(app, client, new_client, cabinet):
    un_etablissement(app, "35600000000048")
    theirs = new_client()
    administrateur_connecte(app, theirs, siret="35600000000048", nom="Loin", prenom="Luc")

    for path in ("", "/services", "/clients", "/membres"):
        assert theirs.get(f"{HOME}/{cabinet.nord}{path}").status_code == 404
    assert "Nord" not in theirs.get(HOME).text
    page = theirs.get(f"{HOME}/nouveau")
    assert theirs.post(f"{HOME}/{cabinet.nord}/nom", data={"csrf": csrf_in(page.text), "nom": "Pris"}).status_code == 404


@pytest.mark.parametrize("path", [f"{HOME}/nouveau", "/equipe/droits/portefeuilles/1/nom"])
def test_forms_of_portfolios_need_their_anti_forgery_value(client, cabinet, path):
    assert client.post(path, data={"nom": "Sud", "modele": "dsn"}).status_code == 403


def test_a_client_s_service_needs_the_portfolio_s_and_the_refusal_says_what_to_add(app, client, cabinet):
    response = agir(
        client, cabinet.nord, "ajouter_clients", cible=[str(CLIENTS[0])], droit=["aed.declarer"], retour=f"{HOME}/{cabinet.nord}/clients"
    )

    assert response.status_code == 422
    assert "Ajoutez d'abord « Attestation employeur dématérialisée (AED) » (déclarer) aux services du portefeuille « Nord »" in texte(
        response
    )
    assert f'href="{HOME}/{cabinet.nord}/clients"' in response.text


def test_from_an_establishment_a_portfolio_with_others_members_is_read_only(app, client, new_client, cabinet):
    un_etablissement(app, SECOND, siege=False)
    theirs = new_client()
    administrateur_connecte(app, theirs, siret=SECOND, nom="Site", prenom="Sara", email="sara@exemple.fr")

    page = theirs.get(f"{HOME}/{cabinet.nord}")

    assert "un administrateur du siège peut le modifier" in texte(page)
    assert "Sortir" not in page.text
    assert theirs.get(f"{HOME}/{cabinet.nord}/clients").status_code == 422
    token = csrf_in(theirs.get(f"{HOME}/nouveau").text)
    refused = theirs.post(f"{HOME}/{cabinet.nord}/nom", data={"csrf": token, "nom": "Pris"})
    assert refused.status_code == 422


# ------------------------------------------------------------------------------------------------------------- composition


def test_services_then_clients_then_members(app, client, cabinet):
    creer(client, nom="Sud", modele="dsn")
    [sud] = relu(app, Portefeuille, nom="Sud")
    new = clients_numbered(700_000_000, 2)

    fait(client, agir(client, sud.id, "ouvrir_services", droit=["dpae.declarer"]))
    fait(client, agir(client, sud.id, "ajouter_clients", cibles="\n".join(map(str, new)), droit=["dsn.declarer", "dpae.declarer"]))
    assert not may(app, cabinet.bruno, new[0])
    preview = agir(client, sud.id, "ajouter_membres", personne=[cabinet.bruno.uid], droit=["dsn.declarer"])
    assert "Bruno Blanc" in texte(preview)
    fait(client, preview)

    assert may(app, cabinet.bruno, new[0])
    assert not may(app, cabinet.bruno, new[0], service="dpae"), "beyond the ceiling"
    page = texte(client.get(f"{HOME}/{sud.id}"))
    assert "2 clients" in page
    assert "Bruno Blanc" in page


def test_closing_services_takes_them_from_members_and_clients(app, client, cabinet):
    preview = agir(client, cabinet.nord, "fermer_services", droit=["dsn.payer"])

    assert "30 droits perdus" in texte(preview)
    fait(client, preview)
    assert (may(app, cabinet.zoe, CLIENTS[0]), may(app, cabinet.zoe, CLIENTS[0], P)) == (True, False)


def test_clients_leave_or_lose_a_service(app, client, cabinet):
    fait(client, agir(client, cabinet.nord, "retirer_clients", cible=[str(CLIENTS[0])], droit=["dsn.payer"]))
    fait(client, agir(client, cabinet.nord, "retirer_clients", cible=[str(CLIENTS[1])]))

    assert (may(app, cabinet.zoe, CLIENTS[0]), may(app, cabinet.zoe, CLIENTS[0], P)) == (True, False)
    assert not may(app, cabinet.zoe, CLIENTS[1])


def test_a_member_leaves_and_comes_back_by_an_undo(app, client, cabinet):
    operation_id = fait(client, agir(client, cabinet.nord, "retirer_membres", personne=[cabinet.zoe.uid]))
    assert not may(app, cabinet.zoe, CLIENTS[0])

    page = client.get(f"/equipe/droits/operations/{operation_id}")
    undo = client.post("/equipe/droits/gestes", data={"csrf": csrf_in(page.text), "acte": "annuler", "operation": str(operation_id)})
    fait(client, undo)

    assert may(app, cabinet.zoe, CLIENTS[0])


def test_another_name(app, client, cabinet):
    page = client.get(f"{HOME}/{cabinet.nord}")
    token = re.search(rf'action="{HOME}/{cabinet.nord}/nom">\s*<input type="hidden" name="csrf" value="([^"]+)"', page.text)[1]

    assert client.post(f"{HOME}/{cabinet.nord}/nom", data={"csrf": token, "nom": "  Nord-Est "}).status_code == 303
    assert client.post(f"{HOME}/{cabinet.nord}/nom", data={"csrf": token, "nom": ""}).status_code == 422
    assert [one.nom for one in relu(app, Portefeuille)] == ["Nord-Est"]


def test_forms_propose_the_least_of_what_the_portfolio_has(client, cabinet):
    page = client.get(f"{HOME}/{cabinet.nord}/clients")

    assert re.findall(r'name="droit" value="([^"]+)"( checked)?', page.text) == [
        ("dsn.declarer", ""),
        ("dsn.payer", ""),
        ("dpae.declarer", ""),
    ]
    ticked = client.get(f"{HOME}/{cabinet.nord}/clients?cible={CLIENTS[0]}")
    assert f'name="cible" value="{CLIENTS[0]}"' in ticked.text


def test_clients_are_searched_and_ticked(app, client, cabinet):
    creer(client, nom="Sud", modele="dsn")
    [sud] = relu(app, Portefeuille, nom="Sud")
    page = client.get(f"{HOME}/{sud.id}/clients?cherche={CLIENTS[0] // 100_000}")

    assert re.findall(r'type="checkbox" name="cible" value="(\d+)"', page.text) == [str(CLIENTS[0])]
    assert "Aucun client ne correspond" in texte(client.get(f"{HOME}/{sud.id}/clients?cherche=999"))
    fait(client, agir(client, sud.id, "ajouter_clients", cible=[str(CLIENTS[0])], cibles="", droit=["dsn.declarer"]))
    assert [row.cible for row in relu(app, PortefeuilleClient, portefeuille_id=sud.id)] == [CLIENTS[0]]


# ------------------------------------------------------------------------------------------------ two administrators at once


def test_two_administrators_do_not_lose_one_another_s_change(app, client, new_client, cabinet):
    un_administrateur(app, nom="Second", prenom="Ana", email="ana@exemple.fr")
    theirs = new_client()
    from tests.factories import se_connecter

    se_connecter(theirs, nom="Second", prenom="Ana")
    mine, other = lu(client, cabinet.nord), lu(theirs, cabinet.nord)
    fait(theirs, agir(theirs, cabinet.nord, "retirer_clients", other, cible=[str(CLIENTS[0])]))

    conflict = agir(client, cabinet.nord, "ajouter_clients", mine, cible=[str(CLIENTS[0])], droit=["dpae.declarer"])

    assert conflict.status_code == 409
    page = texte(conflict)
    assert "Sortir 1 client du portefeuille « Nord »" in page
    assert "Ana Second" in page
    assert "(DPAE) » (déclarer) à 1 client" in page
    assert not relu(app, PortefeuilleClient, portefeuille_id=cabinet.nord, cible=CLIENTS[0])
    from tests.journeys.droits import champs

    again = client.post("/equipe/droits/gestes", data=champs(conflict))
    fait(client, again)
    assert may(app, cabinet.zoe, CLIENTS[0], service="dpae")


def test_a_confirmation_after_somebody_else_s_change_is_a_conflict_too(app, client, cabinet):
    preview = agir(client, cabinet.nord, "retirer_clients", cible=[str(CLIENTS[0])])
    with app.app_context():
        ajouter_clients(geste(app), cabinet.nord, CLIENTS[5:6], {"dpae": frozenset({D})})
        db.session.commit()

    conflict = confirmer(client, preview)

    assert conflict.status_code == 409
    assert "Une autre opération" in texte(conflict)
    assert may(app, cabinet.zoe, CLIENTS[0])


# ------------------------------------------------------------------------------------------------------------------- split


def test_a_large_portfolio_is_split_and_nobody_gains_nor_loses(app, client, cabinet):
    many = clients_numbered(800_000_000, 95)
    with app.app_context():
        ajouter_clients(geste(app), cabinet.nord, many, DSN)
        db.session.commit()
    page = texte(client.get(f"{HOME}/{cabinet.nord}"))
    assert "125 clients : c'est beaucoup" in page

    preview = agir(client, cabinet.nord, "scinder", taille="50")

    assert "Personne ne gagne ni ne perd de droit" in texte(preview)
    operation_id = fait(client, preview)
    found = relu(app, Portefeuille)
    assert sorted((one.nom, one.clients) for one in found) == [("Nord (1 sur 3)", 41), ("Nord (2 sur 3)", 42), ("Nord (3 sur 3)", 42)]
    assert all(may(app, cabinet.zoe, cible) for cible in (*CLIENTS, *many))
    assert len(relu(app, PortefeuilleMembre, declarant_id=cabinet.zoe.id)) == 3
    assert all(one.operation_id == operation_id for one in relu(app, PortefeuilleClient, portefeuille_id=found[1].id))


@pytest.mark.parametrize(("size", "says"), [("100", "il n'y a rien à scinder"), ("1000", "il n'y a rien à scinder")])
def test_what_needs_no_split(client, cabinet, size, says):
    assert says in texte(agir(client, cabinet.nord, "scinder", taille=size))


def test_adding_beyond_the_advice_warns(client, cabinet):
    many = "\n".join(map(str, clients_numbered(800_000_000, 80)))

    assert "Le portefeuille comptera 110 clients" in texte(
        agir(client, cabinet.nord, "ajouter_clients", cibles=many, droit=["dsn.declarer"])
    )


# ------------------------------------------------------------------------------------------------------------------ bounds


def test_a_portfolio_of_many_clients_is_a_page(app, client, cabinet):
    with app.app_context():
        ajouter_clients(geste(app), cabinet.nord, clients_numbered(600_000_000, 400), DSN)
        db.session.commit()
    people = [un_declarant(app, nom="Membre", prenom=f"Numéro {n}", password=None) for n in range(30)]
    with app.app_context():
        for one in people:
            ajouter_membre(geste(app), cabinet.nord, one.id)
        db.session.commit()

    page = client.get(f"{HOME}/{cabinet.nord}")

    assert len(page.data) < 60_000
    assert page.text.count('name="cible"') == 25
    assert "Autres membres" in page.text
    assert client.get(f"{HOME}/{cabinet.nord}?q=6000").text.count('name="cible"') == 25
