"""Who says to have lost a password, and with which provider they will prove it. What it says depends on the input alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp.declarants.identite import Identite
from idp.declarants.saisie import read_identite, shown


@dataclass(frozen=True, slots=True)
class Oubli:
    """Without `errors`, `identite` is whole."""

    siret: str = ""
    nom: str = ""
    prenom: str = ""
    fournisseur: str = ""
    identite: Identite | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> "Oubli":
        errors: dict[str, str] = {}
        texts = {name: shown(raw.get(name, "")) for name in ("siret", "nom", "prenom")}
        identite = read_identite(raw.get("siret", ""), raw.get("nom", ""), raw.get("prenom", ""), errors)
        return cls(fournisseur=raw.get("fournisseur", ""), identite=identite, errors=errors, **texts)
