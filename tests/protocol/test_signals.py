"""Partners are told what happens to accounts. Shared Signals Framework 1.0, RFC 8417, 8935, 8936, CAEP 1.0, RISC 1.0; check 88."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.config import Settings
from idp.database import db
from idp.declarants.models import CHANGED, CREDENTIAL, DISABLED, ENABLED, PURGED, AccountEvent, Declarant
from idp.oidc.backchannel.notices import tell_of_person
from idp.oidc.models import Consent
from idp.oidc.signals.management import Streams
from idp.oidc.signals.models import KnownSubject, Signal, Stream
from idp.oidc.signals.spread import filling
from tests.protocol.receiver import receiving
from tests.protocol.relying import unverified_claims, unverified_header

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
CAEP, RISC, SSF = (f"https://schemas.openid.net/secevent/{name}/event-type/" for name in ("caep", "risc", "ssf"))
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SCOPES = "openid profile email ssf.read ssf.manage"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, outgoing_hosts=("partenaire.localhost",))


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def by_hand(wsgi_app):
    """No thread delivers: `by_hand()` does, and says how many left and failed."""
    wsgi_app.mag.messenger.stop()
    wsgi_app.mag.signals.spreading.look = 0.0

    def deliver():
        done = wsgi_app.mag.messenger.send_due()
        return done.sent, done.failed

    return deliver


class Portal:
    """A partner's client, and its stream."""

    def __init__(self, client, token: str, send) -> None:
        self.client, self.token, self.send, self.stream_id = client, token, send, ""

    def ask(self, path: str, method: str = "POST", **options):
        return self.send(f"/ssf/v1/{path}", method, token=self.token, **options)

    def open(self, **given):
        answer = self.ask("streams", json=given)
        assert answer.status_code == 201, answer.text
        self.stream_id = answer.json["stream_id"]
        return answer.json

    def pushed(self, receiver, path: str = "/signaux", **delivery):
        return self.open(delivery={"method": PUSH, "endpoint_url": receiver.address(path), **delivery})

    def poll(self, **given):
        return self.ask(f"poll/{self.stream_id}", json={"returnImmediately": True, **given})

    def status(self, status: str, **more):
        return self.ask("status", json={"stream_id": self.stream_id, "status": status, **more})


@pytest.fixture
def portal(partner, send):
    def make(name: str = "portail", scope: str = "ssf.read ssf.manage", **metadata) -> Portal:
        grants = metadata.pop("grant_types", ["authorization_code", "refresh_token", "client_credentials"])
        client = partner(name, grant_types=grants, scope=metadata.pop("scope_registered", SCOPES), **metadata)
        token = client.token(grant_type="client_credentials", scope=scope).json["access_token"]
        return Portal(client, token, send)

    return make


@pytest.fixture
def happens(wsgi_app, un_declarant):
    """`happens(kind, **details)`: to the person, in one transaction."""

    def write(kind: str, **details: str) -> None:
        with wsgi_app.flask.app_context():
            AccountEvent.write(kind, db.session.get(Declarant, un_declarant), datetime.now(UTC), **details)
            db.session.commit()

    return write


def events_of(receiver, path: str = "/signaux") -> list[dict]:
    return [unverified_claims(request["body"]) for request in receiver.at(path)]


# ----------------------------------------------------------------------------------------------------------- the transmitter


@ONLY_SQLITE
def test_7_1_it_describes_itself(send, settings):
    document = send("/.well-known/ssf-configuration", "GET").json

    assert document["spec_version"] == "1_0"
    assert document["issuer"] == settings.issuer
    assert document["delivery_methods_supported"] == [PUSH, POLL]
    assert document["default_subjects"] == "ALL"
    told = {name: address.removeprefix(settings.issuer) for name, address in document.items() if name.endswith("_endpoint")}
    assert told == {
        "configuration_endpoint": "/ssf/v1/streams",
        "status_endpoint": "/ssf/v1/status",
        "add_subject_endpoint": "/ssf/v1/subjects/add",
        "remove_subject_endpoint": "/ssf/v1/subjects/remove",
        "verification_endpoint": "/ssf/v1/verification",
    }
    assert send("/.well-known/oauth-protected-resource/ssf/v1", "GET").json["scopes_supported"] == ["ssf.read", "ssf.manage", "ssf.send"]


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("token", "status", "error"),
    [("", 401, "invalid_token"), ("faux", 401, "invalid_token"), ("other", 403, "insufficient_scope"), ("read", 403, "insufficient_scope")],
)
def test_88_a_stream_needs_a_token_of_its_receiver(send, partner, portal, token, status, error):
    if token == "other":
        machine = partner("machine", grant_types=["client_credentials"], redirect_uris=[], scope="api:lire")
        token = machine.token(grant_type="client_credentials").json["access_token"]
    if token == "read":
        token = portal(scope="ssf.read").token
    answer = send("/ssf/v1/streams", token=token, json={})

    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert "resource_metadata" in answer.headers["WWW-Authenticate"]


