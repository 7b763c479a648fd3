"""Forms of the administrators' space: raw text in, a frozen value or French messages out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.declarants.equipe.models import PAGE
from idp.declarants.inscription import InvalidEmailError
from idp.declarants.saisie import read_email, shown
from idp.declarants.statuts import Role, Statut
from idp.entreprises.siret import InvalidSiretError, Siret


def place_in(raw: Mapping[str, str]) -> int:
    """The number after which a list goes on, as its address says; 0 for its beginning, and for nonsense."""
    after = raw.get("apres", "")
    return int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to, as its address says; nonsense is ignored."""

    text: str = ""
    statut: Statut | None = None
    role: Role | None = None
    siret: Siret | None = None
    after: int = 0

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Filters":
        statut, role = raw.get("statut", ""), raw.get("role", "")
        return cls(
            shown(raw.get("q", ""))[:80],
            Statut(statut) if statut in set(Statut) else None,
            Role(role) if role in set(Role) else None,
            _siret(raw.get("etablissement", "")),
            place_in(raw),
        )

    @property
    def query(self) -> dict[str, str]:
        """Without the position: what the links of the page say again."""
        said = {"q": self.text, "statut": self.statut or "", "role": self.role or "", "etablissement": self.siret or ""}
        return {name: str(value) for name, value in said.items() if value}

    @property
    def size(self) -> int:
        return PAGE


def _siret(text: str) -> Siret | None:
    try:
        return Siret.parse(text) if text.strip() else None
    except InvalidSiretError:
        return None


@dataclass(frozen=True, slots=True)
class InvitationForm:
    """Whom to invite. Without `errors`, `number` is whole."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    email: str = ""
    role: Role = Role.DECLARANT
    number: Siret | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "InvitationForm":
        siret, nom, prenom, email = (shown(raw.get(name, "")) for name in ("siret", "nom", "prenom", "email"))
        role = raw.get("role", "")
        errors: dict[str, str] = {}
        number = None
        try:
            number = Siret.parse(raw.get("siret", ""))
        except InvalidSiretError as error:
            errors["siret"] = error.public
        for name, value, what in (("nom", nom, "le nom"), ("prenom", prenom, "le prénom"), ("email", email, "l'adresse électronique")):
            if not value:
                errors[name] = f"Saisissez {what}."
        try:
            email = read_email(email)
        except InvalidEmailError as error:
            errors.setdefault("email", error.public)
        if role not in set(Role):
            errors["role"] = "Choisissez un rôle."
        return cls(siret, nom, prenom, email, Role(role) if role in set(Role) else Role.DECLARANT, number, errors)

    def refused(self, name: str, message: str) -> "InvitationForm":
        """The same, with what a rule says of one field."""
        return InvitationForm(self.siret, self.nom, self.prenom, self.email, self.role, self.number, {**self.errors, name: message})
