"""Renewal: rotation, its grace, reuse, narrowing. RFC 6749 section 6, RFC 9700 section 4.14.2, OpenID Connect Core section 12."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine

from tests.protocol.relying import altered, hidden_fields

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def time():
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield traveller


# -------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda t: "", id="6749-6-missing"),
        pytest.param(lambda t: "x", id="C12-unknown"),
        pytest.param(lambda t: "..", id="C12-dots"),
        pytest.param(lambda t: t[:-1], id="C12-cut"),
        pytest.param(lambda t: t + "A", id="C12-longer"),
        pytest.param(altered, id="C12-altered-tag"),
        pytest.param(lambda t: t.split(".")[0], id="C12-family-alone"),
        pytest.param(lambda t: t.replace(".", "..", 1), id="C12-empty-secret"),
        pytest.param(lambda t: "A" * 22 + t[t.index(".") :], id="C12-another-family"),
        pytest.param(lambda t: "é" + t, id="C12-accent"),
        pytest.param(lambda t: t * 100, id="C12-huge"),
    ],
)
def test_a_token_that_is_not_one_is_refused_and_costs_the_true_one_nothing(partner, code_flow, forge):
    portail = partner()
    tokens = code_flow(portail)
    response = portail.refresh(forge(tokens.refresh_token))

    assert (response.status_code, response.json["error"]) in ((400, "invalid_grant"), (400, "invalid_request"))
    assert portail.refresh(tokens.refresh_token).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_another_kind_of_token_is_refused(partner, code_flow, kind):
    portail = partner()

    assert portail.refresh(getattr(code_flow(portail), kind)).json["error"] == "invalid_grant"


def test_C20_a_token_of_another_client_is_refused_and_still_serves_its_own(partner, code_flow):
    mine, theirs = partner(), partner("autre")
    tokens = code_flow(theirs)

    assert mine.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert theirs.is_alive(tokens)
    assert theirs.refresh(tokens.refresh_token).status_code == 200


@pytest.mark.parametrize("scope", ["openid email siret", "phone", "openid profile", "OPENID"])
def test_C17_a_wider_scope_is_refused_and_the_token_is_not_spent(partner, code_flow, time, scope):
    portail = partner()
    tokens = code_flow(portail, scope="openid email")
    response = portail.refresh(tokens.refresh_token, scope=scope)
    time.shift(timedelta(seconds=60))

    assert (response.status_code, response.json["error"]) == (400, "invalid_scope")
    assert portail.refresh(tokens.refresh_token).json["scope"] == "openid email"


@ONLY_SQLITE
def test_a_family_ends_after_twelve_hours_however_used(partner, code_flow, time):
    portail = partner()
    tokens = code_flow(portail)
    for _ in range(11):
        time.shift(timedelta(hours=1))
        tokens = portail.tokens(portail.refresh(tokens.refresh_token))
    time.shift(timedelta(hours=1, seconds=1))

    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


# -------------------------------------------------------------------------------------------------------- rotation, reuse


def test_each_use_gives_another_token_for_the_same_person_and_time(partner, code_flow, time):
    portail = partner()
    first = code_flow(portail, nonce="n", scope="openid email")
    time.shift(timedelta(minutes=2))
    second = portail.tokens(portail.refresh(first.refresh_token))

    assert second.refresh_token != first.refresh_token
    assert second.scope == "openid email"
    kept = ("iss", "sub", "aud", "auth_time", "sid", "acr", "amr", "nonce")
    assert {name: second.claims[name] for name in kept} == {name: first.claims[name] for name in kept}
    assert second.claims["iat"] == first.claims["iat"] + 120
    assert second.access["jti"] != first.access["jti"]
    assert portail.is_alive(second)


def test_C19_within_the_grace_a_lost_answer_is_given_again(partner, code_flow, time):
    portail = partner()
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))
    time.shift(timedelta(seconds=9))
    again = portail.tokens(portail.refresh(first.refresh_token))

    assert again.refresh_token == second.refresh_token
    assert portail.refresh(again.refresh_token).status_code == 200


def test_C18_reuse_after_the_grace_ends_the_whole_family(partner, code_flow, time, journal):
    portail = partner()
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))
    time.shift(timedelta(seconds=11))
    response = portail.refresh(first.refresh_token)

    assert (response.status_code, response.json["error"]) == (400, "invalid_grant")
    assert not portail.is_alive(first)
    assert not portail.is_alive(second)
    assert portail.refresh(second.refresh_token).json["error"] == "invalid_grant"
    assert [line["client_id"] for line in journal("RefreshTokenReplayed")] == ["portail"]


def test_C18_a_grandfather_is_a_reuse_even_within_the_second(partner, code_flow, time):
    portail = partner()
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))
    third = portail.tokens(portail.refresh(second.refresh_token))

    assert portail.refresh(first.refresh_token).json["error"] == "invalid_grant"
    assert portail.refresh(third.refresh_token).json["error"] == "invalid_grant"
    assert not portail.is_alive(third)


def test_C18_reuse_by_another_client_ends_nothing(partner, code_flow, time):
    mine, theirs = partner(), partner("autre")
    first = code_flow(theirs)
    second = theirs.tokens(theirs.refresh(first.refresh_token))
    time.shift(timedelta(seconds=60))

    assert mine.refresh(first.refresh_token).json["error"] == "invalid_grant"
    assert theirs.is_alive(second)


def test_C19_twenty_at_once_have_one_successor(partner, code_flow):
    portail = partner()
    tokens, barrier = code_flow(portail), Barrier(20)

    def act(_):
        barrier.wait(30)
        return portail.refresh(tokens.refresh_token)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(act, range(20)))

    assert {a.status_code for a in answers} == {200}
    [successor] = {a.json["refresh_token"] for a in answers}
    assert portail.refresh(successor).status_code == 200


def test_C19_twenty_at_once_after_the_grace_end_the_family_without_a_5xx(partner, code_flow, time):
    portail = partner()
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))
    time.shift(timedelta(seconds=60))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: portail.refresh(first.refresh_token), range(20)))

    assert {(a.status_code, a.json["error"]) for a in answers} == {(400, "invalid_grant")}
    assert portail.refresh(second.refresh_token).json["error"] == "invalid_grant"


# -------------------------------------------------------------------------------------------------------------- narrowing


@ONLY_SQLITE
def test_C17_a_narrower_scope_narrows_this_answer_alone(partner, code_flow):
    portail = partner()
    first = code_flow(portail, scope="openid email siret")
    second = portail.tokens(portail.refresh(first.refresh_token, scope="openid siret siret"))
    third = portail.tokens(portail.refresh(second.refresh_token))

    assert second.scope == second.access["scope"] == "openid siret"
    assert "email" not in portail.userinfo(second.access_token).json
    assert third.scope == "openid email siret"


@ONLY_SQLITE
def test_C17_without_openid_there_is_no_id_token(partner, code_flow):
    portail = partner()

    assert "id_token" not in portail.refresh(code_flow(portail, scope="openid email").refresh_token, scope="email").json


@ONLY_SQLITE
def test_C10_what_the_registry_took_back_is_not_given_again(partner, code_flow, wsgi_app):
    from idp.database import db
    from partners import onboarding

    portail = partner()
    tokens = code_flow(portail, scope="openid email siret")
    with wsgi_app.flask.app_context():
        onboarding.change_client(onboarding.client_named("portail"), {**portail.extra, "scope": "openid siret"}, datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    assert "email" not in portail.userinfo(tokens.access_token).json
    assert portail.refresh(tokens.refresh_token, scope="openid email").json["error"] == "invalid_scope"
    assert portail.refresh(tokens.refresh_token).json["scope"] == "openid siret"


# ---------------------------------------------------------------------------------------------------------------- offline


def test_without_offline_access_a_family_ends_with_its_session(partner, code_flow, end_session):
    portail = partner()
    tokens = code_flow(portail)
    end_session()

    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert not portail.is_alive(tokens)


def test_with_offline_access_a_family_outlives_its_session(partner, code_flow, end_session, time):
    portail = partner(scope="openid offline_access")
    tokens = code_flow(portail, scope="openid offline_access")
    end_session()
    time.shift(timedelta(days=20))
    renewed = portail.tokens(portail.refresh(tokens.refresh_token))

    assert portail.is_alive(renewed)
    assert renewed.claims["auth_time"] == tokens.claims["auth_time"]


@pytest.fixture
def end_session(signed_in):
    """Sign out at MAG, as a person does: by the question and its answer."""

    def act():
        page = signed_in.get("/session/end")
        response = signed_in.post("/session/end/confirmation", data={**hidden_fields(page), "reponse": "oui"})
        assert response.status_code == 200

    return act
