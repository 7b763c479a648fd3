"""Others tell MAG what happened to an account. RFC 8417, 8935, 8936, 9493; CAEP 1.0, RISC 1.0, Shared Signals Framework 1.0 (receiver)."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import select

from idp.audit import journal as audit
from idp.audit.events import ConnexionOpened
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.preuves.models import Preuve
from idp.declarants.statuts import Statut
from idp.notifications.messages import Message
from idp.notifications.models import Mail
from idp.oidc import suspension
from idp.oidc.backchannel.models import LogoutNotice
from idp.oidc.reception import endpoints as reception_endpoints
from idp.oidc.reception.models import Emetteur, SignalRecu
from idp.oidc.reception.vocabulary import TYPES
from partners.amont.confrontation import hashes_of
from partners.amont.models import Fournisseur
from partners.machine.events import MachineDoorOpened
from partners.models import Partenaire
from partners.rattachement.models import Rattachement
from tests.protocol.emitter import CAEP, ISSUER, RISC, SECEVENT, SSF, Emitter, keeping
from tests.protocol.relying import altered

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
COMPROMISED, REVOKED, DISABLED = RISC + "credential-compromise", CAEP + "session-revoked", RISC + "account-disabled"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, outgoing_hosts=("partenaire.localhost",))


@pytest.fixture(autouse=True)
def by_hand(wsgi_app):
    """No thread delivers nor fetches."""
    wsgi_app.mag.messenger.stop()


@pytest.fixture
def portal(partner):
    return partner("portail", backchannel_logout_uri="https://portail.test/fin")


@pytest.fixture
def emitter(wsgi_app, portal, tmp_path):
    """`emitter("--politique", "credential-compromise=fermer")`: the transmitter of the portal's partner."""
    return lambda *words, code="paie", **given: Emitter(wsgi_app, tmp_path, code, *words, **given)


@pytest.fixture
def sub(portal, code_flow):
    """What MAG told the portal of the person signed in there; asked once a transmitter is declared, or before."""
    return lambda **given: code_flow(portal, **given).claims["sub"]


@pytest.fixture
def received(wsgi_app):
    """What was written of each event, the first one first."""

    def read():
        with wsgi_app.flask.app_context():
            rows = db.session.scalars(select(SignalRecu).order_by(SignalRecu.id))
            return [(row.kind, row.declarant_id, row.effet, row.motif) for row in rows]

    return read


@pytest.fixture
def person(wsgi_app, un_declarant):
    """`person(name)`: a member of the person's row."""

    def read(name):
        with wsgi_app.flask.app_context():
            return getattr(db.session.get(Declarant, un_declarant), name)

    return read


def mails(wsgi_app):
    with wsgi_app.flask.app_context():
        return [mail.kind for mail in db.session.scalars(select(Mail).order_by(Mail.id)) if mail.kind.startswith("signal_")]


# --------------------------------------------------------------------------------------------------- RFC 8935: what comes in


