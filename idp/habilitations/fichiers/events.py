"""What the journal keeps of mass files. Rights themselves are told by `HabilitationOpened`, with the same operation."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierDeposited(Event):
    """An administrator sent a mass file: nothing is changed yet."""

    fichier: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierChecked(Event):
    """A mass file was checked line by line."""

    fichier: str
    lines: int
    changed: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierSubmitted(Event):
    """Its author asked to apply it: at once, or once somebody else agrees."""

    fichier: str
    agreement: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierDecided(Event):
    """A second administrator, an operator, or time answered. `decision`: accord, refus, expire, abandon, annulation."""

    fichier: str
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierApplied(Event):
    """Every change of a mass file, in one operation."""

    fichier: str
    operation_id: int
    given: int
    withdrawn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierUndone(Event):
    """The operation of a mass file was undone."""

    fichier: str
    operation_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierFailed(Event):
    """A job of a mass file ended without doing anything."""

    outcome = "failure"
    fichier: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FichierExported(Event):
    """An administrator downloaded the rights of his people."""

    lines: int
    scope: str
