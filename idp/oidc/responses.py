"""How an authorization answer travels: in the query, the fragment or a form; in clear or signed (JARM).

Implements OAuth 2.0 Multiple Response Type Encoding Practices section 2.1, OAuth 2.0 Form Post Response Mode, JARM section 2,
RFC 9207 section 2. Success and error go the same way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, urlsplit

from idp.oidc.client import RESPONSE_MODES
from idp.oidc.request import AuthorizationRequest
from idp.oidc.tokens import Mint
from idp.oidc.wire import Answer

JARM_LIFETIME = 300
"""Seconds."""
UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")
"""RFC 3986 section 2.3."""


@dataclass(frozen=True, slots=True)
class FormPost:
    """An answer that a page posts to the partner."""

    action: str
    fields: Mapping[str, str]


def origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def mode_of(request: AuthorizationRequest) -> str:
    """The response mode in force: the one asked when it may be, else the default of the response type (section 2.1).

    Whatever is asked, the tokens of a query and the clear answers of a client that wants them signed never leave.
    """
    if request.response_type == "code" and "response_mode" not in request.parameters:
        return "query.jwt" if request.client.profile.signed_response else "query"
    asked = request.get("response_mode") if request.get("response_mode") in RESPONSE_MODES else ""
    default = "fragment" if set(request.response_type.split()) & {"token", "id_token"} else "query"
    signed = asked.endswith("jwt") or request.client.profile.signed_response
    way = asked.removesuffix("jwt").removesuffix(".")
    if not way or (way == "query" and default == "fragment"):
        way = default
    return f"{way}.jwt" if signed else way


def respond(mint: Mint, request: AuthorizationRequest, answer: Mapping[str, str], now: int) -> Answer | FormPost:
    """The partner's answer; empty members are left out."""
    parameters = {name: value for name, value in answer.items() if value}
    if request.state:
        parameters["state"] = request.state
    mode = mode_of(request)
    if mode.endswith("jwt"):
        parameters = {"response": _signed(mint, request, parameters, now)}
        mode = mode.removesuffix(".jwt")
    else:
        parameters["iss"] = mint.settings.issuer
    if mode == "form_post":
        return FormPost(request.redirect_uri, parameters)
    return redirection(joined(request.redirect_uri, parameters, "#" if mode == "fragment" else "?"))


def _signed(mint: Mint, request: AuthorizationRequest, parameters: Mapping[str, str], now: int) -> str:
    """JARM section 2.1: iss, aud, exp and the parameters, signed and encrypted as the client registered. Raises NoClientKeyError."""
    client = request.client
    alg = client.authorization_signed_response_alg or client.default_alg
    expires_in = parameters.get("expires_in")
    typed = {**parameters, **({"expires_in": int(expires_in)} if expires_in else {})}
    claims = {"iss": mint.settings.issuer, "aud": client.client_id, "exp": now + JARM_LIFETIME, **typed}
    return mint.signed_for(client, alg, client.authorization_encryption, claims)


def joined(uri: str, parameters: Mapping[str, str], mark: str = "?") -> str:
    """A registered address with these, its own query kept (RFC 6749 section 3.1.2)."""
    joint = "&" if mark == "?" and "?" in uri else mark
    return f"{uri}{joint}{'&'.join([f'{_quoted(name)}={_quoted(value)}' for name, value in parameters.items()])}" if parameters else uri


def _quoted(text: str) -> str:
    """As in a form; most of what MAG answers needs no quoting."""
    return text if UNRESERVED.fullmatch(text) else _escaped(text)


_escaped = lru_cache(maxsize=64)(quote_plus)
"""Remembered for the issuer, which each answer names."""


def redirection(address: str) -> Answer:
    """303 after whatever method (RFC 9700 section 4.12)."""
    return Answer(303, b"", headers=(("Location", address),))
