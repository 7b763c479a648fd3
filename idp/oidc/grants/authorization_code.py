"""Authorization code: the code of a sign-in becomes tokens, once.

Implements RFC 6749 section 4.1.3, RFC 7636 section 4.6, OpenID Connect Core section 3.1.3. The authorization endpoint is
`authorization.py`'s. The order is the attack's: everything the client must show goes into one proof, and the store checks it
and spends the code in one step, before anything is minted.
"""

import re

from authlib.oauth2.rfc6749.errors import InvalidGrantError

from idp.oidc.codes import Redeemed, proof, redeem
from idp.oidc.grants.redeemed import RedeemedGrant
from idp.oidc.request import s256

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class AuthorizationCodeGrant(RedeemedGrant):
    GRANT_TYPE = "authorization_code"
    PARAMETER = "code"
    CALLED = "the code"

    def redeem(self, code: str) -> Redeemed:
        """RFC 7636 section 4.6: a verifier where no challenge was sent is refused as a wrong one is."""
        verifier = self.form.get("code_verifier", "")
        if "code_verifier" in self.form and not VERIFIER.fullmatch(verifier):
            raise InvalidGrantError("code_verifier is malformed")
        shown = proof(self.granted_to.client_id, self.form.get("redirect_uri", ""), s256(verifier) if verifier else "")
        redeemed = redeem(self.context.store, code, shown)
        if redeemed is None:
            raise InvalidGrantError("the code is not valid for this client, redirect_uri and code_verifier")
        return redeemed
