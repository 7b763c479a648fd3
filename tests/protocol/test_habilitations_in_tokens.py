"""Rights in tokens: form A for small accounts, form B and its pages beyond, nothing of services that were not granted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.authentication.session import COOKIE, close_session, find_session
from idp.database import Connections, db
from idp.habilitations import decision
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.models import DroitDirect, Operation
from tests.protocol.conftest import SIRET
from tests.protocol.relying import answer_of, unverified_claims

LONGEST = 3500
"""Bytes of a token, so that it fits the headers of any server with room for others."""
SCOPE = "openid habilitations:dsn habilitations:dpae"
FIRST = 10**13
pytestmark = pytest.mark.usefixtures("services")


@pytest.fixture
def give(wsgi_app, un_declarant):
    """`give("dsn", *targets)`: the right to declare, by the operation of the pages."""

    def act(service: str, *cibles: int, droits=(Droit.DECLARER,)) -> None:
        with wsgi_app.flask.app_context():
            gesture = Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC))
            for cible in cibles:
                attribuer(gesture, un_declarant, cible, service, droits)
            db.session.commit()

    return act


@pytest.fixture
def give_many(wsgi_app, un_declarant):
    """`give_many(3000, services, step)`: rows as an import would write them."""

    def act(count: int, services=("dsn",), *, distinct: bool = False) -> list[int]:
        catalogue, now = wsgi_app.mag.catalogue(), datetime.now(UTC)
        cibles = [FIRST + n * 100_000 for n in range(count)]
        with wsgi_app.flask.app_context():
            operation = Operation(at=now, by_id=None, kind="attribuer")
            db.session.add(operation)
            db.session.flush()
            for n, cible in enumerate(cibles):
                kept = [s for i, s in enumerate(services) if not distinct or n & (1 << i)] or services[:1]
                row = DroitDirect(declarant_id=un_declarant, cible=cible, operation_id=operation.id, effective_from=now - timedelta(days=1))
                row.masks = catalogue.masks({code: catalogue.services[code].droits - {Droit.TELECHARGER_OFFICIEL} for code in kept})
                db.session.add(row)
            db.session.commit()
        return cibles

    return act


def pages_of(portail, hab_claims, **options):
    """Every page of form B, as a partner reads them: (status or claims) until `next` is absent."""
    [source] = hab_claims["_claim_sources"].values()
    assert source["endpoint"] == "https://mag.test/habilitations/v1"
    following, pages = "", []
    while following is not None and len(pages) < 100:
        response = portail.call(
            "/habilitations/v1",
            "GET",
            headers={"Authorization": f"Bearer {source['access_token']}"},
            query_string={"next": following} if following else {},
            **options,
        )
        assert (response.status_code, response.content_type) == (200, "application/jwt"), response.text
        assert response.headers["Cache-Control"] == "no-store"
        claims = portail.verified(response.text)
        assert (claims["iss"], claims["aud"]) == ("https://mag.test", portail.client_id)
        pages.append(claims["habilitations"])
        following = pages[-1].get("next")
    return pages


# ---------------------------------------------------------------------------------------------------------------- form A


def test_without_such_a_scope_nothing_of_rights_is_said(partner, code_flow, give):
    give("dsn", int(SIRET))
    portail = partner(scope="openid habilitations:dsn")
    tokens = code_flow(portail, scope="openid")

    for claims in (tokens.claims, tokens.access, portail.userinfo(tokens.access_token).json):
        assert not {"hab", "_claim_names", "_claim_sources", "habilitations_flat"} & claims.keys()


def test_form_a_says_the_same_in_both_tokens_and_in_userinfo(partner, code_flow, give):
    give("dsn", int(SIRET), int(SIRET) // 100_000, droits=(Droit.DECLARER, Droit.PAYER))
    give("dpae", int(SIRET))
    portail = partner(scope=SCOPE)
    tokens = code_flow(portail, scope=SCOPE)
    hab = tokens.access["hab"]

    assert hab == tokens.claims["hab"] == portail.userinfo(tokens.access_token).json["hab"]
    assert (hab["v"], len(hab["e"])) == (1, 16)
    found = {(code, letters, target) for g in hab["g"] for code, letters in g["s"].items() for target in (*g.get("n", ()), *g.get("t", ()))}
    assert {("dsn", "dpc", "732829320"), ("dpae", "d", SIRET)} <= found


def test_C10_a_service_that_was_not_granted_is_not_told(partner, code_flow, give):
    give("dsn", int(SIRET))
    give("dpae", int(SIRET))
    narrow, wide = partner(scope="openid habilitations:dpae"), partner("autre", scope=SCOPE)

    assert code_flow(narrow, scope=SCOPE).access["hab"]["g"] == [{"s": {"dpae": "d"}, "t": [SIRET]}]
    assert code_flow(wide, scope="openid habilitations:dsn").access["hab"]["g"] == [{"s": {"dsn": "dc"}, "t": [SIRET]}]


def test_seen_a_flat_twin_for_software_that_drops_objects(partner, code_flow, give):
    give("dsn", int(SIRET), droits=(Droit.PAYER,))
    tokens = code_flow(partner(scope=SCOPE, hab_flat=True), scope=SCOPE)

    assert tokens.claims["habilitations_flat"] == [f"dsn:payer:{SIRET}", f"dsn:consulter:{SIRET}"]
    assert "habilitations_flat" not in tokens.access, "what travels in headers says it once"
    assert "habilitations_flat" not in code_flow(partner("autre", scope=SCOPE), scope=SCOPE).claims


def test_a_person_without_a_right_has_an_empty_list(partner, code_flow):
    assert code_flow(partner(scope=SCOPE), scope=SCOPE).access["hab"]["g"] == []


@pytest.mark.parametrize("count", [40, 41])
def test_the_bound_is_forty_targets(partner, code_flow, give_many, count):
    give_many(count)
    hab = code_flow(partner(scope=SCOPE), scope=SCOPE).access["hab"]

    assert ("g" in hab, "s" in hab) == (count == 40, count == 41)


@pytest.mark.parametrize("count", [1, 40, 41, 2500])
@pytest.mark.parametrize("distinct", [False, True], ids=["alike", "all-different"])
def test_no_token_is_longer_than_headers_bear(partner, code_flow, give_many, wsgi_app, count, distinct):
    """habilitations.md section 4.1: bound by signed bytes, not by count."""
    services = tuple(wsgi_app.mag.catalogue().services)
    give_many(count, services, distinct=distinct)
    scope = "openid profile email siret " + " ".join(f"habilitations:{code}" for code in services)
    portail = partner(scope=scope, access_token_signing_alg="RS256")
    tokens = code_flow(portail, scope=scope, nonce="n" * 64)

    assert len(tokens.access_token) <= LONGEST
    assert len(tokens.id_token) <= LONGEST


# ---------------------------------------------------------------------------------------------------------------- form B


def test_form_b_points_to_pages_that_say_everything_once(partner, code_flow, give_many):
    cibles = give_many(2500)
    portail = partner(scope=SCOPE)
    tokens = code_flow(portail, scope=SCOPE)
    hab = tokens.access["hab"]

    assert hab["c"] == {"siret": 2500, "pf": 0}
    assert hab["s"] == {"dsn": "dpc"}
    assert tokens.access["_claim_names"] == {"habilitations": "h1"}
    for claims in (tokens.access, tokens.claims, portail.userinfo(tokens.access_token).json):
        pages = pages_of(portail, claims)
        assert len(pages) > 1
        assert {(page["v"], page["e"]) for page in pages} == {(1, hab["e"])}
        told = [target for page in pages for g in page["g"] for target in g["t"]]
        assert sorted(map(int, told)) == cibles
        assert all(g["s"] == {"dsn": "dpc"} for page in pages for g in page["g"])


def test_C10_pages_never_leak_a_service_of_another_client(partner, code_flow, give_many):
    give_many(60, ("dsn", "dpae"))
    narrow = partner(scope="openid habilitations:dpae")
    pages = pages_of(narrow, code_flow(narrow, scope=SCOPE).access)

    assert {code for page in pages for g in page["g"] for code in g["s"]} == {"dpae"}


@pytest.fixture
def opened(partner, code_flow, give_many):
    """A partner, its tokens, and the pass that they hold."""
    give_many(60)
    portail = partner(scope=SCOPE)
    tokens = code_flow(portail, scope=SCOPE)
    return portail, tokens, tokens.access["_claim_sources"]["h1"]["access_token"]


def read(portail, given: str, **query: str):
    return portail.call("/habilitations/v1", "GET", headers={"Authorization": f"Bearer {given}"}, query_string=query)


def is_challenged(response) -> bool:
    return response.status_code == 401 and response.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_pass_that_is_not_one_is_refused(opened):
    portail, tokens, given = opened
    assert read(portail, given).status_code == 200

    altered = given[:-6] + ("AAAAAA" if given[-6:] != "AAAAAA" else "BBBBBB")
    for other in (tokens.access_token, tokens.id_token, tokens.access["jti"], altered, given[:-1], given + "A", "x", "é", "x" * 5000):
        sent = {"HTTP_AUTHORIZATION": f"Bearer {other}".encode().decode("latin-1")}
        assert is_challenged(portail.call("/habilitations/v1", "GET", environ_overrides=sent)), other
    assert is_challenged(portail.call("/habilitations/v1", "GET"))
    assert is_challenged(portail.call("/habilitations/v1", "GET", query_string={"access_token": given}))


def test_9449_7_a_pass_is_bound_to_the_key_of_its_token(partner, code_flow, give_many):
    give_many(60)
    portail = replace(partner(scope=SCOPE, dpop_bound_access_tokens=True), dpop=ECKey.generate_key("P-256"))
    tokens = code_flow(portail, scope=SCOPE)
    passes = [tokens.access, tokens.claims, portail.userinfo(tokens.access_token).json]

    for given in [found["_claim_sources"]["h1"]["access_token"] for found in passes]:
        headers = {"Authorization": f"DPoP {given}"}
        proof = portail.proof("/habilitations/v1", "GET", access_token=given)
        stolen = portail.proof("/habilitations/v1", "GET", access_token=given, key=ECKey.generate_key("P-256"))
        assert read(portail, given).status_code == 401
        assert portail.call("/habilitations/v1", "GET", headers=headers).status_code == 401
        assert portail.call("/habilitations/v1", "GET", headers={**headers, "DPoP": stolen}).status_code == 401
        assert portail.call("/habilitations/v1", "GET", headers={**headers, "DPoP": proof}).status_code == 200


def test_a_pass_opens_nothing_else(opened):
    portail, _, given = opened

    assert portail.userinfo(given).status_code == 401
    assert portail.introspect(given).json == {"active": False}


@pytest.mark.parametrize("next_", ["x", "0", "-1.5", "9" * 30 + ".0", "0.0.0", "٣.٣"])
def test_a_place_that_is_not_one_is_refused(opened, next_):
    portail, _, given = opened
    response = read(portail, given, next=next_)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("next_", ["0.0", "0.99999999999999", "99999.0", "999999999999999.9999999999999999"])
def test_a_place_that_was_never_given_reaches_nothing_that_is_not_one_s_own(opened, next_, new_declarant):
    portail, _, given = opened
    response = read(portail, given, next=next_)

    assert response.status_code == 200
    assert all(int(t) >= FIRST for g in unverified_claims(response.text)["habilitations"]["g"] for t in g["t"])


def test_C21_a_pass_dies_with_its_token(opened):
    portail, _, given = opened

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        assert is_challenged(read(portail, given))


def test_C21_a_pass_asked_later_dies_with_its_token_too(opened):
    """Whoever reads userinfo or introspects at the last moment gains no time."""
    portail, tokens, _ = opened
    begun = datetime.now(UTC)
    with time_machine.travel(begun + timedelta(seconds=290)):
        told = [portail.userinfo(tokens.access_token).json, portail.introspect(tokens.access_token).json]
        passes = [found["_claim_sources"]["h1"]["access_token"] for found in told]
        assert [read(portail, given).status_code for given in passes] == [200, 200]
    with time_machine.travel(begun + timedelta(seconds=301)):
        assert [read(portail, given).status_code for given in passes] == [401, 401]


def test_C10_introspection_leaves_out_a_service_withdrawn_from_the_client(opened, partner):
    portail, tokens, _ = opened
    partner(scope="openid")

    assert portail.introspect(tokens.access_token).json.keys().isdisjoint({"hab", "_claim_sources"})


def test_C21_a_pass_dies_with_its_family(opened):
    portail, tokens, given = opened
    portail.revoke(tokens.refresh_token)

    assert is_challenged(read(portail, given))


def test_C21_a_pass_dies_with_its_session(opened, signed_in, wsgi_app):
    portail, _, given = opened
    mag, cookie = wsgi_app.mag, signed_in.get_cookie(COOKIE, domain="mag.test").value
    close_session(mag.ephemeral, mag.settings, find_session(mag.ephemeral, mag.settings, cookie, datetime.now(UTC)))

    assert is_challenged(read(portail, given))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_bound_of_a_partner_may_be_its_own(partner, code_flow, give_many):
    give_many(60)

    assert "g" in code_flow(partner(scope=SCOPE, hab_bound=60), scope=SCOPE).access["hab"]
    assert "c" in code_flow(partner("autre", scope=SCOPE, hab_bound=0), scope=SCOPE).access["hab"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_page_is_not_a_hint_nor_an_access_token(opened, signed_in):
    portail, _, given = opened
    page = read(portail, given).text

    assert portail.userinfo(page).status_code == 401
    assert answer_of(portail.ask(signed_in, prompt="none", id_token_hint=page))[1]["error"] == "invalid_request"


def test_C47_introspection_tells_the_rights_of_now_in_the_form_they_have_now(opened, wsgi_app, un_declarant):
    portail, tokens, _ = opened
    assert "_claim_sources" in portail.introspect(tokens.access_token).json
    with wsgi_app.flask.app_context():
        db.session.execute(db.delete(DroitDirect).where(DroitDirect.declarant_id == un_declarant, DroitDirect.cible > FIRST))
        db.session.commit()
    now = portail.introspect(tokens.access_token).json

    assert now["hab"]["g"] == [{"s": {"dsn": "dpc"}, "t": [str(FIRST)]}]
    assert not {"_claim_names", "_claim_sources"} & now.keys()


# ------------------------------------------------------------------------------------------- rights that change meanwhile


@pytest.mark.parametrize("statement", range(8))
def test_C47_a_version_is_never_newer_than_what_it_names(wsgi_app, un_declarant, give, statement):
    """The right is taken between two statements of one reading, whichever they are: a page is of one state; a token may hold
    newer rights than its version says, which the next version tells, never older ones."""
    give("dsn", int(SIRET))
    other = Connections(wsgi_app.mag.settings.database_url)
    catalogue, now = wsgi_app.mag.catalogue(), datetime.now(UTC)
    asked = {"services": frozenset({"dsn"}), "now": now}

    def take() -> None:
        with wsgi_app.flask.app_context():
            retirer(Gesture(None, catalogue, now), un_declarant, int(SIRET), "dsn", [Droit.DECLARER])
            db.session.commit()

    class Interrupted:
        """The connections of a process, where another one acts after so many statements."""

        count = 0

        def all(self, *arguments, **named):
            found = other.all(*arguments, **named)
            self.count += 1
            if self.count == statement + 1:
                take()
            return found

    before = decision.rights_version(other, catalogue, un_declarant, now)
    page = decision.claim_page(interrupted := Interrupted(), catalogue, un_declarant, **asked)
    taken = decision.rights_version(other, catalogue, un_declarant, now)
    assert (page.version, bool(page.targets)) in ((before, True), (taken, False))
    assert (taken != before) == (interrupted.count > statement)

    give("dsn", int(SIRET))
    before = decision.rights_version(other, catalogue, un_declarant, now)
    token = decision.disclose(Interrupted(), catalogue, un_declarant, bound=40, **asked)
    assert (token.version, bool(token.targets)) in ((before, True), (before, False))
    other.drop()
