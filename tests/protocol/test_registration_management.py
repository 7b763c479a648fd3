"""A client reads, changes and removes what it registered: RFC 7592 over HTTP. Test identifiers begin with the section."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import ECKey

from idp.database import db
from idp.oidc.models import Consent
from partners import onboarding
from partners.models import OAuthClient, Registration
from tests.protocol.relying import Partner, hidden_fields

REDIRECT = "https://nouveau.test/retour"
METADATA = {
    "redirect_uris": [REDIRECT],
    "client_name": "Nouveau",
    "scope": "openid email",
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "client_secret_post",
}


@pytest.fixture
def settings(settings):
    return replace(settings, open_registration=True)


@pytest.fixture
def enrol(send) -> Callable[..., dict[str, Any]]:
    def act(**metadata: Any) -> dict[str, Any]:
        answer = send("/reg", "POST", json={**METADATA, **metadata})
        assert answer.status_code == 201, answer.text
        return answer.json

    return act


@pytest.fixture
def told(enrol) -> dict[str, Any]:
    """What a client was answered when it registered."""
    return enrol()


def path_of(told: dict[str, Any]) -> str:
    return f"/reg/{told['client_id']}"


def sent_back(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Section 2.2: what a client sends for the whole of its metadata."""
    kept = {
        n: v for n, v in told.items() if not n.startswith("registration_") and n not in ("client_secret_expires_at", "client_id_issued_at")
    }
    return {name: value for name, value in {**kept, **changes}.items() if value is not None}


# -------------------------------------------------------------------------------------------------------------------- read


def test_2_1_a_client_reads_what_it_registered(send, told):
    answer = send(path_of(told), "GET", token=told["registration_access_token"])

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {name: value for name, value in told.items() if not name.startswith("client_secret")}


def test_2_1_initiate_login_uri_is_told_again(send, enrol):
    """[54]"""
    told = enrol(initiate_login_uri="https://nouveau.test/go")

    assert send(path_of(told), "GET", token=told["registration_access_token"]).json["initiate_login_uri"] == "https://nouveau.test/go"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_2_who_it_is_not_learns_nothing(send, told, enrol, method):
    """No token, a wrong one, another's; a client there is and one there is not: one answer."""
    other = enrol()
    answers = [
        send(path, method, token=token, json=sent_back(told))
        for path, token in (
            (path_of(told), "faux"),
            (path_of(told), other["registration_access_token"]),
            ("/reg/personne", "faux"),
            ("/reg/personne", told["registration_access_token"]),
            ("/reg/", told["registration_access_token"]),
            ("/reg/" + "x" * 500, told["registration_access_token"]),
            ("/reg/%C3%A9%00", told["registration_access_token"]),
            (path_of(told) + "/", told["registration_access_token"]),
        )
    ]

    assert {(a.status_code, a.text, a.headers["WWW-Authenticate"]) for a in answers} == {
        (401, '{"error":"invalid_token"}', 'Bearer realm="mag", error="invalid_token"')
    }
    without = send(path_of(told), method, json=sent_back(told))
    assert (without.status_code, without.headers["WWW-Authenticate"]) == (401, 'Bearer realm="mag"')


def test_2_a_client_that_an_operator_registered_has_no_such_token(send, partner):
    partner("portail")

    assert send("/reg/portail", "GET", token="e" * 43).status_code == 401


def test_2_other_methods_are_not_allowed(send, told):
    for method in ("POST", "PATCH"):
        answer = send(path_of(told), method, token=told["registration_access_token"])
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PUT, DELETE")


def test_2_a_disabled_client_manages_nothing(send, told, wsgi_app):
    with wsgi_app.flask.app_context():
        onboarding.switch(onboarding.client_named(told["client_id"]), datetime.now(UTC), enabled=False)
        db.session.commit()

    assert send(path_of(told), "GET", token=told["registration_access_token"]).status_code == 401


# ------------------------------------------------------------------------------------------------------------------ replace


