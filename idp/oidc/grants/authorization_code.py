"""Authorization code: the code of a sign-in becomes tokens, once.

Implements RFC 6749 section 4.1.3, RFC 7636 section 4.6, OpenID Connect Core section 3.1.3. The authorization endpoint is
`views.py`'s. The order is the attack's: everything the client must show goes into one proof, and the store checks it and
spends the code in one step, before anything is minted.
"""

import re
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from idp.audit import journal
from idp.audit.events import CodeReplayed
from idp.oidc.codes import Redeemed, proof, redeem
from idp.oidc.request import s256

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class AuthorizationCodeGrant(BaseGrant, TokenEndpointMixin):
    GRANT_TYPE = "authorization_code"

    def validate_token_request(self) -> None:
        client = self.request.client = self.authenticate_token_endpoint_client()
        form = self.request.form
        if self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("this client may not use authorization_code")
        code = form.get("code", "")
        if not code:
            raise InvalidRequestError("code is required")
        verifier = form.get("code_verifier", "")
        if "code_verifier" in form and not VERIFIER.fullmatch(verifier):
            raise InvalidGrantError("code_verifier is malformed")
        shown = proof(client.client_id, form.get("redirect_uri", ""), s256(verifier) if verifier else "")
        redeemed = redeem(self.server.store, code, shown)
        if redeemed is None:
            raise InvalidGrantError("the code is not valid for this client, redirect_uri and code_verifier")
        if not redeemed.first:
            self._replayed(redeemed)
        self.redeemed = redeemed

    def _replayed(self, redeemed: Redeemed) -> None:
        """RFC 6749 section 4.1.2: what the first exchange gave dies too."""
        families, now = self.server.issuer.families, datetime.now(UTC)
        with families.connections.transaction():
            families.close(redeemed.granted.family_id, "code_replay", now)
            event = CodeReplayed(declarant_id=redeemed.session.declarant_id, client_id=self.client.client_id, family_id=redeemed.granted.family_id)
            journal.write(families.connections, event, now)
        raise InvalidGrantError("the code was already used")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        return 200, self.server.issuer.for_code(self.client, self.redeemed.session, self.redeemed.granted), self.TOKEN_RESPONSE_HEADER