def test_8935_2_2_an_event_is_taken_noted_and_changes_nothing_by_default(emitter, send, sub, signed_in, received, journal, un_declarant):
    paie, name = emitter(), sub()
    answer = paie.push(send, paie.token(COMPROMISED, paie.about(name)))

    assert (answer.status_code, answer.data) == (202, b"")
    assert received() == [("credential-compromise", un_declarant, "noter", "")]
    assert [(line["emetteur"], line["evenement"], line["effet"]) for line in journal("SignalReceived")] == [
        ("paie", "credential-compromise", "noter")
    ]
    assert signed_in.get("/compte").status_code == 200


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("changes", "err"),
    [
        pytest.param({"iss": "https://ailleurs.test"}, "invalid_issuer", id="8417-2.2-iss"),
        pytest.param({"iss": None}, "invalid_issuer", id="8417-2.2-no-iss"),
        pytest.param({"aud": "https://ailleurs.test"}, "invalid_audience", id="8417-2.2-aud"),
        pytest.param({"aud": None}, "invalid_audience", id="8417-2.2-no-aud"),
        pytest.param({"aud": ["https://mag.test"] * 11}, "invalid_audience", id="ours-too-many-audiences"),
        pytest.param({"iat": None}, "invalid_request", id="8417-2.2-no-iat"),
        pytest.param({"iat": "hier"}, "invalid_request", id="8417-2.2-iat"),
        pytest.param({"iat": timedelta(minutes=3)}, "invalid_request", id="ours-iat-in-the-future"),
        pytest.param({"iat": timedelta(days=-8)}, "invalid_request", id="ours-iat-too-old"),
        pytest.param({"jti": None}, "invalid_request", id="8417-2.2-no-jti"),
        pytest.param({"jti": "x" * 256}, "invalid_request", id="ours-jti-too-long"),
        pytest.param({"jti": "a\0b"}, "invalid_request", id="ours-jti-not-printable"),
        pytest.param({"events": None}, "invalid_request", id="8417-2.2-no-event"),
        pytest.param({"events": {}}, "invalid_request", id="SSF-4-no-event"),
        pytest.param({"events": {COMPROMISED: {}, REVOKED: {}}}, "invalid_request", id="SSF-4-two-events"),
        pytest.param({"events": {COMPROMISED: "oui"}}, "invalid_request", id="8417-2.2-event-not-an-object"),
        pytest.param({"sub_id": None}, "invalid_request", id="9493-4-no-subject"),
        pytest.param({"sub_id": {"sub": "x"}}, "invalid_request", id="9493-3-no-format"),
        pytest.param({"sub_id": {"format": "complex", "session": {}}}, "invalid_request", id="SSF-3.2-no-user"),
        pytest.param({"exp": timedelta(hours=1)}, "invalid_request", id="SSF-4-exp"),
        pytest.param({"sub": "quelqu-un"}, "invalid_request", id="SSF-4-sub"),
        pytest.param({"nonce": "n"}, "invalid_request", id="ours-an-id-token"),
    ],
)
def test_8935_2_4_a_token_that_breaks_one_rule_is_refused(emitter, send, received, journal, changes, err):
    paie = emitter("--politique", "credential-compromise=suspendre")
    dated = {name: int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value for name, value in changes.items()}
    answer = paie.push(send, paie.token(COMPROMISED, paie.about("x"), **dated))

    assert (answer.status_code, answer.json["err"]) == (400, err)
    assert answer.headers["Content-Language"] == "en"
    assert answer.json["description"].isascii()
    assert [row[2] for row in received()] == ["refus"]
    assert journal("SignalRefused")[0]["reason"].startswith(err)


@ONLY_SQLITE
@pytest.mark.parametrize("case", ["typ", "no typ", "logout", "none", "hs256", "key", "jwk", "kid", "signature", "text", "long"])
def test_8935_2_4_a_header_or_a_signature_that_is_not_its_own_is_refused(emitter, send, received, case):
    paie = emitter()
    stranger = ECKey.generate_key("P-256", {"kid": "cle-1"})
    made = {
        "typ": lambda: paie.token(COMPROMISED, {}, header={"typ": "JWT"}),
        "no typ": lambda: paie.token(COMPROMISED, {}, header={"typ": ""}),
        "logout": lambda: paie.token(COMPROMISED, {}, header={"typ": "logout+jwt"}),
        "none": lambda: "eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0.e30.",
        "hs256": lambda: paie.token(COMPROMISED, {}, header={"alg": "HS256"}, key=OctKey.import_key("x" * 32)),
        "key": lambda: paie.token(COMPROMISED, {}, key=stranger),
        "jwk": lambda: paie.token(COMPROMISED, {}, header={"jwk": stranger.as_dict(private=False)}, key=stranger),
        "kid": lambda: paie.token(COMPROMISED, {}, header={"kid": "autre"}),
        "signature": lambda: altered(paie.token(COMPROMISED, paie.about("x"))),
        "text": lambda: "bonjour",
        "long": lambda: "a" * 16_000 + ".b.c",
    }[case]()
    answer = paie.push(send, made)

    assert answer.status_code == 400
    expected = "invalid_request" if case in ("typ", "no typ", "logout", "text", "long", "none") else "invalid_key"
    assert answer.json["err"] in (expected, "invalid_key" if case == "none" else expected)
    assert [row[2] for row in received()] == ["refus"]


@ONLY_SQLITE
def test_8935_2_3_who_pushes_proves_who_they_are_and_learns_nothing(emitter, send, wsgi_app, received):
    paie = emitter()
    token = paie.token(COMPROMISED, paie.about("x"))
    refusals = [
        paie.push(send, token, token=""),
        paie.push(send, token, token="faux"),
        send("/ssf/v1/events/inconnu", data=token, token=paie.secret, content_type=SECEVENT),
        send("/ssf/v1/events/", data=token, token=paie.secret, content_type=SECEVENT),
        send("/ssf/v1/events/" + "x" * 100, data=token, token=paie.secret, content_type=SECEVENT),
    ]
    paie.command("couper", "paie")
    refusals.append(paie.push(send, token))
    paie.command("couper", "paie", "--rouvrir")
    former = paie.secret
    paie.secret = paie.command("renouveler", "paie").partition("Bearer ")[2].split("\n")[0]
    refusals.append(paie.push(send, token, token=former))
    with wsgi_app.flask.app_context():
        Partenaire.with_code("portail").enabled = False
        db.session.commit()
    refusals.append(paie.push(send, token))

    assert {(answer.status_code, answer.data) for answer in refusals} == {(400, refusals[0].data)}
    assert refusals[0].json["err"] == "authentication_failed"
    assert received() == []
    with wsgi_app.flask.app_context():
        Partenaire.with_code("portail").enabled = True
        db.session.commit()
    assert paie.push(send, token).status_code == 202


