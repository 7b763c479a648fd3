"""From a partner to MAG without a password: what its word opens, what that is worth, and everything that opens nothing."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.authentication.denial import denial_link
from idp.authentication.factors.models import KnownDevice
from idp.authentication.liees.models import IdentiteLiee
from idp.authentication.session import COOKIE
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.parcours import conditions
from idp.declarants.parcours.models import ConditionsAcceptees
from idp.declarants.statuts import Statut
from partners import onboarding
from partners.models import Partenaire
from partners.rattachement.navigation.views import A_MINUTE
from tests import saml
from tests.factories import csrf_in
from tests.protocol.linking import dated, end, just_before, late_browser_of, link, machine, un_portail
from tests.protocol.relying import answer_of, hidden_fields
from tests.protocol.test_step_up import exiger

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
AGO = 1800
WORDS = {"uid": "x", "reference": "x", "code": "dsn", "kind": "csv", "quoi": "services"}
"""Of addresses, beside numbers."""
browser_of = pytest.fixture(late_browser_of)


@pytest.fixture
def jedeclare(partner):
    return un_portail(partner, first_party=True)


@pytest.fixture
def linked(jedeclare, signed_in):
    link(signed_in, jedeclare)
    return jedeclare


def vouched(client, header=None, **changes):
    """A valid assertion: the holder of the account signed in there half an hour ago."""
    claims = {"sub": "compte-7", "auth_time": timedelta(seconds=-AGO), **changes}
    return client.assertion(header={"typ": "navigation+jwt", **(header or {})}, **dated(claims))


def arrive(browser, text, **query):
    return browser.get("/navigation", query_string={"assertion": text, **query})


def enter(browser, text, reponse="continuer", **query):
    moved = arrive(browser, text, **query)
    assert moved.status_code == 303, moved.text
    page = browser.get(moved.location)
    assert page.status_code == 200, page.text
    return browser.post(moved.location, data={**hidden_fields(page), "reponse": reponse})


def is_signed_in(browser):
    return browser.get("/").status_code == 200


# ---------------------------------------------------------------------------------------------------------------- refusals


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "number"),
    [
        pytest.param({"header": {"typ": "rattachement+jwt"}}, "M600701", id="8725-3.11-typ-of-another-use"),
        pytest.param({"header": {"typ": "JWT"}}, "M600701", id="8725-3.11-typ-of-any-use"),
        pytest.param({"key": ECKey.generate_key("P-256")}, "M600701", id="7523-3-9-another-key"),
        pytest.param({"aud": "https://ailleurs.test"}, "M600701", id="7523-3-3-foreign-audience"),
        pytest.param({"exp": timedelta(seconds=-400)}, "M600701", id="7523-3-4-stale"),
        pytest.param({"iat": timedelta(seconds=300), "exp": timedelta(seconds=400)}, "M600701", id="clock-five-minutes-ahead"),
        pytest.param({"iat": timedelta(seconds=-660), "exp": timedelta(seconds=-301)}, "M600701", id="clock-five-minutes-behind"),
        pytest.param({"auth_time": None}, "M600701", id="ours-undated"),
        pytest.param({"auth_time": timedelta(seconds=400)}, "M600701", id="ours-signed-in-tomorrow"),
        pytest.param({"auth_time": timedelta(seconds=-90 * 3600)}, "M600711", id="ours-signed-in-long-ago"),
        pytest.param({"sub": "compte-inconnu"}, "M600709", id="ours-unlinked"),
        pytest.param({"vers": "https://ailleurs.test/"}, "M600712", id="ours-open-redirect"),
        pytest.param({"vers": "//ailleurs.test/"}, "M600712", id="ours-open-redirect-without-scheme"),
        pytest.param({"vers": "/\\ailleurs.test"}, "M600712", id="ours-open-redirect-backslash"),
        pytest.param({"vers": "/nulle-part"}, "M600712", id="ours-no-such-page"),
        pytest.param({"vers": "/navigation"}, "M600712", id="ours-turning-round"),
    ],
)
def test_an_assertion_that_breaks_one_rule_opens_nothing(linked, client, journal, change, number):
    answer = arrive(client, vouched(linked, **change))

    assert answer.status_code in (400, 403)
    assert number in answer.text
    assert not is_signed_in(client)
    assert journal("NavigationRefused")[-1]["partenaire"] == "jedeclare"


@ONLY_SQLITE
def test_the_same_assertion_serves_once(linked, client, new_client):
    text = vouched(linked)
    enter(client, text)
    other = new_client()

    answer = arrive(other, text)

    assert (answer.status_code, "M600702" in answer.text) == (409, True)
    assert not is_signed_in(other)


def close(app, **changes):
    with app.app_context():
        for person in db.session.scalars(db.select(Declarant)):
            for name, value in changes.items():
                setattr(person, name, value)
        db.session.commit()


@ONLY_SQLITE
@pytest.mark.parametrize("changes", [{"statut": Statut.SUSPENDU}, {"statut": Statut.RADIE}, {"password_locked_at": datetime.now(UTC)}])
def test_an_identity_that_may_not_enter_does_not(linked, client, app, changes):
    close(app, **changes)

    assert "M600710" in arrive(client, vouched(linked)).text
    assert not is_signed_in(client)


@ONLY_SQLITE
def test_what_closes_between_the_page_and_the_answer_closes(linked, client, app):
    moved = arrive(client, vouched(linked))
    page = client.get(moved.location)
    close(app, statut=Statut.SUSPENDU)

    answer = client.post(moved.location, data={**hidden_fields(page), "reponse": "continuer"})

    assert (answer.status_code, "M600710" in answer.text) == (403, True)
    assert not is_signed_in(client)


@ONLY_SQLITE
def test_unlinked_or_revoked_the_partner_s_word_opens_nothing(linked, client, app):
    named = machine(linked, "/rattachement/v1/liens").json["liens"][0]["id"]
    machine(linked, f"/rattachement/v1/liens/{named}", "DELETE")
    assert "M600709" in arrive(client, vouched(linked)).text

    with app.app_context():
        onboarding.switch(Partenaire.with_code("jedeclare"), datetime.now(UTC), enabled=False)
        db.session.commit()
    app.extensions["mag"].versions.refresh()
    assert "M600703" in arrive(client, vouched(linked)).text
    assert not is_signed_in(client)


@ONLY_SQLITE
def test_without_an_agreed_level_the_partner_s_word_opens_nothing(partner, signed_in, client):
    quiet = un_portail(partner, linking_max_acr="")
    link(signed_in, quiet)

    assert "M600703" in arrive(client, vouched(quiet)).text


@ONLY_SQLITE
def test_a_partner_without_an_openid_provider_vouches_by_its_signature_alone(linked, client, signed_in):
    assert "M600703" in client.get("/navigation/jedeclare?vers=/droits").text
    assert "M600703" in client.get("/navigation/inconnu").text
    assert signed_in.get("/navigation/jedeclare?vers=/droits").location.endswith("/droits")


@ONLY_SQLITE
def test_a_stranger_s_browser_opens_nothing_by_itself(linked, client, new_client):
    """RFC 9700 section 4.7: a page names who would come in, in the browser that it was shown to."""
    moved = arrive(client, vouched(linked))
    page = client.get(moved.location)
    assert f'action="/navigation/passage/{moved.location.rpartition("/")[2]}"' in page.text
    assert "Continuer en tant que Anne" in page.text
    assert not is_signed_in(client)

    other = new_client()
    other.get("/connexion")
    assert "M600705" in other.get(moved.location).text
    assert client.post(moved.location, data={"csrf": "x", "reponse": "continuer"}).status_code == 403
    assert client.post(moved.location, data={**hidden_fields(page), "reponse": "autre"}).location.endswith("/connexion")
    assert not is_signed_in(client)


@ONLY_SQLITE
def test_a_network_that_insists_is_braked(linked, client):
    for _ in range(A_MINUTE):
        client.get("/navigation?assertion=x")

    assert client.get("/navigation?assertion=x").status_code == 429
    assert client.get("/navigation/inconnu").status_code == 429, "nor does it fill the journal"


# ----------------------------------------------------------------------------------------------------------- what is opened


def told(client, browser, **request):
    return client.tokens(client.redeem(client.code(browser, **request))).claims


def test_the_session_says_how_it_was_born(linked, client, journal):
    answer = enter(client, vouched(linked), vers="/droits?page=2")

    assert "/droits?demande=" in answer.location
    assert client.get(answer.location).location.endswith("/droits?page=2")
    claims = told(linked, client)
    assert (claims["acr"], claims["amr"]) == ("eidas1", ["fed"])
    assert abs(claims["auth_time"] - (time.time() - AGO)) < 60
    assert [line["comme"] for line in journal("NavigationOpened")] == ["signature"]
    assert "un compte relié" in client.get("/").text


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("agreed", "said", "worth"),
    [
        ("eidas0", "eidas1-mfa", "eidas0"),
        ("eidas1-mfa", "eidas1", "eidas1"),
        ("eidas1-mfa", None, "eidas1"),
        ("eidas1-mfa", "loa9", "eidas1"),
        ("eidas0-mfa", "eidas1", "eidas0"),
        ("eidas0-mfa", None, "eidas0"),
    ],
)
def test_the_level_never_exceeds_what_was_agreed(partner, signed_in, client, agreed, said, worth):
    portail = un_portail(partner, linking_max_acr=agreed, first_party=True)
    link(signed_in, portail)
    enter(client, vouched(portail, acr=said))

    assert told(portail, client)["acr"] == worth


@ONLY_SQLITE
@pytest.mark.parametrize(
    "page", ["/compte/adresse", "/compte/coordonnees", "/compte/fermeture", "/compte/donnees", "/compte/securite/application"]
)
def test_what_touches_keys_or_others_asks_for_the_password(linked, client, page, app):
    enter(client, vouched(linked, auth_time=int(time.time())))

    answer = client.get(page)

    assert answer.status_code == 303
    assert "/connexion?demande=" in answer.location


@ONLY_SQLITE
@pytest.mark.parametrize(("said", "opens"), [("eidas1-mfa", True), ("eidas1", False)])
def test_two_factors_shown_there_are_two_factors_here_where_it_was_agreed(partner, signed_in, client, app, said, opens):
    """At the authorization endpoint and at userinfo: one that says yes and one that says no would send the client round for ever."""
    portail = un_portail(partner, linking_max_acr="eidas1-mfa", first_party=True)
    link(signed_in, portail)
    exiger(app, "partenaire", "jedeclare", "--delai", "0")
    enter(client, vouched(portail, acr=said))

    if not opens:
        assert "/connexion?demande=" in portail.ask(client).location
        return
    tokens = portail.tokens(portail.redeem(portail.code(client)))
    assert (tokens.claims["acr"], tokens.claims["amr"]) == ("eidas1-mfa", ["fed"])
    assert portail.userinfo(tokens.access_token).status_code == 200


@ONLY_SQLITE
def test_a_partner_s_word_governs_nobody(linked, client, app):
    """Every address of the administrators' space, whatever its method: the password first."""
    enter(client, vouched(linked, auth_time=int(time.time())))
    close(app, role="administrateur_declarant")
    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/equipe") and rule.rule != "/equipe/droits/service"]
    assert len(rules) > 60

    for rule in rules:
        address = app.url_map.bind("").build(rule.endpoint, {name: WORDS.get(name, 1) for name in rule.arguments})
        for method in rule.methods & {"GET", "POST"}:
            answer = client.open(address, method=method, data={"csrf": "x"} if method == "POST" else None)
            assert (answer.status_code, "/connexion?demande=" in (answer.location or "")) == (303, True), (method, address)


