"""Many small acts are one large act; and what is done is what was shown, whoever comes in meanwhile."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from idp.database import db
from idp.habilitations import transfert
from idp.habilitations.espace.gestes import actes
from idp.habilitations.espace.gestes.acte import Demande
from idp.habilitations.espace.gestes.simulation import simuler as simulation_of
from idp.habilitations.espace.lecture import Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.fichiers import accord, gestes
from idp.habilitations.fichiers.models import FichierDroits
from idp.habilitations.fichiers.statuts import CUMUL, Etat
from idp.habilitations.models import DroitDirect, Operation, Portefeuille, PortefeuilleClient
from tests.databases import WAITING
from tests.factories import csrf_in
from tests.journeys.droits import CLIENTS, clients_numbered, confirmer, fait, geste, simuler, un_cabinet
from tests.journeys.equipe import envoyer, texte
from tests.journeys.fichiers import le_fichier, ligne, travailler, verifier

MANY = 10
NEW = clients_numbered(500_000_000, 3)


@pytest.fixture
def settings(settings):
    return replace(settings, mass_approval=MANY)


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


def donner(client, who, several):
    return simuler(client, acte="attribuer", personne=[who.uid], cible=[str(one) for one in several], droit=["dpae.declarer"])


def changed_alone(app, who):
    with app.app_context():
        return accord.deja(who.id, datetime.now(UTC))


def waits(app, answer):
    there = answer.headers["Location"]
    return "/fichiers/" in there and le_fichier(app, there).etat is Etat.A_APPROUVER


# ------------------------------------------------------------------------------------------------------------- they add up


def test_small_acts_of_one_day_add_up_to_one_that_needs_somebody_else(app, client, cabinet):
    fait(client, donner(client, cabinet.bruno, CLIENTS[:6]))
    preview = donner(client, cabinet.bruno, CLIENTS[6:10])
    assert "vous avez changé 6 droits sans l'accord de personne ; avec ce changement, 10" in texte(preview)
    fait(client, preview)

    preview = donner(client, cabinet.bruno, CLIENTS[10:11])

    page = texte(preview)
    assert "Au-delà de 10 droits en 24 heures" in page
    assert "Vous en avez déjà changé 10 sans accord" in page
    assert waits(app, confirmer(client, preview))
    assert changed_alone(app, cabinet.claire) == 10, "what waits is not done"


def test_what_was_undone_is_long_past_or_is_another_s_does_not_add_up(app, client, cabinet):
    operation = fait(client, donner(client, cabinet.bruno, CLIENTS[:6]))
    page = client.get(f"/equipe/droits/operations/{operation}")
    undo = {"csrf": csrf_in(page.text), "acte": "annuler", "operation": str(operation)}
    fait(client, client.post("/equipe/droits/gestes", data=undo))
    assert changed_alone(app, cabinet.claire) == 0

    fait(client, donner(client, cabinet.bruno, CLIENTS[:6]))
    assert (changed_alone(app, cabinet.claire), changed_alone(app, cabinet.zoe)) == (6, 0)

    with app.app_context():
        for row in db.session.scalars(select(Operation)):
            row.at -= CUMUL + timedelta(minutes=1)
        db.session.commit()
    assert changed_alone(app, cabinet.claire) == 0


def un_fichier(app, client, several):
    return verifier(app, client, *(ligne("Blanc", "Bruno", f"{siret:014d}", "dpae", "declarer") for siret in several))


def test_files_add_up_with_acts_and_with_each_other(app, client, cabinet):
    fait(client, donner(client, cabinet.bruno, CLIENTS[:4]))
    first, second = (un_fichier(app, client, CLIENTS[i : i + 4]) for i in (4, 8))

    assert envoyer(client, f"{first}/application").status_code == 303
    assert le_fichier(app, first).etat is Etat.A_APPLIQUER
    assert changed_alone(app, cabinet.claire) == 8, "what is about to be done counts"
    assert "Au-delà de 10 droits en 24 heures, dont 8 déjà changés sans accord" in texte(client.get(f"{second}/application"))
    envoyer(client, f"{second}/application")
    assert le_fichier(app, second).etat is Etat.A_APPROUVER
    travailler(app)

    assert (le_fichier(app, first).etat, changed_alone(app, cabinet.claire)) == (Etat.APPLIQUE, 8)


def test_what_somebody_agreed_to_does_not_add_up(app, client, cabinet):
    answer = confirmer(client, donner(client, cabinet.bruno, CLIENTS[:12]))
    path = answer.headers["Location"]
    with app.app_context():
        fichier = FichierDroits.find(path.rsplit("/", 1)[1])
        accord.accorder(fichier, "operateur:Aline Roux", datetime.now(UTC), issuer="https://mag.test")
        db.session.commit()
    travailler(app)

    assert (le_fichier(app, path).etat, changed_alone(app, cabinet.claire)) == (Etat.APPLIQUE, 0)
    assert fait(client, donner(client, cabinet.bruno, CLIENTS[20:25]))


# ------------------------------------------------------------------------------------------------------ done as it was shown


def la_demande(app, cabinet, cibles):
    mag, now = app.extensions["mag"], datetime.now(UTC)
    version = f"{db.session.get_one(Portefeuille, cabinet.nord).epoque}.0"
    fields = {"acte": ["ajouter_clients"], "portefeuille": [str(cabinet.nord)], "version": [version], "droit": ["dsn.declarer"]}
    portee = Portee.of(db.session.merge(cabinet.claire))
    return Demande(portee, Lecteur(mag.connections, mag.catalogue(), now, mag.annuaire), {**fields, "cible": [str(one) for one in cibles]})


def test_an_act_that_would_write_something_else_than_was_shown_writes_nothing(app, client, cabinet):
    with app.app_context():
        demande = la_demande(app, cabinet, NEW)
        acte = actes.lire(demande)
        shown = simulation_of(demande, acte)

        assert gestes.appliquer(demande, gestes.Effet(acte, replace(shown, ecrits=shown.ecrits + 1))) == 0
        assert not set(NEW) & set(PortefeuilleClient.targets(cabinet.nord))
        assert gestes.appliquer(demande, gestes.Effet(acte, shown)) > 0
        assert set(NEW) <= set(PortefeuilleClient.targets(cabinet.nord))


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_whoever_would_become_a_member_waits_until_the_act_is_done(app, client, cabinet):
    """What the act gives is counted for its members; whoever comes in sees the act done, and is counted with it."""
    joined = threading.Event()

    def join():
        with app.app_context():
            transfert.copier(geste(app), cabinet.zoe.id, cabinet.bruno.id)
            joined.set()
            db.session.commit()

    with app.app_context():
        demande = la_demande(app, cabinet, NEW)
        effet = gestes.verifier(demande, lambda *_: None, hold=True)
        assert {who for who, _ in effet.acte.places} == {cabinet.zoe.id}
        other = threading.Thread(target=join)
        other.start()
        watch = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")  # a transaction would see one moment
        for _ in range(100):
            if watch.scalar(text(WAITING)):
                break
            time.sleep(0.02)
        watch.close()
        assert not joined.is_set()
        assert gestes.appliquer(demande, effet) > 0
        db.session.commit()
    other.join(10)

    assert joined.is_set()
    with app.app_context():
        assert set(NEW) <= set(PortefeuilleClient.targets(cabinet.nord))
        assert not db.session.scalars(select(DroitDirect)).all()
