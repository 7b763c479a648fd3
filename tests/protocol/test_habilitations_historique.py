"""Undo, past access, transfers and flat files against the naive engine and against themselves, on both databases."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from idp.database import Connections, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Etablissement
from idp.entreprises.siret import Siret
from idp.habilitations import attribution, models, portefeuilles, transfert
from idp.habilitations.droits import Droit, Masks
from idp.habilitations.gesture import AttributionRefusedError, Gesture
from idp.habilitations.historique import acces, annulation
from idp.habilitations.historique.models import SetClos
from idp.habilitations.plat import promotion
from idp.habilitations.plat.importation import importer_plat
from idp.habilitations.plat.models import PromotionProposee
from idp.habilitations.questions import Question, check_many
from tests.protocol.test_habilitations_oracle import (
    CATALOGUE,
    HISTORIES,
    HOUR,
    NOON,
    PAIRS,
    SIRENS,
    SIRETS,
    World,
    connections,
    opened,
)

__all__ = ["connections"]
D, P, C, T = Droit
QUICK: Any = {
    "phases": (Phase.explicit, Phase.reuse, Phase.generate), "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
EVERYWHERE = (*SIRENS, *SIRETS)
DSN = {"dsn": frozenset({D})}


def held(world: World, now: Any, who: tuple[int, ...] = (1, 2, 3)) -> set[Question]:
    """Every right of these accounts, everywhere, as machines are told."""
    asked = [Question(account, place, *pair) for account in who for place in EVERYWHERE for pair in PAIRS]
    return {one for one, found in zip(asked, check_many(world.connections, CATALOGUE, asked, now), strict=True) if found}


def last_operation() -> int:
    return db.session.scalars(select(models.Operation.id).order_by(models.Operation.id.desc())).first() or 0


def empty_history() -> None:
    db.session.query(SetClos).delete()
    db.session.query(PromotionProposee).delete()
    db.session.query(Etablissement).delete()
    db.session.commit()


@pytest.fixture
def clean(connections: Connections) -> Connections:
    return connections


@settings(max_examples=25, **QUICK)
@given(history=HISTORIES, last=st.integers(1, 4))
def test_gestures_undone_in_reverse_order_leave_what_there_was(connections: Connections, history: Any, last: int) -> None:
    world = opened(connections)
    empty_history()
    before = 0
    play = [one for one in history if one[1][0] not in ("suspendre", "deposer")]
    world.play(play[:-last])
    world.now += HOUR
    start, base, before = held(world, world.now), last_operation(), world.now
    world.play([(0, gesture) for _, gesture in play[-last:]])

    for operation_id in range(last_operation(), base, -1):
        annulation.annuler(Gesture(None, CATALOGUE, before), operation_id)
        db.session.commit()

    assert held(world, before) == start


@settings(max_examples=20, **QUICK)
@given(history=HISTORIES, later=st.integers(0, 3))
def test_past_access_is_what_machines_were_told_then(connections: Connections, history: Any, later: int) -> None:
    world = opened(connections)
    empty_history()
    play = [one for one in history if one[1][0] not in ("suspendre", "deposer")]
    half = len(play) // 2
    world.play(play[:half])
    then, operation_id = world.now, last_operation()
    expected = held(world, then)
    world.now += later * HOUR
    world.play(play[half:])

    for cible in EVERYWHERE[:7]:
        for pair in PAIRS[:10]:
            found = acces.had_access(cible, *pair, operation_id, then, CATALOGUE)
            assert set(found) == {one.declarant_id for one in expected if one.cible == cible and one[2:] == pair}, (cible, pair)


@settings(max_examples=25, **QUICK)
@given(history=HISTORIES, later=st.integers(0, 4))
def test_a_transfer_gives_nobody_more_than_there_was(connections: Connections, history: Any, later: int) -> None:
    """Accounts 1 and 2 are of one firm. The receiver loses nothing, and gets nothing that neither had; the giver keeps nothing."""
    world = opened(connections)
    empty_history()
    world.play([one for one in history if one[1][0] != "suspendre"])
    now = world.now + later * HOUR
    mine, theirs, other = (held(world, now, (who,)) for who in (1, 2, 3))
    gesture = Gesture(None, CATALOGUE, world.now)

    seen = transfert.preview(gesture, 1, 2)
    done = transfert.transferer(gesture, 1, 2)
    db.session.commit()

    assert done == seen
    assert held(world, now, (1,)) == set()
    assert held(world, now, (3,)) == other
    after = held(world, now, (2,))
    as_mine = {one._replace(declarant_id=2) for one in mine}
    assert theirs <= after <= theirs | as_mine, (after - theirs - as_mine, theirs - after)
    excluded = db.session.query(models.Exclusion).count()
    members = db.session.query(models.PortefeuilleMembre).filter(models.PortefeuilleMembre.ends_at < models.FOREVER).count()
    if not excluded and not members:
        assert after == theirs | as_mine


def test_a_copy_keeps_both_and_a_renunciation_keeps_nothing(connections: Connections) -> None:
    world = opened(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    attribution.attribuer(gesture, 1, SIRETS[3], "dsn", {D})
    attribution.exclure(gesture, 1, SIRETS[4], DSN)
    attribution.attribuer(gesture, 2, SIRETS[4], "dsn", {D})
    db.session.commit()

    seen = transfert.copier(gesture, 1, 2)
    db.session.commit()

    assert (seen.droits, seen.laissees) == (1, (SIRETS[4],))
    assert {one.cible for one in held(world, NOON) if one.declarant_id == 2 and one.service == "dsn" and one.droit == D} == set(SIRETS[3:5])
    assert Question(1, SIRETS[3], "dsn", D) in held(world, NOON)
    transfert.abandonner(gesture, 1)
    db.session.commit()
    assert held(world, NOON, (1,)) == set()


@pytest.mark.parametrize(("to", "statut"), [(3, Statut.ACTIF), (2, Statut.SUSPENDU), (1, Statut.ACTIF)])
def test_rights_pass_only_to_somebody_active_of_the_same_company(connections: Connections, to: int, statut: Statut) -> None:
    opened(connections)
    db.session.get_one(Declarant, 2).statut = statut
    db.session.commit()

    with pytest.raises(AttributionRefusedError):
        transfert.transferer(Gesture(None, CATALOGUE, NOON), 1, to)
    db.session.rollback()


# -------------------------------------------------------------------------------------------------------------------- undo


def test_an_undo_is_refused_when_something_changed_since_and_says_what(connections: Connections) -> None:
    opened(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    attribution.attribuer(gesture, 1, SIRETS[3], "dsn", {D})
    first = last_operation()
    attribution.attribuer(gesture, 1, SIRETS[3], "dsn", {P})
    db.session.commit()

    with pytest.raises(AttributionRefusedError, match="changed since") as refused:
        annulation.annuler(gesture, first)
    db.session.rollback()

    assert f"droits du compte 1 sur {SIRETS[3]} (opération {first + 1})" in refused.value.public


def test_undoing_goes_on_to_what_came_before_on_the_same_places(connections: Connections) -> None:
    """What an undo brought back is the work of whoever wrote it first."""
    world = opened(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    before, base = held(world, NOON), last_operation()
    portefeuilles.ajouter_clients(gesture, 1, SIRETS[:3], DSN)
    portefeuilles.fermer_services(gesture, 1, DSN)
    db.session.commit()

    for operation_id in (base + 2, base + 1):
        annulation.annuler(gesture, operation_id)
        db.session.commit()

    assert held(world, NOON) == before
    with pytest.raises(AttributionRefusedError, match="changed since"):
        annulation.annuler(gesture, base + 3)
    db.session.rollback()
    annulation.annuler(gesture, base + 4)
    annulation.annuler(gesture, base + 3)
    db.session.commit()
    assert held(world, NOON) == before, "the container is closed again"


def test_what_is_undone_late_twice_or_not_there_is_refused_and_an_undo_is_undone(connections: Connections) -> None:
    world = opened(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    attribution.attribuer(gesture, 1, SIRETS[3], "dsn", {D})
    given_by, before = last_operation(), held(world, NOON)
    db.session.commit()
    before = held(world, NOON)

    for reason, now, operation_id in (("too old", NOON + timedelta(hours=24), given_by), ("no operation", NOON, 10**9)):
        with pytest.raises(AttributionRefusedError, match=reason):
            annulation.annuler(Gesture(None, CATALOGUE, now), operation_id)
        db.session.rollback()
    annulation.annuler(gesture, given_by)
    undo = last_operation()
    db.session.commit()
    assert Question(1, SIRETS[3], "dsn", D) not in held(world, NOON)
    with pytest.raises(AttributionRefusedError, match="already undone"):
        annulation.annuler(gesture, given_by)
    db.session.rollback()
    annulation.annuler(gesture, undo)
    db.session.commit()
    assert held(world, NOON) == before


def test_rights_are_not_given_back_to_somebody_who_left(connections: Connections) -> None:
    opened(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    attribution.attribuer(gesture, 2, SIRETS[3], "dsn", {D})
    attribution.retirer(gesture, 2, SIRETS[3], "dsn", {D})
    operation_id = last_operation()
    db.session.get_one(Declarant, 2).statut = Statut.RADIE
    db.session.commit()

    with pytest.raises(AttributionRefusedError, match="not active"):
        annulation.annuler(gesture, operation_id)
    db.session.rollback()


# --------------------------------------------------------------------------------------------------------------- flat file

CLIENTS = [
    Siret(text)
    for text in ("35600000000048", "73282932000074", "78467169500087", "55208131766522", "44306184100047", "38012986646850")
]
LINES = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(range(len(CLIENTS))), st.sampled_from((("dsn", D), ("dsn", P), ("cpf", D), ("taux", D)))),
    max_size=40)


def flat_file(folder: Path, lines: Any) -> Path:
    """`siret;nom;prenom;etablissement;service;droit`."""
    firms = {one.id: one for one in db.session.scalars(select(Declarant))}
    rows = [f"{firms[who].siret};{firms[who].nom.upper()};{firms[who].prenom};{CLIENTS[i]};{pair[0]};{pair[1]}" for who, i, pair in lines]
    path = folder / "plat.csv"
    path.write_text("siret;nom;prenom;etablissement;service;droit\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def valid_firms() -> None:
    """Accounts of the oracle have SIRETs without a key; these have one."""
    for who, siret in zip((1, 2, 3), ("78467169500087", "78467169500087", "73282932000074"), strict=True):
        db.session.get_one(Declarant, who).siret = Siret(siret)
    db.session.commit()


def told(world: World, now: Any) -> set[Any]:
    asked = [Question(who, int(siret), *pair) for who in (1, 2, 3) for siret in CLIENTS for pair in PAIRS]
    return {one for one, found in zip(asked, check_many(world.connections, CATALOGUE, asked, now), strict=True) if found}


@settings(max_examples=25, **QUICK)
@given(lines=LINES, wide=st.booleans())
def test_rights_after_an_import_are_those_of_the_flat_file(connections: Connections, tmp_path: Path, lines: Any, wide: bool) -> None:
    world = opened(connections)
    empty_history()
    valid_firms()
    if wide:  # everybody everywhere: portfolios
        lines = [*lines, *((who, i, ("dsn", D)) for who in (1, 2) for i in range(len(CLIENTS)))]
    expected = {Question(who, int(CLIENTS[i]), *pair) for who, i, pair in lines}
    gesture = Gesture(None, CATALOGUE, NOON)
    path = flat_file(tmp_path, lines)

    bilan = importer_plat(gesture, path)
    db.session.commit()

    asked = {(service, droit) for _, _, (service, droit) in lines} | {("dsn", D), ("cpf", D)}
    found = {one for one in told(world, NOON) if (one.service, one.droit) in asked - {("taux", D)}}
    assert found == {one for one in expected if one.service != "taux"}  # a declaration is asked for beside
    assert bilan.refusees == 0
    assert bilan.written <= bilan.rows["masques"] or not bilan.rows["masques"]
    again = importer_plat(gesture, path)
    db.session.commit()
    assert (again.rows["masques"], again.written) == (0, 0)
    if bilan.operation_id:
        annulation.annuler(gesture, bilan.operation_id)
        db.session.commit()
        assert told(world, NOON) == set()


def test_what_cannot_be_read_is_told_line_by_line_and_an_overview_writes_nothing(connections: Connections, tmp_path: Path) -> None:
    opened(connections)
    empty_history()
    valid_firms()
    path = tmp_path / "plat.csv"
    someone = "78467169500087;MARTIN;N1"
    path.write_text(
        "siret;nom;prenom;etablissement;service;droit\n"
        f"{someone};35600000000048;dsn;declarer payer\n78467169500087;PERSONNE;X;35600000000048;dsn;declarer\n"
        f"{someone};123;dsn;declarer\n{someone};35600000000048;minitel;declarer\n{someone};35600000000048;dsn;voler\n"
        f"{someone};35600000000048;atmp;telecharger_officiel\n{someone};35600000000048;c3s;declarer\n{someone};356000000;c3s;declarer\n{someone}\n",
        encoding="utf-8")

    bilan = importer_plat(Gesture(None, CATALOGUE, NOON), path)
    db.session.rollback()

    assert (bilan.lues, bilan.refusees, bilan.rows["masques"]) == (9, 7, 2)
    assert [number for number, _ in bilan.refused] == [3, 4, 5, 6, 7, 8, 10]
    assert db.session.query(models.DroitDirect).count() == 0


def test_the_same_rights_on_a_whole_company_are_proposed_and_decided(connections: Connections, tmp_path: Path) -> None:
    """Fact 56: a right on the company holds for its future establishments; nobody decides that but an administrator."""
    world = opened(connections)
    empty_history()
    valid_firms()
    own = [Siret(text) for text in ("78467169500087", "78467169500095", "78467169500103") if Siret.holds(text)]
    for siret in own:
        db.session.add(Etablissement(siret=siret, actif=True, siege=False, statut_diffusion="O"))
    db.session.commit()
    path = tmp_path / "plat.csv"
    rows = [f"78467169500087;MARTIN;N{who};{siret};dsn;declarer" for who in (1, 2) for siret in own]
    path.write_text("\n".join(["siret;nom;prenom;etablissement;service;droit", *rows[:-1]]) + "\n", encoding="utf-8")
    gesture, future = Gesture(None, CATALOGUE, NOON), 78467169500999

    bilan = importer_plat(gesture, path)
    db.session.commit()

    assert bilan.promotions == (1 if len(own) > 1 else 0)
    [proposed] = PromotionProposee.waiting()
    assert (proposed.declarant_id, proposed.siren, proposed.masks) == (1, 784671695, Masks(declarer=1))
    asked = [Question(1, future, "dsn", D), Question(1, int(own[0]), "dsn", D)]
    assert [bool(one) for one in check_many(world.connections, CATALOGUE, asked, NOON)] == [False, True]
    promotion.accepter(gesture, 1, 784671695)
    db.session.commit()
    assert [bool(one) for one in check_many(world.connections, CATALOGUE, asked, NOON)] == [True, True]
    with pytest.raises(AttributionRefusedError):
        promotion.refuser(gesture, 1, 784671695)
    db.session.rollback()


def test_five_people_eight_services_a_hundred_clients_are_114_rows_from_a_flat_file(connections: Connections, tmp_path: Path) -> None:
    """Fact 50: 4,000 rights."""
    opened(connections)
    empty_history()
    db.session.query(models.Portefeuille).count()
    services = [("dsn", D), ("dsn", P), ("dsn", C), ("cpf", D), ("passeport", D), ("passeport", C), ("taux", D), ("taux", C)]
    sirets = [text for i in range(2_000) if Siret.holds(text := f"356000000{i:05d}")][:100]
    valid_firms()
    for who in range(4, 7):
        db.session.add(Declarant(
            id=who, uid=f"u{who}", siret=Siret("78467169500087"), nom="Martin", prenom=f"N{who}", cle=f"martin|n{who}", statut=Statut.ACTIF,
            role=db.session.get_one(Declarant, 1).role, opened_at=NOON, updated_at=NOON))
    db.session.commit()
    cells = ((who, siret, *pair) for who in (1, 2, 4, 5, 6) for siret in sirets for pair in services)
    rows = [f"78467169500087;Martin;N{who};{siret};{service};{droit}" for who, siret, service, droit in cells]
    path = tmp_path / "plat.csv"
    path.write_text("\n".join(["siret;nom;prenom;etablissement;service;droit", *rows]), encoding="utf-8")

    bilan = importer_plat(Gesture(None, CATALOGUE, NOON), path)
    db.session.commit()

    assert bilan.lues == 4_000
    assert bilan.rows == {"cellules": 4_000, "masques": 500, "portefeuilles": 1, "clients": 100, "membres": 5, "directs": 0}
    assert bilan.written <= 114


def test_a_group_of_ones_own_establishments_is_a_portfolio(connections: Connections) -> None:
    world = opened(connections)
    gesture = Gesture(None, CATALOGUE, NOON)
    portefeuilles.ajouter_clients(gesture, 1, SIRETS[6:8], DSN)
    portefeuilles.ajouter_membre(gesture, 1, 2)
    db.session.commit()

    assert {one.cible for one in held(world, NOON, (2,)) if one.service == "dsn" and one.droit == D} == set(SIRETS[6:8])
