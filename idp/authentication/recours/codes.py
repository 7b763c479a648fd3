"""The code that an administrator hands over: 12 characters that nobody misreads, 60 bits, of which a keyed digest is kept."""

import secrets
from dataclasses import dataclass, field

from idp.seals import Seals

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O, U."""
LENGTH, GROUP = 12, 4
LIKE = str.maketrans({"I": "1", "L": "1", "O": "0"})


@dataclass(frozen=True, slots=True)
class Code:
    """As it is compared: without spaces, in capitals."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, typed: str) -> "Code | None":
        """What a person typed, however they wrote it; None when it cannot be a code."""
        text = "".join(c for c in typed.upper() if c.isalnum()).translate(LIKE)
        return cls(text) if len(text) == LENGTH and set(text) <= set(ALPHABET) else None

    def hash(self, seals: Seals) -> str:
        """How it is kept, under the current master secret."""
        return seals.mac("recours", self.text.encode()).hex()

    def hashes(self, seals: Seals) -> list[str]:
        """Under every master secret: to find what an older one kept."""
        return [mac.hex() for mac in seals.macs("recours", self.text.encode())]


def new_code() -> Code:
    return Code("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))


def shown(text: str) -> str:
    """`K7QM 2XPA 9F4D`."""
    return " ".join(text[at : at + GROUP] for at in range(0, LENGTH, GROUP))
