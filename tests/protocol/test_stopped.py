"""What stops at once, at every endpoint: a disabled client or partner (C61), a suspended person (C46), a right withdrawn (C47)."""

from datetime import UTC, datetime

import pytest

from idp.authentication.session import close_every_session
from idp.database import db
from idp.declarants import inscription
from idp.declarants.models import Declarant
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.oidc.people import People
from partners import onboarding
from tests.protocol.conftest import SIRET
from tests.protocol.relying import answer_of


@pytest.fixture
def change(wsgi_app):
    """Run an operation as a command does: commit, then every process notices."""

    def act(operation, *arguments, **named):
        with wsgi_app.flask.app_context():
            answer = operation(*arguments, **named)
            db.session.commit()
        wsgi_app.mag.versions.refresh()
        return answer

    return act


# ------------------------------------------------------------------------------------------------- a client, or a partner


def named(kind: str, code: str):
    return onboarding.client_named(code) if kind == "client" else onboarding.partenaire_named(code)


@pytest.mark.parametrize("kind", ["client", "partenaire"])
def test_C61_a_client_or_partner_that_is_disabled_stops_everywhere(partner, signed_in, code_flow, change, kind):
    portail, witness = partner(post_logout_redirect_uris=["https://portail.test/fin"]), partner("autre", introspect=["portail"])
    tokens, code = code_flow(portail), portail.code(signed_in)
    change(lambda: onboarding.switch(named(kind, "portail"), datetime.now(UTC), enabled=False))

    page = portail.ask(signed_in)
    assert (page.status_code, "Location" in page.headers) == (400, False)
    assert portail.redeem(code).status_code == 401
    assert portail.refresh(tokens.refresh_token).status_code == 401
    assert portail.userinfo(tokens.access_token).status_code == 401
    assert portail.introspect(tokens.access_token).status_code == 401
    assert portail.revoke(tokens.access_token).status_code == 401
    assert witness.introspect(tokens.access_token).json == {"active": False}
    hinted = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": "https://portail.test/fin"}
    assert "Location" not in signed_in.get("/session/end", query_string=hinted).headers
    assert "code" in answer_of(witness.ask(signed_in, prompt="none"))[1], "others go on"

    change(lambda: onboarding.switch(named(kind, "portail"), datetime.now(UTC), enabled=True))
    assert portail.refresh(tokens.refresh_token).status_code == 200


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("method", ["client_secret_post", "private_key_jwt", "none"])
def test_C61_however_it_authenticates(partner, code_flow, change, method):
    portail = partner(token_endpoint_auth_method=method)
    tokens = code_flow(portail)
    change(lambda: onboarding.switch(onboarding.client_named("portail"), datetime.now(UTC), enabled=False))

    assert portail.refresh(tokens.refresh_token).status_code == 401


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_C61_a_machine_too(partner, change):
    machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
    witness = partner("autre", introspect=["machine"])
    token = machine.token("client_credentials").json["access_token"]
    assert witness.introspect(token).json["active"] is True
    change(lambda: onboarding.switch(onboarding.client_named("machine"), datetime.now(UTC), enabled=False))

    assert machine.token("client_credentials").status_code == 401
    assert witness.introspect(token).json == {"active": False}


def test_a_redirect_uri_taken_back_serves_no_more(partner, signed_in, change):
    portail = partner()
    change(
        lambda: onboarding.change_client(
            onboarding.client_named("portail"), {**portail.extra, "redirect_uris": ["https://portail.test/nouveau"]}, datetime.now(UTC)
        )
    )

    assert "Location" not in portail.ask(signed_in).headers
    assert "code" in answer_of(portail.ask(signed_in, redirect_uri="https://portail.test/nouveau"))[1]


# ---------------------------------------------------------------------------------------------------------------- a person


def suspend(wsgi_app, declarant_id: int) -> None:
    """What `mag declarants suspendre` does."""
    mag, declarant = wsgi_app.mag, db.session.get(Declarant, declarant_id)
    close_every_session(mag.ephemeral, mag.settings, declarant)
    inscription.suspendre(declarant, datetime.now(UTC))


