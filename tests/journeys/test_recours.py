"""Coming back into an account whose password is lost: the four ways of fact 40, page by page, mail by mail."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.authentication.recours import accords
from idp.authentication.recours.models import Recours, SecretQuestion
from idp.authentication.recours.voies import CHECKS, Check, Etape
from idp.database import db
from idp.declarants.compte import adresse
from idp.declarants.models import AccountEvent, Declarant
from idp.notifications.models import Mail
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur, un_declarant

NEW = "trois renards dans la neige"
WHO = {"siret": SIRET, "nom": "LEFEVRE", "prenom": "claire"}
PLEA = {"reason": "Ma boîte a été fermée.", "telephone": "01 23 45 67 89", "email": "neuve@exemple.fr", "email2": "neuve@exemple.fr"}


@pytest.fixture
def settings(settings):
    return replace(settings, secret_question=True)


def ask(client, voie="courriel", address="192.0.2.1", **typed):
    page = client.get("/connexion/oubli", query_string={"voie": voie})
    form = WHO | {"voie": voie, "csrf": csrf_in(page.text)} | typed
    return client.post("/connexion/oubli", data=form, environ_overrides={"REMOTE_ADDR": address})


def mails(app, recipient=None):
    """Mails that will leave, oldest first."""
    with app.app_context():
        found = db.session.scalars(select(Mail).where(Mail.next_try_at.is_not(None)).order_by(Mail.id))
        return [mail for mail in found if recipient in (None, mail.recipient)]


def link_in(mail):
    return re.search(r"https://mag\.test(/connexion/oubli/\S+)", mail.body)[1]


def choose(client, link, password=NEW):
    page = client.get(link)
    if page.status_code != 200:
        return page
    return client.post(link, data={"csrf": csrf_in(page.text), "nouveau": password, "confirmation": password})


def facts(app, kind):
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent).filter_by(kind=kind).order_by(AuditEvent.id)))


def read(app, declarant):
    with app.app_context():
        found = db.session.get(Declarant, declarant.id)
        db.session.expunge(found)
        return found


# ------------------------------------------------------------------------------------------------------------------ by mail


def test_a_lost_password_is_replaced_by_a_link_in_a_mail(app, client, new_client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    other = new_client()
    se_connecter(other)
    answer = ask(client)
    [mail] = mails(app)
    done = choose(client, link_in(mail))

    assert answer.headers["Location"] == "/connexion/oubli/suite?voie=courriel"
    assert "Si cette identité existe" in client.get(answer.headers["Location"]).text
    assert mail.recipient == "claire@exemple.fr"
    assert done.headers["Location"] == "/connexion/oubli/fait"
    assert "Connectez-vous" in client.get("/connexion/oubli/fait").text
    assert other.get("/").status_code == 303, "the sessions of before are closed"
    assert se_connecter(client).status_code == 422
    assert se_connecter(client, password=NEW).status_code == 303
    assert any("remplacé" in one.subject for one in mails(app, "claire@exemple.fr"))
    [told] = facts(app, "PasswordRecovered")
    assert (told.declarant_id, told.details) == (declarant.id, {"voie": "courriel", "assurance": "moyenne", "new_address": False})
    assert read(app, declarant).email_verified, "whoever opens the link reads that address"


def test_the_link_shows_a_form_and_only_the_form_spends_it(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr")
    ask(client)
    link = link_in(mails(app)[0])
    for _ in range(3):
        assert new_client().get(link).status_code == 200

    assert choose(client, link).status_code == 303
    assert choose(client, link).status_code == 404


def test_a_weak_password_is_refused_and_the_link_lives(app, client):
    un_declarant(app, email="claire@exemple.fr")
    ask(client)
    link = link_in(mails(app)[0])
    refused = choose(client, link, "azertyuiop12")

    assert refused.status_code == 422
    assert "trop courant" in refused.text
    assert "Solidité&nbsp;: faible" in refused.text
    assert choose(client, link).status_code == 303


def test_a_link_is_dead_after_an_hour(app, client):
    un_declarant(app, email="claire@exemple.fr")
    ask(client)
    link = link_in(mails(app)[0])
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=61), tick=False):
        assert client.get(link).status_code == 404


def test_a_new_password_or_a_new_address_kills_the_links_of_before(app, client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    ask(client)
    ask(client)
    first, second = (link_in(mail) for mail in mails(app))
    with app.app_context():
        db.session.get(Declarant, declarant.id).email = "autre@exemple.fr"
        db.session.commit()
    assert client.get(first).status_code == 404
    with app.app_context():
        db.session.get(Declarant, declarant.id).email = "claire@exemple.fr"
        db.session.commit()
    assert choose(client, second).status_code == 303
    assert client.get(first).status_code == 404


def test_the_other_administrators_learn_that_one_of_them_came_back(app, client):
    un_administrateur(app, email="claire@exemple.fr")
    un_administrateur(app, nom="Autre", email="autre@exemple.fr")
    un_declarant(app, nom="Simple", email="simple@exemple.fr")
    ask(client)
    choose(client, link_in(mails(app)[0]))

    assert "Claire Lefèvre a retrouvé l'accès" in mails(app, "autre@exemple.fr")[0].subject
    assert not mails(app, "simple@exemple.fr")


def test_a_locked_password_is_open_again_and_a_second_factor_stays(app, client):
    declarant = un_declarant(app, email="claire@exemple.fr", password_locked_at=datetime.now(UTC), second_factor=True)
    ask(client)
    choose(client, link_in(mails(app)[0]))
    after = read(app, declarant)

    assert after.password_locked_at is None
    assert after.second_factor


# -------------------------------------------------------------------------------------------------------- by an administrator


@pytest.fixture
def admin(app, new_client):
    """An administrator of the establishment, signed in."""
    un_administrateur(app, nom="Chef", email="chef@exemple.fr")
    browser = new_client()
    se_connecter(browser, nom="Chef")
    return browser


def decide(admin, decision="accord", **typed):
    number = re.search(r"/equipe/recours/(\d+)", admin.get("/equipe/recours").text)[1]
    form = {"csrf": csrf_in(admin.get(f"/equipe/recours/{number}").text), "decision": decision, **typed}
    return admin.post(f"/equipe/recours/{number}", data=form)


def test_an_administrator_recognises_the_person_who_receives_a_link(app, client, admin):
    declarant = un_declarant(app, email="claire@exemple.fr")
    ask(client, "administrateur")
    asked, told = mails(app)
    listed = admin.get("/equipe/recours").text
    done = decide(admin, moyen="presence", remise="courriel")
    link = link_in(mails(app, "claire@exemple.fr")[1])

    assert (asked.recipient, told.recipient) == ("chef@exemple.fr", "claire@exemple.fr")
    assert "Claire Lefèvre demande votre aide" in asked.subject
    assert "Claire Lefèvre" in listed
    assert "Un lien vient de partir" in done.text
    assert "Claire Lefèvre" not in admin.get("/equipe/recours").text
    assert choose(client, link).status_code == 303
    assert se_connecter(client, password=NEW).status_code == 303
    [agreed] = facts(app, "RecoveryAgreed")
    assert (agreed.declarant_id, agreed.details["by_what"]) == (declarant.id, "presence")
    assert facts(app, "PasswordRecovered")[0].details["assurance"] == "forte"


def test_a_code_is_handed_over_when_the_address_is_dead_and_a_new_one_is_proved(app, client, admin):
    declarant = un_declarant(app, email="morte@exemple.fr")
    ask(client, "administrateur")
    done = decide(admin, moyen="telephone", remise="code")
    code = re.search(r'shown-code">([0-9A-Z ]{14})<', done.text)[1]
    sent = use_code(client, code.lower())
    link = link_in(mails(app, "neuve@exemple.fr")[0])
    page = client.get(link).text
    chosen = choose(client, link)
    after = read(app, declarant)

    assert sent.headers["Location"] == "/connexion/oubli/code/suite"
    assert "neuve@exemple.fr" in page
    assert chosen.status_code == 303
    assert (after.email, after.email_verified) == ("neuve@exemple.fr", True)
    assert {mail.recipient for mail in mails(app) if "remplacé" in mail.subject} == {"neuve@exemple.fr", "morte@exemple.fr"}
    assert se_connecter(client, password=NEW).status_code == 303
    assert use_code(client, code).status_code == 422, "the code is dead once the password is chosen"


def kinds(app, declarant):
    with app.app_context():
        return [event.kind for event in db.session.scalars(select(AccountEvent).filter_by(declarant_id=declarant.id))]


def changed_by_a_code(app, client, admin, **typed):
    """Claire came back by a code, with another address; the mails of her former one."""
    ask(client, "administrateur")
    code = re.search(r'shown-code">([0-9A-Z ]{14})<', decide(admin, moyen="telephone", remise="code").text)[1]
    use_code(client, code, **typed)
    choose(client, link_in(mails(app, "neuve@exemple.fr")[0]))
    return [mail for mail in mails(app, "claire@exemple.fr") if mail.kind == "adresse_changee"]


def test_an_address_changed_by_a_recovery_is_taken_back_from_the_former_one(app, client, admin):
    declarant = un_declarant(app, email="claire@exemple.fr")
    [told] = changed_by_a_code(app, client, admin)
    after = read(app, declarant)
    se_connecter(client, password=NEW)
    locked = client.get("/compte/adresse").text
    path = re.search(r"https://mag\.test(/compte/adresse/annuler/\S+)", told.body)[1]
    back = client.post(path, data={"csrf": csrf_in(client.get(path).text)})

    assert after.email == "neuve@exemple.fr"
    assert timedelta(hours=71) < after.email_locked_until - datetime.now(UTC) <= timedelta(hours=72)
    assert 'name="email"' not in locked, "it does not change again so soon"
    assert back.status_code == 200
    assert read(app, declarant).email == "claire@exemple.fr"
    assert len(facts(app, "EmailChanged")) == 1
    assert kinds(app, declarant) == ["credential-change", "identifier-changed", "identifier-changed"]
    assert se_connecter(client, password=NEW).status_code == 422, "the password of whoever changed it no longer serves"


def test_within_the_lock_only_the_address_of_before_takes_itself_back(app, client, admin):
    """A thief changed the address; the owner comes back by a recovery; the thief's address must not undo it."""
    un_declarant(app, email="claire@exemple.fr")
    with app.app_context():
        person = db.session.scalar(select(Declarant).filter_by(email="claire@exemple.fr"))
        adresse.replace("https://mag.test", person, "voleur@exemple.fr", datetime.now(UTC))
        db.session.commit()
    [told] = changed_by_a_code(app, client, admin)
    path = re.search(r"https://mag\.test(/compte/adresse/annuler/\S+)", told.body)[1]

    assert [mail.kind for mail in mails(app, "voleur@exemple.fr")].count("adresse_changee") == 0
    assert client.get(path).status_code == 200


