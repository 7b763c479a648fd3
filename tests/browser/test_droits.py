"""The pages of rights as people meet them: looked at with axe, light and dark, from 320 pixels up; used without script and by keyboard."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.database import db
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret
from idp.habilitations.attribution import attribuer
from idp.habilitations.droits import Masks
from idp.habilitations.models import DroitDirect, Operation, PortefeuilleMembre
from idp.habilitations.plat.models import PromotionProposee
from idp.habilitations.portefeuilles import ajouter_clients, ajouter_membre, creer
from idp.habilitations.usages.models import Releve
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.droits import CLIENTS, DPAE, DSN, HERE, SIREN, D, clients_numbered, geste, un_catalogue
from tests.journeys.equipe import un_etablissement

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
NAMES = ("BOULANGERIE DU PORT", "GARAGE MOREAU ET FILS", "PHARMACIE DES HALLES", "ATELIERS RÉUNIS DE MENUISERIE")


@pytest.fixture
def firm(app):
    """Claire administers; Zoé holds a portfolio of 125 clients and rights of her own; a proposal waits."""
    un_etablissement(app)
    un_administrateur(app, email="claire@exemple.fr")
    zoe = un_declarant(app, nom="Autre", prenom="Zoé", email="zoe@exemple.fr")
    un_declarant(app, nom="Service", prenom="Comptabilité", email="compta@exemple.fr", password=None)
    un_catalogue(app)
    with app.app_context():
        for cible, name in zip(CLIENTS, NAMES, strict=False):
            number = Siret.of(cible)
            db.session.add(Entreprise(siren=Siren(str(number.siren)), etat="A", statut_diffusion="O", denomination=name))
            db.session.add(Etablissement(siret=number, actif=True, siege=True, statut_diffusion="O", commune="LYON 3E ARRONDISSEMENT"))
        db.session.commit()
        nord = creer(geste(app), SIREN, "Nord", DSN | DPAE).id
        ajouter_clients(geste(app), nord, [*CLIENTS, *clients_numbered(800_000_000, 95)], DSN)
        ajouter_membre(geste(app), nord, zoe.id)
        attribuer(geste(app), zoe.id, SIREN, "dpae", {D})
        attribuer(geste(app), zoe.id, HERE, "atmp", {D})
        db.session.flush()
        last = db.session.query(Operation).order_by(Operation.id.desc()).first().id
        row = PromotionProposee(declarant_id=zoe.id, siren=SIREN, etablissements=2, operation_id=last, proposed_at=datetime.now(UTC))
        row.masks = Masks(declarer=5)
        db.session.add(row)
        never_used(zoe.id)
        db.session.commit()
    return zoe, nord


def never_used(who):
    """Their rights are a year old, and uses are recorded since then."""
    long_ago = datetime.now(UTC) - timedelta(days=400)
    db.session.get_one(Releve, "usages").depuis = long_ago
    for kind in (DroitDirect, PortefeuilleMembre):
        for row in db.session.query(kind).filter_by(declarant_id=who):
            row.effective_from = long_ago


@pytest.fixture
def mag(firm, live_server):
    return live_server()


def sign_in(opened, mag, path="/equipe/droits", nom="Lefèvre", prenom="Claire"):
    opened.goto(mag + path)
    for name, text in {"siret": SIRET, "nom": nom, "prenom": prenom, "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.locator("button[type=submit].primary").click()
    opened.wait_for_load_state()
    opened.goto(mag + path)


def test_every_page_is_looked_at(mag, page, firm):
    zoe, nord = firm
    paths = {
        "personnes": "",
        "personne": f"/personnes/{zoe.uid}",
        "agir": f"/personnes/{zoe.uid}/agir",
        "etablissements": "/etablissements",
        "etablissement": f"/etablissements/{CLIENTS[0]}",
        "services": "/services",
        "service": "/services/dsn",
        "pourquoi": f"/pourquoi/{zoe.uid}/{CLIENTS[0]}/dpae",
        "portefeuilles": "/portefeuilles",
        "nouveau": "/portefeuilles/nouveau",
        "portefeuille": f"/portefeuilles/{nord}",
        "portefeuille-services": f"/portefeuilles/{nord}/services",
        "portefeuille-clients": f"/portefeuilles/{nord}/clients",
        "portefeuille-membres": f"/portefeuilles/{nord}/membres",
        "operations": "/operations",
        "suivi": "/suivi",
        "inusites": "/suivi/services?mois=3",
        "promotions": "/promotions",
        "passation": f"/passation?de={zoe.uid}",
    }
    opened = page()
    sign_in(opened, mag)
    for name, path in paths.items():
        opened.goto(f"{mag}/equipe/droits{path}")
        look_at(opened, f"droits-{name}")
    opened.goto(f"{mag}/droits")
    look_at(opened, "droits-miens")


def test_an_act_from_choice_to_undo_is_looked_at(mag, page, firm):
    zoe, _ = firm
    opened = page()
    sign_in(opened, mag, f"/equipe/droits/personnes/{zoe.uid}?q=boulangerie")
    opened.get_by_label("Choisir BOULANGERIE DU PORT").check()
    opened.get_by_role("button", name="Changer les droits choisis").click()
    opened.get_by_role("button", name="Voir ce qui va changer").click()
    look_at(opened, "droits-refus")
    opened.check("input[value='dpae.declarer']")
    opened.check("input[value='ducs.payer']")
    opened.check("input[value='ducs.declarer']")
    opened.get_by_role("button", name="Voir ce qui va changer").click()
    look_at(opened, "droits-simulation")
    opened.get_by_role("button", name="Confirmer").click()
    look_at(opened, "droits-operation")
    assert "C'est fait." in opened.locator("main").inner_text()
    opened.get_by_role("button", name="Voir ce que l'annulation changerait").click()
    look_at(opened, "droits-annulation")


def test_acts_that_wait_for_an_agreement_or_for_a_job_are_looked_at(app, mag, page, firm):
    """More rights than one person changes alone; more places than a page looks at."""
    zoe, nord = firm
    with app.app_context():
        catalogue = app.extensions["mag"].catalogue()
        known = [(one.code, D) for one in catalogue.offered if one.grain == "siret" and D in one.droits]
        by_establishment = [f"{code}.{droit}" for code, droit in known][:10]
        ajouter_clients(geste(app), nord, clients_numbered(830_000_000, 2_400), DSN)
        db.session.commit()
    opened = page()
    sign_in(opened, mag, f"/equipe/droits/personnes/{zoe.uid}/agir")
    opened.fill("#cibles", "\n".join(map(str, clients_numbered(800_000_000, 95))))
    for right in by_establishment:
        opened.check(f"input[value='{right}']")
    opened.get_by_role("button", name="Voir ce qui va changer").click()
    look_at(opened, "droits-simulation-accord")
    opened.fill("#tape", opened.locator("label[for=tape]").inner_text().rsplit(" ", 1)[-1].strip())
    opened.get_by_role("button", name="Demander un accord").click()
    assert "En attente d'un accord" in opened.locator("h1").inner_text()
    look_at(opened, "droits-geste-a-approuver")
    opened.goto(f"{mag}/equipe/droits/fichiers")
    look_at(opened, "droits-fichiers")

    opened.goto(f"{mag}/equipe/droits/portefeuilles/{nord}/membres")
    for box in opened.locator("input[name=personne]").all():
        box.check()
    opened.check("input[value='dsn.declarer']")
    opened.get_by_role("button", name="Voir ce qui va changer").click()
    look_at(opened, "droits-grand-geste")
    opened.get_by_role("button", name="Vérifier en tâche de fond").click()
    opened.wait_for_url("**/equipe/droits/fichiers/*")
    assert opened.locator("h1").inner_text() in ("Vérification en cours", "Vérifié, rien n'est encore appliqué")


def test_a_portfolio_is_made_and_given_without_script(mag, page, firm):
    opened = page(javascript=False)
    sign_in(opened, mag, "/equipe/droits/portefeuilles/nouveau")
    opened.fill("#nom", "Sud")
    opened.check("input[value=dsn]")
    opened.get_by_role("button", name="Créer le portefeuille").click()
    opened.get_by_role("link", name="Ajouter des clients").click()
    opened.fill("#cibles", "\n".join(map(str, CLIENTS[:3])))
    opened.check("input[value='dsn.declarer']")
    opened.get_by_role("button", name="Voir ce qui va changer").click()
    opened.get_by_role("button", name="Confirmer").click()
    opened.goto(f"{mag}/equipe/droits/portefeuilles")
    opened.get_by_role("link", name="Sud").click()
    opened.get_by_role("link", name="Ajouter des membres").click()
    opened.get_by_label("Autre Zoé").check()
    opened.check("input[value='dsn.declarer']")
    opened.get_by_role("button", name="Voir ce qui va changer").click()
    opened.get_by_role("button", name="Confirmer").click()
    opened.goto(f"{mag}/equipe/droits/portefeuilles")
    opened.get_by_role("link", name="Sud").click()

    said = opened.locator("main").inner_text()
    assert "3 clients" in said
    assert "Zoé Autre" in said


def test_ticks_go_from_page_to_page_by_the_keyboard(mag, page, firm):
    zoe, _ = firm
    opened = page()
    sign_in(opened, mag, f"/equipe/droits/personnes/{zoe.uid}")
    first = opened.get_by_label("Choisir BOULANGERIE DU PORT")
    first.focus()
    opened.keyboard.press("Space")
    opened.get_by_role("button", name="Suite de la liste").focus()
    opened.keyboard.press("Enter")
    opened.wait_for_selector("text=1 autre choisi sur d'autres pages")
    opened.locator("input[name=coche]").nth(2).check()
    opened.get_by_role("button", name="Changer les droits choisis").click()

    assert opened.locator("input[name=cible]").count() == 2
