"""The other half of the session cookie: what the browser itself shows when it speaks for a partner's page (FedCM).

The session's own cookie is `Lax` and never crosses sites. This one does (`SameSite=None`), and is honoured for requests that the
browser alone can make (`Sec-Fetch-Dest: webidentity`, which no page can forge). It is another value: the place of the session's
row, sealed, so that neither half gives the other, and both end together. Beside it, the identities that this browser was asked to
remember: its chooser shows them too.
"""

from dataclasses import dataclass
from typing import Self

import orjson

from idp.seals import Seals, UnsealError, b64, unb64

COOKIE = "__Host-mag_f"
PURPOSE = "fedcm"
LONGEST = 400
"""Characters."""


@dataclass(frozen=True, slots=True)
class Half:
    """`row`: where the session is kept (`session.row_of`). `others`: rows of declarants."""

    row: str
    others: tuple[int, ...] = ()

    def dump(self, seals: Seals) -> str:
        return b64(seals.seal(PURPOSE, orjson.dumps([self.row, self.others])))

    @classmethod
    def read(cls, seals: Seals, unverified_cookie: str) -> Self | None:
        """None when it is absent, altered, or sealed by a secret that is gone."""
        if not unverified_cookie or not unverified_cookie.isascii() or len(unverified_cookie) > LONGEST:
            return None
        try:
            row, others = orjson.loads(seals.open(PURPOSE, unb64(unverified_cookie)))
        except (UnsealError, ValueError):
            return None
        return cls(row, tuple(others))
