"""A client registers itself, reads what it registered, changes it, goes: RFC 7591 and RFC 7592. Nothing here commits.

The registry's own acts do the work (`onboarding.py`); here are the rules that only a client acting on itself has. Its
secret is made by MAG and told once; its registration access token is kept as a digest, and lasts as long as the client.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.audit import journal
from idp.audit.events import PartenaireChanged
from idp.config import Settings
from idp.database import db
from idp.oidc.client_metadata import InvalidClientMetadataError
from idp.oidc.models import Consent, RefreshFamily
from idp.oidc.software_statement import SoftwareStatementError, unverified_issuer
from idp.seals import Seals, digest, random_token
from partners import onboarding
from partners.admission import STATEMENT, Admission, NotAdmittedError, read_statement
from partners.models import OAuthClient, Registration
from partners.onboarding import Sector
from partners.outgoing import OutgoingRefusedError
from partners.terms import Terms, settle

ACTOR = "enregistrement"
NEVER_SENT = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
    "client_expires_at",
)
"""RFC 7592 section 2.2."""


@dataclass(frozen=True, slots=True)
class Means:
    """What registering needs of the process."""

    settings: Settings
    seals: Seals
    fetch_sector: Sector


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as it is now, and what is said once: its secret, when one was just made."""

    client: OAuthClient
    token: str
    secret: str | None = None

    def told(self, issuer: str) -> dict[str, Any]:
        """RFC 7591 section 3.2.1, RFC 7592 section 3; ours: `client_expires_at`."""
        client, expires_at = self.client, self.client.expires_at
        ends = int(expires_at.timestamp()) if expires_at else 0
        secret = {"client_secret": self.secret, "client_secret_expires_at": ends} if self.secret else {}
        return {
            **client.client_metadata,
            "client_id": client.client_id,
            "client_id_issued_at": int(client.created_at.timestamp()),
            **secret,
            **({"client_expires_at": ends} if ends else {}),
            "registration_access_token": self.token,
            "registration_client_uri": f"{issuer}/reg/{client.client_id}",
        }


def register(admission: Admission, unverified: Mapping[str, Any], means: Means, now: datetime) -> Registered:
    """RFC 7591 section 3. Raises InvalidClientMetadataError, OutgoingRefusedError, NotAdmittedError."""
    given = {**unverified, **(admission.statement or {})}
    metadata = _settled(given, admission.terms, means, None)
    client, secret = onboarding.register_client(
        admission.partenaire, metadata, now, fetch_sector=_sector(means), seals=means.seals, actor=ACTOR
    )
    token = random_token()
    client.expires_at = admission.expires_at
    client.registration = Registration(
        token_hash=digest(token),
        origin=admission.origin,
        terms=admission.terms.dump(),
        statement=dict(admission.statement) if admission.statement else None,
    )
    db.session.flush()
    if admission.initial is not None and not admission.initial.spend(now):
        raise NotAdmittedError("the last use of the initial access token was another's", shown=True)
    return Registered(client, token, secret)


def _sector(means: Means) -> Sector:
    """A sector document that cannot be read is a fault of the metadata (OpenID Connect Registration section 5)."""

    def fetch(uri: str) -> Any:
        try:
            return means.fetch_sector(uri)
        except OutgoingRefusedError as error:
            raise InvalidClientMetadataError(f"sector_identifier_uri cannot be read: {error.public}") from error

    return fetch


def _settled(given: Mapping[str, Any], terms: Terms, means: Means, held: Mapping[str, Any] | None) -> dict[str, Any]:
    metadata = settle(given, terms, held=held, front_channel=means.settings.front_channel_tokens)
    return metadata | ({STATEMENT: given[STATEMENT]} if given.get(STATEMENT) else {})


def find(client_id: str, token: str | None, now: datetime) -> Registered:
    """The client that this token manages; an unknown client and a wrong token are one answer. Raises NotAdmittedError."""
    client = db.session.get(OAuthClient, client_id) if token and client_id.isascii() and len(client_id) <= 100 else None
    registration = client.registration if client is not None else None
    known = registration.token_hash if registration is not None else digest("")
    if not token or client is None or registration is None or not hmac.compare_digest(known, digest(token)):
        raise NotAdmittedError("registration access token", shown=bool(token))
    if not client.enabled or not client.partenaire.enabled or (client.expires_at is not None and client.expires_at <= now):
        raise NotAdmittedError("the client is disabled, or has ended", shown=True)
    return Registered(client, token)


def replace(held: Registered, unverified: Mapping[str, Any], means: Means, now: datetime) -> Registered:
    """RFC 7592 section 2.2: the whole of the metadata, never a part. Raises InvalidClientMetadataError, SoftwareStatementError."""
    client = held.client
    check_replacement(client, unverified, now)
    registration = client.registration
    assert registration is not None  # noqa: S101  # `find` gave it
    if unverified.get(STATEMENT) not in (None, (registration.statement or {}).get(STATEMENT)):
        check_publisher(registration, unverified[STATEMENT])
        registration.statement = read_statement(unverified, now)[1]
    given = {**unverified, **(registration.statement or {})}
    metadata = _settled(given, Terms.load(registration.terms), means, client.client_metadata)
    onboarding.change_client(client, metadata, now, fetch_sector=_sector(means), actor=ACTOR)
    needs_secret = metadata["token_endpoint_auth_method"] in onboarding.SECRET_METHODS and not onboarding.live_secrets(client, now)
    secret = onboarding.rotate_secret(client, now, seals=means.seals, actor=ACTOR) if needs_secret else None
    return Registered(client, held.token, secret)


def check_publisher(registration: Registration, statement: Any) -> None:
    """ours: what a publisher fixed, another one does not undo. Raises SoftwareStatementError."""
    before = (registration.statement or {}).get(STATEMENT)
    if before is not None and unverified_issuer(statement) != unverified_issuer(before):
        raise SoftwareStatementError("this client has a software statement of another publisher", "unapproved_software_statement")


def check_replacement(client: OAuthClient, unverified: Mapping[str, Any], now: datetime) -> None:
    """RFC 7592 section 2.2: who it is, and nothing that is MAG's to say; a secret is shown, never chosen."""
    if unverified.get("client_id") != client.client_id:
        raise InvalidClientMetadataError("client_id must be the one of this client")
    if sent := [name for name in NEVER_SENT if name in unverified]:
        raise InvalidClientMetadataError(f"{sent[0]} cannot be sent")
    secret = unverified.get("client_secret")
    if secret is None:
        return
    shown = digest(secret) if isinstance(secret, str) else ""
    matches = [hmac.compare_digest(shown, one.secret_hash) for one in onboarding.live_secrets(client, now)]
    if not any(matches):
        raise InvalidClientMetadataError("client_secret is not the one of this client")


def remove(client: OAuthClient, now: datetime, *, actor: str = ACTOR) -> None:
    """RFC 7592 section 2.3: the client, its secrets, what people agreed to and the tokens it renews; its identifier is not used again."""
    RefreshFamily.close_client(client.client_id, "client_deleted", now)
    Consent.forget_client(client.client_id)
    journal.record(
        PartenaireChanged(partenaire=client.partenaire.code, change="client deleted", client_id=client.client_id, actor=actor), now
    )
    db.session.delete(client)
    db.session.flush()
    onboarding.tell_every_registry()


def purge(now: datetime) -> int:
    """Remove clients that have ended; how many."""
    ended = OAuthClient.ended(now)
    for client in ended:
        remove(client, now, actor="purge")
    return len(ended)
