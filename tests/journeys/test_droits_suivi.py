"""Joiners and leavers, promotions proposed, rights that nobody uses, accounts that look shared."""

import html
import re
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase

import pytest
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.authentication.factors.models import KnownDevice
from idp.database import db
from idp.declarants.models import Declarant
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations import decision
from idp.habilitations.attribution import attribuer, exclure
from idp.habilitations.droits import Catalogue, Grain, Heritage, Masks, Service
from idp.habilitations.espace.suivi import models
from idp.habilitations.espace.suivi.heritage import origins
from idp.habilitations.espace.suivi.indices import Compte, indices
from idp.habilitations.models import DroitDirect, Operation
from idp.habilitations.perimetre import Position
from idp.habilitations.plat.models import PromotionProposee
from idp.habilitations.portefeuilles import creer
from tests.factories import csrf_in, un_declarant
from tests.journeys.droits import CLIENTS, DSN, HERE, SIREN, C, D, P, clients_numbered, fait, geste, un_cabinet
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
        attribuer(geste(app), cabinet.bruno.id, HERE, "cpf", {C})
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
    assert "Passeport de prévention <small>0 personne l'a reçu, 1 l'a par héritage seul" in page
    assert "Bruno Blanc</a> <small>" not in texte(client.get("/equipe/droits/suivi?mois=12"))
    assert client.get("/equipe/droits/suivi?mois=x&suite=zz").status_code == 200


def test_another_company_s_rights_are_not_reported(app, client, new_client, cabinet):
    un_etablissement(app, "35600000000048")
    theirs = new_client()
    administrateur_connecte(app, theirs, siret="35600000000048", nom="Loin", prenom="Luc")

    page = theirs.get("/equipe/droits/suivi?mois=3")

    assert "Nord" not in page.text
    assert "Zoé" not in page.text


def suite(page, liste):
    """The address that a list goes on at; None at its end."""
    found = re.search(rf'href="(/equipe/droits/suivi\?mois=6&amp;{liste}=[0-9.]+)#{liste}"', page.text)
    return html.unescape(found[1]) if found else None


def test_every_list_goes_on_beyond_its_page(app, client, cabinet):
    """Beyond the first twenty-five by name, too: an account that looks shared is never left out."""
    many = clients_numbered(600_000_000, 26)
    for letter in ascii_lowercase:
        un_declarant(app, nom="Service paie", prenom=f"Zoé {letter}", email=f"zoe.{letter}@exemple.fr")
    last = un_declarant(app, nom="Zzz", prenom="Anne", email="standard@exemple.fr")
    with app.app_context():
        for letter in ascii_lowercase:
            creer(geste(app), SIREN, f"Vide {letter}", DSN)
        for cible in many:
            attribuer(geste(app), cabinet.bruno.id, cible, "dpae", {D})
            db.session.add(Etablissement(siret=Siret.of(cible), actif=False, siege=True, statut_diffusion="O"))
        attribuer(geste(app), last.id, many[0], "dpae", {D})
        db.session.commit()

    first = client.get("/equipe/droits/suivi")
    pages = {liste: client.get(suite(first, liste)) for liste in ("partages", "portefeuilles", "fermes")}

    shown, after = (re.findall(r"Service paie|Anne Zzz</a> : l'adresse", texte(one)) for one in (first, pages["partages"]))
    assert (len(shown), after) == (25, ["Service paie", "Anne Zzz</a> : l'adresse"])
    assert (texte(first).count(": aucun membre"), texte(pages["portefeuilles"]).count(": aucun membre")) == (25, 1)
    assert (texte(first).count("</span> : Bruno Blanc"), texte(pages["fermes"]).count("</span> : Bruno Blanc")) == (25, 1)
    assert "</span> : Anne Zzz" in texte(pages["fermes"])
    for liste, page in pages.items():
        assert suite(page, liste) is None
        assert "Revenir au début" in texte(page)
    assert client.get("/equipe/droits/suivi?partages=x&portefeuilles=-1&fermes=1.2.3").status_code == 200


def test_what_a_page_looks_at_is_bounded_and_the_next_one_takes_it_from_there(app, client, cabinet):
    with app.app_context():
        for cible in CLIENTS[:5]:
            attribuer(geste(app), cabinet.bruno.id, cible, "dpae", {D})
        db.session.add(Etablissement(siret=Siret.of(CLIENTS[4]), actif=False, siege=True, statut_diffusion="O"))
        db.session.commit()
        here = range(HERE, HERE + 1)

        begun = models.closed_establishments(here, after=Position(), limit=25, most=4)
        ended = models.closed_establishments(here, after=begun.following, limit=25, most=4)
        first = models.last_looked_at(here, after=0, most=2)
        several = models.last_looked_at(here, after=0, most=3)

    assert (begun.rangees, begun.following) == ((), Position(cabinet.bruno.id, CLIENTS[3]))
    assert ([(one.id, cible) for one, cible in ended.rangees], ended.following) == ([(cabinet.bruno.id, CLIENTS[4])], None)
    assert (first, several) == (cabinet.zoe.id, None)


def test_browsers_are_counted_beyond_the_first_page(app, client, cabinet):
    with app.app_context():
        for n in range(5):
            KnownDevice.saw(cabinet.bruno.id, f"{n}" * 64, "Firefox", "10.0.0.0/24", 1, datetime.now(UTC))
        db.session.commit()

    assert "Bruno Blanc</a> : 5 navigateurs différents s'y connectent" in texte(client.get("/equipe/droits/suivi"))


def test_proposals_go_on_beyond_their_page(app, client, proposee):
    several = [un_declarant(app, nom="Autre", prenom=f"Ana {letter}", email=f"ana.{letter}@exemple.fr") for letter in ascii_lowercase]
    with app.app_context():
        for one in several:
            row = PromotionProposee(declarant_id=one.id, siren=SIREN, etablissements=2, operation_id=1, proposed_at=datetime.now(UTC))
            row.masks = Masks(declarer=4)
            db.session.add(row)
        db.session.commit()

    assert "27 propositions attendent" in texte(client.get("/equipe/droits/suivi"))
    page = client.get("/equipe/droits/promotions")
    following = re.search(r'href="(/equipe/droits/promotions\?apres=[0-9.]+)"', page.text)[1]
    second = client.get(following)

    assert (page.text.count('id="promotion-'), second.text.count('id="promotion-')) == (25, 2)
    assert ("Suite de la liste" in second.text, "Revenir au début" in second.text) == (False, True)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        pytest.param([{"passeport": {D}}], [("P", 1, 0)], id="given"),
        pytest.param([{"atmp": {D}}, {"atmp": {D}}], [("P", 0, 2)], id="inherited alone"),
        pytest.param([{"atmp": {D}, "passeport": {D}}, {"atmp": {D}}], [("P", 1, 1)], id="both, then one"),
        pytest.param([{}], [], id="nobody has it"),
    ],
)
def test_given_and_inherited_are_told_apart(held, said):
    services = [Service(0, "atmp", "A", Grain.SIRET, frozenset({D})), Service(1, "passeport", "P", Grain.SIRET, frozenset({D}))]
    catalogue = Catalogue.build(services, [Heritage(("passeport", D), ("atmp", D))])

    found = origins(catalogue, [catalogue.masks({code: frozenset(rights) for code, rights in one.items()}) for one in held])

    assert [(one.libelle, one.donne, one.herite) for one in found] == said


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
