"""A client as MAG understands it: its metadata of RFC 7591, checked once, kept as a frozen value.

The registry (`partners/registry.py`) reads rows and makes these; the protocol only ever sees these.

Members of MAG's own, beside those of RFC 7591:
`profile` (`strict`: PKCE required; `pc`, `fc`: the tolerances of partners coming from ProConnect and FranceConnect),
`first_party` (no consent page), `allowed_scopes` through `scope`, `hab_bound`, `introspect` (may introspect tokens aimed at
these audiences), `audience` (who its access tokens are for).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

from idp.errors import RefusedError


class InvalidClientMetadataError(RefusedError):
    """RFC 7591 section 3.2.2. `error` is `invalid_redirect_uri` or `invalid_client_metadata`."""

    code = "client_invalide"

    def __init__(self, reason: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(reason, public=reason)
        self.error = error


class Profile(StrEnum):
    """What a client's authorization requests must carry."""

    STRICT = "strict"
    PROCONNECT = "pc"
    FRANCECONNECT = "fc"


AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
SIGNING_ALGS = ("ES256", "RS256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One enabled client."""

    client_id: str
    client_name: str
    partenaire: str = ""
    """Code of the partner."""
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    response_types: frozenset[str] = frozenset({"code"})
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str = ""
    scope: frozenset[str] = frozenset({"openid"})
    """Every scope it may ask."""
    subject_type: str = "pairwise"
    sector: str = ""
    """Host that makes its subjects (OpenID Connect Core section 8.1)."""
    id_token_signed_response_alg: str = "RS256"
    userinfo_signed_response_alg: str = ""
    """Empty: JSON."""
    access_token_signing_alg: str = "ES256"
    default_max_age: int | None = None
    require_auth_time: bool = False
    profile: Profile = Profile.STRICT
    first_party: bool = True
    audience: tuple[str, ...] = ()
    """`aud` of its access tokens; its own client_id when empty."""
    introspect: frozenset[str] = frozenset()
    """Audiences whose tokens it may introspect, beside its own."""
    hab_bound: int | None = None
    hab_flat: bool = False
    """Also give `habilitations_flat`, for software that drops arrays of objects."""
    jwks: Mapping[str, Any] | None = field(default=None, hash=False)
    jwks_uri: str = ""
    client_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    initiate_login_uri: str = ""
    secret_hashes: frozenset[str] = frozenset()

    @property
    def host(self) -> str:
        """What a person recognises: the host of its first redirect URI."""
        return urlsplit(self.redirect_uris[0]).netloc if self.redirect_uris else ""

    @property
    def requires_pkce(self) -> bool:
        """RFC 9700 section 2.1.1; ours: public clients always, whatever their profile."""
        return self.profile is Profile.STRICT or self.token_endpoint_auth_method == "none"

    @classmethod
    def from_metadata(
        cls, client_id: str, metadata: Mapping[str, Any], *, partenaire: str = "", client_name: str = "", secret_hashes: Sequence[str] = ()
    ) -> Self:
        """Raises InvalidClientMetadataError. Unknown members are ignored (RFC 7591 section 2)."""
        reader = _Reader(metadata)
        method = reader.one("token_endpoint_auth_method", AUTH_METHODS, "client_secret_basic")
        redirect_uris = reader.uris("redirect_uris")
        grants = frozenset(reader.some("grant_types", GRANT_TYPES, ("authorization_code",)))
        client = cls(
            client_id=client_id,
            partenaire=partenaire,
            client_name=reader.text("client_name", 120) or client_name or client_id,
            redirect_uris=redirect_uris,
            post_logout_redirect_uris=reader.uris("post_logout_redirect_uris"),
            grant_types=grants,
            response_types=frozenset(reader.some("response_types", ("code",), ("code",) if "authorization_code" in grants else ())),
            token_endpoint_auth_method=method,
            token_endpoint_auth_signing_alg=reader.one("token_endpoint_auth_signing_alg", (*SIGNING_ALGS, "PS256", ""), ""),
            scope=frozenset(reader.text("scope", 4000).split()) or frozenset({"openid"}),
            subject_type=reader.one("subject_type", ("pairwise", "public"), "pairwise"),
            sector=reader.sector(redirect_uris),
            id_token_signed_response_alg=reader.one("id_token_signed_response_alg", SIGNING_ALGS, "RS256"),
            userinfo_signed_response_alg=reader.one("userinfo_signed_response_alg", (*SIGNING_ALGS, ""), ""),
            access_token_signing_alg=reader.one("access_token_signing_alg", SIGNING_ALGS, "ES256"),
            default_max_age=reader.number("default_max_age"),
            require_auth_time=reader.flag("require_auth_time"),
            profile=Profile(reader.one("profile", tuple(Profile), Profile.STRICT)),
            first_party=reader.flag("first_party", default=True),
            audience=reader.texts("audience"),
            introspect=frozenset(reader.texts("introspect")),
            hab_bound=reader.number("hab_bound", most=120),
            hab_flat=reader.flag("hab_flat"),
            jwks=reader.jwks(),
            jwks_uri=reader.uri("jwks_uri"),
            client_uri=reader.uri("client_uri"),
            logo_uri=reader.uri("logo_uri"),
            policy_uri=reader.uri("policy_uri"),
            tos_uri=reader.uri("tos_uri"),
            initiate_login_uri=reader.uri("initiate_login_uri"),
            secret_hashes=frozenset(secret_hashes),
        )
        check_together(client)
        return client


def check_together(client: Client) -> None:
    """What one member asks of another (RFC 7591 section 2, RFC 9700 section 2.1)."""
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise InvalidClientMetadataError("redirect_uris: at least one is needed for authorization_code", "invalid_redirect_uri")
    if "refresh_token" in client.grant_types and "authorization_code" not in client.grant_types:
        raise InvalidClientMetadataError("grant_types: refresh_token needs authorization_code")
    if "client_credentials" in client.grant_types and client.token_endpoint_auth_method == "none":
        raise InvalidClientMetadataError("grant_types: a public client cannot use client_credentials")
    if client.token_endpoint_auth_method == "private_key_jwt" and not (client.jwks or client.jwks_uri):
        raise InvalidClientMetadataError("private_key_jwt needs jwks or jwks_uri")
    if client.jwks and client.jwks_uri:
        raise InvalidClientMetadataError("jwks and jwks_uri exclude each other")


class _Reader:
    """Reads members of untrusted metadata, each with one way to fail."""

    def __init__(self, unverified_metadata: Mapping[str, Any]) -> None:
        self.given = unverified_metadata

    def text(self, name: str, longest: int = 2000) -> str:
        value = self.given.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise InvalidClientMetadataError(f"{name}: a text of at most {longest} printable characters is expected")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.given.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) and 0 < len(v) <= 2000 and v.isprintable() for v in value):
            raise InvalidClientMetadataError(f"{name}: a list of texts is expected")
        return tuple(dict.fromkeys(value))

    def one(self, name: str, allowed: Sequence[str], default: str) -> str:
        value = self.given.get(name, default)
        if value not in allowed:
            raise InvalidClientMetadataError(f"{name}: one of {', '.join(a for a in allowed if a)} is expected")
        return str(value)

    def some(self, name: str, allowed: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
        values = self.texts(name) if name in self.given else tuple(default)
        if unknown := set(values) - set(allowed):
            raise InvalidClientMetadataError(f"{name}: {', '.join(sorted(unknown))} is not supported")
        return values

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.given.get(name, default)
        if not isinstance(value, bool):
            raise InvalidClientMetadataError(f"{name}: true or false is expected")
        return value

    def number(self, name: str, most: int = 10**9) -> int | None:
        value = self.given.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most):
            raise InvalidClientMetadataError(f"{name}: a whole number between 0 and {most} is expected")
        return value

    def uri(self, name: str) -> str:
        value = self.text(name)
        if value:
            check_uri(name, value)
        return value

    def uris(self, name: str) -> tuple[str, ...]:
        values = self.texts(name)
        for value in values:
            check_uri(name, value)
        return values

    def jwks(self) -> Mapping[str, Any] | None:
        value = self.given.get("jwks")
        if value is None:
            return None
        keys = value.get("keys") if isinstance(value, dict) else None
        if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) and "kty" in key for key in keys):
            raise InvalidClientMetadataError("jwks: a JWK set with at least one key is expected")
        if any(key["kty"] == "oct" or "d" in key for key in keys):
            raise InvalidClientMetadataError("jwks: public keys only")
        return dict(value)

    def sector(self, redirect_uris: tuple[str, ...]) -> str:
        """OpenID Connect Core section 8.1: the one host of the redirect URIs, or the one declared."""
        declared = self.text("sector_identifier") or urlsplit(self.uri("sector_identifier_uri")).netloc
        hosts = sorted({urlsplit(uri).netloc for uri in redirect_uris})
        if not declared and len(hosts) > 1 and self.given.get("subject_type", "pairwise") == "pairwise":
            raise InvalidClientMetadataError("sector_identifier is needed: the redirect_uris have several hosts")
        return declared or (hosts[0] if hosts else "")


def check_uri(name: str, value: str) -> None:
    """RFC 6749 section 3.1.2: absolute, no fragment; ours: https, or http for localhost; no user, no wildcard, ASCII.

    Nor what would end a directive of the Content-Security-Policy that names its origin.
    """
    error = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidClientMetadataError(f"{name}: {value} is not an address", error) from None
    local = host.split(".")[-1] == "localhost" or host == "127.0.0.1"
    strange = any(c in value for c in ' \t"<>\\^`{|}*') or any(c in parts.netloc for c in ";,'")
    if not value.isascii() or strange or not host or parts.username is not None:
        raise InvalidClientMetadataError(f"{name}: {value} is not an acceptable address", error)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise InvalidClientMetadataError(f"{name}: {value} must be https", error)
    if "#" in value:
        raise InvalidClientMetadataError(f"{name}: {value} has a fragment", error)
