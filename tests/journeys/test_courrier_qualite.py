"""Whether people can be reached: mails that come back, addresses asked again, mails that could not leave (fact 43)."""

import mailbox
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser

import pytest
import time_machine
from aiosmtpd.controller import Controller
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.config import Secret
from idp.database import db
from idp.declarants.compte.joignable import KnownRecipients
from idp.declarants.models import Declarant
from idp.notifications.delivery import compose, send_due, sender
from idp.notifications.messages import Message
from idp.notifications.models import DEAD_KEPT, Mail
from idp.seals import Seals
from tests.factories import csrf_in, se_connecter, un_administrateur, un_declarant
from tests.returns import DELAYED, DELIVERED, EXIM, POSTFIX, SERVERS, report
from tests.services import free_port

EMAIL = "claire@exemple.fr"
RETURNS = ["courrier", "retours"]


@pytest.fixture
def settings(settings):
    return replace(settings, bounce_address="retours@mag.test", mail_from="MAG <ne-pas-repondre@mag.test>")


@pytest.fixture
def claire(app):
    """Somebody whose address is proved, with two administrators."""
    un_administrateur(app, nom="Martin", prenom="Odile", email="odile@exemple.fr")
    un_administrateur(app, nom="Sans", prenom="Adresse")
    return un_declarant(app, email=EMAIL, email_verified=True)


def sent(app, settings, person, kind="information", recipient=EMAIL):
    """A mail that left: its number, where it comes back to, its Message-ID."""
    with app.app_context():
        mail = Mail.write(kind, recipient, Message("Objet", "Texte"), datetime.now(UTC), person.id)
        seals = Seals(settings.secrets)
        back, identifier = sender(settings, seals, mail), compose(settings, seals, mail, datetime.now(UTC))["Message-ID"]
        mail.sent(datetime.now(UTC))
        db.session.commit()
        return mail.id, back, str(identifier)


def run(app, *args, **kw):
    done = app.test_cli_runner().invoke(args=list(args), **kw)
    assert done.exit_code == 0, done.output
    return done.output


def piped(app, raw):
    """What the command says of one message on its standard input."""
    return run(app, *RETURNS, input=raw)


def row(app, person):
    with app.app_context():
        found = db.session.get(Declarant, person.id)
        db.session.expunge(found)
        return found


def mails(app, kind):
    with app.app_context():
        return [(mail.recipient, mail.body or "") for mail in db.session.scalars(select(Mail).filter_by(kind=kind).order_by(Mail.id))]


def facts(app, kind):
    with app.app_context():
        return [event.details for event in db.session.scalars(select(AuditEvent).filter_by(kind=kind).order_by(AuditEvent.id))]


def everything(app):
    """All that a command could have changed."""
    with app.app_context():
        people = db.session.execute(select(Declarant.__table__).order_by(Declarant.id)).all()
        return people, db.session.execute(select(Mail.__table__).order_by(Mail.id)).all(), len(facts_of(AuditEvent))


def facts_of(model):
    return list(db.session.scalars(select(model.id)))


# ------------------------------------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize("server", SERVERS, ids=lambda one: one.product)
@pytest.mark.parametrize("named_by", ["address", "identifier"])
def test_a_mailbox_that_does_not_exist_is_marked_and_administrators_are_told(app, settings, claire, server, named_by):
    _, back, identifier = sent(app, settings, claire)
    raw = report(server.hard, to=back) if named_by == "address" else report(server.hard, message_id=identifier)

    assert "1 message(s) lu(s), 1 retour(s)" in piped(app, raw)
    found = row(app, claire)
    assert (found.email, found.email_verified, found.email_bounced_at is not None) == (EMAIL, False, True)
    assert [recipient for recipient, _ in mails(app, "rejet_collegue")] == ["odile@exemple.fr"]
    assert "Claire Lefèvre" in mails(app, "rejet_collegue")[0][1]
    assert facts(app, "EmailBounced") == [{"hard": True, "status": facts(app, "EmailBounced")[0]["status"]}]


@pytest.mark.parametrize("server", SERVERS, ids=lambda one: one.product)
def test_a_full_mailbox_counts_and_five_in_a_month_are_a_dead_address(app, settings, claire, server):
    for count in range(1, 6):
        _, back, _ = sent(app, settings, claire)
        piped(app, report(server.soft, to=back))
        found = row(app, claire)
        assert (found.email_soft_bounces, found.email_bounced_at is not None) == (count, count == 5)

    assert [fact["hard"] for fact in facts(app, "EmailBounced")] == [False] * 4 + [True]
    assert len(mails(app, "rejet_collegue")) == 1


