"""The algebra of rights: masks, inheritance, dated sets."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.habilitations.catalogue import parse, shipped
from idp.habilitations.droits import (
    EVERYTHING,
    FOREVER,
    NOTHING,
    Catalogue,
    Droit,
    Grain,
    Heritage,
    InvalidCatalogueError,
    Masks,
    Period,
    Service,
    give,
    is_siren,
    is_siret,
    settle,
    siren_of,
    union,
    withdraw,
    written,
)
from idp.habilitations.perimetre import InvalidPositionError, Position

D, P, C, T = Droit
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DSN, ATMP = Masks(declarer=1), Masks(declarer=2)
OPEN = Period(NOW - HOUR)


def un_service(bit: int, code: str, *droits: Droit, enabled: bool = True) -> Service:
    return Service(bit, code, code.upper(), Grain.SIRET, frozenset(droits or {D}), enabled=enabled)


def herite(cible: str, source: str) -> Heritage:
    """`atmp.declarer`."""
    (a, b), (c, d) = cible.split("."), source.split(".")
    return Heritage((a, Droit(b)), (c, Droit(d)))


# ------------------------------------------------------------------------------------------------------------- catalogue

@pytest.mark.parametrize(("services", "heritages"), [
    pytest.param([un_service(63, "dsn")], [], id="bit-63-is-the-sign"),
    pytest.param([un_service(-1, "dsn")], [], id="bit-below-0"),
    pytest.param([un_service(3, "dsn"), un_service(3, "atmp")], [], id="bit-used-twice"),
    pytest.param([un_service(1, "dsn")], [herite("dsn.declarer", "dsn.declarer")], id="inherits-from-itself"),
    pytest.param([un_service(1, "a"), un_service(2, "b"), un_service(3, "c")],
                 [herite("a.declarer", "b.declarer"), herite("b.declarer", "c.declarer"), herite("c.declarer", "a.declarer")], id="circle"),
    pytest.param([un_service(1, "dsn")], [herite("dsn.payer", "dsn.declarer")], id="right-the-service-has-not"),
    pytest.param([un_service(1, "dsn")], [herite("dsn.declarer", "atmp.declarer")], id="unknown-source"),
])
def test_a_catalogue_that_contradicts_itself_is_refused(services: list[Service], heritages: list[Heritage]) -> None:
    with pytest.raises(InvalidCatalogueError):
        Catalogue.build(services, heritages)


def test_inheritance_goes_all_the_way() -> None:
    services = [un_service(0, "dsn"), un_service(62, "atmp", D, C), un_service(5, "passeport")]
    catalogue = Catalogue.build(services, [herite("passeport.declarer", "atmp.consulter"), herite("atmp.consulter", "dsn.declarer")])

    assert catalogue.rights(DSN) == {"dsn": {D}, "atmp": {C}, "passeport": {D}}
    assert catalogue.held(DSN) == {"dsn": {D}}
    assert catalogue.rights(Masks(consulter=1 << 62), {"passeport"}) == {"passeport": {D}}


def test_a_disabled_service_gives_and_lends_nothing() -> None:
    services = [un_service(0, "dsn", enabled=False), un_service(1, "atmp")]
    catalogue = Catalogue.build(services, [herite("atmp.declarer", "dsn.declarer")])

    assert catalogue.rights(DSN) == {}
    assert catalogue.held(DSN) == {"dsn": {D}}


def test_the_digest_moves_with_decisions_alone() -> None:
    before = Catalogue.build([un_service(0, "dsn"), un_service(1, "atmp")], [])
    renamed = Catalogue.build([Service(0, "dsn", "Autre nom", Grain.SIRET, frozenset({D})), un_service(1, "atmp")], [])
    inherited = Catalogue.build([un_service(0, "dsn"), un_service(1, "atmp")], [herite("atmp.declarer", "dsn.declarer")])

    assert before.digest == renamed.digest != inherited.digest


def test_the_shipped_catalogue_holds_together() -> None:
    found = parse(shipped())
    services = {service.code: service for service in found.services}
    catalogue = Catalogue.build(found.services, found.heritages)

    assert len(services) >= 24
    assert services["atmp"].opening_delay == 24 * HOUR
    assert services["c3s"].grain == Grain.SIREN
    for source in ("atmp", "cpf"):
        assert D in catalogue.rights(catalogue.masks({source: frozenset({D})}))["passeport_prevention"]


ONE = '[[services]]\ncode = "dsn"\nbit = 0\nlibelle = "x"\ngrain = "siret"\ndroits = ["payer"]\n'


def test_a_small_catalogue_file_is_read() -> None:
    assert parse(ONE).services == (Service(0, "dsn", "x", Grain.SIRET, frozenset({P})),)


@pytest.mark.parametrize("text", [
    pytest.param("pas du toml [", id="not-toml"),
    pytest.param('[[services]]\ncode = "dsn"', id="missing-keys"),
    pytest.param(ONE.replace("siret", "nir"), id="unknown-grain"),
    pytest.param(ONE.replace("payer", "voler"), id="unknown-right"),
    pytest.param(ONE.replace('"payer"', ""), id="no-right"),
    pytest.param(ONE + "prix = 3", id="unknown-key"),
    pytest.param(ONE.replace("= 0", '= "0"'), id="bit-is-text"),
    pytest.param("services = 3", id="not-a-list"),
    pytest.param("services = [3]", id="not-tables"),
    pytest.param("", id="empty"),
    pytest.param(f'{ONE}herite.payer = ["dsn"]', id="source-without-right"),
    pytest.param(f"{ONE}herite.payer = 3", id="sources-not-a-list"),
    pytest.param(f"{ONE}opening_delay = -1", id="negative-delay"),
    pytest.param(f'{ONE}opening_delay = "demain"', id="delay-is-text"),
    pytest.param(f"{ONE}enabled = 1", id="enabled-is-a-number"),
    pytest.param(ONE.replace("dsn", "DSN été"), id="code-not-a-word"),
])
def test_a_catalogue_file_that_breaks_a_rule_is_refused(text: str) -> None:
    with pytest.raises(InvalidCatalogueError):
        parse(text)


def test_a_service_described_twice_is_refused() -> None:
    with pytest.raises(InvalidCatalogueError):
        parse(shipped() + shipped())


# ----------------------------------------------------------------------------------------------------------------- masks

def test_masks_join_meet_and_part() -> None:
    both = DSN.union(ATMP)

    assert both == Masks(declarer=3)
    assert both.minus(DSN) == ATMP
    assert both.common(ATMP) == ATMP
    assert [DSN.meets(both), DSN.meets(ATMP), DSN.meets(Masks(payer=1))] == [True, False, False]
    assert union([]) == NOTHING
    assert EVERYTHING.minus(both).union(both) == EVERYTHING


@pytest.mark.parametrize(("cible", "text", "siren"), [(784671695, "784671695", 784671695), (78467169500087, "78467169500087", 784671695),
                                                     (542012000015, "00542012000015", 5420120), (5420120, "005420120", 5420120)])
def test_a_target_is_a_siren_or_a_siret(cible: int, text: str, siren: int) -> None:
    assert (written(cible), siren_of(cible)) == (text, siren)
    assert is_siren(cible) != is_siret(cible)


@pytest.mark.parametrize("number", [-1, 0, 9_999, 10**14])
def test_another_number_is_no_target(number: int) -> None:
    assert not is_siren(number)
    assert not is_siret(number)


# ----------------------------------------------------------------------------------------------------------- dated sets

def test_what_is_given_twice_changes_nothing() -> None:
    held = {OPEN: DSN}

    assert give(held, Period(NOW), DSN, NOW) == held


def test_rights_open_now_share_a_row_and_keep_the_earliest_opening() -> None:
    assert give({OPEN: DSN}, Period(NOW), ATMP, NOW) == {OPEN: DSN.union(ATMP)}


def test_a_right_that_opens_later_has_its_own_row() -> None:
    later = Period(NOW + 24 * HOUR)

    assert give({OPEN: DSN}, later, ATMP, NOW) == {OPEN: DSN, later: ATMP}


def test_once_open_it_joins_the_others_at_the_next_gesture() -> None:
    later = Period(NOW + 24 * HOUR)

    assert settle({OPEN: DSN, later: ATMP}, NOW + 25 * HOUR) == {OPEN: DSN.union(ATMP)}


def test_a_longer_right_replaces_the_shorter() -> None:
    short = Period(NOW - HOUR, NOW + HOUR)

    assert give({short: DSN}, Period(NOW), DSN, NOW) == {Period(NOW): DSN}


def test_a_shorter_right_adds_nothing_to_a_longer() -> None:
    assert give({OPEN: DSN}, Period(NOW, NOW + HOUR), DSN, NOW) == {OPEN: DSN}


def test_what_ended_leaves_at_the_next_gesture() -> None:
    ended = Period(NOW - 2 * HOUR, NOW)

    assert give({ended: DSN}, Period(NOW), ATMP, NOW) == {Period(NOW): ATMP}


def test_a_withdrawal_takes_what_is_open_and_what_is_to_open() -> None:
    later = Period(NOW + HOUR)

    assert withdraw({OPEN: DSN.union(ATMP), later: DSN}, DSN, NOW) == {OPEN: ATMP}
    assert withdraw({OPEN: ATMP}, DSN, NOW) == {OPEN: ATMP}


def test_a_period_holds_from_its_start_to_before_its_end() -> None:
    period = Period(NOW, NOW + HOUR)

    assert [period.holds(NOW - HOUR), period.holds(NOW), period.holds(NOW + HOUR)] == [False, True, False]
    assert Period(NOW).ends_at == FOREVER


# ------------------------------------------------------------------------------------------------------------ positions

FORGED = ["", "1", "1.2.3", "-1.2", "a.b", "1.2\n", "１.２", "1" * 16 + ".1", "1." + "1" * 17, " 1.2", "1.2; drop"]


@pytest.mark.parametrize("unverified", FORGED)
def test_a_place_that_was_never_given_is_refused(unverified: str) -> None:
    with pytest.raises(InvalidPositionError):
        Position.parse(unverified)


def test_a_place_comes_back_as_it_went() -> None:
    assert Position.parse(str(Position(12, 78467169500087))) == Position(12, 78467169500087)
