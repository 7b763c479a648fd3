"""From a partner to MAG through npm's `oidc-provider` as the partner's own: who arrives signed in, and every answer that opens nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from idp.authentication.session import COOKIE
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from partners import onboarding
from partners.models import Partenaire
from partners.rattachement.models import Preuve, Rattachement, Side
from tests import services
from tests.conftest import ISSUER, QUICK_HASH, SECRETS
from tests.factories import un_declarant
from tests.interop.amont import Person, Upstream, facts, running

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
MINUTES = 60
LIES: dict[str, dict[str, Any]] = {
    "claire": {},
    "avance-4": dict.fromkeys(("iat", "exp", "auth_time"), 4 * MINUTES),
    "retard-4": dict.fromkeys(("iat", "exp", "auth_time"), -4 * MINUTES),
    "avance-6": dict.fromkeys(("iat", "exp", "auth_time"), 6 * MINUTES),
    "retard-6": dict.fromkeys(("iat", "exp", "auth_time"), -7 * MINUTES),
    "autre-audience": {"aud": "un-autre-site"},
    "autre-emetteur": {"iss": "https://ailleurs.test"},
    "connexion-d-hier": {"auth_time": -24 * 60 * MINUTES},
    "sans-date": {"auth_time": "hier"},
}
"""Accounts of the partner's, all linked to one identity, and what its ID tokens say wrongly of each. Seconds; an ID token lives one minute
there, so that a clock seven minutes slow is a token that expired six minutes ago."""
UNLINKED = "inconnu-de-mag"


@pytest.fixture(scope="module")
def upstream(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    people = [{"sub": sub, "given_name": sub, **({"lie": LIES[sub]} if LIES.get(sub) else {})} for sub in (*LIES, UNLINKED)]
    made = Upstream(
        "jedeclare",
        services.free_port(),
        "client_secret_basic",
        profil="openid",
        client={"id_token_signed_response_alg": "ES256"},
        people=people,
    )
    with running([made], packages, tmp_path_factory.mktemp("navigation")):
        yield made


@pytest.fixture
def settings(backend: Any) -> Settings:
    return Settings(issuer=ISSUER, secrets=SECRETS, database_url=backend.database_url, outgoing_hosts=("127.0.0.1",), **QUICK_HASH)


@pytest.fixture
def portail(app: Any, upstream: Upstream) -> Any:
    """The partner and its agreement, its provider, and one identity that holds every account but one."""
    person, now = un_declarant(app), datetime.now(UTC)
    with app.app_context():
        partenaire = onboarding.register_partenaire("jedeclare", "jedeclare", None, now)
        metadata = {
            "client_name": "jedeclare",
            "redirect_uris": ["https://jedeclare.test/retour"],
            "linking_return_uris": ["https://jedeclare.test/mag/associe"],
            "linking_max_acr": "eidas1",
            "linking_several": True,
            "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "scope": "openid",
        }
        onboarding.register_client(partenaire, metadata, now, client_id="jedeclare")
        upstream.declare(app, partenaire=partenaire)
        for compte in LIES:
            given = {"compte": compte, "libelle": compte, "origine": Side.MAG, "preuve": Preuve.OPENID, "seul": False, "opened_at": now}
            assert Rattachement.open(partenaire_id=partenaire.id, declarant_id=person.id, **given)
        db.session.commit()
    app.extensions["mag"].versions.refresh()
    return app


def leave(client: Any, query: str = "vers=/droits") -> Any:
    """To the partner's provider, asked to show nothing, then, where it answers nobody, to its page."""
    asked = client.get(f"/navigation/jedeclare?{query}")
    assert asked.status_code == 303, asked.text
    return asked.location


def answers(client: Any, account: str, person: Person | None = None) -> dict[str, str]:
    """What the provider answers at last, once the person signed in there."""
    person = person or Person()
    silent = person.answers(leave(client), account)
    assert person.asked["prompt"] == "none"
    assert silent["error"] == "login_required"
    aloud = client.get(client.get("/amont/retour", query_string=silent).location)
    found = person.answers(aloud.location, account)
    assert "prompt" not in person.asked
    return found


