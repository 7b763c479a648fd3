"""Authorization details (RFC 9396) of type `urn:mag:habilitation`: for one establishment, as long as the rights hold, never wider."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey

from idp.database import db
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from tests.cabinet import siret_of, un_cabinet
from tests.factories import csrf_in
from tests.protocol.conftest import SIRET
from tests.protocol.relying import answer_of, hidden_fields

TYPE, OF_APPLICATIONS = "urn:mag:habilitation", "urn:mag:interops"
SCOPE = "openid habilitations:dsn habilitations:dpae"
HERE, THERE = str(siret_of(1)), str(siret_of(2))
BOTH = (Droit.DECLARER, Droit.PAYER)
ONE_BACKEND = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
pytestmark = pytest.mark.usefixtures("services")


def details(siret: str | None = HERE, services: object = None, **more: object) -> str:
    asked = {"type": TYPE, "siret": siret, "services": services, **more}
    return json.dumps([{name: value for name, value in asked.items() if value is not None}])


@pytest.fixture
def act(wsgi_app, un_declarant):
    """`act(attribuer, HERE, "dsn", droits)`: a gesture of the pages."""

    def do(operation, siret: str, service: str, droits=BOTH) -> None:
        with wsgi_app.flask.app_context():
            operation(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), un_declarant, int(siret), service, droits)
            db.session.commit()

    return do


@pytest.fixture
def portail(partner, act):
    """A partner that knows the type, and a person who may declare and pay HERE."""
    act(attribuer, HERE, "dsn")
    return partner(scope=SCOPE, authorization_details_types=[TYPE])


def error_of(response) -> str:
    return answer_of(response)[1]["error"]


# ------------------------------------------------------------------------------------------------------------- refusals


@ONE_BACKEND
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param('[{"type":"paiement"}]', id="5-unknown-type"),
        pytest.param(details(siret="78467169500088"), id="5-a-siret-whose-key-is-false"),
        pytest.param(details(siret="784671695"), id="5-a-siren"),
        pytest.param(f'[{{"type":"{TYPE}","siret":{HERE}}}]', id="5-a-number"),
        pytest.param(f'[{{"type":"{TYPE}","siret":""}}]', id="5-empty"),
        pytest.param(details(actions=["declarer"]), id="5-a-member-of-no-meaning-here"),
        pytest.param(details(services=[]), id="5-no-service"),
        pytest.param(details(services="dsn"), id="5-services-is-a-text"),
        pytest.param(details(services=[["dsn"]]), id="5-services-is-a-list-of-lists"),
        pytest.param(details(services={"dsn": "x"}), id="5-an-unknown-letter"),
        pytest.param(details(services={"dsn": ""}), id="5-no-letter"),
        pytest.param(details(services={"dsn": 1}), id="5-letters-are-a-number"),
        pytest.param(details(services=["compte-atmp"]), id="ours-a-service-that-is-not-registered"),
        pytest.param(details()[:-1] + "," + details(THERE)[1:], id="ours-two-establishments"),
        pytest.param("[" * 2000, id="C56-deep"),
        pytest.param(details(services=["d" * 7000]), id="C56-long"),
    ],
)
def test_9396_5_details_that_break_a_rule_are_refused(portail, signed_in, asked):
    assert error_of(portail.ask(signed_in, scope=SCOPE, authorization_details=asked)) == "invalid_authorization_details"
    pushed = portail.push(scope=SCOPE, authorization_details=asked)
    assert (pushed.status_code, pushed.json["error"]) == (400, "invalid_authorization_details")


def test_9396_5_a_client_that_did_not_register_the_type_is_refused(partner, signed_in):
    assert error_of(partner(scope=SCOPE).ask(signed_in, scope=SCOPE, authorization_details=details())) == "invalid_authorization_details"


def test_9396_5_no_service_at_all_is_an_error(portail, signed_in):
    assert error_of(portail.ask(signed_in, scope="openid", authorization_details=details())) == "invalid_authorization_details"


@pytest.mark.parametrize(("siret", "on"), [(THERE, None), (HERE, ["dpae"]), (HERE, {"dsn": "t"})])
def test_9396_an_establishment_where_the_person_holds_nothing_is_refused(portail, signed_in, siret, on):
    assert error_of(portail.ask(signed_in, scope=SCOPE, authorization_details=details(siret, on))) == "access_denied"


@pytest.mark.parametrize("grant", ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"])
def test_9396_6_a_grant_that_is_about_nobody_takes_none(partner, grant):
    machine = partner(
        "machine",
        grant_types=[grant],
        redirect_uris=[],
        response_types=[],
        exchange=["https://a.test"],
        scope="api:lire",
        authorization_details_types=[TYPE],
    )
    refused = machine.token(grant, authorization_details=details())

    assert (refused.status_code, refused.json["error"]) == (400, "invalid_authorization_details")


@pytest.mark.parametrize(
    ("path", "grant"),
    [
        ("/device_authorization", "urn:ietf:params:oauth:grant-type:device_code"),
        ("/bc-authorize", "urn:openid:params:grant-type:ciba"),
    ],
)
@ONE_BACKEND
def test_9396_3_details_that_would_be_left_unread_are_refused(partner, path, grant):
    tele = partner(
        "tele",
        grant_types=[grant],
        redirect_uris=[],
        response_types=[],
        scope=SCOPE,
        authorization_details_types=[TYPE],
        backchannel_token_delivery_mode="poll",
    )
    refused = tele.post(path, {"scope": "openid", "login_hint": "anne.lefevre@exemple.fr", "authorization_details": details()})

    assert (refused.status_code, refused.json["error"]) == (400, "invalid_authorization_details")


# -------------------------------------------------------------------------------------------------------------- granted


def test_9396_7_the_answer_the_token_and_introspection_say_what_was_granted(portail, signed_in):
    response = portail.redeem(portail.code(signed_in, scope=SCOPE, authorization_details=details()))
    granted = [{"type": TYPE, "siret": HERE, "services": {"dsn": "dpc"}}]
    token = response.json["access_token"]

    assert response.status_code == 200
    assert response.json["authorization_details"] == granted
    assert portail.verified(token, "at+jwt")["authorization_details"] == granted
    assert portail.introspect(token).json["authorization_details"] == granted
    assert portail.userinfo(token).json["authorization_details"] == granted


def test_ours_a_token_for_one_establishment_tells_nothing_of_the_others(portail, signed_in, act):
    act(attribuer, THERE, "dpae", (Droit.DECLARER,))
    response = portail.redeem(portail.code(signed_in, scope=SCOPE, authorization_details=details()))
    tokens = [portail.verified(response.json[name]) for name in ("access_token", "id_token")]

    for told in (*tokens, portail.introspect(response.json["access_token"]).json, portail.userinfo(response.json["access_token"]).json):
        assert not {"hab", "_claim_names", "_claim_sources"} & told.keys()
        assert THERE not in json.dumps(told)


def test_9396_6_pushed_details_count_as_those_of_the_address(portail, signed_in):
    uri = portail.pushed(scope=SCOPE, authorization_details=details(services={"dsn": "d"}))
    code = answer_of(portail.ask_by(signed_in, uri))[1]["code"]

    assert portail.redeem(code).json["authorization_details"][0]["services"] == {"dsn": "d"}


def test_9396_the_services_that_details_name_need_no_scope(portail, signed_in):
    code = portail.code(signed_in, scope="openid", authorization_details=details(services=["dsn"]))

    assert portail.redeem(code).json["authorization_details"][0]["services"] == {"dsn": "dpc"}


def test_an_opaque_token_is_introspected_the_same(partner, portail, signed_in):
    opaque = partner("opaque", scope=SCOPE, authorization_details_types=[TYPE], access_token_format="opaque")
    response = opaque.redeem(opaque.code(signed_in, scope=SCOPE, authorization_details=details())).json

    assert opaque.introspect(response["access_token"]).json["authorization_details"] == response["authorization_details"]


def test_a_third_party_asks_the_person_about_the_services_that_details_name(partner, portail, signed_in):
    tiers = partner("tiers", scope=SCOPE, authorization_details_types=[TYPE], first_party=False)
    page = tiers.ask(signed_in, scope="openid", authorization_details=details(services=["dsn"]))

    assert "vos droits (déclarer, payer…) sur le service" in page.text


# ------------------------------------------------------------------------------------------------------------- narrowing


def test_9396_6_a_token_request_may_ask_for_less(portail, signed_in):
    response = portail.redeem(
        portail.code(signed_in, scope=SCOPE, authorization_details=details()), authorization_details=details(services={"dsn": "d"})
    )
    renewed = portail.refresh(response.json["refresh_token"])
    narrowed = portail.refresh(renewed.json["refresh_token"], authorization_details=details(siret=None, services={"dsn": "p"}))

    assert response.json["authorization_details"][0]["services"] == {"dsn": "d"}
    assert renewed.json["authorization_details"][0]["services"] == {"dsn": "dpc"}, "less for one token alone"
    assert narrowed.json["authorization_details"][0] == {"type": TYPE, "siret": HERE, "services": {"dsn": "p"}}


@ONE_BACKEND
@pytest.mark.parametrize(
    "wider",
    [
        pytest.param(details(THERE), id="another-establishment"),
        pytest.param(details(services={"dsn": "dp"}), id="another-right"),
        pytest.param(details(services=["dpae"]), id="another-service"),
        pytest.param("[{}]", id="no-type"),
        pytest.param("x", id="not-json"),
    ],
)
def test_9396_6_never_for_more_and_a_refusal_spends_no_refresh_token(portail, signed_in, wider):
    code = portail.code(signed_in, scope=SCOPE, authorization_details=details(services={"dsn": "d"}))
    held = portail.redeem(code).json["refresh_token"]
    refused = portail.refresh(held, authorization_details=wider)

    assert (refused.status_code, refused.json["error"]) == (400, "invalid_authorization_details")
    assert portail.refresh(held).json["authorization_details"][0]["services"] == {"dsn": "d"}


def test_9396_6_nothing_is_narrowed_where_nothing_was_granted(portail, signed_in):
    tokens = portail.tokens(portail.redeem(portail.code(signed_in, scope=SCOPE)))

    assert "hab" in tokens.access
    assert portail.refresh(tokens.refresh_token, authorization_details=details()).json["error"] == "invalid_authorization_details"


def test_8693_an_exchanged_token_is_for_the_same_establishment(partner, portail, signed_in):
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    wide = partner(scope=SCOPE, authorization_details_types=[TYPE], audience=["https://api.test"])
    paie = partner(
        "paie",
        grant_types=[exchange],
        redirect_uris=[],
        response_types=[],
        scope="openid habilitations:dpae",
        exchange=["https://dsn.test"],
        introspect=["https://api.test"],
    )
    token = wide.redeem(wide.code(signed_in, scope=SCOPE, authorization_details=details())).json["access_token"]
    kind = "urn:ietf:params:oauth:token-type:access_token"
    told = paie.token(exchange, subject_token=token, subject_token_type=kind, scope="openid").json

    assert told["authorization_details"] == [{"type": TYPE, "siret": HERE, "services": {}}], "none of the services that it may ask about"


# -------------------------------------------------------------------------------------------------------------- freshness


def test_C47_a_withdrawn_right_is_issued_no_more_and_introspection_says_so_at_once(portail, signed_in, act):
    tokens = portail.redeem(portail.code(signed_in, scope=SCOPE, authorization_details=details())).json
    act(retirer, HERE, "dsn", (Droit.PAYER,))

    assert portail.introspect(tokens["access_token"]).json["authorization_details"][0]["services"] == {"dsn": "dc"}
    assert portail.refresh(tokens["refresh_token"]).json["authorization_details"][0]["services"] == {"dsn": "dc"}
    act(retirer, HERE, "dsn", (Droit.DECLARER, Droit.CONSULTER))
    assert portail.introspect(tokens["access_token"]).json["authorization_details"][0]["services"] == {}
    assert error_of(portail.ask(signed_in, scope=SCOPE, authorization_details=details())) == "access_denied"


def test_C10_a_service_withdrawn_from_the_client_is_told_no_more(portail, partner, signed_in):
    token = portail.redeem(portail.code(signed_in, scope=SCOPE, authorization_details=details())).json["access_token"]
    partner(scope="openid habilitations:dpae", authorization_details_types=[TYPE])

    assert portail.introspect(token).json["authorization_details"][0]["services"] == {}


# --------------------------------------------------------------------------------------------------------------- the pick


@pytest.fixture
def cabinet(wsgi_app, un_declarant):
    """Sixty clients, and the right to declare for each."""
    return un_cabinet(wsgi_app.flask, un_declarant, 60, wsgi_app.mag.catalogue(), each=7)


@pytest.fixture
def at_page(partner, cabinet, signed_in):
    """A partner that lets the person pick, and the page."""
    portail = partner(scope=SCOPE, authorization_details_types=[TYPE])
    where = portail.ask(signed_in, scope=SCOPE, authorization_details=details(None)).headers["Location"]
    assert where.startswith("/connexion/client?demande=")
    return portail, where, signed_in.get(where)


def picked(signed_in, page, siret: str, **changes: str):
    fields = {"demande": hidden_fields(page)["demande"], "csrf": csrf_in(page.text)}
    return signed_in.post("/connexion/client", data={**fields, "siret": siret, **changes})


def test_a_person_picks_by_name_and_the_code_carries_it(at_page, signed_in, journal, cabinet):
    portail, where, page = at_page
    assert "BOULANGERIE MARTIN 00000" in page.text
    found = signed_in.get(f"{where}&q=lefevre+00008").text
    assert found.count('name="siret"') == 1 == found.count("FLEURISTE LEFEVRE 00008"), found
    answer = picked(signed_in, page, str(cabinet[8]))
    code = answer_of(signed_in.get(answer.headers["Location"]))[1]["code"]

    assert portail.redeem(code).json["authorization_details"] == [{"type": TYPE, "siret": str(cabinet[8]), "services": {"dsn": "dpc"}}]
    assert journal("EstablishmentPicked")[-1]["client_id"] == portail.client_id
    again = signed_in.get(where).text
    assert "Vos derniers choix" in again
    assert again.index(str(cabinet[8])) < again.index(str(cabinet[0]))


def test_pages_go_on_where_they_stopped_and_say_everything_once(at_page, signed_in, cabinet):
    import re
    from html import unescape

    told, text = [], at_page[2].text
    for _ in range(10):
        told += re.findall(r'name="siret" value="(\d+)"', text)
        following = re.search(r'href="([^"]*apres=[^"]*)"', text)
        if not following:
            break
        text = signed_in.get(unescape(following[1])).text

    assert sorted(map(int, told)) == sorted(cabinet)


def test_whatever_is_searched_is_answered(at_page, signed_in):
    for query in ("zzz", "%", "_", "\\", "é" * 300, "0" * 14, "123456789", "٣", "'", "a b c d e f g h"):
        response = signed_in.get(f"{at_page[1]}&{urlencode({'q': query})}")
        assert response.status_code == 200
        assert 'name="siret"' not in response.text or not query[0].isalnum() or " " in query, query
    for after in ("x", "9" * 40, "1.", "-1", "1." + "z" * 300):
        assert signed_in.get(f"{at_page[1]}&{urlencode({'q': 'a', 'apres': after})}").status_code == 200


@ONE_BACKEND
@pytest.mark.parametrize("siret", ["", "x", "78467169500087", "0" * 14, "9" * 15, "7846716950008٧"])
def test_an_establishment_of_somebody_else_is_not_picked(at_page, signed_in, journal, siret):
    response = picked(signed_in, at_page[2], siret)

    assert response.status_code == 422
    assert "Vous n'avez pas de droit sur cet établissement" in response.text.replace("\u00a0", " ").replace("&#39;", "'")
    assert journal("EstablishmentPicked") == []


def test_an_establishment_written_in_the_address_is_confronted_with_the_rights(at_page, signed_in):
    demande = at_page[1].partition("demande=")[2]
    onward = signed_in.get(f"/authorize?demande={demande}&pour=78467169500087")

    assert onward.headers["Location"].startswith("/connexion/client?")


def test_C39_a_pick_from_elsewhere_is_refused(at_page, signed_in, cabinet):
    assert picked(signed_in, at_page[2], str(cabinet[0]), csrf="x").status_code == 403


def test_C82_a_pick_sent_twice_is_one_pick(at_page, signed_in, cabinet, wsgi_app):
    from idp.habilitations.choix.models import EtablissementChoisi

    assert [picked(signed_in, at_page[2], str(cabinet[0])).status_code for _ in range(2)] == [303, 303]
    with wsgi_app.flask.app_context():
        assert len(db.session.query(EtablissementChoisi).all()) == 1


def test_the_last_eight_picks_are_kept(at_page, signed_in, cabinet, wsgi_app, un_declarant):
    from idp.habilitations.choix.models import EtablissementChoisi

    for siret in cabinet[:10]:
        picked(signed_in, at_page[2], str(siret))
    with wsgi_app.flask.app_context():
        assert EtablissementChoisi.of(un_declarant) == [*reversed(cabinet[2:10])]


def test_a_page_without_a_session_leads_to_the_mire_and_without_a_request_too(at_page, client):
    assert client.get("/connexion/client").headers["Location"] == "/connexion"
    assert client.post("/connexion/client").headers["Location"] == "/connexion"


def test_a_request_about_nobody_s_establishment_goes_on(partner, signed_in, at_page):
    """The page of another request, reached by hand."""
    plain = partner("simple")
    demande = plain.ask(signed_in, prompt="select_account").headers["Location"].partition("demande=")[2]

    assert signed_in.get(f"/connexion/client?demande={demande}").headers["Location"].startswith("/authorize?demande=")


def test_silence_cannot_pick(at_page, signed_in):
    portail, _, _ = at_page

    assert error_of(portail.ask(signed_in, scope=SCOPE, prompt="none", authorization_details=details(None))) == "interaction_required"


def test_whoever_has_one_establishment_is_not_asked(portail, signed_in):
    answer = portail.ask(signed_in, scope=SCOPE, prompt="none", authorization_details=details(None))
    code = answer_of(signed_in.get(answer.headers["Location"]))[1]["code"]

    assert portail.redeem(code).json["authorization_details"][0]["siret"] == HERE


def test_select_organization_asks_even_when_the_partner_names_one(portail, signed_in, at_page):
    where = portail.ask(signed_in, scope=SCOPE, prompt="select_organization", authorization_details=details()).headers["Location"]

    assert where.startswith("/connexion/client?")
    answer = picked(signed_in, signed_in.get(where), HERE)
    assert "code" in answer_of(signed_in.get(answer.headers["Location"]))[1]


def test_whoever_holds_a_whole_company_picks_one_of_its_establishments(wsgi_app, partner, signed_in, act):
    from idp.entreprises.models import Etablissement
    from idp.entreprises.siret import Siret
    from tests.cabinet import completed, write_directory

    with wsgi_app.flask.app_context():
        write_directory([int(HERE)])
        other = completed(HERE[:9] + "0002")
        db.session.add(Etablissement(siret=Siret(other), actif=True, siege=False, statut_diffusion="O", commune="LILLE"))
        db.session.commit()
    act(attribuer, HERE[:9], "dsn")
    act(attribuer, THERE, "dsn")
    portail = partner(scope=SCOPE, authorization_details_types=[TYPE])
    where = portail.ask(signed_in, scope=SCOPE, authorization_details=details(None)).headers["Location"]
    page = signed_in.get(where)
    assert f"q={HERE[:9]}" in page.text
    company = signed_in.get(f"{where}&q={HERE[:9]}")

    assert [number in company.text for number in (HERE, other, THERE)] == [True, True, False]
    assert picked(signed_in, company, other).status_code == 303


def test_the_establishments_picked_are_forgotten_with_the_person_and_with_time(wsgi_app, un_declarant):
    from datetime import timedelta

    from idp.habilitations.choix.models import EtablissementChoisi

    now = datetime.now(UTC)
    with wsgi_app.flask.app_context():
        EtablissementChoisi.keep(un_declarant, int(HERE), now - timedelta(days=500))
        EtablissementChoisi.keep(un_declarant, int(THERE), now)
        assert EtablissementChoisi.purge(now) == 1
        EtablissementChoisi.forget_person(un_declarant)
        assert EtablissementChoisi.of(un_declarant) == []


# ------------------------------------------------------------------------------------------------------------------- sizes


def test_a_token_is_as_long_whatever_the_account_holds(wsgi_app, partner, new_declarant, browser_of):
    portail = partner(scope=SCOPE, authorization_details_types=[TYPE])
    lengths = []
    for count in (5, 400):
        person = new_declarant()
        cabinet = [siret_of(n) for n in range(count)]
        with wsgi_app.flask.app_context():
            gesture = Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC))
            for siret in cabinet:
                attribuer(gesture, person, siret, "dsn", BOTH)
            db.session.commit()
        code = portail.code(browser_of(person), scope=SCOPE, authorization_details=details())
        lengths.append(len(portail.redeem(code).json["access_token"]))

    assert abs(lengths[0] - lengths[1]) <= 4, "only the digits of identifiers differ"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_9449_details_live_in_tokens_bound_to_a_key(partner, portail, signed_in):
    bound = replace(
        partner("liee", scope=SCOPE, authorization_details_types=[TYPE], dpop_bound_access_tokens=True), dpop=ECKey.generate_key("P-256")
    )
    code = bound.code(signed_in, scope=SCOPE, authorization_details=details())

    assert bound.redeem(code).json["authorization_details"][0]["siret"] == HERE


def test_discovery_names_the_types(portail):
    assert portail.call("/.well-known/openid-configuration", "GET").json["authorization_details_types_supported"] == [TYPE, OF_APPLICATIONS]


def test_the_person_s_own_establishment_may_be_named(portail, signed_in, act):
    act(attribuer, SIRET, "dpae", (Droit.DECLARER,))
    code = portail.code(signed_in, scope=SCOPE, authorization_details=details(SIRET))

    assert portail.redeem(code).json["authorization_details"] == [{"type": TYPE, "siret": SIRET, "services": {"dpae": "d"}}]
