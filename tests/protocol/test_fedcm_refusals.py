"""FedCM: the browser alone may ask (W8), for the session it bears, for a page of the client, what the client may ask; in that order."""

import json
from datetime import UTC, datetime

import orjson
import pytest

from idp.authentication.session import COOKIE, open_session, row_of
from idp.authentication.split_cookie import COOKIE as HALF
from idp.authentication.split_cookie import Half
from idp.database import db
from idp.declarants.models import Declarant
from idp.seals import b64

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
BROWSER = {"Sec-Fetch-Dest": "webidentity", "Sec-Fetch-Site": "cross-site"}
PATHS = (("GET", "/fedcm/config.json"), ("GET", "/fedcm/accounts"), ("POST", "/fedcm/assertion"), ("POST", "/fedcm/disconnect"))


@pytest.fixture(scope="module")
def numbers():
    return iter(range(1, 100))


@pytest.fixture
def portail(partner, numbers):
    """A partner of its own for each test: the application stands for all of them."""
    return partner(f"portail-{next(numbers)}")


@pytest.fixture
def chooser(wsgi_app, new_client, un_declarant):
    """A browser where somebody is signed in, with both halves of its cookie."""
    mag, browser = wsgi_app.mag, new_client()
    with wsgi_app.flask.app_context():
        person = db.session.get(Declarant, un_declarant)
        session, cookie = open_session(mag.ephemeral, mag.settings, person, amr=("pwd",), acr="eidas1", now=datetime.now(UTC))
        db.session.rollback()
    for name, value in ((COOKIE, cookie), (HALF, Half(row_of(cookie)).dump(mag.keyring))):
        browser.set_cookie(name, value, domain="mag.test", secure=True, httponly=True)
    browser.account, browser.sid, browser.person = session.uid, session.sid, un_declarant
    return browser


def params(partner, **changes):
    asked = partner.request(**changes)
    del asked["client_id"]
    return asked


def ask(browser, partner, *, headers=None, form=None, **changes):
    """A valid assertion request; a header or a field that is None is left out."""
    sent = {**BROWSER, "Origin": partner.redirect_uri.removesuffix("/retour"), **(headers or {})}
    fields = {
        "client_id": partner.client_id,
        "account_id": browser.account,
        "params": json.dumps(params(partner, **changes)),
        **(form or {}),
    }
    return browser.post(
        "/fedcm/assertion",
        data={name: value for name, value in fields.items() if value is not None},
        headers={name: value for name, value in sent.items() if value is not None},
    )


# ------------------------------------------------------------------------------------------------------------- the browser


