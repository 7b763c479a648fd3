"""Resource indicators: a token says which APIs it is for, and opens no other. RFC 8707; RFC 9068 section 3."""

from urllib.parse import urlencode

import pytest

from tests.protocol.relying import answer_of, sent_to

FACTURES, PAIE, AUTRE = "https://api.portail.test/factures", "https://api.portail.test/paie", "https://ailleurs.test/"


@pytest.fixture
def portail(partner):
    """A client that registered two APIs, and a name that is not an address."""
    return partner(audience=[FACTURES, PAIE, "interne"], scope="openid profile email siret offline_access")


def ask(portail, browser, *resources: str, **changes: str | None):
    """The parameter comes as many times as there are resources."""
    query = [*portail.request(**changes).items(), *(("resource", resource) for resource in resources)]
    return browser.get(f"/authorize?{urlencode(query)}")


def tokens_of(portail, browser, *resources: str, at_token: tuple[str, ...] = (), **changes: str | None):
    _, answer = answer_of(ask(portail, browser, *resources, **changes))
    return portail.tokens(portail.redeem(answer["code"], **({"resource": list(at_token)} if at_token else {})))


def test_without_a_resource_the_audience_is_the_registered_one(portail, signed_in):
    tokens = tokens_of(portail, signed_in)

    assert tokens.access["aud"] == [FACTURES, PAIE, "interne"]
    assert portail.userinfo(tokens.access_token).status_code == 200


@pytest.mark.parametrize("named", [(FACTURES,), (PAIE,), (FACTURES, PAIE), (FACTURES, FACTURES)])
def test_2_1_a_token_is_for_the_resources_asked_and_no_other(portail, signed_in, named):
    tokens = tokens_of(portail, signed_in, *named)
    expected = list(dict.fromkeys(named))

    assert tokens.access["aud"] == (expected[0] if len(expected) == 1 else expected)
    assert tokens.claims["aud"] == "portail", "an ID token is for the client, always"


def test_a_token_for_a_resource_does_not_open_userinfo(portail, signed_in):
    """RFC 8707 section 3: whoever receives it must not be able to use it elsewhere."""
    tokens = tokens_of(portail, signed_in, FACTURES)

    assert portail.userinfo(tokens.access_token).status_code == 401
    assert portail.introspect(tokens.access_token).json["active"] is True
    assert portail.introspect(tokens.access_token).json["aud"] == FACTURES


def test_2_2_the_token_request_names_fewer(portail, signed_in):
    tokens = tokens_of(portail, signed_in, FACTURES, PAIE, at_token=(PAIE,))

    assert tokens.access["aud"] == PAIE
    both = portail.tokens(portail.refresh(tokens.refresh_token))
    assert both.access["aud"] == [FACTURES, PAIE], "the grant still stands for both"
    one = portail.tokens(portail.refresh(both.refresh_token, resource=FACTURES))
    assert one.access["aud"] == FACTURES


def test_2_2_it_may_name_one_where_the_authorization_named_none(portail, signed_in):
    tokens = tokens_of(portail, signed_in, at_token=(FACTURES,))
    assert tokens.access["aud"] == FACTURES
    assert portail.userinfo(tokens.access_token).status_code == 401
    again = portail.tokens(portail.refresh(tokens.refresh_token))

    assert portail.userinfo(again.access_token).status_code == 200


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(AUTRE, id="2-not-registered"),
        pytest.param(FACTURES + "/", id="2-trailing-slash"),
        pytest.param(FACTURES + "#x", id="2-fragment"),
        pytest.param(FACTURES.upper(), id="2-case"),
        pytest.param("interne", id="2-not-an-absolute-uri"),
        pytest.param("/factures", id="2-relative"),
        pytest.param("portail", id="2-a-client"),
        pytest.param(f"{FACTURES} {AUTRE}", id="2-two-in-one"),
        pytest.param("é", id="C56-accent"),
        pytest.param("x" * 3000, id="C56-long"),
    ],
)
def test_2_a_resource_that_is_not_the_clients_is_an_invalid_target_everywhere(portail, signed_in, resource):
    assert answer_of(ask(portail, signed_in, resource))[1]["error"] == "invalid_target"
    assert answer_of(ask(portail, signed_in, FACTURES, resource))[1]["error"] == "invalid_target"
    code = portail.code(signed_in)
    refused = portail.redeem(code, resource=resource)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")
    tokens = portail.tokens(portail.redeem(code))
    refused = portail.refresh(tokens.refresh_token, resource=resource)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")
    assert portail.refresh(tokens.refresh_token).status_code == 200, "what is refused spends nothing"