@ONLY_SQLITE
def test_8935_3_with_an_access_token_of_the_partners_own_client(emitter, send, partner):
    paie = emitter("--jeton")
    machine = {"grant_types": ["client_credentials"], "redirect_uris": [], "scope": "ssf.send ssf.read"}
    ours, other = partner("paie-machine", partenaire="portail", **machine), partner("autre-machine", partenaire="autre", **machine)

    def push(client, scope="ssf.send"):
        token = client.token(grant_type="client_credentials", scope=scope).json["access_token"]
        return paie.push(send, paie.token(COMPROMISED, paie.about("x")), token=token)

    assert push(ours).status_code == 202
    assert push(ours, "ssf.read").json["err"] == "access_denied"
    assert push(other).json["err"] == "access_denied"
    assert paie.push(send, "x.y.z", token="faux").json["err"] == "authentication_failed"
    assert paie.secret == ""


@ONLY_SQLITE
def test_8935_2_1_what_is_not_one_token_is_refused(emitter, send):
    paie = emitter()
    token = paie.token(COMPROMISED, paie.about("x"))

    assert paie.push(send, token, content_type="application/jwt").status_code == 415
    assert paie.push(send, "a" * 17_000).status_code == 413
    assert paie.push(send, "é").json["err"] == "invalid_request"
    assert paie.push(send, b"\xff\xfe").status_code == 400
    assert paie.push(send, "").json["err"] == "invalid_request"
    assert send("/ssf/v1/events/paie", "GET").status_code == 405


@ONLY_SQLITE
@pytest.mark.parametrize("limit", ["EVENTS_A_MINUTE", "REQUESTS_A_MINUTE"])
def test_ours_too_many_in_a_minute_wait(emitter, send, monkeypatch, limit):
    paie = emitter()
    monkeypatch.setattr(reception_endpoints, limit, 1)
    pushed = [paie.push(send, paie.token(COMPROMISED, paie.about("x"))) for _ in range(2)]

    assert [answer.status_code for answer in pushed] == [202, 429]
    assert pushed[1].headers["Retry-After"] == "60"


@ONLY_SQLITE
def test_ours_a_transmitter_that_errs_again_and_again_fills_no_table(emitter, send, received):
    paie = emitter()
    for _ in range(25):
        paie.push(send, "bonjour")

    assert len(received()) == 20


# ----------------------------------------------------------------------------------------------------- RFC 9493: about whom


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("subject", "motif"),
    [
        pytest.param({"format": "email", "email": "anne.lefevre@exemple.fr"}, "sujet", id="3.2.2-never-by-e-mail-alone"),
        pytest.param({"format": "phone_number", "phone_number": "+33123456789"}, "sujet", id="3.2.5-nor-by-telephone"),
        pytest.param({"format": "opaque", "id": "compte-7"}, "sujet", id="3.2.4-opaque-was-not-agreed"),
        pytest.param({"format": "iss_sub", "iss": ISSUER, "sub": "compte-7"}, "sujet", id="3.2.3-nor-its-own-accounts"),
        pytest.param({"format": "iss_sub", "iss": "https://ailleurs.test", "sub": "x"}, "sujet", id="3.2.3-of-another-issuer"),
        pytest.param({"format": "iss_sub", "iss": "https://mag.test"}, "sujet", id="3.2.3-without-sub"),
        pytest.param({"format": "iss_sub", "iss": "https://mag.test", "sub": "personne"}, "inconnu", id="3.2.3-nobody"),
        pytest.param({"format": "iss_sub", "iss": "https://mag.test", "sub": "\ud800"}, "sujet", id="ours-half-a-character"),
        pytest.param({"format": "aliases", "identifiers": []}, "sujet", id="3.2.8-aliases"),
    ],
)
def test_9493_whoever_is_not_known_that_way_is_noted_and_nothing_is_told(emitter, send, sub, received, wsgi_app, subject, motif):
    paie = emitter("--politique", "credential-compromise=suspendre")
    sub()
    answer = paie.push(send, paie.token(COMPROMISED, subject))

    assert (answer.status_code, answer.data) == (202, b"")
    assert received() == [("credential-compromise", None, "noter", motif)]
    assert mails(wsgi_app) == []


