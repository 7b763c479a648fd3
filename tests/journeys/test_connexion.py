"""What a person does to sign in, page by page, and what an operator does about it."""

import socketserver
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.authentication.session import CLOSING_LIFETIME, close_every_session
from idp.authentication.throttle import FREE
from idp.database import db
from idp.declarants.models import AccountEvent, Declarant
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siret
from idp.errors import SettingError
from idp.notifications.delivery import Relay, send_due
from idp.notifications.messages import Message, in_words
from idp.notifications.models import DEAD_KEPT, Mail
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_declarant, une_demande, une_demande_de

NEW_PASSWORD = "un autre cheval vert"


def where(response):
    """Path and query of a redirection."""
    parts = urlsplit(response.headers["Location"])
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}


# ----------------------------------------------------------------------------------------------------------- signing in


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param({}, id="as-inscribed"),
        pytest.param({"siret": "SIRET : 732.829.320.00074", "nom": "LEFEVRE", "prenom": "claire"}, id="pasted-and-capitals"),
        pytest.param(
            {"siret": "732\u00a0829\u202f320 00074", "nom": "Lefe\u0300vre", "prenom": " Claire "}, id="no-break-spaces-and-decomposed"
        ),
    ],
)
def test_a_person_signs_in_however_they_write_their_name(app, client, typed):
    un_declarant(app)
    response = se_connecter(client, **typed)

    assert (response.status_code, where(response)[0]) == (303, "/")
    assert response.headers["Set-Login"] == "logged-in"
    assert "Bonjour Claire" in client.get("/").text


def test_home_says_who_is_signed_in_for_which_company(app, client):
    un_declarant(app, email="claire@exemple.fr")
    with app.app_context():
        db.session.add(Entreprise(siren=Siret(SIRET).siren, etat="A", statut_diffusion="O", denomination="LES ATELIERS DU PONT"))
        db.session.commit()
    se_connecter(client)
    page = client.get("/").text

    for expected in ("Claire Lefèvre", "732 829 320 00074", "LES ATELIERS DU PONT", "claire@exemple.fr", "votre mot de passe"):
        assert expected in page


def test_who_is_not_signed_in_is_sent_to_the_mire(client):
    assert where(client.get("/"))[0] == "/connexion"


def test_the_page_says_which_partner_asks_and_goes_back_to_it(app, client):
    un_declarant(app)
    token = une_demande_de(app, client)
    page = client.get("/connexion", query_string={"demande": token}).text
    response = se_connecter(client, demande=token)

    assert "Portail d&#39;essai" in page
    assert "portail.test" in page
    assert where(response) == ("/authorize", {"demande": token})


def test_giving_up_tells_the_partner(app, client):
    token = une_demande_de(app, client)
    page = client.get("/connexion", query_string={"demande": token}).text
    response = client.post("/connexion/annuler", data={"demande": token, "csrf": csrf_in(page)})

    assert where(response) == ("/authorize", {"demande": token, "refus": "1"})


def test_a_demande_too_old_says_to_start_again(app, client):
    old = une_demande(asked_at=int((datetime.now(UTC) - timedelta(hours=1)).timestamp()))
    response = client.get("/connexion", query_string={"demande": une_demande_de(app, client, old)})

    assert response.status_code == 400
    assert "recommencez" in response.text


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({"login_hint": "73282932000074|Lefèvre|Claire"}, ["732 829 320 00074", "Lefèvre", "Claire"]),
        ({"siret_hint": "73282932000074"}, ["732 829 320 00074"]),
        ({"login_hint": "claire@exemple.fr", "siret_hint": "nonsense"}, []),
        ({"login_hint": '"><script>|x|y'}, []),
    ],
)
def test_a_partners_hint_fills_the_page_and_nonsense_is_ignored(app, client, hints, expected):
    token = une_demande_de(app, client, une_demande(**hints))
    page = client.get("/connexion", query_string={"demande": token}).text

    assert all(f'value="{value}"' in page for value in expected)
    assert ('value="732' in page) == bool(expected)
    assert "<script>|" not in page


