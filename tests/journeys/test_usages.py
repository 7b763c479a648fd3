"""The last day on which a service was used for somebody: noted for nothing, written once, read where administrators wonder."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from idp.database import db
from idp.declarants.models import Declarant
from idp.errors import StoreUnavailableError
from idp.habilitations.attribution import attribuer
from idp.habilitations.catalogue import parse, shipped
from idp.habilitations.droits import Catalogue, Masks
from idp.habilitations.espace.suivi.inusite import inusites
from idp.habilitations.models import DroitDirect
from idp.habilitations.usages.models import KEPT, Releve, Usage
from idp.oidc.removal import erase
from tests.journeys.droits import HERE, D, geste, un_cabinet
from tests.journeys.equipe import administrateur_connecte, texte, un_etablissement

NOW = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
"""In Paris, it is the 22nd."""
OLD, TODAY = date(2026, 1, 5), datetime.now(UTC).date()


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


@pytest.fixture
def carnet(app):
    return app.extensions["mag"].carnet


def noter(app, who, services, now=NOW):
    mag = app.extensions["mag"]
    mag.carnet.noter(mag.catalogue(), who.id, services, now)


def jours(app, who):
    with app.app_context():
        return Usage.last([who.id]).get(who.id, {})


def recorded_since(app, days):
    with app.app_context():
        db.session.get_one(Releve, "usages").depuis = datetime.now(UTC) - timedelta(days=days)
        db.session.commit()


def used(app, who, bit, jour):
    with app.app_context():
        db.session.add(Usage(declarant_id=who.id, bit=bit, jour=jour))
        db.session.commit()


def test_a_person_and_a_service_are_written_once_a_day(app, cabinet, carnet):
    mag = app.extensions["mag"]
    before = mag.connections.count
    noter(app, cabinet.zoe, {"dsn", "dpae"})
    noter(app, cabinet.zoe, {"dsn"})
    noter(app, cabinet.bruno, {"dsn"})
    assert mag.connections.count == before

    assert (carnet.ecrire(), mag.connections.count - before) == (3, 1)

    noter(app, cabinet.zoe, {"dsn"}, NOW + timedelta(hours=12))
    assert (carnet.ecrire(), mag.connections.count - before) == (0, 1)
    assert set(jours(app, cabinet.zoe).values()) == {date(2026, 11, 22)}


def test_the_last_day_stays_and_never_goes_back(app, cabinet, carnet):
    noter(app, cabinet.zoe, {"dsn"})
    noter(app, cabinet.zoe, {"dsn"}, NOW + timedelta(days=2))
    noter(app, cabinet.zoe, {"dsn"}, NOW - timedelta(days=2))

    assert carnet.ecrire() == 3
    assert list(jours(app, cabinet.zoe).values()) == [date(2026, 11, 24)]


def test_what_could_not_be_written_waits(app, cabinet, carnet):
    noter(app, cabinet.zoe, {"dsn"})

    def away(*_, **__):
        raise StoreUnavailableError("database")

    run, carnet.connections.run = carnet.connections.run, away
    with pytest.raises(StoreUnavailableError):
        carnet.ecrire()
    assert carnet.step()
    carnet.connections.run = run

    assert carnet.ecrire() == 1
    assert jours(app, cabinet.zoe)


def test_the_thread_writes_when_it_is_stopped_and_whoever_is_gone_is_left_out(app, cabinet, carnet):
    catalogue = app.extensions["mag"].catalogue()
    carnet.noter(catalogue, 10**6, {"dsn"}, NOW)
    noter(app, cabinet.zoe, {"dsn"})

    others = set(threading.enumerate())
    carnet.start()
    carnet.stop()
    assert not carnet.step()

    for thread in set(threading.enumerate()) - others:  # it may have them in hand
        thread.join(10)
    assert jours(app, cabinet.zoe)
    with app.app_context():
        assert db.session.scalars(select(Usage.declarant_id)).all() == [cabinet.zoe.id]


def test_uses_are_erased_with_the_person_and_when_they_say_nothing_any_more(app, cabinet):
    for who, jour in ((cabinet.zoe, TODAY), (cabinet.bruno, (datetime.now(UTC) - KEPT).date() - timedelta(days=1))):
        used(app, who, 0, jour)
    with app.app_context():
        assert Usage.purge(datetime.now(UTC)) == 1
        erase(db.session.get_one(Declarant, cabinet.zoe.id), datetime.now(UTC))
        db.session.commit()
        assert db.session.scalars(select(Usage.declarant_id)).all() == []


# -------------------------------------------------------------------------------------------------------------------- pages


def aged(app, who, days=400):
    """Their rights are that old, and they signed in this week."""
    with app.app_context():
        for row in db.session.scalars(select(DroitDirect).where(DroitDirect.declarant_id == who.id)):
            row.effective_from -= timedelta(days=days)
        db.session.get_one(Declarant, who.id).seen_at = datetime.now(UTC)
        db.session.commit()


def test_services_that_serve_nobody_are_told_person_by_person(app, client, cabinet):
    with app.app_context():
        for service in ("dpae", "atmp", "dsn"):
            attribuer(geste(app), cabinet.bruno.id, HERE, service, {D})
        db.session.commit()
    aged(app, cabinet.bruno)
    recorded_since(app, 400)
    bits = {code: one.bit for code, one in app.extensions["mag"].catalogue().services.items()}
    used(app, cabinet.bruno, bits["dpae"], OLD)
    used(app, cabinet.bruno, bits["dsn"], TODAY)

    page = texte(client.get("/equipe/droits/suivi/services?mois=6"))

    assert "Bruno Blanc" in page
    assert "dernier usage le 5 janvier 2026" in page
    assert "aucun usage relevé" in page
    assert "DSN" not in page.split("Personne par personne")[1]
    assert "Bruno Blanc" not in texte(client.get("/equipe/droits/suivi/services?mois=6&suite=999999"))


def test_a_right_that_is_younger_than_the_question_is_not_told(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, HERE, "dpae", {D})
        db.session.commit()
    recorded_since(app, 400)

    assert "Bruno Blanc" not in texte(client.get("/equipe/droits/suivi/services"))


def test_before_uses_are_known_a_right_never_used_is_not_called_unused(app, client, cabinet):
    with app.app_context():
        attribuer(geste(app), cabinet.bruno.id, HERE, "dpae", {D})
        db.session.commit()
    aged(app, cabinet.bruno)

    page = texte(client.get("/equipe/droits/suivi/services"))

    assert "MAG relève l'usage des services depuis le" in page
    assert "Bruno Blanc" not in page


def test_whoever_does_not_come_but_whose_rights_serve_is_not_dormant(app, client, cabinet):
    with app.app_context():
        db.session.get_one(Declarant, cabinet.zoe.id).opened_at = datetime.now(UTC) - timedelta(days=300)
        db.session.commit()
    assert "Zoé Autre" in texte(client.get("/equipe/droits/suivi"))

    used(app, cabinet.zoe, 0, TODAY)

    assert "Zoé Autre" not in texte(client.get("/equipe/droits/suivi"))


def test_why_tells_the_last_use(app, client, cabinet):
    where = f"/equipe/droits/pourquoi/{cabinet.zoe.uid}/{HERE}/dsn"
    assert "Aucun usage de ce service par un partenaire" in texte(client.get(where))

    used(app, cabinet.zoe, app.extensions["mag"].catalogue().services["dsn"].bit, OLD)

    assert "pour cette personne : le 5 janvier 2026" in texte(client.get(where))


def test_another_company_s_people_are_not_told(app, client, new_client, cabinet):
    aged(app, cabinet.zoe)
    recorded_since(app, 400)
    un_etablissement(app, "35600000000048")
    theirs = new_client()
    administrateur_connecte(app, theirs, siret="35600000000048", nom="Loin", prenom="Luc")

    page = theirs.get("/equipe/droits/suivi/services")

    assert page.status_code == 200
    assert "Zoé" not in page.text
    assert theirs.get(f"/equipe/droits/pourquoi/{cabinet.zoe.uid}/{HERE}/dsn").status_code == 404


# --------------------------------------------------------------------------------------------------------------------- rule


SHIPPED = parse(shipped())
CATALOGUE = Catalogue.build(SHIPPED.services, SHIPPED.heritages)
BIT = {code: service.bit for code, service in CATALOGUE.services.items()}
SINCE = date(2026, 6, 1)


def unused(held, used, *, known=True):
    masks = Masks(declarer=sum(1 << BIT[code] for code in held))
    return [
        (one.libelle, one.jour) for one in inusites(CATALOGUE, masks, {BIT[code]: day for code, day in used.items()}, SINCE, known=known)
    ]


def test_a_service_is_unused_before_a_day_or_when_no_use_of_it_is_known():
    dpae, dsn = CATALOGUE.services["dpae"].libelle, CATALOGUE.services["dsn"].libelle

    assert unused({"dpae", "dsn"}, {"dpae": OLD}) == [
        (one.libelle, OLD if one.libelle == dpae else None) for one in CATALOGUE.offered if one.libelle in (dpae, dsn)
    ]
    assert unused({"dpae", "dsn"}, {"dpae": OLD}, known=False) == [(dpae, OLD)]
    assert unused({"dpae"}, {"dpae": SINCE}) == []
    assert unused(set(), {}) == []


def test_a_service_serves_when_what_it_opens_by_inheritance_is_used():
    (heir, source), *_ = {(one.cible[0], one.source[0]) for one in SHIPPED.heritages}

    assert unused({source}, {heir: SINCE}) == []
    assert unused({source}, {heir: OLD}) == [(CATALOGUE.services[source].libelle, OLD)]
