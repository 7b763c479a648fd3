"""Machines' door: routes, and one way out for every answer and every refusal.

Each endpoint is a module of its own: it parses, acts, answers. Round trips per request are part of the contract
(docs/performance.md) and counted by tests. One function at the edge turns refusals into OAuth errors; nothing unknown leaves
but an incident number.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from idp.habilitations.souvenir import Souvenirs
from idp.oidc import cors
from idp.oidc.alive import Alive
from idp.oidc.attestations import Attestations
from idp.oidc.authorization import AuthorizationEndpoint
from idp.oidc.authzen.access import Access
from idp.oidc.authzen.decisions import Decisions
from idp.oidc.authzen.known import Directory
from idp.oidc.authzen.pages import Places
from idp.oidc.authzen.searches import Searches
from idp.oidc.bearer import Bearers
from idp.oidc.claim_pages import ClaimPages
from idp.oidc.client_auth import ClientAuthenticator
from idp.oidc.controls import Controls
from idp.oidc.decoupled.backchannel_request import Requests
from idp.oidc.decoupled.ciba import Backchannel
from idp.oidc.decoupled.device import DeviceAuthorization
from idp.oidc.documents import Documents
from idp.oidc.families import Families
from idp.oidc.introspection import Introspection
from idp.oidc.issuing import Issuer
from idp.oidc.metadata import ATTESTATIONS, DECISIONS, resource_address
from idp.oidc.people import People
from idp.oidc.possession import Possession
from idp.oidc.pushed_requests import PushedRequestEndpoint
from idp.oidc.refusals import refusal
from idp.oidc.revocation import Revocation
from idp.oidc.rights import Rights
from idp.oidc.rights_state import RightsState
from idp.oidc.server import TokenServer
from idp.oidc.tokens import Reader
from idp.oidc.userinfo import UserInfo
from idp.oidc.vecteurs import Vecteurs
from idp.oidc.wire import DPOP_NONCE, NO_STORE, Answer, Environ, described

if TYPE_CHECKING:
    from idp.http import Mag

READ = ("GET", "HEAD")
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path: its methods, and what answers."""

    methods: tuple[str, ...]
    act: Callable[[Environ], Answer]
    from_pages: bool = False
    """Public clients call it from a browser."""
    metadata: str = ""
    """Where a protected resource describes itself (RFC 9728)."""
    echoes: bool = False
    """The caller names its requests (AuthZEN Authorization API 1.0 section 10.1.5)."""


