"""Introspection and revocation: who may ask, about which tokens. RFC 7662, RFC 7009. Authentication has its own file."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from redis import Redis

from tests.protocol.relying import altered

INACTIVE = {"active": False}
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


# --------------------------------------------------------------------------------------------------------- introspection


@ONLY_SQLITE
@pytest.mark.parametrize("path", ["/token/introspection", "/token/revocation"])
def test_a_token_is_required(partner, path):
    response = partner().post(path, {"autre": "x"})

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


@ONLY_SQLITE
@pytest.mark.parametrize("token", ["x", "é", "x" * 60000, "a.b.c", "\n"])
def test_nonsense_is_inactive_and_says_nothing_else(partner, token):
    response = partner().introspect(token)

    assert (response.status_code, response.json) == (200, INACTIVE)
    assert response.headers["Cache-Control"] == "no-store"


@ONLY_SQLITE
def test_C22_a_caller_who_is_not_entitled_reads_what_a_stranger_would(partner, code_flow):
    theirs, mine = partner("autre"), partner()
    token = code_flow(theirs).access_token

    assert mine.introspect(token).json == INACTIVE
    assert theirs.introspect(token).json["active"] is True
    assert mine.introspect(token).json == INACTIVE, "what one caller read is not kept for another"


@ONLY_SQLITE
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "inconnu"])
def test_a_wrong_token_type_hint_changes_nothing(partner, code_flow, hint):
    portail = partner()

    assert portail.introspect(code_flow(portail).access_token, token_type_hint=hint).json["active"] is True


@ONLY_SQLITE
@pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
def test_C27_another_kind_of_token_is_inactive(partner, code_flow, kind):
    portail = partner()

    assert portail.introspect(getattr(code_flow(portail), kind)).json == INACTIVE


def test_a_living_token_tells_its_owner_what_it_holds(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail, scope="openid email")
    told = portail.introspect(tokens.access_token).json

    assert told == {"active": True, "token_type": "Bearer", **tokens.access}
    assert "email" not in told


def test_C22_the_service_a_token_is_aimed_at_may_ask(partner, code_flow):
    portail = partner(audience=["https://api.test"])
    api = partner("api-test", grant_types=[], redirect_uris=[], introspect=["https://api.test"])
    named = partner("nomme", audience=["api-autre"])
    other = partner("api-autre", grant_types=[], redirect_uris=[])

    assert api.introspect(code_flow(portail).access_token).json["active"] is True
    assert api.introspect(code_flow(named).access_token).json == INACTIVE
    assert other.introspect(code_flow(named).access_token).json["active"] is True
    assert other.introspect(code_flow(portail).access_token).json == INACTIVE


def test_a_token_of_a_machine_is_told_too(partner):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    told = machine.introspect(machine.token("client_credentials").json["access_token"]).json

    assert (told["active"], told["sub"], told["client_id"], told["scope"]) == (True, "machine", "machine", "api:lire")


def test_C21_an_expired_token_is_inactive(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail)
    assert portail.is_alive(tokens)

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        assert not portail.is_alive(tokens)


# ------------------------------------------------------------------------------------------------------------ revocation


def test_an_access_token_revoked_takes_its_whole_authorization_along(partner, code_flow, journal):
    portail = partner()
    tokens = code_flow(portail)
    response = portail.revoke(tokens.access_token, token_type_hint="access_token")

    assert (response.status_code, response.data) == (200, b"")
    assert "Content-Type" not in response.headers, "an empty answer has no type: oidc-client-ts throws on text/html"
    assert not portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert [line["client_id"] for line in journal("TokenRevoked")] == ["portail"]


def test_a_refresh_token_revoked_takes_its_whole_authorization_along(partner, code_flow):
    portail = partner()
    tokens, other = code_flow(portail), code_flow(portail)
    assert portail.revoke(tokens.refresh_token).status_code == 200

    assert not portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert portail.is_alive(other), "another authorization goes on"


@ONLY_SQLITE
def test_a_refresh_token_already_rotated_still_names_its_family(partner, code_flow):
    portail = partner()
    first = code_flow(portail)
    second = portail.tokens(portail.refresh(first.refresh_token))
    portail.revoke(first.refresh_token)

    assert not portail.is_alive(second)


@ONLY_SQLITE
def test_a_public_client_revokes_its_own(partner, code_flow):
    public = partner(token_endpoint_auth_method="none")
    tokens = code_flow(public)

    assert public.revoke(tokens.refresh_token).status_code == 200
    assert public.userinfo(tokens.access_token).status_code == 401


@ONLY_SQLITE
@pytest.mark.parametrize("kind", ["access_token", "refresh_token", "id_token"])
def test_C20_a_token_of_another_client_is_left_alone(partner, code_flow, kind):
    mine, theirs = partner(), partner("autre")
    tokens = code_flow(theirs)

    assert mine.revoke(getattr(tokens, kind)).status_code == 200
    assert theirs.is_alive(tokens)
    assert theirs.refresh(tokens.refresh_token).status_code == 200


@ONLY_SQLITE
def test_what_is_not_a_token_is_not_an_error(partner, code_flow):
    """RFC 7009 section 2.2."""
    portail = partner()
    tokens = code_flow(portail)

    for nonsense in ("x", altered(tokens.access_token), altered(tokens.refresh_token), "é", "x" * 60000):
        assert (portail.revoke(nonsense).status_code, portail.revoke(nonsense).data) == (200, b"")
    assert portail.is_alive(tokens)
    assert portail.revoke(tokens.access_token).status_code == portail.revoke(tokens.access_token).status_code == 200


@ONLY_SQLITE
def test_revoking_reaches_other_processes(partner, code_flow, settings, compose):
    """A process that verified the token before remembers its signature, never its life."""
    portail = partner()
    tokens = code_flow(portail)
    elsewhere = type(portail)(**{**vars(portail), "doors": compose(settings)})
    assert elsewhere.is_alive(tokens)
    portail.revoke(tokens.access_token)

    assert not elsewhere.is_alive(tokens)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_C68_what_was_revoked_stays_so_when_redis_is_emptied(partner, code_flow, redis_server):
    portail = partner()
    revoked, alive = code_flow(portail), code_flow(portail)
    portail.revoke(revoked.refresh_token)
    with Redis.from_url(redis_server.url) as client:
        client.flushall()

    assert not portail.is_alive(revoked)
    assert portail.is_alive(alive), "its family is open in the database"
    assert portail.refresh(revoked.refresh_token).json["error"] == "invalid_grant"
