"""SIRET and SIREN as types: the key, La Poste's exception, what people paste, what they are told."""

import json
import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.entreprises.siret import InvalidSirenError, InvalidSiretError, Siren, Siret, luhn
from idp.errors import RefusedError


def keyed(digits: str) -> str:
    return next(f"{digits}{key}" for key in "0123456789" if luhn(f"{digits}{key}"))


sirens = st.integers(10_000, 99_999_999).map(lambda n: keyed(f"{n:08d}"))
sirets = st.builds(lambda siren, nic: keyed(f"{siren}{nic:04d}"), sirens, st.integers(0, 9999))


@pytest.mark.parametrize("pasted", [
    "73282932000074", "732 829 320 00074", "  732 829 320 00074\n", "SIRET : 732.829.320.00074", "N° SIRET 732-829-320-00074",
    "732\u00a0829\u00a0320\u00a000074", "732\u202f829\u202f320\u202f00074", "732\u2009829\u2009320\u200900074",
    "\ufeff73282932000074\u200b", "７３２８２９３２０ ０００７４", "732829320/00074",
])
def test_what_people_paste_is_read(pasted):
    assert Siret.parse(pasted) == "73282932000074"


@pytest.mark.parametrize(("typed", "said"), [
    pytest.param("", "Saisissez les 14 chiffres du SIRET.", id="nothing"),
    pytest.param("bonjour", "Saisissez les 14 chiffres du SIRET.", id="no-digit"),
    pytest.param("7328293200007", "vous en avez saisi 13.", id="one-missing"),
    pytest.param("732829320000745", "vous en avez saisi 15.", id="one-too-many"),
    pytest.param("732 829 320", "vous en avez saisi 9, ceux d'un SIREN. Ajoutez les 5 chiffres", id="a-siren"),
    pytest.param("73282932000075", "sa clé de contrôle est fausse", id="wrong-key"),
    pytest.param("73282932100073", "sa clé de contrôle est fausse", id="wrong-key-of-the-siren"),
    pytest.param("00000000000000", "sa clé de contrôle est fausse", id="zeros"),
    pytest.param("٧٣٢٨٢٩٣٢٠٠٠٠٧٤", "Saisissez seulement les 14 chiffres", id="arabic-digits"),
    pytest.param("7328293200007৪", "Saisissez seulement les 14 chiffres", id="one-bengali-digit"),
    pytest.param("73282932000074" + " " * 300, "Saisissez seulement les 14 chiffres", id="endless"),
])
def test_what_is_no_siret_is_refused_in_words_that_help(typed, said):
    with pytest.raises(InvalidSiretError) as refusal:
        Siret.parse(typed)

    assert said in refusal.value.public


@pytest.mark.parametrize("digits", [
    "7328293200007", "732 829 320 00074", "73282932000074\n", "+7328293200007", "７３２８２９３２０ ０００７４", "", "x" * 14,
])
def test_the_constructor_takes_exact_digits_alone(digits):
    with pytest.raises(InvalidSiretError):
        Siret(digits)


@pytest.mark.parametrize(("typed", "said"), [
    ("73282932", "Le SIREN compte 9 chiffres ; vous en avez saisi 8."), ("", "Saisissez les 9 chiffres du SIREN."),
    ("732829321", "sa clé de contrôle est fausse"), ("000000000", "sa clé de contrôle est fausse"),
])
def test_what_is_no_siren_is_refused(typed, said):
    with pytest.raises(InvalidSirenError) as refusal:
        Siren.parse(typed)

    assert said in refusal.value.public


@pytest.mark.parametrize("siret", [
    pytest.param("356 000 000 00048", id="head-office-by-luhn"),
    pytest.param("356 000 000 49837", id="by-the-sum-of-its-digits"),
])
def test_la_poste_may_use_either_key(siret):
    assert Siret.parse(siret).siren == Siren("356000000")


def test_la_poste_needs_one_of_the_two_keys():
    with pytest.raises(InvalidSiretError):
        Siret.parse("356 000 000 49838")


def test_nobody_else_may_use_the_rule_of_la_poste():
    with pytest.raises(InvalidSiretError):
        Siret.parse("732 829 320 00011")  # its digits add up to 40


@pytest.mark.parametrize("number", [-1, 10**14])
def test_a_number_too_long_is_no_siret(number):
    with pytest.raises(ValueError, match="not a SIRET"):
        Siret.of(number)


def test_leading_zeros_are_kept():
    siret = Siret.of(557246600026)

    assert (str(siret), siret.siren, siret.nic) == ("00557246600026", "005572466", "00026")
    assert (siret.grouped, int(siret)) == ("005 572 466 00026", 557246600026)


def test_a_company_is_a_range_of_integers():
    sirets = Siren("732829320").sirets

    assert int(Siret("73282932000074")) in sirets
    assert int(Siret("35600000000048")) not in sirets


def test_values_travel():
    siret = Siret("00557246600026")

    assert json.dumps([siret]) == '["00557246600026"]'
    assert pickle.loads(pickle.dumps(siret)) == siret
    assert {siret: 1}[Siret.of(557246600026)] == 1
    assert sorted([Siret("73282932000074"), siret])[0] is siret


@given(sirets)
def test_every_way_round_gives_the_same_siret(digits):
    siret = Siret(digits)

    assert Siret.of(int(siret)) == Siret.parse(siret.grouped) == Siret.parse(f"SIRET : {digits}") == siret
    assert siret.siren + siret.nic == digits
    assert int(siret.siren) == int(siret) // 100_000


@given(sirets, st.integers(0, 13), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(digits, place, more):
    wrong = f"{digits[:place]}{(int(digits[place]) + more) % 10}{digits[place + 1:]}"

    with pytest.raises(InvalidSiretError):
        Siret(wrong)


@given(st.text())
def test_nonsense_is_read_or_refused_never_worse(text):
    for kind, length in ((Siret, 14), (Siren, 9)):
        with suppress(RefusedError):
            value = kind.parse(text)
            assert (len(value), value.isascii(), value.isdigit()) == (length, True, True)
