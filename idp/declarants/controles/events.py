"""Audited facts of the controls."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlsRun(Event):
    """The controls were run on somebody. `reasons`: codes of the rules that the verdict comes from."""

    moment: str
    verdict: str
    reasons: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlsSettled(Event):
    """An operator decided where the controls could not."""

    decision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepresentantAsked(Event):
    """The agreement of a legal representative was asked for: by mail, or by a letter."""

    accord_id: int
    by_mail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RepresentantAnswered(Event):
    """A legal representative agreed, or refused."""

    accord_id: int
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChanged(Event):
    """A line of a list of the controls was added, changed or removed."""

    change: str
    sens: str
    valeur: str
    service: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterImported(Event):
    """A file of what the controls read was imported."""

    register: str
    file: str
    rows: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesRefused(Event):
    """Somebody became active; services that they chose stay closed, since a list refuses them."""

    outcome: ClassVar[str] = "failure"
    services: str