class Machines:
    """The machines' door of one process."""

    def __init__(self, mag: "Mag") -> None:
        settings, self.mag = mag.settings, mag
        self.settings = settings
        mint, reader = mag.mint, Reader(settings, mag.keyring)
        families = Families(settings, mag.connections, mag.ephemeral, mag.keyring)
        people = People(mag.connections, mag.ephemeral)
        rights = Rights(settings, mag.connections, mag.catalogue, mag.keyring, mag.carnet)
        alive = Alive(mag.ephemeral, families, people)
        authenticate = ClientAuthenticator(settings, mag.registry, mag.ephemeral, mag.connections)
        vecteurs = Vecteurs(mag.connections, mag.ephemeral, mag.registry, rights)
        self.issuer = issuer = Issuer(settings, mint, families, people, rights, mag.signals.audience, vecteurs)
        possession = Possession(settings, mag.keyring, mag.ephemeral)
        self.server = TokenServer(authenticate, mag.registry, issuer, mag.ephemeral, possession)
        self.authorization = AuthorizationEndpoint(mag, issuer)
        self.bearers = bearers = Bearers(mag.registry, reader, possession, vecteurs)
        pushed = PushedRequestEndpoint(settings, authenticate, self.authorization.sources, self.authorization.pushed, possession.proofs)
        self._secure = (STRICT_TRANSPORT,) if settings.issuer.startswith("https:") else ()
        documents = Documents(settings, mag.keyring, mag.catalogue, self._registers)
        endpoints = {
            "/.well-known/openid-configuration": Endpoint(READ, documents.configuration),
            "/.well-known/oauth-authorization-server": Endpoint(READ, documents.configuration),
            "/request": Endpoint(("POST",), pushed.answer, from_pages=True),
            "/jwks": Endpoint(READ, documents.jwks),
            "/token": Endpoint(("POST",), self.token, from_pages=True),
            "/userinfo": Endpoint(
                ("GET", "POST"),
                UserInfo(settings, bearers, alive, rights, mint, mag.policies, Controls(mag.connections)),
                from_pages=True,
                metadata=resource_address(settings, "/userinfo"),
            ),
            "/token/introspection": Endpoint(("POST",), Introspection(authenticate, mag.registry, alive, rights, mint, reader, vecteurs)),
            "/token/revocation": Endpoint(("POST",), Revocation(authenticate, mag.connections, families, reader), from_pages=True),
            "/habilitations/v1": Endpoint(
                ("GET",),
                ClaimPages(settings, mag.registry, alive, rights, mint, possession),
                metadata=resource_address(settings, "/habilitations/v1"),
            ),
        }
        directory = Directory(mag.connections, alive, reader)
        decisions = Decisions(directory, rights, Souvenirs(mag.connections))
        access = Access(settings.issuer, bearers, mag.ephemeral, decisions, Searches(directory, rights), Places(mag.keyring))
        for path, act in access.endpoints.items():
            endpoints[path] = Endpoint(("POST",), act, metadata=resource_address(settings, DECISIONS), echoes=True)
        endpoints["/.well-known/authzen-configuration"] = Endpoint(READ, documents.decision_point)
        described_at = resource_address(settings, "/habilitations/v1")
        endpoints["/habilitations/v1/etat"] = Endpoint(READ, RightsState(bearers, alive, rights), metadata=described_at)
        attestations = Attestations(settings.issuer, bearers, alive, mag.keyring, mag.ephemeral, mag.connections)
        endpoints[ATTESTATIONS] = Endpoint(("POST",), attestations, metadata=resource_address(settings, ATTESTATIONS))
        scopes = self.authorization.supported_scopes
        device = DeviceAuthorization(settings, authenticate, mag.ephemeral, mag.keyring, scopes)
        requests = Requests(settings, mag.registry, mag.ephemeral, scopes)
        backchannel = Backchannel(settings, authenticate, requests, mag.ephemeral, mag.connections, mag.keyring, people, reader)
        endpoints |= {
            "/device_authorization": Endpoint(("POST",), device, from_pages=True),
            "/bc-authorize": Endpoint(("POST",), backchannel),
        }
        self.routes = {settings.issuer_path + path: endpoint for path, endpoint in endpoints.items()}
        self.routes[f"/.well-known/oauth-authorization-server{settings.issuer_path}"] = Endpoint(READ, documents.configuration)
        self.routes[f"/.well-known/authzen-configuration{settings.issuer_path}"] = Endpoint(READ, documents.decision_point)
        for path, act in documents.resources.items():
            self.routes[resource_address(settings, path).removeprefix(settings.issuer_origin)] = Endpoint(READ, act)

        self.prefixes: dict[str, Endpoint] = {}
        """Addresses that end with a name: whatever begins so."""

    def add(self, path: str, endpoint: Endpoint, *, prefix: bool = False) -> None:
        """An endpoint of another room; with `prefix`, of every address that begins so."""
        (self.prefixes if prefix else self.routes)[self.settings.issuer_path + path] = endpoint

    def find(self, path: str) -> Endpoint | None:
        """The endpoint of an address."""
        found = self.routes.get(path)
        return found or next((endpoint for prefix, endpoint in self.prefixes.items() if path.startswith(prefix)), None)

    # ------------------------------------------------------------------------------------------------------------ the edge

    def answer(self, endpoint: Endpoint, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One answer, whatever happens."""
        request_id, method, origin = environ["mag.request_id"], environ["REQUEST_METHOD"], environ.get("HTTP_ORIGIN", "")
        allowed: list[tuple[str, str]] = []
        try:
            answer = self._routed(endpoint, environ, method, origin, allowed)
        except Exception as error:
            answer = refusal(error, request_id, environ.get("PATH_INFO"))
        if DPOP_NONCE in environ:
            allowed.append(("DPoP-Nonce", environ[DPOP_NONCE]))
        named = named_by_caller(environ) if endpoint.echoes else ""
        sent = answer.send(start_response, ("X-Request-ID", named or request_id), *self._secure, *allowed)
        return [b""] if method == "HEAD" else sent

    def _routed(self, endpoint: Endpoint, environ: Environ, method: str, origin: str, allowed: list[tuple[str, str]]) -> Answer:
        """What the endpoint answers; `allowed` receives what a page of a public client may read."""
        if origin and endpoint.from_pages and self.mag.registry.is_public_origin(origin):
            allowed += cors.headers_for(origin)
        if method in endpoint.methods:
            answer = endpoint.act(environ)
            return described(answer, endpoint.metadata) if endpoint.metadata and answer.status in (401, 403) else answer
        return cors.preflight() if method == "OPTIONS" and allowed else not_allowed(endpoint.methods)

    def _registers(self) -> bool:
        """Whether somebody may register a client now (RFC 7591): settings say so, or an operator let someone in."""
        return self.settings.open_registration or self.settings.sandbox or self.mag.registry.admits()

    def token(self, environ: Environ) -> Answer:
        """RFC 6749 section 3.2."""
        return self.server.answer(environ)


def named_by_caller(environ: Environ) -> str:
    """The name that the caller gave its request, when it is short and printable; MAG's own stays in the log."""
    named = str(environ.get("HTTP_X_REQUEST_ID", ""))
    return named if len(named) <= 128 and named.isascii() and named.isprintable() else ""


def not_allowed(methods: tuple[str, ...]) -> Answer:
    """RFC 9110 section 15.5.6."""
    body = b'{"error":"invalid_request","error_description":"this method is not allowed here"}'
    return Answer(405, body, headers=(*NO_STORE, ("Allow", ", ".join(methods))))
