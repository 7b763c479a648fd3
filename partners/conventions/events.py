"""Facts of agreements."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ConventionChanged(Event):
    """An operator recorded an agreement, or changed it. `changes`: the members that are not what they were."""

    convention: str
    change: str
    changes: list[str] | None = None
