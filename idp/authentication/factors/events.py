"""Audited facts of second factors. Never a secret, a code, or a whole credential."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAdded(Event):
    """A factor is in force: `totp`, `passkey`."""

    factor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRemoved(Event):
    """A factor is no longer in force; `reason`: `person`, `lost`, `denied`."""

    factor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesMade(Event):
    """Ten new codes; those of before are worth nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodeUsed(Event):
    """One of the codes served as second factor."""

    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRefused(Event):
    """After a right password, the second factor was wrong. `reason` is for the journal alone."""

    outcome: ClassVar[str] = "failure"
    factor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorBraked(Event):
    """Too many wrong codes: not even tried."""

    outcome: ClassVar[str] = "failure"
    factor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRegressed(Event):
    """The counter of an authenticator did not grow: a copy of it may exist. The passkey was refused."""

    outcome: ClassVar[str] = "failure"
    passkey: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLossAsked(Event):
    """Whoever knew the password, or an operator (`actor`, who verified the identity for this `reason`), said the second factor lost."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLossAgreed(Event):
    """The other pair of eyes, for an administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLossClosed(Event):
    """The request ended; `reason`: `used`, `link`, `denied`, `done`, `refused`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRaised(Event):
    """A session of one factor became one of two, under a new identifier."""

    amr: str
    acr: str
    sid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnexionDenied(Event):
    """The owner said « ce n'était pas moi »: sessions ended, password locked, devices forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceForgotten(Event):
    """A device, or all of them, are strangers again."""

    every: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorPolicyChanged(Event):
    """A rule was made, changed or removed."""

    rule: str
    removed: bool
