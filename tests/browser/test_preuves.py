"""An inscription proved by ProConnect, in a real browser between two real origins: npm's `oidc-provider` and MAG."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.config import Settings
from tests import services
from tests.browser.conftest import look_at
from tests.browser.test_inscription import press, until_recap
from tests.conftest import Backend
from tests.factories import PASSWORD, SIRET, un_declarant
from tests.interop import conftest as foreign
from tests.interop.amont import Upstream, running
from tests.parcours import un_etablissement

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
SIGNED = {"id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "ES256"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, outgoing_hosts=("127.0.0.1",))


@pytest.fixture
def mag(app: Any, backend: Backend, live_server: Callable[..., str], tmp_path: Path) -> Iterator[str]:
    """MAG, an establishment, and a ProConnect of ours."""
    un_etablissement(app)
    port = services.free_port()
    upstream = Upstream("proconnect", services.free_port(), client=SIGNED, mag=f"http://mag.localhost:{port}")
    lock = (foreign.JAVASCRIPT / "package-lock.json").read_bytes()
    folder = Path(tempfile.gettempdir()) / f"mag-interop-{os.getuid()}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "node_modules").exists():
        foreign.install(foreign.JAVASCRIPT, folder)
    with running([upstream], folder / "node_modules", tmp_path):
        with app.app_context():
            upstream.declare(app)
        yield live_server(port, MAG_OUTGOING_HOSTS="127.0.0.1")


def test_an_inscription_is_proved_by_proconnect(mag, page):
    """The recap offers it, the provider answers, the recap says it; the page of the account and its mire are looked at too."""
    opened = page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(f"{mag}/inscription")
    until_recap(opened)
    press(opened, "Prouver que je dirige l'entreprise, avec ProConnect")
    assert "Niveau demandé : https://proconnect.gouv.fr/assurance/certification-dirigeant" in opened.inner_text("body")
    press(opened, "Continuer en tant que Claire")

    assert "/inscription/recapitulatif?preuve=faite&sortie=" in opened.url
    assert "ProConnect, qui certifie aussi que vous dirigez cette entreprise" in opened.inner_text("#preuve")
    look_at(opened, "preuve-recapitulatif")
    opened.goto(f"{mag}/connexion")
    look_at(opened, "preuve-mire")
    opened.get_by_role("link", name="Se connecter avec ProConnect").click()
    press(opened, "Continuer en tant que Claire")
    assert "M600214" in opened.inner_text("body")
    look_at(opened, "preuve-non-relie")
    assert [text for text in complaints if "Content Security Policy" in text] == []


def test_proofs_of_an_account_are_looked_at(app, mag, page):
    """Proved, linked, then taken away; the page in its two states."""
    un_declarant(app, nom="Lefèvre", prenom="Claire", email="claire@exemple.fr")
    opened = page()
    opened.goto(f"{mag}/compte/preuves")
    for name, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "password": PASSWORD}.items():
        opened.fill(f"#{name}", text)
    press(opened, "Se connecter")
    press(opened, "Avec ProConnect")
    press(opened, "Continuer en tant que Claire")
    press(opened, "Me connecter aussi avec ProConnect")

    assert "Ce compte vous connecte aussi à MAG" in opened.inner_text("main")
    look_at(opened, "preuve-compte")
    opened.locator("button[name=retirer]").click()
    assert "Aucune preuve pour l'instant." in opened.inner_text("main")
    look_at(opened, "preuve-compte-vide")

    opened.goto(f"{mag}/")
    opened.route("**/api/v2/session/end?**", lambda route: route.abort("aborted"))
    press(opened, "Me déconnecter")
    opened.get_by_role("heading", name="Déconnexion de ProConnect").wait_for()
    look_at(opened, "preuve-sortie")
    opened.unroute("**/api/v2/session/end?**")
    opened.get_by_role("link", name="Continuer").click()
    press(opened, "Quitter")
    assert "Votre session est fermée" in opened.inner_text("main")


def test_a_lost_password_and_proconnect_are_looked_at(app, mag, page):
    """The way among the others, its page, its errors, and what follows the provider."""
    opened = page()
    opened.goto(f"{mag}/connexion/oubli")
    opened.get_by_role("link", name="M'identifier avec ProConnect").click()
    look_at(opened, "preuve-oubli")
    press(opened, "M'identifier avec ProConnect")
    look_at(opened, "preuve-oubli-erreurs")
    for name, text in {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire"}.items():
        opened.fill(f"#{name}", text)
    press(opened, "M'identifier avec ProConnect")
    press(opened, "Continuer en tant que Claire")

    assert "Revenez dans vingt-quatre heures" in opened.inner_text("main")
    look_at(opened, "preuve-oubli-suite")
