"""What the authorization endpoint refuses: pages while nothing proves where the answer would go, redirects after."""

import string
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from tests.protocol.relying import answer_of, challenge_of

wsgi_app = pytest.fixture(lambda standing_app: standing_app)
REGISTERED = "https://portail.test/retour"
TOKEN68 = challenge_of("x" * 43)
LEGAL = set(string.printable) - set('"\\\t\n\r\x0b\x0c')


def is_refusal_page(response) -> bool:
    """RFC 6749 section 4.1.2.1: the person is told, nobody is redirected."""
    return response.status_code == 400 and response.mimetype == "text/html" and "Location" not in response.headers


# ------------------------------------------------------------------------------------ before the redirect URI is proved


@pytest.mark.parametrize(
    "redirect_uri",
    [
        pytest.param("https://portail.test/retour/", id="C01-trailing-slash"),
        pytest.param("https://portail.test/retou", id="C01-prefix"),
        pytest.param("https://portail.test/retour2", id="C01-suffix"),
        pytest.param("https://portail.test/Retour", id="C01-case-of-path"),
        pytest.param("https://PORTAIL.test/retour", id="C01-case-of-host"),
        pytest.param("HTTPS://portail.test/retour", id="C01-case-of-scheme"),
        pytest.param("https://portail.test:443/retour", id="C01-default-port"),
        pytest.param("https://portail.test:8443/retour", id="C01-port"),
        pytest.param("http://portail.test/retour", id="C01-scheme"),
        pytest.param("https://portailXtest/retour", id="C01-dot-is-not-a-regex"),
        pytest.param("https://portail.test@mal.test/retour", id="C01-userinfo"),
        pytest.param("https://portail.test@portail.test@mal.test/retour", id="C01-userinfo-twice"),
        pytest.param("https://mal.test/?https://portail.test/retour", id="C01-contained"),
        pytest.param("https://portail.test/retour/..;/mal", id="C01-traversal-semicolon"),
        pytest.param("https://portail.test/retour/../mal", id="C01-traversal"),
        pytest.param("https://portail.test/%72etour", id="C01-percent-encoded"),
        pytest.param("https://portail.test/retour?code=mien", id="C01-added-query"),
        pytest.param("https://portail.test/retour#fragment", id="C01-fragment"),
        pytest.param("https://portail.test/retour%0d%0aX-A:b", id="C01-header-injection"),
        pytest.param("https://portail.test\\@mal.test/retour", id="C01-backslash"),
        pytest.param("//portail.test/retour", id="C01-no-scheme"),
        pytest.param("/retour", id="C01-relative"),
        pytest.param("javascript:alert(1)", id="C01-javascript"),
        pytest.param("JaVaScRiPt:alert(1)", id="C01-javascript-case"),
        pytest.param("data:text/html,x", id="C01-data"),
        pytest.param("https://localhost:80@mal.test/retour", id="C01-localhost-as-user"),
        pytest.param("https://portail.test/retour ", id="C01-space"),
        pytest.param("https://portail.test/retour\u200b", id="C01-zero-width"),
        pytest.param("https://portaïl.test/retour", id="C01-homograph"),
        pytest.param("https://portail.test/" + "a" * 4000, id="C01-long"),
        pytest.param(None, id="C04-missing"),
        pytest.param("", id="C04-empty"),
    ],
)
def test_a_redirect_uri_that_is_not_the_registered_one_stays_on_a_page(partner, signed_in, redirect_uri):
    response = partner().ask(signed_in, redirect_uri=redirect_uri)

    assert is_refusal_page(response)


def test_the_vectors_are_near_a_request_that_succeeds(partner, signed_in):
    portail = partner()

    assert portail.redirect_uri == REGISTERED
    assert portail.code(signed_in)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "response_type", "nonce", "prompt", "inconnu"])