def use_code(client, code, address="192.0.2.1", **typed):
    csrf = csrf_in(client.get("/connexion/oubli/code").text)
    form = WHO | {"csrf": csrf, "code": code, "email": "neuve@exemple.fr", "email2": "neuve@exemple.fr"} | typed
    return client.post("/connexion/oubli/code", data=form, environ_overrides={"REMOTE_ADDR": address})


def test_an_administrator_refuses_and_the_account_learns_it(app, client, admin):
    un_declarant(app, email="claire@exemple.fr")
    ask(client, "administrateur")
    done = decide(admin, "refus")

    assert "Demande refusée" in done.text
    assert "refusée" in mails(app, "claire@exemple.fr")[-1].subject
    assert facts(app, "RecoveryRefused")[0].details["step"] == "refus"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        pytest.param({"decision": ""}, "decision", id="no-decision"),
        pytest.param({"remise": "courriel"}, "moyen", id="not-recognised"),
        pytest.param({"moyen": "presence"}, "remise", id="no-means"),
        pytest.param({"moyen": "pigeon", "remise": "code"}, "moyen", id="unknown-means"),
    ],
)
def test_an_agreement_says_how_the_person_was_recognised(app, client, admin, typed, field):
    un_declarant(app, email="claire@exemple.fr")
    ask(client, "administrateur")
    refused = decide(admin, **{"decision": "accord", **typed})

    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text