def test_who_must_confirm_their_identity_types_only_the_password(app, client):
    un_declarant(app)
    se_connecter(client)
    token = une_demande_de(app, client, une_demande())

    assert 'value="Lefèvre"' in client.get("/connexion", query_string={"demande": token}).text
    assert 'value="Lefèvre"' not in client.get("/connexion", query_string={"demande": token, "autre": "1"}).text


# ------------------------------------------------------------------------------------------------- remembered identities


def test_an_identity_is_remembered_on_request_only_and_forgotten(app, client):
    un_declarant(app)
    se_connecter(client)
    assert "Vos identités" not in client.get("/connexion").text
    se_connecter(client, nom="LEFEVRE", memoriser="oui")
    page = client.get("/connexion")
    client.post("/connexion/oublier", data={"csrf": csrf_in(page.text), "identite": "0"})

    assert "Claire Lefèvre" in page.text
    assert "Vos identités" not in client.get("/connexion").text


def test_a_remembered_identity_fills_the_page(app, client):
    un_declarant(app)
    se_connecter(client, memoriser="oui")
    page = client.get("/connexion?identite=0").text

    assert 'value="Lefèvre"' in page
    assert PASSWORD not in page


def test_five_identities_at_most_are_remembered_the_last_used_first(app, client):
    for n in range(6):
        un_declarant(app, nom=f"Personne {n}")
        se_connecter(client, nom=f"Personne {n}", memoriser="oui")
    page = client.get("/connexion").text

    assert "Personne 0" not in page
    assert page.index("Personne 5") < page.index("Personne 4") < page.index("Personne 1")


@pytest.mark.parametrize("cookie", ["", "x", "é", "essai.AAAA", "x" * 4000])
def test_a_remembered_cookie_that_we_did_not_seal_is_ignored(client, cookie):
    client.set_cookie("__Host-mag_m", cookie.encode().decode("latin-1"), domain="mag.test")

    assert client.get("/connexion").status_code == 200


# ------------------------------------------------------------------------------------------------------ choice of identity


def test_choosing_to_go_on_as_oneself_needs_no_password(app, client):
    un_declarant(app)
    se_connecter(client)
    token = une_demande_de(app, client, une_demande(select=True))
    page = client.get("/connexion/choix", query_string={"demande": token}).text
    response = client.post("/connexion/choix", data={"demande": token, "csrf": csrf_in(page)})

    assert "Claire Lefèvre" in page
    assert where(response) == ("/authorize", {"demande": token, "choix": "1"})


def test_choosing_another_identity_asks_for_its_password(app, client):
    un_declarant(app)
    un_declarant(app, nom="Autre")
    se_connecter(client, nom="Autre", memoriser="oui")
    se_connecter(client)
    token = une_demande_de(app, client, une_demande(select=True))
    page = client.get("/connexion/choix", query_string={"demande": token}).text
    response = se_connecter(client, nom="Autre", demande=token)

    assert "Claire Autre" in page
    assert "identite=0" in page
    assert where(response) == ("/authorize", {"demande": token, "choix": "1"})
    assert "Claire Autre" in client.get("/").text


# ------------------------------------------------------------------------------------------------------------- signing out


def test_signing_out_here_leaves_the_other_devices(app, client, new_client):
    un_declarant(app)
    other = new_client()
    se_connecter(client)
    se_connecter(other)
    response = client.post("/deconnexion", data={"csrf": csrf_in(client.get("/").text), "portee": "ici"})

    assert "Votre session est fermée" in client.get(where(response)[0]).text
    assert client.get("/").status_code == 303
    assert other.get("/").status_code == 200


def test_signing_out_everywhere_closes_every_session(app, client, new_client):
    un_declarant(app)
    other = new_client()
    se_connecter(client)
    se_connecter(other)
    client.post("/deconnexion", data={"csrf": csrf_in(client.get("/").text), "portee": "partout"})

    assert client.get("/").status_code == 303
    assert other.get("/").status_code == 303
    assert se_connecter(client).status_code == 303


def test_signing_out_twice_is_no_error(app, client):
    un_declarant(app)
    se_connecter(client)
    csrf = csrf_in(client.get("/").text)

    assert [client.post("/deconnexion", data={"csrf": csrf}).status_code for _ in range(2)] == [303, 303]


# ------------------------------------------------------------------------------------------------------------------- mails


