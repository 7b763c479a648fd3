"""Changing the registry: partners, their clients, their secrets. Nothing here commits; each change is in the journal.

A change reaches every process within a second of the commit, at every endpoint: `registry.py` notices the version. Secrets are
256 random bits, shown once, kept as SHA-256; a client has two at most, so that a partner changes without a stop. Those of
`client_secret_jwt` are also kept sealed, since they check signatures.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from idp.audit import journal
from idp.audit.events import PartenaireChanged, SecretRotated
from idp.database import Version, db
from idp.errors import MagError, NotFoundError, RefusedError
from idp.oidc.client import Client
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from idp.oidc.signals.models import VERSION as SIGNALS_VERSION
from idp.seals import Seals, digest, random_token
from partners.models import ClientSecret, OAuthClient, Partenaire
from partners.outgoing import OutgoingRefusedError
from partners.registry import SEALED_FOR, VERSION
from partners.saml.registry import VERSION as SAML_VERSION

CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")
CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{3,100}")
SEALED_METHOD = "client_secret_jwt"
SECRET_METHODS = ("client_secret_basic", "client_secret_post", SEALED_METHOD)
METADATA_LIMIT = 64 * 1024
"""Bytes of one client's metadata."""
ID_TOKEN_ALG = "id_token_signed_response_alg"
PROPOSED_ALG = "ES256"
"""For who registers a client here without a word on it; RS256 is what the standard reads in that silence (RFC 7591 section 2)."""
ACTOR = "commande"
Sector = Callable[[str], Any]
"""Fetches a `sector_identifier_uri`: the JSON it holds."""


class RegistrationRefusedError(RefusedError):
    """The registry cannot be changed so; the message says why."""

    code = "inscription_partenaire"
    number = "M600006"
    remedy = "Exploitant : la phrase affichée dit quoi corriger."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


class UnknownPartenaireError(NotFoundError):
    """No partner, or no client, bears this name."""

    code = "partenaire_inconnu"
    number = "M600007"
    remedy = "Exploitant : vérifiez le code du partenaire avec mag partenaires lister."


def sentence_of(error: MagError) -> str:
    """Why, for an operator: a French sentence, then the reason, which quotes members in their own English."""
    if isinstance(error, InvalidClientMetadataError):
        return f"Métadonnées refusées : {error.public}"
    if isinstance(error, OutgoingRefusedError):
        return f"L'adresse sector_identifier_uri ne peut pas être lue : {error}"
    return error.public


def with_alg(metadata: Mapping[str, Any], alg: str | None) -> Mapping[str, Any]:
    """The metadata, its ID tokens signed so when it does not choose."""
    return metadata if alg is None or ID_TOKEN_ALG in metadata else {**metadata, ID_TOKEN_ALG: alg}


def partenaire_named(code: str) -> Partenaire:
    """Raises UnknownPartenaireError."""
    found = Partenaire.with_code(code)
    if found is None:
        raise UnknownPartenaireError(f"partenaire {code}", public=f"Aucun partenaire ne porte le code « {code} ».")
    return found


def client_named(client_id: str) -> OAuthClient:
    """Raises UnknownPartenaireError."""
    found = db.session.get(OAuthClient, client_id)
    if found is None:
        raise UnknownPartenaireError(f"client {client_id}", public=f"Aucun client ne porte l'identifiant « {client_id} ».")
    return found


def register_partenaire(code: str, nom: str, contact: str | None, now: datetime) -> Partenaire:
    """A new partner, without a client yet. Raises RegistrationRefusedError."""
    check_partenaire(code, nom)
    if Partenaire.with_code(code) is not None:
        raise RegistrationRefusedError(f"Le code « {code} » est déjà celui d'un partenaire.")
    partenaire = Partenaire(code=code, nom=nom, contact=contact, enabled=True, created_at=now, clients=[])
    db.session.add(partenaire)
    db.session.flush()
    _changed(partenaire, "registered", now)
    return partenaire


def check_partenaire(code: str, nom: str) -> None:
    if not CODE.fullmatch(code):
        raise RegistrationRefusedError(f"Le code « {code} » n'est pas valable : minuscules, chiffres et tirets, 60 caractères au plus.")
    if not nom.strip() or len(nom) > 120 or not nom.isprintable():
        raise RegistrationRefusedError(f"Le nom du partenaire « {code} » est vide, trop long ou illisible.")


def change_partenaire(partenaire: Partenaire, values: Mapping[str, Any], now: datetime) -> list[str]:
    """Change `nom` or `contact`; the names of what did change."""
    check_partenaire(partenaire.code, values.get("nom", partenaire.nom))
    changed = [name for name in ("nom", "contact") if name in values and getattr(partenaire, name) != values[name]]
    for name in changed:
        setattr(partenaire, name, values[name])
    if changed:
        _changed(partenaire, "changed", now, changes=changed)
    return changed