def test_2_2_what_was_not_granted_is_refused_at_the_token_endpoint(portail, signed_in):
    _, answer = answer_of(ask(portail, signed_in, FACTURES))
    refused = portail.redeem(answer["code"], resource=PAIE)
    assert refused.json["error"] == "invalid_target"
    tokens = tokens_of(portail, signed_in, FACTURES)
    refused = portail.refresh(tokens.refresh_token, resource=PAIE)

    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")
    assert portail.tokens(portail.refresh(tokens.refresh_token)).access["aud"] == FACTURES


def test_C10_a_resource_withdrawn_from_the_registration_is_no_longer_given(portail, partner, signed_in):
    tokens = tokens_of(portail, signed_in, FACTURES)
    partner(audience=[PAIE])

    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_target"


def test_a_pushed_or_a_signed_request_names_resources_too(portail, signed_in):
    reference = portail.pushed(resource=PAIE)
    _, answer = answer_of(portail.ask_by(signed_in, reference, resource=FACTURES))

    assert portail.tokens(portail.redeem(answer["code"])).access["aud"] == PAIE


def test_2_2_a_client_that_acts_for_itself_names_one_too(partner):
    robot = partner("robot", grant_types=["client_credentials"], redirect_uris=[], scope="factures:lire", audience=[FACTURES, PAIE])

    assert robot.tokens(robot.token("client_credentials")).access["aud"] == [FACTURES, PAIE]
    assert robot.tokens(robot.token("client_credentials", resource=PAIE)).access["aud"] == PAIE
    refused = robot.token("client_credentials", resource=AUTRE)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")


def test_an_offline_grant_keeps_its_resources(portail, signed_in):
    tokens = tokens_of(portail, signed_in, FACTURES, scope="openid offline_access")

    assert portail.tokens(portail.refresh(tokens.refresh_token)).access["aud"] == FACTURES


# ------------------------------------------------------------------------------------------------------------- RFC 9396


@pytest.mark.parametrize(
    "details",
    [
        pytest.param('[{"type":"paiement"}]', id="5-unknown-type"),
        pytest.param('[{"actions":["lire"]}]', id="5-no-type"),
        pytest.param('[{"type":1}]', id="5-type-is-a-number"),
        pytest.param('[{"type":["x"]}]', id="5-type-is-a-list"),
        pytest.param('[{"type":{}}]', id="5-type-is-an-object"),
        pytest.param('{"type":"paiement"}', id="5-not-an-array"),
        pytest.param('["paiement"]', id="5-not-objects"),
        pytest.param("[", id="5-not-json"),
        pytest.param("[" * 2000, id="C56-deep"),
        pytest.param("9" * 5000, id="C56-a-number-of-5000-digits"),
        pytest.param("NaN", id="5-not-a-number"),
    ],
)
def test_9396_5_authorization_details_of_no_known_type_are_refused(portail, signed_in, details):
    assert answer_of(portail.ask(signed_in, authorization_details=details))[1]["error"] == "invalid_authorization_details"
    pushed = portail.push(authorization_details=details)
    assert (pushed.status_code, pushed.json["error"]) == (400, "invalid_authorization_details")


def test_9396_6_nor_at_the_token_endpoint(portail, signed_in):
    code = portail.code(signed_in)
    refused = portail.redeem(code, authorization_details='[{"type":"paiement"}]')

    assert (refused.status_code, refused.json["error"]) == (400, "invalid_authorization_details")
    assert portail.redeem(code).status_code == 200


def test_a_token_through_the_browser_is_for_its_resource(wsgi_app, portail, signed_in):
    """Where the setting is off, the refusal is the setting's."""
    location = ask(portail, signed_in, FACTURES, response_type="id_token token", nonce="n")

    assert sent_to(location, "#")[1]["error"] == "unsupported_response_type"
