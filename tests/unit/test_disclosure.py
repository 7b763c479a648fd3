"""What a partner reads: forms A and B of `hab`, the flat twin, the pages."""

from typing import Any

import orjson
import pytest

from idp.habilitations.disclosure import ClaimPage, Disclosure, services_of_scope
from idp.habilitations.droits import Catalogue, Droit, Grain, Masks, Service
from idp.habilitations.perimetre import DIRECT, END, EXCLUSION, AllBut, Position, Row, Target, merged, page_of

D, P, C, T = Droit
SIREN, SIRET, OTHER = 784671695, 78467169500087, 78467169500103
DSN = {"dsn": frozenset({D, P})}
BOTH = {"dsn": frozenset({P, D}), "atmp": frozenset({C, T})}
SERVICES = (Service(0, "dsn", "DSN", Grain.SIRET, frozenset({D, P})), Service(1, "atmp", "AT/MP", Grain.SIRET, frozenset({C, T})))
CATALOGUE = Catalogue.build(SERVICES, [])
ENDPOINT = "https://mag.test/habilitations/v1"


def whole(*targets: Target) -> Disclosure:
    return Disclosure("a91f03c2a91f03c2", targets, {})


# ----------------------------------------------------------------------------------------------------------------- form A

def test_targets_with_the_same_rights_are_written_together() -> None:
    found = whole(Target(SIREN, BOTH), Target(SIRET, DSN), Target(OTHER, DSN))

    assert found.hab == {"v": 1, "e": "a91f03c2a91f03c2", "g": [
        {"s": {"atmp": "ct", "dsn": "dp"}, "n": ["784671695"]}, {"s": {"dsn": "dp"}, "t": ["78467169500087", "78467169500103"]}]}
    assert found.claims(ENDPOINT, None) == {"hab": found.hab}


def test_what_holds_but_somewhere_is_told_apart_so_that_ignorance_denies() -> None:
    found = whole(Target(SIREN, {}, (AllBut(DSN, (SIRET,)),)))

    assert found.hab["g"] == [{"s": {"dsn": "dp"}, "x": {"784671695": ["78467169500087"]}}]
    assert found.habilitations_flat == []


def test_nobody_without_a_right_looks_like_an_error() -> None:
    assert whole().hab == {"v": 1, "e": "a91f03c2a91f03c2", "g": []}
    assert whole().is_whole


def test_the_flat_twin_says_the_same_in_words() -> None:
    words = ["atmp:consulter", "atmp:telecharger_officiel", "dsn:declarer", "dsn:payer"]

    assert whole(Target(SIRET, BOTH)).habilitations_flat == [f"{word}:78467169500087" for word in words]


def test_leading_zeros_come_back() -> None:
    found = whole(Target(542012000015, DSN), Target(5420120, DSN))

    assert found.hab["g"] == [{"s": {"dsn": "dp"}, "t": ["00542012000015"], "n": ["005420120"]}]


# ----------------------------------------------------------------------------------------------------------------- form B

def test_beyond_the_bound_the_claim_says_where_to_read() -> None:
    found = Disclosure("a91f03c2a91f03c2", None, BOTH, 62_094, 621)

    assert found.claims(ENDPOINT, "opaque") == {
        "hab": {"v": 1, "e": "a91f03c2a91f03c2", "s": {"atmp": "ct", "dsn": "dp"}, "c": {"siret": 62_094, "pf": 621}},
        "_claim_names": {"habilitations": "h1"},
        "_claim_sources": {"h1": {"endpoint": ENDPOINT, "access_token": "opaque"}}}
    assert found.habilitations_flat is None


def test_form_b_weighs_the_same_whatever_the_account() -> None:
    rights = {f"service_numero_{i}": frozenset(Droit) for i in range(8)}
    found = Disclosure("0" * 16, None, rights, 2_400_000, 50_000)

    assert len(orjson.dumps(found.claims(ENDPOINT, "x" * 400))) < 1_000


def test_a_page_says_where_the_next_one_is() -> None:
    page = ClaimPage("e", (Target(SIRET, DSN),), Position(3, SIRET))

    assert page.claim == {"v": 1, "e": "e", "g": [{"s": {"dsn": "dp"}, "t": ["78467169500087"]}], "next": "3.78467169500087"}
    assert "next" not in ClaimPage("e", (), None).claim


@pytest.mark.parametrize(("scope", "services"), [
    (["openid", "habilitations:dsn", "habilitations:atmp"], {"dsn", "atmp"}), (["openid"], set()), (["habilitations"], set()),
])
def test_scopes_name_services(scope: list[str], services: set[str]) -> None:
    assert services_of_scope(scope) == services


# ------------------------------------------------------------------------------------------------- from rows to targets

def read(*rows: tuple[Any, ...]) -> list[Target]:
    """Rows of (step, source, target, origin, place, masks)."""
    return list(page_of((Row(*row) for row in rows), CATALOGUE, None).targets)


DECLARE, PAY = Masks(declarer=1), Masks(payer=1)


def test_rights_of_all_sources_are_merged_at_the_first() -> None:
    both = [(DIRECT, SIRET, DECLARE), (7, SIRET, PAY)]

    rows = [(1, DIRECT, SIRET, *row) for row in both] + [(5, 7, SIRET, *row) for row in both]

    assert read(*rows) == [Target(SIRET, {"dsn": frozenset({D, P})})]


def test_a_source_that_is_not_open_does_not_hide_the_next() -> None:
    assert read((4, 7, SIRET, 7, SIRET, PAY), (1, DIRECT, SIRET, 7, SIRET, PAY)) == [Target(SIRET, {"dsn": frozenset({P})})]


def test_an_establishment_has_the_rights_of_its_company() -> None:
    assert read((1, 3, SIRET, 3, SIRET, DECLARE), (1, 3, SIRET, 9, SIREN, PAY)) == [Target(SIRET, {"dsn": frozenset({D, P})})]


def test_an_exclusion_on_the_company_takes_from_its_establishments() -> None:
    given, taken = (1, 3, SIRET, 3, SIRET, DECLARE.union(PAY)), (1, 3, SIRET, EXCLUSION, SIREN, PAY)

    assert read(given, taken) == [Target(SIRET, {"dsn": frozenset({D})})]


def test_nothing_left_is_no_target() -> None:
    assert read((1, 3, SIRET, 3, SIRET, PAY), (1, 3, SIRET, EXCLUSION, SIRET, PAY)) == []


def test_an_exclusion_below_splits_the_rights_of_the_company() -> None:
    [target] = read((1, 0, SIREN, 0, SIREN, DECLARE.union(PAY)), (1, 0, SIREN, EXCLUSION, OTHER, PAY))

    assert target == Target(SIREN, {"dsn": frozenset({D})}, (AllBut({"dsn": frozenset({P})}, (OTHER,)),))
    assert target.size == 3
    assert merged([target]) == {"dsn": {D, P}}


def test_the_walk_says_whether_it_went_to_the_end() -> None:
    stopped = [Row(9, 3, SIRET, END, 0, Masks())]

    assert page_of(stopped, CATALOGUE, None).following == Position(3, SIRET)
    assert page_of([Row(9, None, 0, END, 0, Masks())], CATALOGUE, None).following is None
    assert page_of([], CATALOGUE, None).following is None
