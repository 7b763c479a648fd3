"""A partner that links accounts, and what it signs."""

import time
from datetime import UTC, datetime, timedelta

from tests.protocol.relying import answer_of, hidden_fields

SCOPE = "openid siret rattachement:liens"


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