def test_2_2_the_whole_is_replaced(send, told, wsgi_app):
    changed = send(
        path_of(told), "PUT", token=told["registration_access_token"],
        json=sent_back(told, client_name="Renommé", grant_types=None, logo_uri="https://nouveau.test/logo.png"),
    )  # fmt: skip

    assert changed.status_code == 200
    assert (changed.json["client_name"], changed.json["grant_types"]) == ("Renommé", ["authorization_code"])
    assert "client_secret" not in changed.json
    assert changed.json["registration_access_token"] == told["registration_access_token"]
    found = wsgi_app.mag.registry.find(told["client_id"])
    assert (found.client_name, found.grant_types, found.logo_uri) == ("Renommé", {"authorization_code"}, "https://nouveau.test/logo.png")


def test_2_2_the_secret_goes_on(send, told, wsgi_app):
    before = wsgi_app.mag.registry.find(told["client_id"]).secret_hashes

    send(path_of(told), "PUT", token=told["registration_access_token"], json=sent_back(told, client_name="Renommé"))

    assert wsgi_app.mag.registry.find(told["client_id"]).secret_hashes == before


def test_2_2_a_method_that_needs_a_secret_receives_one(send, enrol):
    told = enrol(token_endpoint_auth_method="none")
    changed = send(
        path_of(told),
        "PUT",
        token=told["registration_access_token"],
        json=sent_back(told, token_endpoint_auth_method="client_secret_basic"),
    )

    assert len(changed.json["client_secret"]) >= 43
    assert changed.json["client_secret_expires_at"] == 0


def test_2_2_a_method_without_secret_loses_it(send, told, wsgi_app):
    key = ECKey.generate_key("P-256", {"kid": "1"}).as_dict(private=False)
    changes = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}, "client_secret": None}

    assert send(path_of(told), "PUT", token=told["registration_access_token"], json=sent_back(told, **changes)).status_code == 200
    assert wsgi_app.mag.registry.find(told["client_id"]).secret_hashes == frozenset()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"client_id": None}, "invalid_client_metadata", id="2.2-client-id-required"),
        pytest.param({"client_id": "autre"}, "invalid_client_metadata", id="2.2-its-own-client-id"),
        pytest.param({"registration_access_token": "x" * 43}, "invalid_client_metadata", id="2.2-no-registration-access-token"),
        pytest.param({"registration_client_uri": "https://mag.test/reg/x"}, "invalid_client_metadata", id="2.2-no-registration-client-uri"),
        pytest.param({"client_secret_expires_at": 0}, "invalid_client_metadata", id="2.2-no-client-secret-expires-at"),
        pytest.param({"client_id_issued_at": 1}, "invalid_client_metadata", id="2.2-no-client-id-issued-at"),
        pytest.param({"client_secret": "choisi-choisi-choisi-choisi-choisi"}, "invalid_client_metadata", id="2.2-the-secret-is-not-chosen"),
        pytest.param({"client_secret": 3}, "invalid_client_metadata", id="2.2-the-secret-is-a-text"),
        pytest.param({"redirect_uris": ["https://nouveau.test/#f"]}, "invalid_redirect_uri", id="52-fragment"),
        pytest.param({"first_party": True}, "invalid_client_metadata", id="ours-not-first-party"),
        pytest.param({"profile": "franceconnect"}, "invalid_client_metadata", id="ours-not-a-profile-beyond-the-terms"),
        pytest.param({"introspect": ["x"]}, "invalid_client_metadata", id="ours-no-introspection"),
        pytest.param({"software_statement": "a.b.c"}, "invalid_software_statement", id="rfc7591-2.3-statement"),
    ],
)
def test_a_change_that_breaks_a_rule_changes_nothing(send, told, changes, error):
    path, token = path_of(told), told["registration_access_token"]

    refused = send(path, "PUT", token=token, json=sent_back(told, **changes))

    assert (refused.status_code, refused.json["error"]) == (400, error)
    assert send(path, "GET", token=token).json["client_name"] == "Nouveau"


def test_2_2_nonsense_is_refused(send, told):
    path, token = path_of(told), told["registration_access_token"]

    assert send(path, "PUT", token=token, data=b"[", content_type="application/json").status_code == 400
    assert send(path, "PUT", token=token, data=b"a=b", content_type="application/x-www-form-urlencoded").status_code == 415


