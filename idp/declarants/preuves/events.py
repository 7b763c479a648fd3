"""Facts of proofs of persons. Who they are at the provider is never told."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PreuveKept(Event):
    """A provider proved somebody, under the name they bear here."""

    fournisseur: str
    niveau: str
    dirigeant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreuveRefused(Event):
    """A provider proved somebody else."""

    outcome: ClassVar[str] = "failure"
    fournisseur: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreuveRemoved(Event):
    """A person took a proof away, and the way in that came with it."""

    fournisseur: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnexionLinked(Event):
    """An account elsewhere now signs somebody in here, or no longer does."""

    fournisseur: str
    linked: bool
