"""Which pages may call machines' endpoints from a browser: those of public clients, at their registered origins (C51).

An application that runs in the browser redeems its own code, hence reads the token endpoint from its origin. Credentials are
never allowed: nothing here depends on a cookie. Fetch Standard, section 3.2.
"""

from collections.abc import Iterable

from idp.oidc.client import Client, origin_of
from idp.oidc.wire import Answer

PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "authorization, content-type, dpop"),
    ("Access-Control-Max-Age", "3600"),
)


def origins_of(clients: Iterable[Client]) -> frozenset[str]:
    """Origins of the redirect URIs of public clients."""
    public = (client for client in clients if client.token_endpoint_auth_method == "none")
    return frozenset(origin_of(uri) for client in public for uri in client.redirect_uris)


def headers_for(origin: str) -> tuple[tuple[str, str], ...]:
    """For an origin that is allowed. The answer depends on who asks, for caches too."""
    exposed = ("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, DPoP-Nonce")
    return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"), exposed)


def preflight() -> Answer:
    return Answer(204, b"", headers=PREFLIGHT)
