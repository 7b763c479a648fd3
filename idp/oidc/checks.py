"""The rules of an authorization request, in order: one function, one section, one way to fail.

Rules before the bar speak to the person (nothing proves where the answer would go); rules after it speak to the partner.
"""

import re
from collections.abc import Callable, Mapping

from idp.habilitations.disclosure import services_of_scope
from idp.oidc.client import RESPONSE_MODES, Client
from idp.oidc.details import InvalidDetailsValueError
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.par import BOUND_KEY
from idp.oidc.request import AuthorizationRequest, InvalidClaimsError, read_claims
from idp.oidc.resources import are_open
from idp.oidc.sandbox import shown_name

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
LONGEST = {"nonce": 512, "state": 4096, "login_hint": 400, "scope": 4000, "acr_values": 1000, "ui_locales": 200, "id_token_hint": 6000}
"""Characters."""
SHORT = min(LONGEST.values())


def known_client(parameters: Mapping[str, str], find_client: Callable[[str], Client | None]) -> Client:
    """Who asks. Raises UntrustedRequestError, for a page."""
    client_id = parameters.get("client_id", "")
    client = find_client(client_id) if client_id.isascii() and len(client_id) <= 100 else None
    if client is None:
        raise UntrustedRequestError(
            "unknown or disabled client",
            public="Le site d'où vous venez n'est pas connu de MAG, ou n'y est plus autorisé. Prévenez son assistance.",
        )
    return client


def read_request(parameters: Mapping[str, str], client: Client) -> AuthorizationRequest:
    """The request of a client at one of its redirect URIs. Raises UntrustedRequestError, for a page."""
    redirect_uri = parameters.get("redirect_uri", "")
    if not redirect_uri:
        raise UntrustedRequestError(f"redirect_uri is missing, from {client.client_id}")
    if redirect_uri not in client.redirect_uris:
        raise UntrustedRequestError(
            f"redirect_uri is not registered by {client.client_id}",
            public=f"L'adresse de retour n'est pas l'une de celles que « {shown_name(client)} » a déclarées. Prévenez son assistance.",
        )
    return AuthorizationRequest(parameters, client)


# ------------------------------------------------------------------------------------------------------------- the bar


def check_lengths(request: AuthorizationRequest) -> None:
    """ours: what nobody needs is refused before it costs anything."""
    if max(map(len, request.parameters.values())) <= SHORT:
        return
    for name, value in request.parameters.items():
        if len(value) > LONGEST.get(name, len(value)):
            raise AuthorizationError("invalid_request", f"{name} is too long")


