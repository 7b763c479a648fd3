"""What the journal keeps of streams."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalStreamChanged(Event):
    """A stream of events was opened, changed, paused, ended. `step`: `created`, `changed`, `deleted`, or its new status."""

    stream: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsRetried(Event):
    """Events that were given up leave again. `stream`: of which stream."""

    stream: str
    count: int
