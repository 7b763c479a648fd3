"""What a partner says of itself to the kit: checked at start, so that a mistake is one sentence and not a failed sign-in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
INTEGRITY = re.compile(r"(sha384-[A-Za-z0-9+/]{64})?")
SIGNING_ALGS = ("ES256", "RS256", "PS256", "EdDSA")


class KitConfigError(ValueError):
    """A parameter of the kit is missing or unsafe; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KitConfig:
    """Durations are in seconds."""

    issuer: str
    """MAG's address, exactly as its discovery document writes it."""
    base_url: str
    """The partner's own origin: `https://portail.example.fr`."""
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_auth: str = "client_secret_basic"
    """`client_secret_basic` or `client_secret_post`, as registered. With `private_key`: `private_key_jwt`."""
    private_key: Mapping[str, Any] | None = field(default=None, repr=False)
    """A private JWK (P-256, RSA or Ed25519) with its `kid`: no secret is shared with MAG."""
    scope: str = "openid profile siret"
    id_token_alg: str = "ES256"
    """The one algorithm registered as `id_token_signed_response_alg`."""
    claims_alg: str = "ES256"
    """That of `access_token_signing_alg`: it signs the pages of large accounts' habilitations."""
    prefix: str = "/auth/mag"
    home: str = "/"
    """Where a sign-out ends."""
    recheck: float = 60.0
    """For how long what MAG said last is believed before a page; before a POST it is asked again whatever this says."""
    patience: float = 300.0
    """For how long pages go on being shown when MAG does not answer."""
    widget_version: str = "1.1.0"
    """The release of MAG's widget."""
    widget_integrity: str = ""
    """The hash of its `mag-done.js` (`sha384-…`), for a partner who pins it; MAG is asked otherwise."""
    signals: bool = False
    """Whether MAG sends events of security to `signals_uri`: a stream has to be open there."""
    session_lifetime: int = 12 * 3600
    session_idle: int = 2 * 3600

    def __post_init__(self) -> None:
        check_address("issuer", self.issuer)
        check_address("base_url", self.base_url)
        if urlsplit(self.base_url).path:
            raise KitConfigError("base_url must be an origin, such as https://portail.example.fr")
        if not self.client_id:
            raise KitConfigError("client_id is missing")
        if self.client_secret and self.private_key:
            raise KitConfigError("client_secret and private_key exclude each other")
        if self.private_key and "kid" not in self.private_key:
            raise KitConfigError("private_key must be a private JWK with a kid")
        if self.client_auth not in ("client_secret_basic", "client_secret_post"):
            raise KitConfigError("client_auth must be client_secret_basic or client_secret_post")
        if self.id_token_alg not in SIGNING_ALGS or self.claims_alg not in SIGNING_ALGS:
            raise KitConfigError(f"id_token_alg and claims_alg must each be one of {', '.join(SIGNING_ALGS)}")
        if "openid" not in self.scope.split():
            raise KitConfigError("scope must contain openid")
        if not VERSION.fullmatch(self.widget_version) or not INTEGRITY.fullmatch(self.widget_integrity):
            raise KitConfigError("widget_version must be such as 1.0.0, and widget_integrity such as sha384-…")
        if not self.prefix.startswith("/") or self.prefix.endswith("/"):
            raise KitConfigError("prefix must be a path such as /auth/mag")

    @property
    def redirect_uri(self) -> str:
        return f"{self.base_url}{self.prefix}/callback"

    @property
    def post_logout_redirect_uri(self) -> str:
        return f"{self.base_url}{self.prefix}/logged-out"

    @property
    def backchannel_logout_uri(self) -> str:
        """Where MAG tells that a session ended: register it under this very name."""
        return f"{self.base_url}{self.prefix}/backchannel-logout"

    @property
    def signals_uri(self) -> str:
        """Where MAG pushes events: the `endpoint_url` of the stream."""
        return f"{self.base_url}{self.prefix}/signals"

    @property
    def is_local(self) -> bool:
        """Whether MAG is on this very machine, by its name."""
        return is_localhost(urlsplit(self.issuer).hostname or "")


def is_localhost(host: str) -> bool:
    """RFC 6761 section 6.3."""
    return host == "localhost" or host.endswith(".localhost")


def check_address(name: str, value: str) -> None:
    """https; http for localhost alone, where browsers keep `Secure` cookies all the same."""
    parts = urlsplit(value)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_localhost(parts.hostname or "")):
        raise KitConfigError(f"{name} must be https")
    if not parts.hostname or parts.query or parts.fragment or parts.username or value.endswith("/"):
        raise KitConfigError(f"{name} must be an address without a trailing slash")
