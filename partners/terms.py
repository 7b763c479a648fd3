"""What a client may give itself when it registers, and its metadata once that is settled. Nothing is read nor written here.

Implements RFC 7591 section 2 (defaults; what the server does not grant is refused, or replaced for `scope`) and section 3.2.1
(everything registered is told, defaults included). ours: a client that registers itself is never first-party, and has no
audience, exchange, introspection nor habilitations but those an operator allowed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from idp.oidc.claims import PAGM, SCOPE_CLAIMS
from idp.oidc.client import GRANT_TYPES
from idp.oidc.client_metadata import InvalidClientMetadataError, read_client
from idp.oidc.controls import CLAIM as CONTROLS
from idp.oidc.profiles import PROFILES

OPEN_PROFILE = "openid"
"""Of a client that registers itself and says nothing of profiles: OpenID Connect as the standard writes it."""
STANDARD_SCOPES = frozenset(SCOPE_CLAIMS) - {CONTROLS, PAGM}
"""What a client may give itself. What MAG checked, and profiles agreed between bodies, are for those whom an operator lets ask."""
OPERATORS_GRANTS = frozenset(
    {
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:openid:params:grant-type:ciba",
    }
)
"""They speak of a person who is not there, or write to her: an operator grants them, client by client."""
SELF_GRANTS = frozenset(GRANT_TYPES) - OPERATORS_GRANTS
ISSUED = frozenset(
    {
        "client_id",
        "client_secret",
        "client_id_issued_at",
        "client_secret_expires_at",
        "registration_access_token",
        "registration_client_uri",
        "client_expires_at",
    }
)
"""What a registration answers beside metadata (RFC 7591 section 3.2.1, RFC 7592 section 3), and a list of clients may have kept."""
PRIVILEGED = (
    *("first_party", "audience", "exchange", "introspect", "authorization_details_types", "sector_identifier"),
    *("link_prefixes", "widget_modes", "widget_inline_reason", "widget_origins"),
    *("linking_return_uris", "linking_initiate_uri", "linking_max_acr", "linking_several"),
)
TOLD = ("software_id", "software_version")
"""Texts of RFC 7591 section 2 that change nothing here."""
MOST_CONTACTS = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """Profiles (the first is the default), scopes and grants that a client may choose among."""

    profiles: tuple[str, ...] = (OPEN_PROFILE,)
    scopes: frozenset[str] = STANDARD_SCOPES
    grants: frozenset[str] = SELF_GRANTS

    def dump(self) -> dict[str, Any]:
        return {"profiles": list(self.profiles), "scopes": sorted(self.scopes), "grants": sorted(self.grants)}

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Self:
        return cls(tuple(kept["profiles"]), frozenset(kept["scopes"]), frozenset(kept["grants"]))

    def with_held(self, held: Mapping[str, Any]) -> Self:
        """And what it has already: an operator gave it."""
        profiles = dict.fromkeys((*self.profiles, *(p for p in [held.get("profile")] if p)))
        scopes, grants = self.scopes | set(held.get("scope", "").split()), self.grants | set(held.get("grant_types", ()))
        return replace(self, profiles=tuple(profiles), scopes=scopes, grants=grants)


@dataclass
class _Noted(Mapping[str, Any]):
    """Metadata that remembers which members were asked for: those are the ones MAG knows."""

    given: Mapping[str, Any]
    names: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self.given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def settle(
    unverified: Mapping[str, Any], terms: Terms, *, held: Mapping[str, Any] | None = None, front_channel: bool = False
) -> dict[str, Any]:
    """The metadata to register: known members alone, defaults written. `held` is what is registered now, for a change.

    Raises InvalidClientMetadataError.
    """
    given = {name: value for name, value in unverified.items() if name not in ISSUED and value is not None}
    check_privileged(given, held or {})
    terms = terms.with_held(held or {})
    defaults = {"profile": terms.profiles[0], "first_party": False, "grant_types": ["authorization_code"]}
    wanted = defaults | given
    if wanted["profile"] not in terms.profiles:
        raise InvalidClientMetadataError(f"profile: one of {', '.join(terms.profiles)} is expected")
    wanted["scope"] = settled_scope(given, terms)
    noted = _Noted(wanted)
    client = read_client("", noted)
    if refused := client.grant_types - terms.grants:
        raise InvalidClientMetadataError(f"grant_types: {', '.join(sorted(refused))} needs the operator")
    if not front_channel and client.response_types - {"code"}:
        raise InvalidClientMetadataError("response_types: code alone is possible here")
    return {
        **{name: value for name, value in wanted.items() if name in noted.names},
        **told(given),
        "response_types": sorted(client.response_types),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "subject_type": client.subject_type,
    }


def check_privileged(given: Mapping[str, Any], held: Mapping[str, Any]) -> None:
    """ours: a client may send back what an operator gave it, never take it."""
    for name in PRIVILEGED:
        value = given.get(name)
        if value not in (False, "", [], None) and value != held.get(name):
            raise InvalidClientMetadataError(f"{name}: an operator alone can give it")


def settled_scope(given: Mapping[str, Any], terms: Terms) -> str:
    """Of what is asked, what the terms allow; all that they allow when nothing is asked (RFC 7591 section 2)."""
    asked = given.get("scope")
    if asked is None:
        return " ".join(scope for scope in (*SCOPE_CLAIMS, *sorted(terms.scopes - SCOPE_CLAIMS.keys())) if scope in terms.scopes)
    if not isinstance(asked, str) or len(asked) > 4000:
        raise InvalidClientMetadataError("scope: a text of at most 4000 characters is expected")
    return " ".join(dict.fromkeys(scope for scope in asked.split() if scope in terms.scopes))


def told(given: Mapping[str, Any]) -> dict[str, Any]:
    """Members that describe the software: checked, kept, and told again."""
    kept: dict[str, Any] = {}
    for name in TOLD:
        if name in given:
            kept[name] = _text(name, given[name])
    contacts = given.get("contacts")
    if contacts is not None:
        if not isinstance(contacts, Sequence) or isinstance(contacts, str) or len(contacts) > MOST_CONTACTS:
            raise InvalidClientMetadataError("contacts: a short list of texts is expected")
        kept["contacts"] = [_text("contacts", one) for one in contacts]
    kept["application_type"] = given.get("application_type", "web")
    if kept["application_type"] not in ("web", "native"):
        raise InvalidClientMetadataError("application_type: web or native is expected")
    return kept


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > 400 or not value.isprintable():
        raise InvalidClientMetadataError(f"{name}: a short printable text is expected")
    return value


def read_terms(profiles: Sequence[str], scopes: Sequence[str], grants: Sequence[str] = ()) -> Terms:
    """Terms an operator gives: these profiles, these scopes and grants beside the usual ones. Raises InvalidClientMetadataError."""
    if unknown := sorted(set(profiles) - PROFILES.keys()):
        raise InvalidClientMetadataError(f"profile: {', '.join(unknown)} is not known")
    if unknown := sorted(set(grants) - set(GRANT_TYPES)):
        raise InvalidClientMetadataError(f"grant_types: {', '.join(unknown)} is not supported")
    return Terms(tuple(profiles) or (OPEN_PROFILE,), STANDARD_SCOPES | set(scopes), SELF_GRANTS | set(grants))
