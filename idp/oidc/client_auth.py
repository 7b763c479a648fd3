"""Client authentication: the method the client registered, and that one alone.

Implements RFC 6749 section 2.3.1 (basic, post), RFC 7523 section 3 (private_key_jwt), and public clients (`none`).
Secrets are 256 random bits kept as SHA-256 (docs/decisions/0001): checking one costs microseconds, so nobody needs a cache
of passwords, and a stolen table gives nothing.
"""

import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote_plus

import orjson
from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.audit import journal
from idp.audit.events import AssertionReplayed
from idp.config import Settings
from idp.database import Connections
from idp.ephemeral import Ephemeral
from idp.oidc.client import Client
from idp.seals import digest

ASSERTION_TYPE = JWTBearerClientAssertion.CLIENT_ASSERTION_TYPE
ASSERTION_LIFE = 300
"""Longest life of an assertion, in seconds (C25)."""
SKEW = 60


class Clients(Protocol):
    """What the protocol asks of the registry of partners."""

    def find(self, client_id: str) -> Client | None:
        """An enabled client."""

    def keys(self, client: Client, kid: str | None) -> KeySet | None:
        """Public keys of a client; `kid` unknown so far may cause one fetch of its `jwks_uri`."""

    def fetch_request_object(self, uri: str) -> str:
        """What is at a registered `request_uri`. Raises RefusedError."""

    def is_public_origin(self, origin: str) -> bool:
        """Whether a public client has a redirect URI there."""

    def every(self) -> Iterable[Client]: ...


def refused() -> InvalidClientError:
    """One error for every way to fail: nothing tells an unknown client from a wrong secret."""
    return InvalidClientError(description="client authentication failed", status_code=401)


class ClientAuthenticator:
    """Authenticates the caller of a machine endpoint."""

    def __init__(self, settings: Settings, clients: Clients, store: Ephemeral, connections: Connections) -> None:
        self.settings, self.clients, self.store, self.connections = settings, clients, store, connections

    def __call__(self, authorization: str, form: Mapping[str, str]) -> Client:
        """Raises InvalidClientError."""
        if authorization[:6].lower() == "basic ":
            if "client_secret" in form or "client_assertion" in form:
                raise refused()
            return self._basic(authorization, form.get("client_id"))
        if "client_assertion" in form or "client_assertion_type" in form:
            return self._assertion(form)
        client = self.clients.find(form.get("client_id", ""))
        if client is None:
            raise refused()
        if "client_secret" in form:
            return check_secret(client, form["client_secret"], "client_secret_post")
        if client.token_endpoint_auth_method != "none":
            raise refused()
        return client

    def _basic(self, authorization: str, client_id: str | None) -> Client:
        """RFC 6749 section 2.3.1: both parts are form-encoded before they are joined."""
        try:
            text = b64decode(authorization[6:].strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise refused() from None
        identifier, colon, secret = text.partition(":")
        client = self.clients.find(unquote_plus(identifier))
        if client is None or not colon or (client_id is not None and client_id != client.client_id):
            raise refused()
        return check_secret(client, unquote_plus(secret), "client_secret_basic")

    def _assertion(self, form: Mapping[str, str]) -> Client:
        """RFC 7523 section 3; ours: `aud` is this issuer alone or, outside FAPI, the token endpoint; `jti` required, once."""
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion.isascii() or len(assertion) > 8192:
            raise refused()
        try:
            unverified = jws.extract_compact(assertion.encode())
            unverified_claims = orjson.loads(unverified.payload)
        except (JoseError, ValueError, TypeError):
            raise refused() from None
        client = self._claimant(unverified_claims, form.get("client_id"))
        claims = self._verified(client, assertion, unverified.headers())
        self._fresh(client, claims)
        return client

    def _claimant(self, unverified_claims: Any, client_id: str | None) -> Client:
        subject = unverified_claims.get("sub") if isinstance(unverified_claims, dict) else None
        client = self.clients.find(subject) if isinstance(subject, str) else None
        if client is None or client.token_endpoint_auth_method != "private_key_jwt" or client_id not in (None, client.client_id):
            raise refused()
        return client

    def _verified(self, client: Client, assertion: str, unverified_headers: Mapping[str, Any]) -> Mapping[str, Any]:
        """RFC 8725 section 3.1: the algorithm is the client's, the key its own; headers that bring keys or extensions are refused."""
        kid = unverified_headers.get("kid")
        if {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"} & set(unverified_headers) or not (kid is None or isinstance(kid, str)):
            raise refused()
        keys = self.clients.keys(client, kid)
        algorithms = [client.token_endpoint_auth_signing_alg] if client.token_endpoint_auth_signing_alg else ["ES256", "RS256", "PS256"]
        if keys is None:
            raise refused()
        try:
            return jwt.decode(assertion, keys, algorithms=algorithms).claims
        except (JoseError, ValueError, TypeError):
            raise refused() from None

    def _fresh(self, client: Client, claims: Mapping[str, Any]) -> None:
        now, jti = time.time(), claims.get("jti")
        exp, made_at = number(claims.get("exp")), number(claims.get("iat", claims.get("nbf")))
        if (
            claims.get("iss") != client.client_id
            or claims.get("sub") != client.client_id
            or not _addressed(claims.get("aud"), self.settings.issuer)
        ):
            raise refused()
        if exp is None or not now - SKEW < exp <= now + ASSERTION_LIFE + SKEW:
            raise refused()
        if any((at := number(claims[name])) is None or at > now + SKEW for name in ("iat", "nbf") if name in claims):
            raise refused()
        if not isinstance(jti, str) or not 1 <= len(jti) <= 300:
            raise refused()
        # A clock ahead dates an assertion after a loss of the store that it was used before: the skew comes off.
        made = (exp - ASSERTION_LIFE if made_at is None else made_at) - SKEW
        if not self.store.add("jti", digest(f"{client.client_id} {jti}"), int(exp - now) + 2 * SKEW, made_at=made):
            journal.write(self.connections, AssertionReplayed(client_id=client.client_id))
            raise refused()


def check_secret(client: Client, secret: str, method: str) -> Client:
    """Constant in time whatever matches; a client may hold two live secrets."""
    shown = digest(secret)
    matches = [hmac.compare_digest(shown, known) for known in client.secret_hashes]
    if client.token_endpoint_auth_method != method or not any(matches):
        raise refused()
    return client


def number(value: Any) -> float | None:
    """RFC 7519 section 2, NumericDate."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _addressed(audience: Any, issuer: str) -> bool:
    """One value: the issuer, or the token endpoint that so many libraries still write."""
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return audience in (issuer, f"{issuer}/token")
