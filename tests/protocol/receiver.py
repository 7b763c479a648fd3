"""A partner's web server that receives notices: a real one, on this machine, which answers what a test says, or does not answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.protocol.relying import unverified_claims

PATIENCE = 10
"""Seconds a test waits for what must come."""


class Receiver:
    """Answers each path with `statuses[path]` (the last one goes on), 200 by default; a path of `hanging` waits for `release`."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.statuses: dict[str, list[int]] = {}
        self.hanging: set[str] = set()
        self.release = threading.Event()
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """What a browser opens there: its query is kept as the form would be."""
                path, _, query = self.path.partition("?")
                receiver._received(path, query, {name.lower(): value for name, value in self.headers.items()})
                if path in receiver.hanging:
                    receiver.release.wait(PATIENCE)
                body = b"<!doctype html><title>Partenaire</title><p>Ici le partenaire"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                receiver._received(self.path, body, {name.lower(): value for name, value in self.headers.items()})
                if self.path in receiver.hanging:
                    receiver.release.wait(PATIENCE)
                status = receiver._status(self.path)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"http://{self.headers['Host']}/ailleurs")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def address(self, path: str, host: str = "partenaire.localhost") -> str:
        return f"http://{host}:{self.port}{path}"

    def _received(self, path: str, body: str, headers: dict[str, str]) -> None:
        with self._arrived:
            self.requests.append({"path": path, "body": body, "form": parse_qs(body, keep_blank_values=True), "headers": headers})
            self._arrived.notify_all()

    def _status(self, path: str) -> int:
        left = self.statuses.get(path, [200])
        return left.pop(0) if len(left) > 1 else left[0]

    def at(self, path: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["path"] == path]

    def tokens(self, path: str) -> list[str]:
        """Logout tokens received there, in order."""
        return [request["form"]["logout_token"][0] for request in self.at(path)]

    def arrived(self, path: str, count: int = 1) -> None:
        """Waits until there are `count` requests there."""
        with self._arrived:
            came = self._arrived.wait_for(lambda: len(self.at(path)) >= count, PATIENCE)
        assert came, f"{len(self.at(path))} of {count} notices came to {path}"

    def wait(self, path: str, count: int = 1) -> list[str]:
        """The tokens received there once there are `count`."""
        self.arrived(path, count)
        return self.tokens(path)

    def sids(self, path: str) -> list[str]:
        return [unverified_claims(token)["sid"] for token in self.tokens(path)]


@contextmanager
def receiving() -> Iterator[Receiver]:
    found = Receiver()
    try:
        yield found
    finally:
        found.release.set()
        found.server.shutdown()
        found.server.server_close()
