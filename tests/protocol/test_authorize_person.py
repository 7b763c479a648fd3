"""Who is asked, and when: prompt, max_age, hints, levels, consent, the choice of an identity. OpenID Connect Core section 3.1.2."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from idp.authentication.session import COOKIE
from tests.protocol.relying import altered, answer_of, hidden_fields, unverified_claims

wsgi_app = pytest.fixture(lambda standing_app: standing_app)


def goes_to_sign_in(response) -> bool:
    """A redirect to MAG's own page, with the request sealed."""
    return response.status_code == 303 and urlsplit(response.headers["Location"]).path == "/connexion"


def demande_of(response) -> str:
    return parse_qs(urlsplit(response.headers["Location"]).query)["demande"][0]


def go_on(browser, demande: str, **more: str):
    """What the sign-in pages do at the end."""
    return browser.get("/authorize", query_string={"demande": demande, **more})


# --------------------------------------------------------------------------------------------------------------- prompt


def test_without_a_session_the_person_is_asked_to_sign_in(partner, client):
    response = partner().ask(client)

    assert goes_to_sign_in(response)
    assert "portail" not in response.headers["Location"]
    assert client.get(response.headers["Location"]).status_code == 200


def test_after_sign_in_the_partner_has_its_answer(partner, client, sign_in, un_declarant):
    portail = partner()
    demande = demande_of(portail.ask(client, state="é+"))
    sign_in(client, un_declarant)
    address, answer = answer_of(go_on(client, demande))

    assert (address, answer["state"]) == (portail.redirect_uri, "é+")
    assert portail.redeem(answer["code"]).status_code == 200


def test_C38_a_request_in_progress_belongs_to_the_browser_that_began_it(partner, client, new_client, sign_in, un_declarant):
    demande = demande_of(partner().ask(client))
    victim = new_client()
    sign_in(victim, un_declarant)

    for word in (demande, demande[:-2], "~" + demande, "é", "x" * 9000, "~"):
        response = go_on(victim, word)
        assert response.status_code in (400, 414)
        assert "Location" not in response.headers


def test_a_request_in_progress_expires(partner, client, sign_in, un_declarant):
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        demande = demande_of(partner().ask(client))
        traveller.shift(timedelta(minutes=31))
        sign_in(client, un_declarant)
        response = go_on(client, demande)

    assert response.status_code == 400
    assert "expiré" in response.text


def test_C11_prompt_none_without_a_session_never_shows_a_page(partner, client):
    address, answer = answer_of(partner().ask(client, prompt="none"))

    assert (address, answer["error"]) == ("https://portail.test/retour", "login_required")


def test_22_prompt_none_with_a_session_says_the_same_person_and_time(partner, code_flow):
    portail = partner()
    first, second = code_flow(portail).claims, code_flow(portail, prompt="none").claims

    assert {name: first[name] for name in ("sub", "auth_time", "sid")} == {name: second[name] for name in ("sub", "auth_time", "sid")}


def test_C11_23_prompt_login_asks_again_and_moves_auth_time(partner, signed_in, sign_in, un_declarant):
    portail, now = partner(), datetime.now(UTC)
    response = portail.ask(signed_in, prompt="login")

    assert goes_to_sign_in(response)
    demande = demande_of(response)
    assert goes_to_sign_in(go_on(signed_in, demande)), "the page cannot be walked around"
    sign_in(signed_in, un_declarant, at=now + timedelta(seconds=90))
    tokens = portail.tokens(portail.redeem(answer_of(go_on(signed_in, demande))[1]["code"]))
    assert tokens.claims["auth_time"] == int((now + timedelta(seconds=90)).timestamp())


def test_an_older_session_brought_along_is_no_new_sign_in(partner, signed_in, new_client, sign_in, un_declarant):
    portail, old = partner(), new_client()
    sign_in(old, un_declarant, at=datetime.now(UTC) - timedelta(minutes=5))
    demande = demande_of(portail.ask(signed_in, prompt="login"))
    signed_in.set_cookie(COOKIE, old.get_cookie(COOKIE, domain="mag.test").value, domain="mag.test", secure=True)

    assert goes_to_sign_in(go_on(signed_in, demande))


def test_prompt_select_account_offers_the_choice(partner, signed_in):
    portail = partner()
    response = portail.ask(signed_in, prompt="select_account")

    assert urlsplit(response.headers["Location"]).path == "/connexion/choix"
    assert "code" in answer_of(go_on(signed_in, demande_of(response), choix="1"))[1]