class Catcher(socketserver.StreamRequestHandler):
    """The least of SMTP: takes every mail; says no while `refusing`."""

    def handle(self) -> None:
        self.say("220 essai")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text.removeprefix(b".") if text.startswith(b"..") else text)
                self.server.received.append(message_from_bytes(b"".join(lines), policy=policy.default))
            self.say("451 later" if word == "RCPT" and self.server.refusing else "221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def relay(settings):
    """A mail server on this machine, and settings that name it."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Catcher) as server:
        server.daemon_threads, server.received, server.refusing = True, [], False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.settings = replace(settings, smtp_url=f"smtp://127.0.0.1:{server.server_address[1]}")
        yield server
        server.shutdown()


def write_mail(app, now):
    with app.app_context():
        Mail.write("essai", "claire@exemple.fr", Message("Été comme hiver", "Bonjour Claire,\n\n.un point en tête\n"), now)
        db.session.commit()


def test_the_outbox_is_sent_once_and_its_text_erased(app, relay):
    now = datetime.now(UTC)
    write_mail(app, now)
    with app.app_context():
        first, second = send_due(relay.settings, now), send_due(relay.settings, now)
        mail = db.session.scalar(select(Mail))

    assert (first.sent, second.sent) == (1, 0)
    assert [(m["To"], m["Subject"], m.get_content().replace("\r\n", "\n")) for m in relay.received] == [
        ("claire@exemple.fr", "Été comme hiver", "Bonjour Claire,\n\n.un point en tête\n")
    ]
    assert (mail.body, mail.sent_at) == (None, now)


def test_C73_a_mail_that_fails_is_tried_again_later_and_given_up_after_a_day(app, relay):
    relay.refusing = True
    now = datetime.now(UTC)
    write_mail(app, now)
    tries = 0
    with app.app_context():
        for minute in range(0, 60 * 26, 1):
            done = send_due(relay.settings, now + timedelta(minutes=minute)) if minute < 20 or minute % 60 == 0 else None
            tries += done.failed if done else 0
        mail = db.session.scalar(select(Mail))

        assert tries == mail.tries >= 5
        later = now + timedelta(minutes=60 * 26) + DEAD_KEPT
        assert mail.next_try_at is None
        assert mail.body is not None, "an operator may try it again"
        Mail.purge(later)
        db.session.refresh(mail)
        assert mail.body is None, "links in it are secrets"
    assert mail.failure == "451 4.0.0"


def test_C73_a_dead_mail_server_keeps_the_mail(app, settings):
    now = datetime.now(UTC)
    write_mail(app, now)
    with app.app_context():
        assert send_due(replace(settings, smtp_url="smtp://127.0.0.1:1"), now).failed == 1
        assert db.session.scalar(select(Mail)).next_try_at == now + timedelta(minutes=1)


MALFORMED = ["a@b\n", "@", "a@", "<", "a@[", '"', "é@é.fr", "a b@c", "a@b, c@d", "\x00@b", "a", "a@b>", "x:;"]


def test_C73_a_mail_to_no_address_is_given_up_and_stops_no_other(app, relay):
    now = datetime.now(UTC)
    with app.app_context():
        for recipient in MALFORMED:
            Mail.write("essai", recipient.replace("\x00", "\x01"), Message("s", "https://mag.test/secret"), now)
        db.session.commit()
    write_mail(app, now)
    with app.app_context():
        done = send_due(relay.settings, now)
        given_up = list(db.session.scalars(select(Mail).where(Mail.sent_at.is_(None))))

    assert (done.sent, done.failed) == (1, len(MALFORMED))
    assert {(mail.body, mail.next_try_at, mail.failure, mail.tries) for mail in given_up} == {(None, None, "recipient", 1)}


@pytest.mark.parametrize("url", ["", "http://x", "smtp://", "mail.exemple.fr"])
def test_an_address_of_mail_server_that_is_none_is_named(url):
    with pytest.raises(SettingError, match="MAG_SMTP_URL"):
        Relay.read(url)


def test_a_new_device_is_told_by_mail_from_the_second_on(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr")
    for browser in (client, client, new_client()):
        se_connecter(browser)
    with app.app_context():
        mails = list(db.session.scalars(select(Mail)))

    assert [mail.kind for mail in mails] == ["nouvel_appareil"]
    assert "https://mag.test" in mails[0].body


def test_an_instant_is_told_in_paris():
    assert in_words(datetime(2026, 7, 1, 22, 5, tzinfo=UTC)) == "2 juillet 2026 à 0\u00a0h\u00a005"
    assert in_words(datetime(2026, 1, 31, 23, 0, tzinfo=UTC)) == "1er février 2026 à 0\u00a0h\u00a000"


# ---------------------------------------------------------------------------------------------------------------- operator


def run(app, *words, typed=None):
    return app.test_cli_runner().invoke(args=list(words), input=typed)


@pytest.fixture
def company(app):
    with app.app_context():
        db.session.add(Etablissement(siret=Siret(SIRET), actif=True, siege=True, statut_diffusion="O"))
        db.session.commit()


def test_an_operator_inscribes_a_person_who_signs_in(app, client, company):
    done = run(app, "declarants", "inscrire", SIRET, "Lefèvre", "Claire", "--mot-de-passe-stdin", typed=PASSWORD + "\n")

    assert done.exit_code == 0, done.output
    assert "Inscription faite : Claire Lefèvre" in done.output
    assert se_connecter(client).status_code == 303
    assert "Claire Lefèvre" in run(app, "declarants", "montrer", "732 829 320 00074", "LEFEVRE", "claire").output


def test_a_homonym_is_refused_with_a_way_for_both_to_exist(app, company, client):
    un_declarant(app)
    refused = run(app, "declarants", "inscrire", SIRET, "LEFEVRE", "claire")
    accepted = run(app, "declarants", "inscrire", SIRET, "Lefèvre", "Claire 2", "--mot-de-passe-stdin", typed=NEW_PASSWORD + "\n")

    assert refused.exit_code == 1
    assert "« Jean 2 »" in refused.output
    assert accepted.exit_code == 0
    assert se_connecter(client, prenom="claire 2", password=NEW_PASSWORD).status_code == 303
    assert se_connecter(client).status_code == 303


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((SIRET, "Lefèvre", "Claire"), id="unknown-siret"),
        pytest.param(("73282932000075", "Lefèvre", "Claire", "--hors-repertoire"), id="wrong-key"),
        pytest.param((SIRET, "!!!", "Claire", "--hors-repertoire"), id="no-name"),
        pytest.param((SIRET, "ﷺ" * 80, "Claire", "--hors-repertoire"), id="name-too-long-once-folded"),
        pytest.param((SIRET, "Lefèvre", "Claire", "--hors-repertoire", "--mot-de-passe-stdin"), id="weak-password"),
        pytest.param((SIRET, "Lefèvre", "Claire", "--hors-repertoire", "--email", "claire@"), id="email-without-domain"),
        pytest.param((SIRET, "Lefèvre", "Claire", "--hors-repertoire", "--email", "claire@exemple.fr\nBcc: x@y.fr"), id="two-lines"),
    ],
)
def test_what_cannot_be_inscribed_changes_nothing(app, words):
    done = run(app, "declarants", "inscrire", *words, typed="court\n")

    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    with app.app_context():
        assert not list(db.session.scalars(select(Declarant)))


def test_a_suspended_person_is_out_at_once_and_comes_back(app, client):
    un_declarant(app)
    se_connecter(client)
    assert run(app, "declarants", "suspendre", SIRET, "Lefèvre", "Claire").exit_code == 0
    assert client.get("/").status_code == 303
    assert se_connecter(client).status_code == 422
    assert run(app, "declarants", "suspendre", SIRET, "Lefèvre", "Claire").exit_code == 1
    assert run(app, "declarants", "reactiver", SIRET, "Lefèvre", "Claire").exit_code == 0
    assert se_connecter(client).status_code == 303


def test_a_new_password_ends_sessions_and_the_old_password(app, client):
    un_declarant(app)
    se_connecter(client)
    done = run(app, "declarants", "mot-de-passe", SIRET, "Lefèvre", "Claire", "--stdin", typed=NEW_PASSWORD + "\n")

    assert done.exit_code == 0, done.output
    assert client.get("/").status_code == 303
    assert se_connecter(client).status_code == 422
    assert se_connecter(client, password=NEW_PASSWORD).status_code == 303


def test_an_operator_ends_every_session_of_a_person(app, client):
    un_declarant(app)
    se_connecter(client)

    assert run(app, "declarants", "deconnecter", SIRET, "Lefèvre", "Claire").exit_code == 0
    assert client.get("/").status_code == 303


def facts(app, kind):
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent).filter_by(kind=kind)))


def test_a_refused_suspension_closes_nothing(app, client):
    un_declarant(app)
    who = (SIRET, "Lefèvre", "Claire")
    assert [run(app, "declarants", *[act, *who]).exit_code for act in ("suspendre", "suspendre", "reactiver")] == [0, 1, 0]
    with app.app_context():
        events = list(db.session.scalars(select(AccountEvent.kind).order_by(AccountEvent.id)))
    assert events == ["account-disabled", "account-enabled"], "partners learn both, once"
    assert se_connecter(client).status_code == 303
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_closing_whose_transaction_is_lost_locks_nobody_out(app, client):
    declarant = un_declarant(app)
    with app.app_context():
        mag = app.extensions["mag"]
        close_every_session(mag.ephemeral, mag.settings, db.session.get(Declarant, declarant.id))
        db.session.rollback()
    with time_machine.travel(timedelta(seconds=CLOSING_LIFETIME + 1)):
        assert se_connecter(client).status_code == 303
        assert client.get("/").status_code == 200
    with app.app_context():
        assert db.session.get(Declarant, declarant.id).version == declarant.version + 1


def test_a_sign_in_under_way_while_sessions_are_closed_opens_none(app, client):
    """The transaction that closes them is not over yet: the person's version has not moved."""
    declarant = un_declarant(app)
    with app.app_context():
        mag = app.extensions["mag"]
        close_every_session(mag.ephemeral, mag.settings, db.session.get(Declarant, declarant.id))
        db.session.rollback()
    se_connecter(client)

    assert client.get("/").status_code == 303


def test_what_operators_do_about_sessions_and_brakes_is_in_the_journal(app):
    declarant = un_declarant(app)
    run(app, "declarants", "deconnecter", SIRET, "Lefèvre", "Claire")
    run(app, "connexion", "liberer", SIRET, "Lefèvre", "Claire")
    run(app, "connexion", "liberer", SIRET, "Lefèvre", "Personne")
    [closed], lifted = facts(app, "SessionsClosed"), facts(app, "BrakeLifted")

    assert (closed.declarant_id, closed.actor) == (declarant.id, "commande")
    assert [(one.declarant_id, one.siret, one.actor) for one in lifted] == [
        (declarant.id, int(SIRET), "commande"),
        (None, int(SIRET), "commande"),
    ]


def test_an_operator_lifts_a_brake(app, client):
    un_declarant(app)
    for _ in range(FREE + 2):
        se_connecter(client, password="mauvais")
    assert se_connecter(client).status_code == 422
    assert run(app, "connexion", "liberer", SIRET, "lefevre", "CLAIRE").exit_code == 0

    assert se_connecter(client).status_code == 303


@pytest.mark.parametrize("command", ["montrer", "suspendre", "reactiver", "mot-de-passe", "deconnecter"])
def test_a_command_about_nobody_says_so(app, command):
    done = run(app, "declarants", command, SIRET, "Personne", "Personne")

    assert done.exit_code == 1
    assert "Personne n'est inscrit" in done.output


def test_mails_wait_where_no_server_is_set(app):
    done = run(app, "courrier", "envoyer")

    assert done.exit_code == 1
    assert "MAG_SMTP_URL" in done.output


def test_acts_of_an_operator_are_in_the_journal(app, company):
    run(app, "declarants", "inscrire", SIRET, "Lefèvre", "Claire", "--mot-de-passe-stdin", typed=PASSWORD + "\n")
    run(app, "declarants", "suspendre", SIRET, "Lefèvre", "Claire")
    with app.app_context():
        kinds = [(event.kind, event.actor) for event in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))]

    assert kinds == [("DeclarantInscribed", "commande"), ("PasswordChanged", "commande"), ("DeclarantChanged", "commande")]