@pytest.mark.parametrize("dest", [None, "empty", "document", "iframe", "WEBIDENTITY"])
@pytest.mark.parametrize(("method", "path"), PATHS)
def test_w8_what_is_not_the_browser_itself_is_refused(chooser, method, path, dest):
    """From curl, from a script, from a form, from a frame."""
    answer = chooser.open(path, method=method, headers={} if dest is None else {"Sec-Fetch-Dest": dest})

    assert (answer.status_code, answer.json) == (403, {"error": {"error": "access_denied"}})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_w8_a_call_from_a_frame_of_mag_is_refused(chooser, portail):
    """The browser says that the page is MAG itself, which is no page of the client."""
    assert ask(chooser, portail, headers={"Origin": "https://mag.test"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"), [(m, p) for m, p in (("POST", "/fedcm/accounts"), ("GET", "/fedcm/assertion"), ("PUT", "/fedcm/disconnect"))]
)
def test_another_method_is_refused(chooser, method, path):
    assert chooser.open(path, method=method, headers=BROWSER).status_code == 405


# ------------------------------------------------------------------------------------------------------------- the session


@pytest.mark.parametrize("path", ["/fedcm/accounts", "/fedcm/assertion", "/fedcm/disconnect"])
@pytest.mark.parametrize("half", [None, "", "x", "é" * 4, "A" * 300, "A" * 900, "sealed-for-something-else"])
def test_without_a_session_the_browser_learns_that_nobody_is_signed_in(wsgi_app, new_client, chooser, path, half):
    browser = new_client()
    if half == "sealed-for-something-else":
        row = row_of(chooser.get_cookie(COOKIE, "mag.test").value)
        half = b64(wsgi_app.mag.keyring.seal("remembered", orjson.dumps([row, []])))
    headers = {**BROWSER, **({} if half is None else {"Cookie": f"{HALF}={half}".encode().decode("latin-1")})}
    answer = browser.open(path, method="GET" if path.endswith("accounts") else "POST", headers=headers)

    assert (answer.status_code, answer.headers["Set-Login"]) == (401, "logged-out")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_session_cookie_itself_is_not_enough(chooser):
    """What crosses sites is the other half, and it alone."""
    chooser.delete_cookie(HALF, domain="mag.test")

    assert chooser.get("/fedcm/accounts", headers=BROWSER).status_code == 401


def test_C65_the_other_half_opens_nothing_else(chooser, portail):
    chooser.delete_cookie(COOKIE, domain="mag.test")

    assert chooser.get("/fedcm/accounts", headers=BROWSER).status_code == 200
    assert chooser.get("/compte").headers["Location"].startswith("/connexion")
    assert "/connexion?" in portail.ask(chooser).headers["Location"]
    chooser.set_cookie(COOKIE, chooser.get_cookie(HALF, domain="mag.test").value, domain="mag.test")
    assert chooser.get("/compte").headers["Location"].startswith("/connexion")


# ---------------------------------------------------------------------------------------- the account, the client, the page


@pytest.mark.parametrize("account", [None, "", "inconnu", "../etc", "é"])
def test_an_account_of_another_session_is_refused(chooser, portail, journal, account):
    answer = ask(chooser, portail, form={"account_id": account})

    assert (answer.status_code, answer.json["error"]["error"]) == (403, "access_denied")
    assert journal("FedcmRefused")[-1] == {
        "client_id": None,
        "declarant_id": chooser.person,
        "outcome": "failure",
        "reason": "the account is not of this session",
    }


def test_the_account_of_somebody_else_is_refused(chooser, portail, wsgi_app, new_declarant):
    with wsgi_app.flask.app_context():
        other = db.session.get(Declarant, new_declarant()).uid

    assert ask(chooser, portail, form={"account_id": other}).status_code == 403


@pytest.mark.parametrize("client_id", [None, "", "inconnu", "é", "x" * 200])
def test_an_unknown_client_is_refused(chooser, portail, client_id):
    answer = ask(chooser, portail, form={"client_id": client_id})

    assert (answer.status_code, answer.json["error"]["error"]) == (403, "unauthorized_client")


def test_a_client_that_is_not_of_fedcm_is_refused(chooser, partner, numbers):
    answer = ask(chooser, partner(f"autre-{next(numbers)}", widget_modes=["redirect"]))

    assert (answer.status_code, answer.json["error"]["error"]) == (403, "unauthorized_client")


@pytest.mark.parametrize(
    "origin", [None, "null", "https://ailleurs.test", "https://{name}.test.ailleurs.test", "http://{name}.test", "https://{name}.test:8443"]
)
def test_w7_a_page_of_another_origin_is_refused(chooser, portail, journal, origin):
    """And may not read why."""
    answer = ask(chooser, portail, headers={"Origin": origin and origin.format(name=portail.client_id)})

    assert (answer.status_code, answer.json["error"]["error"]) == (403, "unauthorized_client")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert journal("FedcmRefused")[-1]["reason"] == "the page is not of this client"


def test_the_origins_that_a_client_declares_are_the_only_ones(chooser, partner, numbers):
    declared = partner(f"www-{next(numbers)}", widget_origins=["https://www.portail.test"])

    assert ask(chooser, declared).status_code == 403
    assert ask(chooser, declared, headers={"Origin": "https://www.portail.test"}).status_code == 200


# -------------------------------------------------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "1",
        '"x"',
        "null",
        '{"a": 1}',
        '{"a": null}',
        '{"a": true}',
        '{"a\\u0000": "b"}',
        '{"a": "b\\u0000"}',
        "{" + '"a":{' * 2000,
        '{"a":' * 600 + '""' + "}" * 600,
    ],
)
def test_params_that_are_no_request_are_refused(chooser, portail, text):
    answer = ask(chooser, portail, form={"params": text})

    assert (answer.status_code, answer.json["error"]["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"response_type": "id_token"}, "invalid_request", id="response-type"),
        pytest.param({"response_type": None}, "invalid_request", id="no-response-type"),
        pytest.param({"code_challenge": None}, "invalid_request", id="no-pkce"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain-pkce"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="no-method"),
        pytest.param({"code_challenge": "court"}, "invalid_request", id="short-challenge"),
        pytest.param({"redirect_uri": "https://ailleurs.test/retour"}, "invalid_request", id="redirect-uri"),
        pytest.param({"redirect_uri": None}, "invalid_request", id="no-redirect-uri"),
        pytest.param({"scope": "openid habilitations:dsn"}, "invalid_scope", id="scope"),
        pytest.param({"scope": None}, "invalid_scope", id="no-scope"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="prompt"),
        pytest.param({"claims": "x"}, "invalid_request", id="claims"),
        pytest.param({"max_age": "x"}, "invalid_request", id="max-age"),
        pytest.param({"resource": "https://ailleurs.test"}, "invalid_target", id="resource"),
        pytest.param({"client_id": "un-autre"}, "invalid_request", id="client"),
    ],
)
def test_w7_a_request_that_the_authorization_endpoint_refuses_is_refused(chooser, portail, change, error):
    answer = (
        ask(chooser, portail, form={"params": json.dumps({**params(portail), **change})})
        if "client_id" in change
        else ask(chooser, portail, **change)
    )

    assert (answer.status_code, answer.json["error"]["error"]) == (400, error)
    assert answer.headers["Access-Control-Allow-Origin"] == f"https://{portail.client_id}.test"
    assert answer.json["error"]["url"].startswith(f"https://mag.test/fedcm/aide?erreur={error}&trace=")


def test_what_only_mag_writes_cannot_be_sent(chooser, portail):
    answer = ask(chooser, portail, form={"params": json.dumps({**params(portail), "mag_fedcm": "1", "mag_signed": "1"})})

    assert set(answer.json["token"]) == {"code", "state", "iss"}


def test_prompt_none_asks_for_no_window(chooser, portail):
    answer = ask(chooser, portail, prompt="none", max_age="0")

    assert (answer.status_code, answer.json["error"]["error"]) == (400, "login_required")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": b"{}", "content_type": "application/json"}, 415),
        ({"data": b"a" * 70_000, "content_type": "application/x-www-form-urlencoded"}, 413),
    ],
)
def test_a_body_that_is_no_form_is_refused(chooser, options, status):
    assert chooser.post("/fedcm/assertion", headers=BROWSER, **options).status_code == status