@ONLY_SQLITE
@pytest.mark.parametrize(
    "given",
    [
        {"delivery": {"method": "urn:autre"}},
        {"delivery": {"method": PUSH}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://ailleurs.test/"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://moi@ailleurs.test/"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://ailleurs.test/#a"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://ailleurs.test/", "authorization_header": "a\r\nb: c"}},
        {"events_requested": "tout"},
        {"events_requested": [1]},
        {"events_requested": ["https://ailleurs.test/\0"]},
        {"description": "x" * 201},
    ],
)
def test_88_a_bad_stream_is_refused(portal, given):
    answer = portal().ask("streams", json=given)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_8_1_1_a_stream_is_opened_read_changed_and_ended(portal, receiver, settings):
    mine, other = portal(), portal("autre")
    made = mine.pushed(receiver, authorization_header="Bearer secret")

    assert made["iss"] == settings.issuer
    assert made["aud"] == "portail"
    assert made["delivery"] == {"method": PUSH, "endpoint_url": receiver.address("/signaux")}
    assert made["events_delivered"] == made["events_supported"] == made["events_requested"]
    assert mine.ask("streams", json={}).status_code == 409
    assert mine.ask("streams", "GET").json == [made]
    assert mine.ask(f"streams?stream_id={mine.stream_id}", "GET").json == made
    for path, method, options in (
        (f"streams?stream_id={mine.stream_id}", "GET", {}),
        ("streams", "PATCH", {"json": {"stream_id": mine.stream_id}}),
        (f"streams?stream_id={mine.stream_id}", "DELETE", {}),
        (f"status?stream_id={mine.stream_id}", "GET", {}),
        ("verification", "POST", {"json": {"stream_id": mine.stream_id}}),
        (f"poll/{mine.stream_id}", "POST", {"json": {}}),
    ):
        assert other.ask(path, method, **options).status_code == 404, path
    wanted = [CAEP + "session-revoked", "https://exemple.test/inconnu"]
    changed = mine.ask("streams", "PATCH", json={"stream_id": mine.stream_id, "events_requested": wanted}).json
    assert changed["events_requested"] == wanted
    assert changed["events_delivered"] == wanted[:1]
    assert changed["delivery"] == made["delivery"]
    assert mine.ask("streams", "PATCH", json={"stream_id": mine.stream_id, "aud": "autre"}).status_code == 400
    replaced = mine.ask("streams", "PUT", json={"stream_id": mine.stream_id, "delivery": {"method": POLL}}).json
    assert replaced["delivery"] == {"method": POLL, "endpoint_url": f"{settings.issuer}/ssf/v1/poll/{mine.stream_id}"}
    assert mine.ask(f"streams?stream_id={mine.stream_id}", "DELETE").status_code == 204
    assert mine.ask("streams", "GET").json == []
    assert mine.ask("streams", json={}).status_code == 201


def test_8_1_1_of_two_streams_opened_at_once_one_is_refused(portal, monkeypatch):
    mine = portal()
    mine.open()
    looked = iter([None])  # the first look comes before the other is written
    real = Stream.of_client
    monkeypatch.setattr(Stream, "of_client", lambda client_id, **options: next(looked, real(client_id, **options)))

    assert mine.ask("streams", json={}).status_code == 409
    assert len(mine.ask("streams", "GET").json) == 1


@ONLY_SQLITE
def test_an_operator_who_opens_a_stream_while_its_partner_does_moves_it(wsgi_app, portal, receiver, monkeypatch):
    mine = portal()
    mine.open()
    looked = iter([None])
    real = Stream.of_client
    monkeypatch.setattr(Stream, "of_client", lambda client_id, **options: next(looked, real(client_id, **options)))
    opened = wsgi_app.flask.test_cli_runner().invoke(args=["signaux", "ouvrir", "portail", receiver.address("/signaux")])

    assert opened.exit_code == 0, opened.output
    assert [one["delivery"]["endpoint_url"] for one in mine.ask("streams", "GET").json] == [receiver.address("/signaux")]


# ----------------------------------------------------------------------------------------------------------- what is told


def test_rfc8935_an_event_is_pushed_signed_and_once(portal, code_flow, receiver, by_hand, happens, settings):
    mine = portal()
    mine.pushed(receiver, authorization_header="Bearer secret")
    sub = code_flow(mine.client).claims["sub"]
    happens(DISABLED)
    assert by_hand() == (1, 0)
    assert by_hand() == (0, 0)

    (request,) = receiver.at("/signaux")
    assert request["headers"]["content-type"] == "application/secevent+jwt"
    assert request["headers"]["authorization"] == "Bearer secret"
    assert unverified_header(request["body"])["typ"] == "secevent+jwt"
    claims = mine.client.verified(request["body"], "secevent+jwt")
    assert claims["aud"] == "portail"
    assert claims["sub_id"] == {"format": "iss_sub", "iss": settings.issuer, "sub": sub}
    assert claims["events"] == {RISC + "account-disabled": {}}
    assert set(claims) == {"iss", "aud", "iat", "toe", "jti", "sub_id", "events"}


def test_a_session_that_ends_is_told_to_who_took_part_and_to_nobody_else(portal, code_flow, receiver, by_hand, signed_in, settings):
    mine, other = portal(grant_types=["authorization_code", "client_credentials"]), portal("autre")
    mine.pushed(receiver)
    other.pushed(receiver, "/autre")
    tokens = code_flow(mine.client)
    signed_in.get("/session/end", query_string={"id_token_hint": tokens.id_token})
    by_hand()

    (claims,) = events_of(receiver)
    assert claims["sub_id"]["session"] == {"format": "opaque", "id": tokens.claims["sid"]}
    assert claims["sub_id"]["user"] == {"format": "iss_sub", "iss": settings.issuer, "sub": tokens.claims["sub"]}
    assert list(claims["events"]) == [CAEP + "session-revoked"]
    assert events_of(receiver, "/autre") == []


@ONLY_SQLITE
def test_each_kind_says_what_its_standard_asks(wsgi_app, portal, code_flow, receiver, by_hand, happens, un_declarant, settings):
    mine = portal()
    mine.pushed(receiver)
    by_hand()
    sub = code_flow(mine.client).claims["sub"]
    happens(CREDENTIAL, credential_type="password", change_type="update")
    happens(CHANGED, former="avant@exemple.test", new="apres@exemple.test")
    happens(ENABLED)
    with wsgi_app.flask.app_context():
        tell_of_person(wsgi_app.mag.registry, settings, un_declarant, datetime.now(UTC))
        db.session.commit()
    happens(PURGED)
    assert by_hand() == (5, 0)

    person = {"format": "iss_sub", "iss": settings.issuer, "sub": sub}
    told = {next(iter(claims["events"])): (claims["sub_id"], *claims["events"].values()) for claims in events_of(receiver)}
    for kind in ("credential-change", "session-revoked"):
        assert abs(told[CAEP + kind][1].pop("event_timestamp") - datetime.now(UTC).timestamp()) < 60
    assert told == {
        CAEP + "credential-change": (person, {"credential_type": "password", "change_type": "update"}),
        RISC + "identifier-changed": ({"format": "email", "email": "avant@exemple.test"}, {"new-value": "apres@exemple.test"}),
        RISC + "account-enabled": (person, {}),
        CAEP + "session-revoked": (person, {}),
        RISC + "account-purged": (person, {}),
    }
    with wsgi_app.flask.app_context():
        assert db.session.scalars(select(KnownSubject)).all() == []


def test_rights_that_move_are_told_once_to_who_holds_something_living(wsgi_app, portal, code_flow, receiver, by_hand, un_declarant):
    mine = portal()
    mine.pushed(receiver)
    code_flow(mine.client)
    assert by_hand() == (0, 0)
    for _ in range(2):
        with wsgi_app.flask.app_context():
            db.session.get(Declarant, un_declarant).epoque += 1
            db.session.commit()
    assert by_hand() == (1, 0)
    assert by_hand() == (0, 0)

    (claims,) = events_of(receiver)
    event = claims["events"][CAEP + "token-claims-change"]
    assert set(event["claims"]["hab"]) == {"e"}
    with wsgi_app.flask.app_context():
        db.session.get(Declarant, un_declarant).epoque += 1
        db.session.commit()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2)):
        assert by_hand() == (0, 0)


