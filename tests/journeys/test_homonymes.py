"""Whoever comes in under a name that is borne already is told apart by a number, however long the name is once folded."""

import pytest

from idp.database import db
from idp.declarants import transitions
from idp.declarants.identite import LONGEST_NAME
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role, Statut, StatutRefusedError
from tests.journeys.equipe import un_candidat

LETTER = "\ufdfa"
"""Eighteen characters once folded."""


def coming_in(app, nom, prenom):
    """The first name under which they come in, beside somebody who bears the same."""
    for n in range(2):
        found = un_candidat(app, nom=nom, prenom=prenom, email=f"n{n}@exemple.fr", namesake=n == 1)
    with app.app_context():
        person = db.session.get(Declarant, found.id)
        transitions.apply(person, Act.COOPTER, By.ADMINISTRATEUR, found.opened_at, role=Role.ADMINISTRATEUR)
        db.session.commit()
        assert person.cle == person.identite.cle
        assert person.statut is Statut.ACTIF
        return person.prenom


@pytest.mark.parametrize(
    ("nom", "prenom", "shown"),
    [
        pytest.param("Petit", "Nina", "Nina 2", id="short"),
        pytest.param("a" * LONGEST_NAME, "b" * LONGEST_NAME, f"{'b' * 76} 2", id="long"),
        pytest.param("a" * 64 + "ß" * 16, "ß" * 40 + "b" * 23, f"{'ß' * 40}{'b' * 21} 2", id="the-longest-key"),
        pytest.param(LETTER * 10 + "a" * 17, "b", "2", id="no-room-but-for-the-number"),
    ],
)
def test_a_namesake_is_told_apart(app, nom, prenom, shown):
    assert coming_in(app, nom, prenom) == shown


def test_a_namesake_for_whom_no_number_is_left_is_refused(app, monkeypatch):
    monkeypatch.setattr(transitions, "NAMESAKES", 1)

    with pytest.raises(StatutRefusedError):
        coming_in(app, "Petit", "Nina")
