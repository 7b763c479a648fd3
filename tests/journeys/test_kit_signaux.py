"""What happens at MAG happens at its portals: sessions end, accounts are dropped, rights are asked again; with a portal down, later."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.oidc.removal import end_sessions, remove
from partners.kit.sealing import digest
from tests.journeys.portal import Portal, listening, make_portal
from tests.services import free_port

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SIGNALS = "/auth/mag/signals"
NAMES = ("facile", "entreprises")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, issuer=f"http://mag.localhost:{free_port()}", outgoing_hosts=tuple(f"{name}.localhost" for name in NAMES))


@dataclass
class Site:
    """A portal that keeps accounts, and where it listens."""

    portal: Portal
    accounts: set[str]
    port: int
    down: bool = False


@pytest.fixture
def sites(served: Any):
    """Two portals that never ask MAG by themselves; an operator opened the stream of each."""
    served.mag.messenger.stop()
    with ExitStack() as stack:
        found = [make_site(served, name, stack) for name in NAMES]
        yield found


def make_site(served: Any, name: str, stack: ExitStack) -> Site:
    accounts: set[str] = set()
    site = Site(None, accounts, free_port())  # type: ignore[arg-type]  # made just below

    def told(event: Any) -> None:
        if event.kind == "account-purged":
            accounts.discard(event.sub)

    scope = {"scope": "openid profile siret habilitations:dsn ssf.read ssf.manage"}
    site.portal = make_portal(
        served, name, scope, scope="openid profile siret habilitations:dsn", recheck=3600, signals=True, on_event=told
    )

    @site.portal.app.before_request
    def off() -> tuple[str, int] | None:
        return ("", 503) if site.down else None

    stack.enter_context(listening(site.portal.app, site.port))
    address = f"http://{name}.localhost:{site.port}{SIGNALS}"
    done = served.flask.test_cli_runner().invoke(args=["signaux", "ouvrir", name, address])
    assert done.exit_code == 0, done.output
    served.mag.versions.refresh()
    return site


@pytest.fixture
def come(sites: list[Site], personne: Declarant) -> Callable[[], list[Any]]:
    """The person signs in at both portals, where an account is kept: their browsers."""

    def act() -> list[Any]:
        browsers = []
        mire = sites[0].portal.mire()
        for site in sites:
            browser = site.portal.browser()
            site.portal.sign_in(browser, mire)
            assert browser.get("/").text == "Claire Lefèvre"
            browsers.append(browser)
            site.accounts.add(sub_of(site, browser))
        return browsers

    return act


def sub_of(site: Site, browser: Any) -> str:
    """Who the portal knows: read from its own session."""
    cookie = next(value.value for value in browser._cookies.values() if value.key == "__Host-mag-session")
    record = site.portal.kit.accounts.read(cookie)
    assert record is not None
    return str(record.id_claims["sub"])


def delete(served: Any, declarant_id: int) -> None:
    """The contact is removed, in one place (fact 42)."""
    with served.flask.app_context():
        person = db.session.get(Declarant, declarant_id)
        end_sessions(served.mag.ephemeral, served.mag.settings, person)
        remove(served.mag.settings, served.mag.registry, person, datetime.now(UTC))
        db.session.commit()


def mag(served: Any, *words: str) -> str:
    served.mag.signals.spreading.look = 0.0
    done = served.flask.test_cli_runner().invoke(args=["signaux", *words])
    assert done.exit_code == 0, done.output
    return str(done.output)


def test_deleting_a_contact_ends_its_sessions_and_drops_its_account_at_both_portals(served, sites, come, personne):
    browsers = come()
    delete(served, personne.id)
    assert mag(served, "envoyer") == "4 remis, 0 en échec.\n"

    for site, browser in zip(sites, browsers, strict=True):
        assert browser.get("/").text == "personne"
        assert site.accounts == set()


def test_with_a_portal_down_for_an_hour_nothing_is_lost_and_the_list_says_so(served, sites, come, personne):
    come()
    down, up = sites
    down.down = True
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        delete(served, personne.id)
        assert mag(served, "envoyer") == "2 remis, 2 en échec.\n"
        assert up.accounts == set()
        for _ in range(12):
            clock.shift(timedelta(minutes=5))
            mag(served, "envoyer")
        assert len(down.accounts) == 1
        assert "2 en attente" in mag(served, "lister")
        assert "dernier échec : answered 503" in mag(served, "voir", "facile")
        down.down = False
        assert mag(served, "relancer", "facile") == "2 signal(aux) remis en file.\n"
        assert mag(served, "envoyer") == "2 remis, 0 en échec.\n"
    assert down.accounts == set()


def test_rights_that_change_are_asked_again_at_once(served, sites, come, personne, monkeypatch):
    browsers = come()
    with served.flask.app_context():
        db.session.get(Declarant, personne.id).epoque += 1
        db.session.commit()
    assert mag(served, "envoyer") == "2 remis, 0 en échec.\n"
    kit = sites[0].portal.kit
    asked = []
    monkeypatch.setattr(kit.accounts, "_checked", lambda record: asked.append(1) or record)
    browsers[0].get("/")

    assert asked == [1]


def test_a_stream_is_held_tried_and_closed_by_commands(served, sites):
    assert "en pause" in mag(served, "suspendre", "facile")
    mag(served, "essayer", "facile")
    assert mag(served, "envoyer").startswith("1 remis")
    assert "1 en attente" in mag(served, "lister")
    mag(served, "reprendre", "facile")
    assert mag(served, "envoyer").startswith("2 remis")
    assert "fermé" in mag(served, "fermer", "facile")
    assert served.flask.test_cli_runner().invoke(args=["signaux", "voir", "facile"]).exit_code == 1
    assert served.flask.test_cli_runner().invoke(args=["signaux", "ouvrir", "inconnu", "https://a.test/"]).exit_code == 1
    assert served.flask.test_cli_runner().invoke(args=["signaux", "ouvrir", "facile", "ftp://a.test/"]).exit_code == 1


def test_an_older_event_that_comes_last_reopens_nothing(served, sites, come):
    browsers, site = come(), sites[0]
    sub, now = sub_of(site, browsers[0]), int(datetime.now(UTC).timestamp())
    issuer = served.mag.settings.issuer
    for at in (now + 1, now - 3600):
        claims = {
            **{"iss": issuer, "aud": "facile", "iat": now, "toe": at, "jti": digest(str(at))},
            "sub_id": {"format": "iss_sub", "iss": issuer, "sub": sub},
            "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}},
        }
        token = served.mag.mint.signed("ES256", claims, "secevent+jwt")
        assert site.portal.browser().post(SIGNALS, data=token, content_type="application/secevent+jwt").status_code == 202

    assert browsers[0].get("/").text == "personne"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"typ": "logout+jwt"}, "invalid_request", id="8417-2.3-typ"),
        pytest.param({"iss": "https://autre.test"}, "invalid_issuer", id="8935-2.4-issuer"),
        pytest.param({"aud": "autre"}, "invalid_audience", id="8935-2.4-audience"),
        pytest.param({"jti": None}, "invalid_request", id="8417-2.2-jti"),
        pytest.param({"events": {}}, "invalid_request", id="8417-2.2-events"),
        pytest.param({"sub_id": "moi"}, "invalid_request", id="ssf-4-sub_id"),
        pytest.param({"iat": 1700000000}, "invalid_request", id="ours-older-than-memory"),
        pytest.param({"iat": 9999999999}, "invalid_request", id="ours-from-the-future"),
    ],
)
def test_the_kit_refuses_what_is_no_event_of_mag_for_it(served, sites, change, code):
    site = sites[0]
    now = int(datetime.now(UTC).timestamp())
    claims = {
        **{"iss": served.mag.settings.issuer, "aud": "facile", "iat": now, "toe": now, "jti": digest("un")},
        "sub_id": {"format": "iss_sub", "iss": served.mag.settings.issuer, "sub": "x"},
        "events": {"https://schemas.openid.net/secevent/risc/event-type/account-purged": {}},
        **{name: value for name, value in change.items() if name != "typ"},
    }
    given = {name: value for name, value in claims.items() if value is not None}
    token = served.mag.mint.signed("ES256", given, change.get("typ", "secevent+jwt"))
    browser = site.portal.browser()
    answer = browser.post(SIGNALS, data=token, content_type="application/secevent+jwt")

    assert (answer.status_code, answer.json["err"]) == (400, code)
    assert browser.post(SIGNALS, data=token, content_type="text/plain").status_code == 400