def test_C02_any_repeated_parameter_stays_on_a_page(partner, signed_in, name):
    portail = partner()
    asked = portail.request(nonce="n", prompt="login", inconnu="x")

    for query in ([*asked.items(), (name, asked[name])], [*asked.items(), (name, "")], [(name, ""), *asked.items()]):
        assert is_refusal_page(signed_in.get(f"/authorize?{urlencode(query)}"))
        assert is_refusal_page(signed_in.post("/authorize", data=urlencode(query), content_type="application/x-www-form-urlencoded"))


@pytest.mark.parametrize(
    "client_id",
    [
        pytest.param(None, id="C03-missing"),
        pytest.param("inconnu", id="C03-unknown"),
        pytest.param("Portail", id="C03-case"),
        pytest.param("portail ", id="C03-space"),
        pytest.param("pörtail", id="C03-accent"),
        pytest.param("x" * 5000, id="C03-huge"),
        pytest.param("<script>alert(1)</script>", id="C58-markup"),
        pytest.param("' OR 1=1 --", id="C03-sql"),
    ],
)
def test_an_unknown_client_stays_on_a_page_that_repeats_nothing(partner, signed_in, client_id):
    response = partner().ask(signed_in, client_id=client_id)

    assert is_refusal_page(response)
    assert "<script>alert" not in response.text


@pytest.mark.parametrize("change", [{"response_type": "token"}, {"scope": ""}, {"prompt": "none"}, {"request": "x"}, {"max_age": "x"}])
def test_C03_an_error_found_with_a_wrong_redirect_uri_stays_on_a_page(partner, signed_in, change):
    assert is_refusal_page(partner().ask(signed_in, redirect_uri="https://mal.test/", **change))


@pytest.mark.parametrize("query", ["%00", "client_id=%00", "client_id=portail%00", "state=%ff", "state=%ed%a0%80", "=", "&&&", "a" * 4000])
def test_a_query_that_cannot_be_read_stays_on_a_page(partner, signed_in, query):
    portail = partner()

    assert is_refusal_page(signed_in.get(f"/authorize?{query}"))
    if "client_id" not in query:
        readable = signed_in.get(f"{portail.address(state=None)}&{query}")
        assert is_refusal_page(readable) or "code" in answer_of(readable)[1]


def test_more_parameters_than_anybody_needs_stay_on_a_page(partner, signed_in):
    many = "&".join(f"p{n}=1" for n in range(200))

    assert is_refusal_page(signed_in.get(f"{partner().address()}&{many}"))


