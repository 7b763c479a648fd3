"""What FedCM and the frame add to the journal."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FedcmCodeIssued(Event):
    """A partner's page was given an authorization code by the browser's chooser; `automatic`: without a gesture."""

    sid: str
    automatic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FedcmContinued(Event):
    """The choice led to a page of MAG first. `reason`: what was missing."""

    sid: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FedcmRefused(Event):
    """A browser that is signed in asked what it may not have."""

    outcome: ClassVar[str] = "failure"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCodeIssued(Event):
    """A partner's page was given an authorization code by a frame of MAG: a password, typed there."""

    sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLeft(Event):
    """The password was right, and what remained is not of a frame. `reason`: what it was."""

    reason: str
