"""The administrators' space as people meet it: looked at with axe, by keyboard, without script, light and dark, from 320 pixels up."""

from datetime import UTC, datetime

import pytest

from idp.audit import journal
from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.catalogue import parse, refresh, shipped
from partners.models import Partenaire
from partners.scim.events import PersonManaged
from partners.scim.models import Delegation
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.equipe import courriers, lien, un_candidat, un_etablissement
from tests.journeys.test_radiation import give
from tests.protocol.relying import write_client

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


@pytest.fixture
def people(app):
    """An administrator, a déclarante with a right, a candidate."""
    un_etablissement(app)
    un_administrateur(app, email="claire@exemple.fr")
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    with app.app_context():
        refresh(parse(shipped()), datetime.now(UTC))
        db.session.commit()
    give(app, zoe.id, int(SIRET))
    un_candidat(app, nom="Autre", prenom="Zoé", email="zoe.autre@ailleurs.fr", namesake=True)
    un_partenaire(app, zoe.id)
    return zoe, un_candidat(app)


def un_partenaire(app, declarant_id):
    """It manages people here, and did something; another one might."""
    with app.app_context():
        for code in ("paie-facile", "rh-partagees"):
            write_client(
                code, code, {"grant_types": ["client_credentials"], "scope": "scim"}, f"secret-{code}", app.extensions["mag"].keyring
            )
        giver = db.session.scalar(db.select(Declarant).filter_by(prenom="Claire"))
        assert Delegation.open(Partenaire.with_code("paie-facile"), giver, datetime.now(UTC))
        common = {"client_id": "paie-facile", "siret": int(SIRET), "partenaire": "paie-facile", "for_whom": giver.id}
        journal.record(PersonManaged(act="suspendre", declarant_id=declarant_id, **common))
        journal.record(PersonManaged(act="inviter", invitation_id=1, **common))
        db.session.commit()
    app.extensions["mag"].versions.refresh()


@pytest.fixture
def mag(people, live_server):
    return live_server()


def sign_in(opened, mag, path="/equipe", nom="Lefèvre", prenom="Claire"):
    opened.goto(mag + path)
    for name, text in {"siret": SIRET, "nom": nom, "prenom": prenom, "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.locator("button[type=submit].primary").click()
    opened.wait_for_load_state()
    opened.goto(mag + path)


def test_every_page_of_an_administrator_is_looked_at(app, mag, page, people):
    zoe, _ = people
    opened = page()
    sign_in(opened, mag)
    namesake, kept = (lien(mail, "/equipe/demandes/") for mail in courriers(app, "candidature"))
    paths = {
        "liste": "/equipe",
        "personne": f"/equipe/personnes/{zoe.uid}",
        "role": f"/equipe/personnes/{zoe.uid}/role",
        "suspension": f"/equipe/personnes/{zoe.uid}/suspension",
        "depart": f"/equipe/personnes/{zoe.uid}/depart",
        "demandes": "/equipe/demandes",
        "demande": kept,
        "demande-homonyme": namesake,
        "inviter": "/equipe/inviter",
        "administrateurs": "/compte/administrateurs",
        "partenaires": "/equipe/partenaires",
    }
    for name, path in paths.items():
        opened.goto(mag + path)
        look_at(opened, name)
    opened.goto(f"{mag}/equipe/personnes/{zoe.uid}/depart")
    opened.check("input[value=garde]")
    opened.get_by_role("button", name="Voir l'aperçu").click()
    look_at(opened, "apercu")
    opened.goto(f"{mag}/equipe/inviter")
    opened.get_by_role("button", name="Envoyer l'invitation").click()
    look_at(opened, "inviter-erreurs")
    for name, text in {"nom": "Petit", "prenom": "Lou", "email": "lou@exemple.fr"}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Envoyer l'invitation").click()
    look_at(opened, "invitations")
    path = lien_of(app)
    theirs = page()
    theirs.goto(mag + path)
    look_at(theirs, "invitation")
    theirs.goto(f"{mag}/activation")
    look_at(theirs, "activation")
    for name, text in {"siret": SIRET, "nom": "Petit", "prenom": "Nina", "email": "nina@exemple.fr", "password": PASSWORD}.items():
        theirs.fill(f"#{name}", text)
    theirs.get_by_role("button", name="Voir ma demande").click()
    theirs.get_by_role("button", name="Demander une lettre").click()
    look_at(theirs, "etat")


def lien_of(app) -> str:
    """The path of the last invitation, whatever the address of the server."""
    body = courriers(app, "invitation")[-1].body
    return "/invitation/" + body.split("/invitation/")[1].split()[0]


def test_a_departure_from_end_to_end_without_script(app, mag, page, people):
    zoe, _ = people
    un_declarant(app, nom="Blanc", prenom="Bruno", email="bruno@exemple.fr")
    opened = page(javascript=False)
    sign_in(opened, mag)
    opened.locator(f"a[href$='{zoe.uid}']").click()
    opened.get_by_role("link", name="Enregistrer son départ").click()
    opened.check("input[value=collegue]")
    opened.select_option("#collegue", label=f"Blanc Bruno ({zoe.siret.grouped})")
    opened.get_by_role("button", name="Voir l'aperçu").click()
    assert "1 attribution directe passe à Bruno Blanc" in opened.locator("main").inner_text()
    opened.get_by_role("button", name="Confirmer le départ").click()

    assert "Le départ est enregistré" in opened.locator("main").inner_text()
    assert "Radié" in opened.locator("main").inner_text()


def test_a_candidate_is_let_in_by_the_keyboard(app, mag, page, people):
    opened = page()
    sign_in(opened, mag, "/equipe/demandes")
    opened.get_by_role("link", name="Répondre à Nina Petit").focus()
    opened.keyboard.press("Enter")
    opened.get_by_role("button", name="Donner mon accord").focus()
    opened.keyboard.press("Enter")
    opened.wait_for_selector("text=Accord enregistré")

    assert "Nina Petit" in opened.locator("main").inner_text()
