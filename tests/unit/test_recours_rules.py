"""The ways back into an account, as the documentation tells them, and the codes that are handed over."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.recours.codes import HANDED, Code, new_code
from idp.authentication.recours.question import Answer
from idp.authentication.recours.voies import REGLES, Voie, table

SECURITY = Path(__file__).parents[2] / "docs" / "securite.md"


def test_the_documentation_holds_the_rules_of_the_code():
    assert table() in SECURITY.read_text("utf-8")
    assert [regle.voie for regle in REGLES] == list(Voie)


def test_a_code_is_read_however_it_is_written():
    code = new_code()

    assert len(code.text) == HANDED.length
    assert set(code.text) <= set(HANDED.alphabet)
    assert Code.parse(code.shown.lower().replace(" ", "-")) == code
    assert Code.parse("IL0O IL0O IL0O") == Code.parse("1100 1100 1100")
    assert code.text not in repr(code)


@given(st.text(max_size=60))
def test_any_text_is_a_code_or_is_not(typed):
    code = Code.parse(typed)

    assert code is None or len(code.text) == HANDED.length


@pytest.mark.parametrize(("one", "other"), [("Jean Moulin", "jean-MOULIN"), ("École", "ecole"), (" L'Été ", "lete")])
def test_an_answer_is_compared_without_its_spelling(one, other):
    assert Answer("ecole", one).normal == Answer("ecole", other).normal
    assert Answer("ecole", one).normal != Answer("rue", one).normal


@given(st.text(max_size=400), st.text(max_size=400))
def test_an_answer_is_never_longer_than_what_is_hashed(question, text):
    assert len(Answer(question, text).normal) <= 128
