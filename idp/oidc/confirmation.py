"""What a token is bound to: the key or the certificate that whoever uses it must hold.

RFC 7800 section 3.1, RFC 9449 section 6.1, RFC 8705 section 3.1. How possession is shown is `possession.py`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One of them at least; a client that asks for both has tokens that need both."""

    jkt: str = ""
    """RFC 7638 thumbprint of a DPoP key, SHA-256."""
    x5t: str = ""
    """SHA-256 of a client certificate, as `x5t#S256`."""

    @property
    def claim(self) -> dict[str, str]:
        """The value of `cnf`."""
        return {name: value for name, value in (("jkt", self.jkt), ("x5t#S256", self.x5t)) if value}

    @property
    def key(self) -> str:
        """One thumbprint for all: a key is not a certificate, so none stands for another."""
        return self.jkt or self.x5t

    @classmethod
    def read(cls, claim: Mapping[str, Any] | None) -> Self | None:
        """Of a `cnf` that MAG wrote; None when a token is bound to nothing."""
        return cls(claim.get("jkt", ""), claim.get("x5t#S256", "")) if claim else None


def token_type(confirmation: Confirmation | None) -> str:
    """RFC 9449 section 5; a token bound to a certificate is still called Bearer (RFC 8705 section 3)."""
    return "DPoP" if confirmation is not None and confirmation.jkt else "Bearer"


def confirmed(confirmation: Confirmation | None) -> dict[str, Any]:
    """What an access token says of it."""
    return {"cnf": confirmation.claim} if confirmation is not None else {}
