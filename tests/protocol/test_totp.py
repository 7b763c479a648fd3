"""Guessing and replaying second factors, many at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from idp.authentication.factors import brake
from idp.authentication.factors.models import TotpCredential
from idp.authentication.totp import step_at
from idp.database import db
from tests.facteurs import code, une_personne_protegee, where, with_codes
from tests.factories import csrf_in, se_connecter

POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


def together(acts: list[Callable[[], Any]]) -> list[Any]:
    """All at one instant, each in a thread of its own."""
    barrier = Barrier(len(acts))

    def one(act: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def ready(new_client, number):
    """So many browsers, each with the right password, at the page of the second factor."""
    found = []
    for _ in range(number):
        browser = new_client()
        path, query = where(se_connecter(browser))
        found.append((browser, path, {**query, "csrf": csrf_in(browser.get(path, query_string=query).text)}))
    return found


def send(one, **typed):
    browser, path, form = one
    return browser.post(path, data=form | typed)


@POSTGRESQL
def test_C41_one_code_sent_by_twenty_browsers_opens_at_most_one(app, new_client):
    """Five are tried at a time; the brake refuses the others whatever they bring."""
    _, secret = une_personne_protegee(app)
    browsers, typed = ready(new_client, 20), code(secret)
    answers = together([lambda one=one: send(one, code=typed) for one in browsers])

    assert [answer.status_code for answer in answers].count(303) == 1
    assert {answer.status_code for answer in answers} <= {303, 422, 429}


@POSTGRESQL
def test_C41_one_recovery_code_sent_by_five_browsers_opens_one(app, new_client):
    declarant, _ = une_personne_protegee(app)
    typed = with_codes(app, declarant)[0]
    answers = together([lambda one=one: send(one, code=typed, moyen="recovery") for one in ready(new_client, 5)])

    assert [answer.status_code for answer in answers].count(303) == 1


@POSTGRESQL
def test_C40_sixty_guesses_at_once_try_five(app, new_client):
    une_personne_protegee(app)
    browsers = ready(new_client, 20)
    answers = together([lambda one=one: send(one, code="000000") for one in browsers])

    assert sum(answer.status_code == 422 for answer in answers) <= brake.TRIES
    assert {answer.status_code for answer in answers} <= {422, 429}


@POSTGRESQL
def test_C41_the_last_step_is_kept_in_the_database_and_only_grows(app, new_client):
    declarant, secret = une_personne_protegee(app)
    (one,) = ready(new_client, 1)
    send(one, code=code(secret, 1))
    (again,) = ready(new_client, 1)

    assert send(again, code=code(secret)).status_code == 422
    with app.app_context():
        assert db.session.get_one(TotpCredential, declarant.id).last_step >= step_at(datetime.now(UTC))


def test_a_secret_is_sealed_for_its_person(app, client):
    declarant, secret = une_personne_protegee(app)
    with app.app_context():
        credential = db.session.get_one(TotpCredential, declarant.id)
        assert secret.encode() not in bytes(credential.sealed)


@pytest.mark.parametrize("typed", ["", " ", "12345", "1234567", "abcdef", "１２３４５６", "0" * 5000, "\x01"])
def test_C32_a_hostile_code_is_an_ordinary_refusal(app, client, typed):
    une_personne_protegee(app)
    path, query = where(se_connecter(client))
    page = client.get(path, query_string=query).text

    response = client.post(path, data={**query, "csrf": csrf_in(page), "code": typed})

    assert response.status_code == 422
