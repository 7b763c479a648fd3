"""MAG, seen by a partner: discovery, keys, and the endpoints of a sign-in, through Authlib's client.

Implements OpenID Connect Discovery section 4.3 (the issuer must be the one configured), RFC 7009.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import JWKRegistry, KeySet
from requests import RequestException, Response

from . import tokens
from .assertion import ASSERTION_ALGS, Assertion
from .config import KitConfig
from .tokens import InvalidTokenError, UnknownKeyError
from .transport import TIMEOUT, Transport

FRESH = 3600.0
"""Seconds for which discovery and keys are believed."""
QUIET = 10.0
"""Seconds between two fetches of the keys, whatever tokens say."""
PAGES_LIMIT = 200


class MagUnavailableError(Exception):
    """MAG does not answer, or not as it should."""


class EndedError(Exception):
    """MAG says that the session, or the authorization, is over."""


class ExchangeRefusedError(Exception):
    """The code was refused. The message is the OAuth error code, for the log."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave. `expires_at` in epoch seconds."""

    access_token: str
    id_token: str
    refresh_token: str
    expires_at: float

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> "Tokens":
        """Raises MagUnavailableError."""
        access_token, id_token, refresh_token = (answer.get(name, "") for name in ("access_token", "id_token", "refresh_token"))
        lifetime, texts = answer.get("expires_in", 60), (access_token, id_token, refresh_token)
        if not access_token or not all(isinstance(text, str) for text in texts) or not isinstance(lifetime, int):
            raise MagUnavailableError("the token endpoint answered nonsense")
        return cls(access_token, id_token, refresh_token, time.time() + lifetime)


