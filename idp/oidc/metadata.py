"""What MAG says of itself: discovery, complete and only true; and the metadata of its own resources.

Implements OpenID Connect Discovery section 3, RFC 8414 section 2, RFC 9728 section 2. Each feature says its own lines, in its
function of `FEATURES`. What MAG does not do is said outright where silence would mean yes. RS256 is listed although FAPI 2.0
refuses it: OpenID Connect Core section 15.1 asks for it, and a client's profile refuses it (docs/decisions/0006).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idp.authentication.levels import LEVELS, MFA, SAID
from idp.config import Settings
from idp.habilitations.disclosure import DECISION
from idp.habilitations.disclosure import SCOPE as HABILITATIONS
from idp.oidc.application_details import TYPE as APPLICATION
from idp.oidc.claims import AMR_NAMES, CLAIMS, SCOPE_CLAIMS
from idp.oidc.client import CONTENT_ENCS, KEY_ALGS, RESPONSE_MODES, RESPONSE_TYPES
from idp.oidc.client_auth import SYMMETRIC, auth_methods
from idp.oidc.details import TYPES
from idp.oidc.link_prefixes import SCOPE as LINKS_SCOPE
from idp.oidc.profiles import SIGNING_ALGS, STANDARD_PROMPTS, by_every_name
from idp.oidc.server import GRANTS
from idp.oidc.vecteurs import SUSPICIONS_SCOPE, TRACES_SCOPE
from idp.oidc.wire import DPOP_ALGS

AMR_VALUES = (*SAID, MFA, *{word for names in AMR_NAMES.values() for word in names.values()})
"""Every word that a token may carry, in MAG's words and in those of clients that have others."""
CLIENT_ALGS = by_every_name(SIGNING_ALGS)
Members = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """What MAG has to offer at this moment."""

    settings: Settings
    algorithms: tuple[str, ...] = ()
    """With which it has a key to sign."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Codes and names of the services open to `habilitations:<service>`."""
    registers: bool = False
    """Somebody may register a client now (RFC 7591)."""

    def at(self, path: str) -> str:
        return f"{self.settings.issuer}{path}"

    @property
    def scopes(self) -> list[str]:
        of_machines = (DECISION, LINKS_SCOPE, LINKED_SCOPE, *OF_SIGNALS, TRACES_SCOPE, SUSPICIONS_SCOPE, SCIM_SCOPE)
        return [*SCOPE_CLAIMS, *of_machines, *(HABILITATIONS + code for code in sorted(self.services))]


# ------------------------------------------------------------------------------------------------------ authorization server


def authorization(offer: Offer) -> Members:
    """Core section 3, RFC 7636, RFC 9207, RFC 9101 section 10.5, RFC 9126 section 5, RFC 9396 section 10, Prompt Create 1.0 section 4.2.

    ours: `select_organization`, which no specification has, is not announced: Nimbus, with which Spring Security reads, refuses the
    whole document for it.
    """
    front_channel = offer.settings.front_channel_tokens
    return {
        "authorization_endpoint": offer.at("/authorize"),
        "pushed_authorization_request_endpoint": offer.at("/request"),
        "require_pushed_authorization_requests": False,
        "response_types_supported": list(RESPONSE_TYPES) if front_channel else ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "authorization_signing_alg_values_supported": list(offer.algorithms),
        "authorization_encryption_alg_values_supported": list(KEY_ALGS),
        "authorization_encryption_enc_values_supported": list(CONTENT_ENCS),
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(CLIENT_ALGS),
        "prompt_values_supported": sorted(STANDARD_PROMPTS),
        "display_values_supported": ["page"],
        "authorization_details_types_supported": sorted({*TYPES, APPLICATION}),
    }


def clients(offer: Offer) -> Members:
    """How clients prove themselves. RFC 8414 section 2, RFC 9449 section 5.1, RFC 8705 section 3.3."""
    methods = auth_methods(offer.settings)
    confidential = [method for method in methods if method != "none"]
    symmetric = SYMMETRIC if offer.settings.client_secret_jwt else ()
    found: Members = {"dpop_signing_alg_values_supported": list(DPOP_ALGS)}
    for endpoint, of_endpoint in (("token", methods), ("introspection", confidential), ("revocation", methods)):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = list(of_endpoint)
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = [*CLIENT_ALGS, *symmetric]
    if offer.settings.tls_certificate_header:
        found["tls_client_certificate_bound_access_tokens"] = True
    return found


def tokens(offer: Offer) -> Members:
    """RFC 6749, 7009, 7662, 9701; Core sections 2 and 5.3.2; only algorithms that have a key."""
    found = {
        "token_endpoint": offer.at("/token"),
        "introspection_endpoint": offer.at("/token/introspection"),
        "revocation_endpoint": offer.at("/token/revocation"),
        "userinfo_endpoint": offer.at("/userinfo"),
        "jwks_uri": offer.at("/jwks"),
        "grant_types_supported": grant_types(offer.settings),
    }
    for answer in ("id_token", "userinfo", "introspection"):
        found[f"{answer}_signing_alg_values_supported"] = list(offer.algorithms)
        found[f"{answer}_encryption_alg_values_supported"] = list(KEY_ALGS)
        found[f"{answer}_encryption_enc_values_supported"] = list(CONTENT_ENCS)
    return found


def grant_types(settings: Settings) -> list[str]:
    """What the token endpoint knows, and `implicit` where response types give tokens at once."""
    known = [str(grant.GRANT_TYPE) for grant in GRANTS]
    return [*known, "implicit"] if settings.front_channel_tokens else known


