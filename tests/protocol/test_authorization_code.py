"""The code grant: what a code asks to become tokens, once. RFC 6749 section 4.1.3, RFC 7636 section 4.6, RFC 9700."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine

from idp.oidc.tokens import half_hash
from tests.protocol.relying import VERIFIER, altered, challenge_of, unverified_claims, unverified_header

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


# -------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"grant_type": ""}, "invalid_request", id="6749-5.2-grant-type-missing"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="C26-password"),
        pytest.param({"grant_type": "implicit"}, "unsupported_grant_type", id="C26-implicit"),
        pytest.param({"grant_type": "é<script>"}, "unsupported_grant_type", id="C26-nonsense"),
        pytest.param({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, "unauthorized_client", id="C26-exchange"),
        pytest.param({"grant_type": "client_credentials"}, "unauthorized_client", id="C26-not-its-grant"),
        pytest.param({"code": ""}, "invalid_request", id="6749-4.1.3-code-missing"),
        pytest.param({"code": "x"}, "invalid_grant", id="C12-unknown-code"),
        pytest.param({"code": "é" * 40}, "invalid_grant", id="C12-accents"),
        pytest.param({"code": "x" * 60000}, "invalid_grant", id="C12-huge"),
        pytest.param({"redirect_uri": None}, "invalid_grant", id="C05-redirect-uri-missing"),
        pytest.param({"redirect_uri": "https://portail.test/autre"}, "invalid_grant", id="C05-another-redirect-uri"),
        pytest.param({"redirect_uri": "https://portail.test/retour/"}, "invalid_grant", id="C05-nearly-the-same"),
        pytest.param({"code_verifier": None}, "invalid_grant", id="C06-verifier-missing"),
        pytest.param({"code_verifier": ""}, "invalid_grant", id="C06-verifier-empty"),
        pytest.param({"code_verifier": "x" * 43}, "invalid_grant", id="C06-verifier-wrong"),
        pytest.param({"code_verifier": challenge_of(VERIFIER)}, "invalid_grant", id="C06-challenge-as-verifier"),
        pytest.param({"code_verifier": VERIFIER[:42]}, "invalid_grant", id="7636-4.1-verifier-short"),
        pytest.param({"code_verifier": VERIFIER * 4}, "invalid_grant", id="7636-4.1-verifier-long"),
        pytest.param({"code_verifier": VERIFIER[:-1] + "é"}, "invalid_grant", id="7636-4.1-verifier-accent"),
    ],
)
def test_an_exchange_that_breaks_one_rule_is_refused(partner, signed_in, change, error):
    portail = partner()
    response = portail.redeem(**{"code": portail.code(signed_in), **change})

    assert (response.status_code, response.json["error"]) == (400, error)
    assert response.headers["Cache-Control"] == "no-store"


@ONLY_SQLITE
@pytest.mark.parametrize(
    "forge", [lambda c: c[:-1], lambda c: c + "A", lambda c: c.swapcase(), lambda c: " " + c, lambda c: c + "\n", altered]
)
def test_C12_an_altered_code_is_refused_and_the_true_one_still_serves(partner, signed_in, forge):
    portail = partner()
    code = portail.code(signed_in)

    assert portail.redeem(forge(code)).json["error"] == "invalid_grant"
    assert portail.redeem(code).status_code == 200


@ONLY_SQLITE
def test_C13_a_code_of_another_client_is_refused_and_still_serves_its_own(partner, signed_in):
    mine, theirs = partner(), partner("autre")
    code = theirs.code(signed_in)

    assert mine.redeem(code, redirect_uri=theirs.redirect_uri).json["error"] == "invalid_grant"
    assert theirs.redeem(code).status_code == 200


@ONLY_SQLITE
def test_C06_a_verifier_where_no_challenge_was_sent_is_refused(partner, signed_in):
    ancien = partner(profile="proconnect")
    without = {"code_challenge": None, "code_challenge_method": None}

    assert ancien.redeem(ancien.code(signed_in, **without)).json["error"] == "invalid_grant"
    assert ancien.redeem(ancien.code(signed_in, **without), code_verifier=None).status_code == 200


@ONLY_SQLITE
def test_C06_a_client_that_need_not_send_a_challenge_is_held_to_the_one_it_sent(partner, signed_in):
    ancien = partner(profile="proconnect")

    assert ancien.redeem(ancien.code(signed_in), code_verifier=None).json["error"] == "invalid_grant"
    assert ancien.redeem(ancien.code(signed_in)).status_code == 200


@ONLY_SQLITE
def test_C14_83_a_code_lives_a_minute(partner, signed_in):
    portail = partner()
    code, other = portail.code(signed_in), portail.code(signed_in)

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=58)):
        assert portail.redeem(other).status_code == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61)):
        assert portail.redeem(code).json["error"] == "invalid_grant"


@ONLY_SQLITE
@pytest.mark.parametrize("where", ["code", "client_secret", "grant_type"])
def test_C30_nothing_is_read_from_the_query(partner, signed_in, where):
    portail = partner(token_endpoint_auth_method="client_secret_post")
    form = {
        **portail.credentials()[1],
        "grant_type": "authorization_code",
        "code": portail.code(signed_in),
        "redirect_uri": portail.redirect_uri,
        "code_verifier": VERIFIER,
    }
    moved = form.pop(where)
    response = portail.call("/token", data=form, query_string={where: moved})

    assert response.status_code in (400, 401)


def test_a_code_dies_with_its_session(partner, signed_in, wsgi_app):
    from idp.authentication.session import COOKIE, close_session, find_session

    portail, mag = partner(), wsgi_app.mag
    code = portail.code(signed_in)
    cookie = signed_in.get_cookie(COOKIE, domain="mag.test").value
    close_session(mag.ephemeral, mag.settings, find_session(mag.ephemeral, mag.settings, cookie, datetime.now(UTC)))

    assert portail.redeem(code).json["error"] == "invalid_grant"


# ---------------------------------------------------------------------------------------------------------------- replay


def test_C15_a_second_use_ends_what_the_first_gave_within_the_second(partner, signed_in, journal):
    portail = partner()
    code = portail.code(signed_in)
    tokens = portail.tokens(portail.redeem(code))
    renewed = portail.tokens(portail.refresh(tokens.refresh_token))
    assert portail.is_alive(tokens)
    assert portail.is_alive(renewed)

    began = time.monotonic()
    again = portail.redeem(code)

    assert (again.status_code, again.json["error"]) == (400, "invalid_grant")
    assert not portail.is_alive(tokens)
    assert not portail.is_alive(renewed)
    assert portail.refresh(renewed.refresh_token).json["error"] == "invalid_grant"
    assert time.monotonic() - began < 2
    assert [(line["client_id"], line["outcome"]) for line in journal("CodeReplayed")] == [("portail", "failure")]


def test_C15_a_replay_by_someone_who_cannot_show_the_verifier_ends_nothing(partner, signed_in, journal):
    portail = partner()
    code = portail.code(signed_in)
    tokens = portail.tokens(portail.redeem(code))

    assert portail.redeem(code, code_verifier="x" * 43).json["error"] == "invalid_grant"
    assert portail.is_alive(tokens)
    assert journal("CodeReplayed") == []


def test_C15_a_replay_ends_tokens_of_a_client_that_does_not_renew(partner, signed_in):
    portail = partner(grant_types=["authorization_code"])
    code = portail.code(signed_in)
    tokens = portail.tokens(portail.redeem(code))
    assert tokens.refresh_token == ""

    portail.redeem(code)
    assert not portail.is_alive(tokens)


def test_C16_fifty_at_once_give_one_and_then_none(partner, signed_in):
    """ours: the one that won dies too, whatever order the replays and the opening of its family came in."""
    portail = partner()
    code, barrier = portail.code(signed_in), Barrier(50)

    def act(_):
        barrier.wait(30)
        return portail.redeem(code)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(act, range(50)))

    assert sorted(a.status_code for a in answers) == [200] + [400] * 49
    assert {a.json["error"] for a in answers if a.status_code == 400} == {"invalid_grant"}
    tokens = portail.tokens(next(a for a in answers if a.status_code == 200))
    assert not portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


def test_C16_a_family_opened_after_the_replay_was_seen_is_born_dead(partner, signed_in, wsgi_app, un_declarant):
    """The two requests of a race, one step at a time: spent, replayed, and only then opened."""
    from idp.oidc.codes import proof, redeem

    portail, machines = partner(), wsgi_app.machines
    code = portail.code(signed_in)
    first = redeem(wsgi_app.mag.ephemeral, code, proof("portail", portail.redirect_uri, challenge_of(VERIFIER)))
    assert portail.redeem(code).json["error"] == "invalid_grant"
    answer = machines.server.issuer.for_code(wsgi_app.mag.registry.find("portail"), first.session, first.granted, None)

    assert portail.refresh(answer["refresh_token"]).json["error"] == "invalid_grant"
    assert portail.introspect(answer["access_token"]).json == {"active": False}


# --------------------------------------------------------------------------------------------------------------- success


def test_the_answer_is_that_of_the_standard(partner, signed_in):
    portail = partner()
    response = portail.redeem(portail.code(signed_in, scope="openid email"))

    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert (response.headers["Cache-Control"], response.headers["Pragma"]) == ("no-store", "no-cache")
    assert set(response.json) == {"access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token"}
    assert (response.json["token_type"], response.json["expires_in"], response.json["scope"]) == ("Bearer", 300, "openid email")


def test_C27_the_id_token_is_for_this_client_alone_and_bound_to_its_access_token(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail, nonce="n-0S6_WzA2Mj")
    claims = portail.verified(tokens.id_token, "JWT")

    assert (claims["iss"], claims["aud"], claims["nonce"]) == ("https://mag.test", "portail", "n-0S6_WzA2Mj")
    assert claims["at_hash"] == half_hash(tokens.access_token, "RS256")
    assert claims["exp"] - claims["iat"] <= 600
    assert abs(claims["iat"] - time.time()) < 30
    assert (claims["acr"], claims["amr"]) == ("eidas1", ["pwd"])
    assert "azp" not in claims


def test_C27_an_access_token_is_an_rfc_9068_token(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail, scope="openid email")
    claims = portail.verified(tokens.access_token, "at+jwt")

    assert set(claims) >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time", "acr", "amr"}
    assert (claims["aud"], claims["client_id"], claims["scope"]) == ("portail", "portail", "openid email")
    assert claims["sub"] == tokens.claims["sub"]


@ONLY_SQLITE
def test_43_algorithms_are_those_of_the_registration(partner, code_flow):
    default = code_flow(partner())
    chosen = code_flow(partner("autre", id_token_signed_response_alg="ES256", access_token_signing_alg="RS256"))

    assert [unverified_header(t)["alg"] for t in (default.id_token, default.access_token)] == ["RS256", "ES256"]
    assert [unverified_header(t)["alg"] for t in (chosen.id_token, chosen.access_token)] == ["ES256", "RS256"]
    assert all("kid" in unverified_header(t) for t in (default.id_token, default.access_token, chosen.id_token))


@ONLY_SQLITE
def test_an_access_token_is_for_the_audience_of_the_registration(partner, code_flow):
    several = ["https://api.test", "https://autre.test"]

    assert code_flow(partner(audience=several)).access["aud"] == several
    assert code_flow(partner("autre", audience=["https://api.test"])).access["aud"] == "https://api.test"


@ONLY_SQLITE
def test_46_no_refresh_token_for_a_client_that_does_not_renew(partner, code_flow):
    portail = partner(grant_types=["authorization_code"])
    tokens = code_flow(portail)

    assert tokens.refresh_token == ""
    assert portail.refresh("x").json["error"] == "unauthorized_client"


@ONLY_SQLITE
def test_a_token_tells_two_partners_nothing_they_could_compare(partner, code_flow):
    """Core section 8.1: beside `sid`, which logout needs, no member of the two is equal but those of the protocol."""
    one, two = code_flow(partner("premier")), code_flow(partner("second"))
    same = {name for name in one.access if one.access[name] == two.access.get(name)}

    assert same <= {"iss", "iat", "exp", "scope", "auth_time", "acr", "amr"}


@ONLY_SQLITE
def test_an_unknown_token_parameter_is_ignored(partner, signed_in):
    portail = partner()

    assert portail.redeem(portail.code(signed_in), extra="foobar", scope="siret").json["scope"] == "openid"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"])
def test_each_way_to_authenticate_gets_its_tokens(partner, code_flow, method):
    portail = partner(token_endpoint_auth_method=method)
    tokens = code_flow(portail)

    assert portail.tokens(portail.refresh(tokens.refresh_token)).claims["sub"] == tokens.claims["sub"]
    assert portail.userinfo(tokens.access_token).status_code == 200


# ----------------------------------------------------------------------------------------------------------- under load


def test_21_a_hundred_exchanges_of_one_person_in_one_second_give_a_hundred_tokens(partner, signed_in):
    """performance.md section 2.1: tokens of one second must differ, RS256 included, which is deterministic."""
    portail = partner(access_token_signing_alg="RS256")
    codes = [portail.code(signed_in) for _ in range(100)]
    with time_machine.travel(datetime.now(UTC), tick=False):
        answers = [portail.redeem(code) for code in codes]

    assert {a.status_code for a in answers} == {200}
    tokens = [a.json["access_token"] for a in answers]
    assert len({unverified_claims(t)["jti"] for t in tokens}) == len(set(tokens)) == 100
    assert len({unverified_claims(t)["iat"] for t in tokens}) == 1


def test_21_parallel_flows_all_succeed_each_for_its_own_person(partner, new_client, sign_in, new_declarant):
    """performance.md section 2.1, C70: nobody is refused, nobody gets another's answer."""
    portail = partner(subject_type="public", scope="openid uid")
    browsers = [new_client() for _ in range(8)]
    for browser in browsers:
        sign_in(browser, new_declarant())
    alone = [portail.tokens(portail.redeem(portail.code(b))).claims["sub"] for b in browsers]
    barrier = Barrier(8)

    def act(browser):
        barrier.wait(30)
        subs = set()
        for _ in range(5):
            tokens = portail.tokens(portail.redeem(portail.code(browser, scope="openid uid")))
            renewed = portail.tokens(portail.refresh(tokens.refresh_token))
            subs |= {tokens.claims["sub"], renewed.claims["sub"], portail.userinfo(renewed.access_token).json["uid"]}
        return subs

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(act, browsers))

    assert len(set(alone)) == 8
    assert together == [{sub} for sub in alone]
