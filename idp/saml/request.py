"""An authentication request, read (SAML core section 3.4.1). What it asks is judged by `checks.py`.

ours: the subject, the scoping and the conditions that a request may hold are refused rather than ignored.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import orjson

from idp.saml.errors import MessageRefusedError
from idp.saml.reading import every, identifier, is_true, moment, number, one, text_of
from idp.saml.vocabulary import ENTITY, Element, named

KEPT = "saml"
"""Name, in a sign-in in progress, of what the request asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthnRequest:
    """What is asked; every text is the service provider's own until it is checked."""

    id: str
    """Empty: nobody asked, MAG begins (profiles section 4.1.5)."""
    issuer: str
    relay_state: str = ""
    version: str = "2.0"
    issued_at: datetime | None = None
    destination: str = ""
    acs_url: str = ""
    acs_index: int | None = None
    binding: str = ""
    force: bool = False
    passive: bool = False
    name_id_format: str = ""
    name_qualifier: str = ""
    comparison: str = "exact"
    contexts: tuple[str, ...] = ()
    other_contexts: bool = False
    """Declarations rather than classes."""
    attributes: int | None = None
    holds: tuple[str, ...] = ()
    """What else stands in it, that changes its meaning."""

    def dump(self) -> dict[str, str]:
        """For a sign-in in progress: sealed, so that what was verified once stays so."""
        return {KEPT: orjson.dumps(asdict(self)).decode()}

    @classmethod
    def load(cls, kept: Mapping[str, str]) -> Self:
        values: dict[str, Any] = orjson.loads(kept[KEPT])
        issued_at = datetime.fromisoformat(values["issued_at"]) if values["issued_at"] else None
        lists = {name: tuple(values[name]) for name in ("contexts", "holds")}
        return cls(**{**values, **lists, "issued_at": issued_at})


def issuer_of(root: Element) -> str:
    """Who says it is speaking (core section 2.2.5). Raises MessageRefusedError."""
    issuer = one(root, "saml:Issuer")
    found = text_of(issuer)
    if issuer is None or not found or len(found) > 1024 or issuer.get("Format", ENTITY) != ENTITY:
        raise MessageRefusedError("no Issuer that names an entity")
    return found


def read_request(root: Element, relay_state: str) -> AuthnRequest:
    """Raises MessageRefusedError."""
    if root.tag != named("samlp:AuthnRequest"):
        raise MessageRefusedError("not an AuthnRequest")
    policy, context = one(root, "samlp:NameIDPolicy"), one(root, "samlp:RequestedAuthnContext")
    classes = [text_of(found) for found in every(context, "saml:AuthnContextClassRef")] if context is not None else []
    return AuthnRequest(
        id=identifier(root),
        issuer=issuer_of(root),
        relay_state=relay_state,
        version=root.get("Version", ""),
        issued_at=moment(root.get("IssueInstant")),
        destination=root.get("Destination", ""),
        acs_url=root.get("AssertionConsumerServiceURL", ""),
        acs_index=number(root, "AssertionConsumerServiceIndex"),
        binding=root.get("ProtocolBinding", ""),
        force=is_true(root, "ForceAuthn"),
        passive=is_true(root, "IsPassive"),
        name_id_format=policy.get("Format", "") if policy is not None else "",
        name_qualifier=policy.get("SPNameQualifier", "") if policy is not None else "",
        comparison=context.get("Comparison", "exact") if context is not None else "exact",
        contexts=tuple(classes),
        other_contexts=context is not None and one(context, "saml:AuthnContextDeclRef") is not None,
        attributes=number(root, "AttributeConsumingServiceIndex"),
        holds=tuple(name for name in ("saml:Subject", "saml:Conditions") if one(root, name) is not None),
    )
