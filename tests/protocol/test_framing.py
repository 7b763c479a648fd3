"""Requests that two programs could cut in two ways, sent as bytes to the server itself: refused, or closed, and one answer (C55b)."""

import re
import socket

import pytest

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
BODY = b"grant_type=client_credentials"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
def send(live_server):
    """`send(raw)`: status codes of every answer that came back before the server closed or fell silent."""
    address = live_server()
    host, port = address.removeprefix("http://"), int(address.rpartition(":")[2])

    def act(raw: bytes, *, line: bytes = b"POST /token HTTP/1.1", host_lines: bytes | None = None) -> list[int]:
        hosts = f"Host: {host}\r\n".encode() if host_lines is None else host_lines
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(line + b"\r\n" + hosts + raw)
            connection.settimeout(1.5)
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except (TimeoutError, ConnectionError):
                pass
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]

    return act


def closing(*headers: bytes) -> bytes:
    return b"".join(header + b"\r\n" for header in (*headers, b"Connection: close")) + b"\r\n"


def test_ambiguous_requests_have_at_most_one_answer_which_is_a_refusal(send):
    length = b"Content-Length: %d" % len(BODY)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    smuggled = b"GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n"
    requests = {
        "two lengths": FORM + closing(length, b"Content-Length: 3") + BODY,
        "length not a number": FORM + closing(b"Content-Length: abc") + BODY,
        "negative length": FORM + closing(b"Content-Length: -5") + BODY,
        "length with a sign": FORM + closing(b"Content-Length: +5") + BODY,
        "unknown coding": FORM + closing(b"Transfer-Encoding: identity, foo") + BODY,
        "bad chunk size": FORM + closing(b"Transfer-Encoding: chunked") + b"zz\r\n" + BODY,
        "space before colon": FORM + closing(b"Content-Length : 5") + BODY,
        "no host": None,
        "two hosts": None,
        "request smuggled behind a length and chunks": FORM + closing(length, b"Transfer-Encoding: chunked") + chunks + smuggled,
    }

    for name, raw in requests.items():
        if name == "no host":
            statuses = send(FORM + closing(length) + BODY, host_lines=b"")
        elif name == "two hosts":
            statuses = send(FORM + closing(length) + BODY, host_lines=b"Host: mal.test\r\nHost: autre.test\r\n")
        else:
            statuses = send(raw)
        assert len(statuses) <= 1, (name, statuses)
        assert all(400 <= status < 500 for status in statuses), (name, statuses)


def test_sizes_are_bounded_on_the_wire(send):
    """C56; chunks are a body like another."""
    chunks, chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), FORM + closing(b"Transfer-Encoding: chunked")
    many = b"\r\n".join(b"X-A%d: " % n + b"a" * 500 for n in range(60))

    assert send(chunked + chunks) == [401]
    assert send(chunked + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 4 + b"0\r\n\r\n") in ([413], [])
    assert send(closing(), line=b"GET /jwks?" + b"a" * 9000 + b" HTTP/1.1") == [414]
    assert send(closing(b"X-A: " + b"a" * 20_000), line=b"GET /jwks HTTP/1.1") == [431]
    assert send(closing(many), line=b"GET /jwks HTTP/1.1") == [431]
    assert send(closing(), line=b"GET /jwks HTTP/1.1") == [200]
    assert send(closing(), line=b"HEAD /jwks HTTP/1.1") == [200]
    assert send(closing(), line=b"BREW /jwks HTTP/1.1") == [405]
    for line in (b"GET /jwks\0 HTTP/1.1", b"GET /\xff\xfe HTTP/1.1", b"GET /authorize?a=\xff HTTP/1.1"):
        assert all(400 <= status < 500 for status in send(closing(), line=line)), line
