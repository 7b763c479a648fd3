"""Audited facts of an identity's life. Each room adds its own; a name is never reused for another meaning."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarantInscribed(Event):
    """A person was inscribed."""

    act: str
    role: str
    statut: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarantChanged(Event):
    """Status or role of a person changed."""

    act: str
    statut: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarantErased(Event):
    """An identity that never became active was erased: only its number remains, here."""

    act: str
    statut: str