@ONLY_SQLITE
@pytest.mark.parametrize("page", ["/", "/droits", "/charte/dsn", "/compte", "/compte/preuves", "/compte/identites", "/compte/portails"])
def test_what_a_partner_s_word_opens_is_read(linked, client, page):
    enter(client, vouched(linked, auth_time=int(time.time())))

    assert client.get(page).status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("act", "given"),
    [
        ("/compte/coordonnees", {"telephone": "01 23 45 67 89"}),
        ("/compte/preuves", {"fournisseur": "proconnect"}),
        ("/compte/adresse", {"email": "autre@exemple.fr"}),
        ("/compte/identites/relier", {}),
        ("/compte/portails/retablir", {"lien": "x"}),
        ("/compte/donnees", {}),
        ("/compte/fermeture", {}),
    ],
)
def test_no_act_on_what_reaches_or_proves_the_person_is_done_on_a_partner_s_word(linked, client, act, given):
    """However recent the sign-in there: the anti-forgery value is not even looked at."""
    enter(client, vouched(linked, auth_time=int(time.time())))

    answer = client.post(act, data={"csrf": "x", **given})

    assert (answer.status_code, "/connexion?demande=" in (answer.location or "")) == (303, True), answer.status_code


@ONLY_SQLITE
def test_closing_the_other_sessions_does_not_make_a_session_of_mag_s_own(linked, client, app, signed_in):
    """The session goes on under a new identifier: it governs nobody, gains no factor, makes no device known, and ends with the link."""
    enter(client, vouched(linked, auth_time=int(time.time())))
    csrf = csrf_in(client.get("/compte/mot-de-passe").text)

    answer = client.post("/compte/sessions", data={"csrf": csrf, "toutes": "1"})

    assert answer.location.endswith("fait=toutes")
    assert (is_signed_in(client), is_signed_in(signed_in)) == (True, False)
    close(app, role="administrateur_declarant")
    for page in ("/equipe", "/equipe/droits", "/compte/securite/application"):
        assert "/connexion?demande=" in client.get(page).location
    with app.app_context():
        assert db.session.scalars(db.select(KnownDevice)).all() == []
    assert told(linked, client)["amr"] == ["fed"]
    end(linked)
    assert not is_signed_in(client)


