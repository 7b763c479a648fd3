"""Defects that load showed in other providers, each as a test: tokens that repeat, slow hashes on each request, state that grows.

Codes redeemed at once by several processes are `test_races.py`'s; exact round trips are `test_round_trips.py`'s.
"""

import ast
import gc
import inspect
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from redis import Redis
from sqlalchemy import func, select

import idp.oidc.client_auth
from idp.database import Model, db
from idp.oidc import tokens as signed
from idp.oidc.client_auth import check_secret
from idp.seals import digest, random_token
from partners import onboarding
from tests.protocol.relying import SECRET

ROOT = Path(__file__).parent.parent.parent
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
SLOW = {"argon2", "bcrypt", "scrypt", "pbkdf2_hmac", "passlib", "crypt", "idp.authentication.passwords"}
"""Hashes made to cost: for passwords, never for secrets of 256 bits."""


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_hundred_exchanges_of_one_person_in_one_second_give_a_hundred_tokens(partner, signed_in, alg):
    """Canaille 0.3.6: RS256 is deterministic, so two exchanges of one second gave the same token, and a 500."""
    portail = partner(access_token_signing_alg=alg, id_token_signed_response_alg=alg)
    codes = [portail.code(signed_in) for _ in range(100)]
    with time_machine.travel(datetime.now(UTC), tick=False):
        given = [portail.tokens(portail.redeem(code)) for code in codes]

    assert len({one.access["iat"] for one in given}) == 1
    for name in ("access_token", "id_token", "refresh_token"):
        assert len({getattr(one, name) for one in given}) == 100, name
    assert len({one.access["jti"] for one in given}) == 100


@ONLY_SQLITE
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_hundred_tokens_of_one_machine_in_one_second_are_a_hundred(partner, alg):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire", access_token_signing_alg=alg)
    with time_machine.travel(datetime.now(UTC), tick=False):
        given = {machine.token("client_credentials").json["access_token"] for _ in range(100)}

    assert len(given) == 100


def imported_by(path: Path) -> set[str]:
    """Modules and names that a file imports, and attributes that it reads."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(alias.name for alias in node.names)}
    return found | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def test_no_slow_hash_is_within_reach_of_client_authentication():
    """django-oauth-toolkit hashes each secret as a password: two requests a second (docs/decisions/0001)."""
    reachable = [*(ROOT / "idp" / "oidc").rglob("*.py"), *(ROOT / "partners").glob("*.py"), ROOT / "idp" / "seals.py"]

    assert not {str(path): SLOW & imported_by(path) for path in reachable if SLOW & imported_by(path)}
    assert "digest(secret)" in inspect.getsource(idp.oidc.client_auth.check_secret)
    assert len(digest("x")) == 64, "SHA-256"


@ONLY_SQLITE
def test_checking_a_client_secret_costs_microseconds(partner, wsgi_app):
    """A generous bound: fifty microseconds where it takes two; a slow hash takes ten thousand."""
    partner()
    client = wsgi_app.mag.registry.find("portail")
    costs = []
    for _ in range(300):
        began = time.perf_counter()
        check_secret(client, f"{SECRET}portail", "client_secret_basic")
        costs.append(time.perf_counter() - began)

    assert statistics.median(costs) < 50e-6


@ONLY_SQLITE
def test_a_client_secret_is_256_random_bits_and_kept_as_a_digest(wsgi_app):
    with wsgi_app.flask.app_context():
        owner = onboarding.register_partenaire("tiers", "Tiers", None, datetime.now(UTC))
        metadata = {"client_name": "Tiers", "redirect_uris": ["https://tiers.test/"], "token_endpoint_auth_method": "client_secret_basic"}
        _, secret = onboarding.register_client(owner, metadata, datetime.now(UTC))
        db.session.flush()
        kept = str(db.session.execute(select(Model.metadata.tables["client_secrets"])).all())

    assert secret is not None
    assert len(secret) >= 43
    assert secret not in kept
    assert digest(secret) in kept
    assert len({random_token() for _ in range(50)}) == 50


@pytest.fixture
def connections_received(redis_server):
    def count() -> int:
        with Redis.from_url(redis_server.url) as client:
            return int(client.info("stats")["total_connections_received"])

    return count


@ONLY_POSTGRESQL
def test_no_grant_opens_a_connection_once_each_store_was_reached(partner, signed_in, connections_received, wsgi_app):
    portail = partner()
    opened, open_ = [], wsgi_app.mag.connections._open
    portail.tokens(portail.refresh(portail.tokens(portail.redeem(portail.code(signed_in))).refresh_token))
    wsgi_app.mag.connections._open = lambda: opened.append(1) or open_()
    before = connections_received()
    for _ in range(30):
        renewed = portail.tokens(portail.refresh(portail.tokens(portail.redeem(portail.code(signed_in))).refresh_token))
        assert portail.is_alive(renewed)

    assert opened == []
    assert connections_received() - before == 1, "the one that counts"


def rows(wsgi_app) -> dict[str, int]:
    with wsgi_app.flask.app_context():
        tables = Model.metadata.tables
        found = {name: db.session.scalar(select(func.count()).select_from(table)) for name, table in tables.items()}
        db.session.remove()
    return found


def test_tokens_of_machines_leave_nothing_behind(partner, wsgi_app):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    machine.introspect(machine.token("client_credentials").json["access_token"])
    before = rows(wsgi_app)
    for _ in range(50):
        machine.introspect(machine.token("client_credentials").json["access_token"])

    assert rows(wsgi_app) == before


@ONLY_POSTGRESQL
def test_what_a_grant_leaves_is_one_row_and_entries_that_die(partner, signed_in, wsgi_app, redis_server):
    """A family is one row however often it is renewed; whatever Redis holds of it has an end."""
    portail = partner()
    portail.redeem(portail.code(signed_in))
    with Redis.from_url(redis_server.url) as client:
        before, keys = rows(wsgi_app), set(client.keys())
        held = portail.tokens(portail.redeem(portail.code(signed_in)))
        exchanged, fresh = rows(wsgi_app), set(client.keys()) - keys
        for _ in range(20):
            held = portail.tokens(portail.refresh(held.refresh_token))
            portail.userinfo(held.access_token)
        after, grown = rows(wsgi_app), set(client.keys()) - keys - fresh
        endless = [key for key in client.scan_iter() if client.ttl(key) < 0]

    assert {name: exchanged[name] - before[name] for name in before if exchanged[name] != before[name]} == {"refresh_families": 1}
    assert after == exchanged
    assert len(fresh) <= 2, "the code, spent, until its minute is over"
    assert len(grown) <= 1, "the profile that userinfo reads"
    assert endless == [b"mag:epoch"]


@ONLY_SQLITE
@pytest.mark.parametrize(("bound", "value"), [("KNOWN_LIMIT", 10), ("KNOWN_CHARACTERS", 5_000)])
def test_what_a_process_remembers_of_tokens_is_bounded(partner, wsgi_app, monkeypatch, bound, value):
    """In number, and in bytes."""
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    monkeypatch.setattr(signed, bound, value)
    for _ in range(40):
        assert machine.introspect(machine.token("client_credentials").json["access_token"]).json["active"]
    gc.collect()

    assert len(wsgi_app.machines.server.reader._known) <= 11
