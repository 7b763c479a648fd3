"""Audited facts of the desk: who came in, what they looked at, what they did. The actor is always `operateur:<nom>`."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorInvited(Event):
    """An operator was invited, or invited again; `operateur` is the name."""

    operateur: str
    fonctions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEnrolled(Event):
    """An operator chose a password and a second factor."""

    operateur: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDisabled(Event):
    """An operator may no longer enter."""

    operateur: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEntered(Event):
    """An operator signed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRefused(Event):
    """Somebody failed to sign in at the desk. `reason` is for the journal alone."""

    outcome: ClassVar[str] = "failure"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLeft(Event):
    """An operator signed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonConsulted(Event):
    """An operator read somebody's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTaken(Event):
    """An operator opened the paper of a letter, which may hold a key, or said that it is printed."""

    letter_id: int
    step: str
