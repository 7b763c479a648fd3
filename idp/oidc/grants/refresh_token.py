"""Refresh: a partner renews what it was granted, never more.

Implements RFC 6749 section 6, OpenID Connect Core section 12, RFC 9700 section 4.14.2 (rotation, reuse detection).
"""

from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin



class RefreshTokenGrant(BaseGrant, TokenEndpointMixin):
    GRANT_TYPE = "refresh_token"

    def validate_token_request(self) -> None:
        client = self.request.client = self.authenticate_token_endpoint_client()
        if self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("this client may not use refresh_token")
        if not self.request.form.get("refresh_token"):
            raise InvalidRequestError("refresh_token is required")
        self.grant, self.successor = self.server.issuer.families.refresh(client, self.request.form["refresh_token"], datetime.now(UTC))
        self.scope = self._scope()

    def _scope(self) -> list[str]:
        """RFC 6749 section 6: the same or narrower; ours: nor what the client may no longer ask (C10)."""
        granted = [s for s in self.grant.context["scope"] if s in self.client.scope]
        asked = list(dict.fromkeys((self.request.payload.scope or "").split()))
        if not set(asked) <= set(granted):
            raise InvalidScopeError("scope is wider than what was granted")
        return asked or granted

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        return 200, self.server.issuer.for_refresh(self.client, self.grant, self.scope, self.successor), self.TOKEN_RESPONSE_HEADER