@ONLY_SQLITE
def test_a_service_that_asks_for_more_gets_the_password_page(partner, signed_in, client):
    portail = un_portail(partner, linking_max_acr="eidas0", first_party=True)
    link(signed_in, portail)
    enter(client, vouched(portail))
    wanted = '{"id_token": {"acr": {"essential": true, "value": "eidas1"}}}'

    assert "/connexion?demande=" in portail.ask(client, claims=wanted).location
    assert answer_of(portail.ask(client, claims=wanted, prompt="none"))[1]["error"] == "login_required"
    assert told(portail, client)["acr"] == "eidas0"


@ONLY_SQLITE
def test_a_partner_s_word_leads_to_no_factor_of_the_person(linked, client, wsgi_app):
    """Or the partner would put a key of its own on the account."""
    saml.register(wsgi_app, site := saml.Site())
    enter(client, vouched(linked, auth_time=int(time.time())))
    wanted = '{"id_token": {"acr": {"essential": true, "value": "eidas1-mfa"}}}'
    asked = linked.ask(client, claims=wanted).location
    request = site.request()
    context = saml.child(request, "samlp:RequestedAuthnContext", None)
    saml.child(context, "saml:AuthnContextClassRef", "https://refeds.org/profile/mfa")
    demande = asked.partition("demande=")[2]

    assert "/connexion?demande=" in asked
    assert client.get(saml.path_of(site.address(request))).location.startswith("/connexion?demande=")
    assert client.get(f"/connexion/second-facteur?demande={demande}").location.startswith("/connexion?demande=")


