"""Identities that nobody uses: warned twice, then suspended by time, unless they sign in (fact 39)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from idp.audit.models import AuditEvent
from idp.database import db
from idp.declarants.compte.joignable import MONTH
from idp.declarants.models import AccountEvent, Declarant
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail
from idp.oidc import dormancy
from tests.factories import se_connecter, un_administrateur, un_declarant
from tests.parcours import un_etablissement

DORMANTS = ["declarants", "dormants"]
NOTHING = "0 prévenue(s), 0 prévenue(s) une seconde fois, 0 suspendue(s)."
SILENCE = 13 * MONTH
ODILE, PAUL = {"nom": "Martin", "prenom": "Odile"}, {"nom": "Durand", "prenom": "Paul"}


@pytest.fixture
def start():
    return datetime.now(UTC)


@pytest.fixture
def claire(app, start):
    """Inscribed at `start`, who never signs in; an administrator will, a little later."""
    un_administrateur(app, email="odile@exemple.fr", now=start + timedelta(days=300), **ODILE)
    return un_declarant(app, email="claire@exemple.fr", now=start)


def on(app, day):
    """One passage, on that day."""
    with time_machine.travel(day):
        done = app.test_cli_runner().invoke(args=DORMANTS)
    assert done.exit_code == 0, done.output
    return done.output


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
    """All that a passage could have changed; when a partner is told is the messenger's, which works beside."""
    with app.app_context():
        tables = (Declarant, Mail, AuditEvent, AccountEvent)
        columns = [[one for one in table.__table__.c if one is not AccountEvent.__table__.c.spread_at] for table in tables]
        return [db.session.execute(select(*some).order_by(table.id)).all() for table, some in zip(tables, columns, strict=True)]


def put_to_sleep(app, start):
    """The three days that count."""
    return [on(app, start + SILENCE + timedelta(days=day)) for day in (-29, -6, 2)]


def test_who_is_silent_is_warned_a_month_and_a_week_before_then_suspended(app, claire, start):
    assert NOTHING in on(app, start + SILENCE - timedelta(days=31))
    day = start + SILENCE - timedelta(days=30) + timedelta(hours=1)
    assert "1 prévenue(s), 0 prévenue(s) une seconde fois, 0 suspendue(s)." in on(app, day)
    assert NOTHING in on(app, day + timedelta(days=22))
    assert "0 prévenue(s), 1 prévenue(s) une seconde fois, 0 suspendue(s)." in on(app, day + timedelta(days=23, hours=1))
    assert NOTHING in on(app, day + timedelta(days=29))
    assert row(app, claire).statut is Statut.ACTIF
    assert "0 prévenue(s), 0 prévenue(s) une seconde fois, 1 suspendue(s)." in on(app, day + timedelta(days=31))

    found = row(app, claire)
    assert (found.statut, found.dormant_until, found.dormant_told) == (Statut.SUSPENDU, None, 0)
    assert [recipient for recipient, _ in mails(app, "dormance")] == ["claire@exemple.fr"] * 2
    assert "Me connecter" in mails(app, "dormance")[0][1]
    assert [recipient for recipient, _ in mails(app, "compte_suspendu")] == ["claire@exemple.fr"]
    assert facts(app, "DormancyWarned") == [{"rank": 1}, {"rank": 2}]
    with app.app_context():
        assert [(e.kind, e.declarant_id) for e in db.session.scalars(select(AccountEvent))] == [("account-disabled", claire.id)]


def test_both_warnings_say_the_same_day(app, claire, start):
    on(app, start + SILENCE - timedelta(days=29))
    first = row(app, claire).dormant_until
    on(app, start + SILENCE - timedelta(days=6))

    assert row(app, claire).dormant_told == 2
    assert row(app, claire).dormant_until == first


def test_a_timer_that_slept_still_leaves_a_month(app, claire, start):
    late = start + SILENCE + timedelta(days=200)
    assert "1 prévenue(s), 0" in on(app, late)
    assert row(app, claire).dormant_until == late + timedelta(days=30)
    assert "1 prévenue(s) une seconde fois" in on(app, late + timedelta(days=40))

    assert row(app, claire).dormant_until == late + timedelta(days=47), "a week, whatever was missed"
    assert "0 suspendue(s)" in on(app, late + timedelta(days=46))
    assert "1 suspendue(s)" in on(app, late + timedelta(days=48))


@pytest.mark.parametrize("day", [-29, -6, 2])
def test_C81_a_passage_run_twice_changes_nothing(app, claire, start, day):
    for before in [one for one in (-29, -6, 2) if one <= day]:
        on(app, start + SILENCE + timedelta(days=before))
    kept = everything(app)

    assert NOTHING in on(app, start + SILENCE + timedelta(days=day))
    assert everything(app) == kept


