"""Tokens made under an agreement: who may, where, until when, in which words, with which key, how often; and the evidence they leave."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from joserfc.jwk import ECKey

from idp.audit.traces.chainage import heads, of_vector, verify
from idp.database import db
from idp.habilitations.attribution import attribuer, retirer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.pagm import Possession
from idp.seals import digest
from tests.protocol.agreements import BANQUE, DECLARANT, DSN, PAYEUR, PROFILES, ROBOT, agree, cease, yesterday
from tests.protocol.conftest import SIRET
from tests.protocol.test_token_exchange import ACCESS_TOKEN, EXCHANGE, exchange, refused

pytestmark = pytest.mark.usefixtures("services")
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SCOPE = "openid pagm habilitations:dsn"


@pytest.fixture
def rights(wsgi_app, un_declarant):
    """`rights(attribuer, Droit.DECLARER)`: on the DSN of their own establishment."""

    def act(gesture, *droits):
        with wsgi_app.flask.app_context():
            gesture(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), un_declarant, int(SIRET), "dsn", droits)
            db.session.commit()

    return act


@pytest.fixture
def portail(partner):
    return partner("portail", audience=["https://paie.test"], scope=SCOPE)


@pytest.fixture
def paie(partner):
    """Receives the portal's tokens, and exchanges them where agreements let it; the registry opens nothing."""
    return partner("paie", grant_types=[EXCHANGE, "client_credentials"], redirect_uris=[], response_types=[], scope=SCOPE, **PAIE)


PAIE = {"introspect": ["https://paie.test"], "authorization_details_types": ["urn:mag:interops"]}


@pytest.fixture
def dsn(partner):
    """The other body: it reads the tokens aimed at it, and exchanges them further."""
    return partner("dsn", grant_types=[EXCHANGE], redirect_uris=[], response_types=[], scope=SCOPE, introspect=[DSN])


@pytest.fixture
def received(rights, portail, code_flow):
    """The token of a person who may declare, as the payroll service received it."""
    rights(attribuer, Droit.DECLARER)
    return code_flow(portail, scope=SCOPE).access_token


@pytest.fixture
def convention(wsgi_app, paie, dsn):
    return lambda **changes: agree(wsgi_app, "paie-dsn", "paie", "dsn", **changes)


def together(act, times=8):
    """What each of so many callers at once receives."""
    barrier = Barrier(times)

    def one(_):
        barrier.wait(10)
        return act()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(one, range(times)))


def issued(response):
    assert response.status_code == 200, response.text
    return response.json["access_token"]


def machine(client, **form):
    return client.token("client_credentials", resource=DSN, **form)


# ---------------------------------------------------------------------------------------------------- who, where, until when


def test_a_token_under_an_agreement_says_profiles_and_leaves_evidence(wsgi_app, convention, paie, dsn, received):
    convention(duree=60)
    answer = exchange(paie, received).json
    claims, told = paie.verified(answer["access_token"]), dsn.introspect(answer["access_token"]).json

    assert (claims["aud"], claims["pagm"], claims["act"]) == (DSN, [DECLARANT], {"sub": "paie"})
    assert claims["exp"] - claims["iat"] <= 60 >= answer["expires_in"]
    assert (told["active"], told["pagm"]) == (True, [DECLARANT])
    (ligne,) = of_vector(wsgi_app.mag.connections, digest(claims["jti"]))
    kept = json.loads(ligne.contenu)
    assert (kept["sub"], kept["pagm"], kept["act"], kept["convention"]) == (claims["sub"], [DECLARANT], {"sub": "paie"}, "paie-dsn")
    assert "jti" not in kept
    assert verify(wsgi_app.mag.connections, "paie-dsn") == []


@ONLY_SQLITE
@pytest.mark.parametrize(
    "dates",
    [
        pytest.param({"au": yesterday()}, id="ended"),
        pytest.param({"du": datetime.now(UTC).date() + timedelta(days=2)}, id="to-come"),
    ],
)
def test_an_agreement_that_is_not_in_force_opens_nothing_even_if_the_registry_does(partner, wsgi_app, dsn, received, dates):
    paie = partner(
        "paie", grant_types=[EXCHANGE], redirect_uris=[], response_types=[], scope=SCOPE, introspect=["https://paie.test"], exchange=[DSN]
    )
    issued(exchange(paie, received))
    agree(wsgi_app, "paie-dsn", "paie", "dsn", **dates)

    refused(exchange(paie, received), "invalid_target")


@ONLY_SQLITE
def test_an_agreement_that_ceases_ends_its_tokens_at_once(wsgi_app, convention, paie, dsn, received):
    convention()
    token = issued(exchange(paie, received))
    assert dsn.introspect(token).json["active"]
    cease(wsgi_app, "paie-dsn")

    assert dsn.introspect(token).json == {"active": False}
    refused(exchange(paie, received), "invalid_target")


