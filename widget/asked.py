"""What the page of a partner asks by a script, and not by an address: by FedCM, or in a frame. The rules of the authorization endpoint."""

from collections.abc import Mapping

from idp.oidc.authorization import AuthorizationEndpoint
from idp.oidc.checks import verify
from idp.oidc.client import Client
from idp.oidc.errors import AuthorizationError
from idp.oidc.request import AuthorizationRequest


def speaks(client: Client, mode: str) -> bool:
    """Whether the registry gives it this mode, and its answers are codes that a script may carry."""
    return mode in client.widget_modes and "code" in client.response_types and not client.profile.signed_response


def asked_by_page(endpoint: AuthorizationEndpoint, client: Client, parameters: Mapping[str, str]) -> AuthorizationRequest:
    """For a code, bound to PKCE by S256, with registered scopes alone. Raises AuthorizationError, UntrustedRequestError."""
    if parameters.get("response_type") != "code" or parameters.get("code_challenge_method") != "S256":
        raise AuthorizationError("invalid_request", "response_type must be code, with a code_challenge by S256")
    read = endpoint.sources.read({**parameters, "client_id": client.client_id})
    if read.refusal is not None:
        raise read.refusal
    asked = verify(read.request)
    if not asked.get("code_challenge"):
        raise AuthorizationError("invalid_request", "code_challenge is required")
    if unknown := set(asked.asked_scope) - client.scope:
        raise AuthorizationError("invalid_scope", f"{len(unknown)} scopes are not registered for this client")
    return asked
