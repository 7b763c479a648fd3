"""Whether people can read a button of these colours: WCAG 2.2, success criteria 1.4.3 (text) and 1.4.11 (what is not text)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

COLOUR = re.compile(r"#[0-9a-f]{6}")
TEXT, GRAPHIC = 4.5, 3.0
"""Least ratios, level AA."""
USUAL: Mapping[str, str] = {"bg": "#0d5c5f", "fg": "#ffffff", "focus": "#cc6600", "page": "#ffffff"}
"""What the button wears on a light page when nothing is said; `page` is the background around it."""


@dataclass(frozen=True, slots=True)
class Mesure:
    """One pair of colours that must differ enough."""

    quoi: str
    ratio: float
    least: float

    @property
    def holds(self) -> bool:
        return self.ratio >= self.least

    @property
    def spoken(self) -> str:
        """As French writes it: cut, not rounded, so that nobody reads 4,5 for what is less."""
        return f"{int(self.ratio * 10) / 10:.1f}".replace(".", ",")

    @property
    def floor(self) -> str:
        return f"{self.least:g}".replace(".", ",")


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG defines it."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def ratio(one: str, other: str) -> float:
    """Between 1 and 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def measured(chosen: Mapping[str, str]) -> list[Mesure]:
    """Every pair that counts, for these colours and the usual ones where none is chosen."""
    worn = {**USUAL, **chosen}
    worn = {"bg-hover": worn["bg"], "border": worn["bg"], **worn}
    return [
        Mesure("Le texte sur le bouton", ratio(worn["fg"], worn["bg"]), TEXT),
        Mesure("Le texte sur le bouton survolé", ratio(worn["fg"], worn["bg-hover"]), TEXT),
        Mesure("Le contour du clavier sur votre page", ratio(worn["focus"], worn["page"]), GRAPHIC),
        Mesure("Le bouton sur votre page", max(ratio(worn["bg"], worn["page"]), ratio(worn["border"], worn["page"])), GRAPHIC),
    ]


def ink(page: str) -> str:
    """Black or white, whichever is read on this page."""
    return max(("#000000", "#ffffff"), key=lambda colour: ratio(colour, page))