def test_prompt_select_account_without_a_session_is_a_sign_in(partner, client, sign_in, un_declarant):
    response = partner().ask(client, prompt="select_account")
    demande = demande_of(response)
    sign_in(client, un_declarant)

    assert goes_to_sign_in(response)
    assert "code" in answer_of(go_on(client, demande))[1]


@pytest.mark.parametrize("word", ["choix", "refus"])
def test_the_words_of_our_own_pages_mean_nothing_from_a_partner(partner, signed_in, word):
    response = partner().ask(signed_in, prompt="select_account", **{word: "1"})

    assert urlsplit(response.headers["Location"]).path == "/connexion/choix"


# -------------------------------------------------------------------------------------------------------------- max_age


@pytest.fixture
def old_session(new_client, sign_in, un_declarant):
    """A browser signed in an hour ago."""
    browser = new_client()
    sign_in(browser, un_declarant, at=datetime.now(UTC) - timedelta(hours=1))
    return browser


@pytest.mark.parametrize("max_age", ["0", "1", "3599"])
def test_C11_24_an_authentication_too_old_is_made_again(partner, old_session, max_age):
    assert goes_to_sign_in(partner().ask(old_session, max_age=max_age))


def test_24_an_authentication_young_enough_is_not(partner, old_session, code_flow):
    portail = partner()
    first = code_flow(portail, browser=old_session, max_age="15000").claims
    second = code_flow(portail, browser=old_session, max_age="10000").claims

    assert first["auth_time"] == second["auth_time"]


def test_max_age_zero_asks_always(partner, signed_in):
    """Core section 3.1.2.1: the same as prompt=login."""
    assert goes_to_sign_in(partner().ask(signed_in, max_age="0"))


def test_C11_prompt_none_and_an_old_authentication_is_login_required(partner, old_session):
    assert answer_of(partner().ask(old_session, prompt="none", max_age="60"))[1]["error"] == "login_required"


def test_default_max_age_of_the_registration_counts(partner, old_session):
    portail = partner(default_max_age=60)

    assert goes_to_sign_in(portail.ask(old_session))
    assert "code" in answer_of(portail.ask(old_session, max_age="86400"))[1]


def test_auth_time_is_that_of_the_session(partner, old_session, code_flow):
    claims = code_flow(partner(), browser=old_session).claims

    assert abs(claims["iat"] - claims["auth_time"] - 3600) <= 5


# ---------------------------------------------------------------------------------------------------------------- hints


def test_25_a_hint_of_the_same_person_is_silent_even_expired(partner, signed_in, code_flow):
    portail = partner()
    hint = code_flow(portail).id_token

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert "code" in answer_of(portail.ask(signed_in, prompt="none", id_token_hint=hint))[1]


def test_C11_25_a_hint_of_another_person_is_login_required(partner, signed_in, code_flow, new_client, sign_in, new_declarant):
    portail, other = partner(), new_client()
    sign_in(other, new_declarant())
    hint = code_flow(portail, browser=other).id_token

    assert answer_of(portail.ask(signed_in, prompt="none", id_token_hint=hint))[1]["error"] == "login_required"
    assert goes_to_sign_in(portail.ask(signed_in, id_token_hint=hint))


def test_another_person_than_the_one_hinted_at_is_refused_after_sign_in(partner, client, code_flow, sign_in, new_declarant):
    portail = partner()
    hint = code_flow(portail).id_token
    demande = demande_of(portail.ask(client, id_token_hint=hint))
    sign_in(client, new_declarant())

    assert answer_of(go_on(client, demande))[1]["error"] == "access_denied"


def test_a_hint_given_to_another_client_is_refused(partner, signed_in, code_flow):
    hint = code_flow(partner("autre")).id_token

    assert answer_of(partner().ask(signed_in, id_token_hint=hint))[1]["error"] == "invalid_request"


@pytest.mark.parametrize("forge", [altered, lambda t: t[: t.rindex(".") + 1], lambda t: "eyJhbGciOiJub25lIn0" + t[t.index(".") :]])
def test_20_a_forged_hint_is_refused(partner, signed_in, code_flow, forge):
    portail = partner()
    hint = forge(code_flow(portail).id_token)

    assert answer_of(portail.ask(signed_in, prompt="none", id_token_hint=hint))[1]["error"] == "invalid_request"


