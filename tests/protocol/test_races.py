"""Races that an attacker would try, against four server processes, PostgreSQL and Redis: what serves once, and what changes meanwhile.

Every test sends its requests with their last bytes together (`racing.py`). Clients are registered before the servers start: a
server may take a second to notice a change of the registry, and one test below is about that second.
"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey
from redis import Redis
from sqlalchemy import update

from idp.authentication import password_change
from idp.authentication.session import COOKIE, close_every_session
from idp.config import Settings
from idp.database import db
from idp.declarants import inscription, transitions
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By
from idp.habilitations import catalogue
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.decision import rights_version
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.oidc import removal
from idp.oidc.models import RefreshFamily
from partners import onboarding
from tests import services as servers
from tests.conftest import ISSUER, QUICK_HASH, SECRETS, Backend, composed
from tests.factories import NOM, PASSWORD, SIRET, csrf_in, un_declarant
from tests.protocol.racing import Reply, at_once, post, request, token
from tests.protocol.relying import VERIFIER, Partner, Tokens, answer_of, hidden_fields, register

pytestmark = pytest.mark.xdist_group("races")
WORKERS = 4
STALE = 1.0
"""Seconds during which a process may not know that the registry has changed (C61)."""
NOTICING = 0.5
"""Seconds that reading it again may take on a machine busy elsewhere."""
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCREENLESS: dict[str, Any] = {"redirect_uris": [], "response_types": []}
CLIENTS: dict[str, dict[str, Any]] = {
    "portail": {},
    "portail-droits": {"scope": "openid habilitations:dsn", "grant_types": ["authorization_code"]},
    "portail-cle": {"token_endpoint_auth_method": "private_key_jwt"},
    "paie": {
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["authorization_code", "refresh_token", JWT_BEARER],
        "scope": "openid offline_access",
    },
    "machine": {"grant_types": ["client_credentials"], "scope": "api:lire", **SCREENLESS},
    "ephemere": {"grant_types": ["client_credentials"], "scope": "api:lire", **SCREENLESS},
    "temoin": {"grant_types": ["client_credentials"], "scope": "api:lire", "introspect": ["ephemere"], **SCREENLESS},
    "tele": {"grant_types": [DEVICE, "refresh_token"], "scope": "openid", **SCREENLESS},
    "centre": {"grant_types": [CIBA, "refresh_token"], "scope": "openid", "backchannel_token_delivery_mode": "poll", **SCREENLESS},
}


# ----------------------------------------------------------------------------------------------------------------- servers


@pytest.fixture(scope="module")
def stores(postgresql: servers.PostgreSQL, postgresql_template: str) -> Iterator[Backend]:
    """A database and a Redis of this file alone."""
    redis, name = servers.Redis(), "races"
    with Redis.from_url(redis.url) as client:
        client.set("mag:epoch", "1")
    yield Backend("postgresql", postgresql.create(name, postgresql_template), redis.url)
    postgresql.discard(name)
    redis.stop()


@pytest.fixture(scope="module")
def wsgi_app(stores: Backend) -> Iterator[Any]:
    """A fifth process, this one: it prepares, and looks at what is left."""
    settings = Settings(
        issuer=ISSUER, secrets=SECRETS, database_url=stores.database_url, redis_url=stores.redis_url, trusted_proxies=1, **QUICK_HASH
    )
    with composed(settings) as doors:
        with doors.flask.app_context():
            catalogue.refresh(catalogue.parse(catalogue.shipped()), datetime.now(UTC))
            db.session.commit()
        yield doors


@pytest.fixture(scope="module")
def partners(wsgi_app: Any) -> dict[str, Partner]:
    found = {name: register(wsgi_app, name, **metadata) for name, metadata in CLIENTS.items()}
    found["machine-dpop"] = replace(found["machine"], dpop=ECKey.generate_key("P-256"))
    return found


@pytest.fixture(scope="module")
def port(stores: Backend, partners: dict[str, Partner], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """`mag serve --workers 4`, behind one proxy."""
    found = servers.free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAG_")}
    root = str(Path(__file__).parent.parent.parent)
    environment = {**inherited, "PYTHONPATH": root, **stores.environ(), "MAG_ISSUER": ISSUER, "MAG_TRUSTED_PROXIES": "1"}
    command = [sys.executable, "-c", "from wsgi import command_line; command_line()", "serve"]
    command += ["--host", "127.0.0.1", "--port", str(found), "--workers", str(WORKERS)]
    server = servers.Server(command, found, environment=environment, folder=tmp_path_factory.mktemp("races"))
    at_once(found, [request("/jwks")] * 50)  # each process has answered, and holds the registry as it is
    yield found
    server.stop()


@pytest.fixture
def race(port: int) -> Callable[..., list[Reply]]:
    """`race(requests, meanwhile)`: the answers, none of them a failure of ours, unless it says that the server is `busy`."""

    def run(requests: list[bytes], meanwhile: Callable[[], Any] = lambda: None, *, busy: int = 0) -> list[Reply]:
        replies = at_once(port, requests, meanwhile)
        assert not [reply.body for reply in replies if reply.status_code >= 500 and reply.status_code != busy]
        return replies

    return run


@pytest.fixture
def change(wsgi_app: Any) -> Callable[..., Any]:
    """Run an operation as a command does, in a transaction; when it was acknowledged, in epoch seconds."""

    def act(operation: Callable[..., Any], *arguments: Any, **named: Any) -> float:
        with wsgi_app.flask.app_context():
            operation(*arguments, **named)
            db.session.commit()
            db.session.remove()
        return time.time()

    return act


def once(replies: list[Reply], status: int, *errors: str) -> Reply:
    """The one that was accepted; every other one was refused so."""
    found = Counter(reply.status_code for reply in replies)
    assert found == {200: 1, status: len(replies) - 1}
    assert {reply.error for reply in replies if reply.status_code == status} <= set(errors)
    return next(reply for reply in replies if reply.status_code == 200)


def code_request(partner: Partner, code: str) -> bytes:
    return token(partner, "authorization_code", code=code, redirect_uri=partner.redirect_uri, code_verifier=VERIFIER)


def is_dead(partner: Partner, tokens: Tokens) -> bool:
    """Neither token opens anything."""
    refused = not tokens.refresh_token or partner.refresh(tokens.refresh_token).status_code == 400
    return refused and not partner.is_alive(tokens)


def test_there_are_four_processes(port: int, stores: Backend) -> None:
    """The races below are between processes: connections to the database say how many there are."""
    import psycopg

    with psycopg.connect(stores.database_url.replace("+psycopg", "")) as connection:
        at_once(port, [request("/userinfo", headers={"Authorization": "Bearer x"})] * 50)
        row = connection.execute("select count(*) from pg_stat_activity where datname = current_database()").fetchone()

    assert row is not None
    assert row[0] >= WORKERS + 1


# ------------------------------------------------------------------------------------------------------- what serves once


def test_C16_fifty_redemptions_of_a_code_give_one(race, partners, signed_in):
    portail = partners["portail"]
    won = once(race([code_request(portail, portail.code(signed_in))] * 50), 400, "invalid_grant")

    assert is_dead(portail, portail.tokens(won)), "the replays end what the first one gave"


def test_fifty_codes_redeemed_at_once_give_fifty(race, partners, signed_in):
    """performance.md 2.1: fresh codes refused under load were a defect of a peer."""
    portail = partners["portail"]
    replies = race([code_request(portail, portail.code(signed_in)) for _ in range(50)])
    tokens = [portail.tokens(reply) for reply in replies]

    assert len({one.access["jti"] for one in tokens}) == 50
    assert len({one.refresh_token for one in tokens}) == 50
    assert all(portail.is_alive(one) for one in tokens)


def test_C19_twenty_refreshes_have_one_successor(race, partners, code_flow):
    """Within the grace, whoever lost the race has the successor of who won it, and nobody is signed out."""
    portail = partners["portail"]
    held = code_flow(portail).refresh_token
    renewed = [portail.tokens(reply) for reply in race([token(portail, "refresh_token", refresh_token=held)] * 20)]

    assert len({one.refresh_token for one in renewed} - {held}) == 1
    assert held not in {one.refresh_token for one in renewed}
    assert portail.refresh(renewed[0].refresh_token).status_code == 200


def test_C18_C19_twenty_refreshes_after_the_grace_end_the_family(race, partners, code_flow, change):
    portail = partners["portail"]
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))
    change(lambda: db.session.execute(update(RefreshFamily).values(rotated_at=datetime.now(UTC) - timedelta(seconds=11))))
    replies = race([token(portail, "refresh_token", refresh_token=first.refresh_token)] * 20)

    assert {(reply.status_code, reply.error) for reply in replies} == {(400, "invalid_grant")}
    assert is_dead(portail, first)
    assert is_dead(portail, second)


def test_C24_twelve_uses_of_a_client_assertion_serve_once_whatever_the_endpoint(race, partners, code_flow):
    portail = partners["portail-cle"]
    held, credentials = code_flow(portail), portail.credentials()
    ask = portail.request()
    requests = [
        *[token(portail, "refresh_token", credentials=credentials, refresh_token=held.refresh_token)] * 4,
        *[post(portail, "/token/introspection", {"token": held.access_token}, credentials=credentials)] * 4,
        *[post(portail, "/request", ask, credentials=credentials)] * 4,
    ]
    replies = race(requests)

    assert Counter(reply.status_code == 401 for reply in replies) == {True: 11, False: 1}
    assert {reply.error for reply in replies if reply.status_code == 401} == {"invalid_client"}


def test_C24_twelve_uses_of_an_assertion_for_a_person_serve_once(race, partners, signed_in):
    paie = partners["paie"]
    answer = paie.redeem(paie.code(signed_in, scope="openid offline_access")).json
    sub = paie.userinfo(answer["access_token"]).json["sub"]
    text = paie.assertion(sub=sub, grant_id=answer["grant_id"])

    once(race([token(paie, JWT_BEARER, assertion=text) for _ in range(12)]), 400, "invalid_grant")


def test_C24_twenty_uses_of_a_dpop_proof_serve_once(race, partners):
    machine = partners["machine-dpop"]

    once(race([token(machine, "client_credentials", dpop=machine.proof())] * 20), 400, "invalid_dpop_proof")


@pytest.mark.parametrize("browsers", [1, 20])
def test_C31_twenty_uses_of_a_pushed_request_give_one_code(race, partners, new_client, sign_in, new_declarant, browsers):
    """In the tabs of one browser, or in the browsers of as many people."""
    portail, cookies = partners["portail"], []
    pushed = portail.post("/request", portail.request()).json["request_uri"]
    for _ in range(browsers):
        sign_in(browser := new_client(), new_declarant())
        cookies.append(browser.get_cookie(COOKIE, domain="mag.test").value)
    address = f"/authorize?{urlencode({'client_id': 'portail', 'request_uri': pushed})}"
    requests = [request(address, headers={"Cookie": f"{COOKIE}={cookie}"}) for cookie in cookies * (20 // browsers)]
    answers = [reply.headers.get("Location", "") for reply in race(requests)]

    assert len([where for where in answers if "code=" in where]) == 1
    assert all("error=invalid_request_uri" in where or not where for where in answers if "code=" not in where)


def test_C16_twenty_polls_of_a_device_code_give_one(race, partners, signed_in):
    """The others are too late, and never too early: an answer that is there waits for nobody."""
    tele = partners["tele"]
    told = tele.post("/device_authorization", {"scope": "openid"}).json
    page = signed_in.post("/device", data={**hidden_fields(signed_in.get("/device")), "code": told["user_code"]})
    signed_in.post("/device/confirmation", data={**hidden_fields(signed_in.get(page.headers["Location"])), "reponse": "accepter"})

    once(race([token(tele, DEVICE, device_code=told["device_code"])] * 20), 400, "invalid_grant")


def test_C16_twenty_polls_of_an_auth_req_id_give_one(race, partners, new_client, sign_in, new_declarant):
    centre, browser = partners["centre"], new_client()
    sign_in(browser, new_declarant(nom="Martin", prenom="Zoé"))
    told = centre.post("/bc-authorize", {"scope": "openid", "login_hint": f"{SIRET}|MARTIN|Zoé"}).json
    browser.post("/demandes", data={**hidden_fields(browser.get("/demandes")), "reponse": "accepter"})

    once(race([token(centre, CIBA, auth_req_id=told["auth_req_id"])] * 20), 400, "invalid_grant")


# ------------------------------------------------------------------------------------------------- what changes meanwhile


@dataclass(frozen=True)
class State:
    """What the rights were since a change: between `began` and `acknowledged` it was not there yet, or already."""

    began: float
    acknowledged: float
    given: bool
    version: str


def test_C47_a_right_given_and_taken_a_hundred_times_is_told_as_it_was(race, partners, signed_in, un_declarant, wsgi_app, change):
    """Each change begins and is acknowledged; each token was asked whole at `sent_at`, made at `iat` or after, read at `read_at`.

    The invariant: what a token says of the right held at some instant between the later of `sent_at` and `iat`, and `read_at`.
    So a token never carries a right whose removal was acknowledged before its `iat`, nor before it was asked. And the version
    it names (`e`) is not older than its request, nor newer than its content: whoever compares versions never keeps a content
    that was already past.
    """
    portail, mag, finished = partners["portail-droits"], wsgi_app.mag, threading.Event()

    def version() -> str:
        return rights_version(mag.connections, mag.catalogue(), un_declarant, datetime.now(UTC))

    def gesture(operation: Callable[..., Any]) -> None:
        operation(Gesture(None, mag.catalogue(), datetime.now(UTC)), un_declarant, int(SIRET), "dsn", [Droit.DECLARER])

    history = [State(0, 0, given=False, version=version())]

    def toggle() -> None:
        while len(history) <= 100 or not finished.is_set():
            given, began = not history[-1].given, time.time()
            history.append(State(began, change(gesture, attribuer if given else retirer), given, version()))

    waves = [[code_request(portail, portail.code(signed_in, scope=portail.extra["scope"])) for _ in range(20)] for _ in range(5)]
    toggling, replies = threading.Thread(target=toggle), []
    toggling.start()
    try:
        for wave in waves:
            replies += race(wave)
    finally:
        finished.set()
        toggling.join()

    ends = [*(state.acknowledged for state in history[1:]), float("inf")]
    for reply in replies:
        tokens = portail.tokens(reply)
        hab, since = tokens.access["hab"], max(reply.sent_at, tokens.access["iat"])
        possible = [n for n, state in enumerate(history) if state.began <= reply.read_at and ends[n] >= since]
        named = [state.version for state in history].index(hab["e"])
        assert hab == tokens.claims["hab"]
        assert named in possible
        assert bool(hab["g"]) in {history[n].given for n in possible if n >= named}


def test_a_password_changed_during_fifty_sign_ins_leaves_no_session_of_the_old_one(race, partners, new_client, wsgi_app, change):
    """Ten people, five sign-ins each: whatever the old password opened is worth nothing once the new one is acknowledged."""
    flask, now = wsgi_app.flask, datetime.now(UTC)
    people = [un_declarant(flask, prenom=f"Claire {n}") for n in range(10)]

    def sign_in_request(n: int, prenom: str, password: str = PASSWORD) -> bytes:
        browser = new_client()
        csrf = csrf_in(browser.get("/connexion").text)
        cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in browser._cookies.values())
        form = {"siret": SIRET, "nom": NOM, "prenom": prenom, "password": password, "demande": "", "csrf": csrf}
        return request("/connexion", "POST", form=form, headers={"Cookie": cookies, "X-Forwarded-For": f"10.{n}.0.1"})

    def new_password() -> None:
        means = flask.extensions["mag_means"]
        for person in people:
            found = db.session.get(Declarant, person.id)
            assert found is not None
            password_change.change_password(means.store, means.settings, means.passwords, found, "orage vert dans la plaine", now)
            db.session.commit()

    def typed(requests: list[bytes], meanwhile: Callable[[], Any] = lambda: None) -> list[Reply]:
        """Hashes that come too late on a busy machine are refused before any work: 503."""
        return race(requests, meanwhile, busy=503)

    replies = typed([sign_in_request(n, f"Claire {n % 10}") for n in range(50)], lambda: change(new_password))
    assert {reply.status_code for reply in replies} <= {303, 422, 503}

    opened = [set_cookie for reply in replies for set_cookie in reply.headers.get_all("Set-Cookie") or () if COOKIE in set_cookie]
    assert opened, "none of the fifty was quicker than the change"
    for set_cookie in opened:
        browser = new_client()
        browser.set_cookie(COOKIE, set_cookie.partition("=")[2].partition(";")[0], domain="mag.test", secure=True)
        assert answer_of(partners["portail"].ask(browser, prompt="none"))[1]["error"] == "login_required"

    late = typed([sign_in_request(60 + n, f"Claire {n}") for n in range(10)])
    assert {reply.status_code for reply in late} <= {422, 503}
    renewed = typed([sign_in_request(80 + n, f"Claire {n}", "orage vert dans la plaine") for n in range(10)])
    assert 303 in {reply.status_code for reply in renewed}


@pytest.mark.parametrize("ends", ["suspendu", "radie"])
def test_C46_an_end_during_fifty_refreshes_leaves_nothing_alive(race, partners, signed_in, code_flow, un_declarant, wsgi_app, change, ends):
    """Of a suspension, of a removal; and ten redemptions: whoever was quicker holds tokens that open nothing."""
    portail = partners["portail"]
    families = [code_flow(portail) for _ in range(50)]
    codes = [portail.code(signed_in) for _ in range(10)]

    def end() -> None:
        """What `mag declarants suspendre` does, and what closes an account."""
        declarant, mag, now = db.session.get_one(Declarant, un_declarant), wsgi_app.mag, datetime.now(UTC)
        if ends == "radie":
            removal.end_sessions(mag.ephemeral, mag.settings, declarant)
            transitions.apply(declarant, Act.FERMER, By.SOI, now)
            removal.remove(mag.settings, mag.registry, declarant, now)
            return
        inscription.suspendre(declarant, now)
        close_every_session(mag.ephemeral, mag.settings, declarant)

    renewals = [token(portail, "refresh_token", refresh_token=one.refresh_token) for one in families]
    acknowledged: list[float] = []
    replies = race([*renewals, *(code_request(portail, code) for code in codes)], lambda: acknowledged.append(change(end)))

    assert {reply.status_code for reply in replies} <= {200, 400}
    assert {reply.error for reply in replies if reply.status_code == 400} <= {"invalid_grant"}
    assert not [reply for reply in replies if reply.status_code == 200 and reply.sent_at > acknowledged[0]]
    given = [portail.tokens(reply) for reply in replies if reply.status_code == 200]
    assert all(is_dead(portail, one) for one in [*given, *families])
    assert answer_of(portail.ask(signed_in, prompt="none"))[1]["error"] == "login_required"


def test_7009_a_revocation_during_twenty_refreshes_leaves_nothing_alive(race, partners, code_flow):
    portail = partners["portail"]
    held = code_flow(portail)
    renewals = [token(portail, "refresh_token", refresh_token=held.refresh_token)] * 20
    revocation = post(portail, "/token/revocation", {"token": held.refresh_token})
    replies = race([*renewals[:10], revocation, *renewals[10:]])

    assert replies[10].status_code == 200
    assert {reply.status_code for reply in replies} <= {200, 400}
    given = [portail.tokens(reply) for n, reply in enumerate(replies) if n != 10 and reply.status_code == 200]
    assert all(is_dead(portail, one) for one in [held, *given])


def test_C61_a_client_disabled_while_it_asks_for_tokens_has_none_after_a_second(race, partners, wsgi_app, change):
    """Until a process has noticed it may still give one, which dies as soon as it has; and no longer than a second."""
    ephemere, temoin = partners["ephemere"], partners["temoin"]
    asked = [token(ephemere, "client_credentials")] * 20
    assert {reply.status_code for reply in race(asked)} == {200}
    disable = partial(onboarding.switch, enabled=False)
    disabled: list[float] = []

    def switch() -> None:
        disable(onboarding.client_named("ephemere"), datetime.now(UTC))

    replies = race(asked, lambda: disabled.append(change(switch)))
    while not (late := [reply for reply in replies if reply.sent_at > disabled[0] + STALE + NOTICING]):
        replies += race(asked)

    assert {reply.status_code for reply in late} == {401}
    assert {reply.status_code for reply in replies} <= {200, 401}
    wsgi_app.mag.versions.refresh()
    given = [reply.json["access_token"] for reply in replies if reply.status_code == 200]
    assert all(temoin.introspect(one).json == {"active": False} for one in given)