@pytest.mark.parametrize("renews", [True, False], ids=["with-refresh", "without"])
def test_C46_a_suspended_person_stops_everywhere_within_the_second(partner, signed_in, code_flow, change, wsgi_app, un_declarant, renews):
    portail = partner(grant_types=["authorization_code", *(["refresh_token"] if renews else [])])
    tokens, code = code_flow(portail), portail.code(signed_in)
    assert portail.is_alive(tokens)
    change(suspend, wsgi_app, un_declarant)

    assert not portail.is_alive(tokens)
    assert portail.redeem(code).json["error"] == "invalid_grant"
    assert portail.ask(signed_in).headers["Location"].startswith("/connexion")
    assert answer_of(portail.ask(signed_in, prompt="none"))[1]["error"] == "login_required"
    if renews:
        assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


def test_C46_even_tokens_that_outlive_their_session(partner, code_flow, change, wsgi_app, un_declarant):
    portail = partner(scope="openid offline_access")
    tokens = code_flow(portail, scope="openid offline_access")
    change(suspend, wsgi_app, un_declarant)

    assert not portail.is_alive(tokens)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


def test_C46_a_person_whose_suspension_is_lifted_begins_anew(partner, signed_in, code_flow, change, wsgi_app, un_declarant, sign_in):
    """What ended stays ended, and nothing that ended keeps the person out."""
    portail = partner()
    before = code_flow(portail)
    change(suspend, wsgi_app, un_declarant)
    change(lambda: inscription.reactiver(db.session.get(Declarant, un_declarant), datetime.now(UTC)))

    assert not portail.is_alive(before)
    assert portail.refresh(before.refresh_token).json["error"] == "invalid_grant"
    assert answer_of(portail.ask(signed_in, prompt="none"))[1]["error"] == "login_required"
    sign_in(signed_in, un_declarant)
    after = code_flow(portail)
    assert portail.is_alive(after)
    assert portail.refresh(after.refresh_token).status_code == 200


def test_a_profile_that_changed_is_told_as_it_is_now(partner, code_flow, change, wsgi_app, un_declarant):
    portail = partner()
    tokens = code_flow(portail, scope="openid email")
    portail.userinfo(tokens.access_token)

    def rename():
        db.session.get(Declarant, un_declarant).email = "autre@exemple.fr"

    change(rename)
    People(wsgi_app.mag.connections, wsgi_app.mag.ephemeral).forget(un_declarant)
    assert portail.userinfo(tokens.access_token).json["email"] == "autre@exemple.fr"


# ----------------------------------------------------------------------------------------------------------------- a right


def test_C47_a_right_withdrawn_is_in_no_token_made_after(partner, services, code_flow, change, wsgi_app, un_declarant):
    portail = partner(scope="openid habilitations:dsn")

    def gesture():
        return Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC))

    change(lambda: attribuer(gesture(), un_declarant, int(SIRET), "dsn", [Droit.DECLARER, Droit.PAYER]))
    tokens = code_flow(portail, scope="openid habilitations:dsn")
    assert tokens.claims["hab"]["g"] == tokens.access["hab"]["g"] == [{"s": {"dsn": "dpc"}, "t": [SIRET]}]
    change(lambda: retirer(gesture(), un_declarant, int(SIRET), "dsn", [Droit.PAYER]))
    assert portail.introspect(tokens.access_token).json["hab"]["g"] == [{"s": {"dsn": "dc"}, "t": [SIRET]}]
    less = portail.tokens(portail.refresh(tokens.refresh_token))
    change(lambda: retirer(gesture(), un_declarant, int(SIRET), "dsn", [Droit.DECLARER]))

    assert less.access["hab"]["g"] == [{"s": {"dsn": "dc"}, "t": [SIRET]}]
    assert less.access["hab"]["e"] != tokens.access["hab"]["e"], "the version of the rights moved"
    assert portail.userinfo(less.access_token).json["hab"]["g"] == []
    assert portail.introspect(tokens.access_token).json["hab"]["g"] == [], "introspection says what is, not what was signed"
    assert portail.tokens(portail.refresh(less.refresh_token)).claims["hab"]["g"] == []
    assert tokens.access["exp"] - tokens.access["iat"] <= 300, "a token that says the right lives five minutes at most"
