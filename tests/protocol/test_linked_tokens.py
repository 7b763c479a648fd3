"""A partner vouches for the holder of a linked account at the token endpoint: RFC 7523 sections 2.1 and 3, and MAG's own rules."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.authentication.session import close_every_session
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.parcours.models import ConditionsAcceptees
from idp.declarants.statuts import Statut
from idp.habilitations.pagm import Possession
from partners import onboarding
from partners.models import Partenaire
from tests.factories import csrf_in
from tests.protocol.agreements import DSN, agree
from tests.protocol.linking import asked, dated, end, just_before, late_browser_of, link, machine, propose, un_portail
from tests.protocol.relying import hidden_fields
from tests.protocol.test_jwt_bearer import refused
from tests.protocol.test_step_up import exiger

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANTS = ["authorization_code", "client_credentials", JWT_BEARER]
AGO = 1800
browser_of = pytest.fixture(late_browser_of)


@pytest.fixture
def jedeclare(partner):
    return un_portail(partner, grant_types=GRANTS, first_party=False)


@pytest.fixture
def linked(jedeclare, signed_in):
    link(signed_in, jedeclare)
    return jedeclare


def vouched(client, header=None, **changes):
    """A valid assertion: the holder of the account signed in there half an hour ago."""
    claims = {"sub": "compte-7", "auth_time": timedelta(seconds=-AGO), **changes}
    return client.assertion(header={"typ": "rattachement-jeton+jwt", **(header or {})}, **dated(claims))


def bear(client, text="", **form):
    return client.token(JWT_BEARER, assertion=text or vouched(client), **form)


def is_refused(answer, number):
    refused(answer, "invalid_grant")
    assert answer.json["error_description"].startswith(f"{number}: "), answer.text


def change(app, **changes):
    with app.app_context():
        for person in db.session.scalars(db.select(Declarant)):
            for name, value in changes.items():
                setattr(person, name, value)
        db.session.commit()


# ---------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "number"),
    [
        pytest.param({"key": ECKey.generate_key("P-256")}, "M600701", id="7523-3-9-another-key"),
        pytest.param({"iss": "autre"}, "M600703", id="7523-3-1-iss-of-nobody"),
        pytest.param({"aud": "https://ailleurs.test"}, "M600701", id="7523-3-3-foreign-audience"),
        pytest.param({"aud": ["https://mag.test", "https://ailleurs.test"]}, "M600701", id="ours-audience-in-company"),
        pytest.param({"exp": timedelta(seconds=-400)}, "M600701", id="7523-3-4-stale"),
        pytest.param({"exp": timedelta(seconds=400)}, "M600701", id="ours-lives-too-long"),
        pytest.param({"iat": timedelta(seconds=301), "exp": timedelta(seconds=360)}, "M600701", id="clock-five-minutes-ahead"),
        pytest.param({"iat": timedelta(seconds=-361), "exp": timedelta(seconds=-301)}, "M600701", id="clock-five-minutes-behind"),
        pytest.param({"jti": None}, "M600701", id="7523-3-7-jti-missing"),
        pytest.param({"sub": None}, "M600701", id="7523-3-2-sub-missing"),
        pytest.param({"auth_time": None}, "M600701", id="ours-undated"),
        pytest.param({"auth_time": timedelta(seconds=400)}, "M600701", id="ours-signed-in-tomorrow"),
        pytest.param({"auth_time": timedelta(hours=-90)}, "M600711", id="ours-signed-in-long-ago"),
        pytest.param({"sub": "compte-inconnu"}, "M600709", id="ours-unlinked"),
    ],
)
def test_an_assertion_that_breaks_one_rule_gives_nothing(linked, journal, change, number):
    is_refused(bear(linked, vouched(linked, **change)), number)

    assert journal("NavigationRefused")[-1]["partenaire"] == "jedeclare"
    assert journal("LinkedTokenIssued") == []


@ONLY_SQLITE
@pytest.mark.parametrize("ahead", [50, -50])
def test_clocks_may_differ_by_a_minute(linked, ahead):
    """Of a partner whose clock is wrong: all that it says is shifted."""
    now = int(time.time()) + ahead

    assert bear(linked, vouched(linked, iat=now, exp=now + 60, auth_time=now)).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize("typ", ["navigation+jwt", "rattachement+jwt", "JWT", "authorization-grant+jwt"])
def test_8725_3_11_what_was_signed_for_another_use_gives_nothing(linked, typ):
    refused(bear(linked, vouched(linked, {"typ": typ})), "invalid_grant")


@ONLY_SQLITE
def test_8725_3_11_nor_does_it_lead_a_browser(linked, client):
    answer = client.get("/navigation", query_string={"assertion": vouched(linked)})

    assert (answer.status_code, "M600701" in answer.text) == (400, True)


@ONLY_SQLITE
def test_an_assertion_serves_once(linked):
    text = vouched(linked)
    assert bear(linked, text).status_code == 200

    is_refused(bear(linked, text), "M600702")


@ONLY_SQLITE
def test_the_client_that_signs_is_the_one_that_authenticates(linked, partner):
    other = un_portail(partner, "autre", grant_types=GRANTS)
    is_refused(bear(other, vouched(linked)), "M600701")
    sent = linked.call("/token", data={"grant_type": JWT_BEARER, "assertion": vouched(linked), "client_id": "jedeclare"})

    assert (sent.status_code, sent.json["error"]) == (401, "invalid_client")


@ONLY_SQLITE
def test_C26_a_client_without_the_grant_is_refused(partner, signed_in):
    quiet = un_portail(partner)
    link(signed_in, quiet)

    refused(bear(quiet), "unauthorized_client")


@ONLY_SQLITE
@pytest.mark.parametrize("scope", ["openid email", "rattachement:liens", "openid offline_access"])
def test_the_scope_is_the_client_s_about_a_person(linked, scope):
    refused(bear(linked, scope=scope), "invalid_scope")


@ONLY_SQLITE
def test_8707_the_token_is_for_the_resource_named(partner, signed_in):
    portail = un_portail(partner, grant_types=GRANTS, audience=["https://a.test", "https://b.test"])
    link(signed_in, portail)

    refused(bear(portail, resource="https://c.test"), "invalid_target")
    assert portail.tokens(bear(portail, resource="https://a.test")).access["aud"] == "https://a.test"


@ONLY_SQLITE
def test_without_an_agreed_level_the_word_gives_nothing(partner, signed_in):
    quiet = un_portail(partner, grant_types=GRANTS, linking_max_acr="")
    link(signed_in, quiet)

    is_refused(bear(quiet), "M600703")


@ONLY_SQLITE
@pytest.mark.parametrize("changes", [{"statut": Statut.SUSPENDU}, {"statut": Statut.RADIE}, {"password_locked_at": datetime.now(UTC)}])
def test_an_identity_that_may_not_enter_does_not(linked, app, changes):
    change(app, **changes)

    is_refused(bear(linked), "M600710")


@ONLY_SQLITE
def test_a_partner_that_is_cut_off_gets_nothing(linked, app):
    with app.app_context():
        onboarding.switch(Partenaire.with_code("jedeclare"), datetime.now(UTC), enabled=False)
        db.session.commit()
    app.extensions["mag"].versions.refresh()

    assert bear(linked).status_code == 401


@ONLY_SQLITE
def test_conditions_of_use_wait_for_the_person(linked, un_declarant, app, monkeypatch):
    (first, *_) = shipped = conditions.every()
    newer = replace(first, version="2099-1", effective_on=date(2026, 1, 2), sha256="2" * 64)
    monkeypatch.setattr(conditions, "every", lambda: (*shipped, newer))
    with app.app_context():
        ConditionsAcceptees.keep(un_declarant, first.version, first.sha256, datetime.now(UTC))
        db.session.commit()

    is_refused(bear(linked), "M600714")


@ONLY_SQLITE
def test_an_agreement_withdrawn_closes_the_way(linked, signed_in):
    csrf = csrf_in(signed_in.get("/autorisations").text)
    done = signed_in.post("/autorisations", data={"csrf": csrf, "client": "jedeclare"})
    assert done.location == "/autorisations?retrait=1", done.text

    is_refused(bear(linked), "M600715")


@ONLY_SQLITE
def test_a_rule_that_asks_for_two_factors_is_not_passed_by_a_partner_s_word(linked, app):
    exiger(app, "partenaire", "jedeclare", "--delai", "0")

    is_refused(bear(linked), "M600716")


def test_a_link_that_ends_while_a_token_is_made_for_it_gives_none(linked, app, journal):
    with just_before(app, "used_at", lambda: end(linked)):
        answer = bear(linked)

    is_refused(answer, "M600709")
    assert journal("LinkedTokenIssued") == [], "nothing was issued"
    assert journal("NavigationRefused")[-1]["reason"] == "unlinked meanwhile"


def test_a_token_that_is_made_while_its_link_ends_dies_with_it(linked, app, journal):
    given = []
    with just_before(app, "closed_by", lambda: given.append(linked.tokens(bear(linked)))):
        end(linked)

    assert not linked.is_alive(given[0])
    assert len(journal("SessionClosed")) == 1


@ONLY_SQLITE
def test_what_an_agreement_refuses_is_not_told_as_issued(partner, signed_in, wsgi_app, journal):
    """RFC 9449 section 5: the agreement asks for a key, and none is proved."""
    portail = un_portail(partner, grant_types=GRANTS, audience=[DSN])
    link(signed_in, portail)
    agree(wsgi_app, "portail-dsn", "jedeclare", "fournisseur", possession=Possession.DPOP)

    text = vouched(portail)
    assert (refusal := bear(portail, text)).json["error"] == "invalid_dpop_proof", refusal.text
    assert journal("LinkedTokenIssued") == []
    portail.dpop = ECKey.generate_key("P-256")
    assert bear(portail, text).json["token_type"] == "DPoP", "nor was the assertion spent"
    assert len(journal("LinkedTokenIssued")) == 1


# ----------------------------------------------------------------------------------------------------------- what is given


def test_the_token_says_how_it_was_born(linked, journal):
    answer = bear(linked).json
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}, "no refresh token, and nobody signed in"
    claims = linked.verified(answer["access_token"], "at+jwt")

    assert (claims["acr"], claims["amr"], claims["scope"]) == ("eidas1", ["fed"], "openid siret")
    assert abs(claims["auth_time"] - (time.time() - AGO)) < 60
    assert linked.userinfo(answer["access_token"]).json == {"sub": claims["sub"], "siret": "73282932000074"}
    assert machine(linked, "/rattachement/v1/liens").json["liens"][0]["sub"] == claims["sub"]
    assert [(line["partenaire"], line["scope"], line["acr"]) for line in journal("LinkedTokenIssued")] == [
        ("jedeclare", "openid siret", "eidas1")
    ]


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("agreed", "said", "worth"),
    [
        ("eidas0", "eidas1-mfa", "eidas0"),
        ("eidas1-mfa", "eidas1", "eidas1"),
        ("eidas1-mfa", None, "eidas1"),
        ("eidas0-mfa", "loa9", "eidas0"),
    ],
)
def test_the_level_never_exceeds_what_was_agreed(partner, signed_in, agreed, said, worth):
    portail = un_portail(partner, grant_types=GRANTS, linking_max_acr=agreed)
    link(signed_in, portail)

    assert portail.tokens(bear(portail, vouched(portail, acr=said))).access["acr"] == worth


@ONLY_SQLITE
def test_a_narrower_scope_is_given(linked):
    assert bear(linked, scope="siret").json["scope"] == "siret"


@ONLY_SQLITE
def test_9449_5_a_client_that_proves_a_key_has_a_token_bound_to_it(linked):
    linked.dpop = ECKey.generate_key("P-256")

    assert bear(linked).json["token_type"] == "DPoP"


def test_unlinking_ends_the_token_and_linking_again_gives_another(linked):
    before = linked.tokens(bear(linked))
    assert linked.is_alive(before)
    named = machine(linked, "/rattachement/v1/liens").json["liens"][0]["id"]

    machine(linked, f"/rattachement/v1/liens/{named}", "DELETE")
    assert not linked.is_alive(before)
    is_refused(bear(linked), "M600709")

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=2)):
        machine(linked, f"/rattachement/v1/liens/{named}/retablir", "POST")
        assert linked.is_alive(linked.tokens(bear(linked)))


def test_so_does_a_new_password(linked, wsgi_app, un_declarant):
    before = linked.tokens(bear(linked))
    with wsgi_app.flask.app_context():
        close_every_session(wsgi_app.mag.ephemeral, wsgi_app.mag.settings, db.session.get(Declarant, un_declarant))
        db.session.commit()

    assert not linked.is_alive(before)
    assert linked.is_alive(linked.tokens(bear(linked))), "the link stands"


@ONLY_SQLITE
def test_linking_says_what_is_agreed_and_no_other_page_asks(linked, signed_in, journal):
    assert [line["scope"] for line in journal("ConsentGiven")] == ["openid siret"]
    assert "code" in linked.ask(signed_in, scope="openid siret").location


@ONLY_SQLITE
def test_refusing_the_link_agrees_to_nothing(jedeclare, signed_in, journal):
    page = propose(signed_in, asked(jedeclare))
    signed_in.post(f"/rattachement/{page.request.path.rpartition('/')[2]}", data={**hidden_fields(page), "reponse": "refuser"})

    assert journal("ConsentGiven") == []
    is_refused(bear(jedeclare), "M600709")


@ONLY_SQLITE
def test_an_assertion_without_the_text_of_one_is_refused(linked):
    refused(linked.token(JWT_BEARER), "invalid_request")
