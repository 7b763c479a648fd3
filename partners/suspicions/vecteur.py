"""A token as two bodies speak of it: by its `jti`, or whole. What MAG can say of it, for either body of its agreement alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from idp.audit.traces import chainage
from idp.audit.traces.empreinte import Ligne
from idp.database import Connections
from idp.habilitations.pagm import Convention
from idp.keys import Keyring
from idp.oidc.alive import Alive
from idp.oidc.client_auth import Clients
from idp.oidc.tokens import Handle, Reader
from idp.oidc.vecteurs import day
from idp.seals import UnsealError, digest, unb64
from partners.saml.telling import VECTOR, VECTOR_ID

LONGEST = 8192
"""Characters of a token."""


@dataclass(frozen=True, slots=True)
class Vecteur:
    """A token that MAG made under an agreement."""

    empreinte: str
    convention: Convention
    lignes: tuple[Ligne, ...]
    handle: Handle | None
    """What it hangs on, when its `jti` still opens."""
    signature: str
    """`valide`, or `non_presentee` when the `jti` alone was given."""

    @property
    def contenu(self) -> Mapping[str, Any]:
        """What was kept when it was made."""
        return orjson.loads(self.lignes[0].contenu)  # type: ignore[no-any-return]  # an object, as `append` wrote it

    @property
    def declarant_id(self) -> int | None:
        return self.handle.declarant_id or None if self.handle else None


class Recherche:
    """Finds tokens, for one process."""

    def __init__(self, connections: Connections, keyring: Keyring, reader: Reader, alive: Alive | None, clients: Clients) -> None:
        self.connections, self.keyring, self.reader, self.alive, self.clients = connections, keyring, reader, alive, clients

    def find(self, unverified: str, partenaire: str = "") -> Vecteur | None:
        """By a `jti` or a whole token; `partenaire`: one of the two bodies, else it does not exist. None for any other text."""
        text = unverified.strip()
        token = self.reader.issued(text) if 0 < len(text) <= LONGEST else None
        jti = str(token.claims["jti"]) if token else text
        lignes = chainage.of_vector(self.connections, digest(jti)) if jti and (token or "." not in jti) else []
        convention = self.clients.conventions().named(lignes[0].chaine) if lignes else None
        if convention is None or (partenaire and partenaire not in (convention.client, convention.fournisseur)):
            return None
        return Vecteur(digest(jti), convention, tuple(lignes), self._handle(jti), "valide" if token else "non_presentee")

    def _handle(self, jti: str) -> Handle | None:
        """Of an access token; an ID token, and an assertion, name their person otherwise."""
        for purpose, sealed in (("jti", jti), ("id-token", jti), (VECTOR, jti.removeprefix(VECTOR_ID))):
            try:
                raw = self.keyring.open(purpose, unb64(sealed))
                return Handle.load(raw) if purpose == "jti" else Handle(int(raw))
            except (UnsealError, ValueError):
                continue
        return None

    def told(self, found: Vecteur, now: datetime) -> dict[str, Any]:
        """InterOPS's two halves of an answer: the verification of the vector, and the trace kept of it."""
        kept = found.contenu
        return {
            "verification_vi": {
                "signature": found.signature,
                "convention": found.convention.code,
                "convention_en_vigueur": found.convention.in_force(day(now)),
                "client": found.convention.client,
                "fournisseur": found.convention.fournisseur,
                "etat": self._state(found, kept, now),
            },
            "trace_applicative": [
                {
                    "rang": ligne.rang,
                    "date": ligne.at.isoformat(timespec="microseconds"),
                    "nature": ligne.nature,
                    "contenu": ligne.contenu,
                    "precedent": ligne.precedent,
                    "empreinte": ligne.empreinte,
                }
                for ligne in found.lignes
            ],
        }

    def _state(self, found: Vecteur, kept: Mapping[str, Any], now: datetime) -> str:
        if kept.get("exp", 0) <= now.timestamp():
            return "expire"
        if not found.convention.in_force(day(now)):
            return "convention_finie"
        handle = found.handle
        if handle and handle.family_id and self.alive and not self.alive.stands(handle, kept.get("iat", 0))[0]:
            return "revoque"
        return "en_cours"
