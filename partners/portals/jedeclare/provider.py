"""The portal's own OpenID provider, for one client: MAG. OpenID Connect Core section 3.1, RFC 7636 (S256), RFC 9207.

A code lives one minute, serves once, and is kept by its digest. Left out on purpose: userinfo (the ID token says all), refresh tokens.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey

from partners.portals.jedeclare.portail import Compte, Portail

CLIENT_ID = "mag"
CODE_LIFE, TOKEN_LIFE = 60, 300
"""Seconds."""
LONGEST = 10
"""Characters from which a `max_age` is no limit: thirty years."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a code stands for."""

    compte: Compte
    auth_time: int
    nonce: str
    challenge: str
    until: float


@dataclass(slots=True)
class Provider:
    """One portal's. Safe between threads."""

    portail: Portail
    key: ECKey
    codes: dict[str, Granted] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def issuer(self) -> str:
        return self.portail.origin

    @property
    def redirect_uri(self) -> str:
        return f"{self.portail.mag}/amont/retour"

    def configuration(self) -> dict[str, Any]:
        """OpenID Connect Discovery section 3."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/oidc/authorize",
            "token_endpoint": f"{self.issuer}/oidc/token",
            "jwks_uri": f"{self.issuer}/oidc/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "prompt_values_supported": ["none", "login"],
            "scopes_supported": ["openid", "profile", "email"],
            "authorization_response_iss_parameter_supported": True,
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self.key.as_dict(private=False), "use": "sig", "alg": "ES256"}]}

    def is_ours(self, asked: Mapping[str, str]) -> bool:
        """Before anything is answered to an address: MAG's client, at MAG's address."""
        return asked.get("client_id") == CLIENT_ID and asked.get("redirect_uri") == self.redirect_uri

    def problem(self, asked: Mapping[str, str]) -> str:
        """What is wrong with a request of MAG's; empty when nothing is."""
        whole = asked.get("response_type") == "code" and "openid" in asked.get("scope", "").split()
        return "" if whole and asked.get("code_challenge_method") == "S256" and asked.get("code_challenge") else "invalid_request"

    def needs_sign_in(self, asked: Mapping[str, str], auth_time: int) -> bool:
        """Core section 3.1.2.1: nobody, too old, or asked for again since the sign-in."""
        age, text = time.time() - auth_time, asked.get("max_age", "")
        too_old = text.isascii() and text.isdecimal() and len(text) < LONGEST and age > max(int(text), 1)
        return not auth_time or too_old

    def back(self, asked: Mapping[str, str], **said: str) -> str:
        return f"{self.redirect_uri}?{urlencode({**said, 'state': asked.get('state', ''), 'iss': self.issuer})}"

    def code(self, asked: Mapping[str, str], compte: Compte, auth_time: int) -> str:
        made, now = secrets.token_urlsafe(32), time.time()
        with self.lock:
            self.codes = {key: one for key, one in self.codes.items() if one.until > now}
            self.codes[_digest(made)] = Granted(compte, auth_time, asked.get("nonce", ""), asked["code_challenge"], now + CODE_LIFE)
        return made

    def redeem(self, form: Mapping[str, str], authorization: str) -> tuple[dict[str, Any], int]:
        """RFC 6749 section 4.1.3; a wrong verifier costs the code."""
        expected = "Basic " + base64.b64encode(f"{CLIENT_ID}:{self.portail.client_secret}".encode()).decode()
        if not hmac.compare_digest(authorization.encode(), expected.encode()):
            return {"error": "invalid_client"}, 401
        with self.lock:
            granted = self.codes.pop(_digest(form.get("code", "")), None)
        shown = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        right = granted is not None and granted.until > time.time() and hmac.compare_digest(shown, granted.challenge)
        if granted is None or not right or form.get("redirect_uri") != self.redirect_uri or form.get("grant_type") != "authorization_code":
            return {"error": "invalid_grant"}, 400
        answer = {"access_token": secrets.token_urlsafe(32), "token_type": "Bearer", "expires_in": TOKEN_LIFE}
        return {**answer, "id_token": self._id_token(granted)}, 200

    def _id_token(self, granted: Granted) -> str:
        """Core section 2."""
        now, compte = int(time.time()), granted.compte
        claims = {
            "iss": self.issuer,
            "sub": compte.id,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + TOKEN_LIFE,
            "nonce": granted.nonce,
            "auth_time": granted.auth_time,
            "amr": ["pwd"],
            "email": compte.courriel,
            "name": compte.nom,
        }
        return jwt.encode({"alg": "ES256", "kid": str(self.key.kid)}, claims, self.key)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
