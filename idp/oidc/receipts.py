"""Whether a receipt is MAG's: a compact JWS signed by a key that is still published, or the very one that MAG kept (facts 23, 44, 45).

Signing keys leave the published set a day after their last use; receipts are kept for years, so that a copy that MAG kept is a
proof too. Those of declarations are their partners' to keep, and the journal names them. What is read is never trusted before.
Left out on purpose: tokens, which are no receipts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from idp.declarants.parcours import recu
from idp.declarants.parcours.models import RecuInscription
from idp.declarants.parcours.recu import TYP
from idp.entreprises.siret import InvalidSiretError, Siret
from idp.keys import PublishedKeys
from idp.oidc import attestations
from idp.oidc.jose import Compact, UnreadableError

LONGEST = 16 * 1024
"""Characters."""
ALGORITHMS = ("ES256",)


class Proof(StrEnum):
    """Why it is genuine."""

    CLE = "cle"
    COPIE = "copie"


@dataclass(frozen=True, slots=True)
class Genuine:
    """What the receipt says, and why it is believed."""

    claims: Mapping[str, Any]
    proof: Proof
    typ: str

    @property
    def facts(self) -> list[tuple[str, str]]:
        """In words."""
        return attestations.facts(self.claims) if self.typ == attestations.TYP else recu.facts(self.claims)


def genuine(published: PublishedKeys, issuer: str, unverified_text: str) -> Genuine | None:
    """None for whatever is not a receipt of this issuer, whole and unchanged."""
    text = "".join(unverified_text.split())
    try:
        unverified = Compact.read(text, LONGEST)
        said = unverified.claims()
    except UnreadableError:
        return None
    if not unverified.is_acceptable or unverified.header.get("typ") not in (TYP, attestations.TYP) or said.get("iss") != issuer:
        return None
    claims = unverified.verified([published.keyset], ALGORITHMS)
    if claims is not None:
        return Genuine(claims, Proof.CLE, unverified.header["typ"])
    kept = _kept(said, text)
    return Genuine(kept.claims, Proof.COPIE, TYP) if kept is not None else None


def _kept(said: Mapping[str, Any], text: str) -> RecuInscription | None:
    """Ours: found by the whole text among those of the establishment; names change, as that of a namesake who comes in."""
    siret = said.get("siret")
    try:
        return RecuInscription.written(Siret.parse(siret), text) if isinstance(siret, str) else None
    except InvalidSiretError:
        return None
