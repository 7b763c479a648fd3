"""Machines' door: token, userinfo, introspection, revocation, JWKS, discovery, the claim endpoint of rights.

Each endpoint parses, acts, answers. Round trips per request are part of the contract (docs/performance.md) and counted by
tests. One function at the edge turns refusals into OAuth errors; nothing unknown leaves but an incident number.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.audit import journal
from idp.audit.events import TokenRevoked
from idp.authentication.session import guard_of_declarant, guard_of_session
from idp.errors import MagError
from idp.habilitations.disclosure import services_of_scope
from idp.logs import logger
from idp.oidc import cors
from idp.oidc.claims import Person, claims_of_scope, opened, select_claims
from idp.oidc.client import Client
from idp.oidc.client_auth import ClientAuthenticator, refused
from idp.oidc.families import Families, guard_of_family
from idp.oidc.issuing import Issuer
from idp.oidc.metadata import discovery
from idp.oidc.people import KIND, People
from idp.oidc.rights import Rights, known_services
from idp.oidc.server import TokenServer
from idp.oidc.tokens import AccessToken, Handle, Mint, Reader
from idp.oidc.wire import NO_STORE, Answer, Environ, bearer_token, error_answer, is_form, json_answer, read_form, read_pairs

if TYPE_CHECKING:
    from idp.http import Mag

PUBLIC_CACHE = ("Cache-Control", "public, max-age=300")
ANYONE = ("Access-Control-Allow-Origin", "*")
CLAIMS_OF_RIGHTS = ("hab", "_claim_names", "_claim_sources")
"""In an access token, and told anew at introspection."""
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
        self.mint, self.reader = Mint(settings, mag.keyring), Reader(settings, mag.keyring)
        self.families = Families(settings, mag.connections, mag.ephemeral, mag.keyring)
        self.people = People(mag.connections, mag.ephemeral)
        self.rights = Rights(settings, mag.connections, mag.catalogue, mag.keyring)
        self.authenticate = ClientAuthenticator(settings, mag.registry, mag.ephemeral, mag.connections)
        issuer = Issuer(settings, self.mint, self.families, self.people, self.rights)
        self.server = TokenServer(self.authenticate, mag.registry, issuer, mag.ephemeral)
        self._secure = (STRICT_TRANSPORT,) if settings.issuer.startswith("https:") else ()
        self._discovery: tuple[object, bytes, str] = (None, b"", "")
        endpoints = {
            "/.well-known/openid-configuration": Endpoint(("GET", "HEAD"), self.configuration),
            "/.well-known/oauth-authorization-server": Endpoint(("GET", "HEAD"), self.configuration),
            "/jwks": Endpoint(("GET", "HEAD"), self.jwks),
            "/token": Endpoint(("POST",), self.token, from_pages=True),
            "/userinfo": Endpoint(("GET", "POST"), self.userinfo, from_pages=True),
            "/token/introspection": Endpoint(("POST",), self.introspection),
            "/token/revocation": Endpoint(("POST",), self.revocation, from_pages=True),
            "/habilitations/v1": Endpoint(("GET",), self.claim_page),
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

    def _client(self, environ: Environ, form: dict[str, str]) -> Client:
        return self.authenticate(environ.get("HTTP_AUTHORIZATION", ""), form)

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

    # ------------------------------------------------------------------------------------------------------------- tokens

    def token(self, environ: Environ) -> Answer:
        """RFC 6749 section 3.2."""
        return self.server.answer(read_form(environ), environ.get("HTTP_AUTHORIZATION", ""))

    def _stands(self, handle: Handle, made_at: int) -> tuple[bool, str | None]:
        """Whether what hangs on a handle still counts, and the profile held, in one round trip.

        Of what was made before the store was born, or in that very second, the store forgot whether it ended: the family tells.
        """
        born, ended, held = self.mag.ephemeral.read(guards_of(handle), KIND, str(handle.declarant_id))
        return not ended and (made_at > int(born) or self.families.is_open(handle.family_id)), held

    def _alive(self, token: AccessToken) -> tuple[bool, Person | None]:
        """Whether a token still counts, and its person; a second read when the profile is not held."""
        stands, held = self._stands(token.handle, token.claims["iat"])
        person = self.people.held(held, token.handle.declarant_id) if stands else None
        return person is not None, person

    def userinfo(self, environ: Environ) -> Answer:
        """OpenID Connect Core section 5.3; the token comes in the header, or in a form body (RFC 6750 section 2.2)."""
        text = self._bearer(environ)
        if not text:
            return challenge("")
        now = datetime.now(UTC)
        token = self.reader.access_token(text, now.timestamp())
        client = self.mag.registry.find(token.claims["client_id"]) if token else None
        if token is None or client is None or not token.handle.declarant_id:
            return challenge("invalid_token")
        alive, person = self._alive(token)
        if not alive or person is None:
            return challenge("invalid_token")
        if "openid" not in token.claims["scope"].split():
            return challenge("insufficient_scope")
        return self._userinfo(client, token, person, now)

    def _bearer(self, environ: Environ) -> str | None:
        """The token, from one place alone (RFC 6750 section 2)."""
        text = bearer_token(environ)
        if environ["REQUEST_METHOD"] != "POST" or not environ.get("CONTENT_TYPE") or (text and not is_form(environ)):
            return text
        given = read_form(environ).get("access_token")
        if text and given:
            raise InvalidRequestError("the access token came twice")
        return text or given

    def _userinfo(self, client: Client, token: AccessToken, person: Person, now: datetime) -> Answer:
        scope = [s for s in token.claims["scope"].split() if s in client.scope]
        wanted = claims_of_scope(scope) | set(opened(token.handle.userinfo_claims, client.scope))
        claims = {
            "sub": token.claims["sub"],
            **select_claims(person, wanted, idp_id=self.settings.issuer, acr=token.claims["acr"], amr=token.claims["amr"]),
            **self.rights.claims(client, token.handle.declarant_id, services_of_scope(scope), now, token.handle),
        }
        if not client.userinfo_signed_response_alg:
            return json_answer(claims)
        claims |= {"iss": self.settings.issuer, "aud": client.client_id, "iat": int(now.timestamp()) - 5}
        return Answer(200, self.mint.signed(client.userinfo_signed_response_alg, claims).encode(), "application/jwt")

    def introspection(self, environ: Environ) -> Answer:
        """RFC 7662 section 2; a caller who is not entitled reads what a stranger would: inactive (C22)."""
        form = read_form(environ)
        client = self._client(environ, form)
        if client.token_endpoint_auth_method == "none":
            raise refused()
        if "token" not in form:
            raise InvalidRequestError("token is required")
        now = datetime.now(UTC)
        token = self.reader.access_token(form["token"], now.timestamp())
        holder = self.mag.registry.find(token.claims["client_id"]) if token and entitled(client, token) else None
        if token is None or holder is None or (token.handle.declarant_id and not self._alive(token)[0]):
            return json_answer({"active": False})
        signed = {name: value for name, value in token.claims.items() if name not in CLAIMS_OF_RIGHTS}
        return json_answer({"active": True, "token_type": "Bearer", **signed, **self._rights_now(holder, token, now)})

    def _rights_now(self, holder: Client, token: AccessToken, now: datetime) -> dict[str, Any]:
        """Rights as they are, not as they were signed: a right withdrawn is gone at the next introspection (C47)."""
        services = services_of_scope(token.claims["scope"].split()) if token.handle.declarant_id else frozenset()
        rights = self.rights.claims(holder, token.handle.declarant_id, services, now, token.handle)
        return {name: value for name, value in rights.items() if name in CLAIMS_OF_RIGHTS}

    def revocation(self, environ: Environ) -> Answer:
        """RFC 7009 section 2; ours: revoking one token ends everything its authorization gave."""
        form = read_form(environ)
        client = self._client(environ, form)
        if "token" not in form:
            raise InvalidRequestError("token is required")
        family_id, declarant_id = self._family_of(client, form["token"])
        if family_id:
            now = datetime.now(UTC)
            with self.mag.connections.transaction():
                self.families.close(family_id, "revoked", now)
                journal.write(
                    self.mag.connections, TokenRevoked(client_id=client.client_id, declarant_id=declarant_id, family_id=family_id), now
                )
        return Answer(200, b"")

    def _family_of(self, client: Client, text: str) -> tuple[str | None, int | None]:
        """Family of a token of this very client; None for anything else, which is not an error (RFC 7009 section 2.2)."""
        token = self.reader.access_token(text, datetime.now(UTC).timestamp())
        if token is not None:
            own = token.claims["client_id"] == client.client_id
            return (token.handle.family_id or None, token.handle.declarant_id or None) if own else (None, None)
        family_id = self.families.family_of(text)
        found = self.families.owner(family_id) if family_id else None
        return (family_id, found[1]) if found and found[0] == client.client_id else (None, None)

    # ------------------------------------------------------------------------------------------------------------- rights

    def claim_page(self, environ: Environ) -> Answer:
        """OpenID Connect Core section 5.6.2: the distributed claim of a large account, page by page, signed."""
        parameters = read_pairs(environ.get("QUERY_STRING", ""))
        text = bearer_token(environ)
        pass_ = self.rights.read_pass(text, datetime.now(UTC)) if text else None
        client = self.mag.registry.find(pass_.client_id) if pass_ else None
        if pass_ is None or client is None:
            return challenge("invalid_token" if text else "")
        if not self._stands(pass_.handle, pass_.expires_at - self.settings.access_token_lifetime)[0]:
            return challenge("invalid_token")
        claims = self.rights.page(pass_, parameters.get("next", ""), datetime.now(UTC))
        return Answer(200, self.mint.signed(client.access_token_signing_alg, claims).encode(), "application/jwt")


def document(environ: Environ, body: bytes, etag: str) -> Answer:
    """A public document, or 304 to who holds it already (RFC 9110 section 13.1.2)."""
    headers = (PUBLIC_CACHE, ANYONE, ("ETag", etag))
    held = str(environ.get("HTTP_IF_NONE_MATCH", ""))
    return Answer(304, b"", headers=headers) if held == "*" or etag in held else Answer(200, body, headers=headers)


def guards_of(handle: Handle) -> list[str]:
    """Whatever ends the token when it ends."""
    session = [guard_of_session(handle.sid)] if handle.sid else []
    return [guard_of_declarant(handle.declarant_id, handle.version), guard_of_family(handle.family_id), *session]


def entitled(client: Client, token: AccessToken) -> bool:
    """Its own token, one aimed at it, or at an audience it registered for."""
    audience = token.claims["aud"]
    aimed = {audience} if isinstance(audience, str) else set(audience)
    return token.claims["client_id"] == client.client_id or client.client_id in aimed or bool(aimed & client.introspect)


def not_allowed(methods: tuple[str, ...]) -> Answer:
    """RFC 9110 section 15.5.6."""
    body = b'{"error":"invalid_request","error_description":"this method is not allowed here"}'
    return Answer(405, body, headers=(*NO_STORE, ("Allow", ", ".join(methods))))


def challenge(error: str) -> Answer:
    """RFC 6750 section 3."""
    status = 403 if error == "insufficient_scope" else 401
    value = 'Bearer realm="mag"' + (f', error="{error}"' if error else "")
    return Answer(status, orjson.dumps({"error": error or "invalid_token"}), headers=(*NO_STORE, ("WWW-Authenticate", value)))


def unavailable(error: MagError) -> Answer:
    headers = (*NO_STORE, ("Retry-After", str(error.retry_after or 5)))
    return json_answer({"error": "temporarily_unavailable", "error_description": "try again in a few seconds"}, 503, headers)
