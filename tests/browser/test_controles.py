"""Pages of a representative, of a candidate who has colleagues told, of a receipt, of one's establishment, of a file of people."""

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from idp.config import Settings
from idp.database import db
from idp.declarants.controles.models import Controle
from idp.declarants.controles.representants import accord
from idp.declarants.controles.representants.accord import Representant
from idp.declarants.models import Declarant
from idp.notifications.models import Mail
from tests.browser.conftest import look_at
from tests.factories import PASSWORD, SIRET, un_administrateur
from tests.journeys.test_bureau import une_revue
from tests.parcours import un_etablissement

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
FILE = "\n".join(
    (
        "siret;nom;prenom;email;role",
        f"{SIRET};Durand;Paul;paul@exemple.fr;",
        f"{SIRET};Petit;Zoé;zoe@exemple.fr;administrateur",
        "123;Court;Luc;luc@exemple.fr;",
    )
)


@pytest.fixture
def key(app):
    """An agreement that is asked for."""
    un_etablissement(app)
    number, person = une_revue(app, services=("dsn", "atmp"))
    with app.app_context():
        settings: Settings = app.extensions["mag"].settings
        who = Representant("Martin", "Paul", "Gérant", "paul@registre.fr")
        controle, found = Controle.find(number), db.session.get(Declarant, person)
        assert controle is not None
        assert found is not None
        accord.ask(settings, app.extensions["mag"].keyring, controle, found, who, datetime.now(UTC), "operateur:essai")
        db.session.commit()
        mail = db.session.scalars(select(Mail).filter_by(kind="accord_representant")).one()
        return re.search(r"/representant/([A-Z2-9]{16})", mail.body or "").group(1)  # type: ignore[union-attr]  # the mail holds it


def test_pages_read_well(app, key, live_server, page):
    """Each in light and dark, wide and narrow: `look_at` does."""
    un_administrateur(app, nom="Place", prenom="Ada", email="ada@exemple.fr")
    mag, opened = live_server(), page()
    for path, title in (("/representant", "cle"), (f"/representant/{key}", "representant"), ("/verifier", "verifier")):
        opened.goto(mag + path)
        look_at(opened, title)
    opened.goto(f"{mag}/verifier#eyJ0.eyJ1-_.c2ln")
    opened.reload()
    assert opened.locator("#recu").input_value() == "eyJ0.eyJ1-_.c2ln", "as a phone reads it on the paper"
    assert "#" not in opened.url
    opened.fill("#recu", "rien de signé")
    opened.get_by_role("button", name="Vérifier", exact=True).click()
    look_at(opened, "verifier-refus")

    opened.goto(f"{mag}/inscription")
    opened.fill("#siret", SIRET)
    opened.get_by_role("button", name="Continuer", exact=True).click()
    opened.get_by_text("Ces données sont fausses").click()
    look_at(opened, "etablissement")
    opened.get_by_role("link", name="Faire prévenir les administrateurs").click()
    opened.get_by_role("button", name="Envoyer", exact=True).click()
    look_at(opened, "ecrire-erreurs")
    opened.fill("#nom", "Claire Lefèvre")
    opened.fill("#email", "claire@exemple.fr")
    opened.get_by_role("button", name="Envoyer", exact=True).click()
    look_at(opened, "ecrit")

    opened.goto(f"{mag}/compte/etablissement")
    for field, text in {"siret": SIRET, "nom": "Place", "prenom": "Ada", "password": PASSWORD}.items():
        opened.fill(f"#{field}", text)
    opened.locator("button[type=submit].primary").click()
    look_at(opened, "fiche")
    opened.goto(f"{mag}/equipe/inviter/fichier")
    look_at(opened, "fichier")
    opened.set_input_files("#fichier", {"name": "personnes.csv", "mimeType": "text/csv", "buffer": FILE.encode()})
    opened.get_by_role("button", name="Vérifier ce fichier").click()
    look_at(opened, "fichier-apercu")
    opened.get_by_role("button", name="Envoyer les 2 invitations").click()
    look_at(opened, "fichier-fait")
    opened.goto(f"{mag}/representant/{key}")
    opened.get_by_role("button", name="Donner mon accord").click()
    look_at(opened, "representant-fait")
