"""Giving, withdrawing, excluding; portfolios; the catalogue; the operator's commands. Each refusal before what it protects."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from idp.audit.models import AuditEvent
from idp.database import Connections, db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import Siret
from idp.habilitations import attribution, decision
from idp.habilitations.attribution import attribuer, exclure, reintegrer, retirer
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Catalogue, Droit, InvalidCatalogueError
from idp.habilitations.gesture import AttributionRefusedError, Gesture
from idp.habilitations.models import DroitDirect, Operation, Portefeuille, PortefeuilleClient, ServiceAcces, ServiceDeclaratif
from idp.habilitations.portefeuilles import (
    ADVISED_CLIENTS,
    ajouter_clients,
    ajouter_membre,
    creer,
    fermer_services,
    is_beyond_advice,
    ouvrir_services,
    retirer_clients,
    retirer_membre,
)

D, P, C, T = Droit
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
SIREN, SIRET = 784671695, 78467169500087
CLIENT, OTHER = 35600000000048, 73282932000074
DSN, ATMP = {"dsn": frozenset({D, P})}, {"atmp": frozenset({C})}


def un_declarant(prenom: str = "Anne", siret: int = SIRET, statut: Statut = Statut.ACTIF) -> Declarant:
    found = Declarant(
        uid=f"{prenom}-{siret}", siret=Siret.of(siret), nom="Martin", prenom=prenom, cle=f"martin|{prenom.lower()}", statut=statut,
        role=Role.DECLARANT, opened_at=NOW, updated_at=NOW)
    db.session.add(found)
    db.session.flush()
    return found


@pytest.fixture
def connections(request: pytest.FixtureRequest) -> Any:
    """A database with the shipped catalogue, and a session on it."""
    url = request.getfixturevalue(f"{request.param}_url")
    app = Flask("rights")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        refresh(parse(shipped()), NOW)
        db.session.commit()
        found = Connections(url)
        yield found
        found.drop()
        db.session.remove()
        db.engine.dispose()


pytestmark = pytest.mark.parametrize("connections", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def catalogue(connections: Connections) -> Catalogue:
    return decision.read_catalogue(connections)


@pytest.fixture
def gesture(catalogue: Catalogue) -> Gesture:
    return Gesture(None, catalogue, NOW)


@pytest.fixture
def anne(connections: Connections) -> int:
    identifier = un_declarant().id
    db.session.commit()
    return identifier


@pytest.fixture
def may(connections: Connections, catalogue: Catalogue) -> Callable[..., bool]:
    """`may(who, siret, service, droit, now)`, as a partner learns it: after the commit."""
    def ask(who: int, siret: int, service: str, droit: Droit, now: datetime = NOW) -> bool:
        db.session.commit()
        return decision.check(connections, catalogue, who, siret=siret, service=service, droit=droit, now=now)

    return ask


@pytest.fixture
def folder(gesture: Gesture) -> int:
    """A portfolio of Anne's firm, with DSN in its container."""
    identifier = creer(gesture, SIREN, "Clients du nord", DSN).id
    db.session.commit()
    return identifier


def events() -> list[tuple[str, Any]]:
    found = db.session.query(AuditEvent).filter(AuditEvent.kind.startswith("Habilitation")).order_by(AuditEvent.id)
    return [(event.kind, event.details.get("droits")) for event in found]


# ---------------------------------------------------------------------------------------------------------------- direct

@pytest.mark.parametrize(("cible", "service", "droits", "words"), [
    pytest.param(SIRET, "minitel", {D}, "n'existe pas", id="unknown-service"),
    pytest.param(SIRET, "dpae", {P}, "ne connaît pas le droit « payer »", id="right-the-service-has-not"),
    pytest.param(SIRET, "c3s", {D}, "indiquez son SIREN", id="company-service-on-a-SIRET"),
    pytest.param(123, "dsn", {D}, "Indiquez un SIREN", id="neither-SIREN-nor-SIRET"),
    pytest.param(10**14, "dsn", {D}, "Indiquez un SIREN", id="too-long-a-number"),
    pytest.param(SIRET, "dsn", set(), "au moins un droit", id="no-right"),
    pytest.param(CLIENT, "atmp", {T}, "Seule l'entreprise", id="fact-61-official-documents-of-a-client"),
])
def test_what_cannot_be_given_is_refused(gesture: Gesture, anne: int, cible: int, service: str, droits: set[Droit], words: str) -> None:
    with pytest.raises(AttributionRefusedError) as refused:
        attribuer(gesture, anne, cible, service, droits)

    assert words in refused.value.public
    assert events() == []


