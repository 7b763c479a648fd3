"""A grant whose answer comes from another screen: the client polls until it is there.

Implements RFC 8628 sections 3.4 and 3.5, CIBA Core sections 10.1 and 11. The answer becomes tokens as a code does.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError

from idp.audit import journal
from idp.audit.events import CodeReplayed
from idp.oidc.decoupled.awaited import poll
from idp.oidc.grants.grant import Grant
from idp.oidc.resources import aimed_at


class AwaitedGrant(Grant):
    """`KIND` in the store, and the `PARAMETER` that the client polls with."""

    KIND: ClassVar[str]
    PARAMETER: ClassVar[str]

    def validate_token_request(self) -> None:
        self.granted_to = self.authenticated()
        if self.PARAMETER not in self.form:
            raise InvalidRequestError(f"{self.PARAMETER} is required")
        aimed_at(self.granted_to, (), self.asked_resource)
        self.redeemed = poll(self.context.store, self.KIND, self.form[self.PARAMETER], self.granted_to, datetime.now(UTC))
        if not self.redeemed.first:
            self._replayed()
        self.audience = aimed_at(self.granted_to, self.redeemed.granted.resource, self.asked_resource)

    def _replayed(self) -> None:
        """As for a code (RFC 6749 section 4.1.2): what the first use gave dies too."""
        families, session, granted, now = self.context.issuer.families, self.redeemed.session, self.redeemed.granted, datetime.now(UTC)
        with families.connections.transaction():
            families.bury(self.granted_to, session, granted, now)
            event = CodeReplayed(declarant_id=session.declarant_id, client_id=self.granted_to.client_id, family_id=granted.family_id)
            journal.write(families.connections, event, now)
        raise InvalidGrantError("it was already used")

    def answer(self) -> dict[str, Any]:
        redeemed = self.redeemed
        return self.context.issuer.for_code(self.granted_to, redeemed.session, redeemed.granted, self.confirmation, self.audience)
