"""One keep-alive HTTP/1.1 connection with a cookie jar, cheap enough to load a server from the machine it runs on.

Left out on purpose: TLS, redirects, chunked answers; MAG's own answers always say their length.
"""

import socket
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


class BrokenAnswerError(Exception):
    """The answer is not what this client reads."""


@dataclass
class Answer:
    status: int
    location: str
    body: bytes


@dataclass
class Connection:
    """Requests go out one after the other. Cookies are sent whatever their attributes: there is one server."""

    base: str
    port: int = 0
    """Where it connects, when that is not the port that `base` names: a proxy would send it there."""
    cookies: dict[str, str] = field(default_factory=dict)
    _socket: socket.socket | None = None
    _read: bytes = b""

    def get(self, path: str, headers: str = "") -> Answer:
        return self.request("GET", path, headers)

    def post(self, path: str, form: dict[str, str], headers: str = "") -> Answer:
        return self.request("POST", path, FORM + headers, urlencode(form).encode())

    def request(self, method: str, path: str, headers: str = "", body: bytes | None = None) -> Answer:
        """`headers` is text, each line ended."""
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(self.base).netloc}\r\n{headers}"
        head += f"Cookie: {jar}\r\n" if jar else ""
        head += f"Content-Length: {len(body)}\r\n" if body is not None else ""
        message = head.encode() + b"\r\n" + (body or b"")
        try:
            return self._exchange(message)
        except ConnectionError:
            self.close()
            return self._exchange(message)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._read = None, b""

    def _exchange(self, message: bytes) -> Answer:
        if self._socket is None:
            parts = urlsplit(self.base)
            self._socket = socket.create_connection((parts.hostname or "", self.port or parts.port or 80), timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        lines = self._until_blank_line().decode("latin-1").split("\r\n")
        length, location, closing = 0, "", False
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "content-length":
                length = int(value)
            elif name == "location":
                location = value
            elif name == "set-cookie":
                self._keep(value)
            elif name == "connection":
                closing = value.lower() == "close"
            elif name == "transfer-encoding":
                raise BrokenAnswerError("a chunked answer")
        body = self._exactly(length)
        if closing:
            self.close()
        return Answer(int(lines[0].split(" ", 2)[1]), location, body)

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.split(";", 1)[0].partition("=")
        if value:
            self.cookies[name] = value
        else:
            self.cookies.pop(name, None)

    def _until_blank_line(self) -> bytes:
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self._read = self._read[:end], self._read[end + 4 :]
        return head

    def _exactly(self, length: int) -> bytes:
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return body

    def _more(self) -> None:
        got = self._socket.recv(65536) if self._socket else b""
        if not got:
            raise ConnectionResetError("closed by the server")
        self._read += got
