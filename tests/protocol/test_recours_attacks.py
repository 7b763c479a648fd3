"""Recovery under attack: what tells whether an identity exists, links and codes played again, steps out of order, floods."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.authentication.recours import accords, limites
from idp.authentication.recours.codes import Code
from idp.authentication.recours.demandes import PURPOSE
from idp.authentication.recours.models import Recours
from idp.authentication.recours.voies import CODE_TRIES, MOST_WAITING, Voie
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail, OneTimeLink
from tests.factories import SIRET, csrf_in, se_connecter, un_administrateur, un_declarant
from tests.protocol.work import counted

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
NEW = "trois renards dans la neige"
WHO = {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire"}
PLEA = {"reason": "Ma boîte a été fermée.", "telephone": "01 23 45 67 89", "email": "neuve@exemple.fr", "email2": "neuve@exemple.fr"}
ELSEWHERE = "35600000000048"
VOIES = ("courriel", "administrateur", "assistance")
AT_ONCE = 20
POSTS = (
    "/connexion/oubli",
    "/connexion/oubli/code",
    "/connexion/oubli/question",
    "/connexion/oubli/jeton",
    "/connexion/oubli/arreter/jeton",
)


@pytest.fixture
def settings(settings):
    return replace(settings, secret_question=True)


def send(client, path, address="192.0.2.1", headers=None, **form):
    """Opens the page, then sends its form."""
    page = client.get(path)
    csrf = csrf_in(page.text) if 'name="csrf"' in page.text else ""
    return client.post(path, data={"csrf": csrf} | form, environ_overrides={"REMOTE_ADDR": address}, headers=headers)


def ask(client, voie="courriel", address="192.0.2.1", **typed):
    return send(client, "/connexion/oubli", address, **(WHO | {"voie": voie} | (PLEA if voie == "assistance" else {}) | typed))


def leaving(app, kind=None):
    with app.app_context():
        mails = db.session.scalars(select(Mail).where(Mail.next_try_at.is_not(None)).order_by(Mail.id))
        return [mail for mail in mails if kind in (None, mail.kind)]


def link_in(mail):
    return re.search(r"https://mag\.test(/connexion/oubli/\S+)", mail.body)[1]


def facts(app, kind):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(AuditEvent).filter_by(kind=kind))


def seen(response):
    """All that a stranger may compare."""
    headers = [(name, value) for name, value in response.headers if name not in ("X-Request-ID", "Date")]
    return response.status_code, sorted(headers), re.sub(r'name="csrf" value="[^"]*"', "", response.text)


# -------------------------------------------------------------------------------------------------- who exists is not told

CASES = {
    "somebody": {},
    "without-address": {"nom": "Sans Adresse"},
    "suspended": {"nom": "Suspendue"},
    "unknown-name": {"nom": "Personne"},
    "another-first-name": {"prenom": "Jeanne"},
}


@pytest.fixture
def people(app):
    """One of each kind, and two administrators who could help."""
    un_declarant(app, email="claire@exemple.fr")
    un_declarant(app, nom="Sans Adresse")
    un_declarant(app, nom="Suspendue", email="suspendue@exemple.fr", statut=Statut.SUSPENDU)
    un_administrateur(app, nom="Chef", email="chef@exemple.fr")
    un_administrateur(app, nom="Cheffe", email="cheffe@exemple.fr")


@pytest.mark.parametrize("voie", VOIES)
def test_C33_C34_asking_has_one_answer_and_one_cost_whoever_it_is(app, client, people, voie):
    answers, works, trips = {}, {}, {}
    ask(client, voie, "203.0.113.1", nom="Avant")
    for n, (case, typed) in enumerate(CASES.items()):
        client.get("/connexion/oubli")
        with counted(app) as work:
            answer = ask(client, voie, f"192.0.2.{n}", **typed)
        answers[case], works[case] = (seen(answer), seen(client.get(answer.headers["Location"]))), work.statements
        trips[case] = work.trips[0]

    assert len({str(answer) for answer in answers.values()}) == 1
    assert len({tuple(work) for work in works.values()}) == 1, "the same statements, in the same order"
    assert len(set(trips.values())) == 1
    assert leaving(app), "somebody does receive something"


def test_C33_asking_twice_looks_like_asking_once(app, client, people):
    works = []
    client.get("/connexion/oubli")
    for _ in range(2):
        with counted(app) as work:
            ask(client, "administrateur")
        works.append(work.statements)
    told = len(leaving(app))

    assert works[0] == works[1]
    assert told == 3, "two administrators and the account, once"


def pleas(app):
    """What waits for the operators: the new addresses asked for."""
    with app.app_context():
        return [recours.address for recours, _ in Recours.for_operators(datetime.now(UTC))]


def test_C36_a_request_of_a_stranger_does_not_stop_the_owners(app, client, people):
    ask(client, "assistance", email="voleur@exemple.fr", email2="voleur@exemple.fr")
    ask(client, "administrateur", "198.51.100.7")
    ask(client, "assistance", "198.51.100.7")

    assert pleas(app) == ["voleur@exemple.fr", "neuve@exemple.fr"]
    assert len(leaving(app, "recours_administrateur")) == 2


def test_whoever_decides_reads_that_another_request_is_under_way(app, client, admin):
    ask(client, "administrateur")
    alone = admin.get(f"/equipe/recours/{number_of(app)}").text
    ask(client, "assistance", "198.51.100.7")
    with app.app_context():
        asked = db.session.scalar(select(Recours.id).filter_by(voie=Voie.ADMINISTRATEUR).where(Recours.declarant_id.is_not(None)))

    assert "Une autre demande" not in alone
    assert "Une autre demande d&#39;aide est en cours" in admin.get(f"/equipe/recours/{asked}").text


def test_of_too_many_requests_for_one_account_the_oldest_goes_and_the_same_one_joins(app, client, people):
    for n in range(MOST_WAITING + 1):
        typed = {"email": f"voleur{n}@exemple.fr", "email2": f"voleur{n}@exemple.fr"}
        for _ in range(2):
            ask(client, "assistance", f"198.{n}.100.7", **typed)
    ask(client, "assistance", "203.0.113.7")

    assert pleas(app) == [*(f"voleur{n}@exemple.fr" for n in range(2, MOST_WAITING + 1)), "neuve@exemple.fr"]


def test_a_person_who_came_back_leaves_no_other_request(app, client, admin):
    code = a_code(app, client, admin)
    ask(client, "assistance", "198.51.100.7")
    ask(client, "administrateur", "198.51.100.7")
    use_code(client, code)
    send(client, link_in(leaving(app, "recours_accord")[0]), nouveau=NEW, confirmation=NEW)

    assert pleas(app) == []
    with app.app_context():
        claire = db.session.scalar(select(Declarant).filter_by(email=PLEA["email"]))
        assert Recours.queue(db.session.scalar(select(Declarant).filter_by(email="chef@exemple.fr")), datetime.now(UTC)) == []
        assert claire is not None


@pytest.mark.parametrize(
    ("path", "more"), [("code", {"code": "K7QM 2XPA 9F4D", **PLEA}), ("question", {"question": "ecole", "answer": "Zola"})]
)
def test_C33_C34_a_wrong_code_or_answer_has_one_answer_and_one_cost(app, client, people, path, more):
    answers, works = set(), set()
    for n, typed in enumerate(CASES.values()):
        with counted(app) as work:
            answer = send(client, f"/connexion/oubli/{path}", f"192.0.2.{n}", **(WHO | more | typed | {"siret": SIRET}))
        text = re.sub(r'value="(Sans Adresse|Suspendue|Personne|LEFEVRE|claire|Jeanne)"', "", answer.text)
        answers.add(str((answer.status_code, text.count("\n"), re.sub(r'value="[^"]*"', "", text))))
        works.add((*work.statements, *work.hashes))

    assert len(answers) == 1
    assert len(works) == 1


def test_C34_a_secret_question_costs_one_hash_whoever_it_is(app, client, people, monkeypatch):
    means = app.extensions["mag_means"]
    hashed, verify = [], means.passwords.verify
    monkeypatch.setattr(means.passwords, "verify", lambda stored, typed: hashed.append(stored.hash.split("$")[3]) or verify(stored, typed))
    for n, typed in enumerate(CASES.values()):
        send(client, "/connexion/oubli/question", f"192.0.2.{n}", **(WHO | {"question": "ecole", "answer": "Zola"} | typed))

    assert len(hashed) == len(CASES)
    assert len(set(hashed)) == 1


# ----------------------------------------------------------------------------------------------- played again, all at once


def at_once(new_client, path, **form):
    """The same form, from as many browsers at one instant."""
    browsers = [new_client() for _ in range(AT_ONCE)]
    tokens = [csrf_in(browser.get(path).text) for browser in browsers]

    def post(n):
        return browsers[n].post(path, data={"csrf": tokens[n]} | form)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return [answer.status_code for answer in threads.map(post, range(AT_ONCE))]


def test_C44_a_link_played_twenty_times_at_once_serves_once(app, client, new_client, people):
    ask(client)
    answers = at_once(new_client, link_in(leaving(app)[0]), nouveau=NEW, confirmation=NEW)

    assert sorted(set(answers) - {503, 409}) == [303, 404]
    assert answers.count(303) == 1
    assert facts(app, "PasswordRecovered") == 1
    assert len(leaving(app, "mot_de_passe_recouvre")) == 1


def test_C44_a_stop_played_twenty_times_at_once_stops_once(app, client, new_client, people):
    ask(client, "administrateur")
    answers = at_once(new_client, link_in(leaving(app, "recours_demande")[0]))

    assert set(answers) <= {303, 503}
    assert facts(app, "RecoveryRefused") == 1


@pytest.fixture
def admin(app, new_client, people):
    browser = new_client()
    se_connecter(browser, nom="Chef")
    return browser


def number_of(app):
    with app.app_context():
        return db.session.scalar(select(Recours.id).where(Recours.declarant_id.is_not(None)).order_by(Recours.id.desc()))


def test_C82_an_agreement_sent_twenty_times_at_once_shows_one_code(app, client, admin):
    ask(client, "administrateur")
    path = f"/equipe/recours/{number_of(app)}"
    form = {"csrf": csrf_in(admin.get(path).text), "decision": "accord", "moyen": "presence", "remise": "code"}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(lambda _: admin.post(path, data=form), range(AT_ONCE)))

    assert sum("shown-code" in answer.text for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {200, 404, 409, 503}
    assert facts(app, "RecoveryAgreed") == 1


def a_code(app, client, admin):
    ask(client, "administrateur")
    done = send(admin, f"/equipe/recours/{number_of(app)}", decision="accord", moyen="presence", remise="code")
    return re.search(r'shown-code">([0-9A-Z ]{14})<', done.text)[1]


def use_code(client, code, address="192.0.2.1", **typed):
    return send(
        client, "/connexion/oubli/code", address, **(WHO | {"code": code, "email": PLEA["email"], "email2": PLEA["email2"]} | typed)
    )


def test_a_code_is_kept_as_a_keyed_digest_and_never_in_the_journal(app, client, admin):
    code = a_code(app, client, admin)
    with app.app_context():
        kept = db.session.get(Recours, number_of(app)).code_hash
        journal = str([event.details for event in db.session.scalars(select(AuditEvent))])

    assert kept == Code.parse(code).hash(app.extensions["mag"].keyring)
    assert code not in journal
    assert code.replace(" ", "") not in journal


def test_C35_after_five_wrong_codes_the_right_one_is_refused_from_there(app, client, admin):
    code = a_code(app, client, admin)
    wrong = [use_code(client, "0000 0000 0000").status_code for _ in range(CODE_TRIES)]
    refused, owner = use_code(client, code), use_code(client, code, "198.51.100.7")

    assert wrong == [422] * CODE_TRIES
    assert refused.status_code == 422
    assert owner.status_code == 303, "a stranger elsewhere does not spend the owner's tries"


def test_a_code_that_was_tried_a_hundred_times_from_everywhere_is_dead(app, client, admin, monkeypatch):
    monkeypatch.setattr(limites, "CODE_TRIES_IN_ALL", 6)
    code = a_code(app, client, admin)
    for n in range(6):
        use_code(client, "0000 0000 0000", f"203.0.{n}.7")

    assert use_code(client, code, "198.51.100.7").status_code == 422


def test_a_code_lives_a_day_and_is_its_owners_alone(app, client, admin):
    code = a_code(app, client, admin)
    another = use_code(client, code, nom="Sans Adresse")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, minutes=1), tick=False):
        late = use_code(client, code)

    assert (another.status_code, late.status_code) == (422, 422)


@pytest.mark.parametrize("typed", ["", "K7QM", "é" * 12, "K7QM 2XPA 9F4D" * 50, "\x01" * 12, "UUUU UUUU UUUU"])
def test_what_is_no_code_is_a_wrong_code(client, people, typed):
    assert use_code(client, typed).status_code == 422


def test_the_last_address_given_with_a_code_alone_receives_a_link_that_lives(app, client, admin):
    code = a_code(app, client, admin)
    use_code(client, code, email="faute@exemple.fr", email2="faute@exemple.fr")
    use_code(client, code)
    first, second = (link_in(mail) for mail in leaving(app, "recours_accord"))

    assert client.get(first).status_code == 404
    assert client.get(second).status_code == 200


# ------------------------------------------------------------------------------------------------------ steps, out of order


@pytest.mark.parametrize("path", [*POSTS, "/equipe/recours/1", "/compte/question", "/compte/question/retirer"])
@pytest.mark.parametrize("csrf", ["", "faux", "é\x01"])
def test_C39_a_form_without_our_value_is_refused(app, client, people, path, csrf):
    se_connecter(client, nom="Chef")

    assert client.post(path, data={"csrf": csrf}).status_code == 403


@pytest.mark.parametrize("path", POSTS[:3])
def test_C43_an_empty_form_does_nothing(app, client, people, path):
    assert send(client, path).status_code == 422
    assert not leaving(app)


def test_C43_the_last_step_is_not_reached_without_a_link(app, client, people):
    """CVE-2026-18963: a reset whose last step trusted the one before."""
    ask(client)
    csrf = csrf_in(client.get(link_in(leaving(app)[0])).text)
    for word in ("fait", "jeton", "0", "%00", "é" * 40, "x" * 300):
        answer = client.post(f"/connexion/oubli/{word}", data={"csrf": csrf, "nouveau": NEW, "confirmation": NEW})
        assert answer.status_code in (400, 404, 405), word

    assert facts(app, "PasswordRecovered") == 0
    assert client.get("/connexion/oubli/fait").status_code == 200, "which says so, and does nothing"


def test_C44_a_link_of_another_purpose_opens_nothing(app, client, people):
    ask(client, "administrateur")
    stop = link_in(leaving(app, "recours_demande")[0]).rpartition("/")[2]

    assert client.get(f"/connexion/oubli/{stop}").status_code == 404
    with app.app_context():
        other = OneTimeLink.issue("autre", datetime.now(UTC), timedelta(hours=1), declarant_id=1, data={"voie": "courriel"})
        db.session.commit()
    assert client.get(f"/connexion/oubli/{other}").status_code == 404


def test_C44_a_link_that_belongs_to_nobody_opens_nothing(app, client, people):
    ask(client, nom="Personne")
    with app.app_context():
        nobody = db.session.scalar(select(OneTimeLink).filter_by(purpose=PURPOSE, declarant_id=None))
        token = OneTimeLink.issue(PURPOSE, datetime.now(UTC), timedelta(hours=1), data={"voie": "courriel", "version": 0})
        db.session.commit()

    assert nobody is not None
    assert client.get(f"/connexion/oubli/{token}").status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"statut": Statut.SUSPENDU}, {"statut": Statut.RADIE}, {"version": 9}],
    ids=["suspended", "struck-off", "signed-out-everywhere"],
)
def test_C46_a_link_dies_with_the_account(app, client, people, change):
    ask(client)
    with app.app_context():
        row = db.session.scalar(select(Declarant).filter_by(email="claire@exemple.fr"))
        for name, value in change.items():
            setattr(row, name, value)
        db.session.commit()

    assert client.get(link_in(leaving(app)[0])).status_code == 404


def test_C60_a_request_belongs_to_the_administrators_of_its_establishment(app, client, new_client, people):
    un_administrateur(app, siret=ELSEWHERE, nom="Ailleurs", email="ailleurs@exemple.fr")
    stranger, simple, himself = new_client(), new_client(), new_client()
    se_connecter(stranger, nom="Ailleurs", siret=ELSEWHERE)
    se_connecter(simple)
    se_connecter(himself, nom="Cheffe")
    ask(client, "administrateur")
    path = f"/equipe/recours/{number_of(app)}"
    form = {"decision": "accord", "moyen": "presence", "remise": "code"}
    csrf = csrf_in(stranger.get("/").text)
    ask(client, "administrateur", "192.0.2.9", nom="Cheffe")
    own = f"/equipe/recours/{number_of(app)}"

    assert stranger.get(path).status_code == 404
    assert "Claire" not in stranger.get("/equipe/recours").text.split("<main")[1]
    assert client.get(path).status_code == 303, "the sign-in comes first"
    assert simple.get(path).status_code == 403
    assert simple.post(path, data=form | {"csrf": csrf}).status_code == 403
    assert himself.get(path).status_code == 200
    assert himself.get(own).status_code == 404, "nobody agrees to their own request"
    assert himself.get("/equipe/recours/99999").status_code == 404


def test_an_agreement_needs_a_password_typed_less_than_five_minutes_ago(app, client, admin):
    ask(client, "administrateur")
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6), tick=False):
        answer = send(admin, f"/equipe/recours/{number_of(app)}", decision="accord", moyen="presence", remise="code")

    assert answer.headers["Location"].startswith("/connexion?")
    assert facts(app, "RecoveryAgreed") == 0


def test_a_request_settled_or_too_old_is_no_longer_there(app, client, admin):
    ask(client, "administrateur")
    path = f"/equipe/recours/{number_of(app)}"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, minutes=1), tick=False):
        se_connecter(admin, nom="Chef")
        assert admin.get(path).status_code == 404
    send(admin, path, decision="refus")

    assert admin.get(path).status_code == 404


def test_an_administrator_does_not_settle_what_the_assistance_received(app, client, admin):
    ask(client, "assistance")

    assert admin.get(f"/equipe/recours/{number_of(app)}").status_code == 404
    with app.app_context():
        now = datetime.now(UTC)
        [(recours, _)] = Recours.for_operators(now)
        with pytest.raises(accords.RecoveryNotFoundError):
            accords.for_operator(recours.id + 1, now)


# --------------------------------------------------------------------------------------------------------- hosts and floods


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Host": "evil.test"},
        {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.test"},
        {"Forwarded": "host=evil.test;proto=http"},
        {"X-Original-Host": "evil.test", "X-Host": "evil.test"},
    ],
    ids=["host", "proto", "forwarded", "others"],
)
def test_C49_no_header_changes_the_link_of_a_mail(app, client, people, headers):
    send(client, "/connexion/oubli", headers=headers, **(WHO | {"voie": "courriel"}))
    [mail] = leaving(app)

    assert "evil" not in mail.body + mail.html
    assert "https://mag.test/connexion/oubli/" in mail.body


def test_C49_another_host_is_not_served(client, people):
    assert client.post("/connexion/oubli", data=WHO, base_url="https://evil.test").status_code == 421


def test_L8_beyond_three_an_hour_for_one_account_nothing_leaves_and_nothing_shows(app, client, people):
    answers = [seen(ask(client, address="198.51.100.7")) for _ in range(6)]

    assert len({str(answer) for answer in answers}) == 1
    assert len(leaving(app)) == limites.BY_ACCOUNT
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61)):
        client.get("/connexion/oubli")


def test_L8_C36_a_stranger_elsewhere_does_not_silence_the_owner(app, client, people):
    for n in range(2 * limites.BY_ACCOUNT_WIDE):
        ask(client, address=f"198.51.100.{n}")
    strangers = len(leaving(app))
    ask(client, address="203.0.113.7")
    told = leaving(app)[-1]

    assert strangers == limites.BY_ACCOUNT_WIDE
    assert len(leaving(app)) == strangers + 1
    assert "quelqu'un d'autre que vous demande peut-être ce lien" in told.body
    assert "quelqu'un d'autre" not in leaving(app)[0].body


def test_L8_one_account_receives_no_flood_from_everywhere(app, client, people):
    for n in range(limites.BY_ACCOUNT_IN_ALL + 2):
        ask(client, address=f"198.{n}.100.7")

    assert len(leaving(app)) == limites.BY_ACCOUNT_IN_ALL


def test_L8_beyond_ten_an_hour_from_one_network_nothing_leaves(app, client, people):
    for n in range(limites.BY_NETWORK):
        ask(client, nom=f"Personne {n}")
    answer = ask(client)

    assert answer.status_code == 303
    assert not leaving(app)
    ask(client, address="198.51.100.7")
    assert len(leaving(app)) == 1


def test_L8_beyond_what_the_whole_service_sends_nothing_leaves(app, client, people, monkeypatch):
    monkeypatch.setattr(limites, "IN_ALL", 2)
    answers = {str(seen(ask(client, address=f"198.51.{n}.7", nom=f"Personne {n}"))) for n in range(3)}
    answers.add(str(seen(ask(client, address="203.0.113.7"))))

    assert len(answers) == 1
    assert not leaving(app)


def test_L8_parallel_requests_do_not_slip_through(app, new_client, people):
    at_once(new_client, "/connexion/oubli", **WHO, voie="courriel")

    assert len(leaving(app)) <= limites.BY_ACCOUNT


def test_fact_40_three_answers_a_day_to_a_secret_question(app, client, new_client, people):
    se_connecter(client)
    send(client, "/compte/question", question="ecole", answer="Jean Moulin")
    stranger = new_client()
    wrong = [send(stranger, "/connexion/oubli/question", **WHO, question="ecole", answer=f"faux {n}").status_code for n in range(3)]
    fourth = send(stranger, "/connexion/oubli/question", "198.51.100.7", **WHO, question="ecole", answer="Jean Moulin")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1, minutes=1)):
        assert facts(app, "RecoveryFailed") == 4

    assert wrong == [422] * 3
    assert fourth.status_code == 422


HOSTILE = ["\x01", "é" * 5000, "' or 1=1 --", "<script>alert(1)</script>", "\u202e\u0661", "{{7*7}}", "\r\nSet-Cookie: a=b", "\ud800"]


@ONLY_SQLITE
@pytest.mark.parametrize("path", POSTS)
def test_C32_nonsense_is_no_error_of_ours(app, client, people, path):
    csrf = csrf_in(client.get("/connexion/oubli").text)
    names = ("siret", "nom", "prenom", "voie", "reason", "email", "email2", "telephone", "code", "question", "answer", "nouveau")
    for value in HOSTILE:
        for name in names:
            form = WHO | {"csrf": csrf, "code": "x", "question": "ecole", "answer": "x"} | PLEA | {name: value}
            encoded = {key: text.encode("utf-8", "surrogatepass") for key, text in form.items()}
            answer = client.post(path, data=encoded)
            assert answer.status_code < 500, (name, value)
            assert "<script>alert" not in answer.text
