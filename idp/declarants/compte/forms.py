"""The forms of « Mon compte »: raw text in, checked values or French messages out. What they say depends on the input alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from idp.declarants.inscription import InvalidEmailError
from idp.declarants.models import Declarant
from idp.declarants.parcours.telephones import InvalidPhoneError, read
from idp.declarants.saisie import read_email, shown

LONGEST_WORDS = 120
CLOSING_WORD = "FERMER"


@dataclass(frozen=True, slots=True)
class Coordonnees:
    """How a person is reached, and what they do in the company."""

    telephone: str = ""
    mobile: str = ""
    fonction: str = ""
    service_interne: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, person: Declarant) -> "Coordonnees":
        return cls(person.telephone or "", person.mobile or "", person.fonction or "", person.service_interne or "")

    @classmethod
    def parse(cls, raw: Mapping[str, str], region: str) -> "Coordonnees":
        """Without errors, phones are written internationally. `region`: where a number without `+` is dialled from."""
        typed = {name: shown(raw.get(name, "")) for name in ("telephone", "mobile", "fonction", "service_interne")}
        errors: dict[str, str] = {}
        for name in ("telephone", "mobile"):
            if typed[name]:
                typed[name] = _checked(name, typed[name], errors, partial(read, region=region, mobile=name == "mobile"))
        for name in ("fonction", "service_interne"):
            if len(typed[name]) > LONGEST_WORDS:
                errors[name] = f"Écrivez {LONGEST_WORDS} caractères au plus."
        return cls(**typed, errors=errors)

    def apply(self, person: Declarant) -> list[str]:
        """Write what differs; the names of these fields."""
        changed = []
        for name in ("telephone", "mobile", "fonction", "service_interne"):
            value = getattr(self, name) or None
            if getattr(person, name) != value:
                setattr(person, name, value)
                changed.append(name)
        return changed


def _checked(name: str, text: str, errors: dict[str, str], check: Callable[[str], str]) -> str:
    try:
        return check(text)
    except InvalidPhoneError as error:
        errors[name] = error.public
        return text


@dataclass(frozen=True, slots=True)
class NewAddress:
    """An address to change to."""

    email: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str], current: str | None) -> "NewAddress":
        """Without errors, `email` may be written to. No network: the mail that it receives is the proof."""
        typed = shown(raw.get("email", "")).replace(" ", "")
        if not typed:
            return cls(typed, {"email": "Saisissez votre nouvelle adresse électronique."})
        try:
            email = read_email(typed)
        except InvalidEmailError as error:
            return cls(typed, {"email": error.public})
        if current and email.casefold() == current.casefold():
            return cls(typed, {"email": "C'est déjà l'adresse de votre compte."})
        return cls(email)


@dataclass(frozen=True, slots=True)
class Closing:
    """The word that is typed to close an account."""

    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Closing":
        if shown(raw.get("mot", "")).casefold() != CLOSING_WORD.casefold():
            return cls({"mot": f"Pour fermer votre compte, écrivez le mot {CLOSING_WORD}."})
        return cls()
