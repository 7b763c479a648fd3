"""The outbox of logout notices, as the messenger empties it.

Implements OpenID Connect Back-Channel Logout sections 2.5 and 2.8.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from idp.notifications.pace import PATIENCE
from idp.oidc.backchannel.logout_token import logout_token
from idp.oidc.backchannel.models import STATEMENTS
from idp.oidc.client_auth import Clients
from idp.oidc.delivery.messenger import Call, NobodyToTellError, Row
from idp.oidc.tokens import Mint

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class LogoutOutbox:
    """A notice for each client that took part in a session that ended."""

    name = "a sign-out"
    statements = STATEMENTS
    accepted = (200, 204)
    """Section 2.8: 200, and 204 where a framework writes that."""
    patience = PATIENCE

    def __init__(self, mint: Mint, clients: Clients) -> None:
        self.mint, self.clients = mint, clients

    def gather(self, _now: datetime) -> bool:
        """Notices are written with the fact itself."""
        return False

    def call(self, row: Row, now: datetime) -> Call:
        """A new token for each try. Raises NobodyToTellError, NoClientKeyError."""
        client = self.clients.find(row.key)
        if client is None or not client.backchannel_logout_uri:
            raise NobodyToTellError("the client is no longer told")
        sid, uid, _ = row.content
        token = logout_token(self.mint, client, uid, sid, int(now.timestamp()))
        return Call(client.backchannel_logout_uri, urlencode({"logout_token": token}).encode(), HEADERS)

    def fields(self, row: Row) -> dict[str, Any]:
        return {"client_id": row.key, "declarant_id": row.content[2]}
