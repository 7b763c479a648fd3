"""The identity that a person types: the same however it is written, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.declarants.identite import Identite, InvalidNameError, check_name, compared, fold
from idp.entreprises.siret import Siret

SIRET = Siret("73282932000074")


@pytest.mark.parametrize(
    "written", ["LEFÈVRE d'Œuvre", "lefevre d oeuvre", "Lefèvre-D’Œuvre", "  Lefe\u0300vre   d\u2019OEUVRE ", "ＬＥＦＥＶＲＥ d‑œuvre"]
)
def test_one_name_however_it_is_written(written):
    assert fold(written) == "lefevre d oeuvre"


@pytest.mark.parametrize(("one", "other"), [("Lefèvre", "Lefebvre"), ("Jean", "Jean 2"), ("Jean", "Jean Marie"), ("Martin", "Martín s")])
def test_two_names_stay_two(one, other):
    assert fold(one) != fold(other)


def test_nom_and_prenom_are_not_exchanged():
    assert Identite(SIRET, "Paul", "Martin").cle != Identite(SIRET, "Martin", "Paul").cle


def test_a_separator_within_a_name_does_not_make_another_person():
    assert Identite(SIRET, "a|b", "c").cle != Identite(SIRET, "a", "b|c").cle


@pytest.mark.parametrize("name", ["", "   ", "-'", "x" * 81, "Jean\x00", "Je\u202ean", "12\n\x1b[31m"])
def test_what_is_not_a_name_is_refused(name):
    with pytest.raises(InvalidNameError):
        check_name(name)


def test_a_name_is_shown_composed_and_with_single_spaces():
    assert check_name("  Lefe\u0300vre   du\tPont ") == "Lefèvre du Pont"


@given(st.text(max_size=100))
def test_folding_never_fails_and_is_done_once(text):
    assert fold(fold(text)) == fold(text)


def test_an_identity_of_a_setting_is_the_one_typed_however_it_is_written():
    typed = Identite(SIRET, "LEFÈVRE", "Anne-Marie")

    assert compared("732 829 320 00074|Lefevre|anne marie") == typed.compared
    assert compared("73282932000066|Lefevre|anne marie") != typed.compared
