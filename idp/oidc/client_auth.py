"""Client authentication: the method the client registered, and that one alone.

Implements RFC 6749 section 2.3.1 (basic, post), RFC 7523 section 3 (private_key_jwt, and client_secret_jwt where an operator
still needs it), RFC 8705 section 2 (certificates), and public clients (`none`).
Secrets are 256 random bits kept as SHA-256 (docs/decisions/0001): checking one costs microseconds, and a stolen table gives
nothing. A process remembers the digests of the headers it accepted: decoding them cost more than checking them. Secrets of
client_secret_jwt are also kept sealed, since they check signatures.
"""

import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc.jwk import KeySet, OctKey

from idp.audit import journal
from idp.audit.events import AssertionReplayed
from idp.config import Settings
from idp.database import Connections
from idp.ephemeral import Ephemeral
from idp.habilitations.pagm import Conventions
from idp.logs import logger
from idp.oidc.client import Client
from idp.oidc.jose import SKEW, Claims, Compact, Keys, UnreadableError, comes_first, has_jti, keys_for, number
from idp.oidc.mtls import Certificates
from idp.oidc.wire import Environ
from idp.seals import digest

ASSERTION_TYPE = JWTBearerClientAssertion.CLIENT_ASSERTION_TYPE
ACCEPTED_LIMIT = 5_000
"""Credentials that a process remembers having accepted."""
ASSERTION_LIFE = 300
"""Longest life of an assertion, in seconds (C25)."""
LONGEST = 8192
"""Characters of an assertion."""
SYMMETRIC = ("HS256", "HS384", "HS512")
TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")


def auth_methods(settings: Settings) -> list[str]:
    """Those that the settings let clients use."""
    found = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    found += ["client_secret_jwt"] if settings.client_secret_jwt else []
    found += ["self_signed_tls_client_auth"] if settings.tls_certificate_header else []
    found += ["tls_client_auth"] if settings.tls_verified_header else []
    return [*found, "none"]


class Clients(Protocol):
    """What the protocol asks of the registry of partners."""

    def find(self, client_id: str) -> Client | None:
        """An enabled client."""

    def keys(self, client: Client, kid: str | None) -> KeySet | None:
        """Public keys of a client; `kid` unknown so far may cause one fetch of its `jwks_uri`."""

    def fetch_request_object(self, uri: str) -> str:
        """What is at a registered `request_uri`. Raises RefusedError."""

    def deliver(self, uri: str, body: bytes, headers: Mapping[str, str]) -> int:
        """POST to an address that a client registered; the status of the answer. Raises RefusedError when there is none."""

    def admits(self) -> bool:
        """Whether somebody may register a client with what an operator gave them."""

    def is_public_origin(self, origin: str) -> bool:
        """Whether a public client has a redirect URI there."""

    def every(self) -> Iterable[Client]: ...

    def conventions(self) -> Conventions:
        """Agreements between partners, whatever their dates."""


