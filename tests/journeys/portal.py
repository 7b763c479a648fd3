"""A partner's site on the kit, and MAG listening for it, for journeys that cross both."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from werkzeug.serving import make_server
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.seals import digest
from partners import onboarding
from partners.kit import MagKit, current_identity, require_mag
from tests.conftest import MagClient
from tests.factories import se_connecter

SECRET = "secret-du-kit-0123456789-abcdefghijkl"
SIRET = 73282932000074
SCOPE = "openid profile siret habilitations:dsn habilitations:ducs"


@contextmanager
def serving(wsgi_app: Any) -> Iterator[None]:
    """MAG listens at its issuer's port."""
    with listening(wsgi_app, urlsplit(wsgi_app.mag.settings.issuer).port or 0):
        yield


@contextmanager
def listening(application: Any, port: int, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """An application listens in this process. TLS handshakes are left to each connection's thread: browsers open some for nothing."""
    server = make_server("127.0.0.1", port, application, threaded=True, ssl_context=tls)
    if tls:
        server.socket.do_handshake_on_connect = False  # type: ignore[attr-defined]  # werkzeug made it an SSLSocket
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


def make_portal(served: Any, name: str, metadata: dict[str, Any], **parameters: Any) -> Portal:
    origin = f"https://{name}.test"
    registered = {
        "redirect_uris": [f"{origin}/auth/mag/callback"],
        "post_logout_redirect_uris": [f"{origin}/auth/mag/logged-out"],
        "scope": SCOPE,
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256",
        **metadata,
    }
    with served.flask.app_context():
        partenaire = onboarding.register_partenaire(name, name, None, datetime.now(UTC))
        onboarding.register_client(partenaire, registered, datetime.now(UTC), client_id=name, secret_hashes=[digest(SECRET + name)])
        db.session.commit()
    served.mag.versions.refresh()
    app = Flask(name)
    app.secret_key = "k" * 40
    given = {"issuer": served.mag.settings.issuer, "base_url": origin, "client_id": name, "scope": SCOPE, "recheck": 0, **parameters}
    if "private_key" not in given:
        given["client_secret"] = SECRET + name
    kit = MagKit(app, **given)

    @app.get("/")
    def accueil() -> str:
        identity = current_identity()
        return identity.full_name if identity else "personne"

    @app.get("/espace")
    @require_mag()
    def espace() -> dict[str, Any]:
        identity = current_identity()
        assert identity is not None
        return {
            "name": identity.full_name,
            "siret": identity.siret,
            "dsn": identity.peut("declarer", "dsn", str(SIRET)),
            "services": sorted(identity.habilitations.services),
        }

    @app.post("/payer")
    @require_mag()
    def payer() -> tuple[str, int]:
        identity = current_identity()
        done = identity is not None and identity.peut("payer", "dsn", str(SIRET))
        return ("payé", 200) if done else ("non", 403)

    return Portal(app, kit, served, origin)
