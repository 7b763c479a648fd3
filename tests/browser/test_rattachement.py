"""In Chromium, on two origins: fact 68. An accountant signed in at « jedeclare » accepts the DSN charter at MAG without signing in."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import current_app
from joserfc.jwk import ECKey
from werkzeug.serving import make_server

from idp.database import db
from idp.declarants.chartes.models import CharteAcceptee
from partners import onboarding
from partners.amont import cles
from partners.amont.models import SECRET, Fournisseur
from partners.portals.jedeclare.portail import Portail
from partners.portals.jedeclare.views import create_portal
from tests import services
from tests.browser.conftest import look_at
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, un_declarant

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
COMPTE = {"id": "compte-7", "courriel": "claire@cabinet.test", "nom": "Claire Lefèvre", "mot_de_passe": "loutre verte du lac"}
OP_SECRET = "secret-du-fournisseur-de-jedeclare"


@pytest.fixture
def jedeclare(app: Any, live_server: Any, tmp_path: Any) -> Iterator[tuple[str, str]]:
    """MAG and the portal, each at its own origin."""
    port = services.free_port()
    site = f"http://je-declare.localhost:{port}"
    mag = live_server(MAG_OUTGOING_HOSTS=f"je-declare.localhost:{port}")
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)
    kit = {
        "issuer": mag,
        "base_url": site,
        "client_id": "jedeclare",
        "private_key": key.as_dict(private=True),
        "scope": "openid profile siret",
    }
    portail = Portail.read(
        json.dumps(
            {
                "nom": "jedeclare",
                "origin": site,
                "secret_key": "k" * 40,
                "liens": str(tmp_path / "liens.sqlite3"),
                "comptes": [COMPTE],
                "private_key": key.as_dict(private=True),
                "client_secret": OP_SECRET,
                "kit": kit,
            }
        )
    )
    with app.app_context():
        declare(site, key)
    server = make_server("127.0.0.1", port, create_portal(portail), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield mag, site
    server.shutdown()
    thread.join()
    server.server_close()


def declare(site: str, key: ECKey) -> None:
    """The portal as an operator registers it: its client, its agreement, its OpenID provider."""
    now = datetime.now(UTC)
    partenaire = onboarding.register_partenaire("jedeclare", "jedeclare", None, now)
    metadata = {
        "client_name": "jedeclare",
        "redirect_uris": [f"{site}/auth/mag/callback"],
        "initiate_login_uri": f"{site}/mag/entrer",
        "linking_return_uris": [f"{site}/mag/associe"],
        "linking_max_acr": "eidas1",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256",
        "jwks": {"keys": [key.as_dict(private=False)]},
        "scope": "openid profile siret rattachement:liens",
    }
    onboarding.register_client(partenaire, metadata, now, client_id="jedeclare")
    seals = current_app.extensions["mag"].keyring
    db.session.add(
        Fournisseur(
            code="jedeclare",
            nom="jedeclare",
            profil="openid",
            issuer=site,
            client_id="mag",
            auth_method="client_secret_basic",
            secret_sealed=seals.seal(SECRET, OP_SECRET.encode(), "jedeclare"),
            cles_sealed=cles.make(seals, "jedeclare"),
            reglages={"usages": ["rattachement"], "scopes": ["openid", "profile", "email"], "algs": ["ES256"]},
            partenaire_id=partenaire.id,
            enabled=True,
            created_at=now,
            updated_at=now,
        )
    )
    db.session.commit()


def sign_in_there(opened: Any) -> None:
    opened.fill("#courriel", COMPTE["courriel"])
    opened.fill("#mot_de_passe", COMPTE["mot_de_passe"])
    opened.get_by_role("main").get_by_role("button", name="Se connecter").click()


def sign_in_here(opened: Any) -> None:
    for name, text in {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    opened.get_by_role("button", name="Se connecter", exact=True).click()


def accepted(app: Any, person: Any) -> list[str]:
    with app.app_context():
        return [one.amr for one in CharteAcceptee.every(person.id)]


def test_the_accountant_of_fact_68_accepts_the_charter_without_signing_in(jedeclare, app, page):
    mag, site = jedeclare
    person = un_declarant(app)
    opened = page()

    # linked once, from the partner
    opened.goto(f"{site}/connexion")
    look_at(opened, "jedeclare-connexion")
    sign_in_there(opened)
    opened.get_by_role("button", name="Associer mon compte à MAG").click()
    sign_in_here(opened)
    opened.get_by_role("heading", name="Associer ces deux comptes").wait_for()
    look_at(opened, "rattachement-question")
    opened.get_by_role("button", name="Accepter").click()
    opened.get_by_text("Votre compte est associé à votre identité MAG.").wait_for()
    look_at(opened, "jedeclare-espace")

    # the next day, in another browser: signed in there alone
    other = page()
    other.goto(f"{site}/connexion")
    sign_in_there(other)
    other.get_by_role("link", name="Accepter la charte DSN").click()
    other.get_by_role("heading", name="Charte de la déclaration sociale nominative").wait_for()
    assert other.url.startswith(f"{mag}/charte/dsn")
    look_at(other, "charte")
    other.get_by_role("button", name="J'accepte la charte").click()
    other.get_by_text("Vous avez accepté cette charte le").wait_for()
    assert accepted(app, person) == ["fed"]

    # what is sensitive asks for the password
    other.goto(f"{mag}/compte/adresse")
    other.get_by_label("Mot de passe", exact=True).wait_for()

    # by a signed assertion, a page names who comes in
    third = page()
    third.goto(f"{site}/connexion")
    sign_in_there(third)
    third.get_by_role("link", name="Y aller par une assertion signée").click()
    third.get_by_role("heading", name="Continuer en tant que Claire Lefèvre").wait_for()
    look_at(third, "navigation-passage")
    third.get_by_role("button", name="Continuer").click()
    third.get_by_text("Vous avez accepté cette charte le").wait_for()

    # and back: signed in at MAG alone
    fourth = page()
    fourth.goto(f"{mag}/connexion")
    sign_in_here(fourth)
    fourth.goto(f"{mag}/compte/portails")
    look_at(fourth, "portails")
    fourth.get_by_role("link", name="Aller à jedeclare").click()
    fourth.get_by_text("Vous arrivez de MAG").wait_for()

    # unlinked there, nothing leads here any more
    fourth.get_by_role("button", name="Délier mes deux comptes").click()
    fourth.get_by_text("Votre compte n'est plus associé à MAG.").wait_for()
    fifth = page()
    fifth.goto(f"{site}/connexion")
    sign_in_there(fifth)
    fifth.get_by_role("link", name="Accepter la charte DSN").click()
    fifth.get_by_text("Comptes non associés").wait_for()
    look_at(fifth, "navigation-refus")


def test_linked_from_mag_with_both_passwords(jedeclare, app, page):
    mag, _ = jedeclare
    un_declarant(app)
    opened = page(javascript=False)
    opened.goto(f"{mag}/connexion")
    sign_in_here(opened)
    opened.goto(f"{mag}/compte/portails")
    opened.get_by_role("button", name="Associer mon compte").click()
    if opened.url.startswith(f"{mag}/connexion"):  # unless the sign-in is of this very second
        opened.fill("#password", PASSWORD)
        opened.get_by_role("button", name="Se connecter", exact=True).click()
    sign_in_there(opened)
    opened.get_by_role("heading", name="Associer ces deux comptes").wait_for()
    assert "claire@cabinet.test" in opened.content()
    opened.get_by_role("button", name="Accepter").click()
    opened.get_by_text("Vos deux comptes sont associés").wait_for()