def test_returns_that_are_far_apart_never_make_an_address_dead(app, settings, claire):
    for month in range(8):
        with time_machine.travel(datetime.now(UTC) + timedelta(days=20 * month)):
            _, back, _ = sent(app, settings, claire)
            piped(app, report(POSTFIX.soft, to=back))

    assert row(app, claire).email_bounced_at is None
    assert row(app, claire).email_soft_bounces == 2


def test_the_same_report_counts_once(app, settings, claire):
    _, back, identifier = sent(app, settings, claire)
    raw = report(POSTFIX.soft, to=back, message_id=identifier)

    assert ["1 retour(s)" in piped(app, raw) for _ in range(3)] == [True, False, False]
    assert row(app, claire).email_soft_bounces == 1


def another_tag(back):
    return re.sub(r"\.[0-9a-f]{16}@", ".0123456789abcdef@", back)


def of_another_number(back):
    return re.sub(r"\+(\d+)\.", lambda found: f"+{int(found[1]) + 1}.", back)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(lambda back: report(POSTFIX.hard), id="untagged"),
        pytest.param(lambda back: report(POSTFIX.hard, to=another_tag(back)), id="another tag"),
        pytest.param(lambda back: report(POSTFIX.hard, to=of_another_number(back)), id="the tag of another mail"),
        pytest.param(lambda back: report(POSTFIX.hard, to="retours+99999999999999999999.0123456789abcdef@mag.test"), id="huge number"),
        pytest.param(lambda back: report(POSTFIX.hard, message_id="<mag.1.0123456789abcdef.x@mag.test>"), id="forged identifier"),
        pytest.param(lambda back: report(DELAYED, to=back), id="only late"),
        pytest.param(lambda back: report(DELIVERED, to=back), id="delivered"),
        pytest.param(lambda back: f"To: {back}\nSubject: Absente\n\nJe suis en vacances.\n".encode(), id="vacation"),
        pytest.param(lambda back: f"To: {back}\n\nHi. This is the qmail-send program.\n550 5.1.1 unknown\n".encode(), id="no report"),
        pytest.param(lambda back: b"", id="nothing"),
        pytest.param(lambda back: b"\xff\x00\r\n" * 5000, id="noise"),
        pytest.param(lambda back: report(POSTFIX.hard, to=back)[:500], id="cut"),
        pytest.param(lambda back: report("Action: failed\nStatus: 5.1.1\n", to="<<<@,;" * 400), id="malformed address"),
    ],
)
def test_what_is_not_a_failure_of_a_mail_of_ours_changes_nothing(app, settings, claire, raw):
    _, back, _ = sent(app, settings, claire)
    before = everything(app)

    assert "0 retour(s)" in piped(app, raw(back))
    assert everything(app) == before


def test_a_tag_made_under_an_older_secret_is_still_believed(app, settings, claire):
    number, _, _ = sent(app, settings, claire)
    with app.app_context():
        mail = db.session.get(Mail, number)
        mine = sender(settings, Seals(settings.secrets), mail)
        strangers = sender(settings, Seals((Secret("autre", bytes(32)),)), mail)

    assert "0 retour(s)" in piped(app, report(POSTFIX.hard, to=strangers))
    assert "1 retour(s)" in piped(app, report(POSTFIX.hard, to=mine.upper()))


def test_a_return_about_an_address_that_was_changed_marks_nobody(app, settings, claire):
    _, back, _ = sent(app, settings, claire, recipient="ancienne@exemple.fr")

    assert "1 retour(s)" in piped(app, report(POSTFIX.hard, to=back))
    assert row(app, claire).email_bounced_at is None


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
def test_a_mailbox_is_read_once_message_by_message(app, settings, claire, tmp_path, kind):
    box = mailbox.Maildir(tmp_path / "boite") if kind == "maildir" else mailbox.mbox(tmp_path / "boite")
    backs = [sent(app, settings, claire)[1] for _ in range(2)]
    for raw in (report(EXIM.soft, to=backs[0]), b"Subject: bonjour\n\nRien.\n", report(EXIM.hard, to=backs[1])):
        box.add(raw)
    box.flush()
    said = [run(app, *RETURNS, f"--{kind}", str(tmp_path / "boite")) for _ in range(2)]

    assert "3 message(s) lu(s), 2 retour(s)" in said[0]
    assert "0 message(s) lu(s), 0 retour(s)" in said[1]
    assert len(box) == 3, "nothing is deleted"
    assert row(app, claire).email_bounced_at is not None
    box = mailbox.Maildir(tmp_path / "boite") if kind == "maildir" else mailbox.mbox(tmp_path / "boite")
    box.add(report(EXIM.soft, to=sent(app, settings, claire)[1]))
    box.flush()
    assert "1 message(s) lu(s), 1 retour(s)" in run(app, *RETURNS, f"--{kind}", str(tmp_path / "boite"))


