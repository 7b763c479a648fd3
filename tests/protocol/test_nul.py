"""NUL, which PostgreSQL does not keep: refused at the door, whoever sends it and wherever it hides."""

import base64
import json
from dataclasses import replace

import pytest

from tests.conftest import MagClient, composed
from tests.factories import csrf_in, un_declarant
from tests.journeys.equipe import envoyer, un_etablissement
from tests.journeys.operateurs import DESK

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


def test_in_a_form_of_the_desk(settings):
    with composed(replace(settings, desk_url=DESK)) as world:
        client = MagClient(world, DESK)
        csrf = csrf_in(client.get("/connexion").text)
        answer = client.post("/connexion", data={"csrf": csrf, "email": "a\0@b.fr", "password": "x", "code": "123456"})

    assert answer.status_code == 400
    assert "caractère interdit" in answer.text


def test_in_a_form_of_a_stranger(app, client):
    un_etablissement(app)
    envoyer(client, "/inscription", siret="73282932000074")
    csrf = csrf_in(client.get("/inscription").text)
    answer = client.post("/inscription/abandonner", data={"csrf": csrf, "motif": "\0"})

    assert answer.status_code == 400
    assert "caractère interdit" in answer.text


def test_in_the_answer_of_a_passkey(app, client):
    un_declarant(app)
    csrf = csrf_in(client.get("/connexion").text)
    challenge = client.post("/connexion/cle/options", data={"csrf": csrf, "demande": ""}).json["challenge"]
    said = {"type": "webauthn.get", "challenge": challenge, "origin": "https://mag.test"}
    data = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    given = {"id": "\0", "rawId": "AA", "type": "public-key"}
    given["response"] = {"clientDataJSON": data, "authenticatorData": "AA", "signature": "AA"}
    answer = client.post("/connexion/cle", data={"csrf": csrf, "demande": "", "reponse": json.dumps(given)})

    assert 400 <= answer.status_code < 500
