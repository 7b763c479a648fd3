"""Single Logout of SAML 2.0 (profiles section 4.4), from a service provider, from MAG, and across to OpenID Connect."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.oidc.backchannel.models import LogoutNotice
from idp.saml.assertion import response
from idp.saml.errors import REQUESTER, SUCCESS
from idp.saml.models import SamlParticipation
from idp.saml.slo import MOST_NAMED
from idp.saml.vocabulary import PERSISTENT, PREFIXES, Element, child, instant, root
from partners.saml import onboarding
from tests import factories
from tests.saml import KEYS, SLO, Posted, Site, answered, new_id, path_of, redirected, register

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


@pytest.fixture
def sites(wsgi_app: Any, signed_in: Client) -> dict[str, Site]:
    """Three, where the person went: by redirect, by post, and one that says nowhere how it is told."""
    found = {"un": Site("un"), "deux": Site("deux"), "muet": Site("muet")}
    register(wsgi_app, found["un"])
    register(wsgi_app, found["deux"], found["deux"].metadata(slo="POST"))
    register(wsgi_app, found["muet"], found["muet"].metadata(slo=""))
    return found


def visit(browser: Client, site: Site) -> Posted:
    return answered(browser, site.address(site.request()))


def logout_request(site: Site, assertion: Posted, **attributes: str) -> Element:
    head = {"ID": new_id(), "Version": "2.0", "IssueInstant": instant(datetime.now(UTC)), "Destination": SLO, **attributes}
    made = root("samlp:LogoutRequest", {name: value for name, value in head.items() if value}, "samlp saml")
    child(made, "saml:Issuer", site.entity_id)
    child(made, "saml:NameID", assertion.text(".//saml:NameID"), Format=PERSISTENT)
    child(made, "samlp:SessionIndex", assertion.find(".//saml:AuthnStatement").get("SessionIndex"))
    return made


def reply(site: Site, request: Element, *statuses: str) -> str:
    """Its answer, by redirect."""
    made = response(
        "samlp:LogoutResponse", new_id(), site.entity_id, SLO, request.get("ID", ""), datetime.now(UTC), *(statuses or (SUCCESS,))
    )
    return path_of(site.address(made, to=SLO, kind="SAMLResponse"))


def statuses(message: Element) -> list[str]:
    return [one.get("Value", "").rpartition(":")[2] for one in message.iter(f"{{{PREFIXES['samlp']}}}StatusCode")]


def is_out(browser: Client) -> bool:
    return "Se connecter" in browser.get("/connexion").text and browser.get("/compte").status_code == 303


def test_a_site_alone_ends_the_session(sites: dict[str, Site], signed_in: Client) -> None:
    asked = logout_request(sites["un"], visit(signed_in, sites["un"]))
    answer = signed_in.get(path_of(sites["un"].address(asked, "etat", to=SLO)))
    message = redirected(answer)

    assert answer.headers["Location"].startswith(f"{sites['un'].host}/saml/slo?SAMLResponse=")
    assert "&RelayState=etat&" in answer.headers["Location"]
    assert (statuses(message), message.get("InResponseTo")) == (["Success"], asked.get("ID"))
    assert is_out(signed_in)


def test_the_others_are_told_one_after_the_other(sites: dict[str, Site], signed_in: Client) -> None:
    first, second = visit(signed_in, sites["un"]), visit(signed_in, sites["deux"])
    asked = logout_request(sites["un"], first)
    page = signed_in.get(path_of(sites["un"].address(asked, to=SLO)))
    told = Posted.of(page)

    assert told.action == f"{sites['deux'].host}/saml/slo"
    assert f"form-action 'self' {sites['deux'].host};" in page.headers["Content-Security-Policy"]
    assert told.text(".//saml:NameID") == second.text(".//saml:NameID")
    assert told.root.find("ds:Signature", PREFIXES) is not None
    assert is_out(signed_in)

    made = response("samlp:LogoutResponse", new_id(), sites["deux"].entity_id, SLO, told.root.get("ID", ""), datetime.now(UTC), SUCCESS)
    end = signed_in.post("/saml/slo", data=sites["deux"].form(made, kind="SAMLResponse", to=SLO), headers={"Origin": sites["deux"].host})
    assert end.status_code == 200  # after a post, by a page
    assert f'href="{sites["un"].host}/saml/slo?SAMLResponse=' in end.text
    assert signed_in.get(reply(sites["deux"], told.root)).status_code == 400  # once


def test_a_request_may_be_posted_without_the_cookie(sites: dict[str, Site], signed_in: Client) -> None:
    asked = logout_request(sites["un"], visit(signed_in, sites["un"]))
    kept = signed_in.post("/saml/slo", data=sites["un"].form(asked, to=SLO), headers={"Origin": sites["un"].host})

    assert statuses(redirected(signed_in.get(kept.headers["Location"]))) == ["Success"]
    assert is_out(signed_in)


@pytest.mark.parametrize("answer", ["refused", "silent"])
def test_a_partial_failure_is_told(sites: dict[str, Site], signed_in: Client, answer: str) -> None:
    first = visit(signed_in, sites["un"])
    visit(signed_in, sites["muet" if answer == "silent" else "deux"])
    end = signed_in.get(path_of(sites["un"].address(logout_request(sites["un"], first), to=SLO)))
    if answer == "refused":
        end = signed_in.get(reply(sites["deux"], Posted.of(end).root, REQUESTER))

    assert statuses(redirected(end)) == ["Success", "PartialLogout"]


def test_mag_signs_out_everywhere_and_says_who_did_not_confirm(sites: dict[str, Site], signed_in: Client) -> None:
    for name in ("un", "muet"):
        visit(signed_in, sites[name])
    csrf = factories.csrf_in(signed_in.get("/").text)
    page = signed_in.post("/deconnexion", data={"csrf": csrf})

    assert 'http-equiv="refresh"' in page.text  # not a redirect: the policy of the form's page would stop it
    address = page.text.partition('id="retour"')[2].partition('href="')[2].partition('"')[0]
    request = redirected(TestResponse([], "303", {"Location": address.replace("&amp;", "&")}, None))  # type: ignore[arg-type]
    end = signed_in.get(signed_in.get(reply(sites["un"], request)).headers["Location"])

    assert "Site un" in end.text.partition("pas confirmé")[0]
    assert "Site muet" in end.text.partition("pas confirmé")[2]


def test_a_logout_by_saml_tells_openid_clients(
    wsgi_app: Any, sites: dict[str, Site], signed_in: Client, partner: Callable[..., Any]
) -> None:
    portal = partner("portail", backchannel_logout_uri="https://portail.test/sortie")
    tokens = portal.tokens(portal.redeem(portal.code(signed_in)))
    signed_in.get(path_of(sites["un"].address(logout_request(sites["un"], visit(signed_in, sites["un"])), to=SLO)))

    with wsgi_app.flask.app_context():
        assert [one.client_id for one in db.session.scalars(select(LogoutNotice))] == [portal.client_id]
    assert not portal.is_alive(tokens)


def test_a_logout_by_openid_goes_through_the_sites_of_saml(
    wsgi_app: Any, sites: dict[str, Site], signed_in: Client, partner: Callable[..., Any]
) -> None:
    portal = partner("portail", post_logout_redirect_uris=["https://portail.test/fini"])
    tokens = portal.tokens(portal.redeem(portal.code(signed_in)))
    visit(signed_in, sites["un"])
    asked = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": "https://portail.test/fini", "state": "etat"}
    told = signed_in.get("/session/end", query_string=asked)
    end = signed_in.get(reply(sites["un"], redirected(told)))

    assert end.headers["Location"].startswith("/session/end/fin?")
    assert signed_in.get(end.headers["Location"]).headers["Location"] == "https://portail.test/fini?state=etat"
    assert is_out(signed_in)
    with wsgi_app.flask.app_context():
        assert db.session.scalars(select(SamlParticipation)).all() == []


def test_the_page_of_the_end_goes_nowhere_that_is_not_registered(client: Client) -> None:
    page = client.get("/session/end/fin", query_string={"client_id": "x", "post_logout_redirect_uri": "https://evil.test", "saml": "x"})

    assert page.status_code == 400


# --------------------------------------------------------------------------------------------------------------- refusals


def test_a_logout_that_is_not_signed_or_not_for_now_is_refused(sites: dict[str, Site], signed_in: Client) -> None:
    site, now = sites["un"], datetime.now(UTC)
    assertion = visit(signed_in, site)
    signed = path_of(site.address(logout_request(site, assertion), to=SLO))
    others = [
        {"Destination": f"{SLO}/"},
        {"Destination": ""},
        {"Version": "1.1"},
        {"IssueInstant": instant(now - timedelta(minutes=10))},
        {"NotOnOrAfter": instant(now - timedelta(minutes=2))},
    ]
    addresses = [path_of(site.address(logout_request(site, assertion, **other), to=SLO)) for other in others]
    for address in (signed.partition("&SigAlg")[0], "/saml/slo", *addresses):
        assert signed_in.get(address).status_code == 400
    assert signed_in.get("/compte").status_code == 200


def test_one_site_does_not_end_the_session_in_the_name_of_another(sites: dict[str, Site], signed_in: Client, new_client: Any) -> None:
    mine, stranger = visit(signed_in, sites["un"]), Site("un", key=KEYS[1])
    assert signed_in.get(path_of(stranger.address(logout_request(stranger, mine), to=SLO))).status_code == 400
    other = signed_in.get(path_of(sites["muet"].address(logout_request(sites["muet"], mine), to=SLO)))
    assert other.status_code == 303  # it takes part in no session, and says nowhere how it is answered
    unknown = logout_request(sites["un"], mine)
    unknown.find("saml:NameID", PREFIXES).text = "quelqu'un d'autre"  # type: ignore[union-attr]
    assert statuses(redirected(signed_in.get(path_of(sites["un"].address(unknown, to=SLO))))) == ["Requester", "UnknownPrincipal"]

    assert signed_in.get("/compte").status_code == 200


def test_an_answer_of_another_site_does_not_go_on(sites: dict[str, Site], signed_in: Client) -> None:
    first = visit(signed_in, sites["un"])
    visit(signed_in, sites["deux"])
    told = Posted.of(signed_in.get(path_of(sites["un"].address(logout_request(sites["un"], first), to=SLO))))

    assert signed_in.get(reply(sites["un"], told.root)).status_code == 400


def test_a_session_that_is_not_named_does_not_end(
    sites: dict[str, Site], signed_in: Client, new_client: Any, sign_in: Any, un_declarant: int
) -> None:
    """The person has two: the site names the other one than this browser's."""
    visit(signed_in, sites["un"])
    other = new_client()
    sign_in(other, un_declarant)
    asked = logout_request(sites["un"], visit(other, sites["un"]))

    assert statuses(redirected(signed_in.get(path_of(sites["un"].address(asked, to=SLO))))) == ["Success"]
    assert is_out(other)
    assert signed_in.get("/compte").status_code == 200


