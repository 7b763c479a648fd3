"""Audited facts of an identity's life. Each room adds its own; a name is never reused for another meaning."""

from dataclasses import dataclass
from typing import ClassVar

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidacyOpened(Event):
    """Somebody asks to administer an establishment that has an administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationKeyPosted(Event):
    """A letter with a key leaves for the address of the directory."""

    rank: int
    """First, second or third letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationKeyRefused(Event):
    """A wrong key was typed."""

    outcome: ClassVar[str] = "failure"
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationOpened(Event):
    """Somebody who waits proved who they are, and sees where their candidacy stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationChanged(Event):
    """An invitation was sent, sent again, cancelled, accepted, or expired: `change` says which."""

    invitation_id: int
    change: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsSettled(Event):
    """What became of the rights of whoever leaves: `destin` says, `to` is who received them."""

    destin: str
    to: int | None
    droits: int
    portefeuilles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministratorReplaced(Event):
    """The administrator it is about gave way to another, on the strength of an act that `proof` names (fact 36)."""

    by_candidate: int
    proof: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRelayed(Event):
    """A déclarant wrote to administrators through MAG."""

    recipients: int