class Provider:
    """MAG's endpoints, for one client. Safe between threads."""

    def __init__(self, config: KitConfig) -> None:
        self.config = config
        self._transport = Transport(config)
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._assertion: Assertion | None = None
        if config.private_key:
            key = JWKRegistry.import_key(cast(Any, dict(config.private_key)))
            self._assertion = Assertion(config.issuer, key, ASSERTION_ALGS[key.key_type])

    # ------------------------------------------------------------------------------------------------- documents

    def metadata(self) -> Mapping[str, Any]:
        """Raises MagUnavailableError; the last document known is better than none."""
        held = self._metadata
        if held is not None and time.monotonic() - held[0] < FRESH:
            return held[1]
        with self._lock:
            found: Mapping[str, Any]
            try:
                found = self.document(f"{self.config.issuer}/.well-known/openid-configuration")
            except MagUnavailableError:
                if held is None:
                    raise
                found = held[1]
            if found.get("issuer") != self.config.issuer:
                raise MagUnavailableError("discovery is another issuer's")
            self._metadata = (time.monotonic(), found)
            return found

    def _endpoint(self, name: str) -> str:
        value = self.metadata().get(name)
        if not isinstance(value, str):
            raise MagUnavailableError(f"discovery has no {name}")
        return value

    def keys(self, *, again: bool = False) -> KeySet:
        """MAG's signing keys. `again`: a token bears an unknown `kid`."""
        held = self._keys
        age = time.monotonic() - held[0] if held else FRESH
        if held is not None and age < (QUIET if again else FRESH):
            return held[1]
        found = self.document(self._endpoint("jwks_uri"))
        try:
            keys = KeySet.import_key_set(cast(Any, found))
        except (ValueError, KeyError, TypeError) as error:
            raise MagUnavailableError("MAG's keys cannot be read") from error
        self._keys = (time.monotonic(), keys)
        return keys

    def verified(
        self,
        unverified_token: str,
        parameter: str = "id_token_alg",
        member: str = "id_token_signed_response_alg",
    ) -> dict[str, Any]:
        """Claims signed with the algorithm that this parameter says, as this member registers it.

        Raises InvalidTokenError, MagUnavailableError.
        """
        alg: str = getattr(self.config, parameter)
        told = f"give MagKit the {parameter} that is registered at MAG as {member}"
        try:
            return tokens.verified(unverified_token, self.keys(), alg, told)
        except UnknownKeyError:
            return tokens.verified(unverified_token, self.keys(again=True), alg, told)

    # ------------------------------------------------------------------------------------------------- endpoints

    def authorization_url(self, *, state: str, nonce: str, verifier: str, **parameters: str) -> str:
        session = self._session(code_challenge_method="S256")
        endpoint = self._endpoint("authorization_endpoint")
        url, _ = session.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier, **parameters)
        return str(url)

    def parameters(self, *, state: str, nonce: str, verifier: str) -> dict[str, str]:
        """The same question, for a script that carries it: nothing is asked of MAG for it."""
        challenge = str(cast(Any, create_s256_code_challenge)(verifier))
        return {
            "response_type": "code",
            "redirect_uri": self.config.redirect_uri,
            "scope": self.config.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }

    def exchange(self, code: str, verifier: str) -> Tokens:
        """Raises ExchangeRefusedError, MagUnavailableError."""
        try:
            with self._session() as session:
                answer = session.fetch_token(
                    self._endpoint("token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
        except OAuthError as error:
            raise ExchangeRefusedError(str(error.error)) from error
        except (RequestException, ValueError) as error:
            raise MagUnavailableError(type(error).__name__) from error
        return Tokens.read(answer)

    def refresh(self, refresh_token: str) -> Tokens:
        """Raises EndedError, MagUnavailableError."""
        if not refresh_token:
            raise EndedError("no refresh token")
        try:
            with self._session(scope=None) as session:
                session.token = {"refresh_token": refresh_token}
                answer = session.refresh_token(
                    self._endpoint("token_endpoint"), refresh_token=refresh_token, timeout=TIMEOUT, allow_redirects=False
                )
        except OAuthError as error:
            if error.error in ("temporarily_unavailable", "server_error"):
                raise MagUnavailableError(str(error.error)) from error
            raise EndedError(str(error.error)) from error
        except (RequestException, ValueError) as error:
            raise MagUnavailableError(type(error).__name__) from error
        return Tokens.read(answer)

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """OpenID Connect Core section 5.3, JSON or signed. Raises EndedError, InvalidTokenError, MagUnavailableError."""
        answer = self._get(self._endpoint("userinfo_endpoint"), access_token)
        if answer.headers.get("Content-Type", "").startswith("application/jwt"):
            claims = self.verified(answer.text, member="userinfo_signed_response_alg")
            if claims.get("iss") != self.config.issuer or claims.get("aud") not in (self.config.client_id, [self.config.client_id]):
                raise InvalidTokenError("userinfo for another")
            return claims
        return self._object(answer)

    def claim_pages(self, endpoint: str, access_token: str) -> Iterator[Any]:
        """Core section 5.6.2: groups of a large account's habilitations, page by page, from MAG alone."""
        if not endpoint.startswith(f"{self.config.issuer}/"):
            raise MagUnavailableError("the claim endpoint is not MAG's")
        following: dict[str, str] = {}
        for _ in range(PAGES_LIMIT):
            claims = self.verified(self._get(endpoint, access_token, following).text, "claims_alg", "access_token_signing_alg")
            tokens.check_addressed(claims, issuer=self.config.issuer, client_id=self.config.client_id, now=time.time())
            page = claims.get("habilitations")
            if not isinstance(page, dict) or page.get("v") != 1 or not isinstance(page.get("g"), list):
                return
            yield from page["g"]
            if not isinstance(page.get("next"), str):
                return
            following = {"next": page["next"]}

    def revoke(self, refresh_token: str) -> None:
        """RFC 7009; best effort: the session ends on this side whatever MAG answers."""
        try:
            with self._session() as session:
                revoke = cast(Any, session.revoke_token)
                revoke(self._endpoint("revocation_endpoint"), token=refresh_token, timeout=TIMEOUT)
        except (RequestException, OAuthError, MagUnavailableError):
            return

    def logout_url(self, id_token: str, state: str) -> str:
        """RP-Initiated Logout section 2."""
        parameters = [
            ("id_token_hint", id_token),
            ("client_id", self.config.client_id),
            ("state", state),
            ("post_logout_redirect_uri", self.config.post_logout_redirect_uri),
        ]
        return str(add_params_to_uri(self._endpoint("end_session_endpoint"), parameters))

    # ----------------------------------------------------------------------------------------------------- wires

    def _session(self, **options: Any) -> OAuth2Session:
        config = self.config
        method = "private_key_jwt" if self._assertion else config.client_auth if config.client_secret else "none"
        options = {"scope": config.scope, "redirect_uri": config.redirect_uri} | options
        session = OAuth2Session(
            config.client_id, config.client_secret, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, **options
        )
        if self._assertion:
            session.register_client_auth_method(self._assertion)
        return self._transport.ready(session)

    def _get(self, url: str, access_token: str, parameters: Mapping[str, str] | None = None) -> Response:
        """Raises EndedError on 401, MagUnavailableError on anything but 200."""
        try:
            with self._session() as session:
                headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
                answer: Response = session.request(
                    "GET", url, withhold_token=True, params=parameters, headers=headers, timeout=TIMEOUT, allow_redirects=False
                )
        except RequestException as error:
            raise MagUnavailableError(type(error).__name__) from error
        if answer.status_code == 401:
            raise EndedError("401")
        if answer.status_code != 200:
            raise MagUnavailableError(f"{url} answered {answer.status_code}")
        return answer

    def document(self, url: str) -> dict[str, Any]:
        """A JSON object that anybody may read. Raises MagUnavailableError."""
        return self._object(self._get(url, ""))

    def _object(self, answer: Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError as error:
            raise MagUnavailableError("not JSON") from error
        if not isinstance(found, dict):
            raise MagUnavailableError("not a JSON object")
        return found
