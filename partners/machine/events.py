"""Facts of the machine door. What the ceremony refuses is told by its own events."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDoorOpened(Event):
    """A software showed a right password, and was given a token. `software`: as it calls itself."""

    service: str
    software: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineDoorRefused(Event):
    """The password was right, and something else was not. `reason` is for the journal alone where the answer hides it."""

    outcome: ClassVar[str] = "failure"
    service: str
    reason: str
    software: str | None = None
