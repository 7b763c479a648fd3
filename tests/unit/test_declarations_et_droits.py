"""Until when rights that hang on a declaration count, in a page of targets and in what gives a right; and catalogues that ask too much.

These are the rules that a sample of mutants of the engine showed no test to hold.
"""

from datetime import UTC, datetime, timedelta

import pytest

from idp.habilitations.droits import NOTHING, Catalogue, Droit, Exigence, Grain, InvalidCatalogueError, Masks, Period, Service
from idp.habilitations.fenetre import expiry, first_month
from idp.habilitations.perimetre import DECLARED, DIRECT, END, LIENS, Account, Origine, Position, Row, Target, origins, page_of

D, P, C, T = Droit
OWN, CLIENT = 73282932000074, 78467169500087
SERVICES = (
    Service(0, "dsn", "DSN", Grain.SIRET, frozenset({D, P})),
    Service(1, "taux", "Taux", Grain.SIRET, frozenset({C}), lien_requis=Exigence.TIERS),
    Service(2, "bilan", "Bilan", Grain.SIRET, frozenset({C}), lien_requis=Exigence.TOUJOURS, lien_ouvre=frozenset({C})),
)
CATALOGUE = Catalogue.build(SERVICES, [])
DSN, TAUX = Masks(declarer=1), Masks(consulter=2)
OCTOBER, FEBRUARY = 202610, datetime(2027, 2, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("month", "until"), [(202610, FEBRUARY), (202608, datetime(2026, 12, 1, tzinfo=UTC)), (202609, datetime(2027, 1, 1, tzinfo=UTC))]
)
def test_a_declaration_counts_for_its_month_and_the_three_that_follow(month: int, until: datetime) -> None:
    assert expiry(month) == until
    assert first_month(until - DAY) == f"{month // 100}-{month % 100:02d}"


def rows(*masks: Masks, declared: bool) -> list[Row]:
    """One client, whose rights are given directly; a declaration or none."""
    found = [Row(1, DIRECT, CLIENT, DIRECT, CLIENT, one) for one in masks]
    return found + [Row(1, DIRECT, CLIENT, DECLARED, OCTOBER, NOTHING)] * declared


def target(*masks: Masks, declared: bool) -> Target:
    end = Row(1, None, 0, END, OWN, NOTHING)
    page = page_of([*rows(*masks, declared=declared), end], CATALOGUE, None)
    assert page.following is None
    return page.targets[0]


def test_a_target_ends_with_the_declaration_only_where_it_owes_it_something() -> None:
    assert target(DSN, TAUX, declared=True).lien_ends_at == FEBRUARY
    assert target(DSN, TAUX, declared=False) == Target(CLIENT, {"dsn": frozenset({D})})
    assert target(TAUX, Masks(payer=1), declared=True) == Target(CLIENT, {"dsn": frozenset({P})}), "without dsn.declarer, it counts not"


def test_what_gives_a_right_ends_with_the_declaration_only_where_it_needs_one() -> None:
    account = Account.of(OWN, [], CATALOGUE)

    def given(accepted: Masks, *, declared: bool = True) -> tuple[Origine, ...]:
        return origins(rows(DSN, TAUX, declared=declared), account, accepted)

    assert given(DSN) == (Origine(DIRECT, CLIENT),)
    assert given(TAUX) == (Origine(DIRECT, CLIENT, FEBRUARY),)
    assert given(TAUX, declared=False) == ()
    assert given(Masks(consulter=4)) == (Origine(LIENS, CLIENT, FEBRUARY),)
    assert origins([], account, DSN) == ()


def test_a_position_is_where_the_walk_stopped_and_nobody_is_nowhere() -> None:
    assert page_of([], CATALOGUE, None).targets == ()
    assert page_of([Row(1, 3, CLIENT, END, OWN, NOTHING)], CATALOGUE, None).following == Position(3, CLIENT)


@pytest.mark.parametrize(
    ("before", "after", "covers"),
    [
        (timedelta(), timedelta(), True),
        (DAY, DAY, True),
        (-DAY, timedelta(), False),
        (timedelta(), -DAY, False),
    ],
    ids=["the-same", "longer", "begins-later", "ends-sooner"],
)
def test_a_period_covers_another(before: timedelta, after: timedelta, covers: bool) -> None:
    assert Period(NOW - before, NOW + DAY + after).covers(Period(NOW, NOW + DAY)) is covers


@pytest.mark.parametrize(
    "service",
    [
        Service(3, "x", "X", Grain.SIRET, frozenset({D}), lien_ouvre=frozenset({C})),
        Service(3, "x", "X", Grain.SIREN, frozenset({C}), lien_requis=Exigence.TIERS),
        Service(3, "x", "X", Grain.SIREN, frozenset({C}), lien_ouvre=frozenset({C})),
    ],
    ids=["opens-what-it-has-not", "needs-one-for-a-company", "opens-for-a-company"],
)
def test_declarations_are_about_establishments_and_about_a_service_s_own_rights(service: Service) -> None:
    with pytest.raises(InvalidCatalogueError):
        Catalogue.build([*SERVICES, service], [])
