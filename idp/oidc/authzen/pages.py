"""Tokens of pages: where a search goes on, sealed, good for one client and the very same search. AuthZEN section 8.2.1.

The place inside is a key, not a count: what changes between two pages moves nothing else. A search whose parameters change starts again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.seals import Seals, UnsealError, b64, digest, unb64

PURPOSE = "authzen-page"
LIFETIME = 3600
"""Seconds."""
LONGEST = 8192
"""Characters."""


@dataclass(frozen=True, slots=True)
class Places:
    """Seals them, for one process."""

    seals: Seals

    def seal(self, search: tuple[str, ...], place: Any, now: datetime) -> str:
        """`search`: all that must stay the same, the client first."""
        return b64(self.seals.seal(PURPOSE, orjson.dumps([place, int(now.timestamp())]), fingerprint(search)))

    def open(self, search: tuple[str, ...], token: str, now: datetime) -> Any:
        """The place; None without a token. Raises InvalidRequestError."""
        if not token:
            return None
        try:
            if len(token) > LONGEST or not token.isascii():
                raise UnsealError
            place, at = orjson.loads(self.seals.open(PURPOSE, unb64(token), fingerprint(search)))
        except (UnsealError, ValueError):
            raise InvalidRequestError("page.token is not one of this search") from None
        if now.timestamp() - at > LIFETIME:
            raise InvalidRequestError("page.token has expired")
        return place


def fingerprint(search: tuple[str, ...]) -> str:
    return digest(orjson.dumps(search).decode())
