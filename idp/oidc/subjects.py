"""`sub`: who a person is for one partner. OpenID Connect Core section 8.1.

Pairwise by sector, computed and never stored; or the public identifier. A partner that comes from another provider keeps the
subjects it knows: they are imported, and a sector without imports costs no query. One with imports costs a query for each
person a process has not met since the last import.
"""

from dataclasses import dataclass, field

from idp.database import Connections, Kept, Versions
from idp.keys import Keyring
from idp.oidc.client import Client
from idp.oidc.models import IMPORTED_SECTORS, IMPORTED_SUBJECT
from idp.seals import b64, mac_under

VERSION = "subjects"
"""Name of the number that says imports changed."""
KNOWN_LIMIT = 50_000
"""Persons of whom a process remembers what was imported."""


@dataclass(frozen=True, slots=True)
class Imports:
    """Sectors that have imports, and what was looked up since."""

    sectors: frozenset[str]
    known: dict[tuple[str, str], str | None] = field(default_factory=dict)


class Subjects:
    """Names persons for clients, for one process."""

    def __init__(self, connections: Connections, versions: Versions, keyring: Keyring) -> None:
        self.connections, self.keyring = connections, keyring
        self._imports = Kept(versions, VERSION, self._load)

    def _load(self) -> Imports:
        return Imports(frozenset(row[0] for row in self.connections.all(IMPORTED_SECTORS)))

    def of(self, client: Client, uid: str) -> str:
        """The subject of a person for a client."""
        if client.subject_type == "public":
            return uid
        return self._imported(client.sector, uid) or pairwise(self.keyring, client.sector, uid)

    def _imported(self, sector: str, uid: str) -> str | None:
        imports = self._imports()
        if sector not in imports.sectors:
            return None
        if (sector, uid) not in imports.known:
            if len(imports.known) >= KNOWN_LIMIT:
                imports.known.clear()
            row = self.connections.one(IMPORTED_SUBJECT, of_sector=sector, of_uid=uid)
            imports.known[sector, uid] = row[0] if row else None
        return imports.known.get((sector, uid))


def pairwise(keyring: Keyring, sector: str, uid: str) -> str:
    """The same for one sector always, and nothing that two sectors could compare."""
    return b64(mac_under(keyring.published().pairwise_salt)(f"{sector}|{uid}".encode()))
