"""Facts of companies that entrust their people to a partner, and of what the partner does."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationChanged(Event):
    """An administrator let a partner manage people of an establishment or of a company, or took that back: `change` says which."""

    partenaire: str
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonManaged(Event):
    """A partner's software did something to a person, on the strength of what the administrator `for_whom` entrusted to it."""

    partenaire: str
    act: str
    for_whom: int
    invitation_id: int | None = None
    """Of whoever is only invited."""