def register_client(
    partenaire: Partenaire,
    metadata: Mapping[str, Any],
    now: datetime,
    *,
    client_id: str | None = None,
    secret: str | None = None,
    secret_hashes: Sequence[str] | None = None,
    fetch_sector: Sector | None = None,
    seals: Seals | None = None,
    actor: str = ACTOR,
) -> tuple[OAuthClient, str | None]:
    """A new client and, for a method with a secret, its secret: shown now or never.

    `secret` or `secret_hashes`: what is known elsewhere, itself or as digests; none is made then. `seals` are needed by
    `client_secret_jwt`. Raises InvalidClientMetadataError for its metadata (RFC 7591 section 3.2.2), RegistrationRefusedError
    for the rest.
    """
    client_id = client_id or f"{partenaire.code}-{random_token(9)}"
    if not CLIENT_ID.fullmatch(client_id):
        raise RegistrationRefusedError(f"L'identifiant « {client_id} » n'est pas valable : 3 à 100 lettres, chiffres ou « . - _ ~ ».")
    if db.session.get(OAuthClient, client_id) is not None:
        raise RegistrationRefusedError(f"L'identifiant « {client_id} » est déjà celui d'un client.")
    read = check_metadata(client_id, metadata, fetch_sector)
    row = OAuthClient(
        client_id=client_id,
        partenaire_id=partenaire.id,
        enabled=True,
        client_metadata=dict(metadata),
        created_at=now,
        updated_at=now,
        secrets=[],
    )
    partenaire.clients.append(row)
    db.session.flush()
    _changed(partenaire, "client registered", now, client=row, actor=actor)
    if read.token_endpoint_auth_method not in SECRET_METHODS:
        return row, None
    if secret is not None:
        _add_secret(row, secret, now, seals, actor)
        return row, None
    if secret_hashes is not None:
        set_secrets(row, secret_hashes, now)
        return row, None
    return row, rotate_secret(row, now, seals=seals, actor=actor)


def check_metadata(client_id: str, metadata: Mapping[str, Any], fetch_sector: Sector | None = None) -> Client:
    """The client this metadata makes. Raises InvalidClientMetadataError."""
    check_storable(metadata)
    read = read_client(client_id, metadata)
    uri = metadata.get("sector_identifier_uri")
    if uri and fetch_sector is not None:
        check_sector(read, fetch_sector(uri))
    return read


def check_sector(client: Client, declared: Any) -> None:
    """OpenID Connect Core section 8.1, and CIBA Core section 4 where nobody is redirected: no address listed, no sector proved."""
    own = set(client.redirect_uris) or {client.jwks_uri}
    if not isinstance(declared, list) or not own <= {u for u in declared if isinstance(u, str)}:
        raise InvalidClientMetadataError("sector_identifier_uri does not list every redirect URI, or without any the jwks_uri")


def check_storable(metadata: Mapping[str, Any]) -> None:
    """Both databases must keep it as it is: JSON, without the NUL that PostgreSQL refuses."""
    try:
        text = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()
        orjson.dumps(metadata)  # what tells it again refuses deeper objects than what reads it
    except (TypeError, ValueError, RecursionError):
        raise InvalidClientMetadataError("the metadata is not JSON") from None
    if len(text) > METADATA_LIMIT or rb"\u0000" in text:
        raise InvalidClientMetadataError("the metadata is too large, or holds a forbidden character")


def change_client(
    client: OAuthClient, metadata: Mapping[str, Any], now: datetime, *, fetch_sector: Sector | None = None, actor: str = ACTOR
) -> list[str]:
    """Replace the metadata; the names of the members that changed. Raises InvalidClientMetadataError.

    A secret that the method no longer uses, or cannot, is erased; a client that needs one and has none gets it by `rotate_secret`.
    """
    old = dict(client.client_metadata)
    read = check_metadata(client.client_id, metadata, fetch_sector)
    changed = sorted(name for name in old.keys() | metadata.keys() if old.get(name) != metadata.get(name))
    if not changed:
        return []
    client.client_metadata, client.updated_at = dict(metadata), now
    _fit_secrets(client, read.token_endpoint_auth_method)
    _changed(client.partenaire, "client changed", now, client=client, changes=changed, actor=actor)
    return changed


def _fit_secrets(client: OAuthClient, method: str) -> None:
    """Keep of the secrets what the method uses: the digest for most, the secret itself for one."""
    for secret in list(client.secrets):
        if method not in SECRET_METHODS or (method == SEALED_METHOD and secret.secret_sealed is None):
            client.secrets.remove(secret)
        elif method != SEALED_METHOD:
            secret.secret_sealed = None


def switch(target: Partenaire | OAuthClient, now: datetime, *, enabled: bool) -> bool:
    """Stop, or start again, a client or all the clients of a partner; False when it was so already."""
    if target.enabled is enabled:
        return False
    target.enabled = enabled
    word = "enabled" if enabled else "disabled"
    if isinstance(target, OAuthClient):
        _changed(target.partenaire, f"client {word}", now, client=target)
    else:
        _changed(target, word, now)
    return True


