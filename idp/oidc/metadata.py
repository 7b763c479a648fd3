"""Discovery: complete, and only true.

Implements OpenID Connect Discovery section 3, RFC 8414 section 2, RFC 9207 section 3. What MAG does not do is said outright
where silence would mean yes (`request_uri_parameter_supported`).
"""

from collections.abc import Iterable
from typing import Any

from idp.config import Settings
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.oidc.claims import CLAIMS, SCOPE_CLAIMS

ACR_VALUES = ("eidas1",)
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
SIGNING_ALGS = ("ES256", "RS256")


def discovery(settings: Settings, services: Iterable[str]) -> dict[str, Any]:
    """The document of `/.well-known/openid-configuration`; `services` are the codes open to `habilitations:<service>`."""
    issuer = settings.issuer
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/session/end",
        "introspection_endpoint": f"{issuer}/token/introspection",
        "revocation_endpoint": f"{issuer}/token/revocation",
        "scopes_supported": [*SCOPE_CLAIMS, *(HABILITATIONS + code for code in sorted(services))],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["pairwise", "public"],
        "acr_values_supported": list(ACR_VALUES),
        "amr_values_supported": ["pwd"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGS),
        "userinfo_signing_alg_values_supported": list(SIGNING_ALGS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "PS256"],
        "introspection_endpoint_auth_methods_supported": [m for m in AUTH_METHODS if m != "none"],
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "claim_types_supported": ["normal", "distributed"],
        "claims_supported": list(CLAIMS),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "ui_locales_supported": ["fr-FR"],
        "claims_locales_supported": ["fr-FR"],
    }
