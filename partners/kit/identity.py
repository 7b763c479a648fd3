"""Who is signed in, as a page of the partner needs it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .habilitations import Habilitations


@dataclass(frozen=True, slots=True)
class Identity:
    """A person and the company he or she acts for. Claims that the scopes do not open are empty texts."""

    claims: Mapping[str, Any]
    habilitations: Habilitations

    def _text(self, *names: str) -> str:
        return next((value for value in (self.claims.get(name) for name in names) if isinstance(value, str) and value), "")

    @property
    def sub(self) -> str:
        """Stable, and this partner's own: what to keep as the key of an account."""
        return self._text("sub")

    @property
    def prenom(self) -> str:
        return self._text("given_name")

    @property
    def nom(self) -> str:
        return self._text("usual_name", "family_name")

    @property
    def full_name(self) -> str:
        return self._text("name") or f"{self.prenom} {self.nom}".strip()

    @property
    def siret(self) -> str:
        return self._text("siret")

    @property
    def raison_sociale(self) -> str:
        return self._text("organization_label", "label")

    def peut(self, droit: str, service: str, cible: str) -> bool:
        """Whether this person may: `peut("declarer", "dsn", "73282932000074")`."""
        return self.habilitations.peut(droit, service, cible)
