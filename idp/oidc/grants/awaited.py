"""A grant whose answer comes from another screen: the client polls until it is there.

Implements RFC 8628 sections 3.4 and 3.5, CIBA Core sections 10.1 and 11. The answer becomes tokens as a code does.
"""

from datetime import UTC, datetime
from typing import ClassVar

from idp.oidc.codes import Redeemed
from idp.oidc.decoupled.awaited import poll
from idp.oidc.grants.redeemed import RedeemedGrant


class AwaitedGrant(RedeemedGrant):
    """`KIND` in the store; `PARAMETER` is what the client polls with."""

    KIND: ClassVar[str]

    def redeem(self, code: str) -> Redeemed:
        return poll(self.context.store, self.KIND, code, self.granted_to, datetime.now(UTC))