def test_a_dead_address_receives_what_security_asks_for_alone_and_its_owner_reads_it(app, settings, claire, client):
    _, back, _ = sent(app, settings, claire)
    piped(app, report(POSTFIX.hard, to=back))
    known = KnownRecipients(settings.issuer)
    with app.app_context():
        ordinary, security = (Mail.write(k, EMAIL, Message("s", "b"), datetime.now(UTC), claire.id) for k in ("information", "frein"))
        assert (known.unreachable(ordinary), known.unreachable(security)) == (True, False)
    se_connecter(client)

    assert "ne reçoit plus nos courriers" in client.get("/").text
    assert "Ne reçoit plus nos courriers" in client.get("/compte").text


# ------------------------------------------------------------------------------------------------------------ the envelope


class Box:
    """A server that takes every mail, or answers a recipient as told."""

    def __init__(self) -> None:
        self.received, self.answers, self.conversations = [], {}, 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # aiosmtpd's names
        self.conversations += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        self.received.append((envelope.mail_from, envelope.rcpt_tos, BytesParser(policy=policy.default).parsebytes(envelope.content)))
        return "250 ok"


@pytest.fixture
def box(settings):
    handler = Box()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    handler.settings = replace(settings, smtp_url=f"smtp://127.0.0.1:{controller.port}")
    yield handler
    controller.stop()


def deliver(app, box, now=None):
    with app.app_context():
        return send_due(box.settings, now or datetime.now(UTC), KnownRecipients(box.settings.issuer))


def write(app, recipient, kind="information", person=None):
    with app.app_context():
        Mail.write(kind, recipient, Message("Objet", "Texte", "<p>Texte</p>"), datetime.now(UTC), person.id if person else None)
        db.session.commit()


def test_each_mail_leaves_under_a_sender_of_its_own_in_one_conversation(app, box, claire):
    for _ in range(3):
        write(app, EMAIL, person=claire)
    assert deliver(app, box).sent == 3
    senders = [envelope for envelope, _, _ in box.received]

    assert len(set(senders)) == 3
    assert all(re.fullmatch(r"retours\+\d+\.[0-9a-f]{16}@mag\.test", one) for one in senders)
    assert box.conversations == 1
    message = box.received[0][2]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert (message["From"], message["Auto-Submitted"]) == ("MAG <ne-pas-repondre@mag.test>", "auto-generated")
    assert "1 retour(s)" in piped(app, report(POSTFIX.hard, to=senders[0]))


def test_without_an_address_for_returns_they_come_to_the_sender_and_the_identifier_names_them(app, box, claire):
    box.settings = replace(box.settings, bounce_address="")
    write(app, EMAIL, person=claire)
    deliver(app, box)
    [(envelope, _, message)] = box.received

    assert envelope == "ne-pas-repondre@mag.test"
    assert "1 retour(s)" in piped(app, report(POSTFIX.hard, message_id=message["Message-ID"]))


def test_a_recipient_refused_at_once_is_a_return(app, box, claire):
    box.answers[EMAIL] = "550 5.1.1 No such user"
    write(app, EMAIL, person=claire)
    write(app, "odile@exemple.fr")
    done = deliver(app, box)

    assert (done.sent, done.failed) == (2, 1), "and the administrator is told"
    assert row(app, claire).email_bounced_at is not None
    assert deliver(app, box).failed == 0


def test_a_domain_that_asks_to_wait_is_left_alone_and_others_are_served(app, box):
    box.answers["a@lent.fr"] = "451 4.7.1 Greylisted"
    for recipient in ("a@lent.fr", "b@lent.fr", "c@exemple.fr"):
        write(app, recipient)
    now = datetime.now(UTC)
    done = deliver(app, box, now)
    assert (done.sent, done.failed) == (1, 1)
    assert deliver(app, box, now).sent == 0
    box.answers.clear()

    assert deliver(app, box, now + timedelta(minutes=3)).sent == 2
    assert {message["To"] for _, _, message in box.received} == {"a@lent.fr", "b@lent.fr", "c@exemple.fr"}


def test_a_refusal_of_policy_is_tried_again_and_marks_nobody(app, box, claire):
    box.answers[EMAIL] = "550 5.7.1 Sender reputation"
    write(app, EMAIL, person=claire)

    assert deliver(app, box).failed == 1
    assert row(app, claire).email_bounced_at is None
    box.answers.clear()
    assert deliver(app, box, datetime.now(UTC) + timedelta(minutes=2)).sent == 1


def test_dead_mails_are_listed_and_tried_again_while_their_text_is_kept(app, box, settings):
    box.answers["a@exemple.fr"] = "451 4.3.0 later"
    write(app, "a@exemple.fr")
    start = datetime.now(UTC)
    for hour in range(27):
        deliver(app, box, start + timedelta(hours=hour))
    assert "451 4.3.0" in run(app, "courrier", "morts")
    with time_machine.travel(start + timedelta(hours=30)):
        assert "1 relancé(s)" in run(app, "courrier", "morts", "--relancer")
        assert "0 courrier(s) resté(s) en échec, 0 relancé(s)" in run(app, "courrier", "morts", "--relancer")
    box.answers.clear()
    assert deliver(app, box, start + timedelta(hours=30, minutes=1)).sent == 1
    assert "0 courrier(s)" in run(app, "courrier", "morts")


