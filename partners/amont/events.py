"""Facts of providers above MAG, and of what they proved."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FournisseurAdded(Event):
    """An operator declared a provider."""

    fournisseur: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FournisseurCut(Event):
    """An operator cut a provider off, or put it back in service."""

    fournisseur: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FournisseurKeysRenewed(Event):
    """MAG's keys for a provider were replaced, or its secret was."""

    fournisseur: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmontArrived(Event):
    """Somebody came back from a provider, proved. Who they are there is not told: a digest of it is in `preuves`."""

    fournisseur: str
    purpose: str
    acr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AmontRefused(Event):
    """Somebody came back with something that proves nothing. `reason` is the code of the refusal."""

    outcome: ClassVar[str] = "failure"
    reason: str
