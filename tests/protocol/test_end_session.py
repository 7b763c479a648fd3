"""Signing out at a partner's request. OpenID Connect RP-Initiated Logout 1.0; protocol checks 56 to 60; C67."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
import time_machine

from idp.authentication.session import COOKIE, guard_of_session
from tests.protocol.relying import altered, answer_of, hidden_fields

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
AFTER = "https://portail.test/deconnecte"


@pytest.fixture
def portail(partner):
    return partner(post_logout_redirect_uris=[AFTER, "https://portail.test/fin?lieu=ici"])


def leave(browser, method: str = "GET", **parameters: str):
    if method == "POST":
        return browser.post("/session/end", data=parameters)
    return browser.get("/session/end", query_string=parameters)


def answer_yes(browser, page, reponse: str = "oui"):
    return browser.post("/session/end/confirmation", data={**hidden_fields(page), "reponse": reponse})


def is_question(response) -> bool:
    return response.status_code == 200 and "Location" not in response.headers and "Se déconnecter&nbsp;?" in response.text


def is_refusal(response) -> bool:
    return response.status_code == 400 and "Location" not in response.headers


def is_signed_in(portail, browser) -> bool:
    return "code" in answer_of(portail.ask(browser, prompt="none"))[1]


# -------------------------------------------------------------------------------------------------- at once, with a hint


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_56_60_a_hint_of_this_session_ends_it_and_everything_born_of_it(portail, partner, signed_in, code_flow, method, journal):
    other = partner("autre")
    mine, theirs = code_flow(portail), code_flow(other)
    pending = other.code(signed_in)
    response = leave(signed_in, method, id_token_hint=mine.id_token, post_logout_redirect_uri=AFTER, state="é&=")

    assert answer_of(response) == (AFTER, {"state": "é&="})
    assert not is_signed_in(portail, signed_in)
    assert not portail.is_alive(mine)
    assert not other.is_alive(theirs)
    assert other.redeem(pending).json["error"] == "invalid_grant"
    for client, tokens in ((portail, mine), (other, theirs)):
        assert client.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert [line["client_id"] for line in journal("SessionClosed")] == ["portail"]


def test_C37_the_cookie_is_cleared_and_a_copy_of_it_is_worth_nothing(portail, signed_in, new_client, code_flow):
    copy = new_client()
    copy.set_cookie(COOKIE, signed_in.get_cookie(COOKIE, domain="mag.test").value, domain="mag.test", secure=True)
    response = leave(signed_in, id_token_hint=code_flow(portail).id_token, post_logout_redirect_uri=AFTER)

    assert signed_in.get_cookie(COOKIE, domain="mag.test") is None
    assert f"{COOKIE}=;" in response.headers["Set-Cookie"]
    assert not is_signed_in(portail, copy)


@ONLY_SQLITE
def test_59_without_state_nothing_is_added(portail, signed_in, code_flow):
    hint = code_flow(portail).id_token

    assert leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=AFTER).headers["Location"] == AFTER


@ONLY_SQLITE
def test_59_the_query_of_a_registered_address_is_kept(portail, signed_in, code_flow):
    response = leave(
        signed_in, id_token_hint=code_flow(portail).id_token, post_logout_redirect_uri="https://portail.test/fin?lieu=ici", state="s"
    )

    assert response.headers["Location"] == "https://portail.test/fin?lieu=ici&state=s"


@ONLY_SQLITE
def test_58_a_hint_without_an_address_shows_a_page(portail, signed_in, code_flow):
    response = leave(signed_in, id_token_hint=code_flow(portail).id_token, state="s")

    assert (response.status_code, "Votre session est fermée" in response.text) == (200, True)
    assert not is_signed_in(portail, signed_in)


@ONLY_SQLITE
def test_seen_an_expired_hint_is_accepted(portail, signed_in, code_flow):
    hint = code_flow(portail).id_token

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        assert leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=AFTER).headers["Location"] == AFTER


@ONLY_SQLITE
def test_a_hint_signs_out_a_browser_that_sends_no_cookie(portail, signed_in, client, code_flow):
    """A cross-site POST carries no Lax cookie: the hint names the session."""
    tokens = code_flow(portail)
    response = leave(client, "POST", id_token_hint=tokens.id_token, post_logout_redirect_uri=AFTER)

    assert response.headers["Location"] == AFTER
    assert not is_signed_in(portail, signed_in)
    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"


def test_a_hint_of_a_session_that_has_ended_writes_nothing_more(portail, partner, signed_in, client, code_flow, journal):
    """A link anybody can repeat; the answer stays the same."""
    code_flow(partner("autre", backchannel_logout_uri="https://partenaire.test/avis"))
    hint = code_flow(portail).id_token
    first = leave(client, id_token_hint=hint)
    again = [leave(browser, method, id_token_hint=hint) for browser in (client, signed_in) for method in ("GET", "POST", "GET")]

    assert len(journal("SessionClosed")) == 1
    assert {answer.status_code for answer in (first, *again)} == {200}
    assert all("<li>Portail autre</li>" in answer.text for answer in (first, *again))


@ONLY_SQLITE
def test_what_a_transaction_that_failed_left_open_is_closed_by_the_next_hint(portail, signed_in, client, code_flow, journal, wsgi_app):
    tokens = code_flow(portail)
    wsgi_app.mag.ephemeral.end(guard_of_session(tokens.claims["sid"]), lifetime=60)
    leave(client, id_token_hint=tokens.id_token)
    leave(client, id_token_hint=tokens.id_token)

    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert len(journal("SessionClosed")) == 1


@ONLY_SQLITE
def test_the_alias_of_other_providers_does_the_same(portail, signed_in, code_flow):
    query = urlencode({"id_token_hint": code_flow(portail).id_token, "post_logout_redirect_uri": AFTER})

    assert signed_in.get(f"/logout?{query}").headers["Location"] == AFTER


@ONLY_SQLITE
@pytest.mark.parametrize("parameters", [{}, {"state": "s"}, {"ui_locales": "fr-FR", "logout_hint": "x", "inconnu": "y"}])
def test_58_with_a_hint_and_nothing_else_a_page_says_who_is_told(portail, partner, signed_in, code_flow, parameters):
    """By name, in order; those that gave no address for it are not named."""
    address = "https://partenaire.test/avis"
    for name in ("zinc", "argent"):
        code_flow(partner(name, backchannel_logout_uri=address))
    page = leave(signed_in, id_token_hint=code_flow(portail).id_token, **parameters)

    assert page.status_code == 200
    assert "Sites prévenus de votre déconnexion" in page.text
    assert page.text.index("<li>Portail argent</li>") < page.text.index("<li>Portail zinc</li>")
    assert "<li>Portail portail</li>" not in page.text


@ONLY_SQLITE
def test_58_nobody_to_tell_is_not_a_list(portail, signed_in, code_flow):
    page = leave(signed_in, id_token_hint=code_flow(portail).id_token)

    assert "prévenu" not in page.text


@ONLY_SQLITE
def test_the_name_of_a_partner_is_escaped(partner, signed_in, code_flow):
    hostile = partner("hostile", client_name="<script>alert(1)</script>", backchannel_logout_uri="https://partenaire.test/avis")
    page = leave(signed_in, id_token_hint=code_flow(hostile).id_token)

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


@ONLY_SQLITE
def test_57_a_hint_turned_to_alg_none_or_of_another_client_s_secret_never_redirects(portail, signed_in, code_flow):
    header, payload, signature = code_flow(portail).id_token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()

    for hint in (f"{none}.{payload}.", f"{none}.{payload}.{signature}", f"{symmetric}.{payload}.{signature}", f"{header}.{payload}."):
        assert is_refusal(leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=AFTER))
    assert is_signed_in(portail, signed_in)


# ------------------------------------------------------------------------------------------------------------ a question


@ONLY_SQLITE
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "parameters", [{}, {"state": "s"}, {"client_id": "portail"}, {"client_id": "portail", "post_logout_redirect_uri": AFTER, "state": "s"}]
)
def test_C67_57_without_a_hint_the_person_is_asked(portail, signed_in, method, parameters):
    page = leave(signed_in, method, **parameters)

    assert is_question(page)
    assert is_signed_in(portail, signed_in), "an image or a link signs nobody out"
    done = answer_yes(signed_in, page)
    assert not is_signed_in(portail, signed_in)
    if "post_logout_redirect_uri" in parameters:
        assert answer_of(done) == (AFTER, {"state": "s"})
    else:
        assert done.status_code == 200
        assert "Location" not in done.headers


@ONLY_SQLITE
def test_a_person_who_says_no_stays_and_goes_nowhere_else(portail, signed_in):
    page = leave(signed_in, client_id="portail", post_logout_redirect_uri=AFTER)
    response = answer_yes(signed_in, page, "non")

    assert response.headers["Location"] == "/"
    assert is_signed_in(portail, signed_in)


@ONLY_SQLITE
def test_C67_a_hint_of_another_session_is_a_question(portail, signed_in, new_client, sign_in, new_declarant, code_flow):
    other = new_client()
    sign_in(other, new_declarant())
    hint = code_flow(portail, browser=other).id_token

    assert is_question(leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=AFTER))
    assert is_signed_in(portail, signed_in)
    assert is_signed_in(portail, other)


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("change", "headers"),
    [
        pytest.param({"csrf": "faux"}, {}, id="C39-wrong-value"),
        pytest.param({"csrf": ""}, {}, id="C39-no-value"),
        pytest.param({}, {"Origin": "https://mal.test"}, id="C39-foreign-origin"),
        pytest.param({}, {"Sec-Fetch-Site": "cross-site"}, id="C39-cross-site"),
    ],
)
def test_an_answer_that_does_not_come_from_our_page_is_refused(portail, signed_in, change, headers):
    form = {**hidden_fields(leave(signed_in)), "reponse": "oui", **change}

    assert signed_in.post("/session/end/confirmation", data=form, headers=headers).status_code == 403
    assert is_signed_in(portail, signed_in)


@ONLY_SQLITE
def test_the_address_is_checked_again_when_the_question_is_answered(portail, signed_in):
    form = {**hidden_fields(leave(signed_in, client_id="portail")), "reponse": "oui", "post_logout_redirect_uri": "https://mal.test/"}
    response = signed_in.post("/session/end/confirmation", data=form)

    assert is_refusal(response)


@ONLY_SQLITE
def test_the_question_repeats_nothing_unescaped(portail, signed_in):
    page = leave(signed_in, client_id="portail", post_logout_redirect_uri=AFTER, state='"><script>alert(1)</script>')

    assert "<script>alert" not in page.text
    assert hidden_fields(page)["state"] == '"><script>alert(1)</script>'


# --------------------------------------------------------------------------------------------------- nobody is redirected


@ONLY_SQLITE
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"post_logout_redirect_uri": "https://mal.test/"}, id="57-unregistered"),
        pytest.param({"post_logout_redirect_uri": AFTER + "?a=b"}, id="57-added-query"),
        pytest.param({"post_logout_redirect_uri": AFTER + "/"}, id="57-trailing-slash"),
        pytest.param({"post_logout_redirect_uri": "https://portail.test/retour"}, id="57-redirect-uri"),
        pytest.param({"post_logout_redirect_uri": "javascript:alert(1)"}, id="57-javascript"),
        pytest.param({"id_token_hint": "eyJhbGciOiJub25lIn0.e30."}, id="57-alg-none"),
        pytest.param({"id_token_hint": "n'importe quoi"}, id="57-nonsense"),
        pytest.param({"id_token_hint": "é" * 30}, id="57-accents"),
        pytest.param({"client_id": "autre"}, id="57-client-is-not-the-audience"),
    ],
)
def test_C67_what_is_not_registered_or_not_ours_never_redirects(portail, partner, signed_in, code_flow, change, method):
    partner("autre")
    asked = {"id_token_hint": code_flow(portail).id_token, "post_logout_redirect_uri": AFTER, "state": "s"}

    assert is_refusal(leave(signed_in, method, **(asked | change)))
    assert is_signed_in(portail, signed_in)


@ONLY_SQLITE
def test_57_a_hint_signed_by_another_key_never_redirects(portail, signed_in, code_flow):
    hint = altered(code_flow(portail).id_token)

    assert is_refusal(leave(signed_in, id_token_hint=hint, post_logout_redirect_uri=AFTER))
    assert is_refusal(leave(signed_in, id_token_hint=code_flow(portail).access_token, post_logout_redirect_uri=AFTER))


@ONLY_SQLITE
def test_an_address_of_a_client_that_is_not_named_never_redirects(portail, signed_in, client):
    for browser in (signed_in, client):
        assert is_refusal(leave(browser, post_logout_redirect_uri=AFTER))
        assert is_refusal(leave(browser, post_logout_redirect_uri=AFTER, client_id="inconnu"))
        assert is_refusal(leave(browser, post_logout_redirect_uri=AFTER, client_id="é"))


@ONLY_SQLITE
def test_C02_a_repeated_parameter_never_redirects(portail, signed_in, code_flow):
    query = urlencode([("id_token_hint", code_flow(portail).id_token), *[("post_logout_redirect_uri", AFTER)] * 2])

    assert is_refusal(signed_in.get(f"/session/end?{query}"))


@ONLY_SQLITE
def test_without_a_session_a_registered_address_is_gone_back_to(portail, client):
    response = leave(client, client_id="portail", post_logout_redirect_uri=AFTER, state="s")

    assert answer_of(response) == (AFTER, {"state": "s"})


@ONLY_SQLITE
def test_without_a_session_and_without_an_address_a_page_says_it_is_done(client):
    response = leave(client)

    assert (response.status_code, "Votre session est fermée" in response.text) == (200, True)
