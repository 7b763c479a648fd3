"""Acts of administrators: refused, simulated, confirmed by typing, done once under one operation, undone."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.statuts import Role, Statut
from idp.habilitations import decision
from idp.habilitations.attribution import attribuer
from idp.habilitations.models import DroitDirect, Operation
from tests.factories import csrf_in, se_connecter, un_declarant
from tests.journeys.droits import CLIENTS, HERE, SIREN, C, D, P, champs, confirmer, fait, geste, simuler, un_cabinet
from tests.journeys.equipe import administrateur_connecte, texte, un_etablissement

SECOND = "73282932000082"


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


def may(app, who, cible, droit=D, service="dsn", later=timedelta()):
    mag = app.extensions["mag"]
    now = datetime.now(UTC) + later
    return decision.check(mag.connections, mag.catalogue(), who.id, siret=cible, service=service, droit=droit, now=now)


def operations(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Operation))


def attribution(who, cibles, *droits, **fields):
    cible = [str(one) for one in cibles]
    return {"acte": "attribuer", "personne": [who.uid], "cible": cible, "droit": list(droits) or ["dpae.declarer"], **fields}


# ---------------------------------------------------------------------------------------------------------------- refusals


def test_an_act_without_its_anti_forgery_value_is_refused(app, client, cabinet):
    before = operations(app)

    assert client.post("/equipe/droits/gestes", data=attribution(cabinet.bruno, [HERE])).status_code == 403
    assert operations(app) == before


def test_somebody_who_does_not_administer_does_nothing(app, new_client, client, cabinet):
    theirs = new_client()
    se_connecter(theirs, nom="Autre", prenom="Zoé")

    assert theirs.post("/equipe/droits/gestes", data=attribution(cabinet.zoe, [HERE])).status_code == 403
    assert theirs.get(f"/equipe/droits/personnes/{cabinet.zoe.uid}/agir").status_code == 403


def test_an_act_that_does_not_exist_is_refused(client, cabinet):
    assert simuler(client, **(attribution(cabinet.bruno, [HERE]) | {"acte": "rien"})).status_code == 400


def test_somebody_of_another_company_does_not_exist(app, client, cabinet):
    luc = un_declarant(app, siret="35600000000048", nom="Loin", prenom="Luc")

    response = simuler(client, **(attribution(cabinet.bruno, [HERE]) | {"personne": [cabinet.bruno.uid, luc.uid]}))

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"droit": []}, "Choisissez au moins un droit."),
        ({"droit": ["dsn.danser", "rien.declarer"]}, "Choisissez au moins un droit."),
        ({"cible": []}, "Choisissez au moins un établissement"),
        ({"cible": [], "cibles": "12345678901234"}, "« 12345678901234 »"),
        ({"cible": [], "cibles": "abc"}, "« abc »"),
        ({"cible": [], "cibles": "1 " * 2001}, "2000 numéros au plus"),
        ({"fin": "2020-01-01"}, "La date de fin doit suivre"),
        ({"fin": "demain"}, "Écrivez la date"),
        ({"debut": "9999-01-01"}, "entre 2000 et 2100"),
        ({"droit": ["c3s.declarer"]}, "se donne pour l'entreprise entière"),
        ({"droit": ["atmp.telecharger_officiel"], "cible": [str(CLIENTS[0])]}, "Seule l'entreprise elle-même"),
        ({"acte": "ecarter", "droit": ["dsn.consulter"], "cible": [str(CLIENTS[0])]}, "écartez en même temps"),
    ],
)
def test_what_cannot_be_done_is_explained_and_nothing_is_done(app, client, cabinet, changes, says):
    before = operations(app)

    response = simuler(
        client, **(attribution(cabinet.bruno, [HERE]) | {"retour": f"/equipe/droits/personnes/{cabinet.bruno.uid}"} | changes)
    )

    assert response.status_code == 422
    assert says in texte(response)
    assert f'href="/equipe/droits/personnes/{cabinet.bruno.uid}"' in response.text
    assert operations(app) == before


def test_a_form_that_is_refused_keeps_what_was_typed(app, client, cabinet):
    typed = f"{CLIENTS[0]}\n12345678901234"
    sent = attribution(cabinet.bruno, []) | {"cibles": typed, "droit": ["dsn.declarer", "atmp.consulter"], "debut": "2027-01-01"}

    refused = simuler(client, **sent, fin="2027-12-31")

    assert refused.status_code == 422
    assert f">{typed}</textarea>" in refused.text
    assert re.findall(r'value="([a-z.]+)" checked', refused.text) == ["dsn.declarer", "atmp.consulter"]
    assert 'value="2027-01-01"' in refused.text
    assert 'value="2027-12-31"' in refused.text
    assert "Bruno" in texte(refused)
    assert champs(refused)["personne"] == [cabinet.bruno.uid]
    corrected = champs(refused) | {"cibles": str(CLIENTS[0]), "droit": ["dsn.declarer"]}
    assert "</strong> gagne" in texte(client.post("/equipe/droits/gestes", data=corrected))
    assert simuler(client, **sent, fin="demain").status_code == 422


def test_a_refused_form_about_ticked_targets_or_two_people_says_the_rest_again(app, client, cabinet):
    ticked = simuler(client, **(attribution(cabinet.bruno, CLIENTS[:2]) | {"droit": []}))
    back = f"/equipe/droits/passation?de={cabinet.zoe.uid}"
    fields = {"acte": "copier", "de": [cabinet.zoe.uid], "vers": [""], "retour": back, "csrf": csrf_in(client.get(back).text)}
    passing = client.post("/equipe/droits/gestes", data=fields)

    assert "2 établissements cochés" in texte(ticked)
    assert "<textarea" not in ticked.text
    assert champs(ticked)["cible"] == [str(cible) for cible in CLIENTS[:2]]
    assert f'href="{back}">Revenir et corriger' in passing.text


@pytest.mark.parametrize("retour", ["https://mal.test/", "//mal.test", "/equipe/droits//mal.test", "/equipe/droits\\mal"])
def test_the_way_back_stays_among_these_pages(client, cabinet, retour):
    response = simuler(client, **(attribution(cabinet.bruno, [HERE]) | {"droit": [], "retour": retour}))

    assert 'href="/equipe/droits">Revenir' in response.text


def test_who_is_not_active_or_does_not_declare_receives_nothing(app, client, cabinet):
    away = un_declarant(app, nom="Suspendu", prenom="Sam", statut=Statut.SUSPENDU)
    chief = un_declarant(app, nom="Chef", prenom="Ada", role=Role.ADMINISTRATEUR)

    assert "n'est pas actif" in texte(simuler(client, **attribution(away, [HERE])))
    assert "administre sans déclarer" in texte(simuler(client, **attribution(chief, [HERE])))


def test_an_administrator_of_one_establishment_gives_rights_on_it_alone(app, client):
    un_etablissement(app)
    un_etablissement(app, SECOND, siege=False)
    administrateur_connecte(app, client, siret=SECOND)
    from tests.journeys.droits import un_catalogue

    un_catalogue(app)
    zoe = un_declarant(app, siret=SECOND, nom="Autre", prenom="Zoé")

    for cible in (HERE, SIREN):
        assert "se donnent depuis le siège" in texte(simuler(client, **attribution(zoe, [cible])))
    assert simuler(client, **attribution(zoe, [int(SECOND)])).status_code == 200
    assert simuler(client, **attribution(zoe, [CLIENTS[0]])).status_code == 200


def test_a_list_that_refuses_a_service_holds_whoever_gives(app, client, cabinet):
    from idp.declarants.controles import tenue
    from idp.declarants.controles.dossier import Nature, Sens

    with app.app_context():
        tenue.ajouter(
            Sens.INTERDIT,
            Nature.SIRET,
            str(HERE),
            datetime.now(UTC),
            service="dpae",
            services=["dpae"],
            motif="essai",
            proprietaire="essai",
            expires_at=None,
            actor="commande",
        )
        db.session.commit()

    assert "Une liste de contrôle refuse" in texte(simuler(client, **attribution(cabinet.bruno, [HERE])))


# -------------------------------------------------------------------------------------------------------------- simulation


def test_a_simulation_tells_who_gains_what_and_changes_nothing(app, client, cabinet):
    before = operations(app)

    page = simuler(client, **attribution(cabinet.bruno, CLIENTS[:3], "dsn.declarer", "dpae.declarer"))

    assert "Bruno Blanc gagne : Déclaration préalable à l'embauche (DPAE) (déclarer), sur 3 établissements" in texte(page).replace(
        "<strong>", ""
    ).replace("</strong>", "")
    assert "(DSN) (déclarer, consulter), sur 3 établissements" in texte(page)
    assert "Bruno Blanc perd" not in texte(page)
    assert operations(app) == before
    assert not may(app, cabinet.bruno, CLIENTS[0])


def test_a_right_that_opens_later_counts_and_says_when(client, cabinet):
    page = texte(simuler(client, **attribution(cabinet.bruno, [HERE], "atmp.declarer")))

    assert "Ouverture le" in page
    assert "Compte AT/MP" in page


def test_what_a_portfolio_still_gives_is_not_lost(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.zoe.id, CLIENTS[0], "dsn", {D})
        attribuer(geste(app), cabinet.zoe.id, CLIENTS[0], "dpae", {D})
        db.session.commit()
    fields = {"acte": "retirer", "personne": [cabinet.zoe.uid], "cible": [str(CLIENTS[0])], "droit": ["dsn.declarer", "dpae.declarer"]}

    page = texte(simuler(client, **fields))

    assert "1 droit perdu" in page
    assert "Déclaration préalable" in page


def test_what_changes_nothing_says_so_and_leaves_no_operation(app, client, cabinet):
    fait(client, simuler(client, **attribution(cabinet.bruno, [HERE])))
    before = operations(app)

    page = simuler(client, **attribution(cabinet.bruno, [HERE]))

    assert "Cela ne changerait rien" in texte(page)
    assert operations(app) == before


# ------------------------------------------------------------------------------------------------------------------- doing


def test_a_bulk_act_is_typed_done_once_and_told_in_one_operation(app, client, cabinet):
    before = operations(app)
    page = simuler(client, **attribution(cabinet.bruno, CLIENTS[:5]))

    assert "Tapez 5 pour confirmer" in texte(confirmer(client, page, tape="4"))
    assert not may(app, cabinet.bruno, CLIENTS[0], service="dpae")
    operation_id = fait(client, page)

    assert all(may(app, cabinet.bruno, cible, service="dpae") for cible in CLIENTS[:5])
    assert operations(app) == before + 1
    with app.app_context():
        assert {
            row.operation_id for row in db.session.scalars(select(DroitDirect).where(DroitDirect.declarant_id == cabinet.bruno.id))
        } == {operation_id}
        facts = [one for one in db.session.scalars(select(AuditEvent)) if one.details.get("operation_id") == operation_id]
        assert [(one.kind, one.declarant_id, one.actor) for one in facts] == [
            ("HabilitationOpened", cabinet.bruno.id, f"declarant:{cabinet.claire.id}")
        ]


def test_a_confirmation_sent_twice_does_nothing_the_second_time(app, client, cabinet):
    page = simuler(client, **attribution(cabinet.bruno, CLIENTS[:2]))
    fait(client, page)
    before = operations(app)

    again = confirmer(client, page)

    assert again.status_code == 409
    assert "Cela ne changerait rien" in texte(again)
    assert operations(app) == before


def test_a_preview_that_is_no_longer_true_is_shown_again(app, client, cabinet):
    page = simuler(client, **attribution(cabinet.bruno, CLIENTS[:2]))
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, CLIENTS[0], "dpae", {D})
        db.session.commit()

    again = confirmer(client, page)

    assert (again.status_code, "Les droits ont changé depuis l'aperçu" in texte(again)) == (409, True)
    assert not may(app, cabinet.bruno, CLIENTS[1], service="dpae")
    fait(client, again)
    assert may(app, cabinet.bruno, CLIENTS[1], service="dpae")


def test_numbers_are_pasted_in_any_layout(app, client, cabinet):
    a, b, c = CLIENTS[:3]
    pasted = f"{str(a)[:3]} {str(a)[3:6]} {str(a)[6:9]} {str(a)[9:]}\n{b};{c}\r\n\n{a}\t784 671 695"

    fait(client, simuler(client, **(attribution(cabinet.bruno, []) | {"cibles": pasted})))

    assert all(may(app, cabinet.bruno, cible, service="dpae") for cible in (a, b, c, 78467169500087))


def test_a_right_over_the_company_covers_its_establishments_to_come(app, client, cabinet):
    fait(client, simuler(client, **(attribution(cabinet.bruno, []) | {"entreprise": "1"})))

    assert may(app, cabinet.bruno, SIREN * 100_000 + 99_998, service="dpae")


def test_dates_are_days_of_paris_the_last_one_included(app, client, cabinet):
    with time_machine.travel(datetime(2027, 3, 1, 12, tzinfo=UTC), tick=False):
        se_connecter(client)
        fait(client, simuler(client, **attribution(cabinet.bruno, [HERE], debut="2027-03-10", fin="2027-03-12")))
    with app.app_context():
        [row] = db.session.scalars(select(DroitDirect).where(DroitDirect.declarant_id == cabinet.bruno.id))
        assert (row.effective_from, row.ends_at) == (datetime(2027, 3, 9, 23, tzinfo=UTC), datetime(2027, 3, 12, 23, tzinfo=UTC))


def test_an_exclusion_and_its_end(app, client, cabinet):
    fields = {"personne": [cabinet.zoe.uid], "cible": [str(CLIENTS[0])], "droit": ["dsn.declarer", "dsn.payer", "dsn.consulter"]}
    fait(client, simuler(client, acte="ecarter", **fields))
    assert not may(app, cabinet.zoe, CLIENTS[0])

    fait(client, simuler(client, acte="readmettre", **fields))

    assert may(app, cabinet.zoe, CLIENTS[0], P)


# -------------------------------------------------------------------------------------------------- ticks, the whole filter


def test_ticks_go_from_page_to_page(client, cabinet):
    base = f"/equipe/droits/personnes/{cabinet.zoe.uid}"
    first = [f"vu={cible}" for cible in CLIENTS[:25]] + [f"coche={CLIENTS[0]}", f"coche={CLIENTS[3]}"]
    second = client.get(f"{base}?{'&'.join(first)}&apres=1.{CLIENTS[24]}")

    assert f'name="garde" value="{CLIENTS[0]}"' in second.text
    assert "2 autres choisis sur d'autres pages" in texte(second)
    back = client.get(f"{base}?garde={CLIENTS[0]}&garde={CLIENTS[3]}&vu={CLIENTS[26]}&coche={CLIENTS[26]}")
    assert back.text.count(" checked") == 2
    assert f'name="garde" value="{CLIENTS[26]}"' in back.text
    chosen = client.get(f"{base}/agir?garde={CLIENTS[0]}&vu={CLIENTS[3]}&vu={CLIENTS[4]}&coche={CLIENTS[4]}")
    assert [f'name="cible" value="{cible}"' in chosen.text for cible in (CLIENTS[0], CLIENTS[3], CLIENTS[4])] == [True, False, True]


def test_an_act_on_all_that_a_filter_finds_but_what_is_unticked(app, client, cabinet):
    base = f"/equipe/droits/personnes/{cabinet.zoe.uid}"
    ticked = client.get(f"{base}?q=boulangerie&tout=1")
    assert ticked.text.count(" checked") == 3
    chosen = client.get(f"{base}/agir?q=boulangerie&tout=1&vu={CLIENTS[0]}&vu={CLIENTS[1]}&coche={CLIENTS[1]}")
    assert f'name="sauf" value="{CLIENTS[0]}"' in chosen.text

    page = simuler(
        client, acte="attribuer", personne=[cabinet.zoe.uid], tout="1", q="boulangerie", sauf=[str(CLIENTS[0])], droit=["dpae.declarer"]
    )
    fait(client, page)

    assert [may(app, cabinet.zoe, cible, service="dpae") for cible in CLIENTS[:4]] == [False, True, True, False]


def test_an_act_on_all_that_bears_a_name_is_about_what_is_held_there(app, client, cabinet):
    common = {"acte": "retirer", "personne": [cabinet.zoe.uid], "tout": "1", "q": "boulangerie", "droit": ["dsn.declarer"]}

    assert "sur 3 établissements" in texte(simuler(client, **common))
    assert "Choisissez au moins un établissement" in texte(simuler(client, **common, service="dpae"))


def test_an_act_on_a_whole_list(app, client, cabinet):
    page = simuler(client, acte="attribuer", personne=[cabinet.zoe.uid], tout="1", droit=["dpae.declarer"])

    assert "30 droits gagnés" in texte(page)


def test_people_ticked_on_an_establishment(app, client, cabinet):
    path = f"/equipe/droits/etablissements/{CLIENTS[0]}/agir"

    assert client.get(path).headers["Location"] == f"/equipe/droits/etablissements/{CLIENTS[0]}?choix=personne"
    chosen = client.get(f"{path}?personne={cabinet.zoe.uid}&personne={cabinet.bruno.uid}")
    assert "Zoé Autre, Bruno Blanc" in texte(chosen)
    assert f'name="cible" value="{CLIENTS[0]}"' in chosen.text


# -------------------------------------------------------------------------------------------------------------------- undo


def test_an_operation_is_undone_for_a_day_and_the_undoing_too(app, client, cabinet):
    operation_id = fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:2])))
    page = client.get(f"/equipe/droits/operations/{operation_id}")
    assert "Bruno Blanc" in texte(page)

    preview = client.post("/equipe/droits/gestes", data=champs(page))
    assert "2 droits perdus" in texte(preview)
    undoing = fait(client, preview)

    assert not may(app, cabinet.bruno, CLIENTS[0], service="dpae")
    assert "déjà annulée" in texte(client.get(f"/equipe/droits/operations/{operation_id}"))
    assert "Annulée" in texte(client.get("/equipe/droits/operations"))
    fait(client, client.post("/equipe/droits/gestes", data=champs(client.get(f"/equipe/droits/operations/{undoing}"))))
    assert may(app, cabinet.bruno, CLIENTS[0], service="dpae")


def test_an_undo_that_would_take_another_s_work_away_is_refused_and_says_which(app, client, cabinet):
    first = fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:1])))
    page = client.get(f"/equipe/droits/operations/{first}")
    fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:1], "dsn.declarer")))

    refused = client.post("/equipe/droits/gestes", data=champs(page))

    assert refused.status_code == 422
    assert "D'autres opérations ont changé la même chose depuis" in texte(refused)


def test_after_a_day_an_operation_stays(client, cabinet):
    operation_id = fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:1])))
    page = client.get(f"/equipe/droits/operations/{operation_id}")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25)):
        se_connecter(client)
        later = client.get(f"/equipe/droits/operations/{operation_id}")
        refused = client.post("/equipe/droits/gestes", data=champs(page))

    assert "ne s'annule que pendant 24 heures" in texte(later)
    assert refused.status_code in (403, 422)


def test_operations_of_another_company_do_not_exist(app, new_client, client, cabinet):
    operation_id = fait(client, simuler(client, **attribution(cabinet.bruno, CLIENTS[:1])))
    page = client.get(f"/equipe/droits/operations/{operation_id}")
    un_etablissement(app, "35600000000048")
    theirs = new_client()
    administrateur_connecte(app, theirs, siret="35600000000048", nom="Loin", prenom="Luc")
    forged = {**champs(page), "csrf": champs(theirs.get("/equipe/droits/personnes/x/agir"))["csrf"] if False else ["x"]}

    assert theirs.get(f"/equipe/droits/operations/{operation_id}").status_code == 404
    assert theirs.post("/equipe/droits/gestes", data=forged).status_code == 403
    assert "Attribution" not in theirs.get("/equipe/droits/operations").text


def test_operators_commands_are_not_undone_here(app, client, cabinet):
    with app.app_context():
        first = db.session.scalar(select(func.min(Operation.id)))

    assert client.get(f"/equipe/droits/operations/{first}").status_code == 404


def test_what_an_administrator_may_do_is_asked_again_when_it_is_done(app, client, cabinet):
    page = simuler(client, **attribution(cabinet.bruno, CLIENTS[:1]))
    un_declarant(app, nom="Second", prenom="Ana", role=Role.ADMINISTRATEUR)
    with app.app_context():
        from idp.declarants.models import Declarant

        db.session.get(Declarant, cabinet.claire.id).role = Role.DECLARANT
        db.session.commit()

    assert confirmer(client, page).status_code == 403
    assert not may(app, cabinet.bruno, CLIENTS[0], service="dpae")
    assert C