@pytest.mark.parametrize("index", ["https://ailleurs.test/#session-7", "un index qui n'est pas de MAG", "A" * 22])
def test_a_session_that_mag_never_opened_ends_none(sites: dict[str, Site], signed_in: Client, index: str) -> None:
    """Core section 3.7.3.2: the session that the message names, and no other in its place."""
    asked = logout_request(sites["un"], visit(signed_in, sites["un"]))
    asked.find("samlp:SessionIndex", PREFIXES).text = index  # type: ignore[union-attr]

    answer = signed_in.get(path_of(sites["un"].address(asked, to=SLO)))

    assert statuses(redirected(answer)) == ["Requester", "UnknownPrincipal"]
    assert signed_in.get("/compte").status_code == 200


def test_sessions_beyond_measure_are_refused_and_none_named_is_this_browsers(sites: dict[str, Site], signed_in: Client) -> None:
    asked = logout_request(sites["un"], visit(signed_in, sites["un"]))
    named = asked.find("samlp:SessionIndex", PREFIXES)
    for n in range(MOST_NAMED):
        child(asked, "samlp:SessionIndex", f"autre-{n}")
    assert signed_in.get(path_of(sites["un"].address(asked, to=SLO))).status_code == 400
    assert signed_in.get("/compte").status_code == 200
    for extra in (named, *asked.findall("samlp:SessionIndex", PREFIXES)):
        if extra is not None and extra.getparent() is not None:
            asked.remove(extra)

    assert statuses(redirected(signed_in.get(path_of(sites["un"].address(asked, to=SLO))))) == ["Success"]
    assert is_out(signed_in)


