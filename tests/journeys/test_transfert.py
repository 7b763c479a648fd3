"""What becomes of the rights of whoever leaves: moved as sets, kept for somebody invited, dropped; never more than there was."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from idp.audit.models import AuditEvent
from idp.database import Connections, db
from idp.declarants.equipe import invitation as invitations
from idp.declarants.equipe.authority import NoLongerAdministratorError
from idp.declarants.equipe.invitation import Invited
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut, StatutRefusedError
from idp.declarants.transitions import LastAdministratorError
from idp.entreprises.siret import Siret
from idp.habilitations import decision, depart
from idp.habilitations.attribution import attribuer, exclure
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.confies.models import DroitConfie
from idp.habilitations.depart import Destin, Settlement
from idp.habilitations.droits import Droit
from idp.habilitations.gesture import AttributionRefusedError, Gesture
from idp.habilitations.models import DroitDirect, Exclusion, PortefeuilleMembre
from idp.habilitations.portefeuilles import ajouter_clients, ajouter_membre, creer

D, P, C, T = Droit
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPENED = NOW + timedelta(hours=24)
SIREN, SIRET, AGENCE = 784671695, 78467169500087, 78467169500103
CLIENT, OTHER = 35600000000048, 73282932000074
ISSUER = "https://mag.test"


def person(prenom: str, role: Role = Role.DECLARANT, siret: int = SIRET) -> Declarant:
    found = Declarant(
        uid=f"{prenom}-{siret}",
        siret=Siret.of(siret),
        nom="Martin",
        prenom=prenom,
        cle=f"martin|{prenom.lower()}",
        statut=Statut.ACTIF,
        role=role,
        opened_at=NOW,
        updated_at=NOW,
        email=f"{prenom.lower()}@exemple.fr",
    )
    db.session.add(found)
    db.session.flush()
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
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


@pytest.fixture
def gesture(connections: Connections) -> Gesture:
    return Gesture(None, decision.read_catalogue(connections), NOW)


@pytest.fixture
def may(connections: Connections, gesture: Gesture) -> Callable[..., bool]:
    def ask(who: Declarant, siret: int, service: str = "dsn", droit: Droit = D, at: datetime = OPENED + timedelta(days=1)) -> bool:
        db.session.commit()
        return decision.check(connections, gesture.catalogue, who.id, siret=siret, service=service, droit=droit, now=at)

    return ask


def leave(gesture: Gesture, leaver: Declarant, destin: Destin, to: Declarant | None = None, **options: Any) -> depart.Holdings:
    return depart.partir(gesture, leaver, Settlement(destin, to, options.pop("invitation_id", None)), **options)


def test_rights_move_with_their_dates_and_nothing_is_left(gesture, may):
    anne, bruno = person("Anne"), person("Bruno")
    person("Chef", Role.ADMINISTRATEUR)
    attribuer(gesture, anne.id, SIREN, "atmp", {C})
    attribuer(gesture, anne.id, CLIENT, "dsn", {D})
    before = {(r.cible, r.effective_from, r.ends_at) for r in db.session.scalars(select(DroitDirect))}
    held = leave(gesture, anne, Destin.COLLEGUE, bruno)

    assert (held.droits, held.coming) == (2, 1)
    assert {
        (r.cible, r.effective_from, r.ends_at) for r in db.session.scalars(select(DroitDirect).filter_by(declarant_id=bruno.id))
    } == before
    assert may(bruno, SIRET, "atmp", C)
    assert may(bruno, CLIENT)
    assert not may(bruno, SIRET, "atmp", C, at=NOW + timedelta(hours=1)), "an opening delay that runs is not cut short"
    assert not may(anne, CLIENT)
    assert db.session.scalar(select(func.count()).select_from(DroitDirect).where(DroitDirect.declarant_id == anne.id)) == 0


def test_what_the_colleague_held_stays_and_is_completed(gesture, may):
    anne, bruno = person("Anne"), person("Bruno")
    attribuer(gesture, anne.id, SIRET, "dsn", {D})
    attribuer(gesture, bruno.id, SIRET, "dsn", {P})
    leave(gesture, anne, Destin.COLLEGUE, bruno)

    assert may(bruno, SIRET, droit=D)
    assert may(bruno, SIRET, droit=P)


def test_an_exclusion_of_the_leaver_gives_nothing_to_the_colleague(gesture, may):
    anne, bruno = person("Anne"), person("Bruno")
    attribuer(gesture, anne.id, SIREN, "dsn", {D})
    attribuer(gesture, anne.id, CLIENT, "dsn", {D})
    exclure(gesture, anne.id, SIRET, {"dsn": {D}})
    exclure(gesture, anne.id, CLIENT, {"dsn": {D}})
    leave(gesture, anne, Destin.COLLEGUE, bruno)

    assert may(bruno, AGENCE)
    assert not may(bruno, SIRET)
    assert not may(bruno, CLIENT)


def test_an_exclusion_that_follows_takes_nothing_from_the_colleague(gesture, may):
    anne, bruno = person("Anne"), person("Bruno")
    attribuer(gesture, anne.id, SIREN, "dsn", {D})
    attribuer(gesture, bruno.id, SIRET, "dsn", {D})
    exclure(gesture, anne.id, SIRET, {"dsn": {D}})
    leave(gesture, anne, Destin.COLLEGUE, bruno)

    assert may(bruno, SIRET)
    assert may(bruno, AGENCE)


def test_an_exclusion_follows_a_portfolio(gesture, may):
    anne, bruno = person("Anne"), person("Bruno")
    folder = creer(gesture, SIREN, "Paie", {"dsn": frozenset({D})})
    ajouter_clients(gesture, folder.id, [CLIENT, OTHER], {"dsn": frozenset({D})})
    ajouter_membre(gesture, folder.id, anne.id)
    exclure(gesture, anne.id, CLIENT, {"dsn": {D}})
    held = leave(gesture, anne, Destin.COLLEGUE, bruno)

    assert held.portefeuilles == ("Paie",)
    assert may(bruno, OTHER)
    assert not may(bruno, CLIENT)
    assert db.session.scalar(select(func.count()).select_from(PortefeuilleMembre)) == 1


def test_dropped_rights_are_gone(gesture, may):
    anne = person("Anne")
    attribuer(gesture, anne.id, SIRET, "dsn", {D})
    exclure(gesture, anne.id, SIRET, {"dsn": {P}})
    leave(gesture, anne, Destin.ABANDON)

    assert not may(anne, SIRET)
    for kind in (DroitDirect, Exclusion, PortefeuilleMembre):
        assert db.session.scalar(select(func.count()).select_from(kind)) == 0
    assert AuditEvent.happened("RightsSettled", anne.id)


@pytest.mark.parametrize("bystander", ["another-company", "suspended", "himself"])
def test_rights_go_to_somebody_active_of_the_company_alone(gesture, bystander):
    anne = person("Anne")
    to = {"another-company": lambda: person("Zoé", siret=OTHER), "suspended": lambda: person("Zoé"), "himself": lambda: anne}[bystander]()
    if bystander == "suspended":
        to.statut = Statut.SUSPENDU
    attribuer(gesture, anne.id, SIRET, "dsn", {D})
    with pytest.raises(AttributionRefusedError):
        leave(gesture, anne, Destin.COLLEGUE, to)


def test_nobody_leaves_twice(gesture):
    anne = person("Anne")
    leave(gesture, anne, Destin.ABANDON)
    with pytest.raises(StatutRefusedError):
        leave(gesture, anne, Destin.ABANDON)


def test_the_last_administrator_stays(gesture):
    chef = person("Chef", Role.ADMINISTRATEUR)
    person("Anne")
    with pytest.raises(LastAdministratorError):
        leave(gesture, chef, Destin.ABANDON)


def test_who_no_longer_administers_strikes_nobody_off(gesture):
    anne, bruno = person("Anne"), person("Bruno")
    with pytest.raises(NoLongerAdministratorError):
        leave(gesture, anne, Destin.ABANDON, administrator=bruno)


# ------------------------------------------------------------------------------------------------------ kept for a newcomer


def invited(gesture: Gesture, leaver: Declarant, chef: Declarant) -> Any:
    found = invitations.inviter(
        chef, Invited(leaver.siret, "Petit", "Nina", "nina@exemple.fr"), gesture.now, issuer=ISSUER, keeper_id=chef.id
    )
    leave(gesture, leaver, Destin.NOUVEAU, chef, invitation_id=found.id)
    return found


def accept(gesture: Gesture, invitation: Any) -> Declarant:
    newcomer = invitations.accepter(invitation, gesture.now, issuer=ISSUER, rights=True)
    depart.remettre(gesture, invitation, newcomer)
    return newcomer


def test_an_administrator_keeps_the_rights_until_the_newcomer_accepts(gesture, may):
    anne, chef = person("Anne"), person("Chef", Role.ADMINISTRATEUR)
    folder = creer(gesture, SIREN, "Paie", {"dsn": frozenset({D})})
    ajouter_clients(gesture, folder.id, [CLIENT], {"dsn": frozenset({D})})
    ajouter_membre(gesture, folder.id, anne.id)
    attribuer(gesture, anne.id, SIREN, "dsn", {D, P})
    attribuer(gesture, chef.id, SIREN, "dsn", {P})
    exclure(gesture, anne.id, AGENCE, {"dsn": {D}})
    invitation = invited(gesture, anne, chef)
    assert may(chef, SIRET)
    assert may(chef, CLIENT)
    assert not may(chef, AGENCE)
    nina = accept(gesture, invitation)

    assert may(nina, SIRET)
    assert may(nina, SIRET, droit=P)
    assert may(nina, CLIENT)
    assert not may(nina, AGENCE)
    assert (may(chef, SIRET), may(chef, CLIENT), may(chef, SIRET, droit=P)) == (False, False, True), "he keeps his own, and that alone"
    assert db.session.scalar(select(func.count()).select_from(DroitConfie)) == 0
    assert db.session.scalar(select(func.count()).select_from(Exclusion).where(Exclusion.declarant_id == chef.id)) == 0


def test_a_right_withdrawn_meanwhile_does_not_come_back(gesture, may):
    anne, chef = person("Anne"), person("Chef", Role.ADMINISTRATEUR)
    attribuer(gesture, anne.id, SIRET, "dsn", {D, P})
    invitation = invited(gesture, anne, chef)
    from idp.habilitations.attribution import retirer

    retirer(gesture, chef.id, SIRET, "dsn", {P})
    nina = accept(gesture, invitation)

    assert may(nina, SIRET)
    assert not may(nina, SIRET, droit=P)


def test_rights_merged_meanwhile_are_still_handed_over(gesture, may):
    """A gesture on the same target settles its rows: those open are one."""
    anne, chef = person("Anne"), person("Chef", Role.ADMINISTRATEUR)
    attribuer(gesture, anne.id, SIRET, "dsn", {D})
    invitation = invited(gesture, anne, chef)
    later = Gesture(None, gesture.catalogue, NOW + timedelta(days=3))
    attribuer(later, chef.id, SIRET, "atmp", {C})
    nina = accept(later, invitation)

    assert may(nina, SIRET, at=NOW + timedelta(days=4))
    assert not may(chef, SIRET, at=NOW + timedelta(days=4))
    assert may(chef, SIRET, "atmp", C, at=NOW + timedelta(days=9))


def test_rights_kept_follow_whoever_takes_over_from_their_keeper(gesture, may):
    anne, chef, second = person("Anne"), person("Chef", Role.ADMINISTRATEUR), person("Second", Role.ADMINISTRATEUR)
    attribuer(gesture, anne.id, SIRET, "dsn", {D})
    invitation = invited(gesture, anne, chef)
    leave(gesture, chef, Destin.COLLEGUE, second)
    db.session.refresh(invitation)
    nina = accept(gesture, invitation)

    assert may(nina, SIRET)
    assert not may(second, SIRET)


# ------------------------------------------------------------------------------------------------------------------ numbers


def test_three_hundred_thousand_rights_move_in_a_few_statements(gesture):
    anne, bruno = person("Anne"), person("Bruno")
    attribuer(gesture, anne.id, SIRET, "dsn", {D})
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)"
    copied = "declarant_id, effective_from, ends_at, operation_id, declarer, payer, consulter, telecharger_officiel"
    columns = copied.replace("declarant_id", "declarant_id, cible", 1)
    values = copied.replace("declarant_id", "declarant_id, 10000000000000 + n.i", 1)
    db.session.execute(text(f"insert into droits ({columns}) {numbers} select {values} from droits cross join n"))
    db.session.commit()
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    event.listen(db.engine, "before_cursor_execute", note)
    before = time.perf_counter()
    held = leave(gesture, anne, Destin.COLLEGUE, bruno)
    db.session.commit()
    event.remove(db.engine, "before_cursor_execute", note)

    assert held.droits == 300_001
    assert db.session.scalar(select(func.count()).select_from(DroitDirect).where(DroitDirect.declarant_id == bruno.id)) == 300_001
    assert len(statements) < 40
    assert time.perf_counter() - before < 60