def rotate_secret(
    client: OAuthClient, now: datetime, *, overlap: timedelta | None = None, seals: Seals | None = None, actor: str = ACTOR
) -> str:
    """A new secret, shown now or never. The one before lives `overlap` longer (None: until it is retired), older ones end.

    Raises RegistrationRefusedError for a client that does not authenticate with a secret.
    """
    if client.client_metadata.get("token_endpoint_auth_method", "client_secret_basic") not in SECRET_METHODS:
        raise RegistrationRefusedError(f"Le client « {client.client_id} » ne s'authentifie pas par un secret.")
    for old in live_secrets(client, now)[:-1]:
        client.secrets.remove(old)
    for ended in [s for s in client.secrets if s.expires_at is not None and s.expires_at <= now]:
        client.secrets.remove(ended)
    if overlap is not None:
        for previous in client.secrets:
            previous.expires_at = min(previous.expires_at or now + overlap, now + overlap)
    secret = random_token()
    _add_secret(client, secret, now, seals, actor)
    return secret


def retire_secrets(client: OAuthClient, now: datetime) -> int:
    """End every secret but the newest; how many."""
    kept = live_secrets(client, now)[-1:]
    retired = [s for s in client.secrets if s not in kept]
    for secret in retired:
        client.secrets.remove(secret)
    if retired:
        _changed(client.partenaire, "secret retired", now, client=client)
    return len(retired)


def set_secrets(client: OAuthClient, digests: Sequence[str], now: datetime) -> bool:
    """Make these digests the live secrets, one or two; False when they were already. Raises RegistrationRefusedError."""
    if client.client_metadata.get("token_endpoint_auth_method") == SEALED_METHOD:
        raise RegistrationRefusedError(f"Client « {client.client_id} » : {SEALED_METHOD} demande le secret lui-même, pas son condensat.")
    if not 1 <= len(set(digests)) <= 2 or not all(re.fullmatch("[0-9a-f]{64}", one) for one in digests):
        raise RegistrationRefusedError(f"Client « {client.client_id} » : un ou deux condensats SHA-256 en hexadécimal sont attendus.")
    if {s.secret_hash for s in live_secrets(client, now)} == set(digests):
        return False
    gone = [s for s in client.secrets if s.secret_hash not in digests]
    for secret in gone:
        client.secrets.remove(secret)
    if gone:
        _changed(client.partenaire, "secret retired", now, client=client)
    for one in dict.fromkeys(digests):
        if one not in {s.secret_hash for s in client.secrets}:
            _add_digest(client, ClientSecret(secret_hash=one, created_at=now), now)
    for kept in client.secrets:
        kept.expires_at = None
    return True


def live_secrets(client: OAuthClient, now: datetime) -> list[ClientSecret]:
    """Oldest first."""
    return sorted((s for s in client.secrets if s.expires_at is None or s.expires_at > now), key=lambda s: (s.created_at, s.id or 0))


def _add_secret(client: OAuthClient, secret: str, now: datetime, seals: Seals | None, actor: str) -> None:
    """One more, kept as its method needs it."""
    kept = ClientSecret(secret_hash=digest(secret), created_at=now)
    if client.client_metadata.get("token_endpoint_auth_method") == SEALED_METHOD:
        if seals is None:
            raise RegistrationRefusedError(f"Client « {client.client_id} » : {SEALED_METHOD} n'est pas possible ici.")
        kept.secret_sealed = seals.seal(SEALED_FOR, secret.encode(), client.client_id)
    _add_digest(client, kept, now, actor)


def _add_digest(client: OAuthClient, secret: ClientSecret, now: datetime, actor: str = ACTOR) -> None:
    if ClientSecret.is_known(secret.secret_hash):
        raise RegistrationRefusedError(f"Client « {client.client_id} » : ce secret est déjà celui d'un client.")
    client.secrets.append(secret)
    db.session.flush()
    journal.record(SecretRotated(partenaire=client.partenaire.code, client_id=client.client_id, actor=actor), now)
    Version.bump(VERSION)


def _changed(
    partenaire: Partenaire,
    change: str,
    now: datetime,
    *,
    client: OAuthClient | None = None,
    changes: Sequence[str] = (),
    actor: str = ACTOR,
) -> None:
    """One line of the journal, and every process is told."""
    journal.record(
        PartenaireChanged(
            partenaire=partenaire.code,
            change=change,
            changes=", ".join(changes) or None,
            client_id=client.client_id if client else None,
            actor=actor,
        ),
        now,
    )
    tell_every_registry()


def tell_every_registry() -> None:
    """Whatever is kept of partners and their sites is read again: clients, service providers of SAML, who hears which signals."""
    for name in (VERSION, SAML_VERSION, SIGNALS_VERSION):
        Version.bump(name)
