"""The address of a signed link: the identifier of its row, and 128 bits that only MAG can compute for this partner.

A link that was altered, or guessed, is refused before the database is asked. It says nothing by itself, and signs nobody in.
"""

import hmac
from urllib.parse import urlencode

from idp.seals import Seals, b64, random_token

PURPOSE = "acces-lien"
IDENTIFIER, SIGNATURE = 22, 16
"""Characters of the identifier, bytes of the signature."""


def new_identifier() -> str:
    return random_token(16)


def address(seals: Seals, issuer: str, code: str, identifier: str) -> str:
    """What the partner sends to people."""
    signature = b64(seals.mac(PURPOSE, _signed(code, identifier))[:SIGNATURE])
    return f"{issuer}/acces/{code}?{urlencode({'lien': identifier + signature})}"


def read(seals: Seals, code: str, unverified: str) -> str | None:
    """The identifier, when the signature is ours for this partner."""
    identifier, signature = unverified[:IDENTIFIER], unverified[IDENTIFIER:].encode("utf-8", "surrogatepass")
    expected = [b64(mac[:SIGNATURE]).encode() for mac in seals.macs(PURPOSE, _signed(code, identifier))]
    matches = [hmac.compare_digest(signature, one) for one in expected]
    return identifier if any(matches) else None


def _signed(code: str, identifier: str) -> bytes:
    return f"{code}|{identifier}".encode("utf-8", "surrogatepass")
