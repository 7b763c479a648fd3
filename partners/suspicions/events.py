"""Facts of traces and of suspicious behaviours."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQueried(Event):
    """A body of an agreement asked for the evidence of a token. `motif`: why, as it said."""

    convention: str
    vecteur: str
    motif: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspicionReceived(Event):
    """A body declared a suspicious behaviour about a token. `reaction`: what MAG did."""

    convention: str
    vecteur: str
    motif: str
    reaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspicionTold(Event):
    """MAG told a body of a suspicious behaviour about a token."""

    convention: str
    vecteur: str
    motif: str
    partenaire: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspicionClosed(Event):
    """An operator closed a declaration. `conclusion`: what came of it, as they wrote it."""

    convention: str
    comportement: str
    conclusion: str
