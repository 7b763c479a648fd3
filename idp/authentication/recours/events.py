"""What the journal keeps of recoveries: never an answer, a code, a link, nor the reason that a person wrote."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAsked(Event):
    """Somebody asked for a way back into an account, or into one that does not exist."""

    voie: str
    recours_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAgreed(Event):
    """An administrator, or one more operator, agreed. `by_what`: how the person was recognised."""

    voie: str
    recours_id: int
    step: str
    by_what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRefused(Event):
    """A request was refused by who had to agree, or cancelled from the account's own address."""

    outcome: ClassVar[str] = "failure"
    voie: str
    recours_id: int
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryFailed(Event):
    """A wrong code or a wrong answer, or one too many."""

    outcome: ClassVar[str] = "failure"
    voie: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryLinkSent(Event):
    """What was agreed was handed over: a link, or a code."""

    voie: str
    recours_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRecovered(Event):
    """A lost password was replaced. `assurance` is that of the way taken."""

    voie: str
    assurance: str
    new_address: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretQuestionSet(Event):
    """A person chose a secret question, or removed theirs."""

    removed: bool = False