@ONLY_SQLITE
def test_9493_the_sub_of_another_partner_names_nobody(emitter, send, partner, code_flow, received):
    elsewhere = code_flow(partner("ailleurs", subject_type="pairwise")).claims["sub"]
    paie = emitter("--politique", "credential-compromise=suspendre")
    paie.push(send, paie.token(COMPROMISED, paie.about(elsewhere)))

    assert received() == [("credential-compromise", None, "noter", "inconnu")]


def test_9493_who_signed_in_before_the_transmitter_was_declared_is_known(emitter, send, sub, received, un_declarant):
    name = sub()
    paie = emitter()
    complex_subject = {"format": "complex", "user": paie.about(name), "session": {"format": "opaque", "id": "s"}}
    paie.push(send, paie.token(REVOKED, complex_subject))

    assert received() == [("session-revoked", un_declarant, "noter", "")]


@ONLY_SQLITE
def test_9493_a_linked_account_names_its_holder_where_that_was_agreed(emitter, send, received, wsgi_app, un_declarant):
    paie = emitter("--sujet", "compte", "--sujet", "opaque")
    with wsgi_app.flask.app_context():
        owner = Partenaire.with_code("portail")
        given = {
            "compte": "compte-7",
            "libelle": "Anne",
            "origine": "mag",
            "preuve": "openid",
            "seul": True,
            "opened_at": datetime.now(UTC),
        }
        link = Rattachement.open(partenaire_id=owner.id, declarant_id=un_declarant, **given)
        db.session.commit()
        link_id = link.id
    for subject in (
        {"format": "iss_sub", "iss": ISSUER, "sub": "compte-7"},
        {"format": "opaque", "id": "compte-7"},
        paie.about("compte-7"),
    ):
        paie.push(send, paie.token(COMPROMISED, subject))
    with wsgi_app.flask.app_context():
        db.session.get(Rattachement, link_id).closed_at = datetime.now(UTC)
        db.session.commit()
    paie.push(send, paie.token(COMPROMISED, {"format": "opaque", "id": "compte-7"}))

    assert [row[1:] for row in received()] == [
        *[(un_declarant, "noter", "")] * 2,
        (None, "noter", "sujet"),
        (None, "noter", "inconnu"),
    ]


@ONLY_SQLITE
def test_9493_a_provider_above_mag_names_who_signs_in_with_it(emitter, send, received, wsgi_app, un_declarant):
    now, seals = datetime.now(UTC), wsgi_app.mag.keyring
    with wsgi_app.flask.app_context():
        how = {"profil": "openid", "client_id": "mag", "auth_method": "private_key_jwt", "cles_sealed": b"", "reglages": {}}
        above = Fournisseur(code="etat", nom="L'État", issuer="https://etat.test", created_at=now, updated_at=now, **how)
        proved = {"nom": "L'État", "niveau": "eidas1", "dirigeant": False, "proved_at": now, "expires_at": now, "connexion_at": now}
        known = {"sujet_hash": hashes_of(seals, above, "compte-9")[0], "identite_hash": ""}
        db.session.add_all([above, Preuve(declarant_id=un_declarant, fournisseur="etat", **known, **proved)])
        db.session.commit()
    etat = emitter("--fournisseur", "etat", code="etat", issuer="https://etat.test")
    for sub in ("compte-9", "compte-10"):
        etat.push(send, etat.token(COMPROMISED, {"format": "iss_sub", "iss": "https://etat.test", "sub": sub}))
    assert [row[1:] for row in received()] == [(un_declarant, "noter", ""), (None, "noter", "inconnu")]
    with wsgi_app.flask.app_context():
        Fournisseur.named("etat").enabled = False
        db.session.commit()
    assert etat.push(send, "x.y.z").json["err"] == "authentication_failed"
    words = ("ajouter", "b", "--issuer", "https://b.test", "--fournisseur", "etat")
    assert "sub de MAG" in etat.command(*words, "--sujet", "mag", fails=True)
    assert "pas de client" in etat.command(*words, "--jeton", fails=True)


# --------------------------------------------------------------------------------------------------------- what MAG does of it


def test_ending_sessions_ends_them_everywhere_and_says_so_once(emitter, send, sub, signed_in, wsgi_app, received, un_declarant, journal):
    paie = emitter("--politique", "credential-compromise=fermer")
    token = paie.token(COMPROMISED, paie.about(sub()))
    assert [paie.push(send, token).status_code for _ in range(3)] == [202, 202, 202]

    assert signed_in.get("/compte").status_code == 303
    assert received() == [("credential-compromise", un_declarant, "fermer", "")]
    assert mails(wsgi_app) == ["signal_fermer"]
    assert len(journal("SessionsClosed")) == 1
    with wsgi_app.flask.app_context():
        assert [notice.client_id for notice in db.session.scalars(select(LogoutNotice))] == ["portail"]


