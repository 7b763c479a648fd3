"""The code that an administrator hands over: 12 characters that nobody misreads, 60 bits, of which a keyed digest is kept."""

from dataclasses import dataclass, field

from idp.codes import Codes
from idp.seals import Seals

HANDED = Codes("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 12, like={"I": "1", "L": "1", "O": "0"})
"""Crockford's base 32: without I, L, O, U."""


@dataclass(frozen=True, slots=True)
class Code:
    """As it is compared: without spaces, in capitals."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, typed: str) -> "Code | None":
        """What a person typed, however they wrote it; None when it cannot be a code."""
        text = HANDED.read(typed)
        return cls(text) if text is not None else None

    @property
    def shown(self) -> str:
        """As an administrator reads it."""
        return HANDED.shown(self.text)

    def hash(self, seals: Seals) -> str:
        """How it is kept, under the current master secret."""
        return seals.mac("recours", self.text.encode()).hex()

    def hashes(self, seals: Seals) -> list[str]:
        """Under every master secret: to find what an older one kept."""
        return [mac.hex() for mac in seals.macs("recours", self.text.encode())]


def new_code() -> Code:
    return Code(HANDED.new())
