"""What was read before somebody else decided is not acted upon: two transactions, one identity."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from idp.database import db
from idp.declarants import activation, cooptation, echeances, inscription, transitions
from idp.declarants.equipe.models import ActivationKey, Candidature
from idp.declarants.identite import Identite
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role, Statut, StatutRefusedError
from idp.entreprises.siret import Siret
from idp.oidc import dormancy
from tests.conftest import ISSUER
from tests.databases import WAITING
from tests.factories import SIRET, un_administrateur, un_declarant
from tests.journeys.equipe import relu, un_candidat, un_etablissement

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


def blocked(app):
    """Whether a transaction waits for another."""
    with app.app_context():
        return bool(db.session.scalar(text(WAITING)))


@pytest.mark.parametrize("other", ["key", "time"])
def test_an_administrator_and_the_key_or_time_never_wait_for_each_other(app, other):
    """The administrator holds the rows of people; whoever comes meanwhile must not hold the candidacy."""
    chef = un_administrateur(app, email="claire@exemple.fr")
    un_etablissement(app)
    nina = un_candidat(app)
    keyring, key = app.extensions["mag"].keyring, "A" * activation.LENGTH
    with app.app_context():
        ActivationKey.make(nina.id, activation.digests(keyring, nina.id, key)[0], NOW)
        db.session.commit()

    def come():
        with app.app_context():
            if other == "time":
                done = echeances.expire(NOW + timedelta(days=16), issuer=ISSUER)
            else:
                done = activation.activate(db.session.get_one(Declarant, nina.id), key, NOW, seals=keyring, issuer=ISSUER)
            db.session.commit()
            return done

    with app.app_context(), ThreadPoolExecutor(1) as thread:
        Declarant.hold(nina.siret.siren, chef.id, nina.id)
        done = thread.submit(come)
        until = time.monotonic() + 5
        while not blocked(app) and time.monotonic() < until:
            assert not done.done()
        asked = Candidature.of(nina.id)
        cooptation.coopter(asked, db.session.get_one(Declarant, chef.id), NOW, issuer=ISSUER)
        db.session.commit()
        late = done.result()

    assert late in (0, activation.Answer.TOO_LATE)
    assert relu(app, nina.id).statut is Statut.ACTIF


def test_somebody_whom_an_operator_suspends_meanwhile_does_not_stop_the_passage_of_time(app, monkeypatch):
    un_administrateur(app, nom="Martin", prenom="Odile")
    over = {"dormant_until": NOW - timedelta(days=1), "dormant_told": 2}
    first, second = (un_declarant(app, nom=nom, **over) for nom in ("Un", "Deux"))
    found = Declarant.to_put_to_sleep

    def and_meanwhile(now):
        people = found(now)
        with app.app_context():
            inscription.suspendre(db.session.get_one(Declarant, first.id), now, actor="operateur:1")
            db.session.commit()
        return people

    monkeypatch.setattr(Declarant, "to_put_to_sleep", and_meanwhile)
    mag = app.extensions["mag"]
    with app.app_context():
        done = dormancy.pass_over(mag.ephemeral, mag.settings, mag.registry, NOW)

    assert done.suspended == 1
    assert relu(app, second.id).statut is Statut.SUSPENDU
