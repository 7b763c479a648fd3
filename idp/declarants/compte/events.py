"""Audited facts of « Mon compte »."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged(Event):
    """A person corrected how they are reached. `fields` names what, never its value."""

    fields: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChangeAsked(Event):
    """A person asked for another address: nothing changes before the mail there is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChanged(Event):
    """The new address was confirmed by the link it received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChangeReverted(Event):
    """Whoever holds the former address took it back: sessions ended, the password is locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfirmed(Event):
    """An address was confirmed again by the link it received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailUnconfirmed(Event):
    """Nobody answered the mail that asks whether an address is still theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailBounced(Event):
    """A server wrote that a mail did not arrive. `hard`: the address does not exist."""

    hard: bool
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DormancyWarned(Event):
    """Somebody who no longer signs in was told when their account will be suspended."""

    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataExported(Event):
    """A person took all that MAG keeps about them."""
