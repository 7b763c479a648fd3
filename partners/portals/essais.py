"""What a developer tries on the page of trials: every choice that `<mag-login>` leaves to a partner. Pure.

Choices come in the address, so that a trial is sent by mail and works without a script; what is unknown is the default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

MODES = {
    "fedcm redirect": "FedCM, sinon la page entière (le défaut)",
    "fedcm popup redirect": "FedCM, sinon une fenêtre, sinon la page entière",
    "popup redirect": "Une fenêtre, sinon la page entière",
    "redirect": "La page entière",
    "inline redirect": "Un cadre dans la page, sinon la page entière",
}
LABELS = {"signin": "Se connecter", "continue": "Continuer", "link": "Associer"}
LANGUAGES = {"fr": "Français", "en": "Anglais"}
COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
ROUNDINGS = {"8px": "Arrondis (le défaut)", "0": "Droits", "999px": "Ronds"}
DEFAULT_BG, DEFAULT_FG = "#0d5c5f", "#ffffff"


@dataclass(frozen=True, slots=True)
class Essai:
    """One trial."""

    modes: str
    label: str
    lang: str
    bg: str
    fg: str
    radius: str
    siret: str
    siren: str
    auto: bool
    heartbeat: bool
    stay: bool
    """Whether the page stays where it is at the end, to show what was told."""

    @classmethod
    def read(cls, unverified: Mapping[str, str]) -> Self:
        first = not unverified
        return cls(
            modes=_one_of(MODES, unverified.get("modes", "")),
            label=_one_of(LABELS, unverified.get("label", "")),
            lang=_one_of(LANGUAGES, unverified.get("lang", "")),
            bg=_colour(unverified.get("bg", ""), DEFAULT_BG),
            fg=_colour(unverified.get("fg", ""), DEFAULT_FG),
            radius=_one_of(ROUNDINGS, unverified.get("radius", "")),
            siret=_digits(unverified.get("siret", ""), 14),
            siren=_digits(unverified.get("siren", ""), 9),
            auto="auto" in unverified,
            heartbeat="heartbeat" in unverified,
            stay=first or "stay" in unverified,
        )

    @property
    def query(self) -> str:
        """The choices as an address says them."""
        told = {"modes": self.modes, "label": self.label, "lang": self.lang, "bg": self.bg, "fg": self.fg, "radius": self.radius}
        told |= {"siret": self.siret, "siren": self.siren}
        ticked = {name: "1" for name in ("auto", "heartbeat", "stay") if getattr(self, name)}
        return urlencode({name: value for name, value in (told | ticked).items() if value})

    @property
    def attributes(self) -> dict[str, str | None]:
        """Of the element, in order; None for those that have no value."""
        given: dict[str, str | None] = {"return-to": f"/essais?{self.query}", "modes": self.modes, "label": self.label, "lang": self.lang}
        given |= {name: value for name, value in (("login-hint", self.siret), ("domain-hint", self.siren)) if value}
        return given | {name: None for name in ("auto", "heartbeat") if getattr(self, name)}

    @property
    def style(self) -> str:
        """The sheet that gives the button its colours."""
        rules = {"--mag-bg": self.bg, "--mag-bg-hover": self.bg, "--mag-fg": self.fg, "--mag-radius": self.radius}
        return "mag-login {" + "".join(f" {name}: {value};" for name, value in rules.items()) + " }\n"


def _one_of(choices: Mapping[str, str], unverified: str) -> str:
    return unverified if unverified in choices else next(iter(choices))


def _colour(unverified: str, default: str) -> str:
    return unverified.lower() if COLOUR.fullmatch(unverified.lower()) else default


def _digits(unverified: str, length: int) -> str:
    found = re.sub(r"[^0-9]", "", unverified)
    return found if len(found) == length else ""
