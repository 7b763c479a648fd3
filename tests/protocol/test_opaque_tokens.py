"""Access tokens that nobody can read: the same life, the same answers as those that can be. RFC 6749 section 1.4, RFC 7662."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.seals import b64, unb64

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
OPAQUE = {"access_token_format": "opaque"}
INACTIVE = {"active": False}


def test_it_opens_what_another_opens_until_it_is_revoked(partner, code_flow):
    portail = partner(**OPAQUE)
    tokens = code_flow(portail, scope="openid email")

    assert "." not in tokens.access_token
    assert portail.userinfo(tokens.access_token).json["email"] == "anne.lefevre@exemple.fr"
    assert portail.is_alive(tokens)
    assert portail.revoke(tokens.access_token).status_code == 200
    assert not portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


@SQLITE
def test_7662_introspection_tells_what_a_jwt_would(services, partner, code_flow):
    plain, opaque = partner("clair", sector_identifier="x.test"), partner("opaque", sector_identifier="x.test", **OPAQUE)
    scope = "openid email"
    said = [one.introspect(code_flow(one, scope=scope).access_token).json for one in (plain, opaque)]

    varying = {"client_id", "aud", "jti", "iat", "exp"}
    assert set(said[0]) == set(said[1])
    assert {n: v for n, v in said[0].items() if n not in varying} == {n: v for n, v in said[1].items() if n not in varying}
    assert said[1]["exp"] - said[1]["iat"] == 300


@SQLITE
def test_nothing_in_it_can_be_read_nor_foreseen(partner, code_flow):
    """Check 33: more than 128 bits in effect, printable ASCII."""
    portail = partner(**OPAQUE)
    first, second = code_flow(portail).access_token, code_flow(portail).access_token
    raw = unb64(first)
    shannon = -sum(n / len(first) * math.log2(n / len(first)) for n in Counter(first).values()) * len(first)

    assert not [word for word in (b"portail", b"mag.test", b"openid", b"scope") if word in raw.partition(b".")[2]]
    assert first[16:] != second[16:]
    assert shannon > 256
    assert len(first) < 2048


@SQLITE
@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda t: t[:-1], id="cut"),
        pytest.param(lambda t: t + "A", id="longer"),
        pytest.param(lambda t: t + "=", id="padded"),
        pytest.param(lambda t: t[:10] + "!" + t[10:], id="base64-forgives"),
        pytest.param(lambda t: t[:60] + ("A" if t[60] != "A" else "B") + t[61:], id="altered"),
        pytest.param(lambda t: b64(b"essai." + bytes(60)), id="made-up"),
        pytest.param(lambda t: "é" + t, id="accents"),
        pytest.param(lambda t: "A" * 9000, id="huge"),
        pytest.param(lambda t: "", id="empty"),
    ],
)
def test_C12_what_is_not_one_to_the_letter_opens_nothing(partner, code_flow, forge):
    portail = partner(**OPAQUE)
    text = forge(code_flow(portail).access_token)
    given = {"HTTP_AUTHORIZATION": f"Bearer {text}".encode().decode("latin-1")}

    assert portail.call("/userinfo", "GET", environ_overrides=given).status_code == 401
    if text:
        assert portail.introspect(text).json == INACTIVE


@SQLITE
def test_C21_it_expires(partner, code_flow):
    portail = partner(**OPAQUE)
    tokens = code_flow(portail)
    assert portail.is_alive(tokens)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        assert not portail.is_alive(tokens)


@SQLITE
def test_C22_another_client_reads_nothing(partner, code_flow):
    portail, other = partner(**OPAQUE), partner("autre")

    assert other.introspect(code_flow(portail).access_token).json == INACTIVE


@SQLITE
def test_a_seal_of_another_purpose_is_not_a_token(partner, code_flow, wsgi_app):
    portail = partner()
    jti = code_flow(portail).access["jti"]

    assert portail.introspect(jti).json == INACTIVE
    assert portail.userinfo(jti).status_code == 401


@SQLITE
def test_a_machine_may_have_one_too(partner):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire", **OPAQUE)
    token = machine.token("client_credentials").json["access_token"]

    assert machine.introspect(token).json["scope"] == "api:lire"


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_it_costs_no_more_than_another(partner, code_flow, wsgi_app):
    """Round trips: one to Redis, none to SQL."""
    portail, mag = partner(**OPAQUE), wsgi_app.mag
    token = code_flow(portail).access_token
    portail.userinfo(token)
    mag.versions.clock = lambda: 0.0
    mag.versions.until = 1.0
    for act in (portail.userinfo, portail.introspect):
        before = mag.ephemeral.count_of_trips, mag.connections.count
        assert act(token).status_code == 200
        assert (mag.ephemeral.count_of_trips - before[0], mag.connections.count - before[1]) == (1, 0)


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
@SQLITE
def test_8707_2_a_token_aimed_at_another_api_does_not_open_userinfo(partner, code_flow, kind):
    portail = partner(audience=["https://api.test"], access_token_format=kind)
    aimed = code_flow(portail, resource="https://api.test")

    assert portail.introspect(aimed.access_token).json["aud"] == "https://api.test"
    assert portail.userinfo(aimed.access_token).status_code == 401
    assert portail.userinfo(code_flow(portail).access_token).status_code == 200
