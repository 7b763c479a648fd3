"""Token exchange: a service trades the token it received for one aimed at the next service. RFC 8693."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.authentication.session import close_every_session
from idp.database import Version, db
from idp.declarants.models import Declarant
from partners.models import OAuthClient
from tests.protocol.relying import altered, hidden_fields, unverified_claims

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def portail(partner):
    """Who signs people in, with tokens aimed at the service."""
    return partner("portail", audience=["https://paie.test"], scope="openid email siret offline_access")


@pytest.fixture
def paie(partner):
    """The service that receives them, and calls two others."""
    return service(partner, "paie", introspect=["https://paie.test"])


def service(partner, name, **metadata):
    given = {"exchange": ["https://dsn.test", "https://banque.test"], "scope": "openid email siret", **metadata}
    return partner(name, grant_types=[EXCHANGE], redirect_uris=[], response_types=[], **given)


def exchange(client, subject_token, **changes):
    form = {"subject_token": subject_token, "subject_token_type": ACCESS_TOKEN, "audience": "https://dsn.test", **changes}
    return client.token(EXCHANGE, **form)


@pytest.fixture
def received(portail, code_flow):
    """A token as the service received it."""
    return code_flow(portail, scope="openid email").access_token


def refused(response, error):
    assert (response.status_code, response.json["error"]) == (400, error), response.text


# ------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"subject_token": None}, "invalid_request", id="2.1-subject-token"),
        pytest.param({"subject_token_type": None}, "invalid_request", id="2.1-subject-token-type"),
        pytest.param({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request", id="2.1-id-token"),
        pytest.param({"subject_token_type": "urn:x"}, "invalid_request", id="2.1-unknown-type"),
        pytest.param(
            {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request", id="2.1-requested-type"
        ),
        pytest.param({"actor_token": "x"}, "invalid_request", id="ours-actor-token"),
        pytest.param({"actor_token_type": ACCESS_TOKEN}, "invalid_request", id="ours-actor-token-type"),
        pytest.param({"audience": "https://ailleurs.test"}, "invalid_target", id="2.2.2-audience"),
        pytest.param({"audience": None, "resource": "https://ailleurs.test"}, "invalid_target", id="2.2.2-resource"),
        pytest.param({"resource": "https://ailleurs.test"}, "invalid_target", id="2.2.2-one-of-two"),
        pytest.param({"audience": "paie"}, "invalid_target", id="2.2.2-itself"),
        pytest.param({"audience": None}, "invalid_target", id="ours-which-of-two"),
        pytest.param({"scope": "openid siret"}, "invalid_scope", id="ours-scope-never-wider"),
        pytest.param({"subject_token": "x"}, "invalid_request", id="2.2.2-nonsense"),
        pytest.param({"subject_token": "é"}, "invalid_request", id="2.2.2-accents"),
        pytest.param({"subject_token": "a.b.c"}, "invalid_request", id="C23-not-ours"),
    ],
)
def test_an_exchange_that_breaks_one_rule_is_refused(paie, received, change, error):
    refused(exchange(paie, **{"subject_token": received, **change}), error)


@ONLY_SQLITE
def test_C26_the_grant_is_closed_unless_the_client_has_it_and_somewhere_to_go(partner, received):
    refused(exchange(partner("sans"), received), "unauthorized_client")
    refused(exchange(service(partner, "nulle-part", exchange=[]), received), "unauthorized_client")


@ONLY_SQLITE
def test_C26_a_parameter_of_the_subject_is_never_dropped_in_silence(paie):
    """Keycloak, CVE-2026-9704: without a subject, the caller would act for itself."""
    refused(paie.token(EXCHANGE, audience="https://dsn.test"), "invalid_request")


@ONLY_SQLITE
def test_C22_a_token_that_was_not_aimed_at_the_caller_is_refused(partner, paie, code_flow):
    elsewhere = partner("elsewhere", scope="openid email")

    refused(exchange(paie, code_flow(elsewhere).access_token), "invalid_request")


@ONLY_SQLITE
def test_C23_an_altered_token_is_refused(paie, received):
    refused(exchange(paie, altered(received)), "invalid_request")


@ONLY_SQLITE
def test_C27_an_id_token_or_a_refresh_token_is_not_an_access_token(paie, portail, code_flow):
    tokens = code_flow(portail)

    refused(exchange(paie, tokens.id_token), "invalid_request")
    refused(exchange(paie, tokens.refresh_token), "invalid_request")


@ONLY_SQLITE
def test_ours_a_token_about_nobody_is_refused(partner, paie):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire", audience=["https://paie.test"])

    refused(exchange(paie, machine.token("client_credentials").json["access_token"]), "invalid_request")


@ONLY_SQLITE
def test_an_expired_token_is_refused(paie, received):
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        refused(exchange(paie, received), "invalid_request")


@ONLY_SQLITE
def test_C61_a_token_of_a_client_that_was_disabled_is_refused(paie, received, wsgi_app):
    with wsgi_app.flask.app_context():
        db.session.get(OAuthClient, "portail").enabled = False
        Version.bump("registry")
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    refused(exchange(paie, received), "invalid_request")


# ------------------------------------------------------------------------------------------------------------ successes


def test_2_2_1_the_answer_and_the_token_name_who_acts_for_whom(paie, received, journal, un_declarant):
    answer = exchange(paie, received).json
    claims = paie.verified(answer["access_token"], "at+jwt")

    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "openid email")
    assert "refresh_token" not in answer
    assert "id_token" not in answer
    assert (claims["aud"], claims["client_id"], claims["act"]) == ("https://dsn.test", "paie", {"sub": "paie"})
    assert journal("TokenExchanged") == [
        {
            "client_id": "paie",
            "declarant_id": un_declarant,
            "outcome": "success",
            "audience": "https://dsn.test",
            "received_from": "portail",
        }
    ]


@ONLY_SQLITE
def test_the_person_keeps_her_sign_in_and_has_the_subject_the_caller_knows(paie, received):
    before, after = unverified_claims(received), unverified_claims(exchange(paie, received).json["access_token"])

    assert {name: after[name] for name in ("auth_time", "acr", "amr")} == {name: before[name] for name in ("auth_time", "acr", "amr")}
    assert after["sub"] != before["sub"], "subjects are pairwise"
    assert after["jti"] != before["jti"]


@ONLY_SQLITE
@pytest.mark.parametrize("kind", [ACCESS_TOKEN, JWT])
def test_both_names_of_an_access_token_will_do(paie, received, kind):
    assert exchange(paie, received, subject_token_type=kind, requested_token_type=kind).status_code == 200


@ONLY_SQLITE
def test_2_1_several_targets_are_several_audiences(paie, received):
    token = exchange(paie, received, resource="https://banque.test").json["access_token"]

    assert unverified_claims(token)["aud"] == ["https://dsn.test", "https://banque.test"]


@ONLY_SQLITE
def test_ours_the_only_target_needs_no_name(partner, received):
    relais = service(partner, "relais", exchange=["https://dsn.test"], introspect=["https://paie.test"])

    assert unverified_claims(exchange(relais, received, audience=None).json["access_token"])["aud"] == "https://dsn.test"


@ONLY_SQLITE
def test_ours_scope_is_never_wider_than_the_callers_registration(partner, received):
    bref = service(partner, "bref", scope="email", introspect=["https://paie.test"])

    assert exchange(bref, received).json["scope"] == "email"
    refused(exchange(bref, received, scope="openid"), "invalid_scope")


@ONLY_SQLITE
def test_ours_offline_access_does_not_travel(partner, portail, code_flow):
    relais = service(partner, "relais", scope="openid email offline_access", introspect=["https://paie.test"])
    token = code_flow(portail, scope="openid offline_access").access_token

    assert exchange(relais, token).json["scope"] == "openid"


@ONLY_SQLITE
def test_ours_life_is_never_longer_than_the_subject_tokens(paie, received):
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=200), tick=False):
        answer = exchange(paie, received).json

    assert unverified_claims(answer["access_token"])["exp"] == unverified_claims(received)["exp"]
    assert answer["expires_in"] <= 100


@ONLY_SQLITE
def test_4_1_a_chain_names_everybody_the_last_first_and_has_an_end(partner, paie, received):
    banque = service(partner, "banque", introspect=["https://dsn.test"])
    first = exchange(paie, received).json["access_token"]
    second = exchange(banque, first).json["access_token"]

    assert unverified_claims(second)["act"] == {"sub": "banque", "act": {"sub": "paie"}}
    token = second
    for _ in range(3):
        token = exchange(banque, token).json["access_token"]
    refused(exchange(banque, token), "invalid_request")


@ONLY_SQLITE
def test_its_own_token_may_be_narrowed(partner, code_flow):
    both = partner("both", grant_types=["authorization_code", EXCHANGE], exchange=["https://dsn.test"], scope="openid email")
    token = code_flow(both, scope="openid email").access_token

    assert exchange(both, token, scope="email").json["scope"] == "email"


def test_ending_what_the_first_token_hangs_on_ends_the_second(paie, partner, portail, code_flow, received):
    dsn = partner("dsn", grant_types=[], redirect_uris=[], response_types=[], introspect=["https://dsn.test"])
    tokens = code_flow(portail, scope="openid email")
    exchanged = exchange(paie, tokens.access_token).json["access_token"]
    assert dsn.introspect(exchanged).json["active"] is True
    portail.revoke(tokens.refresh_token)

    assert dsn.introspect(exchanged).json == {"active": False}
    refused(exchange(paie, tokens.access_token), "invalid_request")


def test_signing_out_ends_it_too(paie, received, signed_in):
    exchanged = exchange(paie, received).json["access_token"]
    assert paie.introspect(exchanged).json["active"] is True
    signed_in.post("/deconnexion", data={**hidden_fields(signed_in.get("/")), "portee": "ici"})

    assert paie.introspect(exchanged).json == {"active": False}
    refused(exchange(paie, received), "invalid_request")


def test_so_does_closing_the_account(paie, received, wsgi_app, un_declarant):
    exchanged = exchange(paie, received).json["access_token"]
    with wsgi_app.flask.app_context():
        close_every_session(wsgi_app.mag.ephemeral, wsgi_app.mag.settings, db.session.get(Declarant, un_declarant))
        db.session.commit()

    assert paie.introspect(exchanged).json == {"active": False}


@ONLY_SQLITE
def test_7009_2_2_1_revoking_an_exchanged_token_does_not_end_the_session_of_another_client(paie, portail, code_flow):
    tokens = code_flow(portail, scope="openid email")
    exchanged = exchange(paie, tokens.access_token).json["access_token"]

    refused(paie.revoke(exchanged), "unsupported_token_type")
    assert portail.is_alive(tokens)


# ----------------------------------------------------------------------------------------------------------- bound tokens


def jkt_of(key):
    return key.thumbprint()


@ONLY_SQLITE
def test_9449_6_a_bound_token_is_exchanged_against_a_proof_of_the_callers_own_key(portail, paie, code_flow):
    portail.dpop, paie.dpop = ECKey.generate_key("P-256"), None
    received = code_flow(portail, scope="openid email").access_token
    assert unverified_claims(received)["cnf"] == {"jkt": jkt_of(portail.dpop)}
    refused(exchange(paie, received), "invalid_request")
    paie.dpop = ECKey.generate_key("P-256")
    answer = exchange(paie, received).json

    assert answer["token_type"] == "DPoP"
    assert unverified_claims(answer["access_token"])["cnf"] == {"jkt": jkt_of(paie.dpop)}


@ONLY_SQLITE
def test_9449_6_a_bound_token_of_its_own_is_exchanged_by_its_own_key_alone(partner, code_flow):
    both = partner("both", grant_types=["authorization_code", EXCHANGE], exchange=["https://dsn.test"], scope="openid email")
    key = both.dpop = ECKey.generate_key("P-256")
    token = code_flow(both, scope="openid email").access_token
    both.dpop = ECKey.generate_key("P-256")
    refused(exchange(both, token), "invalid_request")
    both.dpop = key

    assert exchange(both, token).json["token_type"] == "DPoP"


@ONLY_SQLITE
def test_a_plain_token_may_become_a_bound_one(paie, received):
    paie.dpop = ECKey.generate_key("P-256")

    assert exchange(paie, received).json["token_type"] == "DPoP"