@pytest.mark.parametrize("warned", [1, 2])
def test_a_sign_in_cancels(app, claire, start, client, warned):
    for day in (-29, -6)[:warned]:
        on(app, start + SILENCE + timedelta(days=day))
    signed_in = start + SILENCE - timedelta(days=1)
    with time_machine.travel(signed_in):
        assert se_connecter(client).headers["Location"] == "/"

    assert NOTHING in on(app, start + SILENCE + timedelta(days=2))
    found = row(app, claire)
    assert (found.statut, found.dormant_until, found.dormant_told) == (Statut.ACTIF, None, 0)
    assert abs(found.seen_at - signed_in) < timedelta(minutes=1)
    on(app, signed_in + SILENCE - timedelta(days=31))
    assert row(app, claire).dormant_told == 0
    on(app, signed_in + SILENCE - timedelta(days=29))
    assert row(app, claire).dormant_told == 1


def test_whoever_is_suspended_does_not_enter(app, claire, start, client):
    put_to_sleep(app, start)
    assert row(app, claire).statut is Statut.SUSPENDU
    with time_machine.travel(start + SILENCE + timedelta(days=3)):
        assert se_connecter(client).status_code == 422


def test_whoever_signs_in_is_never_told_anything(app, claire, start, client):
    for month in range(3, 30, 3):
        with time_machine.travel(start + month * MONTH):
            se_connecter(client)
        on(app, start + month * MONTH + timedelta(hours=1))

    assert [recipient for recipient, _ in mails(app, "dormance") if recipient.startswith("claire")] == []


def test_the_last_administrator_is_told_and_kept(app, start):
    boss = un_administrateur(app, email="odile@exemple.fr", now=start, **ODILE)
    un_declarant(app, email="paul@exemple.fr", now=start + timedelta(days=300), **PAUL)
    said = put_to_sleep(app, start)

    assert len(mails(app, "dormance")) == 2
    assert "0 suspendue(s)" in said[2]
    assert "dernier administrateur de son établissement : Odile Martin, SIRET 732 829 320 00074" in said[2]
    assert row(app, boss).statut is Statut.ACTIF
    assert mails(app, "compte_suspendu") == []
    kept = everything(app)
    assert "Odile Martin" in on(app, start + SILENCE + timedelta(days=2))
    assert everything(app) == kept


def test_of_two_silent_administrators_one_stays(app, start):
    both = [un_administrateur(app, now=start, **ODILE), un_administrateur(app, now=start, nom="Noir", prenom="Luc")]
    un_declarant(app, now=start + timedelta(days=300), **PAUL)
    said = put_to_sleep(app, start)

    assert "1 suspendue(s)" in said[2]
    assert sorted(row(app, one).statut.value for one in both) == ["actif", "suspendu"]


def test_somebody_alone_in_a_company_is_suspended(app, start):
    alone = un_administrateur(app, now=start, **ODILE)

    assert "1 suspendue(s)" in put_to_sleep(app, start)[2]
    assert row(app, alone).statut is Statut.SUSPENDU


def test_who_is_not_active_is_left_as_they_are(app, claire, start):
    with app.app_context():
        db.session.get(Declarant, claire.id).statut = Statut.SUSPENDU
        db.session.commit()

    assert all(NOTHING in said for said in put_to_sleep(app, start))
    assert mails(app, "dormance") == []


def test_without_an_address_the_delays_are_the_same(app, start):
    un_etablissement(app)
    un_administrateur(app, now=start + timedelta(days=300), **ODILE)
    silent = un_declarant(app, now=start)
    put_to_sleep(app, start)

    assert row(app, silent).statut is Statut.SUSPENDU
    assert mails(app, "dormance") == []


def test_more_people_than_one_lot(app, start, monkeypatch):
    monkeypatch.setattr(dormancy, "AT_ONCE", 2)
    un_administrateur(app, now=start + timedelta(days=300), **ODILE)
    for name in ("Un", "Deux", "Trois", "Quatre", "Cinq"):
        un_declarant(app, nom=name, prenom="Claire", password=None, now=start)
    said = put_to_sleep(app, start)

    assert ["5 prévenue(s), 0" in said[0], "5 prévenue(s) une seconde fois" in said[1], "5 suspendue(s)" in said[2]] == [True] * 3


def test_nobody_is_suspended_where_the_setting_says_never(app, claire, start, wsgi_app):
    never = replace(wsgi_app.mag.settings, dormant_months=0)
    with app.app_context():
        done = dormancy.pass_over(wsgi_app.mag.ephemeral, never, wsgi_app.mag.registry, start + 5 * SILENCE)

    assert (done.warned, done.warned_again, done.suspended, done.kept) == (0, 0, 0, [])