@ONLY_SQLITE
def test_ours_two_sites_that_tell_each_other_do_not_go_round(emitter, send, sub, browser_of, wsgi_app, received, un_declarant, journal):
    paie = emitter("--politique", "session-revoked=fermer", "--politique", "account-disabled=suspendre")
    name = sub()
    for _ in range(2):
        paie.push(send, paie.token(REVOKED, paie.about(name)))
    assert [row[2:] for row in received()] == [("fermer", ""), ("noter", "deja")]
    with wsgi_app.flask.app_context():
        audit.record(ConnexionOpened(declarant_id=un_declarant, amr="pwd", acr="eidas1", sid="s"), datetime.now(UTC))
        db.session.commit()
    paie.push(send, paie.token(REVOKED, paie.about(name)))
    paie.push(send, paie.token(DISABLED, paie.about(name)))
    paie.push(send, paie.token(DISABLED, paie.about(name)))

    assert [row[2:] for row in received()[2:]] == [("fermer", ""), ("suspendre", ""), ("noter", "inactif")]


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("first", "then", "done"),
    [
        pytest.param("fermer", "renforcer", ("renforcer", ""), id="sessions-ended-demand-no-second-factor"),
        pytest.param("renforcer", "renforcer", ("noter", "deja"), id="a-factor-demanded-already"),
        pytest.param("suspendre", "suspendre", ("suspendre", ""), id="reinstated-then-suspended-anew"),
        pytest.param("suspendre", "renforcer", ("renforcer", ""), id="reinstated-then-a-factor"),
    ],
)
def test_ours_a_state_is_there_or_is_made(emitter, send, sub, wsgi_app, received, un_declarant, first, then, done):
    """Nobody signed in between the two events: what ended sessions is not done again, what changes the account is."""
    paie = emitter("--politique", f"session-revoked={first}", "--politique", f"credential-compromise={then}")
    name = sub()
    paie.push(send, paie.token(REVOKED, paie.about(name)))
    if first == "suspendre":
        with wsgi_app.flask.app_context():
            person, mail = db.session.get(Declarant, un_declarant), ("bureau_reactiver", Message("", ""))
            suspension.reinstate(person, suspension.OPERATOR_COMMAND, mail, datetime.now(UTC))
            db.session.commit()

    paie.push(send, paie.token(COMPROMISED, paie.about(name)))

    assert [row[2:] for row in received()] == [(first, ""), done]


@ONLY_SQLITE
def test_a_stored_password_used_by_a_machine_is_a_sign_in(emitter, send, sub, wsgi_app, received, un_declarant):
    paie = emitter("--politique", "session-revoked=fermer")
    name = sub()
    paie.push(send, paie.token(REVOKED, paie.about(name)))
    with wsgi_app.flask.app_context():
        audit.record(MachineDoorOpened(declarant_id=un_declarant, service="1"), datetime.now(UTC))
        db.session.commit()

    paie.push(send, paie.token(REVOKED, paie.about(name)))

    assert [row[2:] for row in received()] == [("fermer", ""), ("fermer", "")]


@ONLY_SQLITE
def test_8935_2_4_an_event_whose_key_cannot_be_read_now_is_neither_believed_nor_refused(emitter, send, sub, received, keeper, wsgi_app):
    """A transmitter drops what is refused: it is asked to come again, and what is fetched is not acknowledged."""
    keys = ("--jwks-uri", keeper.address("/jwks"))
    keeper.documents["/jwks"] = {"keys": [ECKey.generate_key("P-256", {"kid": "cle-1", "use": "sig"}).as_dict(private=False)]}
    pushed, name = emitter(*keys), sub()
    fetched = emitter(*keys, "--relever", keeper.address("/poll"), code="garde", issuer=f"{ISSUER}/garde")
    keeper.documents.clear()
    wait(keeper, fetched, COMPROMISED, fetched.about(name))

    answer = pushed.push(send, pushed.token(COMPROMISED, pushed.about(name)))
    fetch(wsgi_app)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert received() == []
    assert len(keeper.kept) == 1


def test_suspending_closes_the_account_until_an_operator_lifts_it(emitter, send, sub, signed_in, wsgi_app, person, un_declarant):
    paie = emitter("--politique", "account-disabled=suspendre")
    paie.push(send, paie.token(DISABLED, paie.about(sub())))

    assert person("statut") is Statut.SUSPENDU
    assert signed_in.get("/compte").status_code == 303
    assert mails(wsgi_app) == ["signal_suspendre"]
    with wsgi_app.flask.app_context():
        mail = ("bureau_reactiver", Message("", ""))
        suspension.reinstate(db.session.get(Declarant, un_declarant), suspension.OPERATOR_COMMAND, mail, datetime.now(UTC))
        db.session.commit()
    assert person("statut") is Statut.ACTIF


