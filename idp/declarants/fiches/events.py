"""Facts of this room."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChanged(Event):
    """The directory changed what it says of an establishment, and its administrators were told; `what`, in French."""

    what: str
