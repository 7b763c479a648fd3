"""Partners are told that a session ended. OpenID Connect Back-Channel Logout 1.0; protocol checks 61 and 62; seen with real clients, 19."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from joserfc import jwe
from joserfc.jwk import RSAKey
from sqlalchemy import select

from idp.config import Settings
from idp.database import Version, db
from idp.declarants.models import Declarant
from idp.errors import InvalidRequestError
from idp.oidc.backchannel.models import STATEMENTS, LogoutNotice, Participation
from idp.oidc.delivery.messenger import LEASE, Messenger
from idp.oidc.models import ImportedSubject
from partners.models import OAuthClient
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_declarant
from tests.protocol.receiver import receiving
from tests.protocol.relying import hidden_fields, unverified_claims, unverified_header

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
AFTER = "https://portail.test/deconnecte"


@pytest.fixture
def front_channel(request) -> bool:
    return getattr(request, "param", False)


@pytest.fixture
def settings(settings: Settings, front_channel: bool) -> Settings:
    return replace(settings, outgoing_hosts=("partenaire.localhost",), front_channel_tokens=front_channel)


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def told(partner, receiver):
    """`told("portail", **metadata)`: a client that is told at `/portail`."""

    def make(name: str = "portail", **metadata):
        given = {"backchannel_logout_uri": receiver.address(f"/{name}"), "post_logout_redirect_uris": [AFTER], **metadata}
        return partner(name, **given)

    return make


@pytest.fixture
def by_hand(wsgi_app):
    """No thread delivers: `by_hand()` does, and says how many left and failed."""
    wsgi_app.mag.messenger.stop()

    def send():
        done = wsgi_app.mag.messenger.send_due()
        return done.sent, done.failed

    return send


@pytest.fixture
def notices(wsgi_app):
    """The rows of the outbox, oldest first."""

    def rows():
        with wsgi_app.flask.app_context():
            return list(db.session.scalars(select(LogoutNotice).order_by(LogoutNotice.id)))

    return rows


def leave(browser, tokens, **more: str):
    return browser.get("/session/end", query_string={"id_token_hint": tokens.id_token, **more})


# ----------------------------------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
@pytest.mark.parametrize("subject_type", ["pairwise", "public"])
def test_61_everybody_who_took_part_is_told_and_by_a_full_token(told, partner, signed_in, code_flow, receiver, alg, subject_type):
    portail = told("portail", id_token_signed_response_alg=alg, subject_type=subject_type)
    other, silent = told("autre"), partner("muet")
    mine, theirs = code_flow(portail), code_flow(other)
    code_flow(silent)
    began = int(time.time())

    assert leave(signed_in, mine, post_logout_redirect_uri=AFTER).location == AFTER
    for client, path, tokens in ((portail, "/portail", mine), (other, "/autre", theirs)):
        (token,) = receiver.wait(path)
        claims = client.verified(token, "logout+jwt")
        expected = {
            "iss": client.issuer,
            "aud": client.client_id,
            "sub": tokens.claims["sub"],
            "sid": tokens.claims["sid"],
            "events": {EVENT: {}},
        }
        assert {name: claims[name] for name in expected} == expected
        assert set(claims) == {*expected, "iat", "exp", "jti"}
        assert began <= claims["iat"] <= time.time()
        assert claims["exp"] - claims["iat"] == 120
    assert unverified_header(receiver.tokens("/portail")[0])["alg"] == alg
    assert unverified_claims(receiver.tokens("/autre")[0])["jti"] != unverified_claims(receiver.tokens("/portail")[0])["jti"]


@ONLY_SQLITE
def test_2_5_the_request_is_a_form_of_one_field_without_credentials(told, signed_in, code_flow, receiver):
    leave(signed_in, code_flow(told()))
    receiver.wait("/portail")
    (request,) = receiver.at("/portail")

    assert list(request["form"]) == ["logout_token"]
    assert request["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert not {"authorization", "cookie", "referer"} & set(request["headers"])


@ONLY_SQLITE
def test_2_4_a_logout_token_is_no_id_token(told, signed_in, code_flow, receiver):
    """Section 2.4: `nonce` is forbidden. It is no hint for the end of a session either."""
    portail = told()
    leave(signed_in, code_flow(portail, nonce="n-0123456789"))
    (token,) = receiver.wait("/portail")

    assert "nonce" not in unverified_claims(token)
    assert signed_in.get("/session/end", query_string={"id_token_hint": token}).status_code == 400
    assert portail.userinfo(token).status_code == 401


@ONLY_SQLITE
def test_2_4_it_is_encrypted_for_who_has_encrypted_id_tokens(told, signed_in, code_flow, receiver, by_hand, notices):
    key = RSAKey.generate_key(2048, {"kid": "chiffre", "use": "enc"})
    portail = told(
        id_token_encrypted_response_alg="RSA-OAEP-256",
        id_token_encrypted_response_enc="A256GCM",
        jwks={"keys": [key.as_dict(private=False)]},
    )
    code_flow(portail)
    home_form(signed_in, "ici")
    assert by_hand() == (1, 0)

    (token,) = receiver.tokens("/portail")
    inside = jwe.decrypt_compact(token.encode(), key, algorithms=["RSA-OAEP-256", "A256GCM"])
    assert inside.headers()["cty"] == "JWT"
    assert portail.verified(inside.plaintext.decode(), "logout+jwt")["sid"] == notices()[0].sid


@ONLY_SQLITE
def test_61_a_partner_that_brought_its_own_subjects_reads_them_here_too(app, wsgi_app, told, signed_in, code_flow, receiver, un_declarant):
    portail = told()
    with app.app_context():
        uid = db.session.get(Declarant, un_declarant).uid
        db.session.add(ImportedSubject(sector="portail.test", uid=uid, sub="ancien-identifiant"))
        Version.bump("subjects")
        db.session.commit()
    wsgi_app.mag.versions.refresh()
    tokens = code_flow(portail)
    leave(signed_in, tokens)

    (token,) = receiver.wait("/portail")
    assert unverified_claims(token)["sub"] == tokens.claims["sub"] == "ancien-identifiant"


@pytest.mark.parametrize("front_channel", [True], indirect=True)
@ONLY_SQLITE
def test_an_id_token_given_through_the_browser_is_a_part_taken(told, signed_in, receiver, front_channel):
    portail = told(grant_types=["implicit"], response_types=["id_token"])
    answer = portail.ask(signed_in, response_type="id_token", nonce="n" * 22, code_challenge=None, code_challenge_method=None)
    id_token = parse_qs(urlsplit(answer.location).fragment)["id_token"][0]
    signed_in.get("/session/end", query_string={"id_token_hint": id_token})

    receiver.wait("/portail")
    assert receiver.sids("/portail") == [unverified_claims(id_token)["sid"]]


@ONLY_SQLITE
def test_62_discovery_says_so(partner):
    document = partner().call("/.well-known/openid-configuration", "GET").json

    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


# ------------------------------------------------------------------------------------------------------------ who is told


def test_a_client_without_refresh_token_is_told_too(told, signed_in, code_flow, receiver):
    tokens = code_flow(told(grant_types=["authorization_code"]))
    leave(signed_in, tokens)

    receiver.wait("/portail")
    assert receiver.sids("/portail") == [tokens.claims["sid"]]


@ONLY_POSTGRESQL
@pytest.mark.parametrize(("uri", "grants", "rows"), [(True, True, 0), (True, False, 1), (False, False, 0)])
def test_only_who_must_be_told_and_has_no_refresh_token_is_written_down(wsgi_app, told, signed_in, code_flow, uri, grants, rows):
    grant_types = ["authorization_code", "refresh_token"] if grants else ["authorization_code"]
    code_flow(told(grant_types=grant_types, **({} if uri else {"backchannel_logout_uri": ""})))

    with wsgi_app.flask.app_context():
        assert len(list(db.session.scalars(select(Participation)))) == rows


def test_a_second_sign_in_puts_off_the_end_of_a_participation(wsgi_app, told, signed_in, sign_in, un_declarant, code_flow):
    portail, ends, sids = told(grant_types=["authorization_code"]), [], set()
    for hours in (0, 1):
        sign_in(signed_in, un_declarant, at=datetime.now(UTC) + timedelta(hours=hours))
        sids.add(code_flow(portail).claims["sid"])
        with wsgi_app.flask.app_context():
            ends += db.session.scalars(select(Participation.expires_at))

    assert len(sids) == 1
    assert len(ends) == 2
    assert ends[1] - ends[0] >= timedelta(hours=1)


@ONLY_SQLITE
def test_a_client_that_revoked_its_tokens_may_still_have_somebody_signed_in(told, signed_in, code_flow, receiver):
    portail, other = told(), told("autre")
    tokens, revoked = code_flow(portail), code_flow(other)
    other.revoke(revoked.refresh_token)
    leave(signed_in, tokens)

    receiver.wait("/portail")
    receiver.wait("/autre")


@ONLY_SQLITE
def test_offline_access_outlives_the_session_and_its_client_is_told_all_the_same(told, signed_in, code_flow, receiver):
    portail = told(scope="openid offline_access", first_party=True)
    tokens = code_flow(portail, scope="openid offline_access")
    leave(signed_in, tokens)

    receiver.wait("/portail")
    assert portail.refresh(tokens.refresh_token).status_code == 200


@ONLY_SQLITE
def test_a_session_of_somebody_else_goes_on(told, signed_in, new_client, sign_in, new_declarant, code_flow, by_hand, notices):
    portail, other = told(), new_client()
    sign_in(other, new_declarant())
    mine, theirs = code_flow(portail), code_flow(portail, browser=other)
    leave(signed_in, mine)

    assert [one.sid for one in notices()] == [mine.claims["sid"]] != [theirs.claims["sid"]]


@ONLY_SQLITE
def test_signing_out_twice_tells_once(told, signed_in, code_flow, by_hand, notices):
    tokens = code_flow(told())
    leave(signed_in, tokens)
    leave(signed_in, tokens)

    assert len(notices()) == 1
    assert by_hand() == (1, 0)


@ONLY_SQLITE
def test_a_refused_sign_out_tells_nobody(told, signed_in, code_flow, notices):
    portail = told()
    code_flow(portail)
    page = signed_in.get("/session/end")
    signed_in.post("/session/end/confirmation", data={**hidden_fields(page), "reponse": "oui", "csrf": "faux"})
    signed_in.post("/session/end/confirmation", data={**hidden_fields(page), "reponse": "non"})

    assert notices() == []


# --------------------------------------------------------------------------------------------- every way to end a session


def home_form(browser, portee: str) -> None:
    page = browser.get("/")
    assert browser.post("/deconnexion", data={"csrf": csrf_in(page.text), "portee": portee}).status_code == 303


def question(browser, _app) -> None:
    page = browser.get("/session/end")
    assert browser.post("/session/end/confirmation", data={**hidden_fields(page), "reponse": "oui"}).status_code == 200


def another_person(browser, app) -> None:
    un_declarant(app, nom="Martin", prenom="Luc")
    assert se_connecter(browser, nom="Martin", prenom="Luc").status_code == 303


def command(*words: str, stdin: str = ""):
    def act(_browser, app) -> None:
        result = app.test_cli_runner().invoke(args=["declarants", *words], input=stdin)
        assert result.exit_code == 0, result.output

    return act


WAYS = [
    pytest.param(lambda browser, _: home_form(browser, "ici"), 1, id="deconnexion-ici"),
    pytest.param(lambda browser, _: home_form(browser, "partout"), 2, id="deconnexion-partout"),
    pytest.param(question, 1, id="question"),
    pytest.param(another_person, 1, id="another-person"),
    pytest.param(command("suspendre", SIRET, "Lefèvre", "Claire"), 2, id="suspendre"),
    pytest.param(command("deconnecter", SIRET, "Lefèvre", "Claire"), 2, id="deconnecter"),
    pytest.param(command("mot-de-passe", "--stdin", SIRET, "Lefèvre", "Claire", stdin="trois girafes en hiver\n"), 2, id="mot-de-passe"),
]


@pytest.mark.parametrize(("act", "sessions"), WAYS)
def test_whatever_ends_a_session_tells_its_partners(app, told, new_client, sign_in, code_flow, receiver, act, sessions):
    """Two browsers of one person, two clients: with a refresh token and without."""
    declarant = un_declarant(app)
    portail, other = told("portail"), told("autre", grant_types=["authorization_code"])
    here, there = new_client(), new_client()
    sids = []
    for browser in (here, there):
        sign_in(browser, declarant.id)
        sids.append(code_flow(portail, browser=browser).claims["sid"])
        code_flow(other, browser=browser)
    act(here, app)

    expected = set(sids[:sessions])
    for path in ("/portail", "/autre"):
        receiver.wait(path, sessions)
        assert set(receiver.sids(path)) == expected


def test_a_person_who_signs_in_again_keeps_the_session_and_nobody_is_told(app, told, client, sign_in, code_flow, notices):
    declarant = un_declarant(app)
    sign_in(client, declarant.id)
    code_flow(told(), browser=client)
    se_connecter(client, password=PASSWORD)

    assert notices() == []


# ----------------------------------------------------------------------------------------------------- nobody is delayed


def test_seen_19_a_partner_that_hangs_delays_neither_the_person_nor_the_others(told, signed_in, code_flow, receiver):
    receiver.hanging = {f"/lent{number}" for number in range(3)}
    portail = told()
    tokens = code_flow(portail)
    for number in range(3):
        code_flow(told(f"lent{number}"))
    began = time.monotonic()

    assert leave(signed_in, tokens, post_logout_redirect_uri=AFTER).location == AFTER
    assert time.monotonic() - began < 2
    receiver.wait("/portail")
    assert time.monotonic() - began < 4


@ONLY_SQLITE
def test_a_partner_that_is_away_waits_with_all_its_notices(told, new_client, sign_in, un_declarant, code_flow, receiver, by_hand, notices):
    """Its other notices do not hold the places of those of other partners."""
    portail = told(backchannel_logout_uri="http://partenaire.localhost:1/absent")
    for _ in range(12):
        browser = new_client()
        sign_in(browser, un_declarant)
        leave(browser, code_flow(portail, browser=browser))

    assert by_hand() == (0, 8)
    assert by_hand() == (0, 0)
    assert {one.next_try_at > datetime.now(UTC) for one in notices()} == {True}


@ONLY_SQLITE
def test_a_partner_that_is_away_is_left_alone_for_a_while_and_it_does_not_count(
    wsgi_app, told, new_client, sign_in, un_declarant, code_flow, receiver, by_hand, notices
):
    """The same process: a notice written meanwhile holds no place, and is tried later as if it were new."""
    messenger, calls = wsgi_app.mag.messenger, []

    def away(url, _body, _headers):
        calls.append(url)
        raise InvalidRequestError("no answer")

    portail, process = told(), Messenger(messenger.connections, messenger.outboxes, away)
    for _ in range(2):
        browser = new_client()
        sign_in(browser, un_declarant)
        leave(browser, code_flow(portail, browser=browser))
        process.step(None)
        if process._in_flight:
            process.step(process._mailbox.get(timeout=5))

    assert len(calls) == 1
    assert sorted(one.tries for one in notices()) == [0, 1]
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2)):
        assert by_hand() == (2, 0)


@ONLY_SQLITE
def test_a_partner_that_accepts_slowly_is_left_alone_for_a_while(
    wsgi_app, told, new_client, sign_in, un_declarant, code_flow, by_hand, notices, monkeypatch
):
    """Its rows would hold every place, and those of others would wait."""
    messenger, calls, clock = wsgi_app.mag.messenger, [], [0.0]
    monkeypatch.setattr("idp.oidc.delivery.messenger.monotonic", lambda: clock[0])

    def slow(url, _body, _headers):
        calls.append(url)
        clock[0] += 4.9
        return 200

    portail, process = told(), Messenger(messenger.connections, messenger.outboxes, slow)
    for _ in range(2):
        browser = new_client()
        sign_in(browser, un_declarant)
        leave(browser, code_flow(portail, browser=browser))
        process.step(None)
        if process._in_flight:
            process.step(process._mailbox.get(timeout=5))

    assert len(calls) == 1
    assert [(one.sent_at is not None, one.tries) for one in notices()] == [(True, 1), (False, 0)]
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=2)):
        assert by_hand() == (1, 0)


@ONLY_SQLITE
def test_a_mistake_of_ours_is_logged_and_the_notice_tried_again(wsgi_app, told, signed_in, code_flow, by_hand, notices, caplog):
    messenger = wsgi_app.mag.messenger

    def broken(_url, _body, _headers):
        raise ValueError("unforeseen")

    leave(signed_in, code_flow(told()))
    done = Messenger(messenger.connections, messenger.outboxes, broken).send_due()

    assert (done.sent, done.failed) == (0, 1)
    assert "unexpected error" in caplog.text
    assert (notices()[0].failure, notices()[0].next_try_at is None) == ("ValueError", False)


# ------------------------------------------------------------------------------------------------------------------ again


@ONLY_SQLITE
@pytest.mark.parametrize("status", [500, 503, 404, 302, 307])
def test_a_failure_is_tried_again_with_a_fresh_token(told, signed_in, code_flow, receiver, by_hand, notices, status):
    receiver.statuses["/portail"] = [status, 200]
    leave(signed_in, code_flow(told()))
    assert by_hand() == (0, 1)
    assert by_hand() == (0, 0)
    assert notices()[0].failure == f"answered {status}"

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1, seconds=1)):
        assert by_hand() == (1, 0)
        first, second = (unverified_claims(token) for token in receiver.tokens("/portail"))
    assert first["jti"] != second["jti"]
    assert second["iat"] > first["iat"]
    assert {name: first[name] for name in ("sub", "sid", "aud")} == {name: second[name] for name in ("sub", "sid", "aud")}
    assert receiver.at("/ailleurs") == [], "redirects are not followed"
    assert (notices()[0].sent_at is not None, notices()[0].failure) == (True, None)


@ONLY_SQLITE
def test_2_8_204_is_a_success(told, signed_in, code_flow, receiver, by_hand):
    receiver.statuses["/portail"] = [204]
    leave(signed_in, code_flow(told()))

    assert by_hand() == (1, 0)


@ONLY_SQLITE
def test_2_8_a_token_refused_three_times_is_given_up(told, signed_in, code_flow, receiver, by_hand, notices):
    receiver.statuses["/portail"] = [400]
    leave(signed_in, code_flow(told()))
    at = datetime.now(UTC)

    for minutes in range(60):
        with time_machine.travel(at + timedelta(minutes=minutes)):
            by_hand()
    assert len(receiver.tokens("/portail")) == 3
    assert notices()[0].next_try_at is None


@ONLY_SQLITE
def test_a_partner_that_never_answers_is_given_up_after_a_day(app, told, signed_in, code_flow, receiver, by_hand, notices):
    receiver.statuses["/portail"] = [503]
    leave(signed_in, code_flow(told()))
    at, tries = datetime.now(UTC), []

    for minutes in range(0, 26 * 60, 5):
        with time_machine.travel(at + timedelta(minutes=minutes)):
            tries += [minutes] * by_hand()[1]
    assert 10 <= len(tries) <= 20
    assert max(tries) < 24 * 60
    assert notices()[0].next_try_at is None

    runner = app.test_cli_runner()
    shown = runner.invoke(args=["deconnexions", "lister"]).output
    assert "ABANDONNÉ" in shown
    assert "portail" in shown
    assert "answered 503" in shown
    receiver.statuses["/portail"] = [200]
    assert "1 avis remis en attente" in runner.invoke(args=["deconnexions", "relancer"]).output
    assert "1 avis remis, 0 en échec" in runner.invoke(args=["deconnexions", "envoyer"]).output
    assert "Tous les partenaires sont prévenus" in runner.invoke(args=["deconnexions", "lister"]).output
    assert "Aucun avis" in runner.invoke(args=["deconnexions", "relancer"]).output


@ONLY_SQLITE
def test_a_client_that_is_gone_or_no_longer_told_is_given_up(app, wsgi_app, told, signed_in, code_flow, by_hand, notices):
    leave(signed_in, code_flow(told()))
    with app.app_context():
        db.session.get(OAuthClient, "portail").enabled = False
        db.session.commit()
    wsgi_app.mag.registry._snapshot._held = None

    assert by_hand() == (0, 1)
    assert (notices()[0].next_try_at, notices()[0].failure) == (None, "the client is no longer told")


@ONLY_SQLITE
def test_C52_a_private_address_is_not_called(told, signed_in, code_flow, receiver, by_hand, notices):
    leave(signed_in, code_flow(told(backchannel_logout_uri=receiver.address("/portail", "ailleurs.localhost"))))

    assert by_hand() == (0, 1)
    assert receiver.requests == []
    assert "only https" in notices()[0].failure


# ------------------------------------------------------------------------------------------------------ several processes


def test_of_several_processes_one_sends_each_notice(wsgi_app, told, new_client, sign_in, un_declarant, code_flow, receiver, by_hand):
    portail = told()
    for _ in range(10):
        browser = new_client()
        sign_in(browser, un_declarant)
        leave(browser, code_flow(portail, browser=browser))
    start, sent = threading.Barrier(4), []

    def process() -> None:
        start.wait()
        sent.append(by_hand()[0])
        wsgi_app.mag.connections.drop()

    threads = [threading.Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == 10
    assert len(receiver.sids("/portail")) == len(set(receiver.sids("/portail"))) == 10


def test_a_notice_claimed_by_a_process_that_died_is_anybody_s_after_its_lease(wsgi_app, told, signed_in, code_flow, receiver, by_hand):
    leave(signed_in, code_flow(told()))
    now = datetime.now(UTC)
    assert wsgi_app.mag.connections.one(STATEMENTS.claim, now=now, until=now + LEASE) is not None
    assert by_hand() == (0, 0)

    with time_machine.travel(now + LEASE + timedelta(seconds=1)):
        assert by_hand() == (1, 0)
    assert len(receiver.tokens("/portail")) == 1


def test_what_a_process_wrote_before_it_died_is_found_by_another(wsgi_app, told, signed_in, code_flow, receiver):
    """Nobody wakes the thread: it looks by itself."""
    messenger = wsgi_app.mag.messenger
    messenger.stop()
    leave(signed_in, code_flow(told()))
    other = Messenger(messenger.connections, messenger.outboxes, messenger.post, poll=0.05)
    other.start()
    receiver.wait("/portail")
    other.stop()


# ------------------------------------------------------------------------------------------------------------ housekeeping


@ONLY_SQLITE
def test_what_is_old_is_purged_and_what_waits_is_not(app, wsgi_app, told, signed_in, code_flow, by_hand, notices):
    tokens = code_flow(told("portail"))
    code_flow(told("autre", grant_types=["authorization_code"]))
    leave(signed_in, tokens)
    by_hand()
    purge = app.test_cli_runner()
    assert purge.invoke(args=["purge"]).exit_code == 0
    assert len(notices()) == 2

    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        result = purge.invoke(args=["purge"])
    assert "participations : 1, avis : 2" in result.output
    assert notices() == []


def test_the_person_is_named_by_a_row_and_not_by_a_copy(app, told, signed_in, code_flow, by_hand, notices, un_declarant):
    leave(signed_in, code_flow(told()))

    with app.app_context():
        assert notices()[0].uid == db.session.get(Declarant, un_declarant).uid
