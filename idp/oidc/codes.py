"""Authorization codes: born of a live session in one round trip, spent once in one more.

A code is 256 random bits; the store holds its digest. Its value is the session's line, then the request's. It dies with its
session or its person (guards) and serves only the client, redirect URI and PKCE verifier it was made for (proof).
RFC 6749 sections 4.1.2 and 10.5, RFC 7636 section 4.6, RFC 9700 section 4.5.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Self

import orjson

from idp.authentication.levels import answered
from idp.authentication.session import KIND, Session
from idp.config import Settings
from idp.ephemeral import Ephemeral
from idp.oidc.details import Acting
from idp.seals import b64, digest, random_token


class Granted(NamedTuple):
    """What a code stands for: the request as granted, and the family its tokens will belong to."""

    client_id: str
    scope: tuple[str, ...]
    nonce: str
    id_token_claims: tuple[str, ...]
    userinfo_claims: tuple[str, ...]
    family_id: str
    resource: tuple[str, ...] = ()
    """RFC 8707 section 2: the only audiences of its access tokens, when the client named some."""
    dpop_jkt: str = ""
    """RFC 9449 section 10: thumbprint of the only key that may redeem the code."""
    acr: tuple[str, ...] = ()
    """Levels asked for: the one told is among them, when the sign-in satisfies one."""
    acting: Acting | None = None
    """RFC 9396: the one establishment that its tokens are about."""

    def told(self, session: Session) -> Session:
        """The session as this client learns it."""
        return session._replace(acr=answered(self.acr, session.acr)) if self.acr else session

    def dump(self) -> str:
        return orjson.dumps(
            [
                *(self.client_id, self.scope, self.nonce, self.id_token_claims, self.userinfo_claims, self.family_id),
                *(self.resource, self.dpop_jkt, self.acr, self.acting.dump() if self.acting else None),
            ]
        ).decode()

    @classmethod
    def load(cls, text: str | bytes) -> Self:
        client_id, scope, nonce, id_token_claims, userinfo_claims, family_id, resource, dpop_jkt, *later = orjson.loads(text)
        claims = tuple(id_token_claims), tuple(userinfo_claims)
        acr, acting = tuple(later[0]) if later else (), Acting.load(later[1]) if len(later) > 1 else None
        return cls(client_id, tuple(scope), nonce, *claims, family_id, tuple(resource), dpop_jkt, acr, acting)


def make_granted(
    client_id: str,
    scope: Sequence[str],
    nonce: str = "",
    id_token_claims: Sequence[str] = (),
    userinfo_claims: Sequence[str] = (),
    *,
    resource: Sequence[str] = (),
    dpop_jkt: str = "",
    acr: Sequence[str] = (),
    acting: Acting | None = None,
) -> Granted:
    """With a new family."""
    claims = tuple(id_token_claims), tuple(userinfo_claims)
    return Granted(client_id, tuple(scope), nonce, *claims, random_token(16), tuple(resource), dpop_jkt, tuple(acr), acting)


def proof(client_id: str, redirect_uri: str, challenge: str) -> str:
    """What the token request must show again, as one digest."""
    return b64(hashlib.sha256(f"{client_id}\0{redirect_uri}\0{challenge}".encode("utf-8", "surrogatepass")).digest())


class Redeemed(NamedTuple):
    """A code that was spent: by this very request (`first`), or before."""

    session: Session
    granted: Granted
    first: bool


def issue(store: Ephemeral, settings: Settings, row: str, granted: Granted, shown: str) -> tuple[Session, str] | None:
    """The session kept at `row` and a code born of it; None without a live session.

    The caller may still decide not to reveal the code: nobody else knows it, and it dies of its lifetime.
    """
    if not row:
        return None
    code = random_token()
    found = store.derive(KIND, row, settings.session_idle, "code", digest(code), granted.dump(), settings.code_lifetime, proof=shown)
    return (Session.load(found), code) if found else None


def redeem(store: Ephemeral, code: str, shown: str) -> Redeemed | None:
    """Spend a code; None when unknown, dead, or not shown what it was made for. A second time answers `first` False."""
    spent = store.spend("code", digest(code), shown)
    if spent is None:
        return None
    line, _, rest = spent.value.partition("\n")
    granted = Granted.load(rest)
    return Redeemed(granted.told(Session.load(line)), granted, spent.first)
