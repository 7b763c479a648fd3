"""Audited facts of SAML."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionIssued(Event):
    """A service provider was told who somebody is."""

    sid: str
    acr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlKeyChanged(Event):
    """A key that signs responses was made, put to use, or retired. `kid` is the fingerprint of its certificate."""

    kid: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChanged(Event):
    """A service provider was registered, changed, disabled or enabled, or its metadata were read again."""

    change: str
    changes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutSpread(Event):
    """Service providers were told of the end of a session: how many said that they ended theirs, how many did not.

    `client_id`: of the one that the person took out of a session that goes on.
    """

    sid: str
    confirmed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLeftOpen(Event):
    """A person ended what a service provider had of them, and it takes part in sessions of other browsers, which alone can tell it."""

    sessions: int