@ONLY_SQLITE
def test_a_machine_hears_for_its_partner_and_a_stranger_hears_nothing(partner, send, portal, code_flow, by_hand, happens):
    site = partner("site", partenaire="groupe")
    machine = portal("machine", partenaire="groupe", grant_types=["client_credentials"], redirect_uris=[])
    stranger = portal("etranger")
    machine.open()
    stranger.open()
    sub = code_flow(site).claims["sub"]
    happens(DISABLED)
    by_hand()

    (token,) = machine.poll().json["sets"].values()
    assert unverified_claims(token)["sub_id"]["sub"] == sub
    assert stranger.poll().json == {"sets": {}}


def test_who_signed_in_before_the_stream_is_known_too(portal, code_flow, by_hand, happens):
    mine = portal()
    sub = code_flow(mine.client).claims["sub"]
    mine.open()
    happens(DISABLED)
    by_hand()

    (token,) = mine.poll().json["sets"].values()
    assert unverified_claims(token)["sub_id"]["sub"] == sub


def test_a_stream_is_filled_some_at_a_time_and_who_is_not_known_yet_is_told_of_first(
    wsgi_app, portal, code_flow, by_hand, new_declarant, browser_of, monkeypatch
):
    monkeypatch.setattr(filling, "AT_ONCE", 2)
    mine, subs = portal(), []
    persons = [new_declarant(nom=f"Nom{letter}") for letter in "abcde"]
    for person in persons:
        subs.append(code_flow(mine.client, browser=browser_of(person)).claims["sub"])
    mine.open()
    with wsgi_app.flask.app_context():
        AccountEvent.write(DISABLED, db.session.get(Declarant, persons[-1]), datetime.now(UTC))
        db.session.commit()
    gather = wsgi_app.mag.signals.gather

    def known():
        with wsgi_app.flask.app_context():
            return sorted(db.session.scalars(select(KnownSubject.declarant_id)))

    assert gather(datetime.now(UTC)) is True
    assert known() == [*persons[:2], persons[-1]]
    assert [unverified_claims(token)["sub_id"]["sub"] for token in mine.poll().json["sets"].values()] == subs[-1:]
    assert [gather(datetime.now(UTC)) for _ in range(3)] == [True, False, False]
    assert known() == persons


