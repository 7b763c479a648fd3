"""In Chromium, on three origins: a contact removed in MAG is out of both portals, and of one that was down once it is back."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from werkzeug.serving import BaseWSGIServer, make_server

from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.seals import digest
from partners import onboarding
from partners.portals.portail import Portail, ServiceVendu
from partners.portals.views import create_portal
from tests import services
from tests.browser.conftest import look_at
from tests.browser.test_bureau import enter
from tests.browser.test_equipe import sign_in as administer
from tests.factories import PASSWORD, SIRET, un_administrateur, un_declarant
from tests.journeys.operateurs import un_operateur
from tests.parcours import un_etablissement

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
NAMES = {"facile": "Déclarez facile", "entreprises": "Portail Entreprises"}
SECRET = "secret-du-portail-0123456789-abcdefgh"
PATIENCE = 10.0
"""Seconds that a machine in pain is given; `tests.bench.signaux` measures."""


@dataclass
class Site:
    """A portal of the demonstration, that a test stops and starts again: its port answers, or nobody does."""

    name: str
    port: int
    application: Any = None
    accounts: Path = Path()
    changed: threading.Event = field(default_factory=threading.Event)
    _server: BaseWSGIServer | None = None

    @property
    def origin(self) -> str:
        return f"http://{self.name}.localhost:{self.port}"

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self.application, threaded=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def count(self) -> int:
        """Accounts that it keeps."""
        with closing(sqlite3.connect(self.accounts)) as base:
            return int(base.execute("SELECT count(*) FROM comptes").fetchone()[0])

    def drops_to(self, wanted: int) -> None:
        end = datetime.now(UTC) + timedelta(seconds=PATIENCE)
        while self.count() != wanted and datetime.now(UTC) < end:
            self.changed.wait(0.05)
        assert self.count() == wanted


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(
        settings, issuer=f"http://mag.localhost:{services.free_port()}", outgoing_hosts=tuple(f"{name}.localhost" for name in NAMES)
    )


@pytest.fixture
def scene(wsgi_app: Any, live_server: Callable[..., str], settings: Settings, tmp_path: Path) -> Iterator[tuple[str, str, list[Site]]]:
    """MAG, its desk, two portals with a stream each; the server of MAG alone delivers, and the test when it moves the clock."""
    wsgi_app.mag.messenger.stop()
    port = int(settings.issuer.rpartition(":")[2])
    desk = f"http://bureau.localhost:{port}"
    sites = [Site(name, services.free_port()) for name in NAMES]
    un_etablissement(wsgi_app.flask)
    with wsgi_app.flask.app_context():
        for site in sites:
            declare(site)
        db.session.commit()
    for site in sites:
        mag_signaux(wsgi_app, "ouvrir", site.name, f"{site.origin}/auth/mag/signals")
    mag = live_server(port, MAG_DESK_URL=desk, MAG_OUTGOING_HOSTS=",".join(settings.outgoing_hosts))
    for site in sites:
        open_portal(site, mag, tmp_path)
    yield mag, desk, sites
    for site in sites:
        site.stop()


def declare(site: Site) -> None:
    now = datetime.now(UTC)
    metadata = {
        "client_name": NAMES[site.name],
        "redirect_uris": [f"{site.origin}/auth/mag/callback"],
        "post_logout_redirect_uris": [f"{site.origin}/auth/mag/logged-out"],
        "scope": "openid profile siret habilitations:dsn ssf.read ssf.manage",
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256",
        "first_party": True,
    }
    partenaire = onboarding.register_partenaire(site.name, NAMES[site.name], None, now)
    onboarding.register_client(partenaire, metadata, now, client_id=site.name, secret_hashes=[digest(SECRET + site.name)])


def open_portal(site: Site, mag: str, folder: Path) -> None:
    site.accounts = folder / f"{site.name}.sqlite3"
    kit = {
        **{"issuer": mag, "base_url": site.origin, "client_id": site.name, "client_secret": SECRET + site.name},
        **{"scope": "openid profile siret habilitations:dsn", "recheck": 3600, "signals": True},
    }
    portail = Portail(
        nom=NAMES[site.name],
        slogan="Vos déclarations sociales.",
        theme=site.name,
        autre_nom="L'autre portail",
        autre_adresse=mag,
        lien_de_courrier=mag,
        services=(ServiceVendu(code="dsn", libelle="DSN", actes=("declarer", "payer")),),
        noms={},
        secret_key=site.name * 8,
        sessions=str(site.accounts),
        kit=kit,
    )
    site.application = create_portal(portail)
    site.start()


def mag_signaux(wsgi_app: Any, *words: str) -> str:
    done = wsgi_app.flask.test_cli_runner().invoke(args=["signaux", *words])
    assert done.exit_code == 0, done.output
    return str(done.output)


def come(page: Callable[..., Any], sites: list[Site], person: Declarant) -> list[Any]:
    """The person signs in at one portal, is known at the other; a page of each stays open."""
    first = page()
    first.set_default_timeout(60_000)
    first.context.add_init_script("delete self.IdentityCredential")
    tabs = [first, first.context.new_page()]
    for tab, site in zip(tabs, sites, strict=True):
        tab.set_default_timeout(60_000)
        tab.goto(f"{site.origin}/espace")
        if tab is first:
            for name, text in {"siret": SIRET, "nom": person.nom, "prenom": person.prenom, "password": PASSWORD}.items():
                tab.fill(f"#{name}", text)
            tab.get_by_role("button", name="Se connecter", exact=True).click()
        tab.wait_for_url(f"{site.origin}/espace")
        assert tab.inner_text("h1") == f"Bonjour {person.prenom} {person.nom}"
    return tabs


def remove(opened: Any, mag: str, person: Declarant) -> None:
    """As an administrator does."""
    opened.goto(f"{mag}/equipe/personnes/{person.uid}/depart")
    opened.check("input[value=abandon]")
    opened.get_by_role("button", name="Voir l'aperçu").click()
    opened.get_by_role("button", name="Confirmer le départ").click()
    opened.get_by_text("Le départ est enregistré").wait_for()


def is_out(tab: Any, site: Site) -> None:
    """Back in view, the open page sees that its session ended, and shows nothing of it any more; its reload asks to sign in."""
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    tab.locator("mag-login").wait_for(state="visible")
    assert "Session terminée." in tab.locator("mag-login").evaluate("one => one.shadowRoot.textContent")
    assert tab.locator("h1").is_hidden()
    tab.goto(f"{site.origin}/espace")
    assert not tab.url.startswith(site.origin)


def test_a_contact_removed_is_out_of_both_portals_at_once_and_of_the_one_that_was_down_when_it_is_back(scene, app, wsgi_app, page):
    mag, desk, sites = scene
    facile, entreprises = sites
    un_administrateur(app)
    zoe, ali = (un_declarant(app, nom=nom, prenom=prenom) for nom, prenom in (("Garnier", "Zoé"), ("Benali", "Ali")))
    secret = un_operateur(app)
    hers, his, opened, board = come(page, sites, zoe), come(page, sites, ali), page(), page()
    administer(opened, mag)
    remove(opened, mag, zoe)
    for tab, site in zip(hers, sites, strict=True):
        site.drops_to(1)
        is_out(tab, site)

    facile.stop()
    remove(opened, mag, ali)
    entreprises.drops_to(0)
    is_out(his[1], entreprises)
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for _ in range(12):
            clock.shift(timedelta(minutes=5))
            mag_signaux(wsgi_app, "envoyer")
    assert facile.count() == 1, "nobody told it"
    enter(board, desk, secret)
    board.goto(f"{desk}/signaux")
    look_at(board, "signaux-en-attente")
    board.get_by_role("link", name=NAMES["facile"]).click()
    waiting = board.locator("main")
    assert "2 en attente" in waiting.inner_text()
    line = board.locator("li", has_text="Compte supprimé").filter(has_text="Prochain essai")
    assert "dernier échec : connexion impossible" in line.inner_text().replace("\u00a0", " ")
    assert "essais" in line.inner_text()
    look_at(board, "flux-en-attente")

    facile.start()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=6), tick=False):
        assert mag_signaux(wsgi_app, "envoyer") == "2 remis, 0 en échec.\n"
    assert facile.count() == 0
    is_out(his[0], facile)
    board.reload()
    assert "Tout est remis." in board.locator("main").inner_text()
    assert "Compte supprimé" in board.locator("section", has_text="Derniers remis").inner_text()
    look_at(board, "flux-remis")
