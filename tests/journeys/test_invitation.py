"""Somebody is invited, and accepts (fact 11): a link that is used once, seven days long, and shows without spending."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.declarants.equipe.invitation import LIFETIME, MOST_A_DAY
from idp.declarants.equipe.models import Invitation
from idp.declarants.statuts import Role, Statut
from idp.visitor import RECENT
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import SECOND, administrateur_connecte, courriers, envoyer, lien, texte, un_etablissement

WHO = {"nom": "Petit", "prenom": "Nina", "email": "nina@exemple.fr", "siret": SIRET, "role": "declarant"}
PASSWORD = "trois lampes et un vélo"


def invite(client, **changes):
    return envoyer(client, "/equipe/inviter", **{**WHO, **changes})


def accept(client, path, **changes):
    page = client.get(path).text
    version = page.split('name="conditions" value="')[1].split('"')[0]
    typed = {"nouveau": PASSWORD, "confirmation": PASSWORD, "accord": "oui", "conditions": version, **changes}
    return client.post(path, data={"csrf": csrf_in(page), **typed})


def the_link(app) -> str:
    return lien(courriers(app, "invitation")[-1], "/invitation/")


def test_a_person_is_invited_and_signs_in(app, client, new_client):
    administrateur_connecte(app, client)
    assert invite(client).status_code == 303
    assert "Nina Petit" in client.get("/equipe/invitations").text
    theirs = new_client()
    for _ in range(3):
        page = texte(theirs.get(the_link(app)))
        assert "Claire Lefèvre vous ouvre un compte" in page, "looking spends nothing (C44)"
    response = accept(theirs, the_link(app))

    assert response.status_code == 200
    assert "Votre compte est ouvert" in response.text
    assert se_connecter(theirs, nom="petit", prenom="nina", password=PASSWORD).status_code == 303
    assert [mail.recipient for mail in courriers(app, "invitation_acceptee")] == ["claire@exemple.fr"]
    assert "Nina Petit" not in client.get("/equipe/invitations").text
    with app.app_context():
        from idp.declarants.identite import Identite
        from idp.declarants.models import Declarant
        from idp.entreprises.siret import Siret

        nina = Declarant.find(Identite(Siret(SIRET), "Petit", "Nina"))
        assert (nina.statut, nina.role, nina.email, nina.email_verified) == (Statut.ACTIF, Role.DECLARANT, "nina@exemple.fr", True)


@pytest.mark.parametrize("act", ["accepted", "expired", "cancelled", "sent-again"])
def test_C44_a_link_that_is_dead(app, client, new_client, act):
    administrateur_connecte(app, client)
    invite(client)
    path = the_link(app)
    page = client.get("/equipe/invitations").text
    reference = page.split("/equipe/invitations/")[1].split("/")[0] if act in ("cancelled", "sent-again") else ""
    later = datetime.now(UTC) + (LIFETIME + timedelta(seconds=1) if act == "expired" else timedelta())
    if act == "accepted":
        accept(new_client(), path)
    if reference:
        client.post(f"/equipe/invitations/{reference}/{'annuler' if act == 'cancelled' else 'renvoyer'}", data={"csrf": csrf_in(page)})
    csrf = csrf_in(client.get("/equipe/inviter").text)
    with time_machine.travel(later):
        assert client.get(path).status_code == 404
        other = new_client()
        other.get("/connexion")
        assert other.post(path, data={"csrf": "x"}).status_code == 403
        assert client.post(path, data={"csrf": csrf}).status_code in (403, 404)
    if act == "sent-again":
        assert the_link(app) != path
        assert accept(new_client(), the_link(app)).status_code == 200


@pytest.mark.parametrize("act", ["struck-off", "suspended", "plain"])
def test_C44_a_link_does_not_outlive_the_authority_of_who_sent_it(app, client, new_client, act):
    """Somebody struck off would come back by an accomplice."""
    boss = administrateur_connecte(app, client)
    invite(client, role="administrateur")
    path, theirs, other = the_link(app), new_client(), new_client()
    page = theirs.get(path).text
    administrateur_connecte(app, other, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    with app.app_context():
        from idp.database import db
        from idp.declarants import transitions
        from idp.declarants.models import Declarant
        from idp.declarants.statuts import Act, By

        acts = {"struck-off": Act.RADIER, "suspended": Act.SUSPENDRE, "plain": Act.CHANGER_ROLE}
        role = Role.DECLARANT if act == "plain" else None
        transitions.apply(db.session.get(Declarant, boss.id), acts[act], By.ADMINISTRATEUR, datetime.now(UTC), role=role)
        db.session.commit()
    version = page.split('name="conditions" value="')[1].split('"')[0]
    typed = {"csrf": csrf_in(page), "nouveau": PASSWORD, "confirmation": PASSWORD, "accord": "oui", "conditions": version}

    assert theirs.post(path, data=typed).status_code == 404
    assert theirs.get(path).status_code == 404
    page = other.get("/equipe/invitations").text
    reference = page.split("/equipe/invitations/")[1].split("/")[0]
    other.post(f"/equipe/invitations/{reference}/renvoyer", data={"csrf": csrf_in(page)})
    assert accept(theirs, the_link(app)).status_code == 200, "whoever sends it again vouches from now on"


def test_the_other_administrators_learn_who_becomes_one_by_invitation(app, client, new_client):
    administrateur_connecte(app, client)
    un_administrateur(app, nom="Roux", prenom="Ali", email="ali@exemple.fr")
    invite(client, role="administrateur")
    accept(new_client(), the_link(app))

    (mail,) = courriers(app, "nouvel_administrateur")
    assert mail.recipient == "ali@exemple.fr"
    assert "Claire Lefèvre a donné à Nina Petit" in mail.body


def test_C44_a_link_is_used_once(app, client, new_client):
    administrateur_connecte(app, client)
    invite(client)
    path, first, second = the_link(app), new_client(), new_client()
    page = second.get(path).text
    version = page.split('name="conditions" value="')[1].split('"')[0]
    assert accept(first, path).status_code == 200
    typed = {"csrf": csrf_in(page), "nouveau": PASSWORD, "confirmation": PASSWORD, "accord": "oui", "conditions": version}

    assert second.post(path, data=typed).status_code == 404


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nouveau": "court", "confirmation": "court"}, "caractères"),
        ({"nouveau": "petit nina petit", "confirmation": "petit nina petit"}, "nom"),
        ({"confirmation": "autre chose tout à fait"}, "pas les mêmes"),
        ({"accord": ""}, "conditions d'utilisation"),
        ({"conditions": "0"}, "conditions d'utilisation"),
        ({"nouveau": "", "confirmation": ""}, "Choisissez un mot de passe"),
    ],
)
def test_an_answer_to_correct_spends_nothing(app, client, new_client, changes, said):
    administrateur_connecte(app, client)
    invite(client)
    theirs = new_client()
    response = accept(theirs, the_link(app), **changes)

    assert response.status_code == 422
    assert said in texte(response)
    assert accept(theirs, the_link(app)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nom": ""}, "Saisissez le nom"),
        ({"nom": "--"}, "composés de lettres"),
        ({"email": "nina"}, "valable"),
        ({"siret": "123"}, "14 chiffres"),
        ({"siret": "35600000000048"}, "n'administrez pas"),
        ({"role": "roi"}, "Choisissez un rôle"),
        ({"nom": "Lefèvre", "prenom": "CLAIRE"}, "est déjà inscrite"),
        ({"nom": "x" * 81}, ""),
    ],
)
def test_an_invitation_to_correct(app, client, changes, said):
    administrateur_connecte(app, client)
    response = invite(client, **changes)

    assert response.status_code == 422
    assert said in texte(response) or not said
    assert courriers(app, "invitation") == []


def test_C82_nobody_is_invited_twice_at_once(app, client):
    administrateur_connecte(app, client)
    assert [invite(client).status_code for _ in range(2)] == [303, 422]
    assert len(courriers(app, "invitation")) == 1


def test_a_homonym_who_came_meanwhile_is_told_to_the_person_invited(app, client, new_client):
    administrateur_connecte(app, client)
    invite(client)
    un_declarant(app, nom="PETIT", prenom="nina")
    response = accept(new_client(), the_link(app))

    assert response.status_code == 422
    assert "est déjà inscrite" in texte(response)
    assert "Nina Petit" in client.get("/equipe/invitations").text, "the invitation is not lost"


def test_an_establishment_does_not_flood(app, client):
    administrateur_connecte(app, client)
    with app.app_context():
        from idp.database import db
        from idp.declarants.equipe import invitation
        from idp.declarants.equipe.invitation import Invited
        from idp.declarants.identite import Identite
        from idp.declarants.models import Declarant
        from idp.entreprises.siret import Siret

        chef = Declarant.find(Identite(Siret(SIRET), "Lefèvre", "Claire"))
        for n in range(MOST_A_DAY):
            invited = Invited(Siret(SIRET), f"Nom{n}", "Une", "une@exemple.fr")
            invitation.inviter(chef, invited, datetime.now(UTC), issuer="https://mag.test")
        db.session.commit()

    assert invite(client).status_code == 429


def test_an_administrator_is_invited_by_somebody_who_just_typed_a_password(app, client):
    administrateur_connecte(app, client)
    csrf = csrf_in(client.get("/equipe/inviter").text)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=RECENT + 5)):
        asked = client.post("/equipe/inviter", data={**WHO, "csrf": csrf, "role": "administrateur"})
        assert "/connexion" in asked.headers["Location"]
        assert client.post("/equipe/inviter", data={**WHO, "csrf": csrf}).headers["Location"].startswith("/equipe/invitations")
    assert invite(client, role="administrateur", nom="Roux").status_code == 303


def test_the_head_office_invites_for_an_open_establishment(app, client):
    un_etablissement(app)
    un_etablissement(app, SECOND, siege=False)
    closed = "73282932000090"
    un_etablissement(app, closed, siege=False, actif=False)
    administrateur_connecte(app, client)

    assert invite(client, siret=SECOND).status_code == 303
    assert "fermé" in texte(invite(client, siret=closed, nom="Roux"))


def test_C60_another_companys_invitation_does_not_exist(app, client, new_client):
    administrateur_connecte(app, client)
    invite(client)
    with app.app_context():
        from sqlalchemy import select

        from idp.database import db

        reference = db.session.scalar(select(Invitation.reference))
    other = new_client()
    un_administrateur(app, siret="35600000000048", nom="Roux", prenom="Ali")
    se_connecter(other, siret="35600000000048", nom="Roux", prenom="Ali")
    csrf = csrf_in(other.get("/equipe/inviter").text)
    page = texte(other.get("/equipe/invitations"))
    assert "Nina" not in page
    for path in (f"/equipe/invitations/{reference}/renvoyer", f"/equipe/invitations/{reference}/annuler"):
        assert other.post(path, data={"csrf": csrf}).status_code in (403, 404)
    assert len(courriers(app, "invitation")) == 1


def test_C33_an_unknown_link_says_nothing_of_anybody(client):
    for token in ("/invitation/inconnue", "/invitation/" + "é" * 20, "/invitation/" + "x" * 200):
        assert client.get(token).status_code == 404


def test_invitations_that_expire_are_told_once(app, client):
    administrateur_connecte(app, client)
    invite(client)
    with time_machine.travel(datetime.now(UTC) + LIFETIME + timedelta(seconds=1)):
        outputs = [app.test_cli_runner().invoke(args=["declarants", "echeances"]).output for _ in range(2)]

    assert ["1 invitation(s) expirée(s)" in output for output in outputs] == [True, False]
    assert [mail.recipient for mail in courriers(app, "invitation_expiree")] == ["claire@exemple.fr"]


def test_C80_names_of_a_closed_invitation_are_emptied_after_a_month(app, client, new_client):
    administrateur_connecte(app, client)
    invite(client)
    accept(new_client(), the_link(app))
    with app.app_context():
        from sqlalchemy import select

        from idp.database import db

        one = db.session.scalar(select(Invitation))
        Invitation.purge(one.closed_at + timedelta(days=29))
        db.session.refresh(one)
        assert one.email == "nina@exemple.fr"
        Invitation.purge(one.closed_at + timedelta(days=31))
        db.session.refresh(one)
        assert (one.nom, one.prenom, one.cle, one.email) == ("", "", "", "")


def test_a_name_of_somebody_who_left_is_kept_and_said_so(app, client):
    administrateur_connecte(app, client)
    gone = un_declarant(app, nom="PETIT", prenom="nina")
    with app.app_context():
        from idp.database import db
        from idp.declarants import transitions
        from idp.declarants.models import Declarant
        from idp.declarants.statuts import Act, By

        transitions.apply(db.session.get(Declarant, gone.id), Act.RADIER, By.ADMINISTRATEUR, datetime.now(UTC))
        db.session.commit()
    response = invite(client)

    assert response.status_code == 422
    assert "a quitté cet établissement récemment" in texte(response)
    assert "est déjà inscrite" not in texte(response)
