"""A client as MAG understands it: its metadata of RFC 7591, checked once, kept as a frozen value.

The registry (`partners/registry.py`) reads rows and makes these with `client_metadata.read_client`; the protocol only ever
sees these. Members of MAG's own, beside those of the registered ones, say so in their docstring.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from idp.oidc.profiles import DEFAULT, PROFILES, Profile

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_TYPES = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "implicit",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    JWT_BEARER,
    "urn:openid:params:grant-type:ciba",
)
RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
"""Words in alphabetical order: their order means nothing (OAuth 2.0 Multiple Response Types section 3)."""
RESPONSE_MODES = ("query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt")
KEY_ALGS = ("ECDH-ES", "RSA-OAEP-256", "RSA-OAEP")
CONTENT_ENCS = ("A256GCM", "A128GCM", "A128CBC-HS256")


WIDGET_MODES = ("fedcm", "popup", "redirect", "inline")
DEFAULT_PORTS = {"https": ":443", "http": ":80"}
"""Schemes of redirect URIs."""


def origin_of(uri: str) -> str:
    """As browsers write it: lower case, without the port of its scheme (RFC 6454 section 6.1)."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(DEFAULT_PORTS.get(parts.scheme, ''))}"


@dataclass(frozen=True, slots=True)
class Encryption:
    """JWE asked by a client: `alg` for the key, `enc` for the content (RFC 7518 sections 4 and 5)."""

    alg: str
    enc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One enabled client."""

    client_id: str
    client_name: str
    partenaire: str = ""
    """Code of the partner."""
    profile: Profile = PROFILES[DEFAULT]
    """Ours."""
    first_party: bool = True
    """Ours: no consent page unless it asks for one."""

    # What it may use
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    response_types: frozenset[str] = frozenset({"code"})
    scope: frozenset[str] = frozenset({"openid"})
    """Every scope it may ask."""
    authorization_details_types: frozenset[str] = frozenset()
    """RFC 9396 section 10."""
    audience: tuple[str, ...] = ()
    """Ours: `aud` of its access tokens (its own client_id when empty), and the resources it may ask for (RFC 8707)."""
    exchange: frozenset[str] = frozenset()
    """Ours: audiences for which it may exchange tokens (RFC 8693)."""
    introspect: frozenset[str] = frozenset()
    """Ours: audiences whose tokens it may introspect, beside its own."""

    # How it proves itself
    token_endpoint_auth_method: str = "client_secret_basic"
    token_endpoint_auth_signing_alg: str = ""
    secret_hashes: frozenset[str] = frozenset()
    secret_keys: tuple[bytes, ...] = field(default=(), repr=False)
    """Live secrets themselves, for `client_secret_jwt` alone."""
    jwks: Mapping[str, Any] | None = field(default=None, hash=False)
    jwks_uri: str = ""
    tls_client_auth: tuple[str, str] | None = None
    """RFC 8705 section 2.1.2: which name of the certificate (`subject_dn`, `san_dns`, `san_uri`, `san_ip`, `san_email`), and its value."""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False

    # What its requests look like
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str = ""
    request_uris: tuple[str, ...] = ()
    default_max_age: int | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    initiate_login_uri: str = ""
    link_prefixes: tuple[str, ...] = ()
    """Ours: under which addresses `/acces` may lead (`link_prefixes.py`)."""
    linking_return_uris: tuple[str, ...] = ()
    """Ours: where people go back to once accounts were linked, or not; with one at least, they may be (`partners/rattachement`)."""
    linking_initiate_uri: str = ""
    """Ours: where the partner begins a link that its holder asked for at MAG."""
    linking_max_acr: str = ""
    """Ours: what a sign-in at the partner is worth at MAG at most; empty: it opens nothing there."""
    linking_several: bool = False
    """Ours: several of its accounts may be one identity of MAG."""

    # What it is answered
    subject_type: str = "pairwise"
    sector: str = ""
    """Host that makes its subjects (OpenID Connect Core section 8.1); of a client without redirect URI, its own identifier."""
    id_token_signed_response_alg: str = "RS256"
    id_token_encryption: Encryption | None = None
    userinfo_signed_response_alg: str = ""
    """Empty: JSON."""
    userinfo_encryption: Encryption | None = None
    introspection_signed_response_alg: str = ""
    """Empty: JSON, unless the caller asks for a JWT (RFC 9701 section 4)."""
    introspection_encryption: Encryption | None = None
    authorization_signed_response_alg: str = ""
    """JARM; RS256 when empty."""
    authorization_encryption: Encryption | None = None
    access_token_signing_alg: str = "ES256"
    """Ours."""
    access_token_format: str = "jwt"
    """Ours: `jwt` (RFC 9068) or `opaque`."""
    hab_bound: int | None = None
    """Ours: largest number of establishments and companies that a token lists."""
    hab_flat: bool = False
    """Ours: also give `habilitations_flat`, for software that drops arrays of objects."""
    amr_names: str = ""
    """Ours: `franceconnect` for its words in `amr` (`otp` for `totp`)."""

    # Where its button is (`widget/`)
    widget_modes: frozenset[str] = frozenset({"fedcm", "popup", "redirect"})
    """Ours: the ways its pages may sign people in."""
    widget_inline_reason: str = ""
    """Ours: why its pages may hold a frame of MAG (`inline`), as the operator was told."""
    widget_origins: tuple[str, ...] = ()
    """Ours: those of its pages; the origins of its redirect URIs when empty."""

    # How it is told
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    backchannel_token_delivery_mode: str = ""
    """CIBA Core section 4: `poll` or `ping`."""
    backchannel_client_notification_endpoint: str = ""
    backchannel_authentication_request_signing_alg: str = ""

    # What people read
    client_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""

    @property
    def host(self) -> str:
        """What a person recognises: the host of its first redirect URI."""
        return urlsplit(self.redirect_uris[0]).netloc if self.redirect_uris else ""

    @property
    def origins(self) -> frozenset[str]:
        """Of the pages that may ask the browser for this client."""
        return frozenset(self.widget_origins or map(origin_of, self.redirect_uris))

    @property
    def is_public(self) -> bool:
        return self.token_endpoint_auth_method == "none"

    @property
    def is_software(self) -> bool:
        """Acts while nobody is there, and proves its own key each time, twice: stealing what it keeps gives nothing."""
        return JWT_BEARER in self.grant_types and self.token_endpoint_auth_method == "private_key_jwt" and self.sender_constrained

    @property
    def default_alg(self) -> str:
        """Of what is signed for it without its saying how: RS256 (OpenID Connect Core section 15.1), where its profile allows it."""
        return "RS256" if "RS256" in self.profile.algs else "ES256"

    @property
    def requires_pkce(self) -> bool:
        """RFC 9700 section 2.1.1; ours: public clients always, whatever their profile."""
        return self.profile.pkce or self.is_public

    @property
    def requires_par(self) -> bool:
        """RFC 9126 section 6."""
        return self.profile.par or self.require_pushed_authorization_requests

    @property
    def sender_constrained(self) -> bool:
        """Its access tokens are all bound to a key (RFC 9449 section 5.2, RFC 8705 section 3.4, FAPI 2.0)."""
        return self.profile.sender_constrained or self.dpop_bound_access_tokens or self.tls_client_certificate_bound_access_tokens

    @property
    def rotates(self) -> bool:
        """FAPI 2.0 section 5.3.2.1: the refresh tokens of a confidential client bound to a key are not rotated (it only loses sessions)."""
        return self.is_public or not self.sender_constrained
