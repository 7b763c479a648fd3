"""Whom an event is about, named in the ways that were agreed with its transmitter, and in no other.

Implements RFC 9493 sections 3.2.3 (`iss_sub`) and 3.2.4 (`opaque`). Left out on purpose: `email`, `phone_number`, `account` and `uri`,
which name an address and not a person; whoever holds the address might not be whom the transmitter means.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from joserfc.jwk import KeySet

from idp.database import db
from idp.declarants.models import Declarant
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.reception.models import Emetteur
from idp.oidc.signals.models import KnownSubject

LONGEST = 255


class Sujet(StrEnum):
    """How a transmitter may name people."""

    MAG = "mag"
    COMPTE = "compte"
    OPAQUE = "opaque"


SUJETS = {
    Sujet.MAG: "iss_sub : MAG, et le sub que MAG a donné à ses clients",
    Sujet.COMPTE: "iss_sub : l'émetteur, et le compte associé",
    Sujet.OPAQUE: "opaque : le compte associé",
}


class Registre(Protocol):
    """What is known of a transmitter beside its row: who owns it, its keys, the accounts that people linked."""

    def lives(self, emetteur: Emetteur) -> bool:
        """Whether its owner is in service."""

    def keys(self, emetteur: Emetteur, kid: str | None) -> KeySet | None: ...

    def holder(self, emetteur: Emetteur, compte: str) -> int | None:
        """Number of the person who linked this account of the owner's."""


class UnagreedError(Exception):
    """Named in a way that was not agreed with this transmitter."""


def person_named(emetteur: Emetteur, subject: Mapping[str, Any], issuer: str, clients: Clients, registre: Registre) -> Declarant | None:
    """None for somebody whom this transmitter does not know here, or whom a name leaves in doubt. Raises UnagreedError."""
    way, name = _way(emetteur, subject, issuer)
    if way not in emetteur.sujets:
        raise UnagreedError(way)
    found = _known(emetteur, name, clients) if way is Sujet.MAG else registre.holder(emetteur, name)
    return db.session.get(Declarant, found) if found is not None else None


def _way(emetteur: Emetteur, subject: Mapping[str, Any], issuer: str) -> tuple[Sujet, str]:
    form, issued_by = subject.get("format"), subject.get("iss")
    name = subject.get("id") if form == "opaque" else subject.get("sub")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST or not name.isprintable():
        raise UnagreedError("a subject without a name")
    if form == "opaque":
        return Sujet.OPAQUE, name
    if form == "iss_sub" and issued_by == issuer:
        return Sujet.MAG, name
    if form == "iss_sub" and issued_by == emetteur.issuer:
        return Sujet.COMPTE, name
    raise UnagreedError(str(form)[:20])


def _known(emetteur: Emetteur, sub: str, clients: Clients) -> int | None:
    """By the `sub` that MAG gave one of its partner's clients."""
    of_partner = [client.client_id for client in clients_of(emetteur, clients.every())]
    found = set(KnownSubject.named(of_partner, sub)) if of_partner else set()
    return found.pop() if len(found) == 1 else None


def clients_of(emetteur: Emetteur, clients: Iterable[Client]) -> list[Client]:
    """Those in service of the partner whose transmitter it is."""
    return [client for client in clients if emetteur.partenaire and client.partenaire == emetteur.partenaire]
