"""The choices of the page, read from its own address: a link to a choice is a choice."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from idp.entreprises.siret import InvalidSirenError, InvalidSiretError, Siren, Siret
from widget.developpeurs.contraste import COLOUR

MODES = ("inline", "fedcm", "popup", "redirect")
LABELS = {"signin": "Se connecter avec MAG", "continue": "Continuer avec MAG", "link": "Associer mon identité MAG"}
IN_ENGLISH = {"signin": "Sign in with MAG", "continue": "Continue with MAG", "link": "Link my MAG identity"}
"""As the component says them (`widget/mag-login.js`)."""
COLOURS = {
    "bg": "Fond du bouton",
    "fg": "Texte du bouton",
    "bg-hover": "Fond au survol",
    "border": "Bordure",
    "focus": "Contour du clavier",
    "page": "Fond de votre page",
}
TEXTS = ("client", "siret", "siren", "retour", "rayon")
WIDEST = 40
"""Pixels of a rounded corner."""
PATH = re.compile(r"/(?!/)[A-Za-z0-9._~/?=&%+:@,-]{0,300}")
"""Nothing that means something in the languages of the snippets: what is shown is copied."""
CLIENT = re.compile(r"[A-Za-z0-9._~-]{0,100}")


@dataclass(frozen=True, slots=True)
class Choix:
    """What was chosen; `errors` by field, and then the usual value is worn."""

    client: str = ""
    modes: tuple[str, ...] = ("fedcm", "redirect")
    label: str = "signin"
    lang: str = "fr"
    siret: str = ""
    siren: str = ""
    retour: str = "/espace"
    rayon: str = ""
    auto: bool = False
    heartbeat: bool = False
    couleurs: Mapping[str, str] = field(default_factory=dict)
    """Good ones alone."""
    tapes: Mapping[str, str] = field(default_factory=dict)
    """As they were typed, to be shown again."""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: "MultiDict[str, str]") -> "Choix":
        """Without anything, the usual choices."""
        if not raw:
            return cls()
        errors: dict[str, str] = {}
        tapes = {name: raw.get(name, "").strip()[:120] for name in (*COLOURS, *TEXTS)}
        return cls(
            client=_client(raw.get("client", "").strip(), errors),
            modes=_modes(raw.getlist("modes"), errors),
            label=_one(raw.get("label", ""), LABELS),
            lang=_one(raw.get("lang", ""), ("fr", "en")),
            siret=_siret(raw.get("siret", ""), errors),
            siren=_siren(raw.get("siren", ""), errors),
            retour=_path(raw.get("retour", "").strip(), errors),
            rayon=_radius(raw.get("rayon", "").strip(), errors),
            auto=raw.get("auto") == "oui",
            heartbeat=raw.get("heartbeat") == "oui",
            couleurs=_colours({name: tapes[name] for name in COLOURS}, errors),
            tapes=tapes,
            errors=errors,
        )

    @property
    def words(self) -> str:
        """Of the link that the element holds, for a browser that does not know it."""
        return (LABELS if self.lang == "fr" else IN_ENGLISH)[self.label]

    @property
    def style(self) -> list[tuple[str, str]]:
        """Custom properties of the component, and their values."""
        found = [(f"--mag-{name}", value) for name, value in self.couleurs.items() if name != "page"]
        return [*found, *([("--mag-radius", f"{self.rayon}px")] if self.rayon else [])]

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """Of the element, those that are not usual."""
        chosen = {
            "client-id": self.client or "mon-portail",
            "start": "/auth/mag/start",
            "session": "/auth/mag/session",
            "return-to": self.retour,
            "modes": "" if self.modes == ("fedcm", "redirect") else " ".join(self.modes),
            "label": "" if self.label == "signin" else self.label,
            "lang": "" if self.lang == "fr" else self.lang,
            "login-hint": self.siret.replace(" ", ""),
            "domain-hint": self.siren.replace(" ", ""),
        }
        return [(name, value) for name, value in chosen.items() if value]


def _one(given: str, allowed: Iterable[str]) -> str:
    known = list(allowed)
    return given if given in known else known[0]


def _modes(given: list[str], errors: dict[str, str]) -> tuple[str, ...]:
    """In the order of the page; without any, the redirect is what remains."""
    found = tuple(mode for mode in MODES if mode in given)
    if not found:
        errors["modes"] = "Choisissez au moins un mode : la redirection fonctionne partout."
    return found or ("redirect",)


def _client(given: str, errors: dict[str, str]) -> str:
    if CLIENT.fullmatch(given):
        return given
    errors["client"] = "Un identifiant de client a 100 lettres, chiffres ou signes « . - _ ~ » au plus."
    return ""


def _siret(given: str, errors: dict[str, str]) -> str:
    try:
        return Siret.parse(given).grouped if given.strip() else ""
    except InvalidSiretError as error:
        errors["siret"] = error.public
        return ""


def _siren(given: str, errors: dict[str, str]) -> str:
    try:
        return Siren.parse(given).grouped if given.strip() else ""
    except InvalidSirenError as error:
        errors["siren"] = error.public
        return ""


def _path(given: str, errors: dict[str, str]) -> str:
    """Where the partner's site is entered: a path of that site, and nothing that leaves it."""
    if not given or (PATH.fullmatch(given) and "\\" not in given):
        return given
    errors["retour"] = "L'adresse de retour est un chemin de votre site, comme /espace."
    return ""


def _radius(given: str, errors: dict[str, str]) -> str:
    if not given or (given.isascii() and given.isdigit() and len(given) < 4 and int(given) <= WIDEST):
        return given
    errors["rayon"] = f"L'arrondi est un nombre de pixels, de 0 à {WIDEST}."
    return ""


def _colours(typed: Mapping[str, str], errors: dict[str, str]) -> dict[str, str]:
    found = {}
    for name, value in typed.items():
        if COLOUR.fullmatch(value.lower()):
            found[name] = value.lower()
        elif value:
            errors[name] = "Une couleur s'écrit # suivi de six chiffres hexadécimaux : #0d5c5f."
    return found
