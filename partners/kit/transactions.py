"""A sign-in in progress: what this browser must bring back, sealed, in a cookie of its own, for ten minutes.

One cookie a transaction, named after its `state`: several tabs do not disturb each other, and nothing is kept on the server.
The cookies are `Lax`: MAG answers in a query, which brings them; a form posted from elsewhere would not.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from flask import Response, request

from .sealing import Box, random_text

TRANSACTION = "__Host-mag-tx-"
LOGOUT = "__Host-mag-out-"
LIFETIME = 600
KEPT = 5
"""Sign-ins in progress in one browser; more would make its cookies too long for servers."""
STATE = re.compile(r"[A-Za-z0-9_-]{43}")
FLOW = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Mode(StrEnum):
    """How the person goes to MAG, and how the answer comes back."""

    REDIRECT = "redirect"
    POPUP = "popup"
    FEDCM = "fedcm"
    INLINE = "inline"

    @property
    def is_scripted(self) -> bool:
        """The page's own script carries question and answer, by `fetch`."""
        return self in (Mode.FEDCM, Mode.INLINE)


MODES = frozenset(Mode)


@dataclass(frozen=True, slots=True)
class Transaction:
    """What was asked of MAG, and what to do with its answer."""

    mode: Mode
    return_to: str
    lang: str
    flow: str = ""
    """Names the channel on which a popup speaks to the page that opened it."""
    state: str = ""
    nonce: str = ""
    verifier: str = ""

    @classmethod
    def begin(cls, unverified_mode: str, unverified_flow: str, *, return_to: str, lang: str) -> "Transaction | None":
        """With fresh secrets. None for a mode that does not exist, or a popup that nobody listens to."""
        if unverified_mode not in MODES:
            return None
        mode = Mode(unverified_mode)
        flow = unverified_flow if mode is Mode.POPUP and FLOW.fullmatch(unverified_flow) else ""
        if mode is Mode.POPUP and not flow:
            return None
        return replace(cls(mode, return_to, lang, flow), state=random_text(), nonce=random_text(), verifier=random_text(48))


class Transactions:
    """The cookies of the sign-ins and of the sign-outs in progress."""

    def __init__(self, secret_key: str | bytes) -> None:
        self._boxes = {TRANSACTION: Box(secret_key, "transaction"), LOGOUT: Box(secret_key, "logout")}

    def keep(self, response: Response, transaction: Transaction) -> None:
        self.write(response, TRANSACTION, asdict(transaction))

    def find(self, unverified_state: str) -> Transaction | None:
        """The sign-in that this browser began."""
        value = self.read(TRANSACTION, unverified_state)
        return Transaction(**{**value, "mode": Mode(value["mode"])}) if value else None

    def write(self, response: Response, kind: str, value: Mapping[str, Any]) -> None:
        """`value` has a `state`. The oldest transactions of this browser make room."""
        set_cookie(response, kind + value["state"], self._boxes[kind].seal(value, LIFETIME), LIFETIME)
        names = [name for name in request.cookies if name.startswith((TRANSACTION, LOGOUT))]
        for name in names[: max(0, len(names) - KEPT + 1)]:
            set_cookie(response, name, "", 0)

    def read(self, kind: str, unverified_state: str) -> Mapping[str, Any] | None:
        """What the cookie of this state holds."""
        if not STATE.fullmatch(unverified_state):
            return None
        value: Mapping[str, Any] | None = self._boxes[kind].open(request.cookies.get(kind + unverified_state, ""))
        return value if value and hmac.compare_digest(value["state"], unverified_state) else None


def set_cookie(response: Any, name: str, value: str, max_age: int | None = None) -> None:
    """`__Host-`: Secure, this host alone, whole site."""
    response.set_cookie(name, value, max_age=max_age, secure=True, httponly=True, samesite="Lax", path="/")