@ONLY_SQLITE
def test_an_address_is_told_only_to_who_may_read_addresses(portal, code_flow, by_hand, happens):
    mine, silent = portal(), portal("discret", scope_registered="openid ssf.read ssf.manage")
    for one in (mine, silent):
        one.open()
        code_flow(one.client, scope="openid")
    happens(CHANGED, former="avant@exemple.test", new="apres@exemple.test")
    by_hand()

    assert len(mine.poll().json["sets"]) == 1
    assert silent.poll().json == {"sets": {}}


@ONLY_SQLITE
def test_a_third_party_is_told_the_address_of_who_agreed_to_it(wsgi_app, portal, code_flow, by_hand, happens, un_declarant):
    mine = portal("tiers", first_party=False)
    mine.open()
    with wsgi_app.flask.app_context():
        db.session.add(Consent(declarant_id=un_declarant, client_id="tiers", scope="openid", given_at=datetime.now(UTC)))
        db.session.commit()
    code_flow(mine.client, scope="openid")
    for scope, told in (("openid", 0), ("openid email", 1)):
        with wsgi_app.flask.app_context():
            db.session.merge(Consent(declarant_id=un_declarant, client_id="tiers", scope=scope, given_at=datetime.now(UTC)))
            db.session.commit()
        happens(CHANGED, former="avant@exemple.test", new="apres@exemple.test")
        by_hand()
        assert len(mine.poll().json["sets"]) == told, scope


# ------------------------------------------------------------------------------------------------------------------- polls


