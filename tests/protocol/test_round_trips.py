"""What each request costs the stores, exactly: the contract of performance.md section 8. The check of versions, once a second, is apart."""

from dataclasses import replace

import pytest
from joserfc.jwk import ECKey

from tests.cabinet import un_cabinet
from tests.protocol.relying import Partner, answer_of, hidden_fields

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CIBA = "urn:openid:params:grant-type:ciba"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
BOTH = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
pytestmark = BOTH


@pytest.fixture
def cost(wsgi_app):
    """`cost(act)`: (round trips to Redis, to SQL, connections opened) of what `act` does, the second time it does it."""
    mag = wsgi_app.mag
    mag.versions.clock = lambda: 0.0
    mag.versions.until = 1.0

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


def test_a_client_that_asks_decisions_pays_a_statement_for_each_subject_it_is_told(partner, signed_in, cost, no_orm):
    portail = partner(scope="openid habilitations:decision")
    codes = [portail.code(signed_in) for _ in range(2)]
    no_orm()

    assert cost(lambda: portail.tokens(portail.redeem(codes.pop()))) == (1, 2, 0)


def test_a_token_for_one_establishment_pays_its_rights_each_time(services, wsgi_app, partner, un_declarant, signed_in, cost, no_orm):
    (siret,) = un_cabinet(wsgi_app.flask, un_declarant, 1, wsgi_app.mag.catalogue())
    portail = partner(scope="openid habilitations:dsn", authorization_details_types=["urn:mag:habilitation"])
    asked = {"scope": "openid habilitations:dsn", "authorization_details": f'[{{"type":"urn:mag:habilitation","siret":"{siret}"}}]'}
    codes = [portail.code(signed_in, **asked) for _ in range(2)]
    no_orm()

    assert cost(lambda: portail.code(signed_in, **asked)) == (1, 1, 0)
    assert cost(lambda: granted(portail.redeem(codes.pop()))) == (1, 2, 0)


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


def test_a_pushed_request_costs_one_and_two_more_when_it_is_answered(partner, signed_in, cost, no_orm):
    """RFC 9126: kept; then found, and its one use counted, beside the round trip of any hop."""
    portail = partner()
    uris = [portail.pushed() for _ in range(2)]
    no_orm()

    assert cost(portail.pushed) == (1, 0, 0)
    assert cost(lambda: answer_of(portail.ask_by(signed_in, uris.pop()))[1]["code"]) == (3, 0, 0)


def test_a_device_asks_for_three_polls_for_two_and_has_its_tokens_for_two(partner, signed_in, cost):
    """RFC 8628: whether the user code is free, and both codes; the request and the pace; the request and its answer, spent as a code is."""
    tele = partner("tele", grant_types=[DEVICE, "refresh_token"], redirect_uris=[], response_types=[])
    waiting, agreed = ([tele.post("/device_authorization", {"scope": "openid"}).json for _ in range(2)] for _ in range(2))
    for told in agreed:
        page = signed_in.post("/device", data={**hidden_fields(signed_in.get("/device")), "code": told["user_code"]})
        question = signed_in.get(page.headers["Location"])
        signed_in.post("/device/confirmation", data={**hidden_fields(question), "reponse": "accepter"})

    assert cost(lambda: granted(tele.post("/device_authorization", {"scope": "openid"}))) == (3, 0, 0)
    assert cost(lambda: pending(tele.token(DEVICE, device_code=waiting.pop()["device_code"]))) == (2, 0, 0)
    assert cost(lambda: granted(tele.token(DEVICE, device_code=agreed.pop()["device_code"]))) == (2, 1, 0)


def test_a_token_exchange_costs_one_and_its_line_of_journal(partner, code_flow, cost, no_orm):
    portail, aimed = partner(audience=["https://paie.test"]), {"exchange": ["https://dsn.test"], "introspect": ["https://paie.test"]}
    paie = partner("paie", grant_types=[EXCHANGE], redirect_uris=[], response_types=[], **aimed)
    form = {"subject_token": code_flow(portail).access_token, "subject_token_type": ACCESS_TOKEN}
    no_orm()

    assert cost(lambda: granted(paie.token(EXCHANGE, **form))) == (1, 1, 0)


@pytest.mark.parametrize(("method", "trips"), [("client_secret_basic", 1), ("private_key_jwt", 2)])
def test_a_jwt_bearer_costs_its_jti_the_family_and_its_line_of_journal(partner, signed_in, cost, no_orm, method, trips):
    key = ECKey.generate_key("P-256", {"kid": "cle", "use": "sig"})
    known = {"scope": "openid offline_access", "token_endpoint_auth_method": method, "jwks": {"keys": [key.as_dict(private=False)]}}
    paie = replace(partner("paie", grant_types=["authorization_code", "refresh_token", JWT_BEARER], **known), key=key)
    answer = granted(paie.redeem(paie.code(signed_in, scope="openid offline_access")))
    about = {"sub": granted(paie.userinfo(answer["access_token"]))["sub"], "grant_id": answer["grant_id"]}
    no_orm()

    assert cost(lambda: granted(paie.token(JWT_BEARER, assertion=paie.assertion(**about)))) == (trips, 2, 0)


@pytest.mark.parametrize("whom", ["anne.lefevre@exemple.fr", "73282932000074|Personne|Paul"])
def test_a_backchannel_request_costs_the_same_for_somebody_and_for_nobody(partner, un_declarant, cost, no_orm, whom):
    """CIBA Core: the brake and what is polled; who it is, her profile, then the row, the line of journal and the mail in one go."""
    centre = partner("centre", grant_types=[CIBA], redirect_uris=[], response_types=[], backchannel_token_delivery_mode="poll")
    asked = [granted(centre.post("/bc-authorize", {"scope": "openid", "login_hint": whom}))["auth_req_id"] for _ in range(2)]
    no_orm()

    assert cost(lambda: granted(centre.post("/bc-authorize", {"scope": "openid", "login_hint": whom}))) == (2, 7, 0)
    assert cost(lambda: pending(centre.token(CIBA, auth_req_id=asked.pop()))) == (2, 0, 0)


def test_a_backchannel_request_that_was_agreed_to_has_its_tokens_for_two(partner, un_declarant, signed_in, cost):
    """CIBA Core section 10: the request and its answer, spent as a code is; the family of its refresh token."""
    given = {"grant_types": [CIBA, "refresh_token"], "redirect_uris": [], "response_types": []}
    centre, asked = partner("centre", backchannel_token_delivery_mode="poll", **given), []
    for _ in range(2):
        told = granted(centre.post("/bc-authorize", {"scope": "openid", "login_hint": "anne.lefevre@exemple.fr"}))
        signed_in.post("/demandes", data={**hidden_fields(signed_in.get("/demandes")), "reponse": "accepter"})
        asked.append(told["auth_req_id"])

    assert cost(lambda: granted(centre.token(CIBA, auth_req_id=asked.pop()))) == (2, 1, 0)


def test_a_revocation_costs_one_and_what_it_writes_in_one_go(partner, code_flow, cost, no_orm):
    """RFC 7009: the family closed and the line of journal, BEGIN and COMMIT included; whose family it is, for a refresh token."""
    portail = partner()
    held = [code_flow(portail) for _ in range(4)]
    no_orm()

    assert cost(lambda: portail.revoke(held.pop().access_token)) == (1, 4, 0)
    assert cost(lambda: portail.revoke(held.pop().refresh_token)) == (1, 5, 0)


def granted(response):
    assert response.status_code == 200, response.text
    return response.json


def pending(response):
    assert response.json["error"] == "authorization_pending", response.text


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