@ONLY_SQLITE
def test_a_step_up_ends_mags_sessions_and_tells_no_partner(emitter, send, sub, signed_in, wsgi_app, person, received):
    paie = emitter("--politique", "assurance-level-change=renforcer")
    paie.push(send, paie.token(CAEP + "assurance-level-change", paie.about(sub())))

    assert received()[0][2:] == ("renforcer", "")
    assert person("renforcer_at") is not None
    assert signed_in.get("/compte").status_code == 303
    assert mails(wsgi_app) == ["signal_renforcer"]
    with wsgi_app.flask.app_context():
        assert db.session.scalars(select(LogoutNotice)).all() == []


@ONLY_SQLITE
@pytest.mark.parametrize("kind", ["https://ailleurs.test/evenement", RISC + "account-enabled", CAEP + "session-established"])
def test_ours_what_no_policy_names_is_never_obeyed(emitter, send, sub, received, signed_in, kind):
    policy = [word for name in TYPES if name != "account-enabled" for word in ("--politique", f"{name}=suspendre")]
    paie = emitter(*policy)
    paie.push(send, paie.token(kind, paie.about(sub())))

    assert received()[0][2] == "noter"
    assert signed_in.get("/compte").status_code == 200


@ONLY_SQLITE
def test_ours_beyond_its_limit_a_transmitter_is_only_noted_and_the_desk_is_told(
    emitter, send, portal, code_flow, new_declarant, browser_of, received, wsgi_app, journal
):
    paie = emitter("--politique", "account-disabled=fermer", "--plafond-heure", "2")
    persons = [new_declarant() for _ in range(4)]
    for one in persons:
        name = code_flow(portal, browser=browser_of(one)).claims["sub"]
        paie.push(send, paie.token(DISABLED, paie.about(name)))

    assert [row[2:] for row in received()] == [("fermer", ""), ("fermer", ""), ("noter", "plafond"), ("noter", "plafond")]
    assert len(journal("EmetteurCapped")) == 1
    with wsgi_app.flask.app_context():
        assert Emetteur.in_alert() == 1
        assert Emetteur.named("paie").alerte_at is not None


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_8417_2_2_of_the_same_event_at_once_one_counts(emitter, send, sub, received, un_declarant, wsgi_app, person):
    paie = emitter("--politique", "credential-compromise=fermer")
    token, version = paie.token(COMPROMISED, paie.about(sub())), person("version")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: paie.push(send, token).status_code, range(8)))

    assert answers == [202] * 8
    assert received() == [("credential-compromise", un_declarant, "fermer", "")]
    assert person("version") == version + 1
    assert mails(wsgi_app) == ["signal_fermer"]


@ONLY_SQLITE
def test_what_is_kept_of_an_event_names_nobody(emitter, send, sub, wsgi_app, un_declarant):
    paie = emitter()
    content = {"new-value": "neuve@exemple.fr", "reason_admin": {"fr": "Anne Lefèvre"}, "credential_type": "password", "reason": "x" * 300}
    at = int(time.time()) - 60
    paie.push(send, paie.token(RISC + "identifier-changed", paie.about(sub()), events={RISC + "identifier-changed": content}, toe=at))
    with wsgi_app.flask.app_context():
        row = db.session.scalar(select(SignalRecu))
        assert row.details == {"credential_type": "password", "reason": "x" * 100}
        assert row.occurred_at == datetime.fromtimestamp(at, UTC)
        assert SignalRecu.told(un_declarant)[0]["evenement"] == "identifier-changed"
        assert SignalRecu.purge(datetime.now(UTC) + timedelta(days=91)) == 1


# ------------------------------------------------------------------------------------------------ RFC 8936: what MAG fetches


@pytest.fixture
def keeper():
    with keeping() as found:
        yield found


def fetch(wsgi_app):
    done = wsgi_app.mag.messenger.send_due()
    return done.sent, done.failed


def wait(keeper, emitter, event, subject, **changes):
    """The transmitter keeps a token for MAG; its `jti`."""
    token = emitter.token(event, subject, **changes)
    jti = f"{emitter.code}-{emitter.sent}"
    keeper.kept[jti] = token
    return jti