def test_the_owner_stops_a_request_from_the_known_address(app, client, admin):
    un_declarant(app, email="claire@exemple.fr")
    ask(client, "administrateur")
    decide(admin, moyen="presence", remise="courriel")
    warned, link = mails(app, "claire@exemple.fr")[:2]
    stop = link_in(warned)
    page = client.get(stop).text
    done = client.post(stop, data={"csrf": csrf_in(page)})

    assert "/arreter/" in stop
    assert done.headers["Location"] == "/connexion/oubli/arrete"
    assert client.get(link_in(link)).status_code == 404
    assert client.post(stop, data={"csrf": csrf_in(page)}).status_code == 303, "twice is once"
    assert len(facts(app, "RecoveryRefused")) == 1


# --------------------------------------------------------------------------------------------------------- by the assistance


def test_two_operators_agree_a_day_passes_and_the_link_leaves_for_the_new_address(app, client):
    declarant = un_declarant(app, email="morte@exemple.fr")
    asked = ask(client, "assistance", **PLEA)
    now = datetime.now(UTC)
    with app.app_context():
        [(recours, whose)] = Recours.for_operators(now)
        assert (whose.id, recours.reason, recours.address) == (declarant.id, PLEA["reason"], "neuve@exemple.fr")
        accords.propose(recours, "operateur:anne", set(CHECKS), now)
        accords.confirm(app.extensions["mag"].settings, recours, "operateur:bruno", now)
        db.session.commit()
    run = app.test_cli_runner()
    early = run.invoke(args=["recours", "suivre"]).output
    with time_machine.travel(now + timedelta(hours=24, minutes=1), tick=False):
        late, again = (run.invoke(args=["recours", "suivre"]).output for _ in range(2))
        link = link_in(mails(app, "neuve@exemple.fr")[-1])
        chosen = choose(client, link)
        after = read(app, declarant)

    assert "Deux personnes" not in client.get(asked.headers["Location"]).text
    assert {mail.recipient for mail in mails(app) if "rendu par l'assistance" in mail.subject} == {"morte@exemple.fr", "neuve@exemple.fr"}
    assert [early, late, again] == ["0 lien(s) envoyé(s).\n", "1 lien(s) envoyé(s).\n", "0 lien(s) envoyé(s).\n"]
    assert chosen.status_code == 303
    assert after.email == "neuve@exemple.fr"
    assert [event.actor for event in facts(app, "RecoveryAgreed")] == ["operateur:anne", "operateur:bruno"]