def test_rfc8936_events_wait_until_they_are_acknowledged(wsgi_app, portal, code_flow, by_hand, happens):
    mine = portal()
    mine.open()
    code_flow(mine.client)
    for _ in range(3):
        happens(DISABLED)
    by_hand()

    first = mine.poll(maxEvents=2).json
    assert len(first["sets"]) == 2
    assert first["moreAvailable"] is True
    assert mine.poll(maxEvents=2).json == first
    done, refused = first["sets"]
    rest = mine.poll(ack=[done], setErrs={refused: {"err": "invalid_audience", "description": "ailleurs"}}).json
    assert len(rest["sets"]) == 1
    assert "moreAvailable" not in rest
    assert mine.poll(maxEvents=0, ack=list(rest["sets"])).json == {"sets": {}}
    assert mine.poll().json == {"sets": {}}
    with wsgi_app.flask.app_context():
        assert db.session.scalar(select(Signal.failure).where(Signal.jti == refused)) == "refused: invalid_audience ailleurs"


@ONLY_SQLITE
@pytest.mark.parametrize(
    "given",
    [
        {"maxEvents": -1},
        {"maxEvents": True},
        {"returnImmediately": "oui"},
        {"ack": "x"},
        {"ack": ["\0"]},
        {"setErrs": {"a": 1}},
        {"setErrs": {"\0": {"err": "x"}}},
    ],
)
def test_rfc8936_a_bad_poll_is_refused(portal, given):
    mine = portal()
    mine.open()

    assert mine.poll(**given).status_code == 400


@ONLY_SQLITE
def test_rfc8936_who_waits_is_answered_when_something_comes_and_not_for_ever(wsgi_app, portal, code_flow, by_hand, happens, monkeypatch):
    mine = portal()
    mine.open()
    code_flow(mine.client)
    monkeypatch.setattr("idp.oidc.signals.polling.STEP", 0.01)
    api = wsgi_app.machines.find("/ssf/v1/poll/").act.__self__
    api.polling.wait = 0.02
    assert mine.poll(returnImmediately=False).json == {"sets": {}}
    happens(DISABLED)
    by_hand()
    assert len(mine.poll(returnImmediately=False).json["sets"]) == 1


# ----------------------------------------------------------------------------------------------------- status and subjects


@ONLY_SQLITE
def test_8_1_2_a_paused_stream_holds_and_a_disabled_one_forgets(portal, code_flow, receiver, by_hand, happens):
    mine = portal()
    mine.pushed(receiver)
    code_flow(mine.client)
    assert mine.status("paused", reason="travaux").json == {"stream_id": mine.stream_id, "status": "paused", "reason": "travaux"}
    happens(DISABLED)
    assert by_hand() == (0, 0)
    assert mine.status("enabled").json["status"] == "enabled"
    assert by_hand() == (1, 0)
    mine.status("disabled")
    happens(ENABLED)
    assert by_hand() == (0, 0)
    mine.status("enabled")
    assert by_hand() == (0, 0)
    assert mine.status("ailleurs").status_code == 400
    assert mine.ask(f"status?stream_id={mine.stream_id}", "GET").json == {"stream_id": mine.stream_id, "status": "enabled"}


@ONLY_SQLITE
def test_8_1_5_a_paused_stream_says_so_however_much_waits_before(wsgi_app, portal, code_flow, by_hand, happens):
    mine = portal()
    mine.open()
    code_flow(mine.client)
    happens(DISABLED)
    happens(ENABLED)
    by_hand()
    with wsgi_app.flask.app_context():
        streams = Streams(wsgi_app.mag.settings, wsgi_app.mag.keyring, wsgi_app.mag.signals.audience)
        streams.pause(Stream.named(mine.stream_id), "essai", datetime.now(UTC))
        db.session.commit()
    told = mine.poll(maxEvents=1).json

    assert [list(unverified_claims(token)["events"]) for token in told["sets"].values()] == [[SSF + "stream-updated"]]
    assert "moreAvailable" not in told


@ONLY_SQLITE
def test_8_1_3_a_subject_is_taken_out_and_put_back_and_an_unknown_one_is_answered_alike(portal, code_flow, by_hand, happens, settings):
    mine = portal()
    mine.open()
    subject = {"format": "iss_sub", "iss": settings.issuer, "sub": code_flow(mine.client).claims["sub"]}

    def about(path: str, subject: object):
        return mine.ask(f"subjects/{path}", json={"stream_id": mine.stream_id, "subject": subject})

    early = about("remove", subject)
    assert (early.status_code, early.headers["Retry-After"]) == (429, "2"), "nobody is unknown before everybody is known"
    by_hand()
    assert about("remove", subject).status_code == about("remove", {**subject, "sub": "inconnu"}).status_code == 204
    happens(DISABLED)
    by_hand()
    assert mine.poll().json == {"sets": {}}
    assert about("add", subject).status_code == about("add", {**subject, "sub": "inconnu"}).status_code == 200
    happens(ENABLED)
    by_hand()
    assert len(mine.poll().json["sets"]) == 1
    for bad in ({"format": "email", "email": "a@b.fr"}, {**subject, "iss": "https://autre.test"}, "moi"):
        assert about("add", bad).status_code == 400


