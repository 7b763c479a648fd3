"""Decisions that a process remembers: under one version, for thirty seconds at most, never `payer`."""

from datetime import timedelta

import pytest

from idp.database import db
from idp.habilitations.attribution import attribuer
from idp.habilitations.decision import rights_version
from idp.habilitations.questions import Question, check_many
from idp.habilitations.souvenir import ANSWER, FRESH, Souvenirs
from tests.journeys.droits import CLIENTS, HERE, D, P, geste, un_cabinet


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


@pytest.fixture
def asks(app, cabinet):
    """Answers about Zoé, and how many statements they took; the version is read beside."""
    mag = app.extensions["mag"]
    kept, catalogue = Souvenirs(mag.connections), mag.catalogue()

    def ask(*questions, now, souvenirs=kept):
        version = rights_version(mag.connections, catalogue, cabinet.zoe.id, now)
        before = mag.connections.count
        found = souvenirs.check_many(catalogue, cabinet.zoe.id, version, questions, now)
        return found, mag.connections.count - before

    return ask


@pytest.fixture
def now(app, cabinet):
    """At the beginning of a span of FRESH."""
    instant = geste(app).now + timedelta(minutes=1)
    return instant - timedelta(seconds=instant.timestamp() % FRESH.total_seconds())


def test_answers_are_those_of_the_database_and_asked_once(app, cabinet, asks, now):
    questions = [Question(cabinet.zoe.id, cible, "dsn", D) for cible in (*CLIENTS[:3], HERE, CLIENTS[0])]

    mag = app.extensions["mag"]
    assert asks(*questions, now=now) == (check_many(mag.connections, mag.catalogue(), questions, now), 1)
    assert asks(*questions, now=now)[1] == 0
    assert asks(*questions, Question(cabinet.zoe.id, CLIENTS[4], "dsn", D), now=now)[1] == 1


def test_payer_is_asked_of_the_database_each_time(cabinet, asks, now):
    question = Question(cabinet.zoe.id, CLIENTS[0], "dsn", P)

    assert [asks(question, now=now)[1] for _ in range(2)] == [1, 1]
    assert asks(question, question._replace(droit=D), now=now) == asks(question, question._replace(droit=D), now=now)


def test_another_version_remembers_nothing(app, cabinet, asks, now):
    question = Question(cabinet.zoe.id, HERE, "dpae", D)
    assert asks(question, now=now) == ([()], 1)

    with app.app_context():
        attribuer(geste(app), cabinet.zoe.id, HERE, "dpae", {D})
        db.session.commit()

    assert [bool(given) for given in asks(question, now=now)[0]] == [True]


def test_a_right_that_ends_by_itself_is_remembered_thirty_seconds_at_most(app, cabinet, asks, now):
    end = now + timedelta(seconds=5)
    with app.app_context():
        attribuer(geste(app), cabinet.zoe.id, HERE, "dpae", {D}, ends_at=end)
        db.session.commit()
    question = Question(cabinet.zoe.id, HERE, "dpae", D)

    assert [bool(asks(question, now=now + timedelta(seconds=s))[0][0]) for s in (0, 30)] == [True, False]


def test_what_is_remembered_is_bounded(app, cabinet, asks, now):
    few = Souvenirs(app.extensions["mag"].connections, most=2 * ANSWER)

    found, _ = asks(*(Question(cabinet.zoe.id, cible, "dsn", D) for cible in CLIENTS), now=now, souvenirs=few)

    assert all(found)
    assert few.octets <= 2 * ANSWER
