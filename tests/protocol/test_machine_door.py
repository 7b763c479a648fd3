"""The machine door `/authentifier/1.0/`: each answer to the letter of its format; brakes, second factors and rights as everywhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from xml.sax.saxutils import escape

import pytest
import time_machine
from werkzeug.test import Client

from idp.authentication.session import close_every_session
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import SettingError
from idp.habilitations.attribution import attribuer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.pagm import Possession
from tests.databases import SECRETS
from tests.factories import NOM, PASSWORD, PRENOM, SIRET
from tests.factories import un_declarant as inscrit
from tests.protocol.agreements import agree, yesterday

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
pytestmark = [pytest.mark.usefixtures("services"), ONLY_SQLITE]
DOOR = ("25:dsn-depot:dsn", "97:dsn-essai:dsn")
UNKNOWN, OVER = 'Basic realm="net-entreprises.fr"', 'Basic realm="Expiration du mot de passe"'
NOT_ENROLLED, NO_TOKEN, TOKEN_OVER = (
    f'DSNLogin realm="{name}"' for name in ("Utilisateur non-inscrit au service", "Jeton manquant ou invalide", "Expiration du jeton")
)


@pytest.fixture
def settings(settings):
    return replace(settings, machine_door=DOOR)


@pytest.fixture
def depot(partner):
    """The service where the software deposits: the door's tokens are its own."""
    return partner(
        "dsn-depot", redirect_uris=[], response_types=[], grant_types=["client_credentials"], scope="openid siret habilitations:dsn"
    )


@pytest.fixture
def someone(wsgi_app, depot):
    """A person with a password, and the right to declare."""
    found = inscrit(wsgi_app.flask).id
    with wsgi_app.flask.app_context():
        attribuer(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), found, int(SIRET), "dsn", [Droit.DECLARER])
        db.session.commit()
    return found


def document(**changes):
    given = {"siret": SIRET, "nom": NOM, "prenom": PRENOM, "motdepasse": PASSWORD, "service": "25", **changes}
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in given.items() if value is not None)
    return f"<identifiants>{inside}</identifiants>"


@pytest.fixture
def post(send):
    def act(body, **headers):
        told = {"User-Agent": "Client-DSN (Paie/1.0; Editeur)", **headers}
        return send(
            "/authentifier/1.0/", data=body.encode() if isinstance(body, str) else body, content_type="application/xml", headers=told
        )

    return act


@pytest.fixture
def check(send):
    return lambda token, scheme="DSNLogin jeton=": send("/authentifier/1.0/jeton", "GET", headers={"Authorization": scheme + token})


# --------------------------------------------------------------------------------------------------------------- refusals


def test_a_wrong_password_an_unknown_person_and_one_of_another_company_have_one_answer(post, someone):
    answers = [post(document(**wrong)) for wrong in ({"motdepasse": "faux"}, {"nom": "Inconnue"}, {"siret": "39234600300198"})]

    assert {(a.status_code, a.headers["WWW-Authenticate"], a.text) for a in answers} == {(401, UNKNOWN, "Identifiants inconnus.\n")}
    assert len({tuple(sorted(a.headers.keys())) for a in answers}) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="empty"),
        pytest.param("identifiants", id="not-xml"),
        pytest.param(document(service=None), id="missing"),
        pytest.param(document(service="12"), id="unknown-service"),
        pytest.param(document(autre="x"), id="one-more"),
        pytest.param(document(siret="73282932000075"), id="siret"),
        pytest.param(document(nom=""), id="name"),
        pytest.param(document(motdepasse="x" * 1025), id="long-password"),
        pytest.param(document(nom="x" * 9000), id="too-large"),
        pytest.param(document().replace("<siret>", '<siret a="b">'), id="attribute"),
        pytest.param(document().replace("<siret>", '<siret xmlns="urn:x">'), id="namespace"),
        pytest.param(document().replace(SIRET, f"<b>{SIRET}</b>"), id="nested"),
        pytest.param("<identifiants><nom>x</nom><siret>1</siret></identifiants>", id="order"),
        pytest.param(document().encode("utf-16"), id="encoding"),
        pytest.param(b'<?xml version="1.0" encoding="latin-1"?>' + document().encode("latin-1"), id="latin-1"),
    ],
)
def test_what_is_not_such_a_request_is_422_and_counts_for_nothing(post, someone, journal, body):
    answer = post(body)

    assert (answer.status_code, answer.text) == (422, "Requête mal formée.\n")
    assert journal("ConnexionRefused") == []


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE identifiants SYSTEM "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE identifiants [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE identifiants [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_document_with_a_DTD_is_407_before_it_is_read(post, someone, prologue):
    assert post(prologue + document(nom="&x;").replace("&amp;", "&")).status_code == 407


def test_another_content_type_is_422_and_another_method_405(send, someone):
    assert send("/authentifier/1.0/", data=document().encode(), content_type="text/plain").status_code == 422
    assert send("/authentifier/1.0/", "GET").status_code == 405


