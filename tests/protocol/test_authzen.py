"""OpenID AuthZEN Authorization API 1.0: decisions and searches for partners, about subjects that they know, and no others."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from joserfc.jwk import ECKey

from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations.attribution import attribuer, exclure, retirer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.oidc.authzen import access
from tests.cabinet import completed, siret_of, un_cabinet, write_directory
from tests.protocol.conftest import SIRET
from tests.protocol.relying import hidden_fields

SCOPE = "openid habilitations:dsn habilitations:dpae"
HERE, THERE = str(siret_of(1)), str(siret_of(2))
BOTH = (Droit.DECLARER, Droit.PAYER)
PATHS = ("evaluation", "evaluations", "search/subject", "search/resource", "search/action")
ROUTES = (
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/access/v1/search/subject",
    "/access/v1/search/resource",
    "/access/v1/search/action",
)
ONE_BACKEND = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
pytestmark = pytest.mark.usefixtures("services")


@pytest.fixture
def act(wsgi_app, un_declarant):
    """`act(attribuer, HERE, "dsn", droits)`: a gesture of the pages."""

    def do(operation, cible: str, service: str, droits=BOTH, who: int = 0) -> None:
        with wsgi_app.flask.app_context():
            operation(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), who or un_declarant, int(cible), service, droits)
            db.session.commit()

    return do


@pytest.fixture
def portail(partner, act):
    """A partner that may ask decisions, and a person who may declare and pay HERE."""
    act(attribuer, HERE, "dsn")
    return asking(partner)


def asking(partner, client_id: str = "portail", **more):
    scope = more.pop("scope", SCOPE) + " habilitations:decision"
    return partner(client_id, scope=scope, grant_types=["authorization_code", "refresh_token", "client_credentials"], **more)


class Point:
    """The decision point, as a partner asks it."""

    def __init__(self, portail):
        self.portail = portail
        self.token = portail.token("client_credentials", scope="habilitations:decision").json["access_token"]

    def post(self, path: str, body, token: str | None = None, **headers: str):
        given = {"Authorization": f"Bearer {self.token if token is None else token}", "Content-Type": "application/json", **headers}
        return self.portail.call(f"/access/v1/{path}", data=body if isinstance(body, bytes) else json.dumps(body), headers=given)

    def ask(self, path: str, **body):
        response = self.post(path, body)
        assert response.status_code == 200, response.text
        return response.json

    def may(self, sub: str, action: str = "dsn.declarer", siret: str = HERE, kind: str = "etablissement", **properties: str):
        subject = {"type": "compte", "id": sub, **({"properties": properties} if properties else {})}
        return self.ask("evaluation", subject=subject, action={"name": action}, resource={"type": kind, "id": siret})


@pytest.fixture
def point(portail):
    return Point(portail)


@pytest.fixture
def sub(portail, code_flow):
    """Of the person, as the partner knows her."""
    return code_flow(portail, scope=SCOPE).claims["sub"]


# --------------------------------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("path", PATHS)
@ONE_BACKEND
def test_10_only_a_machine_of_a_partner_with_the_scope_may_ask(portail, partner, point, code_flow, path):
    person = code_flow(portail, scope=SCOPE).access_token
    plain = partner("simple", scope="openid api:lire", grant_types=["client_credentials"], redirect_uris=[])
    other = plain.token("client_credentials").json["access_token"]
    aimed = asking(partner, "visee", audience=["https://api.test"])
    elsewhere = aimed.token("client_credentials", scope="habilitations:decision", resource="https://api.test").json["access_token"]

    assert [point.post(path, {}, token).status_code for token in ("x", "", person, other, elsewhere)] == [401, 401, 401, 403, 401]
    assert (
        'resource_metadata="https://mag.test/.well-known/oauth-protected-resource/access/v1"'
        in (point.post(path, {}, "x").headers["WWW-Authenticate"])
    )
    assert portail.call(f"/access/v1/{path}", "GET").status_code == 405


@ONE_BACKEND
def test_10_a_client_that_lost_the_scope_asks_no_more(partner, portail, point, sub):
    partner(scope=SCOPE, grant_types=["authorization_code", "client_credentials"])

    assert point.post("evaluation", {}).status_code == 403


@ONE_BACKEND
def test_9449_a_bound_token_is_good_with_its_proof(partner, portail):
    bound = replace(asking(partner, "liee", dpop_bound_access_tokens=True), dpop=ECKey.generate_key("P-256"))
    point = Point(bound)
    body = {"subject": {"type": "compte", "id": "x"}, "action": {"name": "dsn.declarer"}, "resource": {"type": "etablissement", "id": HERE}}
    proof = bound.proof("/access/v1/evaluation", "POST", access_token=point.token)

    assert point.post("evaluation", body).status_code == 401
    assert point.post("evaluation", body, Authorization=f"DPoP {point.token}", DPoP=proof).json["decision"] is False


def test_the_scope_is_never_a_person_s(portail, code_flow):
    assert "habilitations:decision" not in code_flow(portail, scope=SCOPE + " habilitations:decision").scope


# ------------------------------------------------------------------------------------------------- what is not a question


@ONE_BACKEND
@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("evaluation", b"", id="empty"),
        pytest.param("evaluation", b"[]", id="an-array"),
        pytest.param("evaluation", b'{"subject":' + b"[" * 5000, id="C56-deep"),
        pytest.param("evaluation", b"\xff", id="not-utf8"),
        pytest.param("evaluation", {}, id="5.1-nothing"),
        pytest.param("evaluation", {"subject": {"type": "compte"}}, id="5.1-no-id"),
        pytest.param("evaluation", {"subject": "x", "action": {"name": "a.b"}, "resource": {"type": "a", "id": "b"}}, id="5.1-a-text"),
        pytest.param("evaluation", {"subject": {"type": "compte", "id": 1}}, id="5.1-a-number"),
        pytest.param("evaluations", {"evaluations": {}}, id="6.1-an-object"),
        pytest.param("evaluations", {"evaluations": [1]}, id="6.1-a-number"),
        pytest.param("evaluations", {"evaluations": [{}]}, id="6.1-an-evaluation-of-nothing"),
        pytest.param("evaluations", {"evaluations": [{}] * 1001}, id="ours-more-than-a-thousand"),
        pytest.param("evaluations", {"evaluations": [{}], "options": {"evaluations_semantic": "x"}}, id="6.1.1-semantic"),
        pytest.param("evaluations", {"evaluations": [{}], "options": 1}, id="6.1.1-options"),
        pytest.param("search/resource", {"subject": {"type": "compte", "id": "x"}, "action": {"name": "dsn.payer"}}, id="8-no-resource"),
        pytest.param("search/subject", {"subject": {}}, id="8-no-type"),
        pytest.param("search/action", {"subject": {"type": "compte", "id": "x"}}, id="8-no-resource-for-actions"),
    ],
)
def test_10_a_request_that_is_not_one_is_a_400(point, path, body):
    response = point.post(path, body)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


@ONE_BACKEND
def test_10_another_content_type_and_a_body_too_long_are_refused(point):
    assert point.post("evaluation", {}, **{"Content-Type": "text/plain"}).status_code == 415
    assert point.post("evaluation", b" " * (access.BODY_LIMIT + 1)).status_code == 413


@pytest.mark.parametrize(("name", "told"), [("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", True), ("x" * 129, False), ("é", False)])
@ONE_BACKEND
def test_10_the_name_of_a_request_comes_back(point, name, told):
    response = point.post("evaluation", {}, **{"X-Request-ID": name})

    assert (response.headers["X-Request-ID"] == name) is told


# ---------------------------------------------------------------------------------------------------------- one decision


def test_5_a_right_is_decided_with_its_origin_and_the_version(point, sub, portail, code_flow):
    version = code_flow(portail, scope=SCOPE).access["hab"]["e"]

    assert point.may(sub) == {"decision": True, "context": {"origine": "direct", "v": version}}
    assert point.may(sub, "dsn.payer") == {"decision": True, "context": {"origine": "direct"}}, "never to be kept"
    assert point.may(sub, siret=THERE) == {"decision": False, "context": {"reason": "aucun_droit"}}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        pytest.param({"action": "dsn.tout"}, "action_inconnue", id="action"),
        pytest.param({"action": "dsn"}, "action_inconnue", id="action-without-a-right"),
        pytest.param({"action": "atmp.declarer"}, "service_non_ouvert", id="C10-service"),
        pytest.param({"siret": "x"}, "ressource_inconnue", id="resource"),
        pytest.param({"siret": HERE[:9]}, "ressource_inconnue", id="a-siren-is-no-establishment"),
        pytest.param({"siret": "٣" * 14}, "ressource_inconnue", id="digits-of-another-script"),
        pytest.param({"kind": "navire"}, "ressource_inconnue", id="type"),
    ],
)
@ONE_BACKEND
def test_5_what_means_nothing_here_is_a_no(point, sub, asked, reason):
    assert point.may(sub, **asked) == {"decision": False, "context": {"reason": reason}}


def test_ours_a_right_on_a_whole_company(point, sub, act):
    assert not point.may(sub, siret=HERE[:9], kind="entreprise")["decision"]
    act(attribuer, HERE[:9], "dsn")

    assert point.may(sub, siret=HERE[:9], kind="entreprise")["decision"]
    assert point.may(sub, siret=completed(HERE[:9] + "0009"))["decision"]


def test_C47_a_withdrawal_is_seen_by_the_next_question(point, sub, act):
    assert point.may(sub, "dsn.payer")["decision"]
    act(retirer, HERE, "dsn")

    assert not point.may(sub, "dsn.payer")["decision"]


# --------------------------------------------------------------------------------------------------- whom it is about


def test_whoever_is_not_known_is_told_as_whoever_holds_nothing(partner, portail, point, sub, new_declarant, browser_of, code_flow):
    poor = code_flow(portail, browser=browser_of(new_declarant()), scope=SCOPE).claims["sub"]
    other = asking(partner, "autre", sector_identifier="autre.test")
    nothing = point.may(poor)

    assert nothing == {"decision": False, "context": {"reason": "aucun_droit"}}
    assert point.may("x") == point.may("x" * 300) == point.may("\0") == nothing
    assert Point(other).may(sub) == nothing, "another partner's subject"


def test_a_subject_is_known_from_the_services_that_were_granted(partner, act, code_flow):
    act(attribuer, HERE, "dsn")
    act(attribuer, HERE, "dpae", (Droit.DECLARER,))
    portail = asking(partner)
    sub = code_flow(portail, scope="openid habilitations:dsn").claims["sub"]
    point = Point(portail)

    assert [point.may(sub, action)["decision"] for action in ("dsn.declarer", "dpae.declarer")] == [True, False]


def test_C21_a_subject_is_known_as_long_as_its_session(point, sub, signed_in):
    assert point.may(sub)["decision"]
    fields = hidden_fields(signed_in.get("/session/end"))
    signed_in.post("/session/end/confirmation", data={**fields, "reponse": "oui"})

    assert not point.may(sub)["decision"]


def test_a_subject_of_a_session_that_has_grown_old_is_forgotten(wsgi_app, point, sub):
    from idp.oidc.authzen.models import SujetConnu

    with time_machine.travel(datetime.now(UTC) + timedelta(days=40)), wsgi_app.flask.app_context():
        assert SujetConnu.purge(datetime.now(UTC)) == 1
        db.session.commit()
    assert not point.may(sub)["decision"]


def test_an_access_that_outlives_the_session_ends_with_its_withdrawal(partner, portail, code_flow, signed_in, act):
    kept = asking(partner, "tenace", scope=SCOPE + " offline_access")
    sub = code_flow(kept, scope=SCOPE + " offline_access").claims["sub"]
    point = Point(kept)
    fields = hidden_fields(signed_in.get("/session/end"))
    agreements = signed_in.get("/autorisations")
    csrf = hidden_fields(agreements)["csrf"]
    assert point.may(sub)["decision"]
    signed_in.post("/autorisations", data={"csrf": csrf, "client": "tenace"})

    assert not point.may(sub)["decision"]
    assert fields


def test_a_suspended_person_may_nothing_more(wsgi_app, point, sub, un_declarant):
    from idp.declarants.statuts import Statut

    with wsgi_app.flask.app_context():
        db.session.get(Declarant, un_declarant).statut = Statut.SUSPENDU
        db.session.commit()

    assert not point.may(sub)["decision"]


def test_a_token_of_the_person_may_stand_for_what_was_told(partner, portail, code_flow):
    """A gateway of another sector, for which the token was aimed."""
    front = partner("vitrine", scope=SCOPE, audience=["https://api.test"])
    gateway = Point(asking(partner, "passerelle", introspect=["https://api.test"]))
    tokens = code_flow(front, scope=SCOPE)
    sub = tokens.access["sub"]

    assert gateway.may(sub, access_token=tokens.access_token)["decision"]
    assert not gateway.may(sub)["decision"], "without the token, unknown"
    assert not gateway.may("x", access_token=tokens.access_token)["decision"], "another subject"
    assert not Point(portail).may(sub, access_token=tokens.access_token)["decision"], "not aimed at this one"
    front.revoke(tokens.refresh_token)
    assert not gateway.may(sub, access_token=tokens.access_token)["decision"]


def test_9396_a_token_about_one_establishment_opens_no_other(partner, act, signed_in):
    act(attribuer, HERE, "dsn")
    act(attribuer, THERE, "dsn")
    portail = asking(partner, authorization_details_types=["urn:mag:habilitation"])
    details = json.dumps([{"type": "urn:mag:habilitation", "siret": HERE, "services": {"dsn": "d"}}])
    told = portail.redeem(portail.code(signed_in, scope="openid", authorization_details=details)).json
    sub, point, shown = portail.verified(told["id_token"])["sub"], Point(portail), {"access_token": told["access_token"]}

    assert point.may(sub, **shown)["decision"]
    assert not point.may(sub, siret=THERE, **shown)["decision"]
    assert not point.may(sub, "dsn.payer", **shown)["decision"]


# ------------------------------------------------------------------------------------------------------- many decisions


def several(*sirets: str, semantic: str = ""):
    asked = [{"resource": {"type": "etablissement", "id": siret}} for siret in sirets]
    return {"evaluations": asked, **({"options": {"evaluations_semantic": semantic}} if semantic else {})}


@pytest.mark.parametrize(
    ("semantic", "asked", "told"),
    [
        ("", (HERE, THERE, HERE), [True, False, True]),
        ("execute_all", (HERE, THERE, HERE), [True, False, True]),
        ("deny_on_first_deny", (HERE, THERE, HERE), [True, False]),
        ("deny_on_first_deny", (HERE, HERE), [True, True]),
        ("permit_on_first_permit", (THERE, HERE, THERE), [False, True]),
    ],
)
@ONE_BACKEND
def test_6_the_three_semantics(point, sub, semantic, asked, told):
    default = {"subject": {"type": "compte", "id": sub}, "action": {"name": "dsn.declarer"}}
    answer = point.ask("evaluations", **default, **several(*asked, semantic=semantic))

    assert [one["decision"] for one in answer["evaluations"]] == told


def test_6_each_evaluation_replaces_the_defaults_beside_it(point, sub):
    answer = point.ask(
        "evaluations",
        subject={"type": "compte", "id": sub},
        action={"name": "dsn.declarer"},
        evaluations=[
            {"resource": {"type": "etablissement", "id": HERE}},
            {"resource": {"type": "etablissement", "id": HERE}, "action": {"name": "dpae.declarer"}},
            {"resource": {"type": "etablissement", "id": HERE}, "subject": {"type": "compte", "id": "x"}},
            {"resource": {"type": "navire", "id": "x"}, "inconnu": [1, {"a": None}]},
        ],
    )

    assert [one["decision"] for one in answer["evaluations"]] == [True, False, False, False]


def test_6_no_evaluations_is_one_evaluation(point, sub):
    body = {"subject": {"type": "compte", "id": sub}, "action": {"name": "dsn.payer"}, "resource": {"type": "etablissement", "id": HERE}}

    assert point.ask("evaluations", **body)["decision"] is point.ask("evaluations", **body, evaluations=[])["decision"] is True


def test_6_a_thousand_in_one_request(point, sub):
    asked = [str(siret_of(n)) for n in range(1000)]
    answer = point.ask("evaluations", subject={"type": "compte", "id": sub}, action={"name": "dsn.payer"}, **several(*asked))

    assert [i for i, one in enumerate(answer["evaluations"]) if one["decision"]] == [1]


@ONE_BACKEND
def test_ours_a_client_is_braked(point, sub, monkeypatch):
    monkeypatch.setattr(access, "A_MINUTE", 3)

    assert [point.post("evaluation", body(sub)).status_code for _ in range(4)] == [200, 200, 200, 429]


def body(sub: str):
    return {"subject": {"type": "compte", "id": sub}, "action": {"name": "dsn.payer"}, "resource": {"type": "etablissement", "id": HERE}}


# ------------------------------------------------------------------------------------------------------------- searches


def searched(point, path: str, limit: int, **body):
    """Every result, page after page."""
    found, token = [], ""
    for _ in range(50):
        answer = point.ask(path, **body, page={"limit": limit, **({"token": token} if token else {})})
        assert len(answer["results"]) <= limit
        found += answer["results"]
        token = answer["page"]["next_token"]
        if not token:
            return found
    raise AssertionError("no end")


@pytest.mark.parametrize("limit", [3, 7, 1000])
def test_8_where_somebody_may_is_said_once(wsgi_app, point, sub, un_declarant, act, limit):
    cabinet = un_cabinet(wsgi_app.flask, un_declarant, 20, wsgi_app.mag.catalogue(), each=6)
    with wsgi_app.flask.app_context():
        for nic in ("0002", "0003"):
            place = Siret(completed(HERE[:9] + nic))
            db.session.add(Etablissement(siret=place, actif=True, siege=False, statut_diffusion="O"))
        db.session.commit()
    second, third = (completed(HERE[:9] + nic) for nic in ("0002", "0003"))
    act(attribuer, HERE[:9], "dsn")
    with wsgi_app.flask.app_context():
        exclure(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), un_declarant, int(third), {"dsn": frozenset(BOTH)})
        db.session.commit()
    question = {"subject": {"type": "compte", "id": sub}, "action": {"name": "dsn.payer"}}
    found = searched(point, "search/resource", limit, **question, resource={"type": "etablissement"})
    companies = searched(point, "search/resource", limit, **question, resource={"type": "entreprise"})

    assert sorted(one["id"] for one in found) == sorted({*map(str, cabinet), second})
    assert {one["type"] for one in found} == {"etablissement"}
    assert companies == [], "one establishment is taken away"


def test_8_a_page_is_of_one_search(point, sub, act):
    act(attribuer, THERE, "dsn")
    question = {"subject": {"type": "compte", "id": sub}, "action": {"name": "dsn.payer"}, "resource": {"type": "etablissement"}}
    token = point.ask("search/resource", **question, page={"limit": 1})["page"]["next_token"]

    assert token
    for change in ({"action": {"name": "dsn.declarer"}}, {"resource": {"type": "entreprise"}}):
        assert point.post("search/resource", {**question, **change, "page": {"token": token}}).status_code == 400
    for forged in ("x", token[:-1], "é", "x" * 9000):
        assert point.post("search/resource", {**question, "page": {"token": forged}}).status_code == 400
    for page in (1, {"limit": 0}, {"limit": "x"}, {"limit": True}, {"token": 1}):
        assert point.post("search/resource", {**question, "page": page}).status_code == 400
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
        again = Point(point.portail)
        assert again.post("search/resource", {**question, "page": {"token": token}}).status_code == 400


@ONE_BACKEND
def test_8_a_search_about_whom_nobody_knows_finds_nothing(point):
    nothing = {"page": {"next_token": "", "count": 0}, "results": []}
    who = {"subject": {"type": "compte", "id": "x"}}

    assert point.ask("search/resource", **who, action={"name": "dsn.payer"}, resource={"type": "etablissement"}) == nothing
    assert point.ask("search/action", **who, resource={"type": "etablissement", "id": HERE}) == nothing


def test_8_what_somebody_may_there(point, sub, act):
    act(attribuer, HERE, "dpae", (Droit.DECLARER,))
    found = point.ask("search/action", subject={"type": "compte", "id": sub}, resource={"type": "etablissement", "id": HERE})
    names = [one["name"] for one in found["results"]]

    assert names == ["dpae.declarer", "dsn.declarer", "dsn.payer", "dsn.consulter"]


@pytest.fixture
def chef(wsgi_app, new_declarant, browser_of, code_flow, portail):
    """An administrator of HERE; an access token that the partner has of them."""
    with wsgi_app.flask.app_context():
        write_directory([int(HERE), int(THERE)])
        db.session.commit()
    person = new_declarant(siret=HERE, role=Role.ADMINISTRATEUR)
    return code_flow(portail, browser=browser_of(person), scope=SCOPE).access_token


def who_may(siret: str = HERE, action: str = "dsn.payer", **context: str):
    asked = {"subject": {"type": "compte"}, "action": {"name": action}, "resource": {"type": "etablissement", "id": siret}}
    return {**asked, "context": context} if context else asked


def test_8_who_may_is_told_to_an_administrator_of_the_establishment(point, sub, chef, act, new_declarant):
    act(attribuer, HERE, "dsn", who=new_declarant())

    assert searched(point, "search/subject", 1, **who_may(access_token=chef)) == [{"type": "compte", "id": sub}], "whom the partner knows"


def test_8_and_to_nobody_else(portail, partner, point, sub, chef, signed_in, code_flow):
    other = code_flow(portail, scope=SCOPE).access_token
    elsewhere = code_flow(partner("vitrine", scope=SCOPE), scope=SCOPE).access_token
    refused = [who_may(), who_may(access_token="x"), who_may(access_token=other), who_may(access_token=elsewhere)]
    refused += [who_may(THERE, access_token=chef), {**who_may(), "context": 1}, {**who_may(), "context": {"access_token": 1}}]

    assert [point.post("search/subject", asked).status_code for asked in refused] == [403] * len(refused)
    assert point.ask("search/subject", **who_may("x", access_token=chef))["results"] == []
    assert point.ask("search/subject", **who_may(action="dsn.tout", access_token=chef))["results"] == []


# ------------------------------------------------------------------------------------------------------------- the rest


def test_9_metadata_lead_to_every_endpoint(point):
    found = point.portail.call("/.well-known/authzen-configuration", "GET").json

    assert found["policy_decision_point"] == "https://mag.test"
    assert {address.removeprefix("https://mag.test") for name, address in found.items() if name.endswith("_endpoint")} == set(ROUTES)
    assert all(point.portail.call(path).status_code == 401 for path in ROUTES)
    described = point.portail.call("/.well-known/oauth-protected-resource/access/v1", "GET").json
    assert described["scopes_supported"] == ["habilitations:decision"]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_what_a_decision_costs(wsgi_app, point, sub):
    """The brake; the subject, the version where it may be kept, the rights."""
    mag = wsgi_app.mag
    mag.versions.clock = lambda: 0.0
    mag.versions.until = 1.0

    def cost(act, *, known=True):
        if known:
            act()
        before = mag.ephemeral.count_of_trips, mag.connections.count
        act()
        return mag.ephemeral.count_of_trips - before[0], mag.connections.count - before[1]

    many = several(*(str(siret_of(n)) for n in range(1000)))
    assert cost(lambda: point.may(sub, "dsn.payer")) == (1, 2)
    assert cost(lambda: point.may(sub, "dsn.declarer"), known=False) == (1, 3)
    assert cost(lambda: point.may(sub, "dsn.declarer")) == (1, 2), "remembered under the version"
    assert cost(lambda: point.ask("evaluations", subject={"type": "compte", "id": sub}, action={"name": "dsn.payer"}, **many)) == (1, 2)


def test_what_is_remembered_is_never_older_than_a_gesture(point, sub, act):
    """A right that is withdrawn is gone at the next question; one that is given is there."""
    assert [point.may(sub, "dsn.declarer")["decision"] for _ in range(2)] == [True, True]
    act(retirer, HERE, "dsn", (Droit.DECLARER,))
    assert not point.may(sub, "dsn.declarer")["decision"]
    assert point.may(sub, "dsn.payer")["decision"]
    act(retirer, HERE, "dsn", (Droit.PAYER,))
    assert not point.may(sub, "dsn.payer")["decision"]
    act(attribuer, HERE, "dsn")
    assert point.may(sub, "dsn.declarer")["decision"]


def test_the_person_s_own_establishment(point, sub, act):
    act(attribuer, SIRET, "dpae", (Droit.DECLARER,))

    assert point.may(sub, "dpae.declarer", SIRET)["decision"]