@ONLY_SQLITE
def test_an_agreement_ends_at_midnight_in_paris_and_clocks_five_minutes_apart_change_nothing(wsgi_app, convention, paie, received):
    """MAG's own clock counts: ours, no tolerance at either end."""
    convention(du=datetime(2030, 1, 1, tzinfo=UTC).date(), au=datetime(2030, 1, 31, tzinfo=UTC).date())
    vecteurs, client = wsgi_app.machines.issuer.vecteurs, wsgi_app.mag.registry.find("paie")
    midnights = datetime(2029, 12, 31, 23, tzinfo=UTC), datetime(2030, 1, 31, 23, tzinfo=UTC)
    five = timedelta(minutes=5)

    opened = [[DSN in vecteurs.reachable(client, at) for at in (midnight - five, midnight, midnight + five)] for midnight in midnights]
    assert opened == [[False, True, True], [True, False, False]]


@ONLY_SQLITE
def test_the_wrong_audience_and_an_audience_beside_the_agreement_are_refused(convention, paie, received):
    convention()

    refused(exchange(paie, received, audience=BANQUE), "invalid_target")
    refused(exchange(paie, received, audience=f"{DSN} {BANQUE}"), "invalid_target")


@ONLY_SQLITE
def test_ours_who_holds_no_profile_is_refused_and_a_right_withdrawn_is_gone_at_introspection(convention, paie, dsn, rights, received):
    convention()
    token = issued(exchange(paie, received))
    rights(attribuer, Droit.PAYER)
    assert dsn.introspect(token).json["pagm"] == [DECLARANT, PAYEUR]
    rights(retirer, Droit.DECLARER, Droit.PAYER)

    assert dsn.introspect(token).json["pagm"] == []
    refused(exchange(paie, received), "invalid_request")


@ONLY_SQLITE
def test_without_the_scope_no_profile_is_said(convention, paie, received):
    convention()

    assert "pagm" not in paie.verified(issued(exchange(paie, received, scope="openid")))


# ----------------------------------------------------------------------------------------------------------- possession, acting


@ONLY_SQLITE
def test_RFC9449_5_an_agreement_that_asks_for_a_key_is_told_so(convention, paie, dsn, received):
    convention(possession=Possession.DPOP)
    refused(exchange(paie, received), "invalid_dpop_proof")
    paie.dpop = ECKey.generate_key("P-256")
    token = issued(exchange(paie, received))

    assert dsn.introspect(token).json["cnf"] == {"jkt": paie.dpop.thumbprint()}


@ONLY_SQLITE
def test_RFC8705_an_agreement_that_asks_for_a_certificate_is_not_content_with_a_key(convention, paie, received):
    convention(possession=Possession.MTLS)
    paie.dpop = ECKey.generate_key("P-256")

    refused(exchange(paie, received), "invalid_request")


@ONLY_SQLITE
def test_1_1_impersonation_is_refused_unless_agreed(wsgi_app, convention, paie, dsn, received):
    convention()
    refused(exchange(paie, received, impersonation="true"), "invalid_request")
    refused(exchange(paie, received, impersonation="yes"), "invalid_request")
    convention(emprunt=True)
    token = issued(exchange(paie, received, impersonation="true"))

    claims = paie.verified(token)
    assert "act" not in claims
    assert json.loads(of_vector(wsgi_app.mag.connections, digest(claims["jti"]))[0].contenu)["act"] == {"sub": "paie"}
    assert paie.revoke(token).json["error"] == "unsupported_token_type"


@ONLY_SQLITE
def test_4_4_may_act_names_the_one_who_may(wsgi_app, partner, convention, paie, dsn, received):
    agree(wsgi_app, "dsn-banque", "dsn", "banque", audiences=frozenset({BANQUE}))
    convention(mandataire="portail")
    token = issued(exchange(paie, received))
    assert paie.verified(token)["may_act"] == {"sub": "portail"}
    refused(exchange(dsn, token, audience=BANQUE), "invalid_request")
    convention(mandataire="dsn")

    assert paie.verified(issued(exchange(dsn, issued(exchange(paie, received)), audience=BANQUE)))["act"] == {
        "sub": "dsn",
        "act": {"sub": "paie"},
    }


