"""What timers run, all together, over a company's years: each passage may be run twice, and in the end nothing dead is left (C81)."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import func, select

from idp.authentication.factors import losses
from idp.database import Model, db
from idp.declarants import transitions
from idp.declarants.equipe.models import Candidature, Invitation
from idp.declarants.models import Declarant
from idp.declarants.parcours.models import Inscription
from idp.declarants.statuts import Act, By, Statut
from idp.notifications.models import OneTimeLink
from tests.factories import csrf_in, se_connecter, un_administrateur, un_declarant
from tests.journeys.equipe import envoyer, un_candidat
from tests.journeys.test_invitation import WHO
from tests.parcours import Parcours, un_etablissement

TIMERS = (
    ("declarants", "echeances"),
    ("declarants", "adresses"),
    ("declarants", "dormants"),
    ("declarants", "effacer"),
    ("declarants", "fiches"),
    ("facteurs", "rappels"),
    ("recours", "suivre"),
    ("saml", "entretenir"),
    ("purge",),
)
DAYS = (0, 1, 12, 14, 16, 31, 45, 400, 900)
GUIDE = Path(__file__).parent.parent.parent / "docs" / "exploitation.md"


def passage(app, day):
    """Every timer of one day."""
    with time_machine.travel(day, tick=False):
        for words in TIMERS:
            done = app.test_cli_runner().invoke(args=list(words))
            assert done.exit_code == 0, (words, done.output)


def everything(app):
    """Every row, but the short-lived state of a database that does without Redis, and what the messenger notes beside."""
    with app.app_context():
        tables = [table for table in Model.metadata.sorted_tables if table.name != "ephemeres"]
        kept = {table.name: [one for one in table.c if one.name != "spread_at"] for table in tables}
        return {name: sorted(map(str, db.session.execute(select(*some)).all())) for name, some in kept.items()}


@pytest.fixture
def company(app, client, new_client):
    """Somebody in each state that ends, and an administrator who signed in a moment ago."""
    un_etablissement(app)
    claire = un_administrateur(app, email="claire@exemple.fr", email_verified=True, email_verified_at=datetime.now(UTC))
    assert se_connecter(client).status_code == 303
    envoyer(client, "/equipe/inviter", **WHO | {"nom": "Invitée"})
    un_candidat(app)
    gone, lost = un_declarant(app, nom="Partie", email="partie@exemple.fr"), un_declarant(app, nom="Perdue", email="perdue@exemple.fr")
    with app.app_context():
        now = datetime.now(UTC)
        transitions.apply(db.session.get_one(Declarant, gone.id), Act.RADIER, By.ADMINISTRATEUR, now)
        losses.ask(app.extensions["mag"].settings, db.session.get_one(Declarant, lost.id), now)
        db.session.commit()
    Parcours(new_client()).until("identite")
    forgetful = new_client()
    form = {"siret": str(claire.siret), "nom": "Perdue", "prenom": "Claire", "voie": "courriel"}
    forgetful.post("/connexion/oubli", data=form | {"csrf": csrf_in(forgetful.get("/connexion/oubli").text)})
    return claire


def test_C81_every_passage_run_twice_is_one_and_nothing_dead_is_left(app, company):
    start = datetime.now(UTC)
    for day in DAYS:
        passage(app, start + timedelta(days=day))
        once = everything(app)
        passage(app, start + timedelta(days=day))
        twice = everything(app)
        assert {name for name in once if once[name] != twice[name]} == set(), f"day {day}"

    end = start + timedelta(days=DAYS[-1])
    with app.app_context():
        left = [db.session.scalar(select(func.count()).select_from(model)) for model in (Candidature, Inscription)]
        dead = db.session.scalar(select(func.count()).select_from(OneTimeLink).where(OneTimeLink.expires_at < end))
        names = set(db.session.scalars(select(Declarant.nom)))
        invited = set(db.session.scalars(select(Invitation.nom)))
        assert db.session.get_one(Declarant, company.id).statut is Statut.ACTIF, "the last administrator is left to an operator"
    assert (left, dead) == ([0, 0], 0)
    assert names == {"Lefèvre", "Perdue", "Effacé"}, "neither who left nor a candidate whom nobody answered"
    assert invited <= {""}


def test_each_timer_is_in_the_guide_of_operators():
    chapter = GUIDE.read_text().split("## Tâches régulières")[1].split("\n## ")[0]
    told = set(re.findall(r"`mag ([a-z -]+?)`", chapter))

    assert {" ".join(words) for words in TIMERS} <= told
    enabled = set(re.findall(r"mag-(?:heure|jour|dix-minutes)@([a-z-]+)\.timer", chapter))
    assert {"-".join(words) for words in TIMERS} == enabled
