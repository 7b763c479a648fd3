"""Who is it, on the page of candidates: the same four fields as the mire, read in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.authentication.password_policy import PasswordTooLongError, normalise
from idp.declarants.equipe.saisie import shown
from idp.declarants.identite import Identite, InvalidNameError, check_name
from idp.entreprises.siret import InvalidSiretError, Siret


@dataclass(frozen=True, slots=True)
class Identity:
    """Without `errors`, `identite` is whole. What it says depends on the input alone."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    password: str = field(default="", repr=False)
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Identity":
        siret, nom, prenom = (shown(raw.get(name, "")) for name in ("siret", "nom", "prenom"))
        password, errors, number = raw.get("password", ""), dict[str, str](), None
        try:
            number = Siret.parse(raw.get("siret", ""))
        except InvalidSiretError as error:
            errors["siret"] = error.public
        for name, value, what in (("nom", nom, "votre nom"), ("prenom", prenom, "votre prénom")):
            try:
                check_name(value)
            except InvalidNameError:
                errors[name] = f"Saisissez {what}." if not value else f"Vérifiez {what} : des lettres, 80 caractères au plus."
        try:
            normalise(password)
        except PasswordTooLongError as error:
            errors["password"] = error.public
        if not password:
            errors["password"] = "Saisissez votre mot de passe."
        return cls(siret, nom, prenom, password, Identite(number, nom, prenom) if number and not errors else None, errors)
