"""The catalogue of audited facts. A fact that is not here is not audited; a name is never reused for another meaning.

Never in an event: a password, a token, a code, a secret, a whole cookie (ASVS 16.2.5).
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact. Subjects are identifiers of rows or of clients; None when unknown."""

    outcome: ClassVar[str] = "success"
    declarant_id: int | None = None
    """Whom it is about."""
    client_id: str | None = None
    """Through which partner's client."""
    siret: int | None = None
    actor: str | None = None
    """Who did it, when it is not the person it is about: `operateur:<name>`, `commande`, `declarant:<id>`."""

    @property
    def details(self) -> dict[str, Any]:
        """What is particular to this kind of event."""
        common = {f.name for f in fields(Event)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in common and getattr(self, f.name) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnexionOpened(Event):
    """Someone signed in."""

    amr: str
    acr: str
    sid: str
    new_device: bool = False
    device: str | None = None
    """As its owner would call it."""
    version: int | None = None
    """Of their credentials: when it moves on, the session is over."""
    link: str | None = None
    """The link of accounts through which a partner vouched for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnexionRefused(Event):
    """A sign-in failed. `reason` is for the journal alone: the person reads one answer whatever it is."""

    outcome: ClassVar[str] = "failure"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnexionBraked(Event):
    """A sign-in was not even tried: too many failures. `layer` names the throttle."""

    outcome: ClassVar[str] = "failure"
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdmitted(Event):
    """The one-time link of a mail was used: this browser may try again despite the brake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(Event):
    """An SSO session ended by an act."""

    sid: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsClosed(Event):
    """Every session of a person was ended at once, by an operator or by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeLifted(Event):
    """An operator lifted the brake of an identity, whether somebody bears it or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReplayed(Event):
    """An authorization code came twice: its tokens were revoked (RFC 6749 section 4.1.2)."""

    outcome: ClassVar[str] = "failure"
    family_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTokenReplayed(Event):
    """A rotated refresh token came back after its grace: its family was revoked (RFC 9700 section 4.14.2)."""

    outcome: ClassVar[str] = "failure"
    family_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionReplayed(Event):
    """A client assertion came twice (RFC 7523 section 3)."""

    outcome: ClassVar[str] = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    """A partner revoked what it held (RFC 7009)."""

    family_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EstablishmentPicked(Event):
    """Somebody said for which establishment they act at a client (RFC 9396)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(Event):
    """The person let a partner know these scopes."""

    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRefused(Event):
    """The person said no."""

    outcome: ClassVar[str] = "failure"
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWithdrawn(Event):
    """The person no longer lets a partner know anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareDisconnected(Event):
    """A person took back what one installation of a software did in their name."""

    family_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalDisconnected(Event):
    """The person ended what a site that needs no consent kept in their name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchanged(Event):
    """A service traded a token it had received for one aimed at another service (RFC 8693)."""

    audience: str
    received_from: str
    """The client whose token it was."""
    convention: str | None = None
    """The agreement that the new token is made under."""
    acts: str | None = None
    """Who acts, when the token or its caller does not say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationAttested(Event):
    """A partner was given a signed receipt of somebody's sign-in, bound to what they declare."""

    jti: str
    """Of the receipt."""
    empreinte: str
    """SHA-256 of the declaration, in base64url."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationUsed(Event):
    """A software acted for a person who granted it offline access, by an assertion of its own (RFC 7523)."""

    family_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceApproved(Event):
    """A person let a device in, by the code it shows (RFC 8628)."""

    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRefused(Event):
    """A person typed the code of a device and said no."""

    outcome: ClassVar[str] = "failure"
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCodesBraked(Event):
    """Too many wrong codes of devices came from one browser or one network."""

    outcome: ClassVar[str] = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelAsked(Event):
    """A partner asked a person to agree elsewhere than in their browser (CIBA). Nobody when the hint named nobody."""

    scope: str
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelApproved(Event):
    """The person agreed to what a partner asked."""

    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackchannelRefused(Event):
    """The person refused what a partner asked."""

    outcome: ClassVar[str] = "failure"
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """A password was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarantPseudonymised(Event):
    """Nothing is left that names a person who left; their number remains, here and in their row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordsImported(Event):
    """Password hashes of another system were imported from a file."""

    file: str
    written: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HabilitationOpened(Event):
    """Rights were given. `cible` is a SIRET or a SIREN, `droits` reads `dsn:declarer,payer`."""

    cible: str | None = None
    portefeuille_id: int | None = None
    droits: str
    operation_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HabilitationClosed(Event):
    """Rights were withdrawn, or an exclusion was set."""

    cible: str | None = None
    portefeuille_id: int | None = None
    droits: str
    operation_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueChanged(Event):
    """The catalogue of services changed."""

    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartenaireChanged(Event):
    """A partner or one of its clients was registered, changed, disabled or enabled. `changes` names fields, never secrets."""

    partenaire: str
    change: str
    changes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRefused(Event):
    """Somebody showed a token or a software statement that does not let a client register, or be managed (RFC 7591, RFC 7592)."""

    outcome: ClassVar[str] = "failure"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRotated(Event):
    """A client received a new secret."""

    partenaire: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanged(Event):
    """A signing key was made, put to use, or retired."""

    kid: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectsImported(Event):
    """Subjects that a partner knew people by before MAG were imported for its sector."""

    sector: str
    written: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RcdImported(Event):
    """A file of the RCD was imported."""

    file: str
    rows: int
    refused: int
