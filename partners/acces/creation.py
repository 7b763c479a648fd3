"""Making a signed link, and ending it, as a partner's software asks. Nothing here commits.

ours: at most 30 days, 7 when nothing is said. Who it is for is a hint: a SIRET, or a `sub` that the caller knows the person by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from idp.audit import journal
from idp.database import db
from idp.entreprises.siret import InvalidSiretError, Siret
from idp.oidc.client import Client
from idp.oidc.resources import InvalidTargetError
from idp.oidc.wire import UnreadableRequestError
from partners.acces.chemin import holder, of_partner
from partners.acces.events import LienCreated, LienRevoked
from partners.acces.models import Lien
from partners.acces.refus import RessourceIllisibleError
from partners.acces.signature import new_identifier
from partners.models import Partenaire

MEMBERS = frozenset({"ressource", "siret", "sub", "expires_in", "usage_unique", "libelle"})
SHORTEST, USUAL, LONGEST = timedelta(minutes=1), timedelta(days=7), timedelta(days=30)
LABEL = 80
"""Characters of `libelle`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A link to make, as it was asked and read."""

    ressource: str
    siret: int | None
    sub: str | None
    lifetime: timedelta
    usage_unique: bool
    libelle: str | None


def malformed(reason: str) -> UnreadableRequestError:
    return UnreadableRequestError(reason, 400)


def read(given: Mapping[str, Any]) -> Wanted:
    """The body of a request. Raises UnreadableRequestError."""
    if given.keys() - MEMBERS:
        raise malformed(f"unknown member; known ones are {', '.join(sorted(MEMBERS))}")
    if "siret" in given and "sub" in given:
        raise malformed("siret or sub, not both")
    usage_unique, ressource = given.get("usage_unique", False), given.get("ressource")
    if not isinstance(usage_unique, bool):
        raise malformed("usage_unique must be true or false")
    if not isinstance(ressource, str):
        raise malformed("ressource is required")
    sub, libelle = _text(given, "sub", 255), _text(given, "libelle", LABEL)
    lifetime, siret = _lifetime(given), _siret(given)
    return Wanted(ressource=ressource, siret=siret, sub=sub, lifetime=lifetime, usage_unique=usage_unique, libelle=libelle)


def _text(given: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable()):
        raise malformed(f"{name} must be a text of 1 to {longest} printable characters")
    return value


def _siret(given: Mapping[str, Any]) -> int | None:
    value = given.get("siret")
    if value is None:
        return None
    try:
        return int(Siret.parse(value if isinstance(value, str) else ""))
    except InvalidSiretError:
        raise malformed("siret is not a SIRET") from None


def _lifetime(given: Mapping[str, Any]) -> timedelta:
    seconds, shortest, longest = given.get("expires_in", USUAL.total_seconds()), SHORTEST.total_seconds(), LONGEST.total_seconds()
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not shortest <= seconds <= longest:
        raise malformed(f"expires_in must be a number of seconds between {int(shortest)} and {int(longest)}")
    return timedelta(seconds=int(seconds))


def make(caller: Client, clients: Iterable[Client], wanted: Wanted, now: datetime) -> Lien:
    """A link to a resource of the caller's partner. Raises InvalidTargetError."""
    try:
        held = holder(of_partner(clients, caller.partenaire), wanted.ressource)
    except RessourceIllisibleError:
        held = None
    partenaire = Partenaire.with_code(caller.partenaire)
    if held is None or partenaire is None:
        raise InvalidTargetError(description="ressource is not under a link_prefixes of this partner")
    lien = Lien(
        id=new_identifier(),
        partenaire_id=partenaire.id,
        client_id=caller.client_id,
        ressource=wanted.ressource,
        siret=wanted.siret,
        sub=wanted.sub,
        libelle=wanted.libelle,
        usage_unique=wanted.usage_unique,
        created_at=now,
        expires_at=now + wanted.lifetime,
    )
    db.session.add(lien)
    event = LienCreated(lien=lien.id, host=urlsplit(wanted.ressource).netloc, client_id=caller.client_id, siret=wanted.siret)
    journal.record(event, now)
    db.session.flush()
    return lien


def revoke(lien: Lien, now: datetime, *, client_id: str | None = None, actor: str | None = None) -> bool:
    """It leads nowhere from now on; False when it was so already."""
    if lien.revoked_at is not None:
        return False
    lien.revoked_at = now
    journal.record(LienRevoked(lien=lien.id, client_id=client_id or lien.client_id, siret=lien.siret, actor=actor), now)
    db.session.flush()
    return True
