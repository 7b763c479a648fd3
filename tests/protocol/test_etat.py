"""`GET /habilitations/v1/etat`: the version of someone's rights, seen as soon as it moves, for one statement."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from joserfc.jwk import ECKey

from idp.authentication.session import COOKIE, close_session, find_session
from idp.database import db
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from tests.protocol.conftest import SIRET

SCOPE = "openid habilitations:dsn"
PATH = "/habilitations/v1/etat"
pytestmark = pytest.mark.usefixtures("services")


@pytest.fixture
def act(wsgi_app, un_declarant):
    """A gesture of the pages on the right to declare."""

    def do(operation):
        with wsgi_app.flask.app_context():
            gesture = Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC))
            operation(gesture, un_declarant, int(SIRET), "dsn", (Droit.DECLARER, Droit.PAYER))
            db.session.commit()

    return do


@pytest.fixture
def portail(partner, act):
    act(attribuer)
    return partner(scope=SCOPE, audience=["https://api.test"])


def state(portail, token: str, etag: str = "", scheme: str = "Bearer", **headers: str):
    held = {"If-None-Match": etag} if etag else {}
    return portail.call(PATH, "GET", headers={"Authorization": f"{scheme} {token}", **held, **headers})


def test_nobody_without_a_token_of_a_person_about_rights(portail, partner, code_flow):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    tokens = [
        "x",
        code_flow(portail, scope=SCOPE).id_token,
        machine.token("client_credentials").json["access_token"],
        code_flow(portail, scope=SCOPE, resource="https://api.test").access_token,
    ]
    answer = portail.call(PATH, "GET")

    assert answer.status_code == 401
    assert "resource_metadata=" in answer.headers["WWW-Authenticate"]
    assert [state(portail, token).status_code for token in tokens] == [401] * 4
    assert state(portail, code_flow(portail, scope="openid").access_token).status_code == 403
    assert portail.call(PATH, "POST").status_code == 405


def test_C21_a_token_that_counts_no_more_tells_nothing(portail, code_flow, signed_in, wsgi_app):
    token = code_flow(portail, scope=SCOPE).access_token
    assert state(portail, token).status_code == 200
    mag, cookie = wsgi_app.mag, signed_in.get_cookie(COOKIE, domain="mag.test").value
    close_session(mag.ephemeral, mag.settings, find_session(mag.ephemeral, mag.settings, cookie, datetime.now(UTC)))

    assert state(portail, token).status_code == 401


def test_9110_the_version_is_that_of_tokens_and_304_when_it_is_held(portail, code_flow):
    tokens = code_flow(portail, scope=SCOPE)
    version = tokens.access["hab"]["e"]
    answer, unchanged = state(portail, tokens.access_token), state(portail, tokens.access_token, f'"{version}"')

    assert (answer.json, answer.headers["ETag"]) == ({"e": version}, f'"{version}"')
    assert (unchanged.status_code, unchanged.data, unchanged.headers["ETag"]) == (304, b"", f'"{version}"')
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_C47_a_withdrawal_is_seen_at_once_by_the_very_token_that_held_the_right(portail, code_flow, act):
    """Well within the 30 seconds of the contract: nothing is kept on the way."""
    tokens = code_flow(portail, scope=SCOPE)
    held = state(portail, tokens.access_token).headers["ETag"]
    act(retirer)
    moved = state(portail, tokens.access_token, held)

    assert (moved.status_code, moved.headers["ETag"] != held) == (200, True)
    assert "p" not in str(portail.tokens(portail.refresh(tokens.refresh_token)).access["hab"]["g"]), "issued no more"


def test_9449_a_bound_token_is_good_with_its_proof(partner, act, code_flow):
    bound = replace(partner("liee", scope=SCOPE, dpop_bound_access_tokens=True), dpop=ECKey.generate_key("P-256"))
    token = code_flow(bound, scope=SCOPE).access_token

    assert state(bound, token).status_code == 401
    assert state(bound, token, scheme="DPoP", DPoP=bound.proof(PATH, "GET", access_token=token)).status_code == 200


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_it_costs_one_statement(portail, code_flow, wsgi_app):
    token, mag = code_flow(portail, scope=SCOPE).access_token, wsgi_app.mag
    mag.versions.clock = lambda: 0.0
    mag.versions.until = 1.0
    state(portail, token)
    before = mag.ephemeral.count_of_trips, mag.connections.count
    state(portail, token)

    assert (mag.ephemeral.count_of_trips - before[0], mag.connections.count - before[1]) == (1, 1)
