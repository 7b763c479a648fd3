"""JWT bearer: a software acts for a person by its own key, as long as her grant is open. RFC 7523 sections 2.1, 3, 3.1."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey, OctKey

from idp.authentication.session import close_every_session
from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.pagm import Possession
from idp.logs import configure, logger
from tests.protocol.agreements import DSN, agree
from tests.protocol.relying import answer_of, hidden_fields

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "openid siret offline_access"
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def paie(partner):
    """A payroll software."""
    return software(partner, "paie")


def software(partner, name, **metadata):
    grants = ["authorization_code", "refresh_token", JWT_BEARER]
    given = {"scope": "openid email siret offline_access", "token_endpoint_auth_method": "private_key_jwt", **metadata}
    return partner(name, grant_types=grants, **given)


@pytest.fixture
def grant(paie, code_flow, signed_in):
    """What the software keeps once a person has let it act: who, and by which grant."""
    return granted(paie, signed_in)


def granted(client, browser, scope=SCOPE):
    answer = client.redeem(client.code(browser, scope=scope)).json
    sub = client.userinfo(answer["access_token"]).json["sub"]
    return {"sub": sub, "grant_id": answer["grant_id"], "refresh_token": answer["refresh_token"]}


def assertion(client, grant, **changes):
    return client.assertion(**{"sub": grant["sub"], "grant_id": grant["grant_id"], **changes})


def bear(client, text, **form):
    return client.token(JWT_BEARER, assertion=text, **form)


def refused(response, error):
    assert (response.status_code, response.json["error"]) == (400, error), response.text


# -------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
def test_C26_a_client_without_the_grant_is_refused(partner):
    refused(bear(partner(), "x"), "unauthorized_client")


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"iss": "autre"}, "invalid_grant", id="3-1-iss-of-another"),
        pytest.param({"iss": None}, "invalid_grant", id="3-1-iss-missing"),
        pytest.param({"sub": "autre"}, "invalid_grant", id="3-2-sub-of-nobody"),
        pytest.param({"sub": None}, "invalid_grant", id="3-2-sub-missing"),
        pytest.param({"sub": "paie"}, "invalid_grant", id="3-2-sub-is-the-client"),
        pytest.param({"sub": ["a"]}, "invalid_grant", id="3-2-sub-is-a-list"),
        pytest.param({"aud": "https://ailleurs.test"}, "invalid_grant", id="C25-foreign-audience"),
        pytest.param({"aud": None}, "invalid_grant", id="C25-no-audience"),
        pytest.param({"exp": None}, "invalid_grant", id="3-4-exp-missing"),
        pytest.param({"exp": "demain"}, "invalid_grant", id="3-4-exp-is-a-text"),
        pytest.param({"exp": True}, "invalid_grant", id="3-4-exp-is-a-boolean"),
        pytest.param({"nbf": "hier"}, "invalid_grant", id="3-5-nbf-is-a-text"),
        pytest.param({"jti": None}, "invalid_grant", id="3-7-jti-missing"),
        pytest.param({"jti": "x" * 301}, "invalid_grant", id="3-7-jti-too-long"),
        pytest.param({"grant_id": None}, "invalid_grant", id="ours-grant-missing"),
        pytest.param({"grant_id": "autre"}, "invalid_grant", id="ours-grant-unknown"),
        pytest.param({"grant_id": "x" * 400}, "invalid_grant", id="ours-grant-too-long"),
        pytest.param({"grant_id": 7}, "invalid_grant", id="ours-grant-is-a-number"),
    ],
)
def test_an_assertion_that_breaks_one_rule_is_refused(paie, grant, change, error):
    refused(bear(paie, assertion(paie, grant, **change)), error)


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("times", "accepted"),
    [
        pytest.param({"iat": 0, "exp": 300}, True, id="C25-five-minutes"),
        pytest.param({"iat": 0, "exp": 301}, False, id="C25-more-than-five-minutes"),
        pytest.param({"iat": None, "exp": 500}, False, id="C25-far-exp-without-iat"),
        pytest.param({"iat": -400, "exp": 60}, False, id="C25-made-long-ago"),
        pytest.param({"iat": -100, "exp": -61}, False, id="3-4-expired"),
        pytest.param({"iat": 8, "nbf": 8, "exp": 100}, True, id="71-clock-8-s-ahead"),
        pytest.param({"iat": 61, "exp": 200}, False, id="3-6-from-the-future"),
        pytest.param({"nbf": 61, "exp": 200}, False, id="3-5-not-yet"),
    ],
)
def test_the_clock_of_an_assertion(paie, grant, times, accepted):
    now = int(time.time())
    with time_machine.travel(now, tick=False):
        claims = {name: None if delta is None else now + delta for name, delta in times.items()}
        response = bear(paie, assertion(paie, grant, **claims))

    assert response.status_code == (200 if accepted else 400)


@ONLY_SQLITE
@pytest.mark.parametrize("text", ["x", "é", "a.b.c", "x" * 20000, "e30.e30.", "e30.e30.e30"])
def test_nonsense_is_refused(paie, grant, text):
    refused(bear(paie, text), "invalid_grant")


@ONLY_SQLITE
def test_an_assertion_is_required(paie):
    refused(paie.token(JWT_BEARER), "invalid_request")


@ONLY_SQLITE
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda c: {"key": ECKey.generate_key("P-256", {"kid": "cle-paie"})}, id="C23-another-key"),
        pytest.param(lambda c: {"header": {"kid": "inconnue"}, "key": ECKey.generate_key("P-256")}, id="C23-unknown-kid"),
        pytest.param(
            lambda c: {"header": {"alg": "HS256"}, "key": OctKey.import_key({"kty": "oct", "k": c.key.as_dict()["x"]})}, id="C23-hmac"
        ),
        pytest.param(lambda c: {"header": {"jwk": c.key.as_dict(private=False)}}, id="C23-own-key-in-the-header"),
        pytest.param(lambda c: {"header": {"typ": "at+jwt"}}, id="8725-3.11-typ"),
    ],
)
def test_a_signature_that_is_not_the_clients_is_refused(paie, grant, forge):
    refused(bear(paie, assertion(paie, grant, **forge(paie))), "invalid_grant")


@ONLY_SQLITE
def test_C24_an_assertion_serves_once(paie, grant, journal):
    text = assertion(paie, grant)
    assert bear(paie, text).status_code == 200

    refused(bear(paie, text), "invalid_grant")
    assert len(journal("AssertionReplayed")) == 1


@ONLY_SQLITE
def test_an_assertion_of_authentication_is_not_one_of_a_grant(paie):
    refused(bear(paie, paie.assertion()), "invalid_grant")


@ONLY_SQLITE
def test_C26_the_client_authenticates_all_the_same(paie, grant):
    response = paie.call("/token", data={"grant_type": JWT_BEARER, "assertion": assertion(paie, grant), "client_id": "paie"})

    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


@ONLY_SQLITE
def test_C20_the_grant_of_another_software_opens_nothing(partner, paie, grant):
    other = software(partner, "autre")

    refused(bear(other, assertion(other, grant)), "invalid_grant")


@ONLY_SQLITE
def test_the_grant_of_one_person_does_not_open_another(paie, grant, new_declarant, new_client, sign_in):
    browser = new_client()
    sign_in(browser, new_declarant())
    another = granted(paie, browser)

    refused(bear(paie, assertion(paie, {"sub": grant["sub"], "grant_id": another["grant_id"]})), "invalid_grant")


@ONLY_SQLITE
def test_8707_2_2_the_token_is_for_the_resource_named(partner, signed_in):
    paie = software(partner, "paie", audience=["https://a.test", "https://b.test"])
    grant = granted(paie, signed_in)

    refused(bear(paie, assertion(paie, grant), resource="https://c.test"), "invalid_target")
    assert paie.tokens(bear(paie, assertion(paie, grant), resource="https://a.test")).access["aud"] == "https://a.test"


@ONLY_SQLITE
def test_ours_a_grant_without_offline_access_is_not_one(paie, signed_in):
    answer = paie.redeem(paie.code(signed_in, scope="openid siret")).json
    assert "grant_id" not in answer
    held = {"sub": paie.userinfo(answer["access_token"]).json["sub"], "grant_id": answer["refresh_token"].partition(".")[0]}

    refused(bear(paie, assertion(paie, held)), "invalid_grant")


@ONLY_SQLITE
@pytest.mark.parametrize("scope", ["openid email", "autre", "openid siret inconnu"])
def test_ours_scope_is_never_wider_than_the_grant(paie, grant, scope):
    refused(bear(paie, assertion(paie, grant), scope=scope), "invalid_scope")


@ONLY_SQLITE
def test_what_an_agreement_refuses_is_not_told_as_used(partner, signed_in, wsgi_app, journal):
    """RFC 9449 section 5: the agreement asks for a key, and none is proved."""
    paie = software(partner, "paie", audience=[DSN])
    grant = granted(paie, signed_in)
    agree(wsgi_app, "paie-dsn", "paie", "fournisseur", possession=Possession.DPOP)

    assert bear(paie, assertion(paie, grant)).json["error"] == "invalid_dpop_proof"
    assert journal("DelegationUsed") == []


# ------------------------------------------------------------------------------------------------------------- successes


def test_a_software_acts_for_a_person_who_is_gone(paie, grant, signed_in, journal, un_declarant):
    signed_in.post("/deconnexion", data={**hidden_fields(signed_in.get("/")), "portee": "ici"})
    answer = bear(paie, assertion(paie, grant)).json

    assert answer["scope"] == SCOPE
    assert paie.userinfo(answer["access_token"]).json == {"sub": grant["sub"], "siret": "73282932000074"}
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}, "no refresh token, and nobody signed in"
    assert journal("DelegationUsed") == [
        {"client_id": "paie", "declarant_id": un_declarant, "outcome": "success", "family_id": grant["grant_id"]}
    ]


@ONLY_SQLITE
def test_a_narrower_scope_is_given(paie, grant):
    assert bear(paie, assertion(paie, grant), scope="siret").json["scope"] == "siret"


@ONLY_SQLITE
def test_the_audience_may_have_company(paie, grant):
    assert bear(paie, assertion(paie, grant, aud=["https://ailleurs.test", "https://mag.test"])).status_code == 200


@ONLY_SQLITE
def test_70_a_profile_that_wants_the_issuer_alone_has_it_alone(partner, signed_in):
    key = ECKey.generate_key("P-256")
    strict = software(partner, "strict", profile="fapi2", id_token_signed_response_alg="ES256")
    strict.dpop = key
    answer = strict.redeem(pushed_code(strict, signed_in)).json
    held = {"sub": strict.verified(answer["id_token"])["sub"], "grant_id": answer["grant_id"]}

    refused(bear(strict, assertion(strict, held, aud=["https://ailleurs.test", "https://mag.test"])), "invalid_grant")
    assert bear(strict, assertion(strict, held)).json["token_type"] == "DPoP"


def pushed_code(client, browser):
    """FAPI 2.0: the request is pushed first."""
    request_uri = client.post("/request", client.request(scope=SCOPE)).json["request_uri"]
    _, answer = answer_of(browser.get("/authorize", query_string={"client_id": client.client_id, "request_uri": request_uri}))
    return answer["code"]


@ONLY_SQLITE
def test_refreshing_does_not_change_the_grant(paie, grant):
    assert paie.refresh(grant["refresh_token"]).status_code == 200

    assert bear(paie, assertion(paie, grant)).status_code == 200


def test_revoking_the_grant_ends_it(paie, grant):
    token = bear(paie, assertion(paie, grant)).json["access_token"]
    paie.revoke(grant["refresh_token"])

    refused(bear(paie, assertion(paie, grant)), "invalid_grant")
    assert paie.userinfo(token).status_code == 401


def test_C46_so_does_a_new_password_or_the_closing_of_the_account(paie, grant, wsgi_app, un_declarant):
    with wsgi_app.flask.app_context():
        close_every_session(wsgi_app.mag.ephemeral, wsgi_app.mag.settings, db.session.get(Declarant, un_declarant))
        db.session.commit()

    refused(bear(paie, assertion(paie, grant)), "invalid_grant")


@ONLY_SQLITE
def test_a_grant_ends_of_age(paie, grant, wsgi_app):
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=wsgi_app.mag.settings.offline_lifetime + 1)):
        refused(bear(paie, assertion(paie, grant)), "invalid_grant")


@ONLY_SQLITE
def test_9449_5_a_software_that_proves_a_key_has_tokens_bound_to_it(paie, grant):
    paie.dpop = ECKey.generate_key("P-256")

    assert bear(paie, assertion(paie, grant)).json["token_type"] == "DPoP"


@ONLY_SQLITE
def test_what_an_assertion_gives_is_an_access_token_alone_and_the_log_names_the_grant(paie, grant, caplog):
    configure("INFO")
    logger.addHandler(caplog.handler)
    try:
        answer = bear(paie, assertion(paie, grant)).json
    finally:
        logger.removeHandler(caplog.handler)

    issued = [record.fields["grant"] for record in caplog.records if record.getMessage() == "token issued"]
    assert (issued, "id_token" in answer, "refresh_token" in answer) == (["jwt-bearer"], False, False)
