"""A store that is away: 503 and when to come back, documents still served, and everything as before once it is back (C69)."""

from dataclasses import replace

import pytest

from idp.config import Settings
from tests import services
from tests.protocol.relying import answer_of

BOTH = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
pytestmark = BOTH


class Gate:
    """A port that leads to a server, or nowhere: what a stopped store looks like, without stopping the others' tests."""

    def __init__(self, target: int) -> None:
        import socket
        import threading

        self.target, self.pairs, self.socket, self.threading = target, [], socket, threading
        self.port = services.free_port()
        self.listener = None
        self.open()

    def open(self) -> None:
        self.listener = self.socket.create_server(("127.0.0.1", self.port))
        self.threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener) -> None:
        while True:
            try:
                here, _ = listener.accept()
                there = self.socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.pairs += [here, there]
            for a, b in ((here, there), (there, here)):
                self.threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a, b) -> None:
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        finally:
            for one in (a, b):
                one.close()

    def close(self) -> None:
        """Cut every connection and refuse new ones."""
        listener, self.listener = self.listener, None
        if listener is None:
            return
        listener.shutdown(self.socket.SHUT_RDWR)
        listener.close()
        for one in self.pairs:
            try:
                one.shutdown(self.socket.SHUT_RDWR)
            except OSError:
                continue
        self.pairs.clear()


@pytest.fixture
def redis_gate(redis_server):
    gate = Gate(redis_server.server.port)
    yield gate
    gate.close()


@pytest.fixture
def postgresql_gate(postgresql):
    gate = Gate(postgresql.server.port)
    yield gate
    gate.close()


@pytest.fixture
def settings(settings: Settings, redis_gate: Gate, postgresql_gate: Gate, redis_server, postgresql) -> Settings:
    return replace(
        settings,
        redis_url=settings.redis_url.replace(str(redis_server.server.port), str(redis_gate.port)),
        database_url=settings.database_url.replace(str(postgresql.server.port), str(postgresql_gate.port)),
    )


def is_unavailable(response, *, page: bool = False) -> bool:
    return (
        response.status_code == 503
        and int(response.headers["Retry-After"]) > 0
        and response.headers["Cache-Control"] == "no-store"
        and (response.mimetype == "text/html" if page else response.json["error"] == "temporarily_unavailable")
    )


def documents(portail):
    return [portail.call(path, "GET").status_code for path in ("/jwks", "/.well-known/openid-configuration")]


def test_C69_without_redis(partner, signed_in, code_flow, redis_gate):
    portail = partner()
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    tokens, code = code_flow(portail), portail.code(signed_in)
    redis_gate.close()

    for _ in range(2):
        assert is_unavailable(portail.redeem(code))
        assert is_unavailable(portail.introspect(tokens.access_token))
        assert is_unavailable(portail.userinfo(tokens.access_token))
        assert is_unavailable(portail.ask(signed_in), page=True)
        assert is_unavailable(signed_in.get("/session/end"), page=True)
    assert machine.token("client_credentials").status_code == 200
    assert documents(portail) == [200, 200]

    redis_gate.open()
    assert portail.redeem(code).status_code == 200
    assert portail.is_alive(tokens)
    assert "code" in answer_of(portail.ask(signed_in))[1]


def test_C69_a_revocation_that_redis_cannot_hear_is_not_answered_as_done(partner, code_flow, redis_gate):
    portail = partner()
    tokens = code_flow(portail)
    redis_gate.close()
    assert is_unavailable(portail.revoke(tokens.refresh_token))

    redis_gate.open()
    assert portail.revoke(tokens.refresh_token).status_code == 200
    assert not portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


def test_C69_without_the_database(partner, signed_in, code_flow, postgresql_gate, wsgi_app):
    portail, tiers = partner(), partner("tiers", first_party=False)
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    tokens, code = code_flow(portail), portail.code(signed_in)
    portail.userinfo(tokens.access_token)
    documents(portail)
    postgresql_gate.close()
    wsgi_app.mag.versions.until = float("-inf")

    for _ in range(2):
        assert is_unavailable(portail.refresh(tokens.refresh_token))
        assert is_unavailable(portail.revoke(tokens.refresh_token))
        assert is_unavailable(tiers.ask(signed_in), page=True)
    assert is_unavailable(portail.redeem(code))
    assert documents(portail) == [200, 200]
    assert machine.token("client_credentials").status_code == 200
    assert portail.userinfo(tokens.access_token).status_code == 200, "what is in memory and in Redis is enough"

    postgresql_gate.open()
    assert tiers.ask(signed_in).status_code == 200
    assert portail.refresh(tokens.refresh_token).status_code == 200
    assert portail.tokens(portail.redeem(portail.code(signed_in)))


@pytest.mark.parametrize("down", ["redis_gate", "postgresql_gate"])
def test_C69_registration_waits_for_its_store(partner, request, wsgi_app, down):
    portail, gate = partner(), request.getfixturevalue(down)
    object.__setattr__(wsgi_app.mag.settings, "open_registration", True)
    told = portail.call("/reg", json={"redirect_uris": ["https://nouveau.test/r"]}).json
    token = {"Authorization": f"Bearer {told['registration_access_token']}"}
    gate.close()

    assert is_unavailable(portail.call("/reg", json={"redirect_uris": ["https://nouveau.test/r"]}))
    assert is_unavailable(portail.call(f"/reg/{told['client_id']}", "GET", headers=token))

    gate.open()
    assert portail.call(f"/reg/{told['client_id']}", "GET", headers=token).status_code == 200


def test_C70_connections_cut_while_people_sign_in_never_cross_answers(partner, new_client, sign_in, new_declarant, redis_gate):
    """A late answer on a connection that was given up must never be read as the answer of another request."""
    portail = partner(subject_type="public")
    browsers = [new_client() for _ in range(2)]
    for browser in browsers:
        sign_in(browser, new_declarant())
    expected = [portail.tokens(portail.redeem(portail.code(b))).claims["sub"] for b in browsers]

    for turn in range(60):
        if turn % 5 == 4:
            redis_gate.close()
            redis_gate.open()
        for browser, sub in zip(browsers, expected, strict=True):
            response = portail.ask(browser, prompt="none")
            if response.status_code == 303 and "code" in (answer := answer_of(response)[1]):
                redeemed = portail.redeem(answer["code"])
                assert redeemed.status_code in (200, 503)
                assert redeemed.status_code == 503 or portail.tokens(redeemed).claims["sub"] == sub
