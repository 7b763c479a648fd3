"""What the portal is made of: its settings, its accounts. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Compte:
    """Somebody whom the portal knows by itself, without a SIRET."""

    id: str
    courriel: str
    nom: str
    mot_de_passe: str
    """Printed by the demonstration, which hides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portail:
    """One portal."""

    nom: str
    origin: str
    secret_key: str
    liens: str
    """Path of the file of links."""
    comptes: tuple[Compte, ...]
    private_key: Mapping[str, Any]
    """Its JWK: signs what it says to MAG, and its ID tokens."""
    client_secret: str
    """What MAG shows its provider."""
    kit: Mapping[str, Any]
    """Parameters of the kit."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From the JSON settings file."""
        given = json.loads(text)
        return cls(comptes=tuple(Compte(**one) for one in given.pop("comptes")), **given)

    @property
    def mag(self) -> str:
        """MAG's issuer."""
        return str(self.kit["issuer"])

    @property
    def client_id(self) -> str:
        """The portal's, at MAG."""
        return str(self.kit["client_id"])

    def compte(self, identifier: str) -> Compte | None:
        return next((one for one in self.comptes if one.id == identifier), None)

    def named(self, courriel: str) -> Compte | None:
        return next((one for one in self.comptes if one.courriel == courriel.strip().lower()), None)


def own_path(unverified: str) -> str:
    """A page of this portal; its first page for anything else."""
    plain = unverified.startswith("/") and not unverified.startswith(("//", "/\\")) and unverified.isprintable()
    return unverified if plain and "\\" not in unverified else "/espace"
