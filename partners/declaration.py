"""All the partners in one declarative TOML file, applied with its differences shown first.

The file says what must be; applying it twice changes nothing. Nothing is ever deleted: what the file does not name is listed,
and disabled only when asked. Members of a client are those of RFC 7591 section 2, and `OURS`.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from idp.database import db
from idp.errors import RefusedError
from idp.seals import Seals
from partners import onboarding
from partners.models import OAuthClient, Partenaire
from partners.onboarding import CLIENT_ID, RegistrationRefusedError, Sector

OURS = ("client_id", "actif", "secrets_sha256")
"""Members of a client that are not its metadata."""
OURS_OF_PARTENAIRE = ("code", "nom", "contact", "actif", "clients")


class DeclarationError(RefusedError):
    """The file cannot be applied; the message has one line a reason."""

    code = "declaration"
    number = "M600005"
    remedy = "Exploitant : corrigez le fichier des partenaires à l'endroit indiqué."

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons), public="\n".join(reasons))


@dataclass(frozen=True, slots=True)
class DeclaredClient:
    """One client as the file wants it."""

    client_id: str
    metadata: Mapping[str, Any]
    enabled: bool = True
    secret_hashes: tuple[str, ...] | None = None
    """None: MAG makes the secret when it registers the client, and says no more about it."""


@dataclass(frozen=True, slots=True)
class DeclaredPartenaire:
    """One partner as the file wants it."""

    code: str
    nom: str
    contact: str | None
    enabled: bool
    clients: tuple[DeclaredClient, ...]


@dataclass(slots=True)
class Applied:
    """What applying a file changed, in sentences; the secrets it made, shown once; what the file does not name."""

    changes: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)


def read_declaration(text: str) -> tuple[DeclaredPartenaire, ...]:
    """A TOML file. Raises DeclarationError with every reason found."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError([f"Ce fichier n'est pas du TOML : {error}"]) from None
    unknown = sorted(document.keys() - {"partenaires"})
    reasons = [f"« {name} » n'est pas attendu : le fichier contient des [[partenaires]]." for name in unknown]
    given = document.get("partenaires", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise DeclarationError(["Le fichier doit contenir des [[partenaires]]."])
    declared = tuple(_partenaire(one, reasons) for one in given)
    reasons += [f"Le partenaire « {code} » est déclaré deux fois." for code in _repeated([p.code for p in declared])]
    reasons += [f"Le client « {one} » est déclaré deux fois." for one in _repeated([c.client_id for p in declared for c in p.clients])]
    if reasons:
        raise DeclarationError(reasons)
    return declared


def _partenaire(given: Mapping[str, Any], reasons: list[str]) -> DeclaredPartenaire:
    code, nom, contact = (given.get(name, "") for name in ("code", "nom", "contact"))
    reasons += [f"Partenaire « {code} » : « {name} » n'est pas attendu." for name in sorted(given.keys() - set(OURS_OF_PARTENAIRE))]
    if not all(isinstance(value, str) for value in (code, nom, contact)) or not isinstance(given.get("actif", True), bool):
        reasons.append(f"Partenaire « {code} » : code, nom et contact sont des textes, actif vaut true ou false.")
        return DeclaredPartenaire(str(code), str(nom), None, enabled=True, clients=())
    try:
        onboarding.check_partenaire(code, nom)
    except RegistrationRefusedError as error:
        reasons.append(error.public)
    clients = given.get("clients", [])
    if not isinstance(clients, list) or not all(isinstance(one, dict) for one in clients):
        reasons.append(f"Partenaire « {code} » : les clients sont des [[partenaires.clients]].")
        clients = []
    return DeclaredPartenaire(code, nom, contact or None, given.get("actif", True), tuple(_client(code, one, reasons) for one in clients))


def _client(code: str, given: Mapping[str, Any], reasons: list[str]) -> DeclaredClient:
    client_id, enabled, hashes = given.get("client_id", ""), given.get("actif", True), given.get("secrets_sha256")
    metadata = {name: value for name, value in given.items() if name not in OURS}
    if not isinstance(client_id, str) or not CLIENT_ID.fullmatch(client_id):
        reasons.append(f"Partenaire « {code} » : chaque client a un client_id de 3 à 100 lettres, chiffres ou « . - _ ~ ».")
        client_id = str(client_id)
    if not isinstance(enabled, bool) or not (hashes is None or (isinstance(hashes, list) and all(isinstance(h, str) for h in hashes))):
        reasons.append(f"Client « {client_id} » : actif vaut true ou false, secrets_sha256 est une liste de textes.")
        enabled, hashes = True, None
    try:
        onboarding.check_metadata(client_id, metadata)
    except RefusedError as error:
        reasons.append(f"Client « {client_id} » : {onboarding.sentence_of(error)}")
    return DeclaredClient(client_id, metadata, enabled, None if hashes is None else tuple(hashes))


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def apply(
    declared: Sequence[DeclaredPartenaire],
    now: datetime,
    *,
    disable_absent: bool = False,
    fetch_sector: Sector | None = None,
    seals: Seals | None = None,
) -> Applied:
    """Make the registry what the file says. To show only, roll back. Raises RefusedError, and then the caller rolls back."""
    applied = Applied()
    for one in declared:
        partenaire = _apply_partenaire(one, now, applied)
        for client in one.clients:
            _apply_client(partenaire, client, now, applied, fetch_sector, seals)
    for absent, name in _absent(declared):
        applied.absent.append(name)
        if disable_absent and onboarding.switch(absent, now, enabled=False):
            applied.changes.append(f"- {name} : désactivé, car absent du fichier")
    return applied


def _apply_partenaire(one: DeclaredPartenaire, now: datetime, applied: Applied) -> Partenaire:
    partenaire = Partenaire.with_code(one.code)
    name = f"partenaire {one.code}"
    if partenaire is None:
        partenaire = onboarding.register_partenaire(one.code, one.nom, one.contact, now)
        applied.changes.append(f"+ {name} : {one.nom}")
    elif changed := onboarding.change_partenaire(partenaire, {"nom": one.nom, "contact": one.contact}, now):
        applied.changes.append(f"~ {name} : {', '.join(changed)}")
    _apply_state(partenaire, one.enabled, name, now, applied)
    return partenaire


def _apply_client(
    partenaire: Partenaire, one: DeclaredClient, now: datetime, applied: Applied, fetch_sector: Sector | None, seals: Seals | None
) -> None:
    client, name = db.session.get(OAuthClient, one.client_id), f"client {one.client_id}"
    if client is not None and client.partenaire_id != partenaire.id:
        raise RegistrationRefusedError(f"Le client « {one.client_id} » appartient au partenaire « {client.partenaire.code} ».")
    if client is None:
        client, secret = onboarding.register_client(
            partenaire,
            one.metadata,
            now,
            client_id=one.client_id,
            secret_hashes=one.secret_hashes,
            fetch_sector=fetch_sector,
            seals=seals,
        )
        applied.changes.append(f"+ {name}")
        if secret:
            applied.secrets[one.client_id] = secret
    else:
        before = dict(client.client_metadata)
        changed = onboarding.change_client(client, one.metadata, now, fetch_sector=fetch_sector)
        applied.changes += [f"~ {name} : {m} : {_shown(before.get(m))} → {_shown(one.metadata.get(m))}" for m in changed]
        applied.changes += _apply_secrets(client, one, name, now, applied, seals)
    _apply_state(client, one.enabled, name, now, applied)


def _apply_secrets(
    client: OAuthClient, one: DeclaredClient, name: str, now: datetime, applied: Applied, seals: Seals | None
) -> Iterator[str]:
    """The secrets the file names; or one for a client that now needs its first."""
    needed = one.metadata.get("token_endpoint_auth_method", "client_secret_basic") in onboarding.SECRET_METHODS
    if needed and one.secret_hashes is not None:
        if onboarding.set_secrets(client, one.secret_hashes, now):
            yield f"~ {name} : secrets"
    elif needed and not onboarding.live_secrets(client, now):
        applied.secrets[one.client_id] = onboarding.rotate_secret(client, now, seals=seals)
        yield f"~ {name} : premier secret"


def _apply_state(target: Partenaire | OAuthClient, enabled: bool, name: str, now: datetime, applied: Applied) -> None:
    if onboarding.switch(target, now, enabled=enabled):
        applied.changes.append(f"~ {name} : {'réactivé' if enabled else 'désactivé'}")


def _shown(value: Any) -> str:
    return "absent" if value is None else orjson.dumps(value).decode()


def _absent(declared: Sequence[DeclaredPartenaire]) -> Iterator[tuple[Partenaire | OAuthClient, str]]:
    """Enabled partners, and enabled clients of the partners that are named, that the file does not name."""
    clients = {p.code: {c.client_id for c in p.clients} for p in declared}
    for partenaire in Partenaire.every():
        if partenaire.code not in clients:
            if partenaire.enabled:
                yield partenaire, f"partenaire {partenaire.code}"
            continue
        for client in partenaire.clients:
            if client.enabled and client.client_id not in clients[partenaire.code]:
                yield client, f"client {client.client_id}"
