"""Joiners and leavers, promotions proposed, rights that nobody uses, accounts that look shared."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations import decision
from idp.habilitations.attribution import attribuer, exclure
from idp.habilitations.droits import Masks
from idp.habilitations.espace.suivi.indices import Compte, indices
from idp.habilitations.models import DroitDirect, Operation
from idp.habilitations.plat.models import PromotionProposee
from idp.habilitations.portefeuilles import creer
from tests.factories import csrf_in, un_declarant
from tests.journeys.droits import CLIENTS, DSN, HERE, SIREN, C, D, P, fait, geste, un_cabinet
from tests.journeys.equipe import administrateur_connecte, texte, un_etablissement

SECOND = 73282932000082


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


def may(app, who, cible, droit=D, service="dsn"):
    mag = app.extensions["mag"]
    now = datetime.now(UTC)
    return decision.check(mag.connections, mag.catalogue(), who.id, siret=cible, service=service, droit=droit, now=now)


def passer(client, acte, de, vers=None):
    page = client.get(f"/equipe/droits/passation?de={de.uid}")
    return client.post(
        "/equipe/droits/gestes", data={"csrf": csrf_in(page.text), "acte": acte, "de": de.uid, "vers": vers.uid if vers else ""}
    )


# ----------------------------------------------------------------------------------------------------- joiners and leavers


def test_a_copy_gives_a_newcomer_what_a_colleague_has(app, client, cabinet):
    preview = passer(client, "copier", cabinet.zoe, cabinet.bruno)

    assert "Bruno Blanc" in texte(preview)
    assert "Zoé Autre</strong> perd" not in texte(preview)
    fait(client, preview)
    assert may(app, cabinet.bruno, CLIENTS[0])
    assert may(app, cabinet.zoe, CLIENTS[0])


def test_a_transfer_tells_who_gains_and_who_loses(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.zoe.id, HERE, "dpae", {D})
        attribuer(geste(app), cabinet.zoe.id, HERE, "atmp", {D})
        db.session.commit()
    preview = passer(client, "transferer", cabinet.zoe, cabinet.bruno)

    page = texte(preview)
    assert "droits gagnés" in page
    assert "droits perdus" in page
    assert "le délai ne repart pas" in page
    fait(client, preview)
    assert (may(app, cabinet.bruno, CLIENTS[0]), may(app, cabinet.zoe, CLIENTS[0])) == (True, False)
    assert may(app, cabinet.bruno, HERE, service="dpae")


def test_an_exclusion_that_would_take_from_the_receiver_stays_and_says_so(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, CLIENTS[0], "dsn", {D})
        exclure(geste(app), cabinet.zoe.id, CLIENTS[0], {"dsn": frozenset({D, P, C})})
        db.session.commit()

    assert "1 exclusion ne suit pas" in texte(passer(client, "copier", cabinet.zoe, cabinet.bruno))


def test_everything_withdrawn(app, client, cabinet):
    fait(client, passer(client, "abandonner", cabinet.zoe))

    assert not may(app, cabinet.zoe, CLIENTS[0])


def test_a_passing_is_between_two_people_of_the_company(app, client, cabinet):
    luc = un_declarant(app, siret="35600000000048", nom="Loin", prenom="Luc")

    assert passer(client, "copier", cabinet.zoe, luc).status_code == 404
    assert "Choisissez deux personnes différentes" in texte(passer(client, "copier", cabinet.zoe, cabinet.zoe))
    assert "Choisissez au moins une personne" in texte(passer(client, "transferer", cabinet.zoe))
    assert client.get(f"/equipe/droits/passation?de={luc.uid}").status_code == 404


# -------------------------------------------------------------------------------------------------------------- promotions


@pytest.fixture
def proposee(app, cabinet):
    """Zoé has DPAE on both establishments of the company."""
    with app.app_context():
        db.session.add(Etablissement(siret=Siret.of(SECOND), actif=True, siege=False, statut_diffusion="O"))
        for cible in (HERE, SECOND):
            attribuer(geste(app), cabinet.zoe.id, cible, "dpae", {D})
        last = db.session.scalars(select(Operation.id).order_by(Operation.id.desc())).first()
        row = PromotionProposee(
            declarant_id=cabinet.zoe.id, siren=SIREN, etablissements=2, operation_id=last, proposed_at=datetime.now(UTC)
        )
        row.masks = Masks(declarer=4)
        db.session.add(row)
        db.session.commit()
    return cabinet


def test_a_promotion_accepted_is_one_right_and_covers_what_will_open(app, client, proposee):
    page = client.get("/equipe/droits/promotions")
    assert "Sur 2 établissements" in texte(page)
    fields = {"acte": "promouvoir", "personne": proposee.zoe.uid, "siren": str(SIREN)}

    preview = client.post("/equipe/droits/gestes", data={"csrf": csrf_in(page.text), **fields})

    assert "Les établissements que l'entreprise ouvrira seront compris." in texte(preview)
    fait(client, preview)
    assert may(app, proposee.zoe, SIREN * 100_000 + 99_998, service="dpae")
    with app.app_context():
        rows = db.session.scalars(select(DroitDirect.cible).where(DroitDirect.declarant_id == proposee.zoe.id)).all()
    assert list(rows) == [SIREN]
    assert client.post("/equipe/droits/gestes", data={"csrf": csrf_in(page.text), **fields}).status_code == 404


def refuser(client, who, **changes):
    page = client.get("/equipe/droits/promotions")
    token = page.text.split('promotions/refus">')[1].split('name="csrf" value="')[1].split('"')[0]
    return client.post("/equipe/droits/promotions/refus", data={"csrf": token, "personne": who.uid, "siren": str(SIREN), **changes})


def test_a_promotion_refused_changes_nothing_and_is_not_asked_again(app, client, proposee):
    assert refuser(client, proposee.zoe, siren="784671695").status_code == 404
    assert client.post("/equipe/droits/promotions/refus", data={"personne": proposee.zoe.uid, "siren": str(SIREN)}).status_code == 403

    assert refuser(client, proposee.zoe).status_code == 303

    assert "Aucune proposition" in texte(client.get("/equipe/droits/promotions?fait=1"))
    assert not may(app, proposee.zoe, SIREN * 100_000 + 99_998, service="dpae")
    with app.app_context():
        [fact] = db.session.scalars(select(AuditEvent).where(AuditEvent.kind == "PromotionDeclined"))
        assert (fact.declarant_id, fact.actor) == (proposee.zoe.id, f"declarant:{proposee.claire.id}")


def test_from_an_establishment_a_promotion_is_not_decided(app, client, new_client, proposee):
    theirs = new_client()
    administrateur_connecte(app, theirs, siret=str(SECOND), nom="Site", prenom="Sara", email="sara@exemple.fr")
    mine = un_declarant(app, siret=str(SECOND), nom="Petit", prenom="Paul")
    with app.app_context():
        row = PromotionProposee(declarant_id=mine.id, siren=SIREN, etablissements=2, operation_id=1, proposed_at=datetime.now(UTC))
        row.masks = Masks(declarer=4)
        db.session.add(row)
        db.session.commit()

    page = theirs.get("/equipe/droits/promotions")

    assert "Un administrateur du siège peut répondre" in texte(page)
    assert "Zoé" not in page.text


# ------------------------------------------------------------------------------------------------------------------ report


def test_the_report_tells_what_serves_nobody(app, client, cabinet):
    closed = CLIENTS[0]
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, closed, "dpae", {D})
        db.session.add(Etablissement(siret=Siret.of(closed), actif=False, siege=True, statut_diffusion="O", commune="LYON"))
        creer(geste(app), SIREN, "Vide", DSN)
        bruno = db.session.get(Declarant, cabinet.bruno.id)
        bruno.opened_at = datetime.now(UTC) - timedelta(days=300)
        bruno.email = "zoe@exemple.fr"
        db.session.commit()

    page = texte(client.get("/equipe/droits/suivi"))

    assert "Bruno Blanc</a> <small>jamais connecté" in page
    assert "Vide</a> : aucun membre" in page
    assert "BOULANGERIE" in page
    assert "2 comptes ont la même adresse électronique" in page
    assert "Passeport de prévention" in page
    assert "Bruno Blanc</a> <small>" not in texte(client.get("/equipe/droits/suivi?mois=12"))
    assert client.get("/equipe/droits/suivi?mois=x&suite=zz").status_code == 200


def test_another_company_s_rights_are_not_reported(app, client, new_client, cabinet):
    un_etablissement(app, "35600000000048")
    theirs = new_client()
    administrateur_connecte(app, theirs, siret="35600000000048", nom="Loin", prenom="Luc")

    page = theirs.get("/equipe/droits/suivi?mois=3")

    assert "Nord" not in page.text
    assert "Zoé" not in page.text


@pytest.mark.parametrize(
    ("compte", "number"),
    [
        (Compte("Lefèvre", "Claire", "claire@exemple.fr", 2, 1), 0),
        (Compte("Comptabilité", "Service", "claire@exemple.fr", 1, 1), 1),
        (Compte("Lefèvre", "Claire", "compta@exemple.fr", 1, 1), 1),
        (Compte("Lefèvre", "Claire", "", 5, 0), 1),
        (Compte("PAIE", "Service", "paie.lyon@exemple.fr", 9, 3), 4),
    ],
)
def test_hints_of_a_shared_account(compte, number):
    assert len(indices(compte)) == number