def test_C27_an_access_token_is_no_hint(partner, signed_in, code_flow):
    portail = partner()

    assert answer_of(portail.ask(signed_in, id_token_hint=code_flow(portail).access_token))[1]["error"] == "invalid_request"


def test_a_subject_asked_by_value_is_the_one_answered_or_nobody(partner, signed_in, code_flow):
    portail = partner()
    sub = code_flow(portail).claims["sub"]

    def asked(value):
        return json.dumps({"id_token": {"sub": {"value": value}}})

    assert "code" in answer_of(portail.ask(signed_in, prompt="none", claims=asked(sub)))[1]
    assert answer_of(portail.ask(signed_in, prompt="none", claims=asked("autre")))[1]["error"] == "login_required"


# --------------------------------------------------------------------------------------------------------------- levels


def test_a_level_asked_as_essential_that_cannot_be_reached_is_an_error(partner, signed_in):
    asked = json.dumps({"id_token": {"acr": {"essential": True, "values": ["eidas2", "eidas3"]}}})

    assert answer_of(partner().ask(signed_in, claims=asked))[1]["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize(
    "acr",
    [
        {"essential": True, "value": "eidas1"},
        {"essential": True, "values": ["eidas2", "eidas1"]},
        {"essential": True},
        {"value": "eidas3"},
        None,
    ],
)
def test_a_level_that_is_reached_or_only_wished_is_answered(partner, code_flow, acr):
    assert code_flow(partner(), claims=json.dumps({"id_token": {"acr": acr}})).claims["acr"] == "eidas1"


def test_acr_values_are_answered_by_the_level_reached(partner, code_flow):
    claims = code_flow(partner(), acr_values="eidas2 eidas1").claims

    assert (claims["acr"], claims["amr"]) == ("eidas1", ["pwd"])


# ------------------------------------------------------------------------------------------------------- claims, scopes


def test_27_a_claim_asked_for_userinfo_is_there_and_not_in_the_id_token(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail, claims=json.dumps({"userinfo": {"email": {"essential": True}}}))

    assert portail.userinfo(tokens.access_token).json["email"] == "anne.lefevre@exemple.fr"
    assert "email" not in tokens.claims


def test_a_claim_asked_for_the_id_token_is_there(partner, code_flow):
    assert code_flow(partner(), claims=json.dumps({"id_token": {"email": None}})).claims["email"] == "anne.lefevre@exemple.fr"


def test_C10_a_claim_that_no_registered_scope_opens_is_not_given(partner, code_flow):
    portail = partner(scope="openid siret")
    asked = {"email": {"essential": True}, "phone_number": None, "hab": None, "siret": None}
    tokens = code_flow(portail, claims=json.dumps({"userinfo": asked, "id_token": asked}))
    told = portail.userinfo(tokens.access_token).json

    assert told.keys() & asked.keys() == {"siret"}
    assert tokens.claims.keys() & asked.keys() == {"siret"}


@pytest.mark.parametrize("name", ["sub", "iss", "aud", "exp", "auth_time", "acr", "sid", "client_id", "jti", "scope"])
def test_C10_a_claim_asked_by_value_changes_nothing_of_the_protocol(partner, code_flow, name):
    portail = partner()
    plain = code_flow(portail).claims
    asked = code_flow(portail, claims=json.dumps({"id_token": {name: {"value": plain.get(name)}}})).claims

    kept = ("iss", "sub", "aud", "auth_time", "acr", "sid")
    assert {n: plain[n] for n in kept} == {n: asked[n] for n in kept}
    assert asked.keys() == plain.keys()


def test_28_an_id_token_holds_no_profile_of_its_own(partner, code_flow):
    claims = code_flow(partner(), scope="openid profile email siret").claims

    assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid", "at_hash"}


def test_C10_a_scope_that_is_not_registered_is_left_out(partner, code_flow):
    tokens = code_flow(partner(), scope="phone openid inconnu email")

    assert tokens.scope == tokens.access["scope"] == "openid email"


def test_without_openid_there_is_no_id_token(partner, code_flow):
    portail = partner()
    tokens = code_flow(portail, scope="email")

    assert tokens.id_token == ""
    assert portail.userinfo(tokens.access_token).status_code == 403


