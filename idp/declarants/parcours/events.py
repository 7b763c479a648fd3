"""Audited facts of an inscription, before and after it makes somebody."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class InscriptionStarted(Event):
    """Somebody began an inscription for this SIRET."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InscriptionSubmitted(Event):
    """Everything was filled in, and a mail asked to confirm it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InscriptionDuplicated(Event):
    """Everything was filled in for an identity that exists already: the mail says so."""

    outcome: ClassVar[str] = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class InscriptionConfirmed(Event):
    """The mail's link was confirmed; `verdict` is that of the controls."""

    issue: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InscriptionAbandoned(Event):
    """The person refused the terms of use, or gave up: what had been typed is deleted."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InscriptionBraked(Event):
    """Too many inscriptions, or mails: `layer` names the limit."""

    outcome: ClassVar[str] = "failure"
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionsAccepted(Event):
    """A person agreed to a version of the terms of use."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InformationConsent(Event):
    """A person asked to be informed by mail, or asked no longer to be."""

    given: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WordRelayed(Event):
    """Before signing up, somebody had the administrators of an establishment told that they would join."""

    recipients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContested(Event):
    """What the directory says of an establishment is said to be false; `what`, in French."""

    what: str