def check_registration(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.6."""
    if request.get("registration"):
        raise AuthorizationError("registration_not_supported")


def check_response_type(request: AuthorizationRequest) -> None:
    """RFC 6749 section 3.1.1, OAuth 2.0 Multiple Response Types section 3, FAPI 2.0 Security Profile section 5.3.2.2."""
    if not request.response_type:
        raise AuthorizationError("invalid_request", "response_type is required")
    if request.response_type not in request.client.response_types:
        raise AuthorizationError("unsupported_response_type", "this response_type is not registered for this client")
    words = request.response_type.split()
    if request.client.sender_constrained and ("token" in words or (request.client.profile.sender_constrained and words != ["code"])):
        raise AuthorizationError("unsupported_response_type", "an access token of this client must be bound to a key")


def check_response_mode(request: AuthorizationRequest) -> None:
    """OAuth 2.0 Multiple Response Types section 2.1: no token in a query; JARM section 2.3: signed answers for who registered for them."""
    mode = request.get("response_mode")
    if mode and mode not in RESPONSE_MODES:
        raise AuthorizationError("invalid_request", "response_mode is not supported")
    if mode in ("query", "query.jwt") and request.response_type != "code":
        raise AuthorizationError("invalid_request", "response_mode query cannot carry tokens")
    if mode and not mode.endswith("jwt") and request.client.profile.signed_response:
        raise AuthorizationError("invalid_request", "response_mode must be one of jwt")


def check_grant(request: AuthorizationRequest) -> None:
    """RFC 6749 section 4.1.2.1."""
    if "code" in request.response_type and "authorization_code" not in request.client.grant_types:
        raise AuthorizationError("unauthorized_client", "this client may not use authorization_code")


def check_scope(request: AuthorizationRequest) -> None:
    """RFC 6749 section 3.3: nothing left of what was asked is an error, an unknown scope beside others is not. Core section 3.3.2.1."""
    scope = request.get("scope")
    if not scope.isascii() or not scope.isprintable():
        raise AuthorizationError("invalid_scope", "scope is not printable ASCII")
    if not any(s in request.client.scope for s in request.asked_scope):
        raise AuthorizationError("invalid_scope", "none of these scopes is registered for this client")
    if "id_token" in request.response_type and "openid" not in request.client.scope.intersection(request.asked_scope):
        raise AuthorizationError("invalid_scope", "an ID token needs the scope openid")


def check_pkce(request: AuthorizationRequest) -> None:
    """RFC 7636 section 4.4.1; ours: S256 alone, as RFC 9700 section 2.1.1 advises."""
    challenge, method = request.get("code_challenge"), request.get("code_challenge_method")
    if not challenge and ((request.client.requires_pkce and "code" in request.response_type) or method):
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
    nonce = request.get("nonce")
    if not nonce.isascii() or not nonce.isprintable():
        raise AuthorizationError("invalid_request", "nonce is not printable ASCII")
    if "id_token" in request.response_type and not nonce:
        raise AuthorizationError("invalid_request", "nonce is required when an ID token comes through the browser")


def check_prompt(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.1: `none` stands alone."""
    if request.prompt - request.client.profile.prompts:
        raise AuthorizationError("invalid_request", "unsupported prompt value requested")
    if "none" in request.prompt and len(request.prompt) > 1:
        raise AuthorizationError("invalid_request", "prompt none stands alone")


def check_max_age(request: AuthorizationRequest) -> None:
    """OpenID Connect Core section 3.1.2.1; malformed is an error, not an absence (C11)."""
    text = request.get("max_age")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise AuthorizationError("invalid_request", "max_age is not a number of seconds")


def check_resource(request: AuthorizationRequest) -> None:
    """RFC 8707 section 2."""
    if not are_open(request.client, request.resource):
        raise AuthorizationError("invalid_target", "this resource is not registered for this client")


def check_authorization_details(request: AuthorizationRequest) -> None:
    """RFC 9396 section 5; ours: of services that the client may ask about, named here or by scopes."""
    try:
        acting = request.acting
    except InvalidDetailsValueError as error:
        raise AuthorizationError("invalid_authorization_details", str(error)) from None
    if acting is None:
        return
    open_to_it = services_of_scope(request.client.scope)
    if not acting.codes <= open_to_it:
        raise AuthorizationError("invalid_authorization_details", "these services are not registered for this client")
    if not (acting.codes or services_of_scope(request.asked_scope) & open_to_it):
        raise AuthorizationError("invalid_authorization_details", "no service is named, here or by a scope")


def check_dpop_jkt(request: AuthorizationRequest) -> None:
    """RFC 9449 section 10: a SHA-256 thumbprint, the one of the proof that came with a pushed request."""
    jkt, proved = request.get("dpop_jkt"), request.get(BOUND_KEY)
    if jkt and not CHALLENGE.fullmatch(jkt):
        raise AuthorizationError("invalid_request", "dpop_jkt is malformed")
    if jkt and proved and jkt != proved:
        raise AuthorizationError("invalid_request", "dpop_jkt is not the key of the DPoP proof")


CHECKS: tuple[tuple[Callable[[AuthorizationRequest], None], str], ...] = (
    (check_lengths, ""),
    (check_registration, "registration"),
    (check_response_type, ""),
    (check_response_mode, "response_mode"),
    (check_grant, ""),
    (check_scope, ""),
    (check_pkce, ""),
    (check_profile, ""),
    (check_nonce, ""),
    (check_prompt, "prompt"),
    (check_max_age, "max_age"),
    (check_resource, "resource"),
    (check_authorization_details, "authorization_details"),
    (check_dpop_jkt, "dpop_jkt"),
)
"""Each rule, and the parameter without which it has nothing to say; empty for those that always speak."""


def verify(request: AuthorizationRequest, *, front_channel: bool = False) -> AuthorizationRequest:
    """The same request with its `claims` read, once every rule has passed. Raises AuthorizationError, for the partner.

    `front_channel`: whether tokens may come through the browser (a setting, off: RFC 9700 section 2.1.2).
    """
    for check, about in CHECKS:
        if not about or about in request.parameters:
            check(request)
    if request.response_type != "code" and not front_channel:
        raise AuthorizationError("unsupported_response_type", "response_type must be code")
    if not request.get("claims"):
        return request
    try:
        claims = read_claims(request.get("claims"))
    except InvalidClaimsError:
        raise AuthorizationError("invalid_request", "claims is malformed") from None
    return AuthorizationRequest(request.parameters, request.client, claims)