# --------------------------------------------------------------------------------------------------------------- consent


def test_prompt_none_where_consent_is_missing_is_consent_required(partner, signed_in):
    tiers = partner(first_party=False)

    assert answer_of(tiers.ask(signed_in, prompt="none"))[1]["error"] == "consent_required"


def test_a_partner_that_is_not_ours_asks_consent_once(partner, signed_in, journal):
    tiers = partner(first_party=False)
    page = tiers.ask(signed_in, scope="openid email")

    assert page.status_code == 200
    assert "portail.test" in page.text
    assert "adresse électronique" in page.text
    agreed = signed_in.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"})
    assert "code" in answer_of(signed_in.get(agreed.headers["Location"]))[1]
    assert "code" in answer_of(tiers.ask(signed_in, scope="openid email", prompt="none"))[1]
    assert answer_of(tiers.ask(signed_in, scope="openid email siret", prompt="none"))[1]["error"] == "consent_required"
    assert journal("ConsentGiven")[-1]["scope"] == "openid email"


def test_82_a_person_who_refuses_is_access_denied(partner, signed_in, journal):
    tiers = partner(first_party=False)
    page = tiers.ask(signed_in)
    refused = signed_in.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "refuser"})
    address, answer = answer_of(signed_in.get(refused.headers["Location"]))

    assert (address, answer["error"], answer["state"]) == (tiers.redirect_uri, "access_denied", "etat-0123456789")
    assert journal("ConsentRefused")[-1]["client_id"] == "portail"
    assert answer_of(tiers.ask(signed_in, prompt="none"))[1]["error"] == "consent_required"


def test_prompt_consent_asks_even_our_own_partners_and_even_again(partner, signed_in):
    portail = partner()
    for _ in range(2):
        page = portail.ask(signed_in, prompt="consent")
        assert page.status_code == 200
        agreed = signed_in.post("/authorize/consentement", data={**hidden_fields(page), "reponse": "accepter"})
        assert "code" in answer_of(signed_in.get(agreed.headers["Location"]))[1]


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        pytest.param({"csrf": "faux"}, {}, id="C39-wrong-value"),
        pytest.param({"csrf": None}, {}, id="C39-no-value"),
        pytest.param({}, {"Origin": "https://mal.test"}, id="C39-foreign-origin"),
        pytest.param({}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, id="C39-null-origin-cross-site"),
        pytest.param({}, {"Sec-Fetch-Site": "cross-site"}, id="C39-cross-site"),
        pytest.param({"demande": "autre"}, {}, id="C39-bound-to-the-request"),
    ],
)
def test_a_consent_that_does_not_come_from_our_page_is_refused(partner, signed_in, change, headers):
    tiers = partner(first_party=False)
    form = {**hidden_fields(tiers.ask(signed_in)), "reponse": "accepter", **change}
    response = signed_in.post("/authorize/consentement", data={n: v for n, v in form.items() if v is not None}, headers=headers)

    assert response.status_code == 403
    assert answer_of(tiers.ask(signed_in, prompt="none"))[1]["error"] == "consent_required"


def test_C39_a_consent_form_of_another_browser_is_refused(partner, signed_in, new_client, sign_in, new_declarant):
    tiers, mine = partner(first_party=False), new_client()
    sign_in(mine, new_declarant())
    form = {**hidden_fields(tiers.ask(mine)), "reponse": "accepter"}

    assert signed_in.post("/authorize/consentement", data=form).status_code == 403


def test_C39_a_consent_form_of_another_person_of_the_same_browser_is_refused(partner, signed_in, sign_in, new_declarant):
    tiers = partner(first_party=False)
    form = {**hidden_fields(tiers.ask(signed_in)), "reponse": "accepter"}
    sign_in(signed_in, new_declarant())

    assert signed_in.post("/authorize/consentement", data=form).status_code == 403
    assert answer_of(tiers.ask(signed_in, prompt="none"))[1]["error"] == "consent_required"


def test_what_a_claim_asked_by_itself_tells_is_agreed_to_as_well(partner, signed_in):
    tiers = partner(first_party=False)
    agreed = {**hidden_fields(tiers.ask(signed_in)), "reponse": "accepter"}
    signed_in.post("/authorize/consentement", data=agreed)
    claims = json.dumps({"userinfo": {"email": None}})

    assert "code" in answer_of(tiers.ask(signed_in, prompt="none"))[1]
    assert answer_of(tiers.ask(signed_in, prompt="none", claims=claims))[1]["error"] == "consent_required"
    assert "adresse électronique" in tiers.ask(signed_in, claims=claims).text


