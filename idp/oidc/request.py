"""The authorization request: read once, whole, before anything else sees it.

Implements RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1 and 5.5, RFC 7636 section 4.3.
RFC 8707 section 2, RFC 9396 section 2. Where it came from (address, PAR, request object) is `authorization.py`'s.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from idp.oidc.claims import DETAILS
from idp.oidc.client import Client
from idp.oidc.details import Acting, read_details
from idp.oidc.resources import read_resources

CLAIMS_LIMIT = 4096
"""Characters of the `claims` parameter."""


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """OpenID Connect Core section 5.5: claims asked one by one."""

    id_token: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether any is."""
        return bool(self.id_token or self.userinfo)

    def required_acr(self) -> frozenset[str]:
        """Section 5.5.1.1: values without which the request must fail."""
        wanted = self.id_token.get("acr")
        if not isinstance(wanted, dict) or wanted.get("essential") is not True:
            return frozenset()
        return self.asked_acr()

    def asked_acr(self) -> frozenset[str]:
        """Section 5.5.1.1: values that the client would read, essential or not."""
        wanted = self.id_token.get("acr")
        if not isinstance(wanted, dict):
            return frozenset()
        values = wanted.get("values") if isinstance(wanted.get("values"), list) else [wanted.get("value")]
        return frozenset(v for v in values or () if isinstance(v, str))

    def required_sub(self) -> str | None:
        """Section 5.5.1: the one person that the answer may be about; whatever is not a text is nobody's subject."""
        if not self:
            return None
        asked = (part["sub"].get("value") for part in (self.id_token, self.userinfo) if isinstance(part.get("sub"), dict))
        return next((str(value) for value in asked if value is not None), None)


NO_CLAIMS = ClaimsRequest()


class AuthorizationRequest:
    """What the partner asks. The text of each parameter is unverified until `checks.CHECKS` has passed.

    What rules ask for again and again is read once.
    """

    __slots__ = ("_acting", "claims", "client", "parameters", "prompt", "response_type", "siret_hint", "state")

    def __init__(self, parameters: Mapping[str, str], client: Client, claims: ClaimsRequest = NO_CLAIMS) -> None:
        self.parameters, self.client, self.claims = parameters, client, claims
        self.state = parameters.get("state", "")
        self.prompt = frozenset(parameters.get("prompt", "").split())
        self.response_type = _in_order(parameters.get("response_type", ""))
        self.siret_hint = _siret(parameters["siret_hint"]) if "siret_hint" in parameters else ""
        """14 digits, or empty."""
        self._acting: Acting | str | None = parameters.get(DETAILS) or None
        """A text until it is read."""

    def get(self, name: str) -> str:
        return self.parameters.get(name, "")

    @property
    def redirect_uri(self) -> str:
        return self.get("redirect_uri")

    @property
    def asked_scope(self) -> list[str]:
        return list(dict.fromkeys(self.get("scope").split()))

    @property
    def max_age(self) -> int | None:
        """Seconds; the client's default when the request does not say."""
        text = self.get("max_age")
        return int(text) if text else self.client.default_max_age

    @property
    def acr_values(self) -> list[str]:
        return self.get("acr_values").split() or list(self.client.default_acr_values)

    @property
    def resource(self) -> list[str]:
        return read_resources(self.parameters["resource"]) if "resource" in self.parameters else []

    @property
    def acting(self) -> Acting | None:
        """For which establishment the person is to act (RFC 9396). Raises InvalidDetailsValueError until the rules have passed."""
        if isinstance(self._acting, str):
            self._acting = read_details(self._acting, self.client.authorization_details_types)
        return self._acting

    def granted_scope(self, supported: frozenset[str]) -> list[str]:
        """Never more than the client's registration (C10); unknown scopes are ignored (OpenID Connect Core section 3.1.2.1)."""
        return list(_granted(self.get("scope"), self.client.scope, supported))


def _in_order(words: str) -> str:
    """In alphabetical order (OAuth 2.0 Multiple Response Types section 3)."""
    return words if words == "code" else " ".join(sorted(words.split()))


def _siret(text: str) -> str:
    digits = "".join(text.split())
    return digits if len(digits) == 14 and digits.isascii() and digits.isdigit() else ""


@lru_cache(maxsize=512)
def _granted(scope: str, registered: frozenset[str], supported: frozenset[str]) -> tuple[str, ...]:
    """Partners ask for the same, request after request; a text has 4,000 characters at most (`checks.LONGEST`)."""
    return tuple(one for one in dict.fromkeys(scope.split()) if one in registered and one in supported)


class InvalidClaimsError(ValueError):
    """The `claims` parameter is not what section 5.5 describes."""


def read_claims(text: str) -> ClaimsRequest:
    """Raises InvalidClaimsError."""
    if not text:
        return NO_CLAIMS
    if len(text) > CLAIMS_LIMIT:
        raise InvalidClaimsError("too long")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidClaimsError("not JSON") from None
    if not isinstance(value, dict):
        raise InvalidClaimsError("not an object")
    parts = {}
    for part in ("id_token", "userinfo"):
        asked = {} if value.get(part) is None else value[part]
        if not isinstance(asked, dict) or not all(v is None or isinstance(v, dict) for v in asked.values()):
            raise InvalidClaimsError("members must be null or objects")
        parts[part] = asked
    return ClaimsRequest(**parts)


def s256(verifier: str) -> str:
    """RFC 7636 section 4.6."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii", "replace")).digest()).rstrip(b"=").decode()
