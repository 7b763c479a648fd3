"""PAGM: what an agreement lets a token say, and that nothing on the way makes it say more."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.habilitations import pagm
from idp.habilitations.disclosure import Disclosure
from idp.habilitations.droits import Droit
from idp.habilitations.pagm import Convention, Conventions, Pagm
from idp.habilitations.perimetre import AllBut, Target

DECLARANT, PAYEUR, ROBOT = (
    "urn:interops:130006000:pagm:declarant",
    "urn:interops:130006000:pagm:payeur",
    "urn:interops:130006000:pagm:robot",
)
PROFILES = (Pagm(DECLARANT, "dsn", Droit.DECLARER), Pagm(PAYEUR, "dsn", Droit.PAYER), Pagm(ROBOT))
CONVENTION = Convention(
    code="c",
    client="caisse",
    fournisseur="mag",
    clients=frozenset({"caisse-portail"}),
    audiences=frozenset({"https://dsn.test"}),
    du=date(2027, 1, 1),
    au=date(2027, 12, 31),
    pagm=PROFILES,
)
DAY = date(2027, 6, 1)


def disclosure(**rights):
    held = {code: frozenset(droits) for code, droits in rights.items()}
    return Disclosure("e", (Target(73282932000074, held),), {})


def test_each_right_held_is_said_in_the_words_agreed():
    assert pagm.pagm(CONVENTION, disclosure(dsn=(Droit.DECLARER, Droit.CONSULTER), dpae=(Droit.PAYER,)), DAY) == [DECLARANT]
    assert pagm.pagm(CONVENTION, disclosure(dsn=tuple(Droit)), DAY) == [DECLARANT, PAYEUR]
    assert pagm.pagm(CONVENTION, disclosure(), DAY) == []
    assert pagm.of_application(CONVENTION, DAY) == [ROBOT]


def test_a_right_on_a_company_but_some_places_and_the_menu_of_a_large_account_count():
    partial = Target(732829320, {}, (AllBut({"dsn": frozenset({Droit.PAYER})}, (73282932000074,)),))

    assert pagm.pagm(CONVENTION, Disclosure("e", (partial,), {}), DAY) == [PAYEUR]
    assert pagm.pagm(CONVENTION, Disclosure("e", None, {"dsn": frozenset({Droit.DECLARER})}, 300_000), DAY) == [DECLARANT]


@pytest.mark.parametrize("day", [CONVENTION.du - timedelta(days=1), CONVENTION.au + timedelta(days=1)])
def test_an_agreement_that_is_not_in_force_says_nothing(day):
    assert pagm.pagm(CONVENTION, disclosure(dsn=tuple(Droit)), day) == []
    assert pagm.of_application(CONVENTION, day) == []


def test_both_days_are_included_and_ceasing_ends_it():
    everything = disclosure(dsn=tuple(Droit))

    assert pagm.pagm(CONVENTION, everything, CONVENTION.du) == pagm.pagm(CONVENTION, everything, CONVENTION.au) == [DECLARANT, PAYEUR]
    assert pagm.pagm(replace(CONVENTION, cessee=True), everything, DAY) == []


def test_agreements_are_found_by_who_acts_and_where():
    other = replace(CONVENTION, code="d", audiences=frozenset({"https://banque.test"}), au=date(2027, 2, 1))
    every = Conventions((CONVENTION, other))

    assert [one.code for one in every.between("caisse-portail", ["https://banque.test"])] == ["d"]
    assert every.between("autre", ["https://dsn.test"]) == ()
    assert every.opened_to("caisse-portail", DAY) == {"https://dsn.test"}
    assert every.spoken_of("caisse-portail") == {"https://dsn.test", "https://banque.test"}
    assert every.named("d") is other
    assert every.named("e") is None


PAIRS = st.tuples(st.sampled_from(["dsn", "dpae", "at_mp"]), st.sampled_from(list(Droit)))
CONVENTIONS = st.lists(PAIRS, unique=True, max_size=8).map(
    lambda pairs: replace(CONVENTION, pagm=tuple(Pagm(f"urn:x:{n}", service, droit) for n, (service, droit) in enumerate(pairs)))
)


@given(st.lists(CONVENTIONS, min_size=1, max_size=5), st.frozensets(PAIRS))
def test_a_chain_of_agreements_never_widens(chain, rights):
    """Whatever the agreements on the way, each token speaks of rights that all the former ones could, and that are held."""
    before, spoken = None, None
    for convention in chain:
        bound = pagm.read_words(pagm.words(pagm.bounded(convention, before)))
        said = {one.pair for one in convention.pagm if one.urn in pagm.of_pairs(convention, rights & bound, DAY)}
        assert bound <= convention.pairs
        assert before is None or bound <= before
        assert said <= rights
        assert spoken is None or said <= spoken
        before, spoken = bound, said
