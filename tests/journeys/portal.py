"""A partner's site on the kit, and MAG listening for it, for journeys that cross both."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from werkzeug.serving import make_server
from werkzeug.test import Client, TestResponse

from partners.kit import MagKit
from tests.conftest import MagClient
from tests.factories import se_connecter


@contextmanager
def serving(wsgi_app: Any) -> Iterator[None]:
    """MAG listens at its issuer's port."""
    port = urlsplit(wsgi_app.mag.settings.issuer).port
    server = make_server("127.0.0.1", port or 0, wsgi_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def listening(app: Flask, port: int) -> Iterator[None]:
    """A partner's site listens, for what MAG tells it."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Browser(MagClient):
    """Follows addresses of the site it is on."""

    def open(self, *args: Any, **kw: Any) -> TestResponse:
        if args and isinstance(args[0], str):
            args = (args[0].removeprefix(self.origin), *args[1:])
        return super().open(*args, **kw)


@dataclass
class Portal:
    """A partner's site: its application, its kit, a browser of somebody."""

    app: Flask
    kit: MagKit
    mag: Any
    origin: str

    def browser(self) -> Client:
        return Browser(self.app, self.origin)

    def mire(self) -> Client:
        """The same person's browser, at MAG."""
        return Browser(self.mag, self.mag.mag.settings.issuer_origin)

    def sign_in(self, browser: Client, mire: Client, path: str = "/espace", **typed: str) -> TestResponse:
        """From a protected page, through MAG, back: the answer of the callback."""
        start = browser.get(browser.get(path).location)
        return browser.get(self.through(mire, start.location, **typed))

    def through(self, mire: Client, address: str, **typed: str) -> str:
        """What MAG answers the partner, the password typed if it asks."""
        response = mire.get(address)
        if urlsplit(response.location).path == "/connexion":
            demande = parse_qs(urlsplit(response.location).query)["demande"][0]
            response = mire.get(se_connecter(mire, demande=demande, **typed).location)
        return response.location
