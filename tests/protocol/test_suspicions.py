"""The API of the bodies of an agreement: evidence of a token, with its chain; suspicious behaviours in and out, and what MAG does."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.traces.empreinte import Ligne, empreinte
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.attribution import attribuer
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import Gesture
from idp.habilitations.pagm import Reaction
from idp.notifications.models import Mail
from idp.oidc.signals.models import Signal
from idp.seals import digest
from partners.models import Partenaire
from partners.suspicions.models import ComportementSuspect, purge_signals
from tests.protocol.agreements import DSN, agree, cease
from tests.protocol.conftest import SIRET
from tests.protocol.relying import unverified_claims
from tests.protocol.test_token_exchange import EXCHANGE, exchange

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
pytestmark = pytest.mark.usefixtures("services")
SCOPE, READS = "openid pagm habilitations:dsn", "interops:traces interops:suspicions"


@pytest.fixture
def body(partner, send):
    """`body(code)`: what the software of a body asks: `call(path, **members)`."""

    def make(code, scope=READS):
        grants = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": READS}
        client = partner(f"{code}-traces", partenaire=code, **grants)
        token = client.token("client_credentials", scope=scope).json["access_token"]
        return lambda path, **members: send(f"/interops/v1/{path}", json=members, token=token)

    return make


@pytest.fixture
def vecteur(wsgi_app, partner, code_flow, new_declarant, browser_of):
    """`vecteur(**terms)`: the person, the tokens of their portal, and the token that `paie` has for `dsn` under an agreement."""

    def make(**terms):
        person = new_declarant(email="anne.lefevre@exemple.fr")
        with wsgi_app.flask.app_context():
            attribuer(Gesture(None, wsgi_app.mag.catalogue(), datetime.now(UTC)), person, int(SIRET), "dsn", [Droit.DECLARER])
            db.session.commit()
        portail = partner("portail", audience=["https://paie.test"], scope=SCOPE)
        given = {"grant_types": [EXCHANGE], "redirect_uris": [], "response_types": [], "scope": SCOPE}
        paie = partner("paie", introspect=["https://paie.test"], **given)
        partner("dsn", introspect=[DSN], **given)
        agree(wsgi_app, "paie-dsn", "paie", "dsn", **terms)
        tokens = code_flow(portail, browser=browser_of(person), scope=SCOPE)
        return person, tokens, exchange(paie, tokens.access_token).json["access_token"]

    return make


def jti(token):
    return unverified_claims(token)["jti"]


# ------------------------------------------------------------------------------------------------------------------ traces


def test_each_body_reads_the_evidence_and_verifies_it_by_itself(body, vecteur, journal):
    _, _, token = vecteur()
    by_jti = body("paie")("traces", vecteur=jti(token), motif="Réclamation 12", reference="D-12").json
    whole = body("dsn")("traces", jeton=token, motif="Contrôle").json
    (ligne,) = by_jti["trace_applicative"]

    assert (by_jti["reference"], by_jti["vecteur"]) == ("D-12", digest(jti(token)))
    assert by_jti["verification_vi"] == {
        **{"signature": "non_presentee", "convention": "paie-dsn", "convention_en_vigueur": True, "client": "paie"},
        **{"fournisseur": "dsn", "etat": "en_cours"},
    }
    assert whole["verification_vi"]["signature"] == "valide"
    at = datetime.fromisoformat(ligne["date"])
    again = Ligne("paie-dsn", ligne["rang"], at, ligne["nature"], by_jti["vecteur"], ligne["contenu"], ligne["precedent"])
    assert empreinte(again) == ligne["empreinte"]
    assert [line["motif"] for line in journal("TraceQueried")] == ["Réclamation 12", "Contrôle"]


@ONLY_SQLITE
def test_what_became_of_a_token_is_told(wsgi_app, body, vecteur):
    person, tokens, token = vecteur()
    asks = body("dsn")

    def state():
        return asks("traces", jeton=token, motif="x").json["verification_vi"]["etat"]

    assert state() == "en_cours"
    wsgi_app.mag.ephemeral.end(f"compte:{person}.1", lifetime=600)
    wsgi_app.machines.issuer.families.close(wsgi_app.machines.issuer.families.family_of(tokens.refresh_token), "revoked", datetime.now(UTC))
    assert state() == "revoque"
    cease(wsgi_app, "paie-dsn")
    assert state() == "convention_finie"
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=301)):
        assert body("paie")("traces", jeton=token, motif="x").json["verification_vi"]["etat"] == "expire"


@ONLY_SQLITE
def test_C60_a_token_of_others_or_of_no_agreement_does_not_exist(body, vecteur):
    _, tokens, token = vecteur()
    stranger, concerned = body("curieux"), body("paie")
    answers = [
        stranger("traces", vecteur=jti(token), motif="x"),
        stranger("suspicions", jeton=token, motif="autre"),
        concerned("traces", vecteur="inconnu", motif="x"),
        concerned("traces", vecteur="é", motif="x"),
        concerned("traces", jeton=tokens.access_token, motif="x"),
    ]

    assert {(a.status_code, a.json["error"]) for a in answers} == {(404, "not_found")}


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("traces", {"vecteur": "x"}),
        ("traces", {"motif": "x"}),
        ("traces", {"vecteur": "x", "jeton": "y", "motif": "x"}),
        ("traces", {"vecteur": 1, "motif": "x"}),
        ("traces", {"vecteur": "x", "motif": "x" * 201}),
        ("traces", {"vecteur": "x", "motif": "x", "autre": "x"}),
        ("suspicions", {"vecteur": "x", "motif": "humeur"}),
        ("suspicions", {"vecteur": "x", "motif": "autre", "description": "a\nb"}),
    ],
)
def test_what_is_not_such_a_request_is_refused(body, path, members):
    assert body("paie")(path, **members).status_code == 400


@ONLY_SQLITE
def test_the_scope_of_each_is_its_own_and_a_person_has_neither(body, vecteur, send):
    _, tokens, token = vecteur()

    assert body("paie", "interops:traces")("suspicions", vecteur=jti(token), motif="autre").status_code == 403
    assert body("dsn", "interops:suspicions")("traces", vecteur=jti(token), motif="x").status_code == 403
    assert send("/interops/v1/traces", json={"vecteur": "x", "motif": "x"}, token=tokens.access_token).status_code == 401
    assert send("/interops/v1/traces", json={"vecteur": "x", "motif": "x"}).status_code == 401


@ONLY_SQLITE
def test_RFC9728_the_resource_describes_itself_and_says_so_where_it_refuses(send):
    described = "/.well-known/oauth-protected-resource/interops/v1"

    assert send(described, "GET").json["scopes_supported"] == ["interops:traces", "interops:suspicions"]
    for path in ("/interops/v1/traces", "/interops/v1/suspicions"):
        assert described in send(path, json={}).headers["WWW-Authenticate"]


@ONLY_SQLITE
def test_a_software_that_declares_without_end_is_slowed_down(body, vecteur, monkeypatch):
    monkeypatch.setitem(__import__("partners.suspicions.endpoints", fromlist=["MOST"]).MOST, "interops:suspicions", (2, 3600))
    _, _, token = vecteur()
    declare = body("dsn")

    assert [declare("suspicions", vecteur=jti(token), motif="autre").status_code for _ in range(3)] == [201, 201, 429]


# -------------------------------------------------------------------------------------------------------------- suspicions


def told(wsgi_app):
    with wsgi_app.flask.app_context():
        rows = db.session.scalars(select(ComportementSuspect).order_by(ComportementSuspect.sens))
        return [(row.sens, row.partenaire.code, row.reaction, row.delivered_at is not None) for row in rows]


def mails(wsgi_app):
    with wsgi_app.flask.app_context():
        return sorted((mail.kind, mail.recipient) for mail in db.session.scalars(select(Mail)) if "susp" in mail.kind)


@ONLY_SQLITE
def test_noted_it_changes_nothing_but_the_other_body_is_told(wsgi_app, body, vecteur, partner, journal):
    person, _, token = vecteur(suspicion=Reaction.NOTER)
    with wsgi_app.flask.app_context():
        Partenaire.with_code("paie").contact = "securite@paie.test"
        db.session.commit()
    answer = body("dsn")("suspicions", vecteur=jti(token), motif="volume_anormal", description="3 000 appels", reference="S-1")

    assert (answer.status_code, answer.json["reaction"]) == (201, "noter")
    assert told(wsgi_app) == [("emise", "paie", "aucune", True), ("recue", "dsn", "noter", False)]
    assert mails(wsgi_app) == [("comportement_suspect", "securite@paie.test")]
    assert journal("SuspicionReceived")[0]["declarant_id"] == person
    natures = [one["nature"] for one in body("paie")("traces", vecteur=jti(token), motif="x").json["trace_applicative"]]
    assert natures == ["emission", "suspicion"]


@pytest.fixture
def stream(wsgi_app, partner, send):
    """`stream(code)`: of a program of a body, and what it fetches and acknowledges: what the events say."""
    wsgi_app.mag.messenger.stop()

    def opened(code, **given):
        grants = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "ssf.manage"}
        token = partner(f"{code}-signaux", partenaire=code, **grants).token("client_credentials", scope="ssf.manage").json["access_token"]
        name = send("/ssf/v1/streams", json=given, token=token).json["stream_id"]

        def fetched():
            sets = send(f"/ssf/v1/poll/{name}", json={"returnImmediately": True}, token=token).json["sets"]
            send(f"/ssf/v1/poll/{name}", json={"maxEvents": 0, "ack": list(sets)}, token=token)
            return [unverified_claims(one) for one in sets.values()]

        return fetched

    return opened


def a_contact(wsgi_app, *codes):
    with wsgi_app.flask.app_context():
        for code in codes:
            Partenaire.with_code(code).contact = f"securite@{code}.test"
        db.session.commit()


def test_where_the_agreement_asks_for_it_the_other_body_is_told_by_its_stream_and_not_by_mail(wsgi_app, body, vecteur, stream):
    _, _, token = vecteur(signaux=True)
    a_contact(wsgi_app, "paie")
    heard, declaring = stream("paie"), stream("dsn")
    answer = body("dsn")("suspicions", vecteur=jti(token), motif="volume_anormal", description="3 000 appels").json
    runner, group = wsgi_app.flask.test_cli_runner(), wsgi_app.flask.cli.commands["suspicions"]
    assert "[signal en attente]" in runner.invoke(group, ["lister"]).output
    (claims,) = heard()

    assert declaring() == [], "whoever told it is not told"
    assert mails(wsgi_app) == []
    assert claims["sub_id"] == {"format": "opaque", "id": answer["vecteur"]}
    said = claims["events"]["urn:mag:secevent:comportement-suspect"]
    assert said.keys() == {"event_timestamp", "id", "convention", "motif", "description"}
    assert (said["convention"], said["motif"], said["description"]) == ("paie-dsn", "volume_anormal", "3 000 appels")
    assert "[" not in runner.invoke(group, ["lister"]).output
    with wsgi_app.flask.app_context():
        assert ComportementSuspect.undelivered(9) == []
        assert purge_signals(datetime.now(UTC) + timedelta(days=40)) == 1
        db.session.commit()
        (row,) = db.session.scalars(select(ComportementSuspect).where(ComportementSuspect.sens == "emise"))
        assert row.delivered_at is not None, "kept longer than the signal"


@ONLY_SQLITE
@pytest.mark.parametrize("case", ["no-stream", "not-asked-of-the-stream", "not-in-the-agreement"])
def test_the_mail_goes_where_no_stream_tells_it(wsgi_app, body, vecteur, stream, case):
    _, _, token = vecteur(signaux=case != "not-in-the-agreement")
    a_contact(wsgi_app, "paie")
    if case == "not-asked-of-the-stream":
        stream("paie", events_requested=["https://schemas.openid.net/secevent/risc/event-type/account-purged"])
    elif case == "not-in-the-agreement":
        stream("paie")
    body("dsn")("suspicions", vecteur=jti(token), motif="autre")

    assert mails(wsgi_app) == [("comportement_suspect", "securite@paie.test")]
    with wsgi_app.flask.app_context():
        assert db.session.scalar(select(Signal)) is None


@ONLY_SQLITE
def test_an_operator_tells_both_bodies_and_reads_what_was_told(wsgi_app, vecteur):
    _, _, token = vecteur()
    runner, group = wsgi_app.flask.test_cli_runner(), wsgi_app.flask.cli.commands["suspicions"]

    assert runner.invoke(group, ["lister"]).output == "Aucune déclaration.\n"
    assert runner.invoke(group, ["signaler", "inconnu", "--motif", "autre"]).exit_code == 1
    assert runner.invoke(group, ["signaler", jti(token), "--motif", "compromission"]).output.count("aucun contact") == 2
    assert runner.invoke(group, ["lister"]).output.count("clé ou poste compromis") == 2
    assert {row[:2] for row in told(wsgi_app)} == {("emise", "paie"), ("emise", "dsn")}


def test_closed_the_sessions_end_everywhere_and_the_person_is_told(wsgi_app, body, vecteur, partner):
    _, tokens, token = vecteur(suspicion=Reaction.FERMER)
    portail = partner("portail", audience=["https://paie.test"], scope=SCOPE)
    assert body("dsn")("suspicions", jeton=token, motif="usurpation").json["reaction"] == "fermer"

    assert portail.refresh(tokens.refresh_token).json["error"] == "invalid_grant"
    assert portail.introspect(tokens.access_token).json == {"active": False}
    assert ("suspicion_fermer", "anne.lefevre@exemple.fr") in mails(wsgi_app)


@ONLY_SQLITE
def test_suspended_the_account_opens_nothing_and_a_second_declaration_does_no_more(wsgi_app, body, vecteur):
    person, _, token = vecteur(suspicion=Reaction.SUSPENDRE)
    declare = body("dsn")

    assert declare("suspicions", vecteur=jti(token), motif="compromission").json["reaction"] == "suspendre"
    assert declare("suspicions", vecteur=jti(token), motif="compromission").json["reaction"] == "noter"
    with wsgi_app.flask.app_context():
        assert db.session.get(Declarant, person).statut is Statut.SUSPENDU


@ONLY_SQLITE
def test_a_body_whose_agreement_ended_is_heard_and_no_more(wsgi_app, body, vecteur):
    person, _, token = vecteur(suspicion=Reaction.SUSPENDRE)
    declare = body("dsn")
    cease(wsgi_app, "paie-dsn")

    assert declare("suspicions", vecteur=jti(token), motif="compromission").json["reaction"] == "noter"
    with wsgi_app.flask.app_context():
        assert db.session.get(Declarant, person).statut is Statut.ACTIF
