"""Client credentials: a partner's software acts for itself.

Implements RFC 6749 section 4.4. Left out on purpose: refresh tokens (section 4.4.3).
"""

from typing import Any

from idp.habilitations.disclosure import DECISION
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.oidc.claims import SCOPE_CLAIMS
from idp.oidc.grants.grant import Grant
from idp.oidc.resources import aimed_at


class ClientCredentialsGrant(Grant):
    """One signature, nothing stored."""

    GRANT_TYPE = "client_credentials"

    def validate_token_request(self) -> None:
        """Section 4.4.2; ours: without `scope`, every scope registered that is not about a person."""
        self.granted_to = self.authenticated()
        scopes = sorted(self.granted_to.scope)
        allowed = [s for s in scopes if s == DECISION or (s not in SCOPE_CLAIMS and not s.startswith(HABILITATIONS))]
        self.scope = self.narrowed_scope(allowed, "scope is not registered for this client")
        self.audience = aimed_at(self.granted_to, (), self.asked_resource)

    def answer(self) -> dict[str, Any]:
        return self.context.issuer.for_client(self.granted_to, self.scope, self.confirmation, self.audience)
