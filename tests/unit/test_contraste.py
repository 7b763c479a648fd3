"""Contrast of a button's colours, as WCAG 2.2 measures it."""

import pytest

from widget.developpeurs.contraste import ink, measured, ratio


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.478),
        ("#767676", "#ffffff", 4.542),
        ("#ff0000", "#ffffff", 3.998),
    ],
)
def test_ratios_are_those_of_wcag(one, other, expected):
    assert ratio(one, other) == pytest.approx(expected, abs=0.002)
    assert ratio(one, other) == ratio(other, one)


def test_the_usual_colours_are_readable():
    assert all(one.holds for one in measured({}))


def test_a_ratio_is_cut_and_never_rounded_up():
    text = measured({"bg": "#777777"})[0]

    assert (text.holds, text.spoken, text.floor) == (False, "4,4", "4,5")


def test_hover_and_border_follow_the_background():
    text, hover, _, around = measured({"bg": "#ffffff", "fg": "#000000", "page": "#ffffff"})

    assert text.ratio == hover.ratio == pytest.approx(21)
    assert not around.holds
    assert measured({"bg": "#ffffff", "border": "#000000", "page": "#ffffff"})[3].holds


def test_what_surrounds_the_button_is_readable():
    assert (ink("#ffffff"), ink("#111111"), ink("#ffee00")) == ("#000000", "#ffffff", "#000000")
