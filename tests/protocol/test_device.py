"""Device authorization: what a device asks, what it polls, what a person answers. RFC 8628. The pages have a journey of their own."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.logs import logger
from idp.oidc.decoupled import device
from tests.protocol.relying import hidden_fields, unverified_claims
from tests.protocol.test_step_up import exiger

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def tele(partner):
    """A public client, as a device without a keyboard is."""
    return partner(
        "tele",
        grant_types=[DEVICE, "refresh_token"],
        redirect_uris=[],
        response_types=[],
        token_endpoint_auth_method="none",
        scope="openid profile siret offline_access",
    )


def ask(partner, **form):
    return partner.post("/device_authorization", {"scope": "openid profile", **form})


def poll(partner, device_code):
    return partner.token(DEVICE, device_code=device_code)


def answer(browser, user_code, reponse="accepter"):
    """Type the code, then answer on the page that comes."""
    page = browser.post("/device", data={**hidden_fields(browser.get("/device")), "code": user_code})
    assert page.status_code == 303, page.text
    question = browser.get(page.headers["Location"])
    return browser.post("/device/confirmation", data={**hidden_fields(question), "reponse": reponse})


def refused(response, error, status=400):
    assert (response.status_code, response.json["error"]) == (status, error), response.text


def test_8707_2_a_device_names_the_resources_of_its_tokens(partner, signed_in):
    tele = partner("tele", grant_types=[DEVICE], redirect_uris=[], response_types=[], audience=["https://a.test", "https://b.test"])
    refused(ask(tele, resource="https://c.test"), "invalid_target")
    told = ask(tele, resource="https://a.test").json
    answer(signed_in, told["user_code"])

    refused(tele.token(DEVICE, device_code=told["device_code"], resource="https://c.test"), "invalid_target")
    assert tele.tokens(poll(tele, told["device_code"])).access["aud"] == "https://a.test"


# ------------------------------------------------------------------------------------------------------------ the request


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        pytest.param({"scope": "autre"}, 400, "invalid_scope", id="6749-3.3-nothing-registered"),
        pytest.param({"client_id": "inconnu"}, 401, "invalid_client", id="8628-3.1-unknown-client"),
        pytest.param({"client_id": ""}, 401, "invalid_client", id="8628-3.1-no-client"),
    ],
)
def test_a_request_that_breaks_one_rule_is_refused(tele, change, status, error):
    refused(ask(tele, **change), error, status)


@ONLY_SQLITE
def test_C26_a_client_without_the_grant_is_refused(partner):
    refused(ask(partner()), "unauthorized_client")
    refused(poll(partner(), "x"), "unauthorized_client")


@ONLY_SQLITE
def test_a_confidential_client_authenticates_as_registered(partner):
    console = partner("console", grant_types=[DEVICE], redirect_uris=[], response_types=[])

    assert ask(console).status_code == 200
    refused(console.call("/device_authorization", data={"client_id": "console", "scope": "openid"}), "invalid_client", 401)


def test_3_2_the_answer_says_what_to_show(tele):
    told = ask(tele).json

    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", told["user_code"])
    assert told["verification_uri"] == "https://mag.test/device"
    assert told["verification_uri_complete"] == f"https://mag.test/device?user_code={told['user_code']}"
    assert (told["expires_in"], told["interval"]) == (600, 5)
    assert len(told["device_code"]) >= 43
    assert ask(tele).headers["Cache-Control"] == "no-store"


@ONLY_SQLITE
def test_ours_a_request_without_scope_asks_openid(tele, signed_in):
    told = ask(tele, scope=None).json
    answer(signed_in, told["user_code"])

    assert poll(tele, told["device_code"]).json["scope"] == "openid"


@ONLY_SQLITE
def test_ours_public_clients_are_counted_by_address(tele):
    for _ in range(device.MOST_ASKED):
        assert ask(tele).status_code == 200

    refused(ask(tele), "temporarily_unavailable", 429)


@ONLY_SQLITE
def test_the_store_holds_neither_code(tele, wsgi_app):
    told = ask(tele).json
    held = str(wsgi_app.mag.connections.engine.raw_connection().cursor().execute("select name, value from ephemeres").fetchall())

    assert told["device_code"] not in held
    assert told["user_code"].replace("-", "") not in held


# --------------------------------------------------------------------------------------------------------------- the poll


@ONLY_SQLITE
@pytest.mark.parametrize("device_code", [None, "", "x", "é", "x" * 5000])
def test_a_device_code_that_is_nobodys_is_refused(tele, device_code):
    refused(poll(tele, device_code), "invalid_grant" if device_code else "invalid_request")


def test_3_5_pending_then_slow_down_on_both_stores(tele):
    code = ask(tele).json["device_code"]

    refused(poll(tele, code), "authorization_pending")
    refused(poll(tele, code), "slow_down")
    refused(poll(tele, code), "slow_down")


@ONLY_SQLITE
def test_3_5_each_slow_down_makes_the_interval_five_seconds_longer(tele):
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        code = ask(tele).json["device_code"]
        refused(poll(tele, code), "authorization_pending")
        refused(poll(tele, code), "slow_down")
        clock.shift(6)
        refused(poll(tele, code), "slow_down")
        clock.shift(14)
        refused(poll(tele, code), "slow_down")
        clock.shift(21)
        refused(poll(tele, code), "authorization_pending")
        clock.shift(6)
        refused(poll(tele, code), "authorization_pending")


@ONLY_SQLITE
def test_3_5_a_code_expires(tele):
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        code = ask(tele).json["device_code"]
        clock.shift(601)
        refused(poll(tele, code), "expired_token")
        clock.shift(600)
        refused(poll(tele, code), "invalid_grant")


@ONLY_SQLITE
def test_C13_a_code_serves_its_client_alone(partner, tele, signed_in):
    other = partner("autre", grant_types=[DEVICE], redirect_uris=[], response_types=[])
    told = ask(tele).json
    refused(poll(other, told["device_code"]), "invalid_grant")
    answer(signed_in, told["user_code"])

    refused(poll(other, told["device_code"]), "invalid_grant")
    assert poll(tele, told["device_code"]).status_code == 200


def test_what_the_person_lets_in_has_the_tokens_of_their_session(tele, signed_in, journal, un_declarant, caplog):
    told = ask(tele, scope="openid profile siret").json
    assert "C'est fait" in answer(signed_in, told["user_code"]).text
    logger.addHandler(caplog.handler)
    try:
        tokens = tele.tokens(poll(tele, told["device_code"]))
    finally:
        logger.removeHandler(caplog.handler)

    issued = [record.fields["grant"] for record in caplog.records if record.getMessage() == "token issued"]
    assert issued == ["device_code"]
    assert tokens.scope == "openid profile siret"
    assert tele.verified(tokens.id_token)["aud"] == "tele"
    assert tele.userinfo(tokens.access_token).json["siret"] == "73282932000074"
    assert tele.refresh(tokens.refresh_token).status_code == 200
    assert journal("DeviceApproved") == [
        {"client_id": "tele", "declarant_id": un_declarant, "outcome": "success", "scope": "openid profile siret"}
    ]


@ONLY_SQLITE
def test_ours_a_policy_that_asks_for_two_factors_holds_on_another_screen(tele, signed_in, un_declarant, new_client, sign_in, app):
    told = ask(tele).json
    page = signed_in.post("/device", data={**hidden_fields(signed_in.get("/device")), "code": told["user_code"]})
    question = signed_in.get(page.location)
    exiger(app, "partenaire", "tele", "--delai", "0")

    late = signed_in.post("/device/confirmation", data={**hidden_fields(question), "reponse": "accepter"})
    assert late.location.startswith("/connexion/second-facteur?demande="), late.text
    assert signed_in.get(page.location).location == late.location
    assert signed_in.get(late.location).location.startswith("/connexion/protection?"), "one is set up on the way"
    assert "refus" in signed_in.get(f"{page.location}&niveau=refus").text, "whoever does without one does without the other"
    refused(poll(tele, told["device_code"]), "access_denied")

    told, strong = ask(tele).json, new_client()
    sign_in(strong, un_declarant, acr="eidas1-mfa", amr=("pwd", "totp", "mfa"))
    answer(strong, told["user_code"])
    assert tele.tokens(poll(tele, told["device_code"])).claims["acr"] == "eidas1-mfa"


def test_a_refusal_is_told_once_and_for_all(tele, signed_in, journal):
    told = ask(tele).json
    assert "Appareil refusé" in answer(signed_in, told["user_code"], "refuser").text

    refused(poll(tele, told["device_code"]), "access_denied")
    assert [line["outcome"] for line in journal("DeviceRefused")] == ["failure"]


@ONLY_SQLITE
def test_C16_a_device_code_that_comes_back_ends_what_it_gave(tele, signed_in, journal):
    told = ask(tele).json
    answer(signed_in, told["user_code"])
    tokens = tele.tokens(poll(tele, told["device_code"]))
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=10)):
        refused(poll(tele, told["device_code"]), "invalid_grant")
        assert tele.userinfo(tokens.access_token).status_code == 401
        refused(tele.refresh(tokens.refresh_token), "invalid_grant")

    assert len(journal("CodeReplayed")) == 1


def test_signing_out_before_the_poll_ends_the_grant(tele, signed_in, wsgi_app):
    told = ask(tele).json
    answer(signed_in, told["user_code"])
    sign_out(signed_in)

    refused(poll(tele, told["device_code"]), "invalid_grant")


def test_offline_access_outlives_the_session(tele, signed_in):
    told = ask(tele, scope="openid offline_access").json
    answer(signed_in, told["user_code"])
    sign_out(signed_in)
    tokens = tele.tokens(poll(tele, told["device_code"]))

    assert tele.userinfo(tokens.access_token).status_code == 200
    assert tele.refresh(tokens.refresh_token).status_code == 200


def sign_out(browser):
    home = browser.get("/")
    assert browser.post("/deconnexion", data={**hidden_fields(home), "portee": "ici"}).status_code == 303


@ONLY_SQLITE
def test_subjects_of_two_devices_say_nothing_to_each_other(partner, tele, signed_in):
    radio = partner("radio", grant_types=[DEVICE], redirect_uris=[], response_types=[], token_endpoint_auth_method="none")
    subjects = []
    for client in (tele, radio):
        told = ask(client, scope="openid").json
        answer(signed_in, told["user_code"])
        subjects.append(unverified_claims(poll(client, told["device_code"]).json["id_token"])["sub"])

    assert subjects[0] != subjects[1]


@ONLY_SQLITE
def test_discovery_says_it(tele):
    told = tele.call("/.well-known/openid-configuration", "GET").json

    assert told["device_authorization_endpoint"] == "https://mag.test/device_authorization"
    assert DEVICE in told["grant_types_supported"]


@ONLY_SQLITE
def test_9449_5_a_device_that_proves_a_key_has_tokens_bound_to_it(tele, signed_in):
    tele.dpop = ECKey.generate_key("P-256")
    told = ask(tele).json
    answer(signed_in, told["user_code"])
    tokens = tele.tokens(poll(tele, told["device_code"]))
    assert tokens.token_type == "DPoP"
    assert tokens.access["cnf"] == {"jkt": tele.dpop.thumbprint()}
    tele.dpop = ECKey.generate_key("P-256")

    assert tele.refresh(tokens.refresh_token).status_code == 400, "a public client renews with the same key alone"
