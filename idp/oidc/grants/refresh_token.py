"""Refresh: a partner renews what it was granted, never more.

Implements RFC 6749 section 6, OpenID Connect Core section 12, RFC 9700 section 4.14.2 (rotation, reuse detection),
RFC 9396 section 6.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.details import Acting
from idp.oidc.families import Grant as Granted
from idp.oidc.grants.grant import Grant
from idp.oidc.resources import aimed_at


class RefreshTokenGrant(Grant):
    GRANT_TYPE = "refresh_token"
    NARROWS = True

    def validate_token_request(self) -> None:
        self.granted_to = self.authenticated()
        if "refresh_token" not in self.form:
            raise InvalidRequestError("refresh_token is required")
        self.granted, self.successor = self._refreshed(self.form["refresh_token"], datetime.now(UTC))
        self.scope = self.narrowed_scope(self.granted.context["scope"])
        self.audience = self._audience(self.granted.context)
        self.granted = self.granted.narrowed(self.narrowed_acting(self.granted.acting))

    def _refreshed(self, token: str, now: datetime) -> tuple[Granted, str]:
        """What is too wide is refused before the token is spent; when nothing is narrowed, a refresh stays one statement."""
        families = self.context.issuer.families
        narrowed = self.asked_scope or self.asked_resource or self.asked_acting
        if narrowed and (context := families.context(self.granted_to, token, now, self.confirmation)):
            self.narrowed_scope(context["scope"])
            self._audience(context)
            self.narrowed_acting(Acting.load(context.get("acting")))
        return families.refresh(self.granted_to, token, now, self.confirmation)

    def _audience(self, context: Mapping[str, Any]) -> tuple[str, ...]:
        """RFC 8707 section 2.2."""
        return aimed_at(self.granted_to, context.get("resource", ()), self.asked_resource)

    def answer(self) -> dict[str, Any]:
        issuer = self.context.issuer
        return issuer.for_refresh(self.granted_to, self.granted, self.scope, self.successor, self.confirmation, self.audience)
