"""A charter is read and accepted once, dated, by whoever is signed in."""

import pytest

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.chartes.models import CharteAcceptee
from tests.factories import csrf_in, se_connecter, un_declarant

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@ONLY_SQLITE
def test_a_stranger_signs_in_first_and_an_unknown_charter_is_no_page(app, client):
    un_declarant(app)
    assert "/connexion?demande=" in client.get("/charte/dsn").location
    se_connecter(client)

    assert client.get("/charte/autre").status_code == 404
    assert client.post("/charte/dsn", data={"csrf": "x", "accord": "oui"}).status_code == 403


def test_it_is_accepted_once_with_its_date_and_means(app, client):
    person = un_declarant(app)
    se_connecter(client)
    page = client.get("/charte/dsn")
    for _ in range(2):
        client.post("/charte/dsn", data={"csrf": csrf_in(page.text), "accord": "oui"})

    assert "Vous avez accepté cette charte le" in client.get("/charte/dsn").text
    with app.app_context():
        (kept,) = CharteAcceptee.every(person.id)
        lines = db.session.scalars(db.select(AuditEvent).filter_by(kind="CharteAccepted")).all()
    assert (kept.version, kept.amr) == ("2026-1", "pwd")
    assert [line.details["sha256"] for line in lines] == [kept.sha256]
