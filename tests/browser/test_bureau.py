"""The operators' desk as an operator sees it: arrival, sign-in, every page in light and dark, wide and narrow, without JavaScript."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from idp.audit import journal
from idp.authentication.factors import losses
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import Etape, Voie
from idp.database import db
from idp.declarants.controles import tenue
from idp.declarants.controles.dossier import Nature, Sens
from idp.declarants.models import Declarant
from idp.declarants.parcours.events import CardContested
from idp.declarants.statuts import Role
from idp.entreprises.siret import Siret
from idp.notifications.models import Letter
from idp.oidc.reception.models import Emetteur, SignalRecu
from idp.support import enrolment
from idp.support.models import Fonction
from partners.suspicions.models import EMISE
from tests import services
from tests.browser.conftest import look_at
from tests.facteurs import une_personne_protegee
from tests.factories import SIRET, un_declarant
from tests.journeys.operateurs import PASSWORD, code_of, email_of, un_operateur
from tests.journeys.test_bureau import une_revue
from tests.journeys.test_bureau_suspicions import declarer
from tests.journeys.test_controles import une_entreprise

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]


def beside_a_namesake(app) -> int:
    """The number of a review of somebody whose name another person bears."""
    number, person = une_revue(app, "Homonyme", ("dsn",))
    with app.app_context():
        found = db.session.get_one(Declarant, person)
        found.cle, prenom = f"{found.identite.attente}apart", found.prenom
        db.session.commit()
    un_declarant(app, siret=SIRET, nom="Homonyme", prenom=prenom, email="homonyme@boulangerie.fr")
    return number


def un_emetteur(person: int, now: datetime) -> None:
    """A transmitter that sent some of everything, and too much."""
    names = {
        "code": "paie",
        "nom": "Portail des paies",
        "partenaire": "portail",
        "issuer": "https://identite.portail-des-paies.fr/realms/paie",
    }
    where = {"audience": "https://mag.example.fr/ssf/v1/events/paie", "releve_url": "https://identite.portail-des-paies.fr/ssf/poll/7c1d"}
    says = {"jwks": {"keys": []}, "sujets": ["compte", "mag"], "politique": {"credential-compromise": "fermer"}, "failure": "answered 503"}
    dates = {"created_at": now, "updated_at": now, "next_try_at": now, "heard_at": now, "alerte_at": now}
    found = Emetteur(plafond_heure=20, plafond_jour=100, enabled=True, **names, **where, **says, **dates)
    db.session.add(found)
    db.session.flush()
    for number, (kind, who, effet, motif) in enumerate(
        [
            ("credential-compromise", person, "fermer", ""),
            ("account-disabled", person, "noter", "plafond"),
            ("https://schemas.openid.net/secevent/caep/event-type/risk-level-change", None, "noter", "type"),
            ("", None, "refus", "invalid_audience: aud is not the audience registered"),
        ]
    ):
        row = SignalRecu(emetteur_id=found.id, jti=f"jti-{number}", kind=kind, declarant_id=who, effet=effet, motif=motif, details={})
        row.received_at = row.occurred_at = now
        db.session.add(row)


@pytest.fixture
def seeded(app, wsgi_app):
    """Something on every page; the secret of one operator, and the numbers of what is there."""
    now = datetime.now(UTC)
    assert app.test_cli_runner().invoke(args=["habilitations", "catalogue"]).exit_code == 0
    with app.app_context():
        une_entreprise()
    reviews = [une_revue(app, nom, ("dsn", "atmp"))[0] for nom in ("Lefèvre", "Martin de la Tour d'Auvergne", "Nguyễn")]
    person = un_declarant(app, siret=SIRET, nom="Moreau", prenom="Jeanne", email="jeanne@boulangerie-lefevre.fr", role=Role.ADMINISTRATEUR)
    secret = un_operateur(app)
    lost, alone = (
        une_personne_protegee(app, siret=SIRET, nom=nom, prenom="Inès", email="ines@boulangerie.fr")[0] for nom in ("Garnier", "Roy")
    )
    namesake = beside_a_namesake(app)
    (declared,), (told,) = (
        declarer(wsgi_app, declarant_id=person.id, reference="S-1", **changes)
        for changes in ({}, {"sens": EMISE, "reaction": "aucune", "motif": "usurpation"})
    )
    with app.app_context():
        for _ in range(27):
            journal.record(CardContested(siret=int(SIRET), what="l'adresse, l'état (ouvert ou fermé)"), now)
        loss = losses.ask(
            app.extensions["mag"].settings, db.session.get_one(Declarant, lost.id), now, operator="Berthe Noir", reason="dossier 7"
        )
        recours = Recours(declarant_id=person.id, siret=Siret(SIRET), voie=Voie.ASSISTANCE, etape=Etape.OUVERT, asked_at=now)
        recours.expires_at, recours.address = now + timedelta(days=7), "jeanne.moreau@nouvelle-adresse.fr"
        recours.reason, recours.telephone = "J'ai changé d'adresse et de téléphone.", "+33 1 23 45 67 89"
        db.session.add(recours)
        beside = Recours(declarant_id=person.id, siret=Siret(SIRET), voie=Voie.ADMINISTRATEUR, etape=Etape.OUVERT, asked_at=now)
        beside.expires_at = now + timedelta(days=7)
        db.session.add(beside)
        options = {
            "service": "",
            "services": (),
            "motif": "Usurpation constatée en mars",
            "proprietaire": "Cellule fraude",
            "actor": "essai",
        }
        tenue.ajouter(Sens.INTERDIT, Nature.DOMAINE, "fraude.fr", now, expires_at=now + timedelta(days=90), **options)
        Letter.write("cle_activation", ("Jeanne Moreau", "Boulangerie Lefèvre", "1 rue de la Paix", "75002 Paris"), b"%PDF-1.7", now)
        un_emetteur(person.id, now)
        token = enrolment.inviter("Denis Petit", "denis@mag.test", [Fonction.CONTROLES], now, "essai")
        db.session.commit()
        return secret, {
            "connexion": "/connexion",
            "invitation": f"/invitation/{token}",
            "accueil": "/",
            "controles": "/controles",
            "controle": f"/controles/{reviews[1]}",
            "controle-homonyme": f"/controles/{namesake}",
            "fiches": "/fiches",
            "fichiers": "/fichiers",
            "listes": "/listes",
            "personnes": f"/personnes?siret={SIRET}",
            "personne": f"/personnes/{person.uid}",
            "recours_liste": "/recours",
            "recours": f"/recours/{recours.id}",
            "facteurs": "/facteurs",
            "facteur": f"/facteurs/{loss.id}",
            "facteur_declarer": f"/facteurs/declarer/{alone.uid}",
            "lettres": "/lettres",
            "suspicions": "/suspicions?etat=toutes",
            "suspicion": f"/suspicions/{declared}",
            "suspicion-emise": f"/suspicions/{told}",
            "signaux": "/signaux",
            "emetteur": "/signaux/recus/paie",
            "operateurs": "/operateurs",
            "introuvable": "/controles/99999",
        }


@pytest.fixture
def desk(seeded, live_server):
    port = services.free_port()
    address = f"http://bureau.localhost:{port}"
    live_server(port, MAG_DESK_URL=address)
    return address


def enter(opened, address, secret):
    opened.goto(f"{address}/connexion")
    for name, text in {"email": email_of("Aline Roux"), "password": PASSWORD, "code": code_of(secret)}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Entrer").click()
    opened.wait_for_url(f"{address}/")


def test_every_page_reads_well(desk, seeded, page):
    secret, addresses = seeded
    opened = page()
    complaints = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    pages = list(addresses.items())
    for name, path in pages:
        if name == "accueil":
            enter(opened, desk, secret)
        opened.goto(desk + path)
        look_at(opened, name)
    assert [text for text in complaints if "404" not in text] == []


def test_a_review_is_settled_without_javascript_by_the_keyboard(desk, seeded, page):
    secret, addresses = seeded
    opened = page(javascript=False)
    enter(opened, desk, secret)
    opened.goto(desk + addresses["controle"])
    opened.locator("#motif").focus()
    opened.keyboard.type("Kbis reçu, standard rappelé.")
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")

    opened.get_by_text("Inscription transmise à l'administrateur").wait_for()
    assert "Kbis reçu, standard rappelé." in opened.locator("main").inner_text()


def test_an_operator_arrives_by_the_invitation(desk, seeded, page):
    _, addresses = seeded
    opened = page()
    opened.goto(desk + addresses["invitation"])
    key = re.sub(r"[^A-Z2-7]", "", opened.locator("code").inner_text())
    assert opened.locator("svg").bounding_box()["width"] > 150
    opened.fill("#nouveau", PASSWORD)
    opened.fill("#confirmation", PASSWORD)
    opened.fill("#code", code_of(key))
    opened.get_by_role("button", name="Enregistrer").click()
    opened.wait_for_url("**/connexion")

    opened.goto(desk + addresses["invitation"])
    assert "n'est plus valable" in opened.locator("main").inner_text()
