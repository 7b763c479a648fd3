"""Client credentials: a partner's software acts for itself.

Implements RFC 6749 section 4.4. Left out on purpose: refresh tokens (section 4.4.3).
"""

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant as BaseClientCredentialsGrant

from idp.oidc.claims import SCOPE_CLAIMS

OF_PERSONS = frozenset(SCOPE_CLAIMS)
"""Scopes that speak of a person: there is none here."""


class ClientCredentialsGrant(BaseClientCredentialsGrant):
    """One signature, nothing stored."""

    def validate_token_request(self) -> None:
        """Section 4.4.2; ours: without `scope`, every scope registered that is not about a person."""
        client = self.request.client = self.authenticate_token_endpoint_client()
        if self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("this client may not use client_credentials")
        allowed = [s for s in sorted(client.scope) if s not in OF_PERSONS and not s.startswith("habilitations:")]
        asked = list(dict.fromkeys((self.request.payload.scope or "").split()))
        if not set(asked) <= set(allowed):
            raise InvalidScopeError("scope is not registered for this client")
        self.scope = asked or allowed

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        return 200, self.server.issuer.for_client(self.client, self.scope), self.TOKEN_RESPONSE_HEADER
