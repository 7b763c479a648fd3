"""What partners are told of a person is what the person is now: no page, mail or command leaves a former profile behind it."""

from datetime import UTC, datetime

import pytest

from idp.database import db
from idp.declarants.compte import adresse, joignable
from idp.declarants.models import Declarant
from idp.notifications.models import Mail, OneTimeLink
from tests.conftest import ISSUER
from tests.factories import csrf_in

NEW = "neuve@exemple.fr"


@pytest.fixture
def told(partner, code_flow):
    """What userinfo tells; it was asked once already, so that the answer is kept."""
    portail = partner(scope="openid email phone")
    token = code_flow(portail, scope="openid email phone").access_token
    assert portail.userinfo(token).json["email"]
    return lambda: portail.userinfo(token).json


def test_a_phone_changed_in_the_account_is_told_at_once(told, signed_in):
    csrf = csrf_in(signed_in.get("/compte/coordonnees").text)
    form = {"csrf": csrf, "telephone": "01 42 68 53 00", "mobile": "", "fonction": "", "service_interne": ""}
    assert signed_in.post("/compte/coordonnees", data=form).status_code == 303

    assert told()["phone_number"] == "+33 1 42 68 53 00"


def test_an_address_confirmed_by_its_link_is_told_at_once(told, app, client, un_declarant):
    with app.app_context():
        former = db.session.get_one(Declarant, un_declarant).email
        link = {"declarant_id": un_declarant, "address": NEW, "data": {"former": former}}
        token = OneTimeLink.issue(adresse.CONFIRM, datetime.now(UTC), adresse.CONFIRM_LIFE, **link)
        db.session.commit()
    path = f"/compte/adresse/confirmer/{token}"
    assert client.post(path, data={"csrf": csrf_in(client.get(path).text)}).status_code == 200

    assert told()["email"] == NEW


def test_an_address_that_died_is_no_longer_told_to_be_verified(told, app, un_declarant):
    before = told()["email_verified"]
    with app.app_context():
        person = db.session.get_one(Declarant, un_declarant)
        mail = Mail(kind="essai", recipient=person.email, declarant_id=person.id)
        joignable.came_back(ISSUER, mail, "5.1.1", datetime.now(UTC))
        db.session.commit()

    assert before is True
    assert told()["email_verified"] is False


def test_what_is_not_committed_is_not_told(told, app, un_declarant):
    with app.app_context():
        db.session.get_one(Declarant, un_declarant).email = NEW
        db.session.flush()
        db.session.rollback()

    assert told()["email"] != NEW
