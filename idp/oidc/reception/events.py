"""What the journal keeps of events received and of who sends them."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReceived(Event):
    """Somebody else said that something happened to a person. `effet`: what was done; `motif`: why no more was."""

    emetteur: str
    evenement: str
    jti: str
    effet: str
    motif: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRefused(Event):
    """A transmitter that proved who it is sent what cannot be believed. `reason`: its code in RFC 8935, and why."""

    outcome: ClassVar[str] = "failure"
    emetteur: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmetteurCapped(Event):
    """A transmitter's events touched too many persons: from then on they are noted."""

    outcome: ClassVar[str] = "failure"
    emetteur: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmetteurChanged(Event):
    """`step`: `added`, `removed`, `opened`, `cut`, `politique`, `plafonds`, `secret`, `seen`, `verification`."""

    emetteur: str
    step: str
    what: str | None = None
