"""JWT bearer, about an account that is linked: a partner vouches for whoever signed in at its own site, and receives an access token.

Implements RFC 7523 sections 2.1, 3 and 3.1, RFC 7521 section 4.1. The assertion names the partner's account; the link says which identity
that is. ours: the token is worth what was agreed with the partner, as a session that its word opens (`acr`, `amr`, `auth_time`), and ends
with the link, with the credentials of the person, or within minutes. Left out on purpose: refresh tokens (the partner signs again), ID
tokens (nobody signs in here), `offline_access`, one establishment alone (RFC 9396).
"""

from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError, UnsupportedGrantTypeError

from idp.oidc.claims import is_about_a_person
from idp.oidc.client import JWT_BEARER
from idp.oidc.codes import make_granted
from idp.oidc.grants.grant import Grant
from idp.oidc.linked import NotVouchedError

NEVER = "offline_access"
"""Means nothing without a refresh token."""


class LinkedAccountGrant(Grant):
    GRANT_TYPE = JWT_BEARER

    def validate_token_request(self) -> None:
        self.granted_to = client = self.authenticated()
        if "assertion" not in self.form:
            raise InvalidRequestError("assertion is required")
        if self.context.links is None:
            raise UnsupportedGrantTypeError(self.GRANT_TYPE)
        self.scope = self.narrowed_scope(scope for scope in sorted(client.scope) if is_about_a_person(scope) and scope != NEVER)
        if not self.scope:
            raise InvalidScopeError("this client has no scope about a person")
        self.audience, self.links = self.aimed_at(), self.context.links
        self.context.issuer.terms(client, self.audience, self.confirmation, datetime.now(UTC))
        try:
            self.session = self.links.vouched(client, self.form["assertion"], self.scope, datetime.now(UTC))
        except NotVouchedError as error:
            raise InvalidGrantError(str(error)) from None

    def answer(self) -> dict[str, Any]:
        """The link is asked once more, and told, before anything is minted: what ends it from now on ends the token."""
        try:
            self.links.used(self.granted_to, self.session, self.scope, datetime.now(UTC))
        except NotVouchedError as error:
            raise InvalidGrantError(str(error)) from None
        granted = make_granted(self.granted_to.client_id, self.scope, resource=self.audience)
        return self.context.issuer.for_vouched(self.granted_to, self.session, granted, self.confirmation, self.audience)
