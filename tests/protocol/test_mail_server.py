"""A mail server that is slow or down: no page waits for it, and what it missed leaves later, once (C73)."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select

from idp.config import Settings
from idp.database import db
from idp.notifications.delivery import send_due
from idp.notifications.models import Mail
from partners.demo.mails import Catcher
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_declarant
from tests.parcours import EMAIL, Parcours, un_etablissement
from tests.services import free_port


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A mail server that would take whoever calls, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def settings(settings: Settings, silent: socket.socket) -> Settings:
    return replace(settings, smtp_url=f"smtp://127.0.0.1:{silent.getsockname()[1]}")


def lost_password(client):
    form = {"siret": SIRET, "nom": "Lefèvre", "prenom": "Claire", "voie": "courriel"}
    return client.post("/connexion/oubli", data=form | {"csrf": csrf_in(client.get("/connexion/oubli").text)})


def test_C73_no_page_speaks_to_the_mail_server(app, client, new_client, silent):
    """Recovery, a sign-in from a new device, an inscription: each writes a mail, and answers without a call."""
    un_etablissement(app)
    un_declarant(app, email="claire@exemple.fr")
    answers = [lost_password(client), se_connecter(client), se_connecter(new_client(), password=PASSWORD)]
    answers.append(Parcours(new_client()).until("recapitulatif", identite={"nom": "Petit", "prenom": "Nina"}))

    assert {answer.status_code for answer in answers} == {303}
    with app.app_context():
        waiting = {mail.recipient for mail in db.session.scalars(select(Mail)) if mail.next_try_at}
    assert waiting == {"claire@exemple.fr", EMAIL}
    with pytest.raises(BlockingIOError):
        silent.accept()


def test_C73_what_a_dead_server_missed_leaves_once_when_it_is_back(app, client, settings):
    un_declarant(app, email="claire@exemple.fr")
    assert lost_password(client).status_code == 303
    catcher, port, now = Catcher(), free_port(), datetime.now(UTC)
    server = replace(settings, smtp_url=f"smtp://127.0.0.1:{port}")
    with app.app_context():
        failed = send_due(server, now)
        controller = Controller(catcher, hostname="127.0.0.1", port=port)
        controller.start()
        try:
            early, back, again = (send_due(server, now + timedelta(minutes=minutes)) for minutes in (0, 2, 4))
        finally:
            controller.stop()

    assert (failed.sent, failed.failed) == (0, 1)
    assert [early.sent, back.sent, again.sent] == [0, 1, 0]
    assert [mail.recipients for mail in catcher.mails] == [("claire@exemple.fr",)]
