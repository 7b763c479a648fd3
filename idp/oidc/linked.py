"""What the token endpoint asks of whoever keeps the links between identities and accounts of partners (`partners/rattachement`).

RFC 7523 section 2.1, for an assertion whose `sub` is an account of the partner's own. RFC 8725 section 3.11: it has a `typ` of its own, so
that what goes through a browser (`navigation+jwt`) is never taken for it, nor an assertion about a grant of offline access.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from idp.authentication.session import Session
from idp.oidc.client import Client
from idp.oidc.client_jwt import LONGEST
from idp.oidc.jose import Compact, UnreadableError

ASSERTION = "rattachement-jeton+jwt"


class NotVouchedError(ValueError):
    """Why the partner's word gives no token: fixed ASCII, for `error_description`."""


class Links(Protocol):
    """Reads an assertion, and finds who holds the account."""

    def vouched(self, client: Client, unverified_assertion: str, scope: Sequence[str], now: datetime) -> Session:
        """What the partner's word is worth now, for whoever it vouches for. Raises NotVouchedError."""
        ...

    def used(self, client: Client, session: Session, scope: Sequence[str], now: datetime) -> None:
        """A token of this session is made next. Raises NotVouchedError for a link that ended meanwhile."""
        ...


def speaks_of_a_link(unverified_assertion: str) -> bool:
    """By what it says of itself; it is verified as such afterwards, or refused."""
    try:
        return Compact.read(unverified_assertion, LONGEST).header.get("typ") == ASSERTION
    except UnreadableError:
        return False