def test_ours_what_an_operator_gave_may_be_sent_back_and_not_extended(send, told, wsgi_app):
    with wsgi_app.flask.app_context():
        row = onboarding.client_named(told["client_id"])
        onboarding.change_client(row, {**row.client_metadata, "audience": ["https://api.test"]}, datetime.now(UTC))
        db.session.commit()
    path, token = path_of(told), told["registration_access_token"]

    assert send(path, "PUT", token=token, json=sent_back(told, audience=["https://api.test"])).status_code == 200
    assert send(path, "PUT", token=token, json=sent_back(told, audience=["https://api.test", "https://b.test"])).status_code == 400


def test_ours_scopes_grants_and_profile_that_an_operator_gave_outlive_a_change(send, told, wsgi_app):
    jwt_bearer, exchange = (f"urn:ietf:params:oauth:grant-type:{name}" for name in ("jwt-bearer", "token-exchange"))
    given = {"scope": "openid habilitations:dsn", "grant_types": ["authorization_code", jwt_bearer], "profile": "proconnect"}
    with wsgi_app.flask.app_context():
        row = onboarding.client_named(told["client_id"])
        onboarding.change_client(row, {**row.client_metadata, **given}, datetime.now(UTC))
        db.session.commit()
    path, token = path_of(told), told["registration_access_token"]

    changed = send(path, "PUT", token=token, json=sent_back(told, **given, client_name="Renommé")).json
    more = sent_back(told, **{**given, "scope": "openid habilitations:dsn habilitations:dpae"})
    assert {name: changed[name] for name in given} == given
    assert send(path, "PUT", token=token, json=more).json["scope"] == "openid habilitations:dsn"
    assert send(path, "PUT", token=token, json=sent_back(told, **{**given, "grant_types": [exchange]})).status_code == 400


def test_2_2_it_is_in_the_journal(send, told, journal):
    send(path_of(told), "PUT", token=told["registration_access_token"], json=sent_back(told, client_name="Renommé"))

    line = journal("PartenaireChanged")[-1]
    assert (line["client_id"], line["change"], line["changes"]) == (told["client_id"], "client changed", "client_name")


# ------------------------------------------------------------------------------------------------------------------- remove


@pytest.fixture
def used(told, wsgi_app, signed_in) -> tuple[Partner, Any]:
    """The client, once a person agreed, and what it holds."""
    partner = Partner(wsgi_app, told["client_id"], told["client_secret"], REDIRECT, "client_secret_post")
    page = partner.ask(signed_in, scope="openid email")
    assert "consentement" in page.text
    signed_in.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"})
    return partner, partner.tokens(partner.redeem(partner.code(signed_in, scope="openid email")))


def test_2_3_a_client_that_goes_stops_everywhere_at_once(send, told, used, signed_in, wsgi_app):
    partner, tokens = used
    assert partner.userinfo(tokens.access_token).status_code == 200
    path, token = path_of(told), told["registration_access_token"]

    gone = send(path, "DELETE", token=token)

    assert (gone.status_code, gone.data) == (204, b"")
    assert partner.userinfo(tokens.access_token).status_code == 401
    assert partner.refresh(tokens.refresh_token).status_code == 401
    assert partner.introspect(tokens.access_token).status_code == 401
    assert partner.ask(signed_in).status_code == 400
    for method in ("GET", "PUT", "DELETE"):
        assert send(path, method, token=token, json=sent_back(told)).status_code == 401
    with wsgi_app.flask.app_context():
        assert db.session.get(OAuthClient, told["client_id"]) is None
        assert db.session.get(Registration, told["client_id"]) is None
        assert db.session.query(Consent).filter_by(client_id=told["client_id"]).count() == 0


def test_2_3_others_go_on(send, told, enrol, wsgi_app):
    other = enrol()

    send(path_of(told), "DELETE", token=told["registration_access_token"])

    assert wsgi_app.mag.registry.find(other["client_id"]) is not None


def test_2_3_it_is_in_the_journal(send, told, journal):
    send(path_of(told), "DELETE", token=told["registration_access_token"])

    line = journal("PartenaireChanged")[-1]
    assert (line["client_id"], line["change"]) == (told["client_id"], "client deleted")
