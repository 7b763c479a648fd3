"""Clients of the sandbox see test identities alone: whoever registered one without a question learns nothing of a real person.

The test identities are those of the settings. A live session of somebody else counts as none; somebody else who signs in is
sent back with `access_denied`. Costs one query, for these clients only. Their profile forbids the grants that reach a person
by another way (`client_metadata.py`).
"""

from idp.config import Settings
from idp.database import Connections
from idp.declarants.identite import Identite, compared
from idp.oidc.client import Client
from idp.oidc.models import IDENTITY

MARK = " (bac à sable)"
"""Beside the client's name, wherever a person reads it."""


def shown_name(client: Client) -> str:
    """The name of a client, as the sign-in page says it."""
    return client.client_name + MARK if client.profile.test_identities else client.client_name


class TestIdentities:
    """Those of the settings, compared whatever the spelling."""

    def __init__(self, settings: Settings, connections: Connections) -> None:
        self.connections = connections
        self.known = set(map(compared, settings.test_identities))

    def has(self, identite: Identite) -> bool:
        return identite.compared in self.known

    def bars(self, client: Client, declarant_id: int) -> bool:
        """Whether this person must not sign in at this client."""
        if not client.profile.test_identities:
            return False
        found = self.connections.one(IDENTITY, declarant_id=declarant_id)
        return found is None or (int(found[0]), found[1]) not in self.known
