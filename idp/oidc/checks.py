"""The rules of an authorization request, in order: one function, one section, one way to fail.

Rules before the bar speak to the person (nothing proves where the answer would go); rules after it speak to the partner.
"""

import re
from collections.abc import Callable, Mapping

from idp.oidc.client import Client
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.request import AuthorizationRequest, InvalidClaimsError, read_claims

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
LONGEST = {"nonce": 512, "state": 4096, "login_hint": 400, "scope": 4000, "acr_values": 1000, "ui_locales": 200, "id_token_hint": 6000}
"""Characters."""


def read_request(parameters: Mapping[str, str], find_client: Callable[[str], Client | None]) -> AuthorizationRequest:
    """The request of a known client at one of its redirect URIs. Raises UntrustedRequestError, for a page."""
    client_id, redirect_uri = parameters.get("client_id", ""), parameters.get("redirect_uri", "")
    client = find_client(client_id) if client_id.isascii() and len(client_id) <= 100 else None
    if client is None:
        raise UntrustedRequestError(
            "unknown or disabled client",
            public="Le site d'où vous venez n'est pas connu de MAG, ou n'y est plus autorisé. Prévenez son assistance.",
        )
    if not redirect_uri:
        raise UntrustedRequestError(f"redirect_uri is missing, from {client.client_id}")
    if redirect_uri not in client.redirect_uris:
        raise UntrustedRequestError(
            f"redirect_uri is not registered by {client.client_id}",
            public=f"L'adresse de retour n'est pas l'une de celles que « {client.client_name} » a déclarées. Prévenez son assistance.",
        )
    return AuthorizationRequest(parameters, client)


# ------------------------------------------------------------------------------------------------------------- the bar


def check_lengths(request: AuthorizationRequest) -> None:
    """ours: what nobody needs is refused before it costs anything."""
    for name, longest in LONGEST.items():
        if len(request.get(name)) > longest:
            raise AuthorizationError("invalid_request", f"{name} is too long")


def check_request_objects(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.6."""
    for parameter, error in (
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ):
        if request.get(parameter):
            raise AuthorizationError(error)


def check_response_type(request: AuthorizationRequest) -> None:
    """RFC 6749 section 3.1.1; ours: `code` alone (RFC 9700 section 2.1.2)."""
    if not request.get("response_type"):
        raise AuthorizationError("invalid_request", "response_type is required")
    if request.get("response_type") not in request.client.response_types:
        raise AuthorizationError("unsupported_response_type", "response_type must be code")


def check_response_mode(request: AuthorizationRequest) -> None:
    """OAuth 2.0 Multiple Response Types section 2.1; ours: query alone."""
    if request.get("response_mode") not in ("", "query"):
        raise AuthorizationError("invalid_request", "response_mode must be query")


def check_grant(request: AuthorizationRequest) -> None:
    """RFC 6749 section 4.1.2.1."""
    if "authorization_code" not in request.client.grant_types:
        raise AuthorizationError("unauthorized_client", "this client may not use authorization_code")


def check_scope(request: AuthorizationRequest) -> None:
    """RFC 6749 section 3.3: nothing left of what was asked is an error, an unknown scope beside others is not."""
    scope = request.get("scope")
    if not scope.isascii() or not scope.isprintable():
        raise AuthorizationError("invalid_scope", "scope is not printable ASCII")
    if not any(s in request.client.scope for s in request.asked_scope):
        raise AuthorizationError("invalid_scope", "none of these scopes is registered for this client")


def check_pkce(request: AuthorizationRequest) -> None:
    """RFC 7636 section 4.4.1; ours: S256 alone, as RFC 9700 section 2.1.1 advises."""
    challenge, method = request.get("code_challenge"), request.get("code_challenge_method")
    if not challenge and (request.client.requires_pkce or method):
        raise AuthorizationError("invalid_request", "code_challenge is required")
    if challenge and method != "S256":
        raise AuthorizationError("invalid_request", "code_challenge_method must be S256")
    if challenge and not CHALLENGE.fullmatch(challenge):
        raise AuthorizationError("invalid_request", "code_challenge is malformed")


def check_profile(request: AuthorizationRequest) -> None:
    """ours: what ProConnect and FranceConnect require of their partners stays required of them here (`profiles.py`)."""
    profile = request.client.profile
    if profile.state and not request.state:
        raise AuthorizationError("invalid_request", "state is required")
    if len(request.get("nonce")) < profile.nonce_length:
        raise AuthorizationError("invalid_request", f"nonce of at least {profile.nonce_length} characters is required")
    if profile.acr_values and not request.acr_values:
        raise AuthorizationError("invalid_request", "acr_values is required")


def check_nonce(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.1; ours: printable ASCII, given back unchanged."""
    if not request.get("nonce").isascii() or not request.get("nonce").isprintable():
        raise AuthorizationError("invalid_request", "nonce is not printable ASCII")


def check_prompt(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.1: `none` stands alone."""
    if request.prompt - PROMPTS:
        raise AuthorizationError("invalid_request", "prompt value is not supported")
    if "none" in request.prompt and len(request.prompt) > 1:
        raise AuthorizationError("invalid_request", "prompt none stands alone")


def check_max_age(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.1; malformed is an error, not an absence (C11)."""
    text = request.get("max_age")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise AuthorizationError("invalid_request", "max_age is not a number of seconds")


CHECKS = (
    check_lengths,
    check_request_objects,
    check_response_type,
    check_response_mode,
    check_grant,
    check_scope,
    check_pkce,
    check_profile,
    check_nonce,
    check_prompt,
    check_max_age,
)


def verify(request: AuthorizationRequest) -> AuthorizationRequest:
    """The same request with its `claims` read, once every rule has passed. Raises AuthorizationError, for the partner."""
    for check in CHECKS:
        check(request)
    try:
        claims = read_claims(request.get("claims"))
    except InvalidClaimsError:
        raise AuthorizationError("invalid_request", "claims is malformed") from None
    return AuthorizationRequest(request.parameters, request.client, claims)
