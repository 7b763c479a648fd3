"""What never happens in a frame: pure. Whatever is said here goes on in a window of MAG."""

from collections.abc import Iterable

from idp.authentication.levels import FRAMED, satisfies
from idp.oidc.dispatch import asked_levels
from idp.oidc.request import AuthorizationRequest

APART = frozenset({"offline_access", "controles"})
"""Scopes that administer: an access that lasts while nobody is there, and what MAG checked of people."""


def beyond(asked: AuthorizationRequest, told: Iterable[str]) -> str:
    """Why this request cannot be answered from a frame, whoever types; empty when it can. `told`: the scopes it amounts to."""
    if asked.prompt - {"login"}:
        return "prompt"
    if asked_levels(asked) and not satisfies(FRAMED, asked_levels(asked)):
        return "level"
    if asked.acting is not None:
        return "establishment"
    return "scope" if APART & set(told) else ""