def test_a_dead_mail_whose_text_is_gone_is_only_listed(app, box):
    write(app, "pas une adresse")
    assert deliver(app, box).failed == 1
    with app.app_context():
        Mail.purge(datetime.now(UTC) + DEAD_KEPT)

    assert "1 courrier(s) resté(s) en échec, 0 relancé(s)" in run(app, "courrier", "morts", "--relancer")


# ------------------------------------------------------------------------------------------------------- addresses, again

ADDRESSES = ["declarants", "adresses"]


def link_in(body):
    return re.search(r"https://mag\.test(/compte/adresse/toujours/\S+)", body)[1]


@pytest.fixture
def later(app, claire):
    """Thirteen months after the address was proved: nobody was asked before."""
    with app.app_context():
        db.session.delete(db.session.get(Declarant, next(p.id for p in db.session.scalars(select(Declarant)) if p.nom == "Sans")))
        db.session.get(Declarant, next(p.id for p in db.session.scalars(select(Declarant)) if p.nom == "Martin")).email = None
        db.session.commit()
    assert "0 demande(s)" in run(app, *ADDRESSES)
    return datetime.now(UTC) + timedelta(days=400)


def on(app, day):
    with time_machine.travel(day):
        return run(app, *ADDRESSES)


def test_an_address_is_asked_about_reminded_then_held_for_unconfirmed(app, claire, later):
    assert "1 demande(s), 0 rappel(s), 0 adresse(s)" in on(app, later)
    assert "0 demande(s), 0 rappel(s), 0 adresse(s)" in on(app, later + timedelta(days=6))
    assert "0 demande(s), 1 rappel(s), 0 adresse(s)" in on(app, later + timedelta(days=8))
    assert row(app, claire).email_verified
    assert "0 demande(s), 0 rappel(s), 1 adresse(s)" in on(app, later + timedelta(days=22))

    assert not row(app, claire).email_verified
    assert len(mails(app, "adresse_toujours")) == 2
    assert facts(app, "EmailUnconfirmed") == [{}]
    assert "0 demande(s), 0 rappel(s), 0 adresse(s)" in on(app, later + timedelta(days=800))


@pytest.mark.parametrize("days", [0, 8, 22])
def test_C81_a_round_run_twice_changes_nothing(app, claire, later, days):
    for day in range(0, days + 1, 2):
        on(app, later + timedelta(days=day))
    before = everything(app)

    assert "0 demande(s), 0 rappel(s), 0 adresse(s)" in on(app, later + timedelta(days=days))
    assert everything(app) == before


def test_C44_whoever_opens_the_link_proves_nothing_whoever_posts_it_does_once(app, claire, later, client):
    on(app, later)
    [(recipient, body)] = mails(app, "adresse_toujours")
    assert recipient == EMAIL
    with time_machine.travel(later + timedelta(days=2)):
        for _ in range(3):
            page = client.get(link_in(body))
            assert page.status_code == 200
        assert row(app, claire).email_asked_at is not None
        assert "confirmée" in client.post(link_in(body), data={"csrf": csrf_in(page.text)}).text
        assert client.post(link_in(body), data={"csrf": csrf_in(page.text)}).status_code == 404
        assert client.get(link_in(body)).status_code == 404
    found = row(app, claire)

    assert (found.email_verified, found.email_asked_at) == (True, None)
    assert facts(app, "EmailConfirmed") == [{}]
    assert "0 demande(s), 0 rappel(s), 0 adresse(s)" in on(app, later + timedelta(days=22))
    assert "1 demande(s)" in on(app, later + timedelta(days=400))


def test_the_link_of_the_first_mail_dies_with_the_reminder_and_the_second_still_serves(app, claire, later, client):
    on(app, later)
    on(app, later + timedelta(days=8))
    first, second = (link_in(body) for _, body in mails(app, "adresse_toujours"))
    with time_machine.travel(later + timedelta(days=20)):
        assert client.get(first).status_code == 404
        page = client.get(second)
        assert client.post(second, data={"csrf": "faux"}).status_code == 403
        assert client.post(second, data={"csrf": csrf_in(page.text)}).status_code == 200


def test_nobody_is_asked_who_was_never_to_be(app, claire, later, settings):
    with app.app_context():
        db.session.get(Declarant, claire.id).email_bounced_at = datetime.now(UTC)
        db.session.commit()

    assert "0 demande(s)" in on(app, later)
