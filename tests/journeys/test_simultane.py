"""An account that serves in two places at once: its owner is told once a week, and nothing is locked (fact 39)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.audit.models import AuditEvent
from idp.authentication.simultane import far
from idp.database import db
from tests.facteurs import letters, link_in
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, csrf_in, un_declarant

PHONE, DESK = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
)


@pytest.fixture
def suivre(app):
    return lambda: app.test_cli_runner().invoke(args=["connexion", "simultanees"]).output


def enter(new_client, address, agent):
    client = new_client()
    typed = {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD, "csrf": csrf_in(client.get("/connexion").text)}
    where = {"REMOTE_ADDR": address, "HTTP_USER_AGENT": agent}
    assert client.post("/connexion", data=typed, environ_overrides=where).status_code == 303
    return client


def test_two_far_networks_at_once_are_told_once_and_the_link_ends_everything(app, new_client, suivre):
    un_declarant(app, email="claire@exemple.fr")
    first = enter(new_client, "192.0.2.1", PHONE)
    enter(new_client, "203.0.113.9", DESK)

    assert (suivre(), suivre()) == ("1 personne(s) prévenue(s).\n", "0 personne(s) prévenue(s).\n")

    [mail] = letters(app, "usage_simultane")
    assert "192.0.2.0/24" in mail.body
    assert "203.0.113.0/24" in mail.body
    assert first.get("/compte").status_code == 200, "nothing is locked"
    with app.app_context():
        event = db.session.query(AuditEvent).filter_by(kind="ConcurrentUseSeen").one()
        assert event.details["networks"] == "192.0.2.0/24 203.0.113.0/24"
    path = link_in(mail, "/connexion/desaveu/")
    assert first.post(path, data={"csrf": csrf_in(first.get(path).text)}).status_code in (200, 303)
    assert first.get("/compte").status_code == 303


@pytest.mark.parametrize(
    ("address", "agent", "minutes"),
    [
        pytest.param("192.0.77.9", DESK, 1, id="a-network-beside"),
        pytest.param("203.0.113.9", PHONE, 1, id="one-device-that-moves"),
        pytest.param("203.0.113.9", DESK, 20, id="later"),
        pytest.param("2001:db8::1", DESK, 1, id="another-family"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_one_person_does_every_day_is_no_hint(app, new_client, suivre, address, agent, minutes):
    un_declarant(app, email="claire@exemple.fr")
    enter(new_client, "192.0.2.1", PHONE)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes)):
        enter(new_client, address, agent)
        assert suivre() == "0 personne(s) prévenue(s).\n"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_people_without_an_address_are_left_alone_and_nonsense_is_not_far(app, new_client, suivre):
    un_declarant(app)
    enter(new_client, "192.0.2.1", PHONE)
    enter(new_client, "203.0.113.9", DESK)

    assert suivre() == "0 personne(s) prévenue(s).\n"
    assert not far("", "192.0.2.1")
