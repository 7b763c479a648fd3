"""Machines' door: routes, and one way out for every answer and every refusal.

Each endpoint is a module of its own: it parses, acts, answers. Round trips per request are part of the contract
(docs/performance.md) and counted by tests. One function at the edge turns refusals into OAuth errors; nothing unknown leaves
but an incident number.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.errors import MagError
from idp.logs import logger
from idp.oidc import cors
from idp.oidc.alive import Alive
from idp.oidc.authorization import AuthorizationEndpoint
from idp.oidc.claim_pages import ClaimPages
from idp.oidc.client_auth import ClientAuthenticator
from idp.oidc.families import Families
from idp.oidc.introspection import Introspection
from idp.oidc.issuing import Issuer
from idp.oidc.metadata import discovery
from idp.oidc.people import People
from idp.oidc.pushed_requests import PushedRequestEndpoint
from idp.oidc.revocation import Revocation
from idp.oidc.rights import Rights, known_services
from idp.oidc.server import TokenServer
from idp.oidc.tokens import Mint, Reader
from idp.oidc.userinfo import UserInfo
from idp.oidc.wire import NO_STORE, Answer, Environ, error_answer, json_answer, read_form

if TYPE_CHECKING:
    from idp.http import Mag

PUBLIC_CACHE = ("Cache-Control", "public, max-age=300")
ANYONE = ("Access-Control-Allow-Origin", "*")
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: its methods, and what answers."""

    methods: tuple[str, ...]
    act: Callable[[Environ], Answer]
    from_pages: bool = False
    """Public clients call it from a browser."""


class Machines:
    """The machines' door of one process."""

    def __init__(self, mag: "Mag") -> None:
        settings, self.mag = mag.settings, mag
        self.settings = settings
        mint, reader = Mint(settings, mag.keyring), Reader(settings, mag.keyring)
        families = Families(settings, mag.connections, mag.ephemeral, mag.keyring)
        people = People(mag.connections, mag.ephemeral)
        rights = Rights(settings, mag.connections, mag.catalogue, mag.keyring)
        alive = Alive(mag.ephemeral, families, people)
        authenticate = ClientAuthenticator(settings, mag.registry, mag.ephemeral, mag.connections)
        issuer = Issuer(settings, mint, families, people, rights)
        self.server = TokenServer(authenticate, mag.registry, issuer, mag.ephemeral)
        self.authorization = AuthorizationEndpoint(mag, issuer)
        pushed = PushedRequestEndpoint(settings, authenticate, self.authorization.sources, self.authorization.pushed)
        self._secure = (STRICT_TRANSPORT,) if settings.issuer.startswith("https:") else ()
        self._discovery: tuple[object, bytes, str] = (None, b"", "")
        endpoints = {
            "/.well-known/openid-configuration": Endpoint(("GET", "HEAD"), self.configuration),
            "/.well-known/oauth-authorization-server": Endpoint(("GET", "HEAD"), self.configuration),
            "/request": Endpoint(("POST",), pushed.answer, from_pages=True),
            "/jwks": Endpoint(("GET", "HEAD"), self.jwks),
            "/token": Endpoint(("POST",), self.token, from_pages=True),
            "/userinfo": Endpoint(("GET", "POST"), UserInfo(settings, mag.registry, alive, rights, mint, reader), from_pages=True),
            "/token/introspection": Endpoint(("POST",), Introspection(authenticate, mag.registry, alive, rights, reader)),
            "/token/revocation": Endpoint(("POST",), Revocation(authenticate, mag.connections, families, reader), from_pages=True),
            "/habilitations/v1": Endpoint(("GET",), ClaimPages(settings, mag.registry, alive, rights, mint)),
        }
        self.routes = {settings.issuer_path + path: endpoint for path, endpoint in endpoints.items()}
        if settings.issuer_path:
            self.routes[f"/.well-known/oauth-authorization-server{settings.issuer_path}"] = endpoints[
                "/.well-known/oauth-authorization-server"
            ]

    # ------------------------------------------------------------------------------------------------------------ the edge

    def answer(self, endpoint: Endpoint, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One answer, whatever happens."""
        request_id, method, origin = environ["mag.request_id"], environ["REQUEST_METHOD"], environ.get("HTTP_ORIGIN", "")
        headers = [("X-Request-ID", request_id), *self._secure]
        allowed: list[tuple[str, str]] = []
        answer = self._acted(lambda: self._routed(endpoint, environ, method, origin, allowed), environ, request_id)
        sent = answer.send(start_response, *headers, *allowed)
        return [b""] if method == "HEAD" else sent

    def _routed(self, endpoint: Endpoint, environ: Environ, method: str, origin: str, allowed: list[tuple[str, str]]) -> Answer:
        """What the endpoint answers; `allowed` receives what a page of a public client may read."""
        if origin and endpoint.from_pages and self.mag.registry.is_public_origin(origin):
            allowed += cors.headers_for(origin)
        if method in endpoint.methods:
            return endpoint.act(environ)
        return cors.preflight() if method == "OPTIONS" and allowed else not_allowed(endpoint.methods)

    def _acted(self, act: Callable[[], Answer], environ: Environ, request_id: str) -> Answer:
        """One way out for every refusal."""
        where = {"request_id": request_id, "path": environ.get("PATH_INFO")}
        try:
            return act()
        except OAuth2Error as error:
            return error_answer(error)
        except MagError as error:
            logger.error("refused", extra={"fields": {"code": error.code, "reason": str(error), **where}})
            return unavailable(error) if error.status >= 500 else error_answer(InvalidRequestError("this request is not valid"))
        except Exception as error:
            logger.error("unexpected error", exc_info=error, extra={"fields": where})
            return json_answer({"error": "server_error", "error_description": f"incident {request_id}"}, 500)

    # ---------------------------------------------------------------------------------------------------------- documents

    def configuration(self, environ: Environ) -> Answer:
        catalogue = self.mag.catalogue()
        if self._discovery[0] is not catalogue:
            body = orjson.dumps(discovery(self.settings, known_services(catalogue)))
            self._discovery = (catalogue, body, f'"{sha256(body).hexdigest()[:16]}"')
        return document(environ, *self._discovery[1:])

    def jwks(self, environ: Environ) -> Answer:
        keys = self.mag.keyring.published()
        return document(environ, keys.jwks, keys.etag)

    def token(self, environ: Environ) -> Answer:
        """RFC 6749 section 3.2."""
        return self.server.answer(read_form(environ), environ.get("HTTP_AUTHORIZATION", ""))


def document(environ: Environ, body: bytes, etag: str) -> Answer:
    """A public document, or 304 to who holds it already (RFC 9110 section 13.1.2)."""
    headers = (PUBLIC_CACHE, ANYONE, ("ETag", etag))
    held = str(environ.get("HTTP_IF_NONE_MATCH", ""))
    return Answer(304, b"", headers=headers) if held == "*" or etag in held else Answer(200, body, headers=headers)


def not_allowed(methods: tuple[str, ...]) -> Answer:
    """RFC 9110 section 15.5.6."""
    body = b'{"error":"invalid_request","error_description":"this method is not allowed here"}'
    return Answer(405, body, headers=(*NO_STORE, ("Allow", ", ".join(methods))))


def unavailable(error: MagError) -> Answer:
    headers = (*NO_STORE, ("Retry-After", str(error.retry_after or 5)))
    return json_answer({"error": "temporarily_unavailable", "error_description": "try again in a few seconds"}, 503, headers)
