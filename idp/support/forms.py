"""What operators send: raw forms, made into values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST = 300
"""Characters of any field of the sign-in."""
LONGEST_PASSWORD = 128


@dataclass(frozen=True, slots=True)
class Entree:
    """The sign-in."""

    email: str = ""
    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Entree":
        email, password, code = raw.get("email", "").strip(), raw.get("password", ""), raw.get("code", "")
        errors = {}
        if not email or len(email) > LONGEST:
            errors["email"] = "Saisissez votre adresse électronique."
        if not 1 <= len(password) <= LONGEST_PASSWORD:
            errors["password"] = "Saisissez votre mot de passe, de 128 caractères au plus."
        if not code.strip() or len(code) > LONGEST:
            errors["code"] = "Saisissez les six chiffres qu'affiche votre application."
        return cls(email[:LONGEST], password, code, errors)
