"""Client credentials: a partner's software acts for itself.

Implements RFC 6749 section 4.4, RFC 9396 section 6 (`application_details.py`): under an agreement between two bodies, for some of
what it gives the application and no more. Left out on purpose: refresh tokens (section 4.4.3).
"""

from datetime import UTC, datetime
from typing import Any

from idp.habilitations.pagm import of_application
from idp.oidc.application_details import read_restriction
from idp.oidc.claims import DETAILS, PAGM, is_about_a_person
from idp.oidc.client import Client
from idp.oidc.details import InvalidDetailsError
from idp.oidc.grants.grant import Grant
from idp.oidc.vecteurs import audience_of


class ClientCredentialsGrant(Grant):
    """One signature, nothing stored."""

    GRANT_TYPE = "client_credentials"

    def validate_token_request(self) -> None:
        """Section 4.4.2; ours: without `scope`, every scope registered that is not about a person."""
        self.granted_to = self.authenticated()
        allowed = [scope for scope in sorted(self.granted_to.scope) if not is_about_a_person(scope)]
        self.scope = self.narrowed_scope(allowed, "scope is not registered for this client")
        self.audience, now = self.aimed_at(), datetime.now(UTC)
        self.terms = self.context.issuer.vecteurs.terms(self.granted_to, audience_of(self.granted_to, self.audience), now)
        self.told = self._agreed()

    def _asked_acting(self, client: Client) -> None:
        """RFC 9396 section 5; no habilitation is asked of nobody."""
        self.restriction = read_restriction(self.form.get(DETAILS, ""), client.authorization_details_types)

    def _agreed(self) -> dict[str, Any]:
        """What an agreement lets the token say of the application, within what it asks. Raises InvalidDetailsError."""
        terms, wanted = self.terms, self.restriction
        if terms is None:
            if wanted is not None:
                raise InvalidDetailsError("no agreement in force opens this audience")
            return {}
        terms.check_possession(self.confirmation)
        held = of_application(terms.convention, terms.on)
        if wanted is None:
            return {PAGM: held} if held else {}
        if not set(wanted.pagm) <= set(held):
            raise InvalidDetailsError("these profiles were not agreed")
        granted = sorted(wanted.pagm) or held
        return {PAGM: granted, DETAILS: wanted.told(granted)}

    def answer(self) -> dict[str, Any]:
        return self.context.issuer.for_client(self.granted_to, self.scope, self.confirmation, self.audience, self.terms, self.told)
