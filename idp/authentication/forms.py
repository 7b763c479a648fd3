"""The form of the mire: raw text in, a frozen value or French messages out. What it says depends on the input alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.authentication.password_policy import PasswordTooLongError, normalise
from idp.declarants.identite import Identite, InvalidNameError, check_name
from idp.entreprises.siret import InvalidSiretError, Siret

LONGEST_TEXT = 200
"""Characters of a field shown again."""


@dataclass(frozen=True, slots=True)
class Identification:
    """What was typed. `errors` are by field, in the order of the page; without errors `identite` is whole."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    password: str = field(default="", repr=False)
    remember: bool = False
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    too_long: bool = False
    """The password is beyond what is ever hashed (C48)."""

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Identification":
        siret, nom, prenom = (_shown(raw.get(name, "")) for name in ("siret", "nom", "prenom"))
        password = raw.get("password", "")
        errors: dict[str, str] = {}
        number = _siret(raw.get("siret", ""), errors)
        names = _name("nom", nom, "votre nom", errors), _name("prenom", prenom, "votre prénom", errors)
        too_long = _password(password, errors)
        identite = Identite(number, *names) if number and not errors else None
        return cls(siret, nom, prenom, password, raw.get("memoriser") == "oui", identite, errors, too_long)

    @classmethod
    def of(cls, identite: Identite) -> "Identification":
        """A form already filled, but for the password."""
        return cls(identite.siret.grouped, identite.nom, identite.prenom)


def _shown(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:LONGEST_TEXT]


def _siret(text: str, errors: dict[str, str]) -> Siret | None:
    try:
        return Siret.parse(text)
    except InvalidSiretError as error:
        errors["siret"] = error.public
        return None


def _name(name: str, text: str, what: str, errors: dict[str, str]) -> str:
    try:
        return check_name(text)
    except InvalidNameError:
        errors[name] = f"Saisissez {what}." if not text.strip() else f"Vérifiez {what} : des lettres, 80 caractères au plus."
        return ""


def _password(password: str, errors: dict[str, str]) -> bool:
    try:
        normalise(password)
    except PasswordTooLongError as error:
        errors["password"] = error.public
        return True
    if not password:
        errors["password"] = "Saisissez votre mot de passe."
    return False


def hinted(login_hint: str, siret_hint: str) -> Identification:
    """What a partner suggests (OpenID Connect Core section 3.1.2.1): a SIRET, or `SIRET|NOM|PRENOM`. Nonsense is ignored."""
    siret, nom, prenom = (*login_hint.split("|"), "", "", "")[:3]
    for text in (siret, siret_hint):
        try:
            return Identification(Siret.parse(text).grouped, _shown(nom), _shown(prenom))
        except InvalidSiretError:
            continue
    return Identification()
