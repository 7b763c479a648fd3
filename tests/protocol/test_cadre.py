"""The frame of a partner's page, over HTTP: who may hold it, what its form opens, and what it leaves to a window of MAG."""

import html
import json
import re

import pytest

from idp.authentication.devices import COOKIE as DEVICE
from idp.authentication.session import COOKIE
from idp.authentication.split_cookie import COOKIE as HALF
from idp.oidc.account.history import KINDS
from tests.facteurs import with_totp
from tests.factories import NOM, PASSWORD, PRENOM, SIRET, csrf_in, un_declarant
from tests.protocol.relying import hidden_fields

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
INLINE = {"widget_modes": ["redirect", "inline"], "widget_inline_reason": "Un guichet qui n'a qu'une fenêtre."}
IN_FRAME = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}
POSTED = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin", "Origin": "null"}
BINDING = "__Host-mag_i"


@pytest.fixture
def portail(partner):
    return partner("portail", **INLINE)


@pytest.fixture
def claire(app):
    return un_declarant(app, email="claire@exemple.fr")


def page_of(partner):
    return partner.redirect_uri.removesuffix("/retour")


def show(browser, partner, headers=None, page=None, **changes):
    asked = {**partner.request(**changes), "origine": page_of(partner) if page is None else page}
    return browser.get("/cadre", query_string=asked, headers=IN_FRAME if headers is None else headers)


def send(browser, partner, shown, headers=None, query=None, **typed):
    """The form of a frame, as a person fills it; a field that is None is left out."""
    form = {**hidden_fields(shown), "siret": SIRET, "nom": NOM, "prenom": PRENOM, "password": PASSWORD, **typed}
    address = query or {"client_id": partner.client_id, "origine": page_of(partner)}
    sent = {name: value for name, value in form.items() if value is not None}
    return browser.post("/cadre", query_string=address, data=sent, headers=headers or POSTED)


def said(answer):
    """What the script gives to the page; nothing when a person must read something first."""
    found = re.search(r'data-reponse="([^"]*)"', answer.text)
    return json.loads(html.unescape(found[1])) if found else {}


def is_window(answer):
    return 'data-dire="fenetre"' in answer.text and "<form" not in answer.text


# -------------------------------------------------------------------------------------------------------- who may hold it


def test_C66_pages_of_the_client_alone_may_hold_it(client, portail):
    answer = show(client, portail)
    policy = answer.headers["Content-Security-Policy"]

    assert answer.status_code == 200
    assert f"frame-ancestors {page_of(portail)};" in policy
    assert "form-action 'self';" in policy
    assert "X-Frame-Options" not in answer.headers
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "publickey-credentials-get=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'data-page="{page_of(portail)}"' in answer.text


