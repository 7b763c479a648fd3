"""Who is it, on the page of candidates: the four fields of the mire, and the address that tells namesakes apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.authentication.password_policy import check_typed
from idp.declarants.identite import Identite
from idp.declarants.inscription import InvalidEmailError
from idp.declarants.saisie import read_email, read_identite, shown


@dataclass(frozen=True, slots=True)
class Identity:
    """Without `errors`, `identite` is whole. What it says depends on the input alone."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    email: str = ""
    password: str = field(default="", repr=False)
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Identity":
        siret, nom, prenom, email = (shown(raw.get(name, "")) for name in ("siret", "nom", "prenom", "email"))
        password, errors = raw.get("password", ""), dict[str, str]()
        identite = read_identite(raw.get("siret", ""), nom, prenom, errors)
        try:
            email = read_email(email)
        except InvalidEmailError as error:
            errors["email"] = error.public if email else "Saisissez l'adresse électronique donnée à l'inscription."
        check_typed(password, errors)
        return cls(siret, nom, prenom, email, password, identite if not errors else None, errors)
