"""What was read before somebody else decided is not acted upon: two transactions, one identity."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.database import db
from idp.declarants import echeances, inscription, transitions
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role, Statut, StatutRefusedError
from idp.entreprises.siret import Siret
from tests.conftest import ISSUER
from tests.factories import SIRET, un_administrateur, un_declarant
from tests.journeys.equipe import relu

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
NOW = datetime.now(UTC)


@pytest.fixture
def nina(app) -> int:
    """A first administrator whose time is over."""
    with app.app_context():
        identite = Identite(Siret(SIRET), "Petit", "Nina")
        found = inscription.inscrire(identite, NOW, role=Role.ADMINISTRATEUR, act=Act.INSCRIRE_PREMIER, by=By.SOI, email="n@exemple.fr")
        found.expires_at = NOW - timedelta(hours=1)
        db.session.commit()
        return found.id


def test_somebody_struck_off_meanwhile_is_not_suspended_then_reinstated(app):
    un_administrateur(app, email="claire@exemple.fr")
    paul = un_declarant(app, nom="Durand", prenom="Paul")
    with app.app_context():
        seen = db.session.get_one(Declarant, paul.id)
        with app.app_context():
            transitions.apply(db.session.get_one(Declarant, paul.id), Act.RADIER, By.ADMINISTRATEUR, NOW)
            db.session.commit()
        with pytest.raises(StatutRefusedError):
            inscription.suspendre(seen, NOW, actor="operateur:1")
        db.session.rollback()

    assert relu(app, paul.id).statut is Statut.RADIE


def test_somebody_erased_meanwhile_is_not_validated(app, nina):
    with app.app_context():
        seen = db.session.get_one(Declarant, nina)
        with app.app_context():
            assert echeances.expire_primo(NOW, issuer=ISSUER) == 1
            db.session.commit()
        with pytest.raises(StatutRefusedError):
            transitions.apply(seen, Act.VALIDER, By.OPERATEUR, NOW)


def test_time_does_not_erase_whom_an_operator_is_validating(app, nina):
    with app.app_context():
        transitions.apply(db.session.get_one(Declarant, nina), Act.VALIDER, By.OPERATEUR, NOW)
        db.session.flush()
        with app.app_context():
            assert echeances.expire_primo(NOW, issuer=ISSUER) == 0
            db.session.commit()
        db.session.commit()
    with app.app_context():
        assert echeances.expire_primo(NOW, issuer=ISSUER) == 0

    assert relu(app, nina).statut is Statut.ACTIF
