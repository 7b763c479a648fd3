"""Facts of several identities of one person. The other identity is a number, as everywhere in the journal."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentiteLinked(Event):
    """This identity and another are one person's: both passwords were typed."""

    other: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentiteUnlinked(Event):
    """They no longer lead to each other."""

    other: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentiteSwitched(Event):
    """The session goes on under this identity; it was under another."""

    other: int