@ONLY_SQLITE
@pytest.mark.parametrize("vers", ["//[", "/\\", "/droits#x", "https://[", "/droits\n"])
def test_a_way_that_is_no_page_is_refused_without_a_fault(jedeclare, client, vers):
    answer = client.get("/navigation/jedeclare", query_string={"vers": vers})

    assert answer.status_code in (400, 403), answer.text


@ONLY_SQLITE
def test_whoever_is_signed_in_already_stays_as_they_are(linked, signed_in):
    before = signed_in.get_cookie(COOKIE, domain="mag.test").value

    answer = arrive(signed_in, vouched(linked), vers="/droits")

    assert answer.location.endswith("/droits")
    assert signed_in.get_cookie(COOKIE, domain="mag.test").value == before
    assert told(linked, signed_in)["amr"] == ["pwd"]


@ONLY_SQLITE
def test_another_person_who_is_signed_in_is_named_and_leaves(linked, browser_of, new_declarant):
    other = browser_of(new_declarant(prenom="Bernard"))
    moved = arrive(other, vouched(linked))
    page = other.get(moved.location)
    assert "Bernard" in page.text

    other.post(moved.location, data={**hidden_fields(page), "reponse": "continuer"})

    assert "Bernard" not in other.get("/").text


def test_unlinking_ends_what_the_word_opened(linked, client, signed_in):
    enter(client, vouched(linked))
    assert is_signed_in(client)
    page = signed_in.get("/compte/portails")
    named = machine(linked, "/rattachement/v1/liens").json["liens"][0]["id"]

    signed_in.post("/compte/portails/delier", data={**hidden_fields(page), "lien": named})

    assert not is_signed_in(client)
    assert is_signed_in(signed_in)


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_link_that_ends_while_its_session_opens_opens_none(linked, client, app, journal):
    with just_before(app, "used_at", lambda: end(linked)):
        answer = enter(client, vouched(linked))

    assert (answer.status_code, "M600709" in answer.text) == (403, True)
    assert not is_signed_in(client)
    assert journal("ConnexionOpened") == journal("NavigationOpened") == []
    assert journal("NavigationRefused")[-1]["reason"] == "unlinked meanwhile"


