"""Claims as SAML attributes: their names, how their values are written. Pure (SAML core section 2.7.3, X.500/LDAP attribute profile 8.2).

Names of X.500 where there is one, else `urn:mag:…`; the friendly name is the claim's own in OpenID Connect. Rights are one value of
JSON, in the forms A and B of the claim `hab`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OID = "urn:oid:"
OWN = "urn:mag:"
KNOWN = {
    "given_name": OID + "2.5.4.42",
    "family_name": OID + "2.5.4.4",
    "name": OID + "2.16.840.1.113730.3.1.241",
    "email": OID + "0.9.2342.19200300.100.1.3",
    "phone_number": OID + "2.5.4.20",
    "job": OID + "2.5.4.12",
    "organization_label": OID + "2.5.4.10",
    "organizational_unit": OID + "2.5.4.11",
}
LEFT_OUT = frozenset(
    {"sub", "updated_at", "idp_id", "idp_acr", "amr", "sid", "acr", "auth_time", "label", "email_verified_at", "usual_name"}
)
"""Said elsewhere in an assertion, or twice."""


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    friendly: str
    values: tuple[str, ...]


def name_of(claim: str) -> str:
    return KNOWN.get(claim) or OWN + claim


def attributes(values: Mapping[str, Any], wanted: frozenset[str] | None) -> tuple[Attribute, ...]:
    """Those that were asked for, by name or by friendly name; None: all."""
    found = (Attribute(name_of(claim), claim, tuple(_written(value))) for claim, value in sorted(values.items()) if claim not in LEFT_OUT)
    return tuple(one for one in found if one.values and (wanted is None or one.name in wanted or one.friendly in wanted))


def _written(value: Any) -> Iterable[str]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, Mapping):
        return (json.dumps(value, ensure_ascii=False, separators=(",", ":")),)
    if isinstance(value, list | tuple):
        return (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in value)
    return (str(value),)
