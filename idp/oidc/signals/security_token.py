"""The security event token: what a receiver reads.

Implements RFC 8417 section 2, RFC 9493 section 3, Shared Signals Framework 1.0 section 4 (`sub_id`, no `sub`, no `exp`). ours: signed
as the client's ID tokens are, never encrypted; the same `jti` and the same `iat` at each try, so that one event counts once.
"""

from collections.abc import Mapping
from datetime import datetime

from idp.oidc.client import Client
from idp.oidc.signals.events import ADDRESSES, content, subject
from idp.oidc.tokens import Mint

TYPE = "secevent+jwt"


def security_token(
    mint: Mint,
    receiver: Client,
    stream_id: str,
    *,
    jti: str,
    kind: str,
    sub: str,
    details: Mapping[str, str],
    occurred_at: datetime,
    created_at: datetime,
    version: str,
) -> str:
    """`version`: of the person's rights, for who is told that they changed."""
    at = int(occurred_at.timestamp())
    claims = {
        "iss": mint.settings.issuer,
        "aud": receiver.client_id,
        "iat": int(created_at.timestamp()),
        "toe": at,
        "jti": jti,
        "sub_id": subject(kind, mint.settings.issuer, sub, stream_id, details),
        "events": {ADDRESSES[kind]: content(kind, at, details, version)},
    }
    return mint.signed(receiver.id_token_signed_response_alg, claims, TYPE)