def test_8936_2_what_waits_is_fetched_acknowledged_or_refused(emitter, keeper, sub, wsgi_app, received, un_declarant, tmp_path):
    (tmp_path / "cle").write_text("Bearer jeton-de-mag\n")
    words = ("--relever", keeper.address("/poll"), "--autorisation-fichier", str(tmp_path / "cle"))
    paie = emitter(*words, "--politique", "credential-compromise=fermer")
    name = sub()
    good, bad = wait(keeper, paie, COMPROMISED, paie.about(name)), wait(keeper, paie, COMPROMISED, paie.about(name), aud="autre")
    keeper.kept["autre-nom"] = paie.token(COMPROMISED, paie.about(name))

    assert fetch(wsgi_app)[0] >= 1
    assert keeper.kept == {}
    assert {jti: error["err"] for jti, error in keeper.refused.items()} == {bad: "invalid_audience", "autre-nom": "invalid_request"}
    assert keeper.asked[0] == {"maxEvents": 20, "returnImmediately": True}
    assert keeper.asked[1]["ack"] == [good]
    assert set(keeper.authorizations) == {"Bearer jeton-de-mag"}
    assert [row[1:3] for row in received()] == [(un_declarant, "fermer"), (None, "refus"), (None, "refus")]


@ONLY_SQLITE
def test_8936_2_4_an_event_that_comes_again_is_acknowledged_again_and_counts_once(emitter, keeper, sub, wsgi_app, received):
    paie = emitter("--relever", keeper.address("/poll"))
    name = sub()
    for _ in range(25):
        wait(keeper, paie, COMPROMISED, paie.about(name))
    again = dict(keeper.kept)
    fetch(wsgi_app)
    assert keeper.kept == {}
    assert len(received()) == 25
    keeper.kept |= again
    paie.command("relever", "paie")

    assert keeper.kept == {}
    assert len(received()) == 25


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("status", "raw"), [(503, b""), (401, b""), (400, b""), (200, b"oui"), (200, b'{"sets": []}'), (200, b'{"sets": {"a": 1}}')]
)
def test_8936_a_transmitter_that_fails_is_asked_again_later_and_never_given_up(emitter, keeper, wsgi_app, status, raw):
    emitter("--relever", keeper.address("/poll"))
    keeper.status, keeper.raw = status, raw
    assert fetch(wsgi_app) == (0, 1)
    with wsgi_app.flask.app_context():
        row = Emetteur.named("paie")
        assert row.failure
        assert row.next_try_at > datetime.now(UTC) + timedelta(seconds=30)
        row.tries, row.next_try_at = 5, datetime.now(UTC)
        db.session.commit()
    assert fetch(wsgi_app) == (0, 1)
    keeper.status, keeper.raw = 200, b""
    with wsgi_app.flask.app_context():
        row = Emetteur.named("paie")
        assert row.next_try_at > datetime.now(UTC) + timedelta(minutes=20)
        row.next_try_at = datetime.now(UTC)
        db.session.commit()
    assert fetch(wsgi_app) == (1, 0)
    assert keeper.asked[-1]["maxEvents"] == 1
    with wsgi_app.flask.app_context():
        row = Emetteur.named("paie")
        assert (row.failure, row.tries) == (None, 0)
        assert row.next_try_at > datetime.now(UTC)


@ONLY_SQLITE
def test_8936_who_is_cut_off_is_not_asked(emitter, keeper, wsgi_app, send):
    paie = emitter("--relever", keeper.address("/poll"))
    token = paie.token(COMPROMISED, paie.about("x"))
    assert paie.push(send, token, token="faux").json["err"] == "authentication_failed"
    paie.command("couper", "paie")

    assert fetch(wsgi_app) == (0, 0)
    assert keeper.asked == []
    assert "pousse" in emitter(code="autre", issuer="https://autre.test").command("relever", "autre", fails=True)


# ------------------------------------------------------------------------------------------------- the framework's own events


@ONLY_SQLITE
def test_SSF_8_1_4_mag_asks_for_an_event_and_knows_it_when_it_comes(emitter, keeper, wsgi_app, send, received):
    issuer = keeper.address("")
    stranger = ECKey.generate_key("P-256", {"kid": "cle-1"})
    document = {"issuer": issuer, "jwks_uri": keeper.address("/jwks"), "verification_endpoint": keeper.address("/verification")}
    keeper.documents = {"/.well-known/ssf-configuration": document, "/jwks": {"keys": [stranger.as_dict(private=False)]}}
    paie = emitter("--jwks-uri", "", "--flux", "flux-7", issuer=issuer)
    paie.key = stranger
    of_stream = {"format": "opaque", "id": "flux-7"}

    paie.push(send, paie.token(SSF + "verification", of_stream, events={SSF + "verification": {"state": "hasard"}}))
    paie.command("verifier", "paie")
    state = keeper.verified[0]["state"]
    assert keeper.verified == [{"stream_id": "flux-7", "state": state}]
    for _ in range(2):
        paie.push(send, paie.token(SSF + "verification", of_stream, events={SSF + "verification": {"state": state}}))
    paie.push(send, paie.token(SSF + "stream-updated", of_stream, events={SSF + "stream-updated": {"status": "paused"}}))

    assert [row[2:] for row in received()] == [("noter", "etat"), ("noter", "verification"), ("noter", "etat"), ("noter", "")]
    with wsgi_app.flask.app_context():
        assert Emetteur.named("paie").verified_at is not None
    keeper.status = 500
    assert "réponse 500" in paie.command("verifier", "paie", fails=True)