@ONLY_SQLITE
def test_2_1_an_agreement_may_want_the_token_of_who_acts(partner, convention, paie, received):
    convention(jeton_acteur=True)
    robot = partner("robot", partenaire="paie", grant_types=["client_credentials"], redirect_uris=[], response_types=[], scope="api:lire")
    other = partner("autre", grant_types=["client_credentials"], redirect_uris=[], response_types=[], scope="api:lire")
    acts = issued(robot.token("client_credentials"))
    said = {"actor_token_type": ACCESS_TOKEN}

    refused(exchange(paie, received), "invalid_request")
    refused(exchange(paie, received, actor_token=acts), "invalid_request")
    refused(exchange(paie, received, actor_token="x", **said), "invalid_request")
    refused(exchange(paie, received, actor_token=received, **said), "invalid_request")
    refused(exchange(paie, received, actor_token=issued(other.token("client_credentials")), **said), "invalid_request")
    assert paie.verified(issued(exchange(paie, received, actor_token=acts, **said)))["act"] == {"sub": "robot"}


# --------------------------------------------------------------------------------------------------------------- single use


def test_a_token_that_serves_once_serves_once_wherever(convention, wsgi_app, paie, dsn, received):
    agree(wsgi_app, "dsn-banque", "dsn", "banque", audiences=frozenset({BANQUE}))
    convention(usage_unique=True)
    read, traded = issued(exchange(paie, received)), issued(exchange(paie, received))

    assert [dsn.introspect(read).json["active"] for _ in range(2)] == [True, False]
    refused(exchange(dsn, read, audience=BANQUE), "invalid_request")
    issued(exchange(dsn, traded, audience=BANQUE))
    refused(exchange(dsn, traded, audience=BANQUE), "invalid_request")
    assert dsn.introspect(traded).json == {"active": False}


def test_of_many_who_show_it_at_once_one_is_first(convention, paie, dsn, received):
    convention(usage_unique=True)
    token = issued(exchange(paie, received))
    answers = together(lambda: dsn.introspect(token).json["active"])

    assert sorted(answers) == [False] * 7 + [True]


@ONLY_SQLITE
def test_who_may_not_read_it_does_not_spend_it(convention, partner, paie, dsn, received):
    convention(usage_unique=True)
    token = issued(exchange(paie, received))

    assert partner("curieux").introspect(token).json == {"active": False}
    assert dsn.introspect(token).json["active"]


