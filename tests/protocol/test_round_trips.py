"""What each request costs the stores, exactly: the contract of performance.md section 8. The check of versions, once a second, is apart."""

from dataclasses import replace

import pytest
from joserfc.jwk import ECKey

from tests.protocol.relying import Partner

BOTH = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
pytestmark = BOTH


@pytest.fixture
def cost(wsgi_app):
    """`cost(act)`: (round trips to Redis, to SQL, connections opened) of what `act` does, the second time it does it."""
    mag = wsgi_app.mag
    mag.versions._clock = lambda: 0.0
    mag.versions._checked = 0.0

    def measure(act):
        act()
        opened, open_ = [], mag.connections._open
        mag.connections._open = lambda: opened.append(1) or open_()
        before = mag.ephemeral.count_of_trips, mag.connections.count
        act()
        mag.connections._open = open_
        return mag.ephemeral.count_of_trips - before[0], mag.connections.count - before[1], len(opened)

    return measure


@pytest.fixture
def no_orm(wsgi_app):
    """Whatever opens a connection of the ORM's pool fails the test: a hot request has none."""
    from sqlalchemy import event

    from idp.database import db

    with wsgi_app.flask.app_context():
        engine = db.engine

    def refuse(*_):
        raise AssertionError("a hot request uses the ORM")

    def forbid():
        event.listen(engine, "checkout", refuse)

    yield forbid
    if event.contains(engine, "checkout", refuse):
        event.remove(engine, "checkout", refuse)


def test_documents_cost_nothing(partner, cost):
    portail = partner()

    assert cost(lambda: portail.call("/jwks", "GET")) == (0, 0, 0)
    assert cost(lambda: portail.call("/.well-known/openid-configuration", "GET")) == (0, 0, 0)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_client_credentials_cost_nothing(partner, cost, method):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire", token_endpoint_auth_method=method)

    assert cost(lambda: machine.token("client_credentials")) == (0, 0, 0)


def test_an_assertion_costs_one_for_its_jti(partner, cost):
    machine = partner(
        "machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire", token_endpoint_auth_method="private_key_jwt"
    )

    assert cost(lambda: machine.token("client_credentials")) == (1, 0, 0)


def test_introspection_and_userinfo_cost_one(partner, code_flow, cost, no_orm):
    portail = partner()
    tokens = code_flow(portail, scope="openid email")
    no_orm()

    assert cost(lambda: portail.introspect(tokens.access_token)) == (1, 0, 0)
    assert cost(lambda: portail.userinfo(tokens.access_token)) == (1, 0, 0)


def test_a_token_of_a_machine_is_introspected_for_nothing(partner, cost):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    token = machine.token("client_credentials").json["access_token"]

    assert cost(lambda: machine.introspect(token)) == (0, 0, 0)


def test_a_hop_costs_one_and_no_query(partner, signed_in, cost, no_orm):
    portail = partner()
    no_orm()

    assert cost(lambda: portail.code(signed_in)) == (1, 0, 0)
    assert cost(lambda: portail.ask(signed_in, prompt="none")) == (1, 0, 0)


@pytest.mark.parametrize(("grants", "sql"), [(["authorization_code"], 0), (["authorization_code", "refresh_token"], 1)])
def test_an_exchange_costs_one_and_a_statement_for_its_refresh_token(partner, signed_in, cost, no_orm, grants, sql):
    portail = partner(grant_types=grants)
    codes = [portail.code(signed_in) for _ in range(2)]
    no_orm()

    assert cost(lambda: portail.tokens(portail.redeem(codes.pop()))) == (1, sql, 0)


@pytest.mark.parametrize(("grants", "sql"), [(["authorization_code"], 1), (["authorization_code", "refresh_token"], 1)])
def test_a_client_that_is_told_of_sign_outs_pays_a_statement_only_without_refresh_token(partner, signed_in, cost, no_orm, grants, sql):
    portail = partner(grant_types=grants, backchannel_logout_uri="https://portail.test/avis")
    codes = [portail.code(signed_in) for _ in range(2)]
    no_orm()

    assert cost(lambda: portail.tokens(portail.redeem(codes.pop()))) == (1, sql, 0)


def test_a_refresh_costs_one_statement(partner, code_flow, cost, no_orm):
    portail = partner()
    held = [code_flow(portail).refresh_token]
    no_orm()

    def renew(portail: Partner = portail):
        held.append(portail.tokens(portail.refresh(held[-1])).refresh_token)

    assert cost(renew) == (0, 1, 0)


def test_a_proof_costs_one_and_a_refresh_that_does_not_rotate_one_statement(partner, code_flow, cost):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    machine, portail = (replace(one, dpop=ECKey.generate_key("P-256")) for one in (machine, partner(dpop_bound_access_tokens=True)))
    tokens = code_flow(portail)

    assert cost(lambda: machine.token("client_credentials")) == (1, 0, 0)
    assert cost(lambda: portail.userinfo(tokens.access_token)) == (2, 0, 0)
    assert cost(lambda: portail.introspect(tokens.access_token)) == (1, 0, 0)
    assert cost(lambda: portail.refresh(tokens.refresh_token)) == (1, 1, 0)


def test_a_wrong_secret_a_stranger_s_token_and_nonsense_cost_nothing(partner, code_flow, cost):
    portail, other = partner(), partner("autre")
    token = code_flow(other).access_token

    assert cost(lambda: portail.introspect(token)) == (0, 0, 0)
    assert cost(lambda: portail.introspect("x")) == (0, 0, 0)
    assert cost(lambda: portail.userinfo("x")) == (0, 0, 0)
    assert cost(lambda: portail.refresh("x")) == (0, 0, 0)
    assert cost(lambda: portail.call("/token", data={"grant_type": "x", "client_id": "portail", "client_secret": "faux"})) == (0, 0, 0)


def test_the_sign_in_page_costs_nothing(partner, client, cost):
    """The request in progress travels sealed: bots that hit the page reach no store."""
    portail = partner()
    where = portail.ask(client).headers["Location"]

    assert cost(lambda: portail.ask(client)) == (0, 0, 0)
    assert cost(lambda: client.get(where)) == (0, 0, 0)