# -------------------------------------------------------------------------------------------------------------- declaring one


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--partenaire", "inconnu"), "n'existe pas"),
        ((), "donnez l'un des deux"),
        (("--partenaire", "portail", "--fournisseur", "x"), "donnez l'un des deux"),
        (("--partenaire", "portail", "--politique", "inconnu=noter"), "Type d'événement inconnu"),
        (("--partenaire", "portail", "--politique", "session-revoked=effacer"), "Effet inconnu"),
        (("--partenaire", "portail", "--politique", "account-enabled=suspendre"), "ne peut être que noté"),
        (("--partenaire", "portail", "--plafond-heure", "0"), "plafonds"),
        (("--partenaire", "portail", "--plafond-heure", "200"), "plafonds"),
        (("--partenaire", "portail", "--relever", "http://ailleurs.test/"), "adresse de relève"),
        (("--partenaire", "portail", "--relever", "https://ailleurs.test/", "--jeton"), "pas les deux"),
        (("--partenaire", "portail", "--jwks-uri", "https://ailleurs.test/"), "pas les deux"),
        (("--partenaire", "portail", "--audience", "avec un espace"), "sans espace"),
        (("--partenaire", "portail", "--issuer", "https://mag.test"), "pour lui-même"),
        (("--fournisseur", "inconnu"), "n'existe pas"),
    ],
)
def test_a_transmitter_that_cannot_be_is_not_declared(wsgi_app, portal, tmp_path, words, said):
    file = tmp_path / "cles.json"
    file.write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}))
    command = ["signaux", "recus", "ajouter", "paie", "--issuer", ISSUER, "--jwks-fichier", str(file), *words]
    done = wsgi_app.flask.test_cli_runner().invoke(args=command)

    assert done.exit_code == 1
    assert said in done.output
    with wsgi_app.flask.app_context():
        assert Emetteur.every() == []


@ONLY_SQLITE
def test_a_private_key_two_issuers_and_a_code_taken_are_refused(emitter, wsgi_app, tmp_path):
    paie = emitter()
    private = tmp_path / "privee.json"
    keys = [ECKey.generate_key("P-256").as_dict(private=False), ECKey.generate_key("P-256").as_dict(private=True)]
    private.write_text(json.dumps({"keys": keys}))
    base = ("--partenaire", "portail", "--jwks-fichier")

    assert "clé privée" in paie.command("ajouter", "b", "--issuer", "https://b.test", *base, str(private), fails=True)
    assert "déjà pris" in paie.command("ajouter", "paie", "--issuer", "https://b.test", *base, str(private), fails=True)
    assert "déjà déclaré" in paie.command("ajouter", "b", "--issuer", ISSUER, *base, str(private), fails=True)
    assert "Aucun émetteur" in paie.command("voir", "inconnu", fails=True)
    (tmp_path / "x").write_text("non")
    assert "JSON" in paie.command("ajouter", "b", "--issuer", "https://b.test", *base, str(tmp_path / "x"), fails=True)


@ONLY_SQLITE
def test_an_operator_follows_changes_and_removes_a_transmitter(emitter, send, sub, received, journal, wsgi_app):
    paie = emitter()
    paie.push(send, paie.token(COMPROMISED, paie.about(sub())))
    paie.push(send, "bonjour")
    shown = paie.command("politique", "paie", "credential-compromise=fermer")
    assert "credential-compromise                fermer" in shown
    paie.command("politique", "paie", "session-revoked=renforcer", "credential-compromise=noter")
    shown = paie.command("voir", "paie")
    assert "Identifiants compromis" in shown
    assert "REFUSÉ" in shown
    assert "session-revoked                      renforcer" in shown
    paie.command("plafonds", "paie", "--heure", "5", "--jour", "50")
    assert "5 personnes par heure, 50 par jour" in paie.command("voir", "paie")
    assert "dernier le" in paie.command("lister")
    assert "n'annonce pas d'essai" in paie.command("verifier", "paie", fails=True)
    paie.command("retirer", "paie")

    assert "Aucun émetteur." in paie.command("lister")
    assert received() == []
    steps = [(line["step"], line.get("what")) for line in journal("EmetteurChanged")]
    assert steps == [
        ("added", None),
        ("politique", "credential-compromise=fermer"),
        ("politique", "credential-compromise=noter session-revoked=renforcer"),
        ("plafonds", "5 50"),
        ("removed", None),
    ]
