"""A partner asks for two factors of a session that has one: RFC 9470, OpenID Connect Core section 5.5.1.1, and the policies of MAG."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.facteurs import code, step, une_personne_protegee, where, with_totp
from tests.factories import SIRET, se_connecter
from tests.factories import un_declarant as une_personne
from tests.journeys.test_radiation import give
from tests.protocol.relying import answer_of

ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "value": "eidas1-mfa"}}})


@pytest.fixture
def weak(app, client):
    """A browser signed in by password alone, whose person has set up an application since: the browser, the secret."""
    person = une_personne(app, email="claire@exemple.fr")
    se_connecter(client)
    return client, with_totp(app, person)


def exiger(app, *words):
    result = app.test_cli_runner().invoke(args=["facteurs", "politique", "exiger", *words])
    app.extensions["mag"].versions.refresh()
    assert result.exit_code == 0, result.output


def raised(portail, browser, secret, **asked):
    """Through the page of the second factor, back to the partner; the claims of the ID token."""
    response = portail.ask(browser, **asked)
    assert where(response)[0] == "/connexion/second-facteur", response.headers["Location"]
    shown = browser.get(response.headers["Location"])
    back = step(browser, shown, code=code(secret))
    address, answer = answer_of(browser.get(back.headers["Location"]))
    assert address == portail.redirect_uri
    return portail.tokens(portail.redeem(answer["code"]))


@pytest.mark.parametrize("asked", [{"claims": ESSENTIAL}, {"acr_values": "eidas1-mfa"}, {"acr_values": "eidas3 eidas1-mfa"}])
def test_C37_a_session_of_one_factor_is_raised_under_a_new_identifier(partner, weak, asked):
    portail, (browser, secret) = partner(), weak
    before = browser.get_cookie("__Host-mag_s", domain="mag.test").value
    first = portail.tokens(portail.redeem(portail.code(browser))).claims
    claims = raised(portail, browser, secret, **asked).claims

    assert (claims["acr"], claims["amr"]) == ("eidas1-mfa", ["pwd", "totp", "mfa"])
    assert (claims["sid"], claims["auth_time"]) == (first["sid"], first["auth_time"])
    after = browser.get_cookie("__Host-mag_s", domain="mag.test").value
    assert after != before
    browser.set_cookie("__Host-mag_s", before, domain="mag.test")
    assert where(portail.ask(browser))[0] == "/connexion"


def test_the_level_told_is_one_that_was_asked_for(app, partner, client):
    """Core section 5.5.1.1: two factors satisfy whoever asks for a password, and are told so."""
    _, secret = une_personne_protegee(app)
    step(client, se_connecter(client), code=code(secret))
    portail = partner()
    told = [portail.tokens(portail.redeem(portail.code(client, **asked))).claims["acr"] for asked in ({}, {"acr_values": "eidas1"})]

    assert told == ["eidas1-mfa", "eidas1"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        pytest.param({"claims": ESSENTIAL, "prompt": "none"}, "unmet_authentication_requirements", id="5.5.1.1-silent"),
        pytest.param(
            {"claims": json.dumps({"id_token": {"acr": {"essential": True, "value": "eidas3"}}})},
            "unmet_authentication_requirements",
            id="5.5.1.1-out-of-reach",
        ),
    ],
)
def test_a_level_that_cannot_be_reached_is_an_error(partner, weak, asked, error):
    assert answer_of(partner().ask(weak[0], **asked))[1]["error"] == error


def test_a_wished_level_is_done_without_in_silence_and_by_who_has_no_factor(app, partner, client):
    une_personne(app)
    se_connecter(client)
    portail = partner()
    assert "code" in answer_of(portail.ask(client, acr_values="eidas1-mfa", prompt="none"))[1]
    response = client.get(portail.ask(client, acr_values="eidas1-mfa").headers["Location"])

    assert "code" in answer_of(client.get(response.headers["Location"]))[1]


def test_who_has_no_factor_is_led_to_one_and_may_refuse(app, partner, client):
    une_personne(app)
    se_connecter(client)
    portail = partner()
    response = client.get(portail.ask(client, claims=ESSENTIAL).headers["Location"])
    assert where(response)[0] == "/connexion/protection"
    refused = step(client, response, choix="renoncer")

    assert answer_of(client.get(refused.headers["Location"]))[1]["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("words", [("partenaire", "portail"), ("tous",)])
def test_a_policy_raises_whoever_comes_from_a_partner(app, partner, weak, words):
    portail, (browser, secret) = partner(), weak
    exiger(app, *words, "--delai", "0")
    tokens = raised(portail, browser, secret)

    assert tokens.claims["acr"] == "eidas1-mfa"
    assert portail.userinfo(tokens.access_token).status_code == 200


def test_rfc9470_userinfo_says_what_the_sign_in_lacks(app, partner, weak):
    portail, (browser, _) = partner(), weak
    token = portail.tokens(portail.redeem(portail.code(browser))).access_token
    exiger(app, "partenaire", "portail", "--delai", "0")
    answer = portail.userinfo(token)

    assert answer.status_code == 401
    assert 'error="insufficient_user_authentication"' in answer.headers["WWW-Authenticate"]
    assert 'acr_values="eidas1-mfa"' in answer.headers["WWW-Authenticate"]


DSN = "openid habilitations:dsn"


@pytest.fixture
def declaring(app, client, services):
    """The same as `weak`, of somebody who may declare dsn."""
    person = une_personne(app, email="claire@exemple.fr")
    give(app, person.id, int(SIRET))
    app.extensions["mag"].versions.refresh()
    se_connecter(client)
    return client, with_totp(app, person)


@pytest.mark.parametrize("words", [("service", "dsn"), ("droit", "declarer")])
def test_a_policy_about_what_is_told_raises_whoever_asks_for_it(app, partner, declaring, words):
    portail, (browser, secret) = partner(scope=DSN), declaring
    exiger(app, *words, "--delai", "0")
    assert "code" in answer_of(portail.ask(browser, scope="openid"))[1]
    tokens = raised(portail, browser, secret, scope=DSN)

    assert tokens.claims["acr"] == "eidas1-mfa"


def test_a_policy_about_a_right_leaves_alone_who_does_not_hold_it(app, partner, declaring):
    portail, (browser, _) = partner(scope=DSN), declaring
    exiger(app, "droit", "payer", "--delai", "0")

    assert "code" in answer_of(portail.ask(browser, scope=DSN))[1]


def test_rfc9470_userinfo_says_how_old_a_sign_in_may_be(app, partner, weak):
    portail, (browser, secret) = partner(), weak
    exiger(app, "partenaire", "portail", "--delai", "0", "--age", "60")
    token = raised(portail, browser, secret).access_token
    assert portail.userinfo(token).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=90)):
        answer = portail.userinfo(token)

    assert answer.status_code == 401
    assert 'error="insufficient_user_authentication"' in answer.headers["WWW-Authenticate"]
    assert 'max_age="60"' in answer.headers["WWW-Authenticate"]


def test_discovery_says_the_levels_that_mag_answers(partner):
    document = partner().call("/.well-known/openid-configuration", "GET").json

    assert document["acr_values_supported"] == ["eidas0", "eidas0-mfa", "eidas1", "eidas1-mfa"]
    assert document["amr_values_supported"] == ["pwd", "totp", "pop", "fed", "mfa", "otp"]