def test_a_consent_without_a_session_begins_by_a_sign_in(partner, signed_in, client):
    tiers = partner(first_party=False)
    form = {**hidden_fields(tiers.ask(signed_in)), "reponse": "accepter"}
    signed_in.delete_cookie(COOKIE, domain="mag.test")

    assert goes_to_sign_in(signed_in.post("/authorize/consentement", data=form))


def test_the_consent_page_names_what_no_markup_can_forge(partner, signed_in):
    tiers = partner(first_party=False, client_name='<b onclick="x">Portail</b> & fils')
    page = tiers.ask(signed_in)

    assert "<b onclick" not in page.text
    assert "&lt;b onclick=" in page.text


# -------------------------------------------------------------------------------------------------------------- subjects


def test_subjects_differ_between_sectors_and_agree_within_one(partner, code_flow):
    one, two = partner("premier"), partner("second")
    shared = partner("tiers", sector_identifier="premier.test")

    subs = [code_flow(p).claims["sub"] for p in (one, two, shared, one)]
    assert subs[0] == subs[2] == subs[3] != subs[1]


def test_a_public_subject_is_the_uid(partner, code_flow):
    portail, other = partner(subject_type="public", scope="openid uid"), partner("autre", subject_type="public")
    tokens = code_flow(portail, scope="openid uid")

    assert tokens.claims["sub"] == code_flow(other).claims["sub"] == portail.userinfo(tokens.access_token).json["uid"]


def test_subjects_of_two_persons_differ(partner, code_flow, new_client, sign_in, new_declarant):
    portail, other = partner(), new_client()
    sign_in(other, new_declarant())

    assert code_flow(portail).claims["sub"] != code_flow(portail, browser=other).claims["sub"]


# --------------------------------------------------------------------------------------------------------------- session


@pytest.mark.parametrize("cookie", ["", "x", "é" * 10, "a" * 5000, "\x01", "null", "'; DROP TABLE"])
def test_C29_a_cookie_of_nobody_is_nobody(partner, cookie):
    portail = partner()
    sent = {"HTTP_COOKIE": f"{COOKIE}={cookie}".encode().decode("latin-1")}
    response = portail.call("/authorize", "GET", query_string=portail.request(), environ_overrides=sent)

    assert goes_to_sign_in(response)


def test_sid_is_the_same_for_every_partner_of_a_session_and_the_cookie_is_not_it(partner, signed_in, code_flow):
    sids = {code_flow(partner(name)).claims["sid"] for name in ("premier", "second")}

    assert len(sids) == 1
    assert signed_in.get_cookie(COOKIE, domain="mag.test").value not in sids


def test_C37_a_session_from_before_a_new_sign_in_is_worth_nothing(partner, signed_in, new_client, sign_in, un_declarant):
    portail, copy = partner(), new_client()
    copy.set_cookie(COOKIE, signed_in.get_cookie(COOKIE, domain="mag.test").value, domain="mag.test", secure=True)
    assert "code" in answer_of(portail.ask(copy, prompt="none"))[1]
    sign_in(signed_in, un_declarant)

    assert answer_of(portail.ask(copy, prompt="none"))[1]["error"] == "login_required"


def test_a_session_ends_at_its_absolute_limit_however_used(partner, new_client, sign_in, un_declarant):
    portail, browser, began = partner(), new_client(), datetime.now(UTC)
    sign_in(browser, un_declarant, at=began - timedelta(hours=12) + timedelta(seconds=30))
    assert "code" in answer_of(portail.ask(browser, prompt="none"))[1]

    with time_machine.travel(began + timedelta(seconds=60)):
        assert answer_of(portail.ask(browser, prompt="none"))[1]["error"] == "login_required"


def test_claims_of_tokens_are_what_was_signed(partner, code_flow):
    """joserfc verifies them with the published keys."""
    portail = partner(id_token_signed_response_alg="ES256")
    tokens = code_flow(portail, nonce="n")
    claims = portail.verified(tokens.id_token, "JWT")

    assert claims == unverified_claims(tokens.id_token)
    assert portail.verified(tokens.access_token, "at+jwt")["jti"]