@pytest.mark.parametrize("side", ["mag", "partenaire"])
def test_a_session_that_opens_while_its_link_ends_dies_with_it(linked, client, signed_in, app, side):
    page = signed_in.get("/compte/portails")
    named = machine(linked, "/rattachement/v1/liens").json["liens"][0]["id"]
    with just_before(app, "closed_by", lambda: enter(client, vouched(linked))):
        if side == "mag":
            signed_in.post("/compte/portails/delier", data={**hidden_fields(page), "lien": named})
        else:
            end(linked)

    assert not is_signed_in(client)
    assert is_signed_in(signed_in)


@ONLY_SQLITE
def test_a_link_that_ends_before_the_last_step_opens_nothing(linked, client, un_declarant, app, monkeypatch):
    (first, *_) = shipped = conditions.every()
    newer = replace(first, version="2099-1", effective_on=date(2026, 1, 2), sha256="2" * 64)
    monkeypatch.setattr(conditions, "every", lambda: (*shipped, newer))
    with app.app_context():
        ConditionsAcceptees.keep(un_declarant, first.version, first.sha256, datetime.now(UTC))
        db.session.commit()
    step = enter(client, vouched(linked)).location
    page = client.get(step)
    end(linked)

    answer = client.post("/connexion/conditions", data={**hidden_fields(page), "conditions": newer.version, "accord": "oui"})

    assert (answer.status_code, "M600709" in answer.text) == (403, True)
    assert not is_signed_in(client)


@pytest.mark.parametrize("later", [timedelta(), timedelta(days=20)])
def test_unlinking_ends_the_offline_access_that_was_granted_on_the_partner_s_word(linked, partner, client, signed_in, later):
    """Or the partner would keep by itself, for months, what the link alone opened."""
    paie = partner("paie", scope="openid offline_access", grant_types=["authorization_code", "refresh_token"], first_party=True)
    own = paie.redeem(paie.code(signed_in, scope="openid offline_access")).json
    enter(client, vouched(linked))
    kept = paie.redeem(paie.code(client, scope="openid offline_access")).json
    kept = paie.token("refresh_token", refresh_token=kept["refresh_token"]).json

    with time_machine.travel(datetime.now(UTC) + later):
        end(linked)
        assert paie.token("refresh_token", refresh_token=kept["refresh_token"]).json["error"] == "invalid_grant"
        assert paie.userinfo(kept["access_token"]).status_code == 401
        assert "access_token" in paie.token("refresh_token", refresh_token=own["refresh_token"]).json, "the person's own stands"


@ONLY_SQLITE
def test_unlinking_from_the_very_session_that_the_word_opened_ends_it(linked, client):
    enter(client, vouched(linked))
    page = client.get("/compte/portails")
    named = machine(linked, "/rattachement/v1/liens").json["liens"][0]["id"]

    client.post("/compte/portails/delier", data={**hidden_fields(page), "lien": named})

    assert not is_signed_in(client)


