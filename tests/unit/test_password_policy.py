"""What a password must be, rule by rule and as properties; and the gauge, the same in the page as here."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.authentication.new_password import NewPassword
from idp.authentication.password_policy import (
    LONGUE,
    MAG,
    POLICIES,
    REPRISE,
    PasswordRefusedError,
    Strength,
    advances,
    check_policy,
    holds,
    is_common,
    own_words,
    strength,
    unit,
)
from idp.entreprises.siret import Siret

OWN = own_words(Siret("73282932000074"), "Lefèvre", "Claire", "Ateliers du Pont")
GAUGE = Path(__file__).parent.parent.parent / "idp" / "static" / "jauge.js"
ANY = st.text(max_size=140)
TOLD = {
    "": Strength.TROP_COURT,
    "onze signes": Strength.TROP_COURT,
    "abcdefghijklmnop": Strength.FAIBLE,
    "aaaaaaaaaaaaaaaa": Strength.FAIBLE,
    "ababababababab": Strength.FAIBLE,
    "abcXabcXabcXabcX": Strength.FAIBLE,
    "9876543210987654": Strength.FAIBLE,
    "cheval bleu": Strength.TROP_COURT,
    "cheval bleus": Strength.CORRECT,
    "8zhQ!mTb2#xK": Strength.CORRECT,
    "cheval bleu sous la pluie": Strength.BON,
    "😀😃😄😁😆😅🤣😂🙂🙃🫠😉": Strength.CORRECT,
    "cafe\u0301 noir du matin": Strength.BON,
    "ＭＯＴ de passe İstanbul": Strength.BON,
}


@pytest.mark.parametrize(("password", "said"), TOLD.items(), ids=range(len(TOLD)))
def test_the_gauge_says_one_of_four_words(password, said):
    assert strength(password) is said


def test_the_gauge_of_the_page_says_the_same():
    texts = [*TOLD, *("".join(chr(33 + (n * k) % 90) for n in range(size)) for k in (1, 2, 7, 31) for size in (8, 12, 15, 20, 40))]
    asked = [[text, policy.shortest] for text in texts for policy in (MAG, LONGUE)]
    program = (
        "globalThis.document = { getElementById: () => null };"
        f"const {{ strength }} = await import({json.dumps(GAUGE.as_uri())});"
        f"console.log(JSON.stringify({json.dumps(asked)}.map(([text, shortest]) => strength(text, shortest))));"
    )
    done = subprocess.run(["node", "--input-type=module", "-e", program], capture_output=True, text=True, timeout=30, check=True)

    assert json.loads(done.stdout) == [strength(text, policy) for text in texts for policy in (MAG, LONGUE)]


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("azertyuiop2026", id="listed-but-for-figures"),
        pytest.param("Password Password", id="listed-said-twice"),
        pytest.param("SUNSHINE-2026-", id="listed-whatever-is-around"),
        pytest.param("1234567890123456", id="a-sequence"),
        pytest.param("abcdefghijklmnopq", id="the-alphabet"),
        pytest.param("abcabcabcabcabc", id="a-repetition"),
        pytest.param("lefevre Claire 73282932000074", id="own-words-alone"),
    ],
)
def test_a_password_that_others_would_try_is_refused(password):
    with pytest.raises(PasswordRefusedError):
        check_policy(password, OWN)


@pytest.mark.parametrize(
    ("password", "accepted"),
    [
        pytest.param("Motdep12", True, id="8-characters"),
        pytest.param("Éléphant12!", True, id="accents-and-signs"),
        pytest.param("motdepa12", False, id="without-upper-case"),
        pytest.param("MOTDEPA12", False, id="without-lower-case"),
        pytest.param("Motdepas1", False, id="one-figure"),
        pytest.param("Motde1234", False, id="5-letters"),
        pytest.param("Motdep12" * 2 + "abcde", False, id="21-characters"),
    ],
)
def test_fact_16_is_the_policy_of_what_is_imported(password, accepted):
    assert holds(password, REPRISE, OWN) is accepted


def test_a_longer_policy_says_its_own_length():
    with pytest.raises(PasswordRefusedError) as refused:
        check_policy("cheval bleus!!", OWN, LONGUE)

    assert "15 caractères" in refused.value.public


def test_the_list_is_large_folded_and_searched_whole_words_only():
    assert all(map(is_common, ("azertyuiop", "iloveyou", "000000000000", "motdepasse")))
    assert not any(map(is_common, ("", "\n", "zertyuiop\n", "cheval bleu", "é")))


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        pytest.param({}, "nouveau", id="nothing"),
        pytest.param({"nouveau": "court"}, "nouveau", id="too-short"),
        pytest.param({"nouveau": "x" * 5000, "confirmation": "x" * 5000}, "nouveau", id="C48-too-long"),
        pytest.param({"nouveau": "cheval bleu sous la pluie"}, "confirmation", id="typed-once"),
        pytest.param({"nouveau": "cheval bleu sous la pluie", "confirmation": "autre"}, "confirmation", id="typed-otherwise"),
    ],
)
def test_a_form_says_which_field_is_wrong(typed, field):
    assert list(NewPassword.parse(typed, MAG, OWN).errors) == [field]


def test_a_form_says_how_strong_the_password_is():
    password = "cheval bleu sous la pluie"
    form = NewPassword.parse({"nouveau": password, "confirmation": password}, MAG, OWN)

    assert (form.password, form.strength, dict(form.errors)) == (password, Strength.BON, {})
    assert NewPassword.parse({"nouveau": "azertyuiop2026"}).strength is Strength.FAIBLE
    assert password not in repr(form)


# ---------------------------------------------------------------------------------------------------------------- properties


@given(ANY)
def test_C48_what_the_policy_accepts_is_within_its_lengths_and_never_weak(password):
    for policy in POLICIES.values():
        if holds(password, policy, OWN) and policy.lists:
            assert policy.shortest <= len(password) <= 128
            assert strength(password, policy) in (Strength.CORRECT, Strength.BON)


@given(ANY, ANY)
@settings(max_examples=200)
def test_any_text_is_judged_and_refused_in_words_alone(password, again):
    form = NewPassword.parse({"nouveau": password, "confirmation": again}, MAG, OWN)

    assert bool(form.errors) is not (holds(password, MAG, OWN) and password == again)
    assert all(message.endswith(".") for message in form.errors.values())


@given(st.text(min_size=1, max_size=60), st.integers(2, 5))
def test_saying_a_text_again_adds_nothing(text, times):
    assert advances(unit(text * times)) <= advances(text)


@given(st.text(max_size=128), st.text(max_size=40))
def test_more_characters_are_never_shorter(password, more):
    order = list(Strength)
    if strength(password) is not Strength.TROP_COURT:
        assert order.index(strength(password + more)) > 0


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzéèà '-0123456789", min_size=1, max_size=30))
def test_case_and_accents_do_not_hide_a_common_password(word):
    assert holds(word, MAG) == holds(word.swapcase(), MAG)
