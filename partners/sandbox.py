"""The sandbox: a client at once for anybody, for test identities alone, for a month, in limited number.

Only test identities sign in there: `idp/oidc/sandbox.py` sees to it, at every sign-in.
"""

from datetime import datetime, timedelta

from idp.authentication.throttle import Attempt
from idp.config import HOUR
from idp.ephemeral import Counter, Ephemeral
from idp.errors import RefusedError
from partners.models import OAuthClient
from partners.terms import STANDARD_SCOPES, Terms

CODE, NOM = "bac-a-sable", "Bac à sable"
PROFILE = "sandbox"
TERMS = Terms((PROFILE,), STANDARD_SCOPES, frozenset({"authorization_code", "refresh_token", "client_credentials"}))
LIFETIME = timedelta(days=30)
OF_ONE_BLOCK, WINDOW = 10, 24 * HOUR
"""Clients that one block of addresses (/32, or /64) may register in a day."""
OF_ALL = 1000
"""Clients that live at the same time."""


class SandboxFullError(RefusedError):
    """Too many clients, from one place or from all."""

    code = "bac_a_sable_plein"
    number = "M600009"
    remedy = "Réessayez demain, ou supprimez un client d'essai."
    status = 429

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason, public=reason)
        self.retry_after = retry_after


def block_of(address: str) -> str:
    """The addresses that are one person's: /32, or /64."""
    return Attempt("", address or "0.0.0.0").blocks[0]  # noqa: S104  # an unknown address, not a binding


def admit(store: Ephemeral, address: str, now: datetime) -> datetime:
    """When the client of this address will end. Counts it, whether its metadata are good or not. Raises SandboxFullError."""
    if store.count(Counter(f"bas:{block_of(address)}", WINDOW))[0] > OF_ONE_BLOCK:
        raise SandboxFullError(f"{OF_ONE_BLOCK} sandbox clients a day from one network", WINDOW)
    if OAuthClient.count_of(CODE, now) >= OF_ALL:
        raise SandboxFullError("the sandbox is full", HOUR)
    return now + LIFETIME