@ONLY_SQLITE
def test_8_1_4_a_verification_echoes_its_state_and_not_too_often(portal, receiver, by_hand):
    mine = portal()
    mine.pushed(receiver)
    asked = {"stream_id": mine.stream_id, "state": "VGhpcyBpcyBhIHN0YXRl"}
    assert mine.ask("verification", json=asked).status_code == 204
    assert mine.ask("verification", json=asked).status_code == 429
    assert by_hand() == (1, 0)

    (claims,) = events_of(receiver)
    assert claims["sub_id"] == {"format": "opaque", "id": mine.stream_id}
    assert claims["events"] == {SSF + "verification": {"state": "VGhpcyBpcyBhIHN0YXRl"}}


# --------------------------------------------------------------------------------------------------------- a partner is down


def test_with_a_partner_down_for_hours_nothing_is_lost_and_nothing_comes_twice(portal, code_flow, receiver, by_hand, happens):
    mine = portal()
    mine.pushed(receiver)
    code_flow(mine.client)
    receiver.statuses["/signaux"] = [503]
    began = datetime.now(UTC)
    with time_machine.travel(began, tick=False) as clock:
        happens(DISABLED)
        happens(PURGED)
        assert by_hand() == (0, 2)
        for minutes in (1, 2, 4, 8, 16, 32, 64, 128):
            clock.shift(timedelta(minutes=minutes, seconds=1))
            assert by_hand() == (0, 2), minutes
        receiver.statuses["/signaux"] = [202]
        tried = len(receiver.at("/signaux"))
        clock.shift(timedelta(hours=5))
        assert by_hand() == (2, 0)
    last = events_of(receiver)[tried:]
    assert {next(iter(claims["events"])) for claims in last} == {RISC + "account-disabled", RISC + "account-purged"}
    assert {claims["jti"] for claims in last} == {claims["jti"] for claims in events_of(receiver)}


@ONLY_SQLITE
def test_what_would_be_tried_again_is_there_for_who_comes_to_fetch_it(portal, code_flow, receiver, by_hand, happens):
    mine = portal()
    mine.pushed(receiver)
    code_flow(mine.client)
    receiver.statuses["/signaux"] = [503]
    happens(DISABLED)
    assert by_hand() == (0, 1)
    mine.ask("streams", "PATCH", json={"stream_id": mine.stream_id, "delivery": {"method": POLL}})

    assert len(mine.poll().json["sets"]) == 1


@ONLY_SQLITE
def test_a_receiver_that_refuses_is_given_up_and_the_row_says_so(wsgi_app, portal, code_flow, receiver, by_hand, happens):
    mine = portal()
    mine.pushed(receiver)
    code_flow(mine.client)
    receiver.statuses["/signaux"] = [400]
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        happens(DISABLED)
        for _ in range(3):
            by_hand()
            clock.shift(timedelta(hours=1))
    with wsgi_app.flask.app_context():
        (row,) = db.session.scalars(select(Signal))
        assert (row.next_try_at, row.failure, row.tries) == (None, "answered 400", 3)


def test_an_event_is_spread_once_by_two_processes(wsgi_app, portal, code_flow, by_hand, happens, settings):
    """Each with its own statements: the fact is locked, spread and marked in one transaction."""
    mine = portal()
    mine.open()
    code_flow(mine.client)
    for _ in range(5):
        happens(DISABLED)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: wsgi_app.mag.signals.gather(datetime.now(UTC)), range(4)))
    assert len(mine.poll().json["sets"]) == 5


@ONLY_SQLITE
def test_without_stream_nothing_waits(wsgi_app, by_hand, happens):
    happens(DISABLED)
    by_hand()
    with wsgi_app.flask.app_context():
        assert db.session.scalar(select(AccountEvent.spread_at)) is not None
        assert db.session.scalar(select(Signal.id)) is None
        assert db.session.scalar(select(Stream.id)) is None


def test_json_is_the_only_language(portal):
    mine = portal()
    answer = mine.ask("streams", data=json.dumps({}), content_type="text/plain")

    assert answer.status_code == 415
