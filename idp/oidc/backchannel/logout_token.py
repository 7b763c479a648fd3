"""The logout token: what a partner reads when a session ends.

Implements OpenID Connect Back-Channel Logout section 2.4. Left out on purpose: tokens with `sub` alone (MAG always knows the
session), `nonce` (forbidden, so that nobody takes one for an ID token).
"""

from idp.oidc.client import Client
from idp.oidc.tokens import Mint
from idp.seals import random_token

TYPE = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME = 120
"""Seconds: a partner's clock may be late, and each try brings a new token."""


def logout_token(mint: Mint, client: Client, uid: str, sid: str, now: int) -> str:
    """The token of one try, signed and encrypted as this client's ID tokens are. `now` in epoch seconds. Raises NoClientKeyError."""
    claims = {
        "iss": mint.settings.issuer,
        "sub": mint.subjects.of(client, uid),
        "aud": client.client_id,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": random_token(16),
        "sid": sid,
        "events": {EVENT: {}},
    }
    return mint.signed_for(client, client.id_token_signed_response_alg, client.id_token_encryption, claims, TYPE)