def test_a_request_to_the_assistance_is_stopped_from_the_old_address_during_the_day(app, client):
    un_declarant(app, email="claire@exemple.fr")
    ask(client, "assistance", **PLEA)
    now = datetime.now(UTC)
    with app.app_context():
        [(recours, _)] = Recours.for_operators(now)
        accords.propose(recours, "operateur:anne", set(CHECKS), now)
        accords.confirm(app.extensions["mag"].settings, recours, "operateur:bruno", now)
        db.session.commit()
    stop = link_in(mails(app, "claire@exemple.fr")[-1])
    client.post(stop, data={"csrf": csrf_in(client.get(stop).text)})
    with time_machine.travel(now + timedelta(hours=25), tick=False):
        assert app.test_cli_runner().invoke(args=["recours", "suivre"]).output == "0 lien(s) envoyé(s).\n"


@pytest.fixture
def pending(app, client):
    """A request to the assistance, in an application context."""
    un_declarant(app, email="claire@exemple.fr")
    ask(client, "assistance", **PLEA)
    with app.app_context():
        yield Recours.for_operators(datetime.now(UTC))[0][0]


def test_one_operator_alone_cannot(app, pending):
    now, settings = datetime.now(UTC), app.extensions["mag"].settings
    accords.propose(pending, "operateur:anne", set(CHECKS), now)

    with pytest.raises(accords.SameOperatorError):
        accords.confirm(settings, pending, "operateur:anne", now)
    assert pending.etape is Etape.PROPOSE


def test_an_operator_verifies_everything_before_proposing(pending):
    with pytest.raises(accords.ChecksMissingError):
        accords.propose(pending, "operateur:anne", set(CHECKS) - {Check.ADRESSE}, datetime.now(UTC))


def test_steps_of_the_assistance_come_in_order_and_once(app, pending):
    now, settings = datetime.now(UTC), app.extensions["mag"].settings
    with pytest.raises(accords.RecoveryDecidedError):
        accords.confirm(settings, pending, "operateur:bruno", now)
    accords.propose(pending, "operateur:anne", set(CHECKS), now)
    with pytest.raises(accords.RecoveryDecidedError):
        accords.propose(pending, "operateur:carl", set(CHECKS), now)
    accords.refuse(settings, pending, "operateur:bruno", now)
    with pytest.raises(accords.RecoveryDecidedError):
        accords.confirm(settings, pending, "operateur:bruno", now)
    with pytest.raises(accords.RecoveryNotFoundError):
        accords.for_operator(pending.id, now)


# ------------------------------------------------------------------------------------------------------------ secret question


def set_question(client, answer="Jean Moulin", question="ecole", own=""):
    page = client.get("/compte/question")
    return client.post("/compte/question", data={"csrf": csrf_in(page.text), "question": question, "own": own, "answer": answer})


def answer(client, text="jean-MOULIN", question="ecole", address="192.0.2.1", **typed):
    form = WHO | {"csrf": csrf_in(client.get("/connexion/oubli/question").text), "question": question, "answer": text} | typed
    return client.post("/connexion/oubli/question", data=form, environ_overrides={"REMOTE_ADDR": address})