# ----------------------------------------------------------------------------------------- after it is proved: redirects


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"response_type": None}, "invalid_request", id="6749-3.1.1-response-type-missing"),
        pytest.param({"response_type": "none"}, "unsupported_response_type", id="C08-none"),
        pytest.param({"response_type": "CODE"}, "unsupported_response_type", id="C08-case"),
        pytest.param({"response_mode": "web_message"}, "invalid_request", id="multiple-response-types-2.1-unknown-mode"),
        pytest.param({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", id="Core-3.1.2.6-request"),
        pytest.param({"request_uri": "https://portail.test/r"}, "invalid_request_uri", id="9101-5.2-not-registered"),
        pytest.param({"registration": "{}"}, "registration_not_supported", id="Core-3.1.2.6-registration"),
        pytest.param({"scope": None}, "invalid_scope", id="6749-3.3-missing"),
        pytest.param({"scope": " "}, "invalid_scope", id="6749-3.3-blank"),
        pytest.param({"scope": "inconnu"}, "invalid_scope", id="6749-3.3-nothing-left"),
        pytest.param({"scope": "phone"}, "invalid_scope", id="C10-not-registered"),
        pytest.param({"scope": "openid é"}, "invalid_scope", id="6749-3.3-accent"),
        pytest.param({"scope": "openid\x07"}, "invalid_scope", id="6749-3.3-control"),
        pytest.param({"scope": "openid " + "x" * 4000}, "invalid_request", id="ours-scope-too-long"),
        pytest.param({"code_challenge": None}, "invalid_request", id="C06-challenge-missing"),
        pytest.param({"code_challenge": None, "code_challenge_method": None}, "invalid_request", id="C06-no-pkce"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="C06-method-missing-means-plain"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="C06-plain"),
        pytest.param({"code_challenge_method": "s256"}, "invalid_request", id="C06-method-case"),
        pytest.param({"code_challenge": "court"}, "invalid_request", id="C06-challenge-short"),
        pytest.param({"code_challenge": TOKEN68 + "A"}, "invalid_request", id="C06-challenge-long"),
        pytest.param({"code_challenge": TOKEN68[:-1] + "="}, "invalid_request", id="C06-challenge-padded"),
        pytest.param({"code_challenge": TOKEN68[:-1] + "é"}, "invalid_request", id="C06-challenge-accent"),
        pytest.param({"nonce": "n" * 513}, "invalid_request", id="ours-nonce-too-long"),
        pytest.param({"nonce": "né"}, "invalid_request", id="ours-nonce-ascii"),
        pytest.param({"nonce": "n\x01"}, "invalid_request", id="ours-nonce-control"),
        pytest.param({"login_hint": "x" * 401}, "invalid_request", id="ours-login-hint-too-long"),
        pytest.param({"acr_values": "x" * 1001}, "invalid_request", id="ours-acr-values-too-long"),
        pytest.param({"ui_locales": "x" * 201}, "invalid_request", id="ours-ui-locales-too-long"),
        pytest.param({"id_token_hint": "x" * 6001}, "invalid_request", id="ours-hint-too-long"),
        pytest.param({"prompt": "creer"}, "invalid_request", id="Core-3.1.2.1-prompt-unknown"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="Core-3.1.2.1-none-alone"),
        pytest.param({"prompt": "None"}, "invalid_request", id="Core-3.1.2.1-prompt-case"),
        pytest.param({"max_age": "-1"}, "invalid_request", id="C11-max-age-negative"),
        pytest.param({"max_age": "1.5"}, "invalid_request", id="C11-max-age-decimal"),
        pytest.param({"max_age": "demain"}, "invalid_request", id="C11-max-age-word"),
        pytest.param({"max_age": "٣"}, "invalid_request", id="C11-max-age-other-digits"),
        pytest.param({"max_age": "9" * 10}, "invalid_request", id="C11-max-age-huge"),
        pytest.param({"claims": "{"}, "invalid_request", id="Core-5.5-not-json"),
        pytest.param({"claims": "[]"}, "invalid_request", id="Core-5.5-not-an-object"),
        pytest.param({"claims": '{"id_token":[]}'}, "invalid_request", id="Core-5.5-member-not-an-object"),
        pytest.param({"claims": '{"userinfo":{"email":1}}'}, "invalid_request", id="Core-5.5-claim-not-an-object"),
        pytest.param({"claims": "[" * 2000}, "invalid_request", id="C53-claims-nested"),
        pytest.param({"claims": '{"a":"' + "x" * 4096 + '"}'}, "invalid_request", id="ours-claims-too-long"),
        pytest.param({"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, "invalid_request", id="Core-3.1.2.2-hint-alg-none"),
        pytest.param({"id_token_hint": "n'importe quoi"}, "invalid_request", id="Core-3.1.2.2-hint-forged"),
    ],
)
def test_a_request_that_breaks_one_rule_is_told_to_the_partner(partner, signed_in, change, error):
    portail = partner()
    address, answer = answer_of(portail.ask(signed_in, **change))

    assert address == REGISTERED
    assert answer["error"] == error
    assert (answer["state"], answer["iss"]) == ("etat-0123456789", "https://mag.test")
    assert set(answer) <= {"error", "error_description", "state", "iss"}
    assert set(answer.get("error_description", "")) <= LEGAL


def test_C10_a_client_without_the_grant_is_refused_even_at_its_own_address(partner, signed_in):
    machine = partner("machine", grant_types=["client_credentials"], response_types=["code"])

    assert answer_of(machine.ask(signed_in))[1]["error"] in ("unauthorized_client", "unsupported_response_type")


def test_a_state_too_long_to_give_back_is_refused(partner, signed_in):
    _, answer = answer_of(partner().ask(signed_in, state="s" * 4097))

    assert answer["error"] == "invalid_request"
    assert "code" not in answer


def test_an_error_without_state_answers_without_state(partner, signed_in):
    _, answer = answer_of(partner().ask(signed_in, state=None, prompt="creer"))

    assert "state" not in answer


@pytest.mark.parametrize("profile", ["proconnect", "franceconnect"])
def test_ours_partners_coming_from_elsewhere_still_send_a_state(partner, signed_in, profile):
    ancien = partner(profile=profile)

    assert answer_of(ancien.ask(signed_in, state=None, nonce="n" * 22, acr_values="eidas1"))[1]["error"] == "invalid_request"


@pytest.mark.parametrize("change", [{"nonce": None}, {"nonce": "n" * 21}, {"acr_values": None}])
def test_ours_partners_coming_from_franceconnect_still_send_nonce_and_acr_values(partner, signed_in, change):
    ancien = partner(profile="franceconnect")
    asked = {"nonce": "n" * 22, "acr_values": "eidas1", "code_challenge": None, "code_challenge_method": None}

    assert "code" in answer_of(ancien.ask(signed_in, **asked))[1]
    assert answer_of(ancien.ask(signed_in, **(asked | change)))[1]["error"] == "invalid_request"


def test_C06_a_public_client_needs_pkce_whatever_its_profile(partner, signed_in):
    public = partner(token_endpoint_auth_method="none", profile="proconnect")
    _, answer = answer_of(public.ask(signed_in, code_challenge=None, code_challenge_method=None))

    assert answer["error"] == "invalid_request"


# ------------------------------------------------------------------------------------------------------- POST, and methods


def test_12_a_post_becomes_a_get_of_the_same_request(partner, signed_in):
    portail = partner()
    response = signed_in.post("/authorize", data=portail.request(state="é&=+ %"))

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/authorize?")
    assert answer_of(signed_in.get(response.headers["Location"]))[1]["state"] == "é&=+ %"


def test_a_post_with_a_wrong_redirect_uri_stays_on_a_page(partner, signed_in):
    assert is_refusal_page(signed_in.post("/authorize", data=partner().request(redirect_uri="https://mal.test/")))


def test_a_post_too_long_for_an_address_goes_on_by_a_reference(partner, signed_in):
    response = signed_in.post("/authorize", data=partner().request(extra="x" * 9000))

    assert len(response.headers["Location"]) < 300
    assert "code" in answer_of(signed_in.get(response.headers["Location"]))[1]


def test_a_post_too_long_that_breaks_a_rule_is_told_to_the_partner_at_once(partner, signed_in):
    _, answer = answer_of(signed_in.post("/authorize", data=partner().request(scope="openid " * 3000)))

    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("response_type", ["token", "id_token", "code id_token", "id_token token"])
def test_C08_tokens_do_not_come_through_the_browser_unless_a_setting_says_so(partner, signed_in, response_type):
    """RFC 9700 section 2.1.2; the refusal itself comes in the fragment, as the answer would have (16)."""
    types = ["code", "id_token", "code id_token", "id_token token"]
    hybride = partner(response_types=types, grant_types=["authorization_code", "implicit"])
    address, _, fragment = hybride.ask(signed_in, response_type=response_type, nonce="n").headers["Location"].partition("#")

    assert address == REGISTERED
    assert dict(parse_qsl(fragment))["error"] == "unsupported_response_type"


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=x", "Multipart/Form-Data; boundary=x", "text/plain", None]
)
def test_C57_a_post_of_another_type_is_refused(partner, signed_in, content_type):
    body = '--x\r\nContent-Disposition: form-data; name="client_id"\r\n\r\nportail\r\n--x--\r\n'
    response = signed_in.post("/authorize", data=body, content_type=content_type)

    assert response.status_code in (400, 415)
    assert "Location" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_C57_another_method_is_refused_and_told_which_are_allowed(partner, signed_in, method):
    response = signed_in.open(partner().address(), method=method, headers={"X-HTTP-Method-Override": "GET"})

    assert response.status_code == 405
    assert {"GET", "POST"} <= set(response.headers["Allow"].replace(",", " ").split())


# --------------------------------------------------------------------------------------------- what is given back unchanged


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("é à ü œ €", id="22-accents"),
        pytest.param("a+b c%20d&e=f#g?h/i\\j\"k'l", id="22-reserved"),
        pytest.param("𝕏😀", id="22-beyond-the-bmp"),
        pytest.param("e\u0301", id="22-not-normalised"),
        pytest.param("s" * 64, id="21-64"),
        pytest.param("s" * 384, id="21-384"),
        pytest.param("\r\nSet-Cookie: a=b", id="22-no-header-injection"),
        pytest.param(" ", id="22-a-space"),
    ],
)
def test_state_comes_back_as_it_was_sent(partner, signed_in, state):
    response = partner().ask(signed_in, state=state)

    assert answer_of(response)[1]["state"] == state
    assert "Set-Cookie: a" not in str(response.headers)


