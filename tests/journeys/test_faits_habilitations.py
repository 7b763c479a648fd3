"""Facts of the domain about rights, on the catalogue that MAG ships, with dates: 57, 58, 60, 61, 62 and the table of fact 64."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from idp.database import Connections, db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import Siret
from idp.habilitations import attribution, decision
from idp.habilitations.catalogue import parse, refresh, shipped
from idp.habilitations.droits import Catalogue, Droit
from idp.habilitations.gesture import AttributionRefusedError, Gesture

D, P, C, T = Droit
NOW = datetime(2026, 10, 12, 9, tzinfo=UTC)
BEFORE = NOW - timedelta(days=200)
SIEGE, SECOND, CLIENT = 78467169500087, 78467169500095, 35600000000048
SIREN = 784671695


@pytest.fixture(params=["sqlite", "postgresql"])
def connections(request: pytest.FixtureRequest) -> Iterator[Connections]:
    url = request.getfixturevalue(f"{request.param}_url")
    app = Flask("facts")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        refresh(parse(shipped()), BEFORE)
        db.session.add(
            Declarant(
                id=1, uid="u1", siret=Siret.of(SIEGE), nom="Martin", prenom="Anne", cle="martin|anne", statut=Statut.ACTIF,
                role=Role.DECLARANT, opened_at=BEFORE, updated_at=BEFORE,
            )
        )  # fmt: skip
        db.session.commit()
        found = Connections(url)
        yield found
        found.drop()
        db.session.remove()
        db.engine.dispose()


def may(connections: Connections, siret: int, service: str, droit: Droit, now: datetime = NOW) -> bool:
    db.session.commit()
    return decision.check(connections, decision.read_catalogue(connections), 1, siret=siret, service=service, droit=droit, now=now)


def give(connections: Connections, cible: int, service: str, *droits: Droit) -> None:
    gesture = Gesture(None, decision.read_catalogue(connections), BEFORE)
    attribution.attribuer(gesture, 1, cible, service, droits)
    db.session.commit()


def declare(siret: int, month: str) -> None:
    db.session.merge(LienDeclare(siret_declarant=Siret.of(SIEGE), siret_declare=Siret.of(siret), dernier_mois=month, imported_at=BEFORE))
    db.session.commit()


@pytest.mark.parametrize("source", ["atmp", "cpf"])
def test_fact_57_the_passeport_comes_with_atmp_or_cpf(connections: Connections, source: str) -> None:
    assert not may(connections, SIEGE, "passeport_prevention", D)

    give(connections, SIEGE, source, D)

    assert may(connections, SIEGE, "passeport_prevention", D)
    delay = timedelta(hours=24 if source == "atmp" else 0)
    assert may(connections, SIEGE, "passeport_prevention", D, BEFORE + delay)
    assert not may(connections, SIEGE, "passeport_prevention", D, BEFORE + delay - timedelta(seconds=1))
    assert not may(connections, SECOND, "passeport_prevention", D)


def test_fact_58_indicateurs_only_for_establishments_declared_lately_by_who_may_declare(connections: Connections) -> None:
    give(connections, SIEGE, "indicateurs", C)
    declare(CLIENT, "2026-07")
    assert [may(connections, siret, "indicateurs", C) for siret in (SIEGE, CLIENT)] == [False, False]

    give(connections, SIEGE, "dsn", D)
    declare(SIEGE, "2026-09")

    assert [may(connections, siret, "indicateurs", C) for siret in (SIEGE, CLIENT, SECOND)] == [True, True, False]
    end = datetime(2026, 11, 1, tzinfo=UTC)
    assert [may(connections, CLIENT, "indicateurs", C, at) for at in (end - timedelta(seconds=1), end)] == [True, False]


@pytest.mark.parametrize(("month", "expected"), [(None, False), ("2026-06", False), ("2026-07", True), ("2026-10", True)])
def test_fact_60_atmp_of_a_client_asks_for_a_declaration_within_three_months(
    connections: Connections, month: str | None, expected: bool
) -> None:
    give(connections, SIEGE, "dsn", D)
    give(connections, CLIENT, "atmp", C)
    if month:
        declare(CLIENT, month)

    assert may(connections, CLIENT, "atmp", C) is expected


def test_fact_62_with_the_switch_declarations_alone_open_the_consultation_of_rates(connections: Connections) -> None:
    give(connections, SIEGE, "dsn", D)
    declare(CLIENT, "2026-09")
    assert not may(connections, CLIENT, "atmp", C)

    refresh(parse(shipped().replace('lien_requis = "tiers"', 'lien_requis = "tiers"\nlien_ouvre = ["consulter"]')), NOW)

    assert [may(connections, CLIENT, "atmp", droit) for droit in (C, D, T)] == [True, False, False]


MATRIX = [
    # Who, where rights are given, declared, place asked, access, manages the notification, receives it.
    pytest.param(SIEGE, False, SIEGE, True, True, True, id="mono: the SIRET itself"),
    pytest.param(SIEGE, False, SECOND, False, False, False, id="multi: the head office alone does not reach a second establishment"),
    pytest.param(SECOND, False, SECOND, True, True, True, id="multi: each establishment"),
    pytest.param(SIREN, False, SECOND, True, True, True, id="multi: or the company at once"),
    pytest.param(CLIENT, True, CLIENT, True, True, False, id="tiers: client enrolled and declared; only the client receives"),
    pytest.param(CLIENT, False, CLIENT, False, False, False, id="tiers: enrolled, not declared"),
    pytest.param(None, True, CLIENT, False, False, False, id="tiers: declared, not enrolled"),
]


@pytest.mark.parametrize(("given", "declared", "asked", "access", "manages", "receives"), MATRIX)
def test_fact_64_who_reaches_manages_and_receives_the_notification_of_atmp(
    connections: Connections, given: int | None, declared: bool, asked: int, access: bool, manages: bool, receives: bool
) -> None:
    give(connections, SIEGE, "dsn", D)
    if declared:
        declare(CLIENT, "2026-09")
    if given:
        give(connections, given, "atmp", D, C, *([] if given == CLIENT else [T]))

    assert [may(connections, asked, "atmp", droit) for droit in (C, D, T)] == [access, manages, receives]


def test_fact_61_a_third_party_is_never_given_official_documents(connections: Connections) -> None:
    with pytest.raises(AttributionRefusedError):
        give(connections, CLIENT, "atmp", T)
    db.session.rollback()


def test_declarations_cannot_depend_on_declarations() -> None:
    found = parse(shipped())
    turned = [service for service in found.services if service.code != "dsn"]

    assert Catalogue.build(found.services, found.heritages).liens.par == Catalogue.build(found.services, found.heritages).accepted["dsn", D]
    assert not Catalogue.build(turned, [h for h in found.heritages if "dsn" not in (h.cible[0], h.source[0])]).liens.par.declarer
