"""Calls that MAG makes to addresses a partner wrote, against real servers (C52, C55)."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.config import Secret, Settings
from idp.oidc.client import Client
from partners import outgoing
from partners.outgoing import Fetcher, OutgoingRefusedError, is_public
from partners.published_keys import JwksCache, read_keys

HOST = "partenaire.exemple.fr"


def settings(**changes: Any) -> Settings:
    return Settings(issuer="https://mag.test", secrets=(Secret("essai", bytes(range(32))),), **changes)


class Site:
    """A partner's web server. `answer` is (status, headers, body); `requests` what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {"Content-Type": "application/json"}, b"{}")
        self.pieces: Callable[[], Iterator[bytes]] | None = None
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                known = {"path": self.path, "method": self.command, "body": sent}
                site.requests.append({**known, **{name.lower(): value for name, value in self.headers.items()}})
                status, headers, body = site.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if site.pieces is None:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for piece in site.pieces() if site.pieces else [body]:
                        self.wfile.write(piece)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem`, and `site.pem` for HOST."""
    folder, now = tmp_path_factory.mktemp("ca"), datetime.now(UTC)

    def certificate(name: str, issuer: x509.Name | None, signer: Any, key: Any, *, ca: bool) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=ca,
            crl_sign=ca,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(usage, critical=True)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("ca.test", None, ca_key, ca_key, ca=True)
    leaf = certificate(HOST, ca.subject, ca_key, key, ca=False)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "site.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + pem)
    return folder


@pytest.fixture
def secure_site(site: Site, authority: Path) -> Site:
    """The same, over TLS, with a certificate for HOST."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "site.pem")
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    return site


def here(_host: str, _port: int) -> list[str]:
    """A resolver for which every name is this machine."""
    return ["127.0.0.1"]


@pytest.fixture
def fetcher(site: Site) -> Fetcher:
    """Allowed to call the site over plain HTTP."""
    return Fetcher(settings(outgoing_hosts=(f"site.localhost:{site.port}",)))


# ------------------------------------------------------------------------------------------------------------ where to call


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "100.64.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "255.255.255.255",
        "192.0.2.1",
    ],
)
def test_C52_an_address_that_is_not_of_the_internet(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://partenaire.fr/k",
        "https://127.0.0.1/k",
        "https://localhost/k",
        "https://[::1]/k",
        "https://10.0.0.1/k",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://partenaire.fr/k",
        "https://",
        "https://user:pw@partenaire.fr/k",
        "https://partenaire.fr:99999/",
        "https://é.fr/",
        "x",
        "https://[::1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "gopher://127.0.0.1:70/",
        "https://partenaire.fr/a\r\nHost: x",
    ],
)
def test_C52_addresses_that_are_never_called(url):
    with pytest.raises(OutgoingRefusedError):
        Fetcher(settings()).json(url)


def test_C52_one_private_address_among_public_ones_is_refused():
    fetcher = Fetcher(settings(), resolver=lambda _host, _port: ["8.8.8.8", "127.0.0.1"])

    with pytest.raises(OutgoingRefusedError, match="not a public address"):
        fetcher.json("https://partenaire.fr/k")


def test_C52_the_name_is_resolved_once_and_the_connection_goes_there(secure_site, authority):
    asked = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.9.9.9"]

    fetcher = Fetcher(settings(extra_ca=str(authority / "ca.pem"), outgoing_hosts=(HOST,)), resolver=rebinding)
    assert fetcher.json(f"https://{HOST}:{secure_site.port}/k?a=b") == {}
    assert asked == [HOST]
    assert secure_site.requests[0]["host"] == f"{HOST}:{secure_site.port}"
    assert secure_site.requests[0]["path"] == "/k?a=b"


def test_a_certificate_must_come_from_a_known_authority_and_be_the_names(secure_site, authority):
    trusting = settings(extra_ca=str(authority / "ca.pem"), outgoing_hosts=(HOST, "autre.fr"))

    with pytest.raises(OutgoingRefusedError):
        Fetcher(settings(outgoing_hosts=(HOST,)), resolver=here).json(f"https://{HOST}:{secure_site.port}/")
    with pytest.raises(OutgoingRefusedError):
        Fetcher(trusting, resolver=here).json(f"https://autre.fr:{secure_site.port}/")


def test_a_name_that_does_not_resolve():
    with pytest.raises(OutgoingRefusedError, match="does not resolve"):
        Fetcher(settings()).json("https://nulle-part.invalid/k")


def test_plain_http_for_hosts_the_operator_allowed_with_their_port(site, fetcher):
    assert fetcher.json(f"http://site.localhost:{site.port}/k") == {}
    with pytest.raises(OutgoingRefusedError):
        fetcher.json(f"http://autre.localhost:{site.port}/k")
    assert len(site.requests) == 1
    assert not {"authorization", "cookie", "referer"} & set(site.requests[0])


# ----------------------------------------------------------------------------------------------------------- what it answers


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((302, {"Location": "http://127.0.0.1/"}, b""), id="redirect"),
        pytest.param((404, {"Content-Type": "application/json"}, b"{}"), id="404"),
        pytest.param((200, {"Content-Type": "text/html"}, b"{}"), id="html"),
        pytest.param((200, {}, b"{}"), id="no-type"),
        pytest.param((200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"\x1f\x8b"), id="C53-compressed"),
        pytest.param((200, {"Content-Type": "application/json"}, b"nonsense"), id="not-json"),
        pytest.param((200, {"Content-Type": "application/json"}, b"[" * 60_000), id="C53-nested"),
        pytest.param((200, {"Content-Type": "application/json"}, b'"' + b"a" * 70_000 + b'"'), id="too-long"),
    ],
)
def test_C52_answers_that_are_refused(site, fetcher, answer):
    site.answer = answer

    with pytest.raises(OutgoingRefusedError):
        fetcher.json(f"http://site.localhost:{site.port}/k")
    assert len(site.requests) == 1


def test_C52_an_endless_answer_is_cut(site, fetcher):
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 8192

    site.pieces = endless
    with pytest.raises(OutgoingRefusedError, match="more than"):
        fetcher.json(f"http://site.localhost:{site.port}/k")


def test_C52_a_slow_answer_is_cut(site, fetcher, monkeypatch):
    """Each piece comes in time; the whole does not."""
    monkeypatch.setattr(outgoing, "TIME_LIMIT", 0.3)
    pause = threading.Event()

    def slow() -> Iterator[bytes]:
        for _ in range(50):
            yield b" "
            pause.wait(0.05)

    site.pieces = slow
    with pytest.raises(OutgoingRefusedError, match=r"took more than|Timeout"):
        fetcher.json(f"http://site.localhost:{site.port}/k")


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("piece", [b"X-Attente: oui\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["headers", "100-continue"])
def test_C52_headers_that_drip_are_cut(authority, monkeypatch, secure, piece):
    """Each line comes in time, and the headers never end."""
    monkeypatch.setattr(outgoing, "TIME_LIMIT", 0.4)
    stopped, server = threading.Event(), socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "site.pem")

    def drip() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            connection = context.wrap_socket(connection, server_side=True) if secure else connection
            with connection:
                connection.sendall(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
                while not stopped.wait(0.05):
                    connection.sendall(piece)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    fetcher = Fetcher(settings(extra_ca=str(authority / "ca.pem"), outgoing_hosts=(HOST,)), resolver=here)
    began = time.monotonic()
    with pytest.raises(OutgoingRefusedError, match=r"took more than|Timeout"):
        fetcher.json(f"{'https' if secure else 'http'}://{HOST}:{server.getsockname()[1]}/k")
    assert time.monotonic() - began < 1.5
    stopped.set()
    server.close()
    thread.join()


def test_C52_a_name_that_resolves_slowly_holds_one_thread_and_stops_nobody_else(site, monkeypatch):
    monkeypatch.setattr(outgoing, "TIME_LIMIT", 0.2)
    asked, answered = [], threading.Event()

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        if host.startswith("lent"):
            answered.wait(10)
        return ["127.0.0.1"]

    fetcher = Fetcher(settings(outgoing_hosts=("lent.exemple.fr", "site.localhost")), resolver=resolver)

    def ask_the_slow_one() -> None:
        with pytest.raises(OutgoingRefusedError, match="does not resolve"):
            fetcher.json("https://lent.exemple.fr/k")

    threads = [threading.Thread(target=ask_the_slow_one) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(outgoing, "TIME_LIMIT", 3.0)
    assert fetcher.json(f"http://site.localhost:{site.port}/k") == {}
    assert asked == ["lent.exemple.fr", "site.localhost"]
    answered.set()


# -------------------------------------------------------------------------------------------------------------------- keys


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(fetcher: Fetcher, clock: Clock) -> JwksCache:
    return JwksCache(settings(), fetcher=fetcher, clock=clock)


@pytest.fixture
def client(site: Site) -> Client:
    return Client(client_id="essai", client_name="Essai", jwks_uri=f"http://site.localhost:{site.port}/jwks")


def publish(site: Site, *kids: str) -> None:
    keys = [ECKey.generate_key("P-256", {"kid": kid, "use": "sig"}).as_dict(private=False) for kid in kids]
    site.answer = (200, {"Content-Type": "application/jwk-set+json"}, json.dumps({"keys": keys}).encode())


def kids(found: Any) -> set[str]:
    return {key.kid for key in found.keys}


def test_so_many_clients_at_most_are_kept_and_the_oldest_makes_room(site, cache, client, monkeypatch):
    publish(site, "k1")
    monkeypatch.setattr(JwksCache, "MANY", 2)
    first, second, third = (replace(client, client_id=name) for name in ("un", "deux", "trois"))
    for one in (first, second, third, second, third):
        assert kids(cache.get(one, "k1")) == {"k1"}
    assert len(site.requests) == 3

    cache.get(first, "k1")

    assert len(site.requests) == 4


def test_keys_are_fetched_once_and_kept_five_minutes(site, cache, client, clock):
    publish(site, "a")

    assert kids(cache.get(client, "a")) == {"a"}
    clock.now += 299
    assert kids(cache.get(client, "a")) == {"a"}
    assert len(site.requests) == 1
    clock.now += 2
    cache.get(client, "a")
    assert len(site.requests) == 2


def test_a_rotated_key_is_found_within_a_minute(site, cache, client, clock):
    publish(site, "a")
    cache.get(client, "a")
    publish(site, "b")

    clock.now += 31
    assert kids(cache.get(client, "b")) == {"b"}


def test_C55_unknown_kids_cause_two_calls_a_minute_at_most(site, cache, client, clock):
    publish(site, "a")
    for n in range(1000):
        cache.get(client, f"inconnu-{n}")
        clock.now += 0.06

    assert len(site.requests) <= 3


def test_C52_a_failure_is_remembered(site, cache, client, clock):
    site.answer = (500, {}, b"")

    for _ in range(50):
        assert cache.get(client, "a") is None
    assert len(site.requests) == 1
    publish(site, "a")
    clock.now += 31
    assert kids(cache.get(client, "a")) == {"a"}


def test_the_last_keys_serve_while_the_site_is_away_but_not_for_ever(site, cache, client, clock):
    publish(site, "a")
    cache.get(client, "a")
    site.answer = (503, {}, b"")

    clock.now += 1800
    assert kids(cache.get(client, "a")) == {"a"}
    clock.now += 1801
    assert cache.get(client, "a") is None


def test_a_new_address_makes_the_old_keys_forgotten(site, cache, client):
    publish(site, "a")
    cache.get(client, "a")
    publish(site, "b")
    moved = Client(client_id="essai", client_name="Essai", jwks_uri=client.jwks_uri + "/2")

    assert kids(cache.get(moved, "b")) == {"b"}


def test_many_threads_make_one_call(site, cache, client):
    publish(site, "a")
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(cache.get(client, "a"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(site.requests) == 1
    assert all(kids(one) == {"a"} for one in found)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": []},
        {"keys": "x"},
        {"keys": [1]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": [{"kty": "EC", "crv": "P-256"}]},
        {"keys": [{"kty": "EC", "crv": "x", "x": 1, "y": 2}]},
        {"keys": [{"kty": "EC", "crv": "brainpoolP256r1", "x": "AQAB", "y": "AQAB"}]},
    ],
)
def test_a_document_without_a_public_key(document):
    with pytest.raises(OutgoingRefusedError):
        read_keys(document)


@pytest.mark.filterwarnings("ignore:Key size")
def test_one_bad_key_does_not_hide_the_others():
    good = ECKey.generate_key("P-256", {"kid": "bon"})
    private, encryption = good.as_dict(private=True) | {"kid": "prive"}, good.as_dict(private=False) | {"use": "enc", "kid": "enc"}
    edwards = OKPKey.generate_key("Ed25519", {"kid": "ed"}).as_dict(private=False)
    curve = good.as_dict(private=False) | {"crv": "brainpoolP256r1", "kid": "courbe"}

    weak = RSAKey.generate_key(1024, {"kid": "faible"}).as_dict(private=False)

    keys, known = read_keys({"keys": [{"kty": "EC"}, curve, weak, private, encryption, edwards, good.as_dict(private=False)]})
    assert known == kids(keys) == {"bon", "enc", "ed"}


# ------------------------------------------------------------------------------------------------------- notices delivered


def test_a_notice_is_posted_and_its_answer_is_a_number(site, fetcher):
    site.answer = (204, {}, b"")
    status = fetcher.post(
        f"http://site.localhost:{site.port}/avis?a=b", b"logout_token=x", {"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert status == 204
    request = site.requests[0]
    assert (request["method"], request["path"], request["body"]) == ("POST", "/avis?a=b", "logout_token=x")
    assert request["content-type"] == "application/x-www-form-urlencoded"
    assert not {"authorization", "cookie", "referer"} & set(request)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_C52_a_notice_follows_no_redirect(site, fetcher, status):
    site.answer = (status, {"Location": f"http://site.localhost:{site.port}/ailleurs"}, b"")

    assert fetcher.post(f"http://site.localhost:{site.port}/avis", b"x", {}) == status
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://partenaire.exemple.fr/avis", "https://127.0.0.1:1/avis", "https://[::1]/avis", "ftp://site.localhost/"]
)
def test_C52_a_notice_goes_where_documents_may_come_from_and_nowhere_else(fetcher, url):
    with pytest.raises(OutgoingRefusedError):
        fetcher.post(url, b"x", {})


def test_C52_a_notice_to_a_server_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(outgoing, "NOTICE_LIMIT", 0.3)
    fetcher = Fetcher(settings(outgoing_hosts=("site.localhost",)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(OutgoingRefusedError, match="Timeout"):
            fetcher.post(f"http://site.localhost:{silent.getsockname()[1]}/avis", b"x", {})
    assert time.monotonic() - began < 1.5