def test_22_a_state_sent_without_percent_encoding_comes_back_as_the_same_bytes(partner, signed_in):
    portail = partner()
    query = portail.address(state=None).partition("?")[2] + "&state=é"
    response = signed_in.get("/authorize", environ_overrides={"QUERY_STRING": query.encode().decode("latin-1")})

    assert f"state={quote('é')}" in response.headers["Location"]


@pytest.mark.parametrize("length", [1, 64, 384])
def test_21_a_nonce_is_in_the_id_token_as_it_was_sent(partner, code_flow, length):
    nonce = ("-._~!$&'()*+,;=:@/? " + "n" * 384)[:length]

    assert code_flow(partner(), nonce=nonce).claims["nonce"] == nonce


def test_20_no_nonce_is_invented(partner, code_flow):
    assert "nonce" not in code_flow(partner()).claims


def test_13_14_unknown_parameters_and_order_mean_nothing(partner, signed_in):
    portail = partner()
    asked = dict(reversed(portail.request(scope="email openid", extra="foobar").items()))

    assert "code" in answer_of(signed_in.get(f"/authorize?{urlencode(asked)}"))[1]


@pytest.mark.parametrize(
    "change",
    [
        {"login_hint": "anne@exemple.fr"},
        {"ui_locales": "se en"},
        {"claims_locales": "se"},
        {"display": "popup"},
        {"display": "page"},
        {"acr_values": "1 2"},
        {"scope": "openid inconnu"},
        {"response_mode": "query"},
        {"claims": '{"userinfo":{"inconnu":null},"autre":3}'},
    ],
)
def test_26_hints_never_cause_an_error(partner, signed_in, change):
    assert partner().code(signed_in, **change)


def test_18_the_query_of_a_registered_address_is_kept(partner, signed_in):
    portail = partner(redirect_uris=["https://portail.test/retour?lieu=ici"])
    response = portail.ask(signed_in)

    assert response.headers["Location"].startswith("https://portail.test/retour?lieu=ici&code=")


def test_C07_an_answer_names_its_issuer_and_nothing_unknown(partner, signed_in):
    assert set(answer_of(partner().ask(signed_in))[1]) == {"code", "state", "iss"}


@pytest.mark.parametrize("name", ["code", "access_token", "id_token", "refresh_token", "error", "iss", "demande_", "choix", "refus"])
def test_parameters_that_belong_to_answers_are_ignored(partner, signed_in, name):
    _, answer = answer_of(partner().ask(signed_in, **{name: "mien"}))

    assert "mien" not in answer.values()


def test_33_codes_are_256_random_bits(partner, signed_in):
    portail = partner()
    codes = {portail.code(signed_in) for _ in range(20)}

    assert len(codes) == 20
    assert all(len(code) == 43 and set(code) <= set(string.ascii_letters + string.digits + "-_") for code in codes)
