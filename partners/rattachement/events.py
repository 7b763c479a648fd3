"""Facts of accounts that are linked, and of people who come from a partner."""

from dataclasses import dataclass
from typing import ClassVar

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RattachementOpened(Event):
    """An account of a partner's and an identity were linked. `origine`: where it began; `preuve`: how the partner's account was proved."""

    rattachement: str
    partenaire: str
    origine: str
    preuve: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RattachementRefused(Event):
    """Whoever was asked said no."""

    outcome: ClassVar[str] = "failure"
    partenaire: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RattachementClosed(Event):
    """They are no longer linked. `par`: the person at MAG, or the partner."""

    rattachement: str
    partenaire: str
    par: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RattachementReopened(Event):
    """Whoever unlinked them linked them again."""

    rattachement: str
    partenaire: str
    par: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationOpened(Event):
    """Somebody came from a partner, which vouched for them. `comme`: by its OpenID provider, or by what it signed."""

    rattachement: str
    partenaire: str
    comme: str
    acr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedTokenIssued(Event):
    """A partner vouched for the holder of an account, at the token endpoint. `link`: of which accounts; `sid`: what the token ends with."""

    link: str
    partenaire: str
    acr: str
    sid: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationRefused(Event):
    """Somebody came from a partner and was not let in, by a browser or by a token. `reason` is for the journal alone."""

    outcome: ClassVar[str] = "failure"
    partenaire: str
    reason: str
