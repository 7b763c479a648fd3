"""What a second person agrees to cannot be had in pieces: rights to come, dates, portfolios without members; a job looks at the whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from idp.database import db
from idp.habilitations.droits import FOREVER, Droit
from idp.habilitations.espace.gestes.acte import Demande, TooManyPlacesError
from idp.habilitations.espace.lecture import Lecteur
from idp.habilitations.espace.portee import Portee
from idp.habilitations.fichiers import gestes
from idp.habilitations.fichiers.statuts import Etat
from idp.habilitations.lots import attribuer_lot
from idp.habilitations.models import DroitDirect, Operation, Portefeuille, PortefeuilleClient, PortefeuilleMembre
from idp.habilitations.portefeuilles import ajouter_clients, ajouter_membre, creer
from tests.factories import csrf_in
from tests.journeys.droits import CLIENTS, DPAE, DSN, SIREN, confirmer, fait, geste, simuler, un_cabinet
from tests.journeys.equipe import courriers, envoyer, texte
from tests.journeys.fichiers import droits_de, le_fichier, travailler

MANY = 10
ATMP = {"atmp": frozenset({Droit.DECLARER})}


@pytest.fixture
def settings(settings):
    return replace(settings, mass_approval=MANY)


@pytest.fixture
def cabinet(app, client):
    return un_cabinet(app, client)


def waits(app, answer):
    """Whether a confirmation gave a change that somebody else must agree to."""
    there = answer.headers["Location"]
    return "/fichiers/" in there and le_fichier(app, there).etat is Etat.A_APPROUVER


def later(days):
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}"


def on_portfolio(client, acte, portefeuille, part="clients", **fields):
    page = client.get(f"/equipe/droits/portefeuilles/{portefeuille}/{part}").text
    version = page.split('name="version" value="')[1].split('"')[0]
    sent = {"csrf": csrf_in(page), "acte": acte, "portefeuille": str(portefeuille), "version": version, **fields}
    return client.post("/equipe/droits/gestes", data=sent)


def passing(client, acte, **people):
    csrf = csrf_in(client.get("/equipe/droits/passation").text)
    return client.post("/equipe/droits/gestes", data={"csrf": csrf, "acte": acte, **people})


@pytest.fixture
def sud(app, cabinet):
    """A portfolio without members nor clients."""
    with app.app_context():
        found = creer(geste(app), SIREN, "Sud", DSN).id
        db.session.commit()
        return found


def test_clients_added_for_later_to_a_portfolio_without_members_are_rights_all_the_same(app, client, cabinet, sud):
    fields = {"cible": [str(one) for one in CLIENTS], "droit": ["dsn.declarer"], "debut": later(2)}
    preview = on_portfolio(client, "ajouter_clients", sud, **fields)

    assert "Ce changement en touche 30 en tout, ouvertures à venir et dates comprises." in texte(preview)
    answer = confirmer(client, preview)
    assert waits(app, answer)
    page = texte(client.get(answer.headers["Location"]))
    assert "30 droits touchés en tout, ouvertures à venir et dates comprises" in page
    with app.app_context():
        assert PortefeuilleClient.targets(sud) == []


def test_a_member_of_a_portfolio_whose_rights_are_to_come_gains_them_all(app, client, cabinet, sud):
    with app.app_context():
        ajouter_clients(geste(app), sud, CLIENTS, DSN, opens_at=datetime.now(UTC) + timedelta(days=2))
        db.session.commit()

    answer = confirmer(client, on_portfolio(client, "ajouter_membres", sud, "membres", personne=[cabinet.bruno.uid], droit="dsn.declarer"))

    assert waits(app, answer)
    with app.app_context():
        assert PortefeuilleMembre.in_portfolio(sud) == []


@pytest.mark.parametrize(
    ("acte", "people"),
    [("copier", ("de", "vers")), ("transferer", ("de", "vers")), ("abandonner", ("de",))],
    ids=["copied", "transferred", "given-up"],
)
def test_rights_that_are_not_open_yet_pass_to_nobody_without_an_agreement(app, client, cabinet, acte, people):
    with app.app_context():
        attribuer_lot(geste(app), cabinet.bruno.id, CLIENTS[:20], ATMP)
        db.session.commit()
    whom = {"de": [cabinet.bruno.uid], "vers": [cabinet.claire.uid]}

    answer = confirmer(client, passing(client, acte, **{name: whom[name] for name in people}))

    assert waits(app, answer)
    with app.app_context():
        held = db.session.scalars(select(DroitDirect.declarant_id)).all()
        assert (len(held), set(held)) == (20, {cabinet.bruno.id})


def test_dates_that_move_are_counted_as_in_a_file(app, client, cabinet):
    with app.app_context():
        end = datetime.now(UTC) + timedelta(days=2)
        attribuer_lot(geste(app), cabinet.bruno.id, CLIENTS[:20], DPAE, ends_at=end)
        db.session.commit()
    fields = {"acte": "attribuer", "personne": [cabinet.bruno.uid], "cible": [str(one) for one in CLIENTS[:20]], "droit": ["dpae.declarer"]}

    assert waits(app, confirmer(client, simuler(client, **fields)))
    with app.app_context():
        assert all(row.ends_at < FOREVER for row in db.session.scalars(select(DroitDirect)))
    assert fait(client, simuler(client, **{**fields, "cible": fields["cible"][:MANY]})), "each moved right is one right"


def test_what_was_there_is_not_counted_when_a_right_comes_beside_it(app, client, cabinet):
    several = {"dsn": frozenset({Droit.DECLARER, Droit.PAYER, Droit.CONSULTER})}
    with app.app_context():
        attribuer_lot(geste(app), cabinet.bruno.id, CLIENTS[:MANY], several)
        db.session.commit()
    fields = {"acte": "attribuer", "personne": [cabinet.bruno.uid], "cible": [str(one) for one in CLIENTS[:MANY]]}

    assert fait(client, simuler(client, **fields, droit=["dpae.declarer"]))


def test_a_split_gives_nothing_and_needs_nobody(app, client, cabinet):
    assert fait(client, on_portfolio(client, "scinder", cabinet.nord, "membres", taille="15"))


def test_an_undo_left_to_a_job_needs_nobody_either(app, client, cabinet):
    with app.app_context():
        act = replace(geste(app), by=cabinet.claire.id)
        attribuer_lot(act, cabinet.bruno.id, CLIENTS, DPAE)
        db.session.commit()
        operation = db.session.scalars(select(Operation.id).order_by(Operation.id.desc())).first()
    csrf = csrf_in(client.get("/equipe/droits/passation").text)
    fields = {"csrf": csrf, "etape": "confier", "depot": "d" * 24, "acte": "annuler", "operation": str(operation)}
    path = client.post("/equipe/droits/gestes", data=fields).headers["Location"]
    travailler(app)
    assert le_fichier(app, path).bilan["retires"] == len(CLIENTS)
    assert "une seconde personne" not in texte(client.get(f"{path}/application"))

    envoyer(client, f"{path}/application")
    travailler(app)

    assert (le_fichier(app, path).etat, droits_de(app, cabinet.bruno.id)) == (Etat.APPLIQUE, {})
    assert courriers(app, "fichier_accord") == []


# ------------------------------------------------------------------------------------------------------- the whole, as it is


def la_demande(app, portee, most=4_000, **fields):
    mag = app.extensions["mag"]
    return Demande(portee, Lecteur(mag.connections, mag.catalogue(), datetime.now(UTC), mag.annuaire), fields, most)


def beat(_done, _total):
    """Nobody looks on."""


@pytest.mark.parametrize("hold", [False, True], ids=["checked", "applied"])
def test_a_job_refuses_an_act_that_it_sees_only_in_part(app, client, cabinet, hold):
    with app.app_context():
        demande = la_demande(app, Portee.of(db.session.merge(cabinet.claire)), 20, acte=["abandonner"], de=[cabinet.zoe.uid])

        with pytest.raises(TooManyPlacesError, match="more than 20"):
            gestes.verifier(demande, beat, hold=hold)


def test_what_was_written_just_before_rows_were_held_is_looked_at_too(app, client, cabinet, sud):
    faster = geste(app)

    class Overtaken(Portee):
        """Somebody else is faster: a member comes in just before rows are held."""

        def hold(self, people):
            ajouter_membre(faster, sud, cabinet.bruno.id)
            db.session.flush()
            Portee.hold(self, people)

    with app.app_context():
        own = Portee.of(db.session.merge(cabinet.claire))
        version = f"{db.session.get_one(Portefeuille, sud).epoque}.0"
        fields = {"acte": ["ajouter_clients"], "portefeuille": [str(sud)], "version": [version], "droit": ["dsn.declarer"]}
        demande = la_demande(app, Overtaken(own.administrator, own.sirets), **fields, cible=[str(one) for one in CLIENTS[:5]])

        effet = gestes.verifier(demande, beat, hold=True)
        assert effet.acte.places == [(cabinet.bruno.id, cible) for cible in CLIENTS[:5]]