def test_a_repeated_field_is_refused(chooser, portail):
    body = f"client_id={portail.client_id}&client_id={portail.client_id}"
    answer = chooser.post("/fedcm/assertion", data=body, content_type="application/x-www-form-urlencoded", headers=BROWSER)

    assert answer.status_code == 400


def test_too_many_requests_of_one_session_are_refused(chooser, portail):
    codes = [ask(chooser, portail).status_code for _ in range(62)]

    assert codes[:60] == [200] * 60
    assert codes[60:] == [429] * 2


# ----------------------------------------------------------------------------------------------------------------- the code


def test_w7_a_code_serves_once_for_its_client_with_its_verifier(chooser, partner, portail, numbers):
    other = partner(f"voleur-{next(numbers)}")
    code = ask(chooser, portail).json["token"]["code"]

    assert other.redeem(code, redirect_uri=portail.redirect_uri).json["error"] == "invalid_grant"
    assert portail.redeem(code, code_verifier="un-autre-verificateur-de-quarante-trois-signes").json["error"] == "invalid_grant"
    assert portail.redeem(code).status_code == 200
    assert portail.redeem(code).json["error"] == "invalid_grant"


def test_a_code_of_a_session_that_ended_is_worth_nothing(chooser, portail, wsgi_app):
    code = ask(chooser, portail).json["token"]["code"]
    wsgi_app.mag.ephemeral.end(f"sid:{chooser.sid}", lifetime=60)

    assert portail.redeem(code).json["error"] == "invalid_grant"
    assert ask(chooser, portail).status_code == 401
