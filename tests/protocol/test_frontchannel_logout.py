"""Frames that tell partners of a sign-out. OpenID Connect Front-Channel Logout 1.0; protocol checks 62 and 63."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from idp.config import Settings
from tests.factories import csrf_in
from tests.protocol.relying import hidden_fields

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
AFTER = "https://portail.test/deconnecte?lieu=ici"


@pytest.fixture
def settings(settings: Settings, request) -> Settings:
    return replace(settings, frontchannel_logout=getattr(request, "param", False))


@pytest.fixture
def framed(partner):
    def make(name: str = "portail", **metadata):
        given = {"frontchannel_logout_uri": f"https://{name}.test/depart", "post_logout_redirect_uris": [AFTER], **metadata}
        return partner(name, **given)

    return make


def leave(browser, tokens, **more: str):
    return browser.get("/session/end", query_string={"id_token_hint": tokens.id_token, **more})


def frames(page) -> list[str]:
    return [unescape(address) for address in re.findall(r'<iframe src="([^"]+)"', page.text)]


def frame_sources(page) -> list[str]:
    found = re.search(r"frame-src ([^;]+);", page.headers["Content-Security-Policy"])
    return found[1].split() if found else []


def test_2_a_frame_opens_the_registered_address_with_iss_and_sid(framed, signed_in, code_flow):
    portail = framed(frontchannel_logout_uri="https://portail.test/depart?lieu=ici&a=b")
    tokens = code_flow(portail)
    page = leave(signed_in, tokens)

    assert page.status_code == 200
    (address,) = frames(page)
    assert address.startswith("https://portail.test/depart?lieu=ici&a=b&iss=")
    query = parse_qs(urlsplit(address).query)
    assert query == {"lieu": ["ici"], "a": ["b"], "iss": [portail.issuer], "sid": [tokens.claims["sid"]]}


def test_63_the_policy_of_the_page_lists_exactly_these_origins(framed, partner, signed_in, code_flow):
    one = framed()
    elsewhere = "https://autre.test:8443"
    two = framed(
        "autre",
        frontchannel_logout_uri=f"{elsewhere}/depart",
        redirect_uris=[f"{elsewhere}/retour"],
        grant_types=["authorization_code"],
    )
    silent = partner("muet")
    for client in (two, silent):
        code_flow(client)
    page = leave(signed_in, code_flow(one))

    assert frame_sources(page) == ["https://autre.test:8443", "https://portail.test"]
    assert len(frames(page)) == 2
    assert "frame-src" not in signed_in.get("/connexion").headers["Content-Security-Policy"]


def test_63_the_way_back_waits_for_the_frames_without_a_script_too(framed, signed_in, code_flow):
    page = leave(signed_in, code_flow(framed()), post_logout_redirect_uri=AFTER, state="é&=")
    onward = f"{AFTER}&state=%C3%A9%26%3D"

    assert (page.status_code, "Location" in page.headers) == (200, False)
    assert [unescape(found) for found in re.findall(r'http-equiv="refresh" content="5; url=([^"]+)"', page.text)] == [onward]
    assert [unescape(found) for found in re.findall(r'id="retour" class="button primary" href="([^"]+)"', page.text)] == [onward]
    assert "depart.js" in page.text
    assert "Max-Age=0" in page.headers["Set-Cookie"] or "__Host-mag_s=;" in page.headers["Set-Cookie"]


def test_without_frames_the_way_back_is_direct(framed, partner, signed_in, code_flow):
    portail = partner(post_logout_redirect_uris=[AFTER])

    assert leave(signed_in, code_flow(portail), post_logout_redirect_uri=AFTER).location == AFTER


def test_the_page_of_a_question_answered_yes_has_the_frames(framed, signed_in, code_flow):
    code_flow(framed())
    page = signed_in.get("/session/end")
    done = signed_in.post("/session/end/confirmation", data={**hidden_fields(page), "reponse": "oui"})

    assert len(frames(done)) == 1


@pytest.mark.parametrize("portee", ["ici", "partout"])
def test_the_page_of_our_own_sign_out_has_the_frames_of_this_browser_s_session_for_five_minutes(
    framed, signed_in, new_client, sign_in, un_declarant, code_flow, portee
):
    portail, elsewhere = framed(), new_client()
    sign_in(elsewhere, un_declarant)
    code_flow(portail, browser=elsewhere)
    sid = code_flow(portail).claims["sid"]
    answer = signed_in.post("/deconnexion", data={"csrf": csrf_in(signed_in.get("/").text), "portee": portee})
    page = signed_in.get(answer.location)

    assert [parse_qs(urlsplit(address).query)["sid"] for address in frames(page)] == [[sid]]
    assert frame_sources(page) == ["https://portail.test"]
    assert "Portail portail" in page.text
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6)):
        late = signed_in.get(answer.location)
    assert (late.status_code, frames(late), "Portail portail" in late.text) == (200, [], False)


@pytest.mark.parametrize("depart", ["", "x", "é", "a" * 3000, "essai.AAAA", "==", "%00"])
def test_a_word_that_is_not_ours_shows_a_plain_page(client, depart):
    page = client.get("/deconnexion", query_string={"depart": depart})

    assert (page.status_code, frames(page)) == (200, [])
    assert "Votre session est fermée" in page.text


def test_a_frame_of_a_refused_sign_out_is_not_opened(framed, signed_in, code_flow):
    code_flow(framed())

    assert frames(signed_in.get("/session/end")) == []


@pytest.mark.parametrize("settings", [False, True], indirect=True)
def test_62_discovery_says_so_where_the_setting_says_so(settings, partner):
    document = partner().call("/.well-known/openid-configuration", "GET").json

    told = {name: document.get(name) for name in ("frontchannel_logout_supported", "frontchannel_logout_session_supported")}
    assert set(told.values()) == ({True} if settings.frontchannel_logout else {None})
    assert "check_session_iframe" not in document
