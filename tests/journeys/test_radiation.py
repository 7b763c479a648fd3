"""The departure wizard, page by page: choice, preview, end of the account; sessions, tokens and rights (facts 38, 39)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from idp.database import db
from idp.declarants.models import AccountEvent, Declarant
from idp.declarants.statuts import Statut
from idp.habilitations import decision
from idp.habilitations.attribution import attribuer
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.models import DroitDirect
from idp.visitor import RECENT
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import administrateur_connecte, courriers, envoyer, lien, relu, texte
from tests.journeys.test_invitation import accept


@pytest.fixture
def zoe(app):
    """A déclarante with two rights."""
    found = un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    give(app, found.id, int(SIRET))
    give(app, found.id, 35600000000048)
    return found


def give(app, who, cible, droit=Droit.DECLARER):
    with app.app_context():
        mag = app.extensions["mag"]
        refresh(parse(shipped()), datetime.now(UTC))
        db.session.commit()
        attribuer(Gesture(None, mag.catalogue(), datetime.now(UTC)), who, cible, "dsn", {droit})
        db.session.commit()


def may(app, who, siret=int(SIRET), droit=Droit.DECLARER) -> bool:
    mag, later = app.extensions["mag"], datetime.now(UTC) + timedelta(days=3)
    return decision.check(mag.connections, mag.catalogue(), who, siret=siret, service="dsn", droit=droit, now=later)


def holds(app, who) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(DroitDirect).where(DroitDirect.declarant_id == who))


def wizard(client, leaver, **typed):
    """The choice, the preview, the confirmation, as a browser sends them."""
    path = f"/equipe/personnes/{leaver.uid}/depart"
    preview = envoyer(client, path, **typed)
    assert preview.status_code == 200, preview.text
    return preview, lambda: client.post(f"{path}/confirmation", data={**hidden(preview.text)})


def hidden(page: str) -> dict[str, str]:
    import html
    import re

    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def test_somebody_leaves_and_a_colleague_takes_over(app, client, new_client, zoe):
    administrateur_connecte(app, client)
    bruno = un_declarant(app, nom="Blanc", prenom="Bruno", email="bruno@exemple.fr")
    hers = new_client()
    se_connecter(hers, nom="Autre", prenom="Zoé")
    page = texte(client.get(f"/equipe/personnes/{zoe.uid}/depart"))
    assert "Attributions directes" in page
    assert "Blanc Bruno" in page
    preview, confirm = wizard(client, zoe, destin="collegue", collegue=bruno.uid)
    assert "2 attributions directes passent à Bruno Blanc" in texte(preview)
    assert relu(app, zoe.id).statut is Statut.ACTIF, "a preview does nothing"
    response = confirm()

    assert response.status_code == 303
    assert relu(app, zoe.id).statut is Statut.RADIE
    assert (holds(app, zoe.id), holds(app, bruno.id)) == (0, 2)
    assert may(app, bruno.id)
    assert hers.get("/").status_code == 303
    assert se_connecter(hers, nom="Autre", prenom="Zoé").status_code == 422
    assert [mail.recipient for mail in courriers(app, "radiation")] == ["zoe@exemple.fr"]
    assert [mail.recipient for mail in courriers(app, "droits_recus")] == ["bruno@exemple.fr"]
    assert "Radié" in texte(client.get(f"/equipe/personnes/{zoe.uid}"))
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(AccountEvent)) == 1
    assert confirm().status_code == 409, "sent twice, done once (C82)"
    assert len(courriers(app, "radiation")) == 1


def test_rights_wait_for_a_new_person(app, client, new_client, zoe):
    chef = administrateur_connecte(app, client)
    _, confirm = wizard(client, zoe, destin="nouveau", nom="Petit", prenom="Nina", email="nina@exemple.fr")
    assert confirm().status_code == 303
    assert (holds(app, zoe.id), holds(app, chef.id)) == (0, 2)
    assert accept(new_client(), lien(courriers(app, "invitation")[-1], "/invitation/")).status_code == 200
    with app.app_context():
        nina = db.session.scalar(select(Declarant.id).where(Declarant.nom == "Petit"))

    assert (holds(app, chef.id), holds(app, nina)) == (0, 2)
    assert may(app, nina)


@pytest.mark.parametrize(("destin", "kept"), [("garde", 2), ("abandon", 0)])
def test_rights_come_back_to_the_administrator_or_are_dropped(app, client, zoe, destin, kept):
    chef = administrateur_connecte(app, client)
    wizard(client, zoe, destin=destin)[1]()

    assert (holds(app, zoe.id), holds(app, chef.id)) == (0, kept)


@pytest.mark.parametrize("act", ["cancelled", "expired"])
def test_an_invitation_that_is_not_accepted_leaves_the_rights_to_the_administrator(app, client, new_client, zoe, act):
    chef = administrateur_connecte(app, client)
    wizard(client, zoe, destin="nouveau", nom="Petit", prenom="Nina", email="nina@exemple.fr")[1]()
    if act == "cancelled":
        page = client.get("/equipe/invitations").text
        reference = page.split("/equipe/invitations/")[1].split("/")[0]
        client.post(f"/equipe/invitations/{reference}/annuler", data={"csrf": csrf_in(page)})
    else:
        with time_machine.travel(datetime.now(UTC) + timedelta(days=7, minutes=1)):
            app.test_cli_runner().invoke(args=["declarants", "echeances"])

    assert new_client().get(lien(courriers(app, "invitation")[-1], "/invitation/")).status_code == 404
    assert holds(app, chef.id) == 2


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"destin": "ailleurs"},
        {"destin": "collegue"},
        {"destin": "collegue", "collegue": "inconnu"},
        {"destin": "nouveau"},
        {"destin": "nouveau", "nom": "Petit", "prenom": "Nina", "email": "nina"},
        {"destin": "nouveau", "nom": "Autre", "prenom": "Zoé", "email": "zoe@exemple.fr"},
    ],
)
def test_a_choice_to_correct(app, client, zoe, typed):
    administrateur_connecte(app, client)
    path = f"/equipe/personnes/{zoe.uid}/depart"

    assert envoyer(client, path, **typed).status_code == 422
    assert envoyer(client, f"{path}/confirmation", path, **typed, epoque="1").status_code == 422
    assert relu(app, zoe.id).statut is Statut.ACTIF


@pytest.mark.parametrize("colleague", ["herself", "another-company", "suspended"])
def test_rights_do_not_go_to_whoever_may_not_hold_them(app, client, zoe, colleague):
    administrateur_connecte(app, client)
    to = {
        "herself": lambda: zoe,
        "another-company": lambda: un_declarant(app, siret="35600000000048", nom="Blanc", prenom="Bruno"),
        "suspended": lambda: un_declarant(app, nom="Blanc", prenom="Bruno", statut=Statut.SUSPENDU),
    }[colleague]()

    assert envoyer(client, f"/equipe/personnes/{zoe.uid}/depart", destin="collegue", collegue=to.uid).status_code == 422


def test_rights_that_changed_since_the_preview_are_looked_at_again(app, client, new_client, zoe):
    administrateur_connecte(app, client)
    hers = new_client()
    se_connecter(hers, nom="Autre", prenom="Zoé")
    _, confirm = wizard(client, zoe, destin="abandon")
    give(app, zoe.id, int(SIRET), Droit.PAYER)
    response = confirm()

    assert response.status_code == 409
    assert "ont changé" in texte(response)
    assert relu(app, zoe.id).statut is Statut.ACTIF
    assert hers.get("/").status_code == 200, "nothing was ended for nothing"


def test_nobody_strikes_themselves_off_nor_without_a_recent_password(app, client, zoe):
    chef = administrateur_connecte(app, client)
    un_administrateur(app, nom="Roux", prenom="Ali")
    assert client.get(f"/equipe/personnes/{chef.uid}/depart").status_code == 409
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=RECENT + 5)):
        assert "/connexion" in client.get(f"/equipe/personnes/{zoe.uid}/depart").headers["Location"]
        response = client.post(f"/equipe/personnes/{zoe.uid}/depart/confirmation", data={"destin": "abandon"})
        assert "/connexion" in response.headers["Location"]

    assert relu(app, zoe.id).statut is Statut.ACTIF


def test_C39_a_forged_form_is_refused(app, client, zoe):
    administrateur_connecte(app, client)
    path = f"/equipe/personnes/{zoe.uid}/depart"
    for target in (path, f"{path}/confirmation"):
        assert client.post(target, data={"csrf": "faux", "destin": "abandon"}).status_code == 403


def test_colleagues_are_searched_by_name(app, client, zoe):
    administrateur_connecte(app, client)
    un_declarant(app, nom="Blanc", prenom="Bruno")
    page = texte(client.get(f"/equipe/personnes/{zoe.uid}/depart?cherche=blanc"))

    assert "Blanc Bruno" in page
    assert "Lefèvre Claire (" not in page