class ClientRefusedError(InvalidClientError):
    """One answer for every way to fail: nothing tells an unknown client from a wrong secret. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(description="client authentication failed", status_code=401)
        self.reason = reason


def refused(reason: str = "not allowed here") -> ClientRefusedError:
    return ClientRefusedError(reason)


class ClientAuthenticator:
    """Authenticates the caller of a machine endpoint."""

    def __init__(self, settings: Settings, clients: Clients, store: Ephemeral, connections: Connections) -> None:
        self.settings, self.clients, self.store, self.connections = settings, clients, store, connections
        self.certificates = Certificates(settings)
        self._accepted: dict[bytes, Client] = {}

    def __call__(self, environ: Environ, form: Mapping[str, str]) -> Client:
        """Raises InvalidClientError, once the log says who failed and why."""
        try:
            return self._authenticated(environ, form)
        except ClientRefusedError as error:
            self._tell(environ, form, error.reason)
            raise

    def confidential(self, environ: Environ, form: Mapping[str, str]) -> Client:
        """As a call, for endpoints where a public client has no business."""
        client = self(environ, form)
        if client.is_public:
            self._tell(environ, form, "a public client may not call this endpoint")
            raise refused()
        return client

    def _authenticated(self, environ: Environ, form: Mapping[str, str]) -> Client:
        authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
        if authorization[:6].lower() == "basic ":
            if "client_secret" in form or "client_assertion" in form:
                raise refused("two methods at once")
            return self._basic(authorization, form.get("client_id"))
        if "client_assertion" in form or "client_assertion_type" in form:
            if "client_secret" in form:
                raise refused("two methods at once")
            return self._assertion(environ, form)
        client = self.clients.find(form.get("client_id", ""))
        if client is None:
            raise refused("unknown client")
        if "client_secret" in form:
            return check_secret(client, form["client_secret"], "client_secret_post")
        if client.token_endpoint_auth_method in TLS_METHODS:
            return self._certificate(environ, client)
        if not client.is_public:
            raise refused("no credentials, or by another method than the one registered")
        return client

    def _tell(self, environ: Environ, form: Mapping[str, str], reason: str) -> None:
        fields = {
            "client_id": self._claimed(environ, form),
            "reason": reason,
            "path": environ.get("PATH_INFO"),
            "request_id": environ.get("mag.request_id"),
        }
        logger.warning("client authentication failed", extra={"fields": fields})

    def _claimed(self, environ: Environ, form: Mapping[str, str]) -> str:
        """Who the caller says it is. Of a name that is nobody's, the beginning: it may be a secret in the wrong field."""
        authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
        try:
            if authorization[:6].lower() == "basic ":
                name = unquote_plus(_decoded(authorization).partition(":")[0])
            else:
                name = form.get("client_id") or str(_unverified(form.get("client_assertion", ""))[1].get("sub", ""))
        except ClientRefusedError:
            return ""
        return name if self.clients.find(name) else "".join(c if c.isalnum() or c in "-._~" else "?" for c in name[:12]) + "..."

    def _basic(self, authorization: str, client_id: str | None) -> Client:
        """RFC 6749 section 2.3.1. Credentials accepted once are known by their digest while their client is the very one of then."""
        fingerprint = sha256(authorization.encode("utf-8", "surrogatepass")).digest()
        known = self._accepted.get(fingerprint)
        if known is not None and self.clients.find(known.client_id) is known and client_id in (None, known.client_id):
            return known
        client = self._by_secret(authorization, client_id)
        if len(self._accepted) >= ACCEPTED_LIMIT:
            self._accepted.clear()
        self._accepted[fingerprint] = client
        return client

    def _by_secret(self, authorization: str, client_id: str | None) -> Client:
        """Both parts are form-encoded before they are joined."""
        identifier, colon, secret = _decoded(authorization).partition(":")
        client = self.clients.find(unquote_plus(identifier))
        if client is None:
            raise refused("unknown client")
        if not colon or (client_id is not None and client_id != client.client_id):
            raise refused("no secret, or two identities")
        return check_secret(client, unquote_plus(secret), "client_secret_basic")

    def _certificate(self, environ: Environ, client: Client) -> Client:
        """RFC 8705 sections 2.1 and 2.2."""
        certificate = self.certificates.of(environ)
        if certificate is None:
            raise refused("no client certificate")
        if client.token_endpoint_auth_method == "tls_client_auth":
            if not certificate.verified:
                raise refused("the proxy did not verify the certificate")
            if client.tls_client_auth is None or not certificate.has_name(*client.tls_client_auth):
                raise refused("the certificate does not bear the registered name")
            return client
        if not any(certificate.has_key_of(keys) for kid in (None, certificate.x5t) if (keys := self.clients.keys(client, kid))):
            raise refused("the certificate is not one of the client's keys")
        return client

    def _assertion(self, environ: Environ, form: Mapping[str, str]) -> Client:
        """RFC 7523 section 3; ours: `jti` required, once."""
        assertion = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise refused("client_assertion_type is not jwt-bearer")
        unverified, unverified_claims = _unverified(assertion)
        client = self._claimant(unverified_claims, form.get("client_id"))
        claims = self._verified(client, unverified)
        self._fresh(client, claims, self.settings.issuer_origin + environ.get("PATH_INFO", ""))
        return client

    def _claimant(self, unverified_claims: Claims, client_id: str | None) -> Client:
        subject = unverified_claims.get("sub")
        client = self.clients.find(subject) if isinstance(subject, str) else None
        if client is None or client_id not in (None, client.client_id):
            raise refused("unknown client, or two identities")
        legacy = client.token_endpoint_auth_method == "client_secret_jwt" and self.settings.client_secret_jwt
        if client.token_endpoint_auth_method != "private_key_jwt" and not legacy:
            raise refused("another method than the one registered")
        return client

    def _verified(self, client: Client, unverified: Compact) -> Claims:
        """RFC 8725 section 3.1: the algorithm is the client's, the key its own; headers that bring keys or extensions are refused."""
        if not unverified.is_acceptable:
            raise refused("a header of the assertion is not acceptable")
        claims = unverified.verified(self._keys(client, unverified.kid), _algorithms(client))
        if claims is None:
            raise refused("the signature of the assertion is not valid")
        return claims

    def _keys(self, client: Client, kid: str | None) -> Keys:
        if client.token_endpoint_auth_method == "client_secret_jwt":
            return [OctKey.import_key(secret) for secret in client.secret_keys]
        keys = self.clients.keys(client, kid)
        return [] if keys is None else keys_for(keys, kid)

    def _fresh(self, client: Client, claims: Claims, address: str) -> None:
        now, exp = time.time(), number(claims.get("exp"))
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            raise refused("iss and sub of the assertion must be the client")
        if not _addressed(claims.get("aud"), client, self.settings.issuer, address):
            raise refused("aud of the assertion is not this issuer")
        if exp is None or not now - SKEW < exp <= now + ASSERTION_LIFE + SKEW:
            raise refused("exp of the assertion is missing, past, or too far")
        if any((at := number(claims[name])) is None or at > now + SKEW for name in ("iat", "nbf") if name in claims):
            raise refused("iat or nbf of the assertion is too far ahead")
        if not has_jti(claims):
            raise refused("jti of the assertion is missing or too long")
        if not comes_first(self.store, "jti", client.client_id, claims, ASSERTION_LIFE, now):
            journal.write(self.connections, AssertionReplayed(client_id=client.client_id))
            raise refused("the assertion was already used")


