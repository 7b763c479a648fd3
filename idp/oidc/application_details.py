"""Authorization details of type `urn:mag:interops`: an application asks, for itself, for less than what an agreement gives it.

Implements RFC 9396 sections 2, 5, 6 and 7 for `client_credentials`. `pagm` names some of its profiles, `siret` the one
establishment that the exchange is about: what is granted says the same, in the token and beside it.

    [{"type": "urn:mag:interops", "pagm": ["urn:interops:180035024:pagm:automate"], "siret": "73282932000074"}]
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from idp.entreprises.siret import InvalidSiretError, Siret
from idp.oidc.details import LONGEST, InvalidDetailsError

TYPE = "urn:mag:interops"
MEMBERS = frozenset({"type", "pagm", "siret"})
MOST = 50
"""Profiles that one request names."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """What is asked; empty where nothing is said."""

    pagm: tuple[str, ...] = ()
    siret: str = ""

    def told(self, granted: Collection[str]) -> list[dict[str, Any]]:
        """Section 7.1."""
        return [{"type": TYPE, "pagm": sorted(granted), **({"siret": self.siret} if self.siret else {})}]


def read_restriction(text: str, types: Collection[str]) -> Restriction | None:
    """For a client that registered the type; None for none. Raises InvalidDetailsError."""
    if not text:
        return None
    try:
        details = orjson.loads(text) if len(text) <= LONGEST else None
    except ValueError:
        details = None
    if not isinstance(details, list) or len(details) != 1 or not isinstance(details[0], dict):
        raise InvalidDetailsError("authorization_details is not an array of one object")
    detail: Mapping[str, Any] = details[0]
    if TYPE not in types or detail.get("type") != TYPE:
        raise InvalidDetailsError("this type is not supported for this client")
    if detail.keys() - MEMBERS:
        raise InvalidDetailsError("a member is not of this type")
    return Restriction(_profiles(detail.get("pagm", [])), _siret(detail.get("siret")))


def _profiles(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST or not all(isinstance(one, str) for one in value):
        raise InvalidDetailsError("pagm is not a list of URNs")
    return tuple(dict.fromkeys(value))


def _siret(value: object) -> str:
    if value is None:
        return ""
    try:
        return str(Siret(value if isinstance(value, str) else ""))
    except InvalidSiretError:
        raise InvalidDetailsError("siret is not 14 digits whose key holds") from None