@pytest.mark.parametrize("statut", [s for s in Statut if s != Statut.ACTIF])
def test_who_is_not_active_receives_nothing(gesture: Gesture, statut: Statut) -> None:
    paul = un_declarant("Paul", statut=statut)

    with pytest.raises(AttributionRefusedError):
        attribuer(gesture, paul.id, SIRET, "dsn", {D})


def test_nobody_receives_nothing(gesture: Gesture) -> None:
    with pytest.raises(AttributionRefusedError):
        attribuer(gesture, 999, SIRET, "dsn", {D})


def test_a_right_that_ends_before_it_opens_is_refused(gesture: Gesture, anne: int) -> None:
    with pytest.raises(AttributionRefusedError):
        attribuer(gesture, anne, SIRET, "atmp", {C}, ends_at=NOW + timedelta(hours=23))


def test_a_right_given_is_held_there_and_nowhere_else(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    assert attribuer(gesture, anne, SIRET, "dsn", {D})

    assert may(anne, SIRET, "dsn", D)
    assert not may(anne, SIRET, "dsn", P)
    assert not may(anne, SIRET, "dpae", D)
    assert not may(anne, CLIENT, "dsn", D)
    assert not may(anne + 1, SIRET, "dsn", D)


def test_a_right_opens_after_the_delay_of_its_service(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    """Fact 24: 24 hours for Compte AT/MP."""
    attribuer(gesture, anne, SIRET, "atmp", {D})

    assert [may(anne, SIRET, "atmp", D, now) for now in (NOW, LATER - timedelta(seconds=1), LATER)] == [False, False, True]


def test_a_right_ends_at_its_date(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D}, ends_at=LATER)

    assert [may(anne, SIRET, "dsn", D, now) for now in (NOW, LATER - timedelta(seconds=1), LATER)] == [True, True, False]


def test_a_right_on_a_company_covers_all_its_establishments(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    """Fact 56: those to come too."""
    attribuer(gesture, anne, SIREN, "dsn", {D})
    attribuer(gesture, anne, SIREN, "c3s", {D})

    assert may(anne, SIRET, "dsn", D)
    assert may(anne, SIREN * 100_000 + 99_999, "c3s", D)


def test_the_passport_comes_with_the_account(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    """Fact 57."""
    attribuer(gesture, anne, SIRET, "cpf", {D})

    assert may(anne, SIRET, "passeport_prevention", D)
    assert not may(anne, SIRET, "atmp", D)


def test_given_again_changes_nothing_and_leaves_no_trace(gesture: Gesture, anne: int) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D})
    db.session.commit()
    epoch, operations = db.session.get_one(Declarant, anne).epoque, db.session.query(Operation).count()

    assert not attribuer(gesture, anne, SIRET, "dsn", {D})
    db.session.commit()

    assert (db.session.get_one(Declarant, anne).epoque, db.session.query(Operation).count()) == (epoch, operations)
    assert events() == [("HabilitationOpened", "dsn:declarer")]


def test_rights_on_one_target_are_one_row(gesture: Gesture, anne: int) -> None:
    for service in ("dsn", "dpae", "ducs", "tese"):
        attribuer(gesture, anne, SIRET, service, {D})

    assert db.session.query(DroitDirect).count() == 1


def test_a_withdrawal_bites_at_once(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D, P})
    attribuer(gesture, anne, SIRET, "atmp", {D})

    assert retirer(gesture, anne, SIRET, "dsn", {D})
    assert retirer(gesture, anne, SIRET, "atmp", {D})
    assert not retirer(gesture, anne, SIRET, "dsn", {D})

    assert not may(anne, SIRET, "dsn", D)
    assert not may(anne, SIRET, "atmp", D, LATER)
    assert may(anne, SIRET, "dsn", P)
    assert events()[-1] == ("HabilitationClosed", "atmp:declarer")


def test_the_rights_of_who_left_can_still_be_withdrawn(gesture: Gesture, anne: int) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D})
    db.session.get_one(Declarant, anne).statut = Statut.RADIE

    assert retirer(gesture, anne, SIRET, "dsn", {D})


def test_who_is_suspended_may_nothing(
    gesture: Gesture, anne: int, may: Callable[..., bool], connections: Connections, catalogue: Catalogue,
) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D})
    db.session.get_one(Declarant, anne).statut = Statut.SUSPENDU

    assert not may(anne, SIRET, "dsn", D)
    assert decision.rights_version(connections, catalogue, anne, NOW) == decision.NO_VERSION
    assert decision.disclose(connections, catalogue, anne, services={"dsn"}, now=NOW, bound=40).hab["g"] == []