def test_whoever_asked_and_was_disabled_meanwhile_is_not_answered(wsgi_app: Any, sites: dict[str, Site], signed_in: Client) -> None:
    """The other one answers, and the chain ends at MAG's own page."""
    first = visit(signed_in, sites["deux"])
    visit(signed_in, sites["un"])
    told = redirected(signed_in.get(path_of(sites["deux"].address(logout_request(sites["deux"], first), to=SLO))))
    with wsgi_app.flask.app_context():
        onboarding.set_enabled(onboarding.provider_named("deux"), False, datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()

    end = signed_in.get(reply(sites["un"], told))

    assert end.status_code == 303
    assert end.headers["Location"].startswith("/deconnexion?saml=")
    assert "Site un" in signed_in.get(end.headers["Location"]).text


def test_a_site_disabled_meanwhile_is_said_not_to_be_told(wsgi_app: Any, sites: dict[str, Site], signed_in: Client) -> None:
    first = visit(signed_in, sites["un"])
    visit(signed_in, sites["deux"])
    with wsgi_app.flask.app_context():
        onboarding.set_enabled(onboarding.provider_named("deux"), False, datetime.now(UTC))
        db.session.commit()
    wsgi_app.mag.versions.refresh()
    end = signed_in.get(path_of(sites["un"].address(logout_request(sites["un"], first), to=SLO)))

    assert statuses(redirected(end)) == ["Success", "PartialLogout"]


def test_a_second_sign_in_puts_off_the_end_of_a_participation(
    wsgi_app: Any, sites: dict[str, Site], signed_in: Client, sign_in: Any, un_declarant: int
) -> None:
    ends: list[datetime] = []
    for hours in (0, 1):
        sign_in(signed_in, un_declarant, at=datetime.now(UTC) + timedelta(hours=hours))
        visit(signed_in, sites["un"])
        with wsgi_app.flask.app_context():
            ends += db.session.scalars(select(SamlParticipation.expires_at))

    assert len(ends) == 2
    assert ends[1] - ends[0] >= timedelta(hours=1)


def test_a_site_that_kept_the_session_index_ends_it_from_any_browser(sites: dict[str, Site], signed_in: Client, new_client: Any) -> None:
    asked = logout_request(sites["un"], visit(signed_in, sites["un"]))
    again = path_of(sites["un"].address(asked, to=SLO))

    assert statuses(redirected(new_client().get(again))) == ["Success"]
    assert is_out(signed_in)
    assert statuses(redirected(new_client().get(again))) == ["Success"]
