"""Authorization code: the code of a sign-in becomes tokens, once.

Implements RFC 6749 section 4.1.3, RFC 7636 section 4.6, OpenID Connect Core section 3.1.3. The authorization endpoint is
`views.py`'s. The order is the attack's: everything the client must show goes into one proof, and the store checks it and
spends the code in one step, before anything is minted.
"""

import re
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError

from idp.audit import journal
from idp.audit.events import CodeReplayed
from idp.oidc.codes import Redeemed, proof, redeem
from idp.oidc.grants.grant import Grant
from idp.oidc.request import s256
from idp.oidc.resources import aimed_at

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class AuthorizationCodeGrant(Grant):
    GRANT_TYPE = "authorization_code"

    def validate_token_request(self) -> None:
        """RFC 6749 section 4.1.3."""
        self.granted_to = self.authenticated()
        if "code" not in self.form:
            raise InvalidRequestError("code is required")
        aimed_at(self.granted_to, (), self.asked_resource)
        self.redeemed = self._redeem()
        if not self.redeemed.first:
            self._replayed()
        self._check_key(self.redeemed.granted.dpop_jkt)
        self.audience = aimed_at(self.granted_to, self.redeemed.granted.resource, self.asked_resource)

    def _redeem(self) -> Redeemed:
        """RFC 7636 section 4.6: a verifier where no challenge was sent is refused as a wrong one is."""
        verifier = self.form.get("code_verifier", "")
        if "code_verifier" in self.form and not VERIFIER.fullmatch(verifier):
            raise InvalidGrantError("code_verifier is malformed")
        shown = proof(self.granted_to.client_id, self.form.get("redirect_uri", ""), s256(verifier) if verifier else "")
        redeemed = redeem(self.context.store, self.form["code"], shown)
        if redeemed is None:
            raise InvalidGrantError("the code is not valid for this client, redirect_uri and code_verifier")
        return redeemed

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
        raise InvalidGrantError("the code was already used")

    def answer(self) -> dict[str, Any]:
        redeemed = self.redeemed
        return self.context.issuer.for_code(self.granted_to, redeemed.session, redeemed.granted, self.confirmation, self.audience)