def _decoded(authorization: str) -> str:
    """RFC 7617 section 2."""
    try:
        return b64decode(authorization[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise refused("Basic credentials that cannot be read") from None


def _unverified(assertion: str) -> tuple[Compact, Claims]:
    """An assertion, and what it says."""
    try:
        unverified = Compact.read(assertion, LONGEST)
        return unverified, unverified.claims()
    except UnreadableError:
        raise refused("an assertion that cannot be read") from None


def _algorithms(client: Client) -> list[str]:
    """The one registered; else those of its profile, or of its kind of key."""
    symmetric = client.token_endpoint_auth_method == "client_secret_jwt"
    allowed = SYMMETRIC if symmetric else client.profile.algs
    registered = client.token_endpoint_auth_signing_alg
    return [alg for alg in allowed if registered in ("", alg)]


def check_secret(client: Client, secret: str, method: str) -> Client:
    """Constant in time whatever matches; a client may hold two live secrets."""
    shown = digest(secret)
    matches = [hmac.compare_digest(shown, known) for known in client.secret_hashes]
    if client.token_endpoint_auth_method != method:
        raise refused("another method than the one registered")
    if not any(matches):
        raise refused("wrong secret")
    return client


def _addressed(audience: Any, client: Client, issuer: str, address: str) -> bool:
    """One value: the issuer; ours: outside FAPI 2.0, which wants it as a string, also the endpoint called or the token endpoint."""
    if client.profile.issuer_audience:
        return bool(audience == issuer)
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    return audience in (issuer, f"{issuer}/token", address)
