"""Where an authorization request comes from: the address itself, a pushed request, or a request object.

Whatever the source, the client and the redirect URI are proved first; from then on refusals go to the partner.
"""

from collections.abc import Mapping
from typing import NamedTuple

from idp.config import Settings
from idp.oidc.checks import known_client, read_request
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.par import OURS, PREFIX, REFERENCE, PushedRequests
from idp.oidc.request import AuthorizationRequest
from idp.oidc.request_objects import RequestObjects

SIGNED = "mag_signed"
"""Ours, beside the parameters: they came in a request object."""


class Asked(NamedTuple):
    """A request at a proved redirect URI, and why it is refused, if its source already says so."""

    request: AuthorizationRequest
    refusal: AuthorizationError | None = None


class Sources:
    """Finds out what is asked."""

    def __init__(self, settings: Settings, clients: Clients, pushed: PushedRequests) -> None:
        self.clients, self.pushed = clients, pushed
        self.objects = RequestObjects(settings, clients)

    def read(self, given: Mapping[str, str]) -> Asked:
        """Raises UntrustedRequestError, for a page."""
        client = known_client(given, self.clients.find)
        try:
            parameters = self.resolved(client, given)
        except AuthorizationError as error:
            try:
                return Asked(read_request(given, client), error)
            except UntrustedRequestError:
                raise UntrustedRequestError(f"{error.error}: {error.description}, from {client.client_id}") from error
        return Asked(read_request(parameters, client))

    def resolved(self, client: Client, given: Mapping[str, str], *, pushing: bool = False) -> Mapping[str, str]:
        """The parameters that count. Raises AuthorizationError."""
        request_uri = given.get("request_uri", "")
        if request_uri.startswith(PREFIX) and not pushing:
            given = self.pushed.find(client, request_uri)
            request_uri = given.get("request_uri", "")
        elif client.requires_par and not pushing and REFERENCE not in given:
            raise AuthorizationError("invalid_request", "the request must be pushed first")
        if "request" not in given and not request_uri:
            if (client.profile.signed_request or client.require_signed_request_object) and SIGNED not in given:
                raise AuthorizationError("invalid_request", "a signed request object is required")
            return given
        if "request" in given and request_uri:
            raise AuthorizationError("invalid_request", "request and request_uri exclude each other")
        inside = self.objects.by_value(client, given["request"]) if "request" in given else self.objects.by_reference(client, request_uri)
        alone = pushing or client.profile.par or client.require_signed_request_object
        return merged(client, {name: value for name, value in given.items() if name.startswith(OURS)} if alone else given, inside)


def merged(client: Client, given: Mapping[str, str], inside: Mapping[str, str]) -> dict[str, str]:
    """What the object says wins, and the parameters beside it complete it (OpenID Connect Core section 6.1).

    Where the caller gives none of those, the object is alone (RFC 9101 section 6.3, RFC 9126 section 3). Raises AuthorizationError.
    """
    outside = {name: value for name, value in given.items() if name not in ("request", "request_uri")}
    words, other = (sorted(found.get("response_type", "").split()) for found in (outside, inside))
    if words and other and words != other:
        raise AuthorizationError("invalid_request", "response_type is not the one of the request object")
    return {**outside, **inside, "client_id": client.client_id, SIGNED: "1"}