def test_a_secret_question_answered_gives_a_new_password_at_once(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    assert set_question(client).status_code == 303
    assert "première école" in client.get("/compte/question").text
    stranger = new_client()
    found = answer(stranger)
    done = choose(stranger, found.headers["Location"])

    assert done.status_code == 303
    assert se_connecter(stranger, password=NEW).status_code == 303
    assert facts(app, "PasswordRecovered")[0].details["assurance"] == "faible"
    subjects = [mail.subject for mail in mails(app, "claire@exemple.fr")]
    assert any("bonne réponse" in subject for subject in subjects)
    assert any("remplacé" in subject for subject in subjects)


def test_the_wrong_question_with_the_right_answer_is_wrong(app, client, new_client):
    un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    set_question(client)

    assert answer(new_client(), question="rue").status_code == 422


def test_a_question_of_ones_own_is_kept_hashed_and_removed(app, client, new_client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    set_question(client, "Bleu pétrole", "autre", "De quelle couleur était le premier vélo ?")
    with app.app_context():
        kept = db.session.get(SecretQuestion, declarant.id)
        assert kept.answer_hash.startswith("$argon2id$")
        assert kept.text == "De quelle couleur était le premier vélo ?"
    page = client.get("/compte/question").text
    assert answer(new_client(), "bleu petrole", "autre").status_code == 303
    client.post("/compte/question/retirer", data={"csrf": csrf_in(page)})
    with app.app_context():
        assert db.session.get(SecretQuestion, declarant.id) is None
    assert answer(new_client(), "bleu petrole", "autre", address="198.51.100.9").status_code == 422


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        pytest.param({"question": ""}, "question", id="none"),
        pytest.param({"question": "autre", "own": "court"}, "own", id="short-question"),
        pytest.param({"answer": " a-b "}, "answer", id="short-answer"),
        pytest.param({"question": "autre", "own": "Mon chat Minou s'appelle ?", "answer": "minou"}, "answer", id="told-by-the-question"),
    ],
)
def test_a_question_that_protects_nothing_is_refused(app, client, typed, field):
    un_declarant(app)
    se_connecter(client)
    refused = set_question(client, **typed)

    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text


def test_for_an_administrator_the_answer_only_replaces_the_mail(app, client, new_client, admin):
    un_administrateur(app, email="claire@exemple.fr")
    se_connecter(client)
    set_question(client)
    stranger = new_client()
    wrong, right = answer(stranger, "faux"), answer(stranger)
    done = decide(admin, moyen="presence", remise="courriel")

    assert right.status_code == wrong.status_code == 422
    assert not facts(app, "PasswordRecovered")
    assert "Un lien vient de partir" in done.text
    assert choose(stranger, link_in(mails(app, "claire@exemple.fr")[-2])).status_code == 303
    assert facts(app, "PasswordRecovered")[0].details["assurance"] == "forte"


def test_with_a_second_factor_the_answer_is_not_enough_either(app, client, new_client):
    declarant = un_declarant(app, email="claire@exemple.fr")
    se_connecter(client)
    set_question(client)
    with app.app_context():
        db.session.get(Declarant, declarant.id).second_factor = True
        db.session.commit()

    assert answer(new_client()).status_code == 422
    with app.app_context():
        assert db.session.scalar(select(Recours)).answered


def test_where_the_operator_does_not_want_it_there_is_no_secret_question(wsgi_app, client):
    off = replace(wsgi_app.flask.extensions["mag"], settings=replace(wsgi_app.mag.settings, secret_question=False))
    wsgi_app.flask.extensions["mag"] = off

    assert client.get("/connexion/oubli/question").status_code == 404
    assert "question secrète" not in client.get("/connexion/oubli").text
    assert client.get("/compte/question").status_code == 404


# ------------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("voie", "typed", "field"),
    [
        pytest.param("courriel", {"siret": "123"}, "siret", id="siret"),
        pytest.param("courriel", {"nom": ""}, "nom", id="nom"),
        pytest.param("assistance", PLEA | {"reason": ""}, "reason", id="reason"),
        pytest.param("assistance", PLEA | {"email": "pas une adresse"}, "email", id="email"),
        pytest.param("assistance", PLEA | {"email2": "autre@exemple.fr"}, "email2", id="email-twice"),
        pytest.param("assistance", PLEA | {"telephone": "12"}, "telephone", id="telephone"),
    ],
)
def test_what_is_missing_is_said_field_by_field(app, client, voie, typed, field):
    refused = ask(client, voie, **typed)

    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text
    assert not mails(app)


def test_the_password_of_before_opens_until_the_new_one_is_chosen(app, client):
    un_declarant(app, email="claire@exemple.fr")
    ask(client)

    assert se_connecter(client, password=PASSWORD).status_code == 303
