"""Clients brought from elsewhere: a JSON list in the terms of RFC 7591 section 2, with the identifiers and secrets they had.

Each client that is refused is named with the reason, and one refusal refuses the whole list: nothing is half done.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from idp.errors import RefusedError
from idp.seals import Seals
from partners import onboarding
from partners.declaration import DeclarationError
from partners.models import Partenaire
from partners.onboarding import RegistrationRefusedError, Sector
from partners.terms import ISSUED

MANY = 10_000
"""Clients one list may hold."""
SHORTEST_SECRET = 32
"""Characters of a secret brought from elsewhere."""
Made = tuple[str, str | None]
"""A client and the secret MAG made for it, if it did."""


def read_clients(text: bytes) -> list[Mapping[str, Any]]:
    """A JSON list of client metadata, or an object with such a list in `clients`. Raises DeclarationError."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DeclarationError([f"Ce fichier n'est pas du JSON : {error}"]) from None
    given = document.get("clients") if isinstance(document, dict) else document
    if not isinstance(given, list) or not 0 < len(given) <= MANY or not all(isinstance(one, dict) for one in given):
        raise DeclarationError(["Le fichier doit contenir une liste de clients, dans les termes de la RFC 7591."])
    return given


def import_clients(
    partenaire: Partenaire,
    given: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    fetch_sector: Sector | None = None,
    seals: Seals | None = None,
) -> list[Made]:
    """Register them all: identifiers and, where MAG made one, secrets. Raises DeclarationError naming every client it refuses."""
    made: list[Made] = []
    reasons = []
    for rank, one in enumerate(given, 1):
        try:
            made.append(_import_client(partenaire, one, now, fetch_sector, seals))
        except RefusedError as error:
            named = one.get("client_id") or one.get("client_name") or "sans nom"
            reasons.append(f"Client {rank} ({named}) : {onboarding.sentence_of(error)}")
    if reasons:
        raise DeclarationError(reasons)
    return made


def _import_client(
    partenaire: Partenaire, given: Mapping[str, Any], now: datetime, fetch_sector: Sector | None, seals: Seals | None
) -> Made:
    client_id, secret = given.get("client_id"), given.get("client_secret")
    if client_id is not None and not isinstance(client_id, str):
        raise RegistrationRefusedError("client_id doit être un texte.")
    known = None if secret is None else check_secret(secret)
    metadata = {name: value for name, value in given.items() if name not in ISSUED}
    row, made = onboarding.register_client(
        partenaire, metadata, now, client_id=client_id, secret=known, fetch_sector=fetch_sector, seals=seals
    )
    return row.client_id, made


def check_secret(unverified_secret: Any) -> str:
    """A secret that is kept as a plain digest must be random, hence long."""
    text = unverified_secret if isinstance(unverified_secret, str) else ""
    if len(text) < SHORTEST_SECRET or len(set(text)) < 10 or not text.isascii() or not text.isprintable():
        raise RegistrationRefusedError(f"client_secret doit compter au moins {SHORTEST_SECRET} caractères ASCII tirés au hasard.")
    return text
