"""Decisions that a process remembers: under one version, for thirty seconds at most, never `payer`."""

from datetime import timedelta

import pytest

from idp.database import Connections, db
from idp.habilitations.attribution import attribuer
from idp.habilitations.decision import rights_version
from idp.habilitations.questions import Question, check_many
from idp.habilitations.souvenir import ANSWER, FRESH, ORIGIN, Souvenirs
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


def test_payer_is_asked_of_the_database_each_time(app, cabinet, asks, now):
    payer = Question(cabinet.zoe.id, CLIENTS[0], "dsn", P)
    both = [payer, payer._replace(droit=D)]
    mag = app.extensions["mag"]

    assert [asks(payer, now=now)[1] for _ in range(2)] == [1, 1]
    assert asks(*both, now=now) == (check_many(mag.connections, mag.catalogue(), both, now), 1)
    assert asks(both[1], now=now)[1] == 0, "the other one is remembered"
    assert asks(*both, now=now) == (check_many(mag.connections, mag.catalogue(), both, now), 1)


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


def of(who, cibles=CLIENTS):
    return [Question(who, cible, "dsn", D) for cible in cibles]


def test_two_accounts_that_do_not_fit_together_take_turns(app, cabinet, now):
    """Each fits alone: Zoé's answers, with an origin each, then Bruno's, without any."""
    mag = app.extensions["mag"]
    zoe, bruno = of(cabinet.zoe.id), of(cabinet.bruno.id)
    own, catalogue = Connections(mag.settings.database_url), mag.catalogue()
    few = Souvenirs(own, most=len(CLIENTS) * (ANSWER + ORIGIN))

    def ask(questions):
        before = own.count
        few.check_many(catalogue, questions[0].declarant_id, "1", questions, now)
        assert 0 < few.octets <= len(CLIENTS) * (ANSWER + ORIGIN)
        return own.count - before

    try:
        assert [ask(one) for one in (zoe, zoe, bruno, bruno, zoe)] == [1, 0, 1, 0, 1]
    finally:
        own.drop()


def test_one_account_begins_again_beyond_its_share(app, cabinet, asks, now):
    few = Souvenirs(app.extensions["mag"].connections, most_of_one=20 * (ANSWER + ORIGIN))
    halves = of(cabinet.zoe.id, CLIENTS[:15]), of(cabinet.zoe.id, CLIENTS[15:])

    assert [asks(*one, now=now, souvenirs=few)[1] for one in (halves[0], halves[0], halves[1], halves[1], halves[0])] == [1, 0, 1, 0, 1]
    assert few.octets == 15 * (ANSWER + ORIGIN)
    found, _ = asks(*halves[0], *halves[1], now=now, souvenirs=few)
    assert all(found)
    assert asks(*of(cabinet.zoe.id), now=now + FRESH, souvenirs=few)[1] == 1
    assert asks(*of(cabinet.zoe.id), now=now + FRESH, souvenirs=few)[1] == 1, "too many at once are not kept"
