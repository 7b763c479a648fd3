"""When a store forgets, or the journal cannot be written: what an identity spent stays spent, and nothing changes without its line."""

import pytest
from redis import Redis
from sqlalchemy import func, select, text

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.models import Declarant
from idp.notifications.models import Mail
from tests.facteurs import code, step, une_personne_protegee, where, with_codes
from tests.factories import PASSWORD, SIRET, csrf_in, se_connecter, un_administrateur
from tests.journeys.equipe import un_candidat
from tests.journeys.equipe import un_etablissement as a_place
from tests.journeys.test_activation import enter, key_of, letters, send
from tests.parcours import Parcours, link_in, mails, un_etablissement

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
NEW = "trois nuages violets sur la colline"


@pytest.fixture
def forget(redis_server):
    """Redis loses all that it held."""

    def act():
        with Redis.from_url(redis_server.url) as client:
            client.flushall()

    return act


def signs_in(response):
    return response.status_code == 303 and where(response)[0] == "/"


def with_code(client, typed, **means):
    return step(client, se_connecter(client), code=typed, **means)


def test_C68_a_code_of_an_application_or_of_recovery_stays_spent_when_redis_is_emptied(app, new_client, forget):
    claire, secret = une_personne_protegee(app)
    [recovery, *_] = with_codes(app, claire)
    typed = code(secret)
    assert signs_in(with_code(new_client(), typed))
    assert signs_in(with_code(new_client(), recovery, moyen="recovery"))
    forget()

    assert not signs_in(with_code(new_client(), typed))
    assert not signs_in(with_code(new_client(), recovery, moyen="recovery"))
    assert signs_in(with_code(new_client(), code(secret, 1)))


def test_C68_a_link_of_a_mail_stays_spent_when_redis_is_emptied(app, client, new_client, forget):
    un_etablissement(app)
    parcours = Parcours(client)
    parcours.until("recapitulatif")
    link = link_in(mails(app)[0])
    parcours.confirm(link)
    forget()

    assert Parcours(new_client()).get(link).status_code == 404
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Declarant)) == 1


def test_C68_a_posted_key_stays_spent_when_redis_is_emptied(app, client, new_client, forget):
    a_place(app)
    un_administrateur(app, email="claire@exemple.fr")
    nina = un_candidat(app)
    enter(client)
    send(client, "/activation/lettre")
    key = key_of(letters(app)[0])
    assert send(client, "/activation/cle", cle=key).status_code == 200
    forget()

    assert enter(new_client()).status_code == 422, "active by now: the page of those who wait is not theirs"
    assert signs_in(se_connecter(new_client(), nom=nina.nom, prenom=nina.prenom))


# --------------------------------------------------------------------------------------------------- the journal is full


@pytest.fixture
def full(app):
    """The disk of the journal is full: the database says so (SQLSTATE 53100)."""
    raising = "BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END"
    with app.app_context():
        db.session.execute(text(f"CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $${raising}$$"))
        db.session.execute(text("CREATE TRIGGER no_room BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION no_room()"))
        db.session.commit()


def test_C74_without_its_line_of_journal_nobody_signs_in_and_nothing_changes(app, client, new_client, request):
    un_administrateur(app, email="claire@exemple.fr")
    assert signs_in(se_connecter(client))
    page = client.get("/compte/mot-de-passe").text
    with app.app_context():
        before = db.session.scalar(select(func.count()).select_from(AuditEvent)), db.session.scalar(select(func.count()).select_from(Mail))
    request.getfixturevalue("full")

    refused = se_connecter(new_client())
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    form = {"csrf": csrf_in(page), "actuel": PASSWORD, "nouveau": NEW, "confirmation": NEW}
    assert client.get("/compte").status_code == 200, "what only reads goes on"
    assert client.post("/compte/mot-de-passe", data=form).status_code == 503
    assert client.get("/jwks").status_code == 200
    with app.app_context():
        after = db.session.scalar(select(func.count()).select_from(AuditEvent)), db.session.scalar(select(func.count()).select_from(Mail))
        db.session.execute(text("DROP TRIGGER no_room ON audit_events"))
        db.session.commit()
    assert after == before
    assert signs_in(se_connecter(new_client())), "the password is the one of before"


def test_C74_an_inscription_that_cannot_be_written_down_is_not_made(app, client, request):
    un_etablissement(app)
    parcours = Parcours(client)
    parcours.until("recapitulatif")
    link = link_in(mails(app)[0])
    page = parcours.get(link).text
    request.getfixturevalue("full")

    assert parcours.post(link, page).status_code == 503
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Declarant)) == 0
        db.session.execute(text("DROP TRIGGER no_room ON audit_events"))
        db.session.commit()
    assert parcours.post(link, page).status_code == 303, "the link was not spent"
    assert SIRET in str(mails(app)[-1].body).replace(" ", "").replace("\u00a0", "").replace("\u202f", "")
