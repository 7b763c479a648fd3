"""Software statements: metadata that a publisher signed (RFC 7591 section 2.3).

The algorithm and the keys are those registered for the publisher, never those the statement names (RFC 8725 section 3.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from joserfc.jwk import KeySet

from idp.errors import RefusedError
from idp.oidc.jose import SKEW, UNREADABLE, Compact, UnreadableError

LONGEST = 16 * 1024
"""Characters."""
CLAIMS = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""Of RFC 7519: they are not metadata."""


class SoftwareStatementError(RefusedError):
    """RFC 7591 section 3.2.2. `error` is `invalid_software_statement` or `unapproved_software_statement`."""

    code = "declaration_logiciel"
    number = "M600003"
    remedy = "Partenaire : la déclaration de logiciel doit être signée par un éditeur connu de MAG."

    def __init__(self, reason: str, error: str = "invalid_software_statement") -> None:
        super().__init__(reason, public=reason)
        self.error = error


@dataclass(frozen=True, slots=True)
class Trusted:
    """A publisher whose statements are believed, and how they must be signed."""

    iss: str
    alg: str
    jwks: Mapping[str, Any]


def unverified_issuer(statement: Any) -> str:
    """Who says it wrote it. Raises SoftwareStatementError."""
    unverified = _unverified(statement)
    if unverified.brings_keys:
        raise SoftwareStatementError("the software statement brings keys or extensions")
    try:
        issuer = unverified.claims().get("iss")
    except UnreadableError:
        raise SoftwareStatementError("the software statement is not a JWT") from None
    if not isinstance(issuer, str) or not 0 < len(issuer) <= 300:
        raise SoftwareStatementError("the software statement has no iss")
    return issuer


def _unverified(statement: Any) -> Compact:
    try:
        return Compact.read(statement if isinstance(statement, str) else "", LONGEST)
    except UnreadableError:
        raise SoftwareStatementError("the software statement is not a JWT") from None


def verified_members(statement: str, trusted: Trusted, now: datetime) -> dict[str, Any]:
    """The metadata it fixes. Raises SoftwareStatementError."""
    try:
        keys = KeySet.import_key_set(cast(Any, dict(trusted.jwks)))
    except UNREADABLE:
        raise SoftwareStatementError("the signature of the software statement is wrong") from None
    claims = _unverified(statement).verified([keys], [trusted.alg])
    if claims is None:
        raise SoftwareStatementError("the signature of the software statement is wrong")
    _check_time(claims, now.timestamp())
    return {name: value for name, value in claims.items() if name not in CLAIMS}


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    """RFC 7519 sections 4.1.4 and 4.1.5; a statement may live long, and need not say how long."""
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SoftwareStatementError(f"{name} of the software statement is not a date")
    if "exp" in claims and claims["exp"] <= now - SKEW:
        raise SoftwareStatementError("the software statement has expired")
    if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + SKEW:
        raise SoftwareStatementError("the software statement is not valid yet")
