"""Many requests at one instant, as an attacker sends them: each connection sends all but its last byte, then every last byte leaves.

Bare sockets, on purpose: a client library would hold requests back, or send them one after another.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlencode

import orjson

from tests.protocol.relying import Partner

HOST = "mag.test"
PATIENCE = 30
"""Seconds an answer may take on a machine busy elsewhere."""


@dataclass(frozen=True)
class Reply:
    """An answer, and between which two instants (epoch seconds) the server had the whole request and gave it."""

    status_code: int
    headers: HTTPMessage
    body: bytes
    sent_at: float
    read_at: float

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])

    def get_data(self, *, as_text: bool) -> str:
        return self.body.decode()


def request(path: str, method: str = "GET", *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of one request, on a connection of its own."""
    body = urlencode(form).encode() if form is not None else b""
    sent = {"Host": HOST, "Connection": "close", **(headers or {})}
    if form is not None:
        sent |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def post(partner: Partner, path: str, form: Mapping[str, str], *, credentials: Any = None, **headers: str) -> bytes:
    """A form that this client authenticates."""
    authorization, fields = credentials or partner.credentials()
    return request(path, "POST", form={**fields, **form}, headers={**authorization, **headers})


def token(partner: Partner, grant_type: str, *, credentials: Any = None, dpop: str = "", **form: str) -> bytes:
    headers = {"DPoP": dpop} if dpop else {}
    return post(partner, "/token", {"grant_type": grant_type, **form}, credentials=credentials, **headers)


def at_once(port: int, requests: Sequence[bytes], meanwhile: Callable[[], Any] = lambda: None) -> list[Reply]:
    """The answers, in the order of the requests. `meanwhile` begins as the last bytes leave; its exception is raised here."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in requests]
    try:
        for connection, whole in zip(connections, requests, strict=True):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(whole[:-1])
        with ThreadPoolExecutor(1) as beside:
            change = beside.submit(meanwhile)
            sent = []
            for connection, whole in zip(connections, requests, strict=True):
                sent.append(time.time())
                connection.sendall(whole[-1:])
            replies = [_read(connection, at) for connection, at in zip(connections, sent, strict=True)]
            change.result(PATIENCE)
        return replies
    finally:
        for connection in connections:
            connection.close()


def _read(connection: socket.socket, sent_at: float) -> Reply:
    answer = HTTPResponse(connection)
    answer.begin()
    body = answer.read()
    return Reply(answer.status, answer.headers, body, sent_at, time.time())
