"""`POST /attestations/v1`: a signed receipt of who was signed in when something was declared (facts 44, 45)."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from idp.authentication.session import COOKIE, close_session, find_session
from idp.config import HOUR
from idp.ephemeral import Counter
from idp.oidc.attestations import AN_HOUR
from tests.factories import csrf_in

PATH = "/attestations/v1"
DECLARATION = b"<dsn>2026-11</dsn>"
EMPREINTE = base64.urlsafe_b64encode(hashlib.sha256(DECLARATION).digest()).rstrip(b"=").decode()


@pytest.fixture
def portail(partner):
    return partner(scope="openid profile siret", audience=["https://api.test"])


def attest(portail, token, **form):
    return portail.call(PATH, "POST", data={"empreinte": EMPREINTE, **form}, headers={"Authorization": f"Bearer {token}"})


def verified(portail, answer):
    keys = KeySet.import_key_set(portail.call("/jwks", "GET").json)
    return jws.deserialize_compact(answer.data, keys, algorithms=["ES256"])


def test_45_a_receipt_says_who_signed_in_how_and_what_for(portail, code_flow, journal, un_declarant):
    tokens = code_flow(portail, scope="openid profile siret")
    answer = attest(portail, tokens.access_token, reference="DSN-2026-11/0042")

    assert (answer.status_code, answer.mimetype) == (200, "application/jwt")
    receipt = verified(portail, answer)
    said, id_token = orjson.loads(receipt.payload), portail.verified(tokens.id_token)
    assert receipt.headers()["typ"] == "authentication-receipt+jwt"
    assert {name: said[name] for name in ("sub", "sid", "auth_time", "acr", "amr")} == {
        name: id_token[name] for name in ("sub", "sid", "auth_time", "acr", "amr")
    }
    assert (said["aud"], said["siret"], said["empreinte"], said["reference"]) == (
        portail.client_id,
        "73282932000074",
        EMPREINTE,
        "DSN-2026-11/0042",
    )
    assert "exp" not in said
    assert journal("DeclarationAttested") == [
        {"client_id": portail.client_id, "declarant_id": un_declarant, "outcome": "success", "jti": said["jti"], "empreinte": EMPREINTE}
    ]


def test_a_receipt_tells_no_more_than_the_scope_and_is_no_token(portail, code_flow):
    answer = attest(portail, code_flow(portail, scope="openid").access_token)
    said = orjson.loads(verified(portail, answer).payload)
    assert not {"siret", "given_name", "usual_name"} & set(said)
    assert portail.userinfo(answer.text).status_code == 401
    assert attest(portail, answer.text).status_code == 401


def test_anybody_verifies_it(portail, code_flow, new_client):
    answer = attest(portail, code_flow(portail, scope="openid profile siret").access_token, reference="0042")
    stranger = new_client()

    def shown(text):
        return stranger.post("/verifier", data={"csrf": csrf_in(stranger.get("/verifier").text), "recu": text})

    page = shown(answer.text)
    assert page.status_code == 200
    assert "rendu est authentique" in page.text
    assert EMPREINTE in page.text
    assert "732 829 320 00074" in page.text.replace("\u00a0", " ").replace("\u202f", " ")
    assert shown(answer.text[:-6] + "AAAAAA").status_code == 422


@pytest.mark.parametrize(
    "form",
    [
        {"empreinte": ""},
        {"empreinte": EMPREINTE + "="},
        {"empreinte": EMPREINTE[:-1]},
        {"empreinte": "é" * 43},
        {"reference": "a" * 101},
        {"reference": "deux mots"},
        {"reference": "\u202e"},
    ],
)
def test_what_is_not_a_digest_is_refused_and_nothing_is_journalled(portail, code_flow, journal, form):
    answer = attest(portail, code_flow(portail).access_token, **form)

    assert answer.status_code == 400
    assert answer.json["error"] == "invalid_request"
    assert journal("DeclarationAttested") == []


def test_nobody_without_the_live_token_of_a_person(portail, partner, code_flow, signed_in, wsgi_app):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    tokens = code_flow(portail)
    refused = [
        "x",
        tokens.id_token,
        machine.token("client_credentials").json["access_token"],
        code_flow(portail, resource="https://api.test").access_token,
    ]
    assert portail.call(PATH, "POST", data={"empreinte": EMPREINTE}).status_code == 401
    assert [attest(portail, token).status_code for token in refused] == [401] * 4
    assert portail.call(PATH, "GET").status_code == 405

    mag = wsgi_app.mag
    cookie = signed_in.get_cookie(COOKIE, domain="mag.test", path="/").value
    close_session(mag.ephemeral, mag.settings, find_session(mag.ephemeral, mag.settings, cookie, datetime.now(UTC)))
    assert attest(portail, tokens.access_token).status_code == 401


def test_a_token_bound_to_a_key_is_good_with_its_proof_alone(partner, code_flow):
    bound = replace(partner("lie", scope="openid"), dpop=ECKey.generate_key("P-256"))
    tokens = code_flow(bound)

    assert attest(bound, tokens.access_token).status_code == 401


def test_a_person_has_many_receipts_and_not_without_end(portail, code_flow, wsgi_app, un_declarant):
    token = code_flow(portail).access_token
    wsgi_app.mag.ephemeral.count(Counter(f"attestations:{portail.client_id}:{un_declarant}", HOUR), by=AN_HOUR - 1)

    assert attest(portail, token).status_code == 200
    assert attest(portail, token).status_code == 429
