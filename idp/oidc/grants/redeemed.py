"""A grant that is spent once: a code, or the answer that was given on another screen.

Implements RFC 6749 section 4.1.2 for both. What it is, and what the client must show to spend it, is each grant's own.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError

from idp.audit import journal
from idp.audit.events import CodeReplayed
from idp.oidc.codes import Redeemed
from idp.oidc.grants.grant import Grant
from idp.oidc.resources import aimed_at


class RedeemedGrant(Grant):
    """`PARAMETER` holds what is spent; `CALLED` names it in the words of a refusal."""

    NARROWS = True
    PARAMETER: ClassVar[str]
    CALLED: ClassVar[str] = "it"

    def validate_token_request(self) -> None:
        """RFC 6749 section 4.1.3; a resource that the client never registered is refused before anything is spent."""
        self.granted_to = self.authenticated()
        if self.PARAMETER not in self.form:
            raise InvalidRequestError(f"{self.PARAMETER} is required")
        self.aimed_at()
        self.redeemed = self.redeem(self.form[self.PARAMETER])
        if not self.redeemed.first:
            self._replayed()
        self._check_key(self.redeemed.granted.dpop_jkt)
        self.audience = aimed_at(self.granted_to, self.redeemed.granted.resource, self.asked_resource)
        self.acting = self.narrowed_acting(self.redeemed.granted.acting)

    def redeem(self, code: str) -> Redeemed:
        """Spend it. Raises OAuth2Error."""
        raise NotImplementedError

    def _check_key(self, bound: str) -> None:
        """RFC 9449 section 10: of a code bound to a key, whoever redeems it proves that key."""
        if bound and bound != (self.confirmation.jkt if self.confirmation else ""):
            raise InvalidGrantError("the code is bound to another key")

    def _replayed(self) -> None:
        """RFC 6749 section 4.1.2: what the first exchange gave dies too."""
        families, session, granted, now = self.context.issuer.families, self.redeemed.session, self.redeemed.granted, datetime.now(UTC)
        with families.connections.transaction():
            families.bury(self.granted_to, session, granted, now)
            event = CodeReplayed(declarant_id=session.declarant_id, client_id=self.granted_to.client_id, family_id=granted.family_id)
            journal.write(families.connections, event, now)
        raise InvalidGrantError(f"{self.CALLED} was already used")

    def answer(self) -> dict[str, Any]:
        redeemed, kind = self.redeemed, str(self.GRANT_TYPE).rpartition(":")[2]
        return self.context.issuer.for_code(
            self.granted_to, redeemed.session, redeemed.granted, self.confirmation, self.audience, self.acting, kind
        )
