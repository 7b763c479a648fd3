"""Request objects: an authorization request signed by the client (RFC 9101, OpenID Connect Core section 6).

By value, or by reference at an address that the client registered and no other. The object's parameters win; for profiles that
demand one, nothing outside it counts. Left out on purpose: encrypted objects, and unsigned ones (`request_not_supported`).
"""

import time
from collections.abc import Callable
from typing import Any

import orjson

from idp.config import Settings
from idp.errors import RefusedError
from idp.oidc import client_jwt
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.client_jwt import ClientJwtError, UnsignedError
from idp.oidc.errors import AuthorizationError
from idp.oidc.jose import Claims, number
from idp.oidc.par import take_ours

SKEW = 10
"""Seconds; FAPI 2.0 Security Profile section 5.3.2.1 asks for 8 at least."""
HOUR = 3600
TYPES = (None, "JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt")
OF_THE_TOKEN = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
"""Claims about the object itself: never parameters."""


class RequestObjects:
    """Reads request objects of registered clients."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self.settings, self.clients = settings, clients

    def by_reference(self, client: Client, uri: str) -> dict[str, str]:
        """RFC 9101 section 5.2; ours: never an address that was not registered (C52)."""
        if uri not in client.request_uris and uri.partition("#")[0] not in client.request_uris:
            raise AuthorizationError("invalid_request_uri", "request_uri is not registered")
        try:
            text = self.clients.fetch_request_object(uri)
        except RefusedError:
            raise AuthorizationError("invalid_request_uri", "request_uri cannot be read") from None
        return self.by_value(client, text.strip())

    def by_value(self, client: Client, text: str) -> dict[str, str]:
        """Its parameters as texts. Raises AuthorizationError `invalid_request_object` or `request_not_supported`."""
        claims = self._verified(client, text)
        for check in CHECKS:
            check(claims, client)
        if not self._addressed(claims, client):
            raise invalid("aud is not this issuer")
        return parameters_of(claims)

    def _addressed(self, claims: Claims, client: Client) -> bool:
        """RFC 9101 section 4: to this issuer; signed-request profiles must say it."""
        audience = claims.get("aud")
        if audience is None:
            return not client.profile.signed_request
        return self.settings.issuer in (audience if isinstance(audience, list) else [audience])

    def _verified(self, client: Client, text: str) -> Claims:
        """RFC 8725 section 3.1: the algorithm is the client's, the key its own."""
        algs = [client.request_object_signing_alg] if client.request_object_signing_alg else list(client.profile.algs)
        try:
            return client_jwt.verified(self.clients, client, text, algs, TYPES)
        except UnsignedError:
            raise AuthorizationError("request_not_supported", "an unsigned request object is not supported") from None
        except ClientJwtError as error:
            raise invalid(str(error)) from None


def invalid(why: str) -> AuthorizationError:
    return AuthorizationError("invalid_request_object", f"the request object is refused: {why}")


# -------------------------------------------------------------------------------------------------------- the rules, in order


def check_parties(claims: Claims, client: Client) -> None:
    """RFC 9101 sections 4 and 6.3: from this client; signed-request profiles must say it."""
    if claims.get("iss", None if client.profile.signed_request else client.client_id) != client.client_id:
        raise invalid("iss is not the client")
    if claims.get("client_id", client.client_id) != client.client_id:
        raise invalid("client_id is another")


def check_kind(claims: Claims, client: Client) -> None:
    """RFC 9101 sections 4 and 10.8: not a client assertion in disguise, and no object inside."""
    if claims.get("sub") == client.client_id:
        raise invalid("sub is the client")
    if "request" in claims or "request_uri" in claims:
        raise invalid("it holds another")


def check_time(claims: Claims, client: Client) -> None:
    """RFC 7519 section 4.1; FAPI 2.0 Message Signing section 5.3.1: `nbf` and `exp` are there, an hour apart at most."""
    now, exp, nbf = time.time(), number(claims.get("exp")), number(claims.get("nbf"))
    if any(name in claims and number(claims[name]) is None for name in ("exp", "nbf", "iat")):
        raise invalid("a time is not a number")
    if exp is not None and exp <= now - SKEW:
        raise invalid("it has expired")
    if nbf is not None and nbf > now + SKEW:
        raise invalid("it is not valid yet")
    if client.profile.signed_request and (exp is None or nbf is None or nbf < now - HOUR - SKEW or exp > nbf + HOUR):
        raise invalid("nbf and exp must be there, recent and an hour apart at most")


CHECKS: tuple[Callable[[Claims, Client], None], ...] = (check_parties, check_kind, check_time)


def parameters_of(claims: Claims) -> dict[str, str]:
    """RFC 9101 section 4: members as request parameters; numbers and JSON values in their own notation."""
    try:
        return {name: _text(value) for name, value in take_ours(claims).items() if name not in OF_THE_TOKEN and value not in (None, "")}
    except (TypeError, ValueError):
        raise invalid("a member cannot be read") from None


def _text(value: Any) -> str:
    """Raises ValueError or TypeError for what no request holds: half of a surrogate pair, NUL, a number beyond 64 bits."""
    if isinstance(value, list) and value and all(isinstance(part, str) and " " not in part for part in value):
        value = " ".join(value)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if "\0" in text:
        raise ValueError("NUL")
    text.encode()
    return text