@ONLY_SQLITE
def test_a_portal_that_an_agreement_names_reads_profiles_in_its_id_token_and_at_userinfo_once(wsgi_app, portail, rights, code_flow):
    rights(attribuer, Droit.DECLARER)
    partner_of = {"audiences": frozenset({"portail", "https://paie.test"}), "usage_unique": True}
    agree(wsgi_app, "mag-portail", "portail", "net", **partner_of)
    tokens = code_flow(portail, scope=SCOPE)

    assert tokens.claims["pagm"] == tokens.access["pagm"] == [DECLARANT]
    kept = of_vector(wsgi_app.mag.connections, digest(tokens.claims["jti"]))
    assert json.loads(kept[0].contenu)["type"] == "id_token"
    answers = [portail.userinfo(tokens.access_token) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[0].json["pagm"] == [DECLARANT]


# --------------------------------------------------------------------------------------------------------------- applications


@ONLY_SQLITE
def test_an_application_acts_for_itself_in_the_profiles_agreed_or_fewer(wsgi_app, convention, paie, dsn):
    convention()
    whole = issued(machine(paie))
    details = json.dumps([{"type": "urn:mag:interops", "pagm": [ROBOT], "siret": SIRET}])
    narrowed = machine(paie, authorization_details=details).json

    assert dsn.introspect(whole).json["pagm"] == [ROBOT]
    assert narrowed["authorization_details"] == [{"type": "urn:mag:interops", "pagm": [ROBOT], "siret": SIRET}]
    told = dsn.introspect(narrowed["access_token"]).json
    assert (told["pagm"], told["authorization_details"]) == ([ROBOT], narrowed["authorization_details"])
    cease(wsgi_app, "paie-dsn")
    assert dsn.introspect(whole).json == {"active": False}
    refused(machine(paie), "invalid_target")


@ONLY_SQLITE
@pytest.mark.parametrize(
    "detail",
    [
        pytest.param({"type": "urn:mag:habilitation", "siret": SIRET}, id="of-a-person"),
        pytest.param({"type": "urn:mag:interops", "pagm": [DECLARANT]}, id="not-of-an-application"),
        pytest.param({"type": "urn:mag:interops", "pagm": ["urn:x:y"]}, id="not-agreed"),
        pytest.param({"type": "urn:mag:interops", "pagm": "x"}, id="pagm"),
        pytest.param({"type": "urn:mag:interops", "siret": "73282932000075"}, id="siret"),
        pytest.param({"type": "urn:mag:interops", "plus": 1}, id="unknown-member"),
        pytest.param([], id="not-an-object"),
    ],
)
def test_RFC9396_5_details_that_do_not_fit_are_refused(convention, paie, detail):
    convention()

    refused(machine(paie, authorization_details=json.dumps([detail])), "invalid_authorization_details")


@ONLY_SQLITE
def test_RFC9396_5_details_mean_nothing_without_an_agreement(partner):
    alone = partner("seul", grant_types=["client_credentials"], redirect_uris=[], response_types=[], scope="api:lire", **PAIE)
    details = json.dumps([{"type": "urn:mag:interops"}])

    refused(alone.token("client_credentials", authorization_details=details), "invalid_authorization_details")


# ------------------------------------------------------------------------------------------------------------------- chains


@ONLY_SQLITE
def test_a_chain_never_says_more_than_its_first_agreement(wsgi_app, convention, paie, dsn, rights, received):
    rights(attribuer, Droit.PAYER)
    agree(wsgi_app, "dsn-banque", "dsn", "banque", audiences=frozenset({BANQUE}))
    first = convention(pagm=tuple(one for one in PROFILES if one.urn == DECLARANT))
    token = issued(exchange(paie, received))
    further = issued(exchange(dsn, token, audience=BANQUE))

    assert first.pairs == {("dsn", Droit.DECLARER)}
    assert paie.verified(token)["pagm"] == paie.verified(further)["pagm"] == [DECLARANT]
    assert paie.verified(further)["exp"] <= paie.verified(token)["exp"]


@ONLY_SQLITE
def test_a_token_of_an_agreement_leaves_it_for_another_one_alone(partner, convention, paie, received):
    libre = partner("dsn", grant_types=[EXCHANGE], redirect_uris=[], response_types=[], scope=SCOPE, introspect=[DSN], exchange=[BANQUE])
    convention()

    refused(exchange(libre, issued(exchange(paie, received)), audience=BANQUE), "invalid_target")


# ----------------------------------------------------------------------------------------------------------------- evidence


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        ("UPDATE traces SET contenu = replace(contenu, 'dsn.test', 'autre.test') WHERE rang = 2", "rang 2 : contenu changé"),
        ("DELETE FROM traces WHERE rang = 2", "rang 2 : ligne absente"),
        ("DELETE FROM traces WHERE rang = 3", "la chaîne devrait finir au rang 3"),
        ("UPDATE traces SET at = at + 1 WHERE rang = 1", "rang 1 : contenu changé"),
    ],
)
def test_a_row_changed_or_removed_is_found(wsgi_app, settings, convention, paie, tamper, said):
    convention()
    for _ in range(3):
        issued(machine(paie))
    assert verify(wsgi_app.mag.connections, "paie-dsn") == []
    with sqlite3.connect(settings.database_url.removeprefix("sqlite:///")) as database:
        for verb, act in (("update", "UPDATE traces SET rang = 9"), ("delete", "DELETE FROM traces")):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                database.execute(act)
            database.execute(f"DROP TRIGGER traces_no_{verb}")
        database.execute(tamper)

    outcome = wsgi_app.flask.test_cli_runner().invoke(wsgi_app.flask.cli.commands["traces"], ["verifier"])
    assert outcome.exit_code == 1
    assert said in outcome.output


@ONLY_SQLITE
def test_a_tail_cut_with_its_head_is_found_by_who_kept_the_head(wsgi_app, settings, convention, paie):
    convention()
    for _ in range(2):
        issued(machine(paie))
    runner = wsgi_app.flask.test_cli_runner()
    kept = runner.invoke(wsgi_app.flask.cli.commands["traces"], ["tetes"]).output.strip()
    first = heads(wsgi_app.mag.connections)["paie-dsn"]
    assert kept == f"paie-dsn:2:{first.empreinte}"
    with sqlite3.connect(settings.database_url.removeprefix("sqlite:///")) as database:
        database.execute("DROP TRIGGER traces_no_delete")
        database.execute("DELETE FROM traces WHERE rang = 2")
        database.execute("UPDATE traces_chaines SET rang = 1, empreinte = (SELECT empreinte FROM traces)")

    assert runner.invoke(wsgi_app.flask.cli.commands["traces"], ["verifier"]).exit_code == 0
    outcome = runner.invoke(wsgi_app.flask.cli.commands["traces"], ["verifier", "--tete", kept])
    assert (outcome.exit_code, "rang 2 : ligne absente" in outcome.output) == (1, True)


def test_rows_written_at_once_follow_one_another(wsgi_app, convention, paie):
    convention()
    together(lambda: machine(paie).status_code)

    assert heads(wsgi_app.mag.connections)["paie-dsn"].rang == 8
    assert verify(wsgi_app.mag.connections, "paie-dsn") == []