def arrives(client: Any, answer: dict[str, str]) -> Any:
    """Whatever refuses, or the page that takes the arrival."""
    returned = client.get("/amont/retour", query_string=answer)
    return client.get(returned.location) if returned.status_code == 303 else returned


def is_signed_in(client: Any) -> bool:
    return client.get_cookie(COOKIE, domain="mag.test") is not None and client.get("/").status_code == 200


def opens_nothing(client: Any, page: Any, number: str) -> None:
    assert page.status_code in (400, 403, 404, 409), (page.status_code, page.text)
    assert number in page.text
    assert "<h1" in page.text
    assert not is_signed_in(client)


# ----------------------------------------------------------------------------------------------------------- who arrives


def test_nobody_is_known_there_so_its_page_is_shown_and_the_person_arrives_signed_in(portail, client, new_client):
    """And the next time, in a browser that MAG does not know, nothing is shown at all."""
    person = Person()

    page = arrives(client, answers(client, "claire", person))

    assert page.location.partition("?")[0].endswith("/droits")
    assert is_signed_in(client)
    other = new_client()
    silent = person.answers(leave(other), "claire")
    assert "code" in silent
    arrives(other, silent)
    assert is_signed_in(other)
    with portail.app_context():
        assert [one["comme"] for one in facts("NavigationOpened")] == ["openid", "openid"]


@pytest.mark.parametrize("account", ["avance-4", "retard-4"])
def test_clocks_four_minutes_apart_are_borne(portail, client, account):
    arrives(client, answers(client, account))

    assert is_signed_in(client)


# ---------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("account", "number"),
    [
        pytest.param("autre-audience", "M600207", id="3.1.3.7-wrong-audience"),
        pytest.param("autre-emetteur", "M600207", id="3.1.3.7-wrong-issuer"),
        pytest.param("sans-date", "M600207", id="2-auth_time-is-no-number"),
        pytest.param("connexion-d-hier", "M600209", id="3.1.2.1-stale-auth_time"),
        pytest.param("avance-6", "M600208", id="ours-clock-ahead"),
        pytest.param("retard-6", "M600208", id="3.1.3.7-clock-behind"),
        pytest.param(UNLINKED, "M600709", id="ours-account-not-linked"),
    ],
)
def test_C62_an_answer_that_breaks_one_rule_opens_nothing(portail, client, account, number):
    opens_nothing(client, arrives(client, answers(client, account)), number)


def test_C63_an_answer_serves_once_and_its_arrival_too(portail, client, new_client):
    answer = answers(client, "claire")
    returned = client.get("/amont/retour", query_string=answer)

    assert "M600203" in client.get("/amont/retour", query_string=answer).text
    client.get(returned.location)
    other = new_client()
    opens_nothing(other, other.get("/amont/retour", query_string=answer), "M600202")
    opens_nothing(other, other.get(returned.location), "M600210")


def test_whoever_refuses_there_opens_nothing(portail, client):
    opens_nothing(client, arrives(client, answers(client, "")), "M600206")


def test_a_link_that_was_ended_meanwhile_opens_nothing(portail, client):
    answer = answers(client, "claire")
    with portail.app_context():
        Rattachement.of_account("jedeclare", "claire").close(Side.MAG, datetime.now(UTC))
        db.session.commit()

    opens_nothing(client, arrives(client, answer), "M600709")


def test_an_identity_that_was_suspended_meanwhile_opens_nothing(portail, client):
    answer = answers(client, "claire")
    with portail.app_context():
        db.session.scalars(db.select(Declarant)).one().statut = Statut.SUSPENDU
        db.session.commit()

    opens_nothing(client, arrives(client, answer), "M600710")


def test_a_partner_that_was_cut_off_meanwhile_opens_nothing(portail, client):
    answer = answers(client, "claire")
    with portail.app_context():
        onboarding.switch(Partenaire.with_code("jedeclare"), datetime.now(UTC), enabled=False)
        db.session.commit()
    portail.extensions["mag"].versions.refresh()

    opens_nothing(client, arrives(client, answer), "M600201")
