"""What each request meets first: is it for this host, is it small enough, and which of the doors is it for."""

import os
from collections.abc import Callable, Iterable
from operator import itemgetter
from random import getrandbits
from typing import Any, Protocol
from urllib.parse import urlsplit

from flask import Flask

from idp import http
from idp.audit.journal import Circumstances, circumstances

URL_LIMIT = 8 * 1024
"""Bytes of path and query; longer answers 414."""
HEADERS_LIMIT = 16 * 1024
"""Bytes of the values of all headers; more answers 431."""
NAMES_REMEMBERED, NAMES_LIMIT = 64, 4 * 1024
"""Sets of names in requests, which callers send again and again; and how long those of one are together at most."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class Machines(Protocol):
    """The endpoints that machines call all day."""

    def find(self, path: str) -> Any: ...

    def answer(self, endpoint: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]: ...


class Doors:
    """Both doors behind one host check and one size limit. `flask` is the page door; the desk, if any, has a host of its own.

    `alone`: the desk, and nothing else. `watch` is called at each request.
    """

    def __init__(
        self,
        flask: Flask,
        desk: Flask | None,
        machines: Machines,
        authorization: Application,
        watch: Callable[[], None],
        *,
        alone: bool = False,
    ) -> None:
        self.flask, self.desk, self.machines, self.authorization, self.watch = flask, desk, machines, authorization, watch
        self.mag: http.Mag = flask.extensions["mag"]
        settings = self.mag.settings
        self.default_port = ":443" if settings.issuer.startswith("https:") else ":80"
        self.hosts = frozenset(() if alone else (self._canonical(host) for host in (settings.issuer_host, *settings.hosts)))
        self.desk_host = self._canonical(urlsplit(settings.desk_url).netloc)
        self.authorize = settings.issuer_path + "/authorize"
        self.trusted_proxies = settings.trusted_proxies
        self.surroundings = frozenset(name for name in os.environ if not name.startswith("HTTP_"))
        """Servers copy them into each request: they are not its headers."""
        self._headers: dict[tuple[str, ...], Callable[[Environ], tuple[str, ...]]] = {}
        """By the names of a request, what takes the values of its headers out of it."""

    def _canonical(self, host: str) -> str:
        """RFC 9110 section 4.2.3: a host has no case, and need not say the port of its scheme."""
        return host.lower().removesuffix(self.default_port)

    def _getter(self, names: tuple[str, ...]) -> Callable[[Environ], tuple[str, ...]]:
        """Takes the values of headers out of a request that has these names."""
        headers = [name for name in names if name[:5] == "HTTP_" and name not in self.surroundings]
        if len(headers) < 2:
            return lambda environ: tuple(environ[name] for name in headers)
        found: Callable[[Environ], tuple[str, ...]] = itemgetter(*headers)
        if sum(map(len, headers)) <= NAMES_LIMIT:
            if len(self._headers) >= NAMES_REMEMBERED:
                self._headers.clear()
            self._headers[names] = found
        return found

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        at_desk = self.desk is not None and self._canonical(host) == self.desk_host
        if not at_desk and host not in self.hosts and self._canonical(host) not in self.hosts:
            return refuse(start_response, "421 Misdirected Request", b"This host is not served here.\n")
        path = environ.get("PATH_INFO", "")
        if len(path) + len(environ.get("QUERY_STRING", "")) > URL_LIMIT:
            return refuse(start_response, "414 URI Too Long", b"This address is too long.\n")
        names = tuple(environ)
        if sum(map(len, (self._headers.get(names) or self._getter(names))(environ))) > HEADERS_LIMIT:
            return refuse(start_response, "431 Request Header Fields Too Large", b"These headers are too large.\n")
        self.watch()
        environ["mag.request_id"] = request_id = f"{getrandbits(64):016x}"
        if path == self.authorize and not at_desk:
            return self.authorization(environ, start_response)
        endpoint = None if at_desk else self.machines.find(path)
        if endpoint is None:
            pages = self.desk if at_desk and self.desk else self.flask
            return pages.wsgi_app(environ, start_response)
        token = circumstances.set(Circumstances(http.address_of(environ, self.trusted_proxies), request_id))
        try:
            return self.machines.answer(endpoint, environ, start_response)
        finally:
            circumstances.reset(token)


def refuse(start_response: StartResponse, status: str, text: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
    start_response(status, [*headers, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")])
    return [text]
