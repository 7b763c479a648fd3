"""A partner that links accounts, and what it signs."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from idp.database import db
from tests.protocol.relying import answer_of, hidden_fields

SCOPE = "openid siret rattachement:liens"
PATIENCE = 20
"""Seconds."""


def un_portail(partner, name="jedeclare", **metadata):
    given = {
        "client_name": "jedeclare",
        "token_endpoint_auth_method": "private_key_jwt",
        "id_token_signed_response_alg": "ES256",
        "grant_types": ["authorization_code", "client_credentials"],
        "scope": SCOPE,
        "linking_return_uris": [f"https://{name}.test/mag/associe"],
        "linking_max_acr": "eidas1",
        "initiate_login_uri": f"https://{name}.test/mag/entrer",
        **metadata,
    }
    return partner(name, **given)


def late_browser_of(new_client, sign_in):
    """A browser where this person signs in, since whatever the test asks."""

    def make(declarant_id):
        browser = new_client()
        sign_in(browser, declarant_id, at=datetime.now(UTC) + timedelta(seconds=30))
        return browser

    return make


def dated(claims):
    """A time that tests write as a distance from now, told when the test runs: parameters are made long before."""
    return {name: int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value for name, value in claims.items()}


def asked(client, header=None, **changes):
    """A valid request to link an account, signed by the partner."""
    now = int(time.time())
    claims = {
        "sub": "compte-7",
        "libelle": "marie@cabinet.test",
        "retour": f"https://{client.client_id}.test/mag/associe",
        "state": "etat",
        "auth_time": now,
    }
    return client.assertion(header={"typ": "rattachement+jwt", **(header or {})}, **dated({**claims, **changes}))


def propose(browser, text):
    """To the page that names both accounts; or whatever refuses on the way."""
    answer = browser.get("/rattachement", query_string={"request": text})
    if answer.status_code != 303:
        return answer
    return browser.get(answer.location)


def say(browser, text, reponse="accepter"):
    moved = browser.get("/rattachement", query_string={"request": text})
    page = browser.get(moved.location)
    assert page.status_code == 200, page.text
    return browser.post(moved.location, data={**hidden_fields(page), "reponse": reponse})


def link(browser, client, **changes):
    answer = say(browser, asked(client, **changes))
    assert answer.status_code == 303, answer.text
    return answer_of(answer)[1]


def machine(client, path, method="GET"):
    token = client.token("client_credentials", scope="rattachement:liens").json["access_token"]
    return client.call(path, method, headers={"Authorization": f"Bearer {token}"})


def end(client):
    """Its one link ends, at the partner's."""
    (found,) = machine(client, "/rattachement/v1/liens").json["liens"]
    assert machine(client, f"/rattachement/v1/liens/{found['id']}", "DELETE").status_code == 204


@contextmanager
def just_before(app, change, act):
    """`act` once, between what a request read and the statement by which it changes links to `change`: as another request would."""
    done = []  # a thread of its own: one of the same thread would share its transaction

    def meanwhile(_connection, _cursor, statement, *_):
        said = statement.startswith("UPDATE rattachements") and change in statement
        if said and not done:
            with ThreadPoolExecutor(1) as another:
                done.append(another.submit(act).result(PATIENCE))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", meanwhile)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", meanwhile)
    assert done, "no such statement"