def test_ce_n_etait_pas_moi_unties_what_leads_in_without_the_password(
    linked, client, un_declarant, new_declarant, app, browser_of, journal
):
    """Whoever knew the password may have tied it, and would come back once the owner has chosen another."""
    other, now = new_declarant(siret="55208131766522"), datetime.now(UTC)
    with app.app_context():
        IdentiteLiee.link(un_declarant, other, now)
        owner = db.session.get(Declarant, un_declarant)
        address = urlsplit(denial_link(app.extensions["mag"].settings, owner, now).address).path
        db.session.commit()

    assert client.post(address, data=hidden_fields(client.get(address))).status_code == 200
    close(app, password_locked_at=None)

    assert "M600709" in arrive(client, vouched(linked)).text
    assert [line["par"] for line in journal("RattachementClosed")] == ["mag"]
    with app.app_context():
        assert IdentiteLiee.of(other) == []
    owner = browser_of(un_declarant)
    assert "Rétablir" in owner.get("/compte/portails").text, "the owner may take it back"


@ONLY_SQLITE
def test_an_old_sign_in_makes_a_short_session(linked, client, app):
    life = app.extensions["mag"].settings.session_lifetime
    enter(client, vouched(linked, auth_time=int(time.time()) - life + 600))
    assert is_signed_in(client)

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=700)):
        assert not is_signed_in(client)


# ------------------------------------------------------------------------------------------------ in an authorization request


def test_a_login_hint_token_signs_in_on_the_way(linked, client):
    asked = linked.ask(client, login_hint_token=vouched(linked))
    assert asked.location.startswith("/navigation?demande=")
    page = client.get(client.get(asked.location).location)

    entered = client.post(_action(page), data={**hidden_fields(page), "reponse": "continuer"})

    assert "code" in answer_of(client.get(entered.location))[1]


def _action(page):
    return page.text.split('action="', 1)[1].split('"', 1)[0]


@ONLY_SQLITE
def test_a_login_hint_token_of_another_partner_is_refused(linked, partner, client):
    autre = un_portail(partner, "autre", first_party=True)

    answer = client.get(autre.ask(client, login_hint_token=vouched(linked)).location)

    assert (answer.status_code, "M600701" in answer.text) == (400, True)
    assert "Reprendre la connexion" in answer.text


@ONLY_SQLITE
def test_a_login_hint_token_does_not_replace_a_password_that_is_asked(linked, client):
    asked = linked.ask(client, login_hint_token=vouched(linked), prompt="login")
    page = client.get(client.get(asked.location).location)
    entered = client.post(_action(page), data={**hidden_fields(page), "reponse": "continuer"})

    assert "/connexion?demande=" in client.get(entered.location).location
    assert csrf_in(client.get(client.get(entered.location).location).text)


@ONLY_SQLITE
@pytest.mark.parametrize("wanted", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "3600"}])
def test_however_recent_a_partner_s_word_is_no_sign_in_of_mag_s_own(linked, client, wanted):
    """Core section 3.1.2.1: the person is authenticated again, or was within so long, by MAG: not in another tab, at a partner."""
    asked = linked.ask(client, **wanted).location
    enter(client, vouched(linked, auth_time=int(time.time())))

    assert "/connexion?demande=" in client.get(f"/authorize?{asked.partition('?')[2]}").location
    assert "/connexion?demande=" in linked.ask(client, **wanted).location
    assert answer_of(linked.ask(client, max_age="3600", prompt="none"))[1]["error"] == "login_required"


@ONLY_SQLITE
def test_nor_is_it_one_for_a_service_provider_that_forces_it(linked, client, wsgi_app):
    """SAML core section 3.4.1, `ForceAuthn`."""
    saml.register(wsgi_app, site := saml.Site())
    asked = client.get(saml.path_of(site.address(site.request(ForceAuthn="true")))).location
    enter(client, vouched(linked, auth_time=int(time.time())))

    again = client.get(f"/saml/sso?{asked.partition('?')[2]}")

    assert again.location.startswith("/connexion?demande=")


@ONLY_SQLITE
def test_a_silent_request_does_not_look_at_the_token(linked, client):
    assert answer_of(linked.ask(client, login_hint_token="x", prompt="none"))[1]["error"] == "login_required"