def is_refused(answer):
    return (
        answer.status_code == 403
        and answer.headers["X-Frame-Options"] == "DENY"
        and "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    )


@pytest.mark.parametrize("dest", [None, "document", "empty", "webidentity", "object", "IFRAME"])
def test_what_is_not_a_frame_is_refused(client, portail, dest):
    assert is_refused(show(client, portail, headers={"Sec-Fetch-Dest": dest} if dest else {}))


def test_w9_pages_of_other_origins_are_refused(client, portail):
    own = page_of(portail)
    for page in (
        "",
        "null",
        "*",
        "https://ailleurs.test",
        own.replace("://", "://sous."),
        own + "/",
        own + ":8443",
        own.replace("https", "http"),
    ):
        assert is_refused(show(client, portail, page=page)), page


def test_clients_without_the_mode_are_refused(client, partner):
    assert is_refused(show(client, partner("portail")))
    assert is_refused(client.get("/cadre", query_string={"client_id": "inconnu", "origine": "https://portail.test"}, headers=IN_FRAME))
    assert is_refused(client.get("/cadre", headers=IN_FRAME))


def test_the_registry_wants_a_reason_and_answers_that_a_script_may_carry(partner):
    for wrong in (
        {"widget_inline_reason": ""},
        {"widget_inline_reason": "parce que"},
        {"grant_types": ["implicit"], "response_types": ["id_token"]},
    ):
        with pytest.raises(Exception, match="inline"):
            partner("mauvais", **{**INLINE, **wrong})


# --------------------------------------------------------------------------------------------------------- what it opens


def test_a_password_gives_a_code_one_level_lower_and_no_session(client, portail, claire, journal):
    shown = show(client, portail, scope="openid siret")
    answer = send(client, portail, shown)
    told = said(answer)

    assert {name: told[name] for name in ("state", "iss")} == {"state": "etat-0123456789", "iss": "https://mag.test"}
    claims = portail.tokens(portail.redeem(told["code"])).claims
    assert (claims["acr"], claims["amr"]) == ("eidas0", ["pwd"])
    cookies = {one.partition("=")[0]: one for one in answer.headers.getlist("Set-Cookie")}
    assert set(cookies) == {DEVICE}
    assert COOKIE not in cookies
    assert HALF not in cookies
    assert "Set-Login" not in answer.headers
    assert client.get("/compte").headers["Location"].startswith("/connexion")
    assert journal("FrameCodeIssued") == [
        {"client_id": "portail", "declarant_id": claire.id, "outcome": "success", "sid": claims["sid"]},
    ]
    assert (journal("ConnexionOpened")[-1]["acr"], "FrameCodeIssued" in KINDS) == ("eidas0", True)


def test_its_cookies_cross_sites_and_stay_with_each(client, portail, claire):
    shown = show(client, portail)
    answer = send(client, portail, shown)

    for text in (*shown.headers.getlist("Set-Cookie"), *answer.headers.getlist("Set-Cookie")):
        assert text.startswith("__Host-"), text
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned"} <= set(text.split("; ")), text
    assert "Max-Age=600" in shown.headers["Set-Cookie"]


def test_every_failure_has_the_answer_of_the_mire(client, portail, claire):
    answers = [send(client, portail, show(client, portail), **typed) for typed in ({"password": "pas le bon du tout"}, {"nom": "Inconnue"})]

    assert {one.status_code for one in answers} == {422}
    assert len({len(one.data) for one in answers}) == 1
    assert all("Nous n'avons pas pu vous connecter" in html.unescape(one.text) for one in answers)
    assert send(client, portail, show(client, portail), siret="123").status_code == 422


def test_a_partner_s_mistake_is_told_to_its_page(client, portail):
    told = said(show(client, portail, scope="openid chorusdt"))
    assert (told["error"], told["state"]) == ("invalid_scope", "etat-0123456789")
    assert said(show(client, portail, code_challenge_method="plain"))["error"] == "invalid_request"
    assert said(show(client, portail, response_type="token"))["error"] == "invalid_request"
    foreign = show(client, portail, redirect_uri="https://ailleurs.test/retour")
    assert (foreign.status_code, said(foreign), is_window(foreign)) == (400, {}, True)


def test_scopes_withdrawn_since_the_form_was_shown_are_told_before_any_password(client, partner, portail, claire, journal):
    shown = show(client, portail, scope="openid siret")
    partner("portail", **INLINE, scope="openid")

    for password in (PASSWORD, "pas le bon du tout"):
        answer = send(client, portail, shown, password=password)
        told = said(answer)
        assert (answer.status_code, told["error"], told["state"]) == (200, "invalid_scope", "etat-0123456789")
    assert journal("ConnexionOpened") == journal("ConnexionRefused") == []


# -------------------------------------------------------------------------------------------------- what it leaves to a window


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "consent"},
        {"prompt": "create"},
        {"prompt": "select_account"},
        {"acr_values": "eidas1"},
        {"acr_values": "eidas1-mfa"},
        {"scope": "openid offline_access"},
        {"scope": "openid controles"},
        {"claims": '{"userinfo": {"controles": null}}'},
    ],
    ids=str,
)
def test_more_than_a_password_is_asked_in_a_window(client, partner, changes):
    portail = partner("portail", **INLINE, scope="openid offline_access controles")

    assert is_window(show(client, portail, **changes))


def test_a_level_that_a_frame_reaches_may_be_asked(client, portail, claire):
    assert said(send(client, portail, show(client, portail, acr_values="eidas0")))["code"]


def test_whoever_holds_a_second_factor_goes_on_in_a_window(app, client, portail, claire, journal):
    with_totp(app, claire)
    answer = send(client, portail, show(client, portail))

    assert (is_window(answer), said(answer)) == (True, {})
    assert journal("FrameLeft") == [{"client_id": "portail", "declarant_id": claire.id, "outcome": "success", "reason": "second-facteur"}]
    assert journal("ConnexionOpened") == []


def test_a_first_agreement_is_given_in_a_window_and_the_session_ends(client, partner, claire, journal):
    portail = partner("portail", **INLINE, first_party=False)
    answer = send(client, portail, show(client, portail))

    assert (is_window(answer), said(answer)) == (True, {})
    assert journal("FrameLeft")[-1]["reason"] == "consent"


# ------------------------------------------------------------------------------------------------------------- forged forms


def test_a_browser_without_its_cookie_goes_on_in_a_window(client, new_client, portail, claire):
    assert is_window(send(new_client(), portail, show(client, portail)))


def test_a_form_of_another_site_or_browser_opens_nothing(client, new_client, portail, partner, claire):
    shown, other = show(client, portail), new_client()
    show(other, portail)
    autre = partner("autre", **INLINE)
    refused = [
        send(client, portail, shown, headers={**POSTED, "Sec-Fetch-Site": "cross-site"}),
        send(client, portail, shown, headers={**POSTED, "Origin": page_of(portail)}),
        send(client, portail, shown, csrf=csrf_in(show(other, portail).text)),
        send(client, portail, shown, csrf=None),
        send(client, portail, shown, demande=None),
        send(other, portail, shown),
        send(client, portail, shown, query={"client_id": "autre", "origine": page_of(autre)}),
        send(client, portail, shown, headers={**POSTED, "Sec-Fetch-Dest": "document"}),
    ]

    assert {one.status_code for one in refused} <= {400, 403}
    assert [said(one) for one in refused] == [{}] * len(refused)
    assert said(send(client, portail, shown))["code"]
