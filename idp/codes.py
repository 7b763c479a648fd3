"""Codes that people copy by hand: drawn, read however they were typed, shown in groups of four. Left out on purpose: their digests."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

GROUP = 4
LONGEST = 100
"""Characters typed that are looked at."""


@dataclass(frozen=True, slots=True)
class Codes:
    """One kind of code."""

    alphabet: str
    """Capitals and figures, none of which a person takes for another."""
    length: int
    separator: str = " "
    like: Mapping[str, str] = field(default_factory=dict)
    """What is read for another: a capital O for a zero."""

    def new(self) -> str:
        """As it is compared."""
        return "".join(secrets.choice(self.alphabet) for _ in range(self.length))

    def read(self, typed: str) -> str | None:
        """As it was made: case, spaces and dashes do not count. None when it cannot be a code."""
        letters = (self.like.get(c, c) for c in typed[:LONGEST].upper() if c.isalnum())
        text = "".join(letters)
        return text if len(text) == self.length and set(text) <= set(self.alphabet) else None

    def shown(self, text: str) -> str:
        """`K7QM 2XPA 9F4D`."""
        return self.separator.join(text[at : at + GROUP] for at in range(0, len(text), GROUP))
