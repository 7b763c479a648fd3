"""`/acces/v1/liens`: partners make signed links, list them, end them. Every refusal; RFC 6750, RFC 8707, RFC 9728."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import time_machine

from idp.database import db
from idp.ephemeral import Counter
from idp.oidc.client_metadata import InvalidClientMetadataError
from partners.acces.creation import MEMBERS
from partners.acces.models import Lien
from partners.liens_api import A_MINUTE, PAGE
from partners.models import Partenaire
from partners.terms import Terms, settle

PATH = "/acces/v1/liens"
HERE = "https://portail.test/declarations/dsn"
GRANTS = ["authorization_code", "client_credentials"]


@pytest.fixture
def portail(partner):
    return partner(link_prefixes=["https://portail.test/declarations"], scope="openid acces:liens", grant_types=GRANTS)


def token_of(portail, **form) -> str:
    answer = portail.token("client_credentials", **form)
    assert answer.status_code == 200, answer.text
    return answer.json["access_token"]


def call(portail, method: str = "POST", path: str = PATH, *, token: str = "", **options):
    return portail.call(path, method, headers={"Authorization": f"Bearer {token or token_of(portail)}"}, **options)


def make(portail, token: str = "", **members):
    return call(portail, token=token, json={"ressource": HERE, **members})


# ---------------------------------------------------------------------------------------------------------------- refusals


def test_without_a_token_the_resource_describes_itself(portail):
    answer = portail.call(PATH, json={"ressource": HERE})

    assert answer.status_code == 401
    assert 'resource_metadata="https://mag.test/.well-known/oauth-protected-resource/acces/v1"' in answer.headers["WWW-Authenticate"]
    described = portail.call("/.well-known/oauth-protected-resource/acces/v1", "GET").json
    assert (described["resource"], described["scopes_supported"]) == ("https://mag.test/acces/v1", ["acces:liens"])


def test_a_token_without_the_scope_is_refused(partner):
    other = partner("autre", scope="openid courriers", grant_types=GRANTS, link_prefixes=["https://autre.test/"])
    answer = call(other, json={"ressource": "https://autre.test/"})

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_the_token_of_a_person_is_refused(portail, code_flow):
    assert make(portail, code_flow(portail, scope="openid").access_token).status_code == 401


def test_the_scope_is_never_a_persons(portail, code_flow):
    assert "acces:liens" not in code_flow(portail, scope="openid acces:liens").scope.split()


def test_a_token_aimed_elsewhere_is_refused(partner):
    api = "https://api.autre.test/"
    other = partner(audience=[api], scope="openid acces:liens", grant_types=GRANTS, link_prefixes=["https://portail.test/"])

    assert make(other, token_of(other, resource=api)).status_code == 401


def test_a_token_aimed_here_is_taken(partner):
    here = "https://mag.test/acces/v1"
    portail = partner(audience=[here], scope="openid acces:liens", grant_types=GRANTS, link_prefixes=["https://portail.test/"])

    assert make(portail, token_of(portail, resource=here)).status_code == 201


@pytest.mark.parametrize(
    ("members", "error"),
    [
        pytest.param({"ressource": None}, "invalid_request", id="no-resource"),
        pytest.param({"ressource": 3}, "invalid_request", id="resource-not-text"),
        pytest.param({"ressource": "https://autre.test/"}, "invalid_target", id="foreign"),
        pytest.param({"ressource": "https://portail.test/declarations/../x"}, "invalid_target", id="dot-segment"),
        pytest.param({"siret": "73282932000075"}, "invalid_request", id="siret-key"),
        pytest.param({"siret": 73282932000074}, "invalid_request", id="siret-number"),
        pytest.param({"siret": "73282932000074", "sub": "x"}, "invalid_request", id="siret-and-sub"),
        pytest.param({"sub": ""}, "invalid_request", id="empty-sub"),
        pytest.param({"sub": "x" * 256}, "invalid_request", id="long-sub"),
        pytest.param({"libelle": "x" * 81}, "invalid_request", id="long-label"),
        pytest.param({"libelle": "a\nb"}, "invalid_request", id="label-on-two-lines"),
        pytest.param({"libelle": ["a"]}, "invalid_request", id="label-not-text"),
        pytest.param({"expires_in": 59}, "invalid_request", id="too-short"),
        pytest.param({"expires_in": 30 * 86400 + 1}, "invalid_request", id="too-long"),
        pytest.param({"expires_in": True}, "invalid_request", id="life-not-a-number"),
        pytest.param({"expires_in": "60"}, "invalid_request", id="life-as-text"),
        pytest.param({"usage_unique": "oui"}, "invalid_request", id="once-not-boolean"),
        pytest.param({"usage_uniqe": True}, "invalid_request", id="unknown-member"),
    ],
)
def test_a_link_that_breaks_one_rule_is_not_made(portail, journal, members, error):
    answer = make(portail, **members)

    assert (answer.status_code, answer.json["error"]) == (400, error)
    assert journal("LienCreated") == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": "ressource=x", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"data": "[]", "content_type": "application/json"}, 400),
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": '{"ressource": "' + "x" * 70_000 + '"}', "content_type": "application/json"}, 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(portail, options, status):
    assert call(portail, **options).status_code == status


def test_other_methods_are_refused(portail):
    token = token_of(portail)

    assert call(portail, "PUT", token=token).status_code == 405
    assert call(portail, "POST", f"{PATH}/x", token=token).headers["Allow"] == "GET, DELETE"


def test_too_many_requests_are_slowed_down(wsgi_app, portail):
    wsgi_app.mag.ephemeral.count(Counter("acces-liens:portail", 60), by=A_MINUTE)

    answer = make(portail)
    assert (answer.status_code, answer.json["error"], answer.headers["Retry-After"]) == (429, "slow_down", "60")


def test_a_link_of_another_partner_does_not_exist(portail, partner):
    autre = partner("autre", link_prefixes=["https://autre.test/"], scope="openid acces:liens", grant_types=GRANTS)
    lien = make(portail).json

    for method in ("GET", "DELETE"):
        assert call(autre, method, f"{PATH}/{lien['id']}").status_code == 404
        assert call(portail, method, f"{PATH}/{lien['id'][:-1]}").status_code == 404
        assert call(portail, method, f"{PATH}/{'é' * 22}").status_code == 404
    assert call(autre, "GET").json == {"liens": []}
    assert call(portail, "GET").json["liens"] == [lien]


# ------------------------------------------------------------------------------------------------------------------- links


def test_a_link_is_made_told_and_journaled(portail, journal):
    answer = make(portail, siret="732 829 320 00074", libelle="Votre DSN", usage_unique=True, expires_in=3600)
    lien = answer.json

    assert answer.status_code == 201
    assert lien["url"].startswith("https://mag.test/acces/portail?lien=")
    assert {name: lien[name] for name in ("ressource", "siret", "libelle", "usage_unique", "client_id")} == {
        "ressource": HERE,
        "siret": "73282932000074",
        "libelle": "Votre DSN",
        "usage_unique": True,
        "client_id": "portail",
    }
    assert lien["expires_at"] - lien["created_at"] == 3600
    assert call(portail, "GET", f"{PATH}/{lien['id']}").json == lien
    assert journal("LienCreated") == [
        {"client_id": "portail", "declarant_id": None, "outcome": "success", "lien": lien["id"], "host": "portail.test"}
    ]


def test_a_week_when_nothing_is_said(portail):
    lien = make(portail).json

    assert lien["expires_at"] - lien["created_at"] == 7 * 86400


def test_another_client_of_the_same_partner_makes_links_too(partner, portail):
    """What sends mails is seldom what signs people in."""
    courrier = partner("courrier", partenaire="portail", redirect_uris=[], scope="acces:liens", grant_types=["client_credentials"])

    assert make(courrier).json["client_id"] == "courrier"


def test_a_link_that_is_ended_leads_nowhere(portail, journal, signed_in):
    lien, token = make(portail).json, token_of(portail)
    address = lien["url"].removeprefix("https://mag.test")
    assert signed_in.get(address).status_code == 303

    assert [call(portail, "DELETE", f"{PATH}/{lien['id']}", token=token).status_code for _ in range(2)] == [204, 204]
    answer = signed_in.get(address)
    assert (answer.status_code, "M600104" in answer.text) == (410, True)
    told = call(portail, "GET", f"{PATH}/{lien['id']}", token=token).json
    assert {"revoked_at", "used_at"} <= told.keys()
    assert len(journal("LienRevoked")) == 1


def test_links_are_listed_the_latest_first_a_page_at_a_time(wsgi_app, portail):
    now = datetime.now(UTC)
    with wsgi_app.flask.app_context():
        partenaire = Partenaire.with_code("portail").id
        for number in range(PAGE + 1):
            made_at = now - timedelta(minutes=number // 2)
            common = {"client_id": "portail", "ressource": HERE, "usage_unique": False, "expires_at": now + timedelta(days=1)}
            db.session.add(Lien(id=f"{number:022}", partenaire_id=partenaire, created_at=made_at, **common))
        db.session.commit()

    first = call(portail, "GET").json
    second = call(portail, "GET", f"{PATH}?apres={first['suite']}").json
    found = [lien["id"] for lien in (*first["liens"], *second["liens"])]
    assert (len(first["liens"]), len(second["liens"])) == (PAGE, 1)
    assert "suite" not in second
    assert len(set(found)) == PAGE + 1
    made = [lien["created_at"] for lien in (*first["liens"], *second["liens"])]
    assert made == sorted(made, reverse=True)


def test_links_long_over_are_forgotten(wsgi_app, portail):
    make(portail, expires_in=60)
    with wsgi_app.flask.app_context(), time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        assert Lien.purge(datetime.now(UTC)) == 1


def test_a_client_does_not_give_itself_prefixes():
    """RFC 7591: an operator alone says where links may lead."""
    given = {"redirect_uris": ["https://nouveau.test/retour"], "link_prefixes": ["https://nouveau.test/"]}

    with pytest.raises(InvalidClientMetadataError, match="link_prefixes: an operator alone"):
        settle(given, Terms())


def test_the_request_of_the_guide_is_accepted(partner):
    """docs/liens.md, as it is written."""
    guide = (Path(__file__).parents[2] / "docs" / "liens.md").read_text("utf-8")
    body = orjson.loads(re.search(r"-d '(\{.*?\})'", guide, re.S)[1])
    prefix = re.search(r"--ajouter (\S+)", guide)[1]
    portail = partner("mon-portail", link_prefixes=[prefix], scope="openid acces:liens", grant_types=GRANTS)

    answer = call(portail, json=body)
    assert answer.status_code == 201, answer.text
    assert {f"`{name}`" for name in MEMBERS} <= set(re.findall(r"`\w+`", guide))
    assert set(re.findall(r"M6001\d\d", guide)) == {f"M60010{n}" for n in range(1, 6)}
