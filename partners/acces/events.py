"""Facts of links that lead to a resource."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class LienCreated(Event):
    """A partner made a signed link. `host` is the resource's."""

    lien: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LienRevoked(Event):
    """A partner put an end to a link before its time."""

    lien: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccesOpened(Event):
    """Somebody signed in was led to a resource of a partner, by a signed link or an ordinary one."""

    host: str
    lien: str | None = None