# ------------------------------------------------------------------------------------------------------------ exclusions

def test_an_inherited_right_goes_with_its_sources_or_not_at_all(gesture: Gesture, anne: int) -> None:
    with pytest.raises(AttributionRefusedError) as refused:
        exclure(gesture, anne, SIRET, {"passeport_prevention": frozenset({D})})

    assert "« Compte AT/MP » (déclarer)" in refused.value.public
    assert "« Mon Compte Formation, espace des employeurs » (déclarer)" in refused.value.public


def test_an_exclusion_wins_over_everything(gesture: Gesture, anne: int, folder: int, may: Callable[..., bool]) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D})
    attribuer(gesture, anne, SIREN, "dsn", {D})
    ajouter_clients(gesture, folder, [SIRET], DSN)
    ajouter_membre(gesture, folder, anne)

    assert exclure(gesture, anne, SIRET, {"dsn": frozenset({D})})
    assert not exclure(gesture, anne, SIRET, {"dsn": frozenset({D})})

    assert not may(anne, SIRET, "dsn", D)
    assert may(anne, SIRET, "dsn", P)
    assert may(anne, SIRET + 1, "dsn", D)


def test_an_exclusion_takes_what_its_source_gave(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    attribuer(gesture, anne, SIRET, "cpf", {D})
    exclure(gesture, anne, SIRET, {"cpf": frozenset({D})})

    assert not may(anne, SIRET, "passeport_prevention", D)


def test_a_lifted_exclusion_gives_the_right_back(gesture: Gesture, anne: int, may: Callable[..., bool]) -> None:
    attribuer(gesture, anne, SIRET, "dsn", {D, P})
    exclure(gesture, anne, SIREN, DSN)
    assert not may(anne, SIRET, "dsn", D)

    assert reintegrer(gesture, anne, SIREN, {"dsn": frozenset({D})})
    assert not reintegrer(gesture, anne, SIREN, {"dsn": frozenset({D})})

    assert [may(anne, SIRET, "dsn", droit) for droit in (D, P)] == [True, False]
    assert reintegrer(gesture, anne, SIREN, DSN)
    assert may(anne, SIRET, "dsn", P)


def test_exclusions_stay_exceptions(gesture: Gesture, anne: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MOST_EXCLUSIONS", 2)
    for nic in (1, 2):
        exclure(gesture, anne, SIREN * 100_000 + nic, DSN)

    with pytest.raises(AttributionRefusedError):
        exclure(gesture, anne, SIREN * 100_000 + 3, DSN)
    assert exclure(gesture, anne, SIREN * 100_000 + 2, {"dpae": frozenset({D})})


# ------------------------------------------------------------------------------------------------------------ portfolios

def test_content_before_container_is_refused_with_what_to_add(gesture: Gesture, folder: int) -> None:
    """Fact 48."""
    with pytest.raises(AttributionRefusedError) as refused:
        ajouter_clients(gesture, folder, [CLIENT], DSN | ATMP)

    assert refused.value.public == "Ajoutez d'abord « Compte AT/MP » (consulter) au portefeuille « Clients du nord », puis à ses clients."
    assert db.session.query(PortefeuilleClient).count() == 0


@pytest.mark.parametrize("act", [
    pytest.param(lambda g, folder, anne: creer(g, SIREN, "  ", DSN), id="no-name"),
    pytest.param(lambda g, folder, anne: creer(g, SIREN, "x", {"dsn": frozenset({T})}), id="unknown-right"),
    pytest.param(lambda g, folder, anne: ouvrir_services(g, 999, DSN), id="no-such-portfolio"),
    pytest.param(lambda g, folder, anne: ajouter_clients(g, folder, [12], DSN), id="client-is-no-number"),
    pytest.param(lambda g, folder, anne: ajouter_clients(g, folder, [], {"minitel": frozenset({D})}), id="unknown-service"),
    pytest.param(lambda g, folder, anne: ajouter_clients(g, folder, [CLIENT], DSN, ends_at=NOW), id="ends-before-it-opens"),
    pytest.param(lambda g, folder, anne: ajouter_membre(g, folder, 999), id="no-such-member"),
    pytest.param(lambda g, folder, anne: ajouter_membre(g, folder, anne, ends_at=NOW), id="membership-ends-before-it-opens"),
    pytest.param(lambda g, folder, anne: ajouter_membre(g, folder, un_declarant("Zoé", CLIENT).id), id="member-of-another-firm"),
    pytest.param(lambda g, folder, anne: retirer_membre(g, folder, 999), id="nobody-leaves"),
])
def test_what_a_portfolio_cannot_do_is_refused(gesture: Gesture, folder: int, anne: int, act: Callable[..., Any]) -> None:
    with pytest.raises(AttributionRefusedError):
        act(gesture, folder, anne)


def test_official_documents_of_a_client_stay_with_the_client(gesture: Gesture, folder: int) -> None:
    """Fact 61; the firm's own establishments may be a portfolio too."""
    ouvrir_services(gesture, folder, {"atmp": frozenset({C, T})})

    with pytest.raises(AttributionRefusedError):
        ajouter_clients(gesture, folder, [CLIENT], {"atmp": frozenset({T})})
    assert ajouter_clients(gesture, folder, [SIRET], {"atmp": frozenset({T})}) == 1


def test_a_member_has_what_the_client_has(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ajouter_clients(gesture, folder, [CLIENT], {"dsn": frozenset({D})})
    ajouter_clients(gesture, folder, [OTHER], DSN)
    assert ajouter_membre(gesture, folder, anne)
    assert not ajouter_membre(gesture, folder, anne)

    assert [may(anne, siret, "dsn", P) for siret in (CLIENT, OTHER)] == [False, True]
    assert db.session.get_one(Portefeuille, folder).clients == 2


def test_a_member_stays_under_the_ceiling(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ajouter_clients(gesture, folder, [CLIENT], DSN)
    ajouter_membre(gesture, folder, anne, rights={"dsn": frozenset({D})})

    assert [may(anne, CLIENT, "dsn", droit) for droit in (D, P)] == [True, False]
    assert ajouter_membre(gesture, folder, anne)
    assert may(anne, CLIENT, "dsn", P)


def test_content_is_worth_nothing_outside_its_container(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    """Joined when it is read: whatever wrote the rows."""
    ajouter_clients(gesture, folder, [CLIENT], DSN)
    ajouter_membre(gesture, folder, anne)
    db.session.get_one(Portefeuille, folder).masks = gesture.catalogue.masks({"dsn": frozenset({P})})

    assert [may(anne, CLIENT, "dsn", droit) for droit in (D, P)] == [False, True]


def test_a_client_added_to_the_company_is_every_establishment(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ajouter_clients(gesture, folder, [CLIENT // 100_000], DSN)
    ajouter_membre(gesture, folder, anne)

    assert may(anne, CLIENT, "dsn", D)


def test_who_leaves_the_portfolio_loses_its_clients(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ajouter_clients(gesture, folder, [CLIENT], DSN)
    ajouter_membre(gesture, folder, anne)
    assert may(anne, CLIENT, "dsn", D)

    assert retirer_membre(gesture, folder, anne)
    assert not retirer_membre(gesture, folder, anne)

    assert not may(anne, CLIENT, "dsn", D)


def test_a_service_closed_then_reopened_brings_nothing_back(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ajouter_clients(gesture, folder, [CLIENT], DSN)
    ajouter_membre(gesture, folder, anne)

    assert fermer_services(gesture, folder, {"dsn": frozenset({D})})
    assert not fermer_services(gesture, folder, {"dsn": frozenset({D})})
    assert ouvrir_services(gesture, folder, DSN)
    assert not ouvrir_services(gesture, folder, DSN)

    assert [may(anne, CLIENT, "dsn", droit) for droit in (D, P)] == [False, True]


def test_a_client_taken_out_is_gone(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ajouter_clients(gesture, folder, [CLIENT, OTHER], DSN)
    ajouter_membre(gesture, folder, anne)

    assert retirer_clients(gesture, folder, [CLIENT]) == 1
    assert retirer_clients(gesture, folder, [CLIENT]) == 0
    assert retirer_clients(gesture, folder, [OTHER], {"dsn": frozenset({P})}) == 1

    assert [may(anne, CLIENT, "dsn", D), may(anne, OTHER, "dsn", D), may(anne, OTHER, "dsn", P)] == [False, True, False]
    assert db.session.get_one(Portefeuille, folder).clients == 1


def test_many_clients_are_added_in_one_gesture(gesture: Gesture, folder: int) -> None:
    sirets = [10**12 + i * 100_000 + 12 for i in range(1_200)]
    ajouter_clients(gesture, folder, sirets[:600], DSN)
    db.session.commit()
    operations = db.session.query(Operation).count()

    assert ajouter_clients(gesture, folder, sirets, DSN) == 600
    assert ajouter_clients(gesture, folder, sirets, DSN) == 0

    assert db.session.query(Operation).count() == operations + 1
    found = db.session.get_one(Portefeuille, folder)
    assert found.clients == 1_200
    assert is_beyond_advice(found)
    assert ADVISED_CLIENTS == 100


def test_each_service_opens_for_a_client_after_its_own_delay(gesture: Gesture, folder: int, anne: int, may: Callable[..., bool]) -> None:
    ouvrir_services(gesture, folder, ATMP)
    ajouter_clients(gesture, folder, [CLIENT], DSN | ATMP)
    ajouter_membre(gesture, folder, anne)
    db.session.add(LienDeclare(siret_declarant=Siret.of(SIRET), siret_declare=Siret.of(CLIENT), dernier_mois="2026-02", imported_at=NOW))

    assert [may(anne, CLIENT, "dsn", D), may(anne, CLIENT, "atmp", C), may(anne, CLIENT, "atmp", C, LATER)] == [True, False, True]


# --------------------------------------------------------------------------------------------------- version of the rights

def test_the_version_moves_with_every_gesture_that_counts(
    gesture: Gesture, folder: int, anne: int, connections: Connections, catalogue: Catalogue,
) -> None:
    paul = un_declarant("Paul").id
    gestures: list[Callable[[], Any]] = [
        lambda: attribuer(gesture, anne, SIRET, "dsn", {D}), lambda: ajouter_membre(gesture, folder, anne),
        lambda: ajouter_clients(gesture, folder, [CLIENT], DSN), lambda: ouvrir_services(gesture, folder, ATMP),
        lambda: exclure(gesture, anne, CLIENT, DSN), lambda: reintegrer(gesture, anne, CLIENT, DSN),
        lambda: retirer_clients(gesture, folder, [CLIENT]), lambda: retirer(gesture, anne, SIRET, "dsn", {D}),
        lambda: retirer_membre(gesture, folder, anne),
    ]
    seen = []
    for one in (lambda: None, *gestures, lambda: attribuer(gesture, paul, SIRET, "dsn", {D})):
        one()
        db.session.commit()
        seen.append(decision.rights_version(connections, catalogue, anne, NOW))

    assert len(set(seen)) == 1 + len(gestures)
    assert seen[-1] == seen[-2]
    assert all(len(version) == 16 for version in seen)


def test_simultaneous_gestures_lose_nothing(connections: Connections, catalogue: Catalogue, anne: int) -> None:
    """Several administrators, one target, one instant."""
    from flask import current_app

    application = current_app._get_current_object()  # type: ignore[attr-defined]  # a thread has no context of its own
    services, start = ("dsn", "dpae", "ducs", "tese"), threading.Barrier(4)

    def give(service: str) -> None:
        with application.app_context():
            start.wait()
            attribuer(Gesture(None, catalogue, NOW), anne, SIRET, service, {D})
            db.session.commit()
            db.session.remove()

    threads = [threading.Thread(target=give, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(decision.check(connections, catalogue, anne, siret=SIRET, service=s, droit=D, now=NOW) for s in services)


# ------------------------------------------------------------------------------------------------------------- catalogue

def test_the_catalogue_read_twice_changes_nothing(connections: Connections) -> None:
    assert refresh(parse(shipped()), NOW) == []


def test_a_bit_never_changes_hands(connections: Connections) -> None:
    for text in (shipped().replace("bit = 0\n", "bit = 40\n"), shipped().replace('code = "ducs"', 'code = "nouveau"')):
        with pytest.raises(InvalidCatalogueError):
            refresh(parse(text), NOW)
        db.session.rollback()


def test_a_service_that_leaves_the_file_answers_no_and_keeps_its_bit(
    gesture: Gesture, anne: int, connections: Connections, may: Callable[..., bool],
) -> None:
    attribuer(gesture, anne, SIRET, "detachement", {D})
    assert may(anne, SIRET, "detachement", D)
    head, _, _ = shipped().rpartition("[[services]]")

    assert refresh(parse(head), NOW) == ["detachement désactivé"]
    db.session.commit()

    changed = decision.read_catalogue(connections)
    assert not decision.check(connections, changed, anne, siret=SIRET, service="detachement", droit=D, now=NOW)
    with pytest.raises(AttributionRefusedError):
        attribuer(Gesture(None, changed, NOW), anne, CLIENT, "detachement", {D})
    with pytest.raises(InvalidCatalogueError):
        refresh(parse(head + '[[services]]\ncode = "autre"\nbit = 24\nlibelle = "x"\ngrain = "siret"\ndroits = ["payer"]'), NOW)


def test_the_closure_written_for_sql_is_the_one_in_memory(connections: Connections, catalogue: Catalogue) -> None:
    codes = {row.id: row.code for row in ServiceDeclaratif.all()}

    assert {(codes[row.service_id], row.droit): row.masks for row in db.session.query(ServiceAcces)} == catalogue.accepted
