"""CIBA, poll and ping: what a partner asks of somebody elsewhere, and what it polls. CIBA Core 1.0. The page is seen here too."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import orjson
import pytest
import time_machine
from joserfc.jwk import ECKey
from sqlalchemy import select

from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail
from idp.oidc.decoupled import ciba
from tests.conftest import composed
from tests.protocol.receiver import receiving
from tests.protocol.relying import hidden_fields, register
from tests.protocol.test_step_up import exiger

CIBA = "urn:openid:params:grant-type:ciba"
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SIRET = "73282932000074"
TOKEN = "jeton-de-notification-0123456789"


@pytest.fixture
def settings(settings):
    return replace(settings, outgoing_hosts=("partenaire.localhost",))


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def anne(new_declarant):
    return new_declarant(nom="Lefèvre", prenom="Anne", email="anne.lefevre@exemple.fr")


@pytest.fixture
def browser(browser_of, anne):
    return browser_of(anne)


@pytest.fixture
def centre(partner):
    """A call centre, which polls."""
    return caller(partner)


def caller(partner, name="centre", **metadata):
    given = {"backchannel_token_delivery_mode": "poll", "scope": "openid email siret", **metadata}
    return partner(name, **{"grant_types": [CIBA], "redirect_uris": [], "response_types": [], **given})


def ask(client, **form):
    return client.post("/bc-authorize", {"scope": "openid email", "login_hint": f"{SIRET}|LEFEVRE|anne", **form})


def poll(client, auth_req_id):
    return client.token(CIBA, auth_req_id=auth_req_id)


def answer(browser, reponse="accepter"):
    """The first demande of the page."""
    return browser.post("/demandes", data={**hidden_fields(browser.get("/demandes")), "reponse": reponse})


def refused(response, error, status=400):
    assert (response.status_code, response.json["error"]) == (status, error), response.text


# ----------------------------------------------------------------------------------------------------------- the request


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"scope": None}, "invalid_scope", id="7.1-scope-missing"),
        pytest.param({"scope": "email"}, "invalid_scope", id="7.1-scope-without-openid"),
        pytest.param({"login_hint": None}, "invalid_request", id="7.1-no-hint"),
        pytest.param({"id_token_hint": "x"}, "invalid_request", id="87-two-hints"),
        pytest.param({"login_hint_token": "x"}, "invalid_request", id="7.1-two-hints-with-a-token"),
        pytest.param({"login_hint": None, "login_hint_token": "x"}, "invalid_request", id="ours-login-hint-token"),
        pytest.param({"binding_message": "x" * 65}, "invalid_binding_message", id="7.1-message-too-long"),
        pytest.param({"binding_message": "a\nb"}, "invalid_binding_message", id="7.1-message-of-two-lines"),
        pytest.param({"binding_message": "a\u202eb"}, "invalid_binding_message", id="7.1-message-that-turns-round"),
        pytest.param({"requested_expiry": "0"}, "invalid_request", id="7.1-expiry-zero"),
        pytest.param({"requested_expiry": "-1"}, "invalid_request", id="7.1-expiry-negative"),
        pytest.param({"requested_expiry": "demain"}, "invalid_request", id="7.1-expiry-text"),
        pytest.param({"requested_expiry": "9" * 12}, "invalid_request", id="7.1-expiry-huge"),
        pytest.param({"user_code": "1234"}, "invalid_request", id="ours-user-code"),
        pytest.param({"client_notification_token": "é"}, "invalid_request", id="7.1-notification-token"),
        pytest.param({"client_notification_token": "x" * 1025}, "invalid_request", id="7.1-notification-token-too-long"),
        pytest.param({"request": "x"}, "invalid_request", id="7.1.1-signed-by-who-registered-no-algorithm"),
    ],
)
def test_a_request_that_breaks_one_rule_is_refused(centre, anne, change, error):
    refused(ask(centre, **change), error)


@ONLY_SQLITE
def test_C26_a_client_without_the_grant_is_refused(partner):
    refused(ask(partner()), "unauthorized_client")
    refused(poll(partner(), "x"), "unauthorized_client")


@ONLY_SQLITE
def test_a_request_without_authentication_is_refused(centre, anne):
    response = centre.call("/bc-authorize", data={"client_id": "centre", "scope": "openid", "login_hint": "x"})

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


@ONLY_SQLITE
def test_7_1_who_is_pinged_says_with_which_token(partner, anne):
    pinged = caller(partner, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint="https://centre.test/ping")

    refused(ask(pinged), "invalid_request")
    assert ask(pinged, client_notification_token=TOKEN).status_code == 200


def test_7_3_the_answer_says_what_to_poll(centre, anne, journal):
    told = ask(centre, binding_message="1234", requested_expiry="120", acr_values="eidas1").json

    assert told.keys() == {"auth_req_id", "expires_in", "interval"}
    assert (told["expires_in"], told["interval"]) == (120, 5)
    assert len(told["auth_req_id"]) >= 43
    assert journal("BackchannelAsked") == [
        {"client_id": "centre", "declarant_id": anne, "outcome": "success", "scope": "openid email", "message": "1234"}
    ]


@ONLY_SQLITE
def test_ours_no_request_lives_longer_than_ten_minutes(centre, anne):
    assert ask(centre, requested_expiry="86400").json["expires_in"] == 600


# ----------------------------------------------------------------------------------------------------- a signed request


@pytest.fixture
def signer(partner):
    return caller(partner, token_endpoint_auth_method="private_key_jwt", backchannel_authentication_request_signing_alg="ES256")


def signed(client, **changes):
    now = int(time.time())
    claims = {"sub": None, "nbf": now, "scope": "openid", "login_hint": f"{SIRET}|LEFEVRE|anne", **changes}
    return client.assertion(**claims)


def ask_signed(client, **changes):
    return client.post("/bc-authorize", {"request": signed(client, **changes)})


@ONLY_SQLITE
@pytest.mark.parametrize(
    "change",
    [
        *(pytest.param({name: None}, id=f"87-{name}-missing") for name in ("iss", "aud", "exp", "nbf", "iat", "jti")),
        pytest.param({"iss": "autre"}, id="87-iss-of-another"),
        pytest.param({"aud": "https://ailleurs.test"}, id="87-aud-of-another"),
        pytest.param({"exp": 1}, id="87-expired"),
        pytest.param({"exp": "demain"}, id="87-exp-is-a-text"),
        pytest.param({"nbf": 4_000_000_000}, id="87-not-yet"),
        pytest.param({"nbf": 1}, id="84-nbf-long-ago"),
        pytest.param({"exp": 4_000_000_000}, id="84-lives-too-long"),
        pytest.param({"iat": "hier"}, id="87-iat-is-a-text"),
        pytest.param({"jti": 7}, id="87-jti-is-a-number"),
        pytest.param({"login_hint": ["a"]}, id="ours-hint-is-a-list"),
        pytest.param({"id_token_hint": "x"}, id="87-two-hints"),
        pytest.param({"requested_expiry": 1.5}, id="7.1-expiry-is-a-fraction"),
        pytest.param({"requested_expiry": True}, id="7.1-expiry-is-a-boolean"),
        pytest.param({"key": ECKey.generate_key("P-256", {"kid": "cle-centre"})}, id="C23-another-key"),
        pytest.param({"header": {"typ": "at+jwt"}}, id="8725-3.11-typ"),
    ],
)
def test_a_signed_request_that_breaks_one_rule_is_refused(signer, anne, change):
    refused(ask_signed(signer, **change), "invalid_request")


@ONLY_SQLITE
def test_87_a_client_that_signs_must_sign(signer, anne):
    refused(ask(signer), "invalid_request")


@ONLY_SQLITE
def test_7_1_1_nothing_goes_beside_what_is_signed(signer, anne):
    refused(signer.post("/bc-authorize", {"request": signed(signer), "scope": "openid"}), "invalid_request")


@ONLY_SQLITE
def test_C24_a_signed_request_serves_once(signer, anne):
    text = signed(signer)
    assert signer.post("/bc-authorize", {"request": text}).status_code == 200

    refused(signer.post("/bc-authorize", {"request": text}), "invalid_request")


@ONLY_SQLITE
@pytest.mark.parametrize("expiry", [30, "30"])
def test_87_requested_expiry_is_a_number_or_a_text(signer, anne, expiry):
    assert ask_signed(signer, requested_expiry=expiry).json["expires_in"] == 30


@ONLY_SQLITE
def test_84_a_clock_eight_seconds_ahead_will_do(signer, anne):
    now = int(time.time())

    assert ask_signed(signer, nbf=now + 8, iat=now + 8, exp=now + 60).status_code == 200


# ------------------------------------------------------------------------------------------------------------- the poll


@ONLY_SQLITE
@pytest.mark.parametrize("auth_req_id", [None, "", "x", "é", "x" * 5000])
def test_an_auth_req_id_that_is_nobodys_is_refused(centre, auth_req_id):
    refused(poll(centre, auth_req_id), "invalid_grant" if auth_req_id else "invalid_request")


def test_11_pending_then_slow_down(centre, anne):
    told = ask(centre).json

    refused(poll(centre, told["auth_req_id"]), "authorization_pending")
    refused(poll(centre, told["auth_req_id"]), "slow_down")


@ONLY_SQLITE
def test_87_a_request_expires(centre, anne, browser):
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        told = ask(centre, requested_expiry="10").json
        clock.shift(11)
        refused(poll(centre, told["auth_req_id"]), "expired_token")
        assert "Rien n'attend" in browser.get("/demandes").text


@ONLY_SQLITE
def test_87_another_client_cannot_poll(partner, centre, browser):
    other, told = caller(partner, "autre"), ask(centre).json
    answer(browser)

    refused(poll(other, told["auth_req_id"]), "invalid_grant")


def test_a_person_who_agrees_gives_tokens_of_her_session(centre, browser, journal, anne):
    told = ask(centre, binding_message="4321").json
    page = browser.get("/demandes")
    assert "4321" in page.text
    assert "Portail centre" in page.text
    assert "Votre accord est transmis" in answer(browser).text
    tokens = centre.tokens(poll(centre, told["auth_req_id"]))

    assert centre.verified(tokens.id_token)["aud"] == "centre"
    assert centre.userinfo(tokens.access_token).json["email"] == "anne.lefevre@exemple.fr"
    assert journal("BackchannelApproved") == [{"client_id": "centre", "declarant_id": anne, "outcome": "success", "scope": "openid email"}]


def test_a_person_who_refuses_gives_nothing(centre, browser, journal):
    told = ask(centre).json
    assert "Votre refus est transmis" in answer(browser, "refuser").text

    refused(poll(centre, told["auth_req_id"]), "access_denied")
    assert [line["outcome"] for line in journal("BackchannelRefused")] == ["failure"]


@ONLY_SQLITE
def test_ours_a_policy_that_asks_for_two_factors_holds_on_another_screen(centre, browser, anne, new_client, sign_in, app):
    exiger(app, "partenaire", "centre", "--delai", "0")
    asked = ask(centre).json

    assert answer(browser).location.startswith("/connexion/second-facteur?demande=")
    refused(poll(centre, asked["auth_req_id"]), "authorization_pending")
    strong = new_client()
    sign_in(strong, anne, acr="eidas1-mfa", amr=("pwd", "totp", "mfa"))
    assert "Votre accord est transmis" in answer(strong).text
    assert centre.tokens(poll(centre, asked["auth_req_id"])).claims["acr"] == "eidas1-mfa"


@ONLY_SQLITE
def test_ours_a_policy_that_asks_for_two_factors_stops_no_refusal(centre, browser, app):
    exiger(app, "partenaire", "centre", "--delai", "0")
    ask(centre)

    assert "Votre refus est transmis" in answer(browser, "refuser").text


@ONLY_SQLITE
def test_a_demande_is_answered_once(centre, browser):
    told = ask(centre).json
    form = {**hidden_fields(browser.get("/demandes")), "reponse": "refuser"}
    assert browser.post("/demandes", data=form).status_code == 200
    again = browser.post("/demandes", data={**form, "reponse": "accepter"})

    assert (again.status_code, "déjà répondu" in again.text) == (422, True)
    refused(poll(centre, told["auth_req_id"]), "access_denied")


@ONLY_SQLITE
@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 30, "é"])
def test_a_demande_that_is_not_a_number_is_refused(centre, browser, number):
    ask(centre)
    form = {**hidden_fields(browser.get("/demandes")), "reponse": "accepter", "demande": number}

    assert browser.post("/demandes", data=form).status_code == 403


@ONLY_SQLITE
def test_C39_an_answer_needs_the_form_of_this_session(centre, browser):
    ask(centre)
    fields = hidden_fields(browser.get("/demandes"))

    assert browser.post("/demandes", data={**fields, "csrf": "x", "reponse": "accepter"}).status_code == 403


@ONLY_SQLITE
def test_C60_nobody_answers_for_another(centre, anne, new_declarant, new_client, sign_in, browser):
    told = ask(centre).json
    number = hidden_fields(browser.get("/demandes"))["demande"]
    other = new_client()
    sign_in(other, new_declarant())
    ask(centre, login_hint=f"{SIRET}|x|y")
    page = other.get("/demandes")
    assert "Rien n'attend" in page.text
    csrf = answer_form_of(centre, other, new_declarant, sign_in)

    assert other.post("/demandes", data={"csrf": csrf, "demande": number, "reponse": "accepter"}).status_code == 422
    refused(poll(centre, told["auth_req_id"]), "authorization_pending")


def answer_form_of(centre, browser, new_declarant, sign_in):
    """An anti-forgery value of a person who has a demande of her own."""
    sign_in(browser, new_declarant(nom="Martin", prenom="Zoé"))
    ask(centre, login_hint=f"{SIRET}|Martin|Zoé")
    return hidden_fields(browser.get("/demandes"))["csrf"]


@ONLY_SQLITE
def test_whoever_is_not_signed_in_signs_in_and_comes_back(centre, anne, client, sign_in):
    response = client.get("/demandes")
    assert (response.status_code, response.headers["Location"].partition("?")[0]) == (303, "/connexion")
    assert "MAG</strong> vous demande de vous connecter" in client.get(response.headers["Location"]).text
    assert client.get("/demandes?refus=1").headers["Location"] == "/"
    assert client.post("/demandes", data={"demande": "1"}).status_code == 303


# -------------------------------------------------------------------------------------------------------------- the hint


@ONLY_SQLITE
@pytest.mark.parametrize(
    "hint",
    [
        pytest.param("73282932000074|Lefèvre|Anne", id="ours-as-inscribed"),
        pytest.param("732 829 320 00074|LEFEVRE|anne", id="ours-however-it-is-spelt"),
        pytest.param("anne.lefevre@exemple.fr", id="ours-an-address-nobody-shares"),
    ],
)
def test_a_hint_names_its_person(centre, browser, hint):
    ask(centre, login_hint=hint)

    assert "Rien n'attend" not in browser.get("/demandes").text


def test_7_1_an_id_token_names_its_person(partner, browser, anne):
    centre = caller(partner, grant_types=["authorization_code", CIBA], redirect_uris=["https://centre.test/r"], response_types=["code"])
    id_token = centre.tokens(centre.redeem(centre.code(browser))).id_token
    ask(centre, login_hint=None, id_token_hint=id_token)

    assert "Rien n'attend" not in browser.get("/demandes").text


@ONLY_SQLITE
@pytest.mark.parametrize(
    "hint",
    [
        pytest.param("73282932000074|Personne|Zoé", id="nobody"),
        pytest.param("inconnue@exemple.fr", id="an-address-of-nobody"),
        pytest.param("commune@exemple.fr", id="an-address-of-two"),
        pytest.param("73282932000074", id="a-siret-alone"),
        pytest.param("é" * 300, id="nonsense"),
        pytest.param("|||", id="nothing"),
        pytest.param("a@b\0", id="a-strange-address"),
    ],
)
def test_unknown_is_answered_as_known_is(centre, anne, new_declarant, wsgi_app, hint):
    """Section 13 has `unknown_user_id`: MAG never says it."""
    for _ in range(2):
        new_declarant(email="commune@exemple.fr")
    known = ask(centre)
    unknown = ask(centre, login_hint=hint)
    if "\0" in hint:
        refused(unknown, "invalid_request")
        return

    assert unknown.status_code == known.status_code == 200
    assert unknown.json.keys() == known.json.keys()
    assert {len(told.json["auth_req_id"]) for told in (known, unknown)} == {43}
    refused(poll(centre, unknown.json["auth_req_id"]), "authorization_pending")
    assert recipients(wsgi_app) == ["anne.lefevre@exemple.fr"]


@ONLY_SQLITE
@pytest.mark.parametrize("hint", ["x", "a.b.c"])
def test_an_id_token_that_is_not_ours_names_nobody(centre, anne, hint):
    assert ask(centre, login_hint=None, id_token_hint=hint).status_code == 200


def recipients(wsgi_app):
    with wsgi_app.flask.app_context():
        return list(db.session.scalars(select(Mail.recipient).where(Mail.next_try_at.is_not(None))))


def test_the_person_receives_a_mail_that_opens_nothing(centre, anne, wsgi_app):
    ask(centre, binding_message="4321")
    with wsgi_app.flask.app_context():
        mail = db.session.scalars(select(Mail)).one()

        assert (mail.recipient, mail.declarant_id, mail.kind) == ("anne.lefevre@exemple.fr", anne, "demande")
        assert mail.subject == "Portail centre attend votre accord"
        assert "https://mag.test/demandes\n" in mail.body
        assert "« 4321 »" in mail.body


@ONLY_SQLITE
@pytest.mark.parametrize("signed", [False, True])
def test_8707_2_a_request_names_the_resources_of_its_tokens(partner, browser, signed):
    alg = {"backchannel_authentication_request_signing_alg": "ES256", "token_endpoint_auth_method": "private_key_jwt"} if signed else {}
    centre = caller(partner, audience=["https://a.test", "https://b.test"], **alg)

    def asked(resource):
        about = {"scope": "openid email", "login_hint": f"{SIRET}|LEFEVRE|anne", "sub": None}
        claims = {**about, "nbf": int(time.time()), "resource": [resource]}
        return centre.post("/bc-authorize", {"request": centre.assertion(**claims)}) if signed else ask(centre, resource=resource)

    refused(asked("https://c.test"), "invalid_target")
    told = asked("https://a.test").json
    answer(browser)

    assert centre.tokens(poll(centre, told["auth_req_id"])).access["aud"] == "https://a.test"


@ONLY_SQLITE
def test_ours_nobody_is_pestered_whether_she_exists_or_not(centre, anne):
    for hint in (f"{SIRET}|LEFEVRE|anne", f"{SIRET}|Personne|Zoé"):
        for _ in range(ciba.MOST_FOR_ONE):
            assert ask(centre, login_hint=hint).status_code == 200
        refused(ask(centre, login_hint=hint), "access_denied", 403)


@ONLY_SQLITE
def test_ours_a_test_identity_is_asked_as_often_as_a_certification_suite_wants(settings, anne):
    with composed(replace(settings, test_identities=(f"{SIRET}|Lefèvre|Anne",))) as doors:
        centre = caller(partial(register, doors))
        for _ in range(ciba.MOST_FOR_ONE + 1):
            assert ask(centre, login_hint=f"{SIRET}|LEFEVRE|anne").status_code == 200


@ONLY_SQLITE
def test_ours_nobody_is_pestered_however_she_is_spelt(centre, anne):
    spelt = [
        f"{SIRET}|LEFEVRE|anne",
        f"{SIRET}|Lefèvre|Anne",
        "732 829 320 00074|lefèvre| anne ",
        *(f"{SIRET}|lefevre|ANNE|{n}" for n in range(9)),
    ]
    for hint in spelt[: ciba.MOST_FOR_ONE]:
        assert ask(centre, login_hint=hint).status_code == 200
    for hint in spelt[ciba.MOST_FOR_ONE :]:
        refused(ask(centre, login_hint=hint), "access_denied", 403)


def test_ours_nobody_is_pestered_by_one_id_token_after_another(partner, browser, anne):
    centre = caller(partner, grant_types=["authorization_code", CIBA], redirect_uris=["https://centre.test/r"], response_types=["code"])
    hints = [centre.tokens(centre.redeem(centre.code(browser))).id_token for _ in range(ciba.MOST_FOR_ONE + 1)]
    for hint in hints[:-1]:
        assert ask(centre, login_hint=None, id_token_hint=hint).status_code == 200
    refused(ask(centre, login_hint=None, id_token_hint=hints[-1]), "access_denied", 403)


@ONLY_SQLITE
def test_C46_a_suspended_person_is_nobody(centre, new_declarant, wsgi_app, browser):
    suspended = new_declarant(nom="Martin", prenom="Zoé", email="zoe@exemple.fr")
    with wsgi_app.flask.app_context():
        db.session.get(Declarant, suspended).statut = Statut.SUSPENDU
        db.session.commit()
    assert ask(centre, login_hint=f"{SIRET}|Martin|Zoé").status_code == 200
    assert recipients(wsgi_app) == []


# -------------------------------------------------------------------------------------------------------------- the ping


@pytest.fixture
def pinged(partner, receiver):
    return caller(partner, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=receiver.address("/ping"))


@pytest.mark.parametrize("reponse", ["accepter", "refuser"])
def test_10_2_the_client_is_told_that_there_is_an_answer(pinged, browser, receiver, reponse):
    told = ask(pinged, client_notification_token=TOKEN).json
    answer(browser, reponse)
    (ping,) = came(receiver)

    assert ping["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert ping["headers"]["content-type"] == "application/json"
    assert orjson.loads(ping["body"]) == {"auth_req_id": told["auth_req_id"]}
    assert poll(pinged, told["auth_req_id"]).status_code == (200 if reponse == "accepter" else 400)


@ONLY_SQLITE
@pytest.mark.parametrize("status", [200, 204, 302, 401, 403, 500])
def test_87_whatever_a_ping_is_answered_it_is_not_repeated_nor_redirected(pinged, browser, receiver, status):
    receiver.statuses["/ping"] = [status]
    told = ask(pinged, client_notification_token=TOKEN).json
    answer(browser)
    came(receiver)

    assert poll(pinged, told["auth_req_id"]).status_code == 200
    assert [request["path"] for request in receiver.requests] == ["/ping"]


@ONLY_SQLITE
def test_a_client_that_hangs_does_not_delay_the_person(pinged, browser, receiver):
    receiver.hanging.add("/ping")
    ask(pinged, client_notification_token=TOKEN)
    before = time.monotonic()
    assert answer(browser).status_code == 200

    assert time.monotonic() - before < 3


@ONLY_SQLITE
def test_C52_a_ping_goes_to_no_private_address_that_settings_do_not_name(partner, browser, receiver):
    inside = caller(
        partner,
        backchannel_token_delivery_mode="ping",
        backchannel_client_notification_endpoint=receiver.address("/ping", "autre.localhost"),
    )
    told = ask(inside, client_notification_token=TOKEN).json
    answer(browser)

    assert poll(inside, told["auth_req_id"]).status_code == 200
    assert receiver.requests == []


def came(receiver):
    receiver.arrived("/ping")
    return receiver.at("/ping")


@ONLY_SQLITE
def test_the_store_holds_no_auth_req_id_nor_notification_token(pinged, anne, wsgi_app):
    told = ask(pinged, client_notification_token=TOKEN).json
    held = str(wsgi_app.mag.connections.engine.raw_connection().cursor().execute("select name, value from ephemeres").fetchall())

    assert told["auth_req_id"] not in held
    assert TOKEN not in held


@ONLY_SQLITE
def test_4_discovery_says_it(centre):
    told = centre.call("/.well-known/openid-configuration", "GET").json

    assert told["backchannel_authentication_endpoint"] == "https://mag.test/bc-authorize"
    assert told["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert told["backchannel_user_code_parameter_supported"] is False
    assert "none" not in told["backchannel_authentication_request_signing_alg_values_supported"]
    assert CIBA in told["grant_types_supported"]
