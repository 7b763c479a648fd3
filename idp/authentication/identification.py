"""What is typed at the mire: raw text in, a frozen value or French messages out. What it says depends on the input alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.authentication.password_policy import check_typed
from idp.declarants.identite import Identite
from idp.declarants.saisie import read_identite
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
        identite = read_identite(raw.get("siret", ""), nom, prenom, errors)
        too_long = check_typed(password, errors)
        return cls(siret, nom, prenom, password, raw.get("memoriser") == "oui", identite if not errors else None, errors, too_long)

    @classmethod
    def of(cls, identite: Identite) -> "Identification":
        """A form already filled, but for the password."""
        return cls(identite.siret.grouped, identite.nom, identite.prenom)


def _shown(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:LONGEST_TEXT]


def hinted(login_hint: str, siret_hint: str) -> Identification:
    """What a partner suggests (OpenID Connect Core section 3.1.2.1): a SIRET, or `SIRET|NOM|PRENOM`. Nonsense is ignored."""
    siret, nom, prenom = (*login_hint.split("|"), "", "", "")[:3]
    for text in (siret, siret_hint):
        try:
            return Identification(Siret.parse(text).grouped, _shown(nom), _shown(prenom))
        except InvalidSiretError:
            continue
    return Identification()
