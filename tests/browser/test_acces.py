"""In Chromium: a link of a mail leads through the sign-in to the partner's page; a sign-in ends at each registered address (W14).

The browser follows the form of the mire to the last redirect under its `form-action`: what the policy forgets, it stops.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.serving import make_server

from idp.database import db
from partners import onboarding
from partners.kit import MagKit, current_identity
from tests import services
from tests.browser.conftest import look_at
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
SECRET = "secret-du-portail-0123456789-abcdefghij"


@pytest.fixture
def mag(app, live_server) -> str:
    un_declarant(app)
    return live_server()


@pytest.fixture
def served() -> Iterator[Any]:
    """`served(application)`: the port where a partner's site listens."""
    running = []

    def start(application: Any, port: int = 0) -> int:
        server = make_server("127.0.0.1", port, application, threaded=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((server, thread))
        return server.server_port

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def register(app: Flask, **metadata: Any) -> None:
    with app.app_context():
        partenaire = onboarding.register_partenaire("portail", "Portail", None, datetime.now(UTC))
        given = {"client_name": "Mon portail", "scope": "openid profile siret", "id_token_signed_response_alg": "ES256", **metadata}
        onboarding.register_client(partenaire, given, datetime.now(UTC), client_id="portail", secret=SECRET)
        db.session.commit()


def sign_in(opened: Any) -> None:
    for name, text in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


@pytest.fixture
def portail(app, mag, served) -> str:
    """A partner on the kit, which takes a sign-in that starts at MAG; its address."""
    port = services.free_port()
    site, here = f"http://portail.localhost:{port}", Flask("portail")
    here.secret_key = "k" * 40
    MagKit(here, issuer=mag, base_url=site, client_id="portail", client_secret=SECRET)
    here.add_url_rule("/dsn", view_func=lambda: f"DSN de {found.full_name}" if (found := current_identity()) else "personne")
    register(app, redirect_uris=[f"{site}/auth/mag/callback"], initiate_login_uri=f"{site}/auth/mag/start", link_prefixes=[f"{site}/dsn"])
    served(here, port)
    return site


def test_a_link_leads_to_the_page_through_the_sign_in(mag, portail, page):
    opened = page()
    opened.goto(f"{mag}/acces/portail?{urlencode({'ressource': f'{portail}/dsn?mois=2026-11'})}")
    opened.get_by_text("Mon portail", exact=True).first.wait_for()
    look_at(opened, "acces-mire")
    sign_in(opened)
    opened.get_by_text("DSN de Claire Lefèvre").wait_for()
    assert opened.url == f"{portail}/dsn?mois=2026-11"

    opened.goto(f"{mag}/acces/portail?{urlencode({'ressource': f'{portail}/dsn'})}")
    opened.get_by_text("DSN de Claire Lefèvre").wait_for()


def test_whoever_gives_up_is_back_at_the_partner_s(mag, portail, page):
    opened = page(javascript=False)
    opened.goto(f"{mag}/acces/portail?{urlencode({'ressource': f'{portail}/dsn'})}")
    opened.get_by_role("button", name="Annuler et revenir à Mon portail").click()

    assert opened.url == f"{portail}/"


def test_a_link_that_leads_elsewhere_is_explained(mag, portail, page):
    opened = page()
    opened.goto(f"{mag}/acces/portail?{urlencode({'ressource': 'https://ailleurs.test/'})}")

    look_at(opened, "acces-refus")
    assert "M600103" in opened.content()


def test_w14_a_sign_in_ends_at_each_registered_address(app, mag, served, page):
    def echo(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"arrived"]

    one, other = served(echo), served(echo)
    uris = [
        f"http://portail.localhost:{one}/retour",
        f"http://portail.localhost:{other}/auth/mag/callback",
        f"http://autre.localhost:{one}/retour?depuis=mag",
        f"http://127.0.0.1:{other}/retour",
    ]
    register(app, redirect_uris=uris, sector_identifier="portail.test")
    for uri in uris:
        opened = page()
        asked = {"client_id": "portail", "redirect_uri": uri, "response_type": "code", "scope": "openid", "state": "etat"}
        challenge = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
        opened.goto(f"{mag}/authorize?{urlencode(asked | challenge)}")
        sign_in(opened)
        opened.get_by_text("arrived").wait_for()

        assert opened.url.startswith(uri)
