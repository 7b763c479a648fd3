"""What a person does to let a device in, page by page: the code, the sign-in, the question, the answer. RFC 8628 sections 3.3, 5."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from idp.audit.models import AuditEvent
from idp.database import db
from idp.oidc.decoupled.device import MOST_BY_ADDRESS, MOST_BY_BROWSER, read_user_code
from tests.factories import PASSWORD, csrf_in, se_connecter, un_declarant
from tests.protocol.relying import hidden_fields, register

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
WRONG = "BBBB-BBBB"


@pytest.fixture
def tele(wsgi_app):
    return register(
        wsgi_app,
        "tele",
        client_name="Caisse connectée",
        client_uri="https://caisse.test/",
        policy_uri="https://caisse.test/vie-privee",
        grant_types=[DEVICE],
        redirect_uris=[],
        response_types=[],
        token_endpoint_auth_method="none",
        scope="openid profile siret",
    )


@pytest.fixture
def told(tele):
    """What the device shows."""
    return tele.post("/device_authorization", {"scope": "openid profile siret"}).json


def type_code(client, code, address="192.0.2.1"):
    form = {**hidden_fields(client.get("/device")), "code": code}
    return client.post("/device", data=form, environ_overrides={"REMOTE_ADDR": address})


def poll(tele, told):
    return tele.token(DEVICE, device_code=told["device_code"]).json


def test_from_the_code_to_the_device(app, client, tele, told):
    """Nobody is signed in: the code first, then the mire that names the device, then the question."""
    un_declarant(app)
    response = type_code(client, told["user_code"])
    question = client.get(response.headers["Location"])
    path, query = urlsplit(question.headers["Location"]).path, parse_qs(urlsplit(question.headers["Location"]).query)
    assert (question.status_code, path) == (303, "/connexion")
    assert "Caisse connectée</strong> vous demande de vous connecter" in client.get(question.headers["Location"]).text

    back = se_connecter(client, demande=query["demande"][0])
    page = client.get(back.headers["Location"])
    assert page.status_code == 200
    for shown in (
        told["user_code"],
        "Caisse connectée",
        "caisse.test",
        "Claire Lefèvre",
        "732 829 320 00074",
        "votre nom, votre prénom",
        "devant vous",
        "refusez",
        "Politique de confidentialité",
    ):
        assert shown in page.text
    done = client.post("/device/confirmation", data={**hidden_fields(page), "reponse": "accepter"})

    assert (done.status_code, "C'est fait" in done.text) == (200, True)
    assert poll(tele, told)["scope"] == "openid profile siret"


@ONLY_SQLITE
def test_3_3_1_a_code_in_the_address_is_shown_and_never_taken_for_granted(client, tele, told):
    page = client.get(f"/device?user_code={told['user_code']}")

    assert f'value="{told["user_code"]}"' in page.text
    assert poll(tele, told)["error"] == "authorization_pending"


@ONLY_SQLITE
@pytest.mark.parametrize("typed", ["<script>alert(1)</script>", "é" * 300, "", "\u202e"])
def test_nonsense_in_the_address_is_harmless(client, typed):
    page = client.get("/device", query_string={"user_code": typed})

    assert page.status_code == 200
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("BCDF-GHJK", "BCDFGHJK"),
        ("bcdfghjk", "BCDFGHJK"),
        (" b c d f — g.h_j k ", "BCDFGHJK"),
        ("ＢＣＤＦＧＨＪＫ", "BCDFGHJK"),
        ("BCDF-GHJ", None),
        ("BCDF-GHJKL", None),
        ("BCDF-GHJA", None),
        ("BCDF-GHJ0", None),
        ("", None),
        ("É" * 8, None),
    ],
)
def test_6_1_a_code_is_read_however_it_is_written(typed, read):
    assert read_user_code(typed) == read


@ONLY_SQLITE
def test_a_code_that_cannot_be_one_says_how_it_looks_and_counts_for_nothing(client):
    for _ in range(MOST_BY_BROWSER + 2):
        page = type_code(client, "BCDF")
        assert (page.status_code, "huit lettres" in page.text) == (422, True)


@ONLY_SQLITE
def test_an_unknown_code_says_what_to_do(client):
    page = type_code(client, WRONG)

    assert page.status_code == 422
    assert "demandez-en un autre sur l'appareil" in page.text.replace("&#39;", "'")
    assert 'role="alert"' in page.text
    assert 'aria-invalid="true"' in page.text


def test_5_1_guesses_are_counted_by_browser_and_a_right_code_costs_nothing(app, client, new_client, told):
    for _ in range(MOST_BY_BROWSER + 5):
        assert type_code(client, told["user_code"]).status_code == 303
    for _ in range(MOST_BY_BROWSER):
        assert type_code(client, WRONG).status_code == 422
    braked = type_code(client, told["user_code"])

    assert (braked.status_code, braked.headers["Retry-After"]) == (429, "600")
    assert type_code(new_client(), told["user_code"]).status_code == 303
    with app.app_context():
        assert db.session.query(AuditEvent).filter_by(kind="DeviceCodesBraked").count() == 1


@ONLY_SQLITE
def test_5_1_guesses_are_counted_by_address_whatever_the_browser(new_client, told):
    for _ in range(MOST_BY_ADDRESS):
        assert type_code(new_client(), WRONG, "2001:db8::1").status_code == 422

    assert type_code(new_client(), told["user_code"], "2001:db8::2").status_code == 429
    assert type_code(new_client(), told["user_code"], "2001:db8:0:1::1").status_code == 303


@ONLY_SQLITE
def test_giving_up_the_sign_in_refuses_the_device(app, client, tele, told):
    un_declarant(app)
    question = client.get(type_code(client, told["user_code"]).headers["Location"])
    mire = client.get(question.headers["Location"])
    demande = hidden_fields(mire)["demande"]
    cancelled = client.post("/connexion/annuler", data={"csrf": csrf_in(mire.text), "demande": demande})
    page = client.get(cancelled.headers["Location"])

    assert "Appareil refusé" in page.text
    assert poll(tele, told)["error"] == "access_denied"


def question_of(client, told):
    """The page of the question, for a browser that is signed in."""
    return client.get(type_code(client, told["user_code"]).headers["Location"])


@pytest.fixture
def claire(app, client):
    un_declarant(app)
    assert se_connecter(client).status_code == 303
    return client


@ONLY_SQLITE
def test_a_refusal_says_so(claire, tele, told):
    page = claire.post("/device/confirmation", data={**hidden_fields(question_of(claire, told)), "reponse": "refuser"})

    assert "Appareil refusé" in page.text
    assert poll(tele, told)["error"] == "access_denied"


@ONLY_SQLITE
@pytest.mark.parametrize("reponse", ["", "oui", "Accepter"])
def test_C43_anything_but_a_yes_is_a_no(claire, tele, told, reponse):
    claire.post("/device/confirmation", data={**hidden_fields(question_of(claire, told)), "reponse": reponse})

    assert poll(tele, told)["error"] == "access_denied"


@ONLY_SQLITE
def test_C39_an_answer_needs_the_form_of_this_session(claire, tele, told):
    fields = hidden_fields(question_of(claire, told))

    assert claire.post("/device/confirmation", data={**fields, "csrf": "x", "reponse": "accepter"}).status_code == 403
    assert claire.post("/device", data={"csrf": "x", "code": told["user_code"]}).status_code == 403
    assert poll(tele, told)["error"] == "authorization_pending"


@ONLY_SQLITE
def test_C38_a_question_begun_in_another_browser_is_refused(claire, new_client, told):
    begun = type_code(new_client(), told["user_code"]).headers["Location"]

    assert claire.get(begun).status_code == 400


@ONLY_SQLITE
def test_a_code_is_answered_once_by_whoever_is_first(claire, app, new_client, tele, told):
    other = new_client()
    un_declarant(app, prenom="Zoé")
    assert se_connecter(other, prenom="Zoé").status_code == 303
    first, second = hidden_fields(question_of(claire, told)), hidden_fields(question_of(other, told))
    claire.post("/device/confirmation", data={**first, "reponse": "refuser"})
    late = other.post("/device/confirmation", data={**second, "reponse": "accepter"})

    assert late.status_code == 422
    assert poll(tele, told)["error"] == "access_denied"


@ONLY_SQLITE
def test_a_code_that_expires_meanwhile_leads_back_to_the_code(claire, tele, told):
    fields = hidden_fields(question_of(claire, told))
    with time_machine.travel(datetime.now(UTC).timestamp() + 601, tick=False):
        late = claire.post("/device/confirmation", data={**fields, "reponse": "accepter"})
        assert (late.status_code, "Relier un appareil" in late.text) == (422, True)
        assert poll(tele, told)["error"] == "expired_token"


@ONLY_SQLITE
def test_a_session_that_ends_meanwhile_leads_to_the_mire(claire, told):
    fields = hidden_fields(question_of(claire, told))
    claire.post("/deconnexion", data={"csrf": csrf_in(claire.get("/").text), "portee": "ici"})
    response = claire.post("/device/confirmation", data={**fields, "reponse": "accepter"})

    assert (response.status_code, urlsplit(response.headers["Location"]).path) == (303, "/connexion")


@ONLY_SQLITE
@pytest.mark.parametrize("demande", ["", "x", "é", "x" * 3000])
def test_a_question_without_a_demande_is_refused_in_french(client, demande):
    assert client.get("/device/confirmation", query_string={"demande": demande}).status_code in (400, 422)
    assert client.post("/device/confirmation", data={"demande": demande}).status_code in (400, 422)


@ONLY_SQLITE
def test_home_leads_there(claire):
    page = claire.get("/").text

    assert 'href="/device"' in page
    assert 'href="/demandes"' in page
    assert PASSWORD not in page
