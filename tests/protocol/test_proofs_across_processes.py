"""What serves once serves once whichever process reads it: two servers, PostgreSQL and Redis, requests that leave together.

RFC 9449 section 11.1, RFC 7523 section 3; check C24. Also what only a real server shows: the same header twice.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from threading import Barrier
from urllib.parse import urlencode, urlsplit

import pytest
from joserfc.jwk import ECKey

from tests import services
from tests.protocol.certificates import held
from tests.protocol.relying import ASSERTION_TYPE

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
MACHINE = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "api:lire"}


@pytest.fixture
def addresses(live_server):
    """Two servers of one issuer."""
    issuer = live_server()
    other = services.free_port()
    return issuer, live_server(other, MAG_ISSUER=issuer, MAG_HOSTS=f"mag.localhost:{other}")


def post(address: str, form: dict[str, str], headers: list[tuple[str, str]], barrier: Barrier | None = None) -> int:
    """A token request, its last byte sent when everybody else's is about to be."""
    body, parts = urlencode(form).encode(), urlsplit(address)
    connection = HTTPConnection("127.0.0.1", parts.port, timeout=30)
    connection.putrequest("POST", "/token", skip_host=True)
    for name, value in [("Host", parts.netloc), ("Content-Type", "application/x-www-form-urlencoded"), *headers]:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:-1])
    if barrier is not None:
        barrier.wait(30)
    connection.send(body[-1:])
    status = connection.getresponse().status
    connection.close()
    return status


def race(count: int, addresses, form: dict[str, str], headers: list[tuple[str, str]]) -> Counter[int]:
    barrier = Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        return Counter(pool.map(lambda n: post(addresses[n % 2], form, headers, barrier), range(count)))


def test_C24_a_proof_and_an_assertion_serve_once_in_both_processes(partner, addresses):
    """Proofs x20, assertions x12."""
    machine = replace(partner("machine", **MACHINE), dpop=ECKey.generate_key("P-256"))
    signer = partner("signataire", token_endpoint_auth_method="private_key_jwt", **MACHINE)
    form = {"grant_type": "client_credentials"}
    basic = list(machine.credentials()[0].items())
    assertion = {**form, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signer.assertion(aud=addresses[0])}

    for _ in range(3):
        proof = machine.proof(htu=f"{addresses[0]}/token")
        assert race(20, addresses, form, [*basic, ("DPoP", proof)]) == {200: 1, 400: 19}
    assert race(12, addresses, assertion, []) == {200: 1, 401: 11}


def test_4_3_1_the_same_header_twice_is_refused_and_a_certificate_of_anybody_is_not_read(partner, live_server):
    address = live_server(MAG_TRUSTED_PROXIES="1", MAG_TLS_PROXIES="192.0.2.0/24", MAG_TLS_CERTIFICATE_HEADER="X-Client-Cert")
    machine = replace(partner("machine", **MACHINE), dpop=ECKey.generate_key("P-256"))
    jwks = {"keys": [held().jwk]}
    certified = partner("certifie", token_endpoint_auth_method="self_signed_tls_client_auth", jwks=jwks, **MACHINE)
    form, basic = {"grant_type": "client_credentials"}, list(machine.credentials()[0].items())
    proofs = [("DPoP", machine.proof(htu=f"{address}/token")) for _ in range(2)]
    header = [("X-Client-Cert", held().connection()["HTTP_X_CLIENT_CERT"]), ("X-Forwarded-For", "192.0.2.1")]

    assert post(address, form, [*basic, *proofs]) == 400
    assert post(address, form, [*basic, proofs[0]]) == 200
    assert post(address, form, [*basic, ("dpop", machine.proof(htu=f"{address}/token"))]) == 200
    assert post(address, {**form, "client_id": certified.client_id}, header) == 401
