"""Pushed authorization requests (RFC 9126): a client deposits its request first, and the browser carries a reference.

The reference is 256 random bits, bound to its client, short-lived. It serves once, counted when the request is answered: a
page loaded again before that finds it still (FAPI 2.0 Security Profile section 5.3.2.2, note 2).
"""

import time
from collections.abc import Mapping
from typing import TypeVar

import orjson

from idp.config import Settings
from idp.ephemeral import Ephemeral
from idp.oidc.client import Client
from idp.oidc.errors import AuthorizationError
from idp.seals import digest, random_token

PREFIX = "urn:ietf:params:oauth:request_uri:"
KIND, ANSWERED = "par", "par-fini"
REFERENCE, BOUND_KEY = "mag_reference", "mag_dpop_jkt"
"""Ours, beside the parameters: no partner can send them (`take_ours`)."""
OURS = "mag_"
Value = TypeVar("Value")


class PushedRequests:
    """Keeps pushed requests until they are answered."""

    def __init__(self, settings: Settings, store: Ephemeral) -> None:
        self.settings, self.store = settings, store

    def push(self, client: Client, parameters: Mapping[str, str]) -> str:
        """The `request_uri`."""
        reference = random_token()
        kept = orjson.dumps({"client_id": client.client_id, "parameters": dict(parameters)}).decode()
        self.store.put(KIND, digest(reference), kept, self.settings.pushed_request_lifetime)
        return PREFIX + reference

    def find(self, client: Client, request_uri: str) -> dict[str, str]:
        """The parameters, and the reference they came by. Raises AuthorizationError `invalid_request_uri`."""
        reference = request_uri.removeprefix(PREFIX)
        found = self.store.get(KIND, digest(reference)) if len(reference) < 100 else None
        kept = orjson.loads(found) if found else {}
        if kept.get("client_id") != client.client_id:
            raise AuthorizationError("invalid_request_uri", "request_uri is unknown, expired, or of another client")
        parameters: dict[str, str] = kept["parameters"]
        return {**parameters, REFERENCE: digest(reference)}

    def answered(self, reference: str) -> bool:
        """Section 7.3: its one use, whatever the answer. False when it was answered before: one of any number of callers has True."""
        longest = self.settings.demande_lifetime + self.settings.pushed_request_lifetime
        return self.store.add(ANSWERED, reference, longest, made_at=time.time(), instead_of=KIND)


def take_ours(parameters: Mapping[str, Value]) -> dict[str, Value]:
    """A partner's parameters without those that only MAG writes."""
    if OURS not in " ".join(parameters):
        return dict(parameters)
    return {name: value for name, value in parameters.items() if not name.startswith(OURS)}