def identity(offer: Offer) -> Members:
    """Core sections 2, 5 and 8; no `address`: MAG holds the company's, not the person's."""
    return {
        "scopes_supported": offer.scopes,
        "claims_supported": list(CLAIMS),
        "claim_types_supported": ["normal", "distributed"],
        "subject_types_supported": ["pairwise", "public"],
        "acr_values_supported": list(LEVELS),
        "amr_values_supported": list(AMR_VALUES),
        "ui_locales_supported": ["fr-FR"],
        "claims_locales_supported": ["fr-FR"],
    }


def logout(offer: Offer) -> Members:
    """RP-Initiated Logout section 2.1, Back-Channel Logout section 2.1, Front-Channel Logout section 3."""
    found: Members = {
        "end_session_endpoint": offer.at("/session/end"),
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    if offer.settings.frontchannel_logout:
        found |= {"frontchannel_logout_supported": True, "frontchannel_logout_session_supported": True}
    return found


def registration(offer: Offer) -> Members:
    """RFC 7591 section 3."""
    return {"registration_endpoint": offer.at("/reg")} if offer.registers else {}


def resources(offer: Offer) -> Members:
    """RFC 9728 section 4."""
    return {"protected_resources": [offer.at(path) for path in RESOURCES]}


def elsewhere(offer: Offer) -> Members:
    """RFC 8628 section 4; CIBA Core section 4."""
    return {
        "device_authorization_endpoint": offer.at("/device_authorization"),
        "backchannel_authentication_endpoint": offer.at("/bc-authorize"),
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_authentication_request_signing_alg_values_supported": list(CLIENT_ALGS),
        "backchannel_user_code_parameter_supported": False,
    }


FEATURES = (authorization, clients, tokens, identity, logout, registration, resources, elsewhere)


def discovery(offer: Offer) -> Members:
    """The document of `/.well-known/openid-configuration`."""
    found: Members = {"issuer": offer.settings.issuer}
    for feature in FEATURES:
        found |= feature(offer)
    return found


# -------------------------------------------------------------------------------------------------------------- resources

RESOURCE_WELL_KNOWN = "/.well-known/oauth-protected-resource"
DECISIONS, ATTESTATIONS, LINKS, LINKED = "/access/v1", "/attestations/v1", "/acces/v1", "/rattachement/v1"
SIGNALS, INTEROPS, SCIM = "/ssf/v1", "/interops/v1", "/scim/v2"
SCIM_SCOPE = "scim"
"""What an access token needs to read and manage the people of companies that entrusted them to a partner (`partners/scim`)."""
READ_SIGNALS, MANAGE_SIGNALS, SEND_SIGNALS = "ssf.read", "ssf.manage", "ssf.send"
OF_SIGNALS = (READ_SIGNALS, MANAGE_SIGNALS, SEND_SIGNALS)
"""Scopes of the streams of events: to read and receive, to do everything, to send some to MAG."""
LINKED_SCOPE = "rattachement:liens"
"""What an access token needs to read and end the links of accounts of a partner."""
RESOURCES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "/userinfo": ("Identité du déclarant", ("header", "body")),
    "/habilitations/v1": ("Habilitations du déclarant", ("header",)),
    DECISIONS: ("Décisions sur les habilitations", ("header",)),
    ATTESTATIONS: ("Accusés signés de déclarations", ("header",)),
    LINKS: ("Liens vers une ressource d'un partenaire", ("header",)),
    SIGNALS: ("Flux de signaux", ("header",)),
    INTEROPS: ("Traces et comportements suspects des conventions", ("header",)),
    LINKED: ("Comptes d'un partenaire associés à MAG", ("header",)),
    SCIM: ("Personnes des entreprises confiées à un partenaire", ("header",)),
}
"""MAG's own resources: name, and how a token comes (RFC 6750 section 2)."""


def resource_address(settings: Settings, path: str) -> str:
    """Where the metadata of a resource is: the well-known name goes between host and path (RFC 9728 section 3.1)."""
    return f"{settings.issuer_origin}{RESOURCE_WELL_KNOWN}{settings.issuer_path}{path}"


def resource(offer: Offer, path: str) -> Members:
    """RFC 9728 section 2."""
    name, methods = RESOURCES[path]
    of_rights = [scope for scope in offer.scopes if scope.startswith(HABILITATIONS) and scope != DECISION]
    scopes = {"/userinfo": offer.scopes, DECISIONS: [DECISION], ATTESTATIONS: ["openid"], LINKS: [LINKS_SCOPE]}
    scopes[LINKED], scopes[SIGNALS] = [LINKED_SCOPE], list(OF_SIGNALS)
    scopes[INTEROPS], scopes[SCIM] = [TRACES_SCOPE, SUSPICIONS_SCOPE], [SCIM_SCOPE]
    return {
        "resource": offer.at(path),
        "authorization_servers": [offer.settings.issuer],
        "jwks_uri": offer.at("/jwks"),
        "scopes_supported": scopes.get(path, of_rights),
        "bearer_methods_supported": list(methods),
        "resource_signing_alg_values_supported": list(offer.algorithms),
        "resource_name": name,
        "dpop_signing_alg_values_supported": list(DPOP_ALGS),
        "tls_client_certificate_bound_access_tokens": bool(offer.settings.tls_certificate_header),
    }
