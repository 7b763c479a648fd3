"""A backchannel authentication request: read once, signed or not, checked by rules in order.

Implements CIBA Core sections 7.1, 7.1.1, 7.1.2 and 13. A signed request is mandatory for a client that registered an algorithm
for it, and refused from another, whose signature nobody agreed on. Left out on purpose: `login_hint_token` and `user_code`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError, InvalidScopeError, OAuth2Error

from idp.config import Settings
from idp.ephemeral import Ephemeral
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.client_jwt import ClientJwtError, check_once, check_parties, check_times, verified
from idp.oidc.details import check_no_details
from idp.oidc.resources import opened_resources

LIFETIME = 600
"""Seconds, at most; a client may ask for less."""
LONGEST_MESSAGE = 64
"""Characters of `binding_message`: what a telephone shows on one line."""
LONGEST_HINT = 6000
HOUR = 3600
NOTIFICATION_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,1024}=*", re.ASCII)
"""RFC 6750 section 2.1."""
OF_THE_CLIENT = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type"})
OF_THE_JWT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
TYPES = (None, "JWT", "oauth-authz-req+jwt")
HINTS = ("login_hint_token", "id_token_hint", "login_hint")
Parameters = Mapping[str, Any]


class InvalidBindingMessageError(OAuth2Error):
    """Section 13."""

    error = "invalid_binding_message"


@dataclass(frozen=True, slots=True)
class BackchannelRequest:
    """What a partner asks of somebody who is not at its site."""

    client: Client
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    """RFC 8707."""
    hint: tuple[str, str]
    """Which hint, and its text."""
    message: str
    lifetime: int
    """Seconds."""
    notification_token: str


class Requests:
    """Reads the requests of one process. `supported_scopes`: those that MAG knows now."""

    def __init__(self, settings: Settings, clients: Clients, store: Ephemeral, supported_scopes: Callable[[], frozenset[str]]) -> None:
        self.settings, self.clients, self.store, self.supported_scopes = settings, clients, store, supported_scopes

    def read(self, client: Client, form: Mapping[str, str]) -> BackchannelRequest:
        """Raises OAuth2Error."""
        parameters = self._parameters(client, form)
        check_no_details(parameters)
        for check in CHECKS:
            check(client, parameters)
        supported = self.supported_scopes()
        scope = dict.fromkeys(s for s in parameters["scope"].split() if s in client.scope and s in supported)
        name = next(name for name in HINTS if name in parameters)
        token = parameters.get("client_notification_token", "")
        lifetime = min(int(parameters.get("requested_expiry", LIFETIME)), LIFETIME)
        return BackchannelRequest(
            client=client,
            scope=tuple(scope),
            resource=tuple(opened_resources(client, parameters.get("resource", ""))),
            hint=(name, parameters[name]),
            message=parameters.get("binding_message", ""),
            lifetime=lifetime,
            notification_token=token,
        )

    def _parameters(self, client: Client, form: Mapping[str, str]) -> Parameters:
        """Section 7.1.1: what is signed, and then nothing beside it but the client's authentication."""
        alg = client.backchannel_authentication_request_signing_alg
        if "request" not in form:
            if alg:
                raise InvalidRequestError("this client must sign its requests")
            return form
        if not alg:
            raise InvalidRequestError("this client registered no backchannel_authentication_request_signing_alg")
        if form.keys() - OF_THE_CLIENT - {"request"}:
            raise InvalidRequestError("parameters beside the signed request")
        try:
            claims = verified(self.clients, client, form["request"], [alg], TYPES)
            check_parties(claims, client, self.settings.issuer)
            check_times(claims, ("exp", "nbf", "iat"), HOUR)
            check_once(self.store, claims, client, "jti-ciba", HOUR)
        except ClientJwtError as error:
            raise InvalidRequestError(f"the signed request is refused: {error}") from None
        found = {name: value for name, value in claims.items() if name not in OF_THE_JWT and value not in (None, "")}
        return found | {"resource": " ".join(map(str, named))} if isinstance(named := found.get("resource"), list) else found


# ---------------------------------------------------------------------------------------------------------- rules, in order


def check_texts(_client: Client, parameters: Parameters) -> None:
    """ours: what is signed is typed as a form is, but for `requested_expiry`."""
    for name in ("scope", "resource", "client_notification_token", "acr_values", "binding_message", "user_code", *HINTS):
        if not isinstance(parameters.get(name, ""), str) or len(parameters.get(name, "")) > LONGEST_HINT:
            raise InvalidRequestError(f"{name} is not an acceptable text")


def check_scope(client: Client, parameters: Parameters) -> None:
    """Section 7.1: `openid` is always among them."""
    if "openid" not in parameters.get("scope", "").split() or "openid" not in client.scope:
        raise InvalidScopeError("scope must contain openid")


def check_hints(_client: Client, parameters: Parameters) -> None:
    """Section 7.1: one hint and one only; ours: no login_hint_token, whose form nobody agreed on."""
    given = [name for name in HINTS if name in parameters]
    if len(given) != 1:
        raise InvalidRequestError("exactly one of login_hint and id_token_hint is required")
    if given == ["login_hint_token"]:
        raise InvalidRequestError("login_hint_token is not supported")


def check_message(_client: Client, parameters: Parameters) -> None:
    """Section 7.1, `binding_message`: read by a person, compared with what the other screen shows."""
    message = parameters.get("binding_message", "")
    if len(message) > LONGEST_MESSAGE or not message.isprintable():
        raise InvalidBindingMessageError(f"at most {LONGEST_MESSAGE} printable characters")


def check_expiry(_client: Client, parameters: Parameters) -> None:
    """Section 7.1, `requested_expiry`: a positive integer, which a form and some libraries write as a text."""
    asked = parameters.get("requested_expiry", "1")
    text = str(asked) if isinstance(asked, str | int) and not isinstance(asked, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise InvalidRequestError("requested_expiry is not a positive number of seconds")


def check_notification(client: Client, parameters: Parameters) -> None:
    """Section 7.1, `client_notification_token`: required of those who are pinged."""
    token = parameters.get("client_notification_token", "")
    if client.backchannel_token_delivery_mode == "ping" and not token:
        raise InvalidRequestError("client_notification_token is required")
    if token and (not NOTIFICATION_TOKEN.fullmatch(token) or len(token) > 1024):
        raise InvalidRequestError("client_notification_token is not a bearer token")


def check_user_code(_client: Client, parameters: Parameters) -> None:
    """Discovery says that `backchannel_user_code_parameter_supported` is false."""
    if "user_code" in parameters:
        raise InvalidRequestError("user_code is not supported")


CHECKS: tuple[Callable[[Client, Parameters], None], ...] = (
    check_texts,
    check_scope,
    check_hints,
    check_message,
    check_expiry,
    check_notification,
    check_user_code,
)