def test_after_several_failures_it_is_403_for_whoever_exists_or_not(post, someone):
    for who in ({}, {"nom": "Inconnue"}):
        statuses = [post(document(motdepasse="faux", **who)).status_code for _ in range(7)]
        assert statuses == [401] * 5 + [403] * 2 or statuses == [401] * 6 + [403]
        assert post(document(**who)).status_code == 403


def test_a_network_that_tries_everybody_is_429(post, someone, monkeypatch):
    monkeypatch.setattr("idp.authentication.throttle.BLOCK_FAILURES", 3)
    answers = [post(document(nom=f"Personne {chr(97 + n)}", motdepasse="faux")) for n in range(8)]

    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "600"


def test_who_may_not_declare_there_is_told_so_once_the_password_is_right(post, wsgi_app, depot, journal):
    inscrit(wsgi_app.flask)

    assert post(document(motdepasse="faux")).headers["WWW-Authenticate"] == UNKNOWN
    answer = post(document())
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, NOT_ENROLLED)
    assert journal("MachineDoorRefused")[0]["reason"] == "no right"


def test_a_second_factor_is_never_passed_over_and_not_told(post, someone, wsgi_app, journal):
    with wsgi_app.flask.app_context():
        db.session.get(Declarant, someone).second_factor = True
        db.session.commit()
    answer, wrong = post(document()), post(document(motdepasse="faux"))

    assert (answer.status_code, answer.headers["WWW-Authenticate"], answer.text) == (401, UNKNOWN, wrong.text)
    assert journal("MachineDoorRefused")[0]["reason"] == "second factor"


def test_a_service_whose_client_is_not_there_is_503(post, someone):
    assert post(document(service="97")).status_code == 503


@pytest.mark.parametrize(
    ("agreed", "error"),
    [
        pytest.param({"possession": Possession.DPOP}, "invalid_dpop_proof", id="dpop"),
        pytest.param({"possession": Possession.MTLS}, "invalid_request", id="certificate"),
        pytest.param({"du": yesterday(), "au": yesterday()}, "invalid_target", id="over"),
    ],
)
def test_an_agreement_that_the_format_cannot_keep_is_503_and_leaves_its_line(post, wsgi_app, someone, journal, agreed, error):
    agree(wsgi_app, "depot-dsn", "dsn-depot", "dsn", audiences=frozenset({"dsn-depot"}), **agreed)
    answer = post(document())

    assert (answer.status_code, answer.mimetype, answer.headers["Retry-After"]) == (503, "text/plain", "60")
    assert [line["reason"] for line in journal("MachineDoorRefused")] == [f"no token: {error}"]
    assert journal("MachineDoorOpened") == []


def test_the_door_does_not_exist_unless_it_is_opened(standing_app):
    assert Client(standing_app).post("/authentifier/1.0/", base_url="https://mag.test").status_code == 404


@pytest.mark.parametrize("wrong", ["25", "25:dsn", "x:dsn:dsn", "25::dsn", "25:a:dsn,25:b:dsn"])
def test_a_setting_that_says_nothing_clear_prevents_the_start(wrong):
    with pytest.raises(SettingError, match="MAG_MACHINE_DOOR"):
        Settings(issuer="https://mag.test", secrets=SECRETS, machine_door=tuple(wrong.split(",")))


# --------------------------------------------------------------------------------------------------------------- success


def test_the_token_is_the_whole_body_and_its_end_is_in_a_header(post, check, depot, someone, journal):
    answer = post(document())
    told = depot.introspect(answer.text).json

    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "text/plain", "no-store")
    assert parsedate_to_datetime(answer.headers["Expires"]).timestamp() == told["exp"]
    assert (told["active"], told["client_id"], told["amr"], told["acr"]) == (True, "dsn-depot", ["pwd"], "eidas1")
    assert told["hab"]["g"] == [{"s": {"dsn": "dc"}, "t": [SIRET]}]
    assert journal("MachineDoorOpened")[0]["software"] == "Client-DSN (Paie/1.0; Editeur)"
    assert check(answer.text).status_code == 204


def test_a_token_is_checked_as_the_format_shows_it(post, check, someone, partner, code_flow, wsgi_app):
    token = post(document()).text
    others = [
        check(""),
        check(token, "Bearer "),
        check(token, "DSNLogin "),
        check("a.b.c"),
        check(code_flow(partner("autre")).access_token),
    ]

    assert {(a.status_code, a.headers["WWW-Authenticate"]) for a in others} == {(401, NO_TOKEN)}
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        assert check(token).headers["WWW-Authenticate"] == TOKEN_OVER


def test_a_new_password_ends_the_tokens_of_the_former_one(post, check, depot, someone, wsgi_app):
    token = post(document()).text
    with wsgi_app.flask.app_context():
        close_every_session(wsgi_app.mag.ephemeral, wsgi_app.mag.settings, db.session.get(Declarant, someone))
        db.session.commit()

    assert depot.introspect(token).json == {"active": False}
    assert check(token).headers["WWW-Authenticate"] == NO_TOKEN
