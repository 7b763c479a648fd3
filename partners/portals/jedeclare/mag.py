"""What the portal says to MAG: the request that links two accounts, the assertion that vouches for one, and the API of links.

Each is a JWT signed by the portal's key, for MAG alone, for a minute, once (docs/interoperabilite.md).
"""

import secrets
import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from partners.kit.transport import LocalhostAdapter
from partners.portals.jedeclare.portail import Compte, Portail

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT = 10


class MagRefusedError(Exception):
    """MAG did not answer, or not as it should."""


class Mag:
    """MAG, for this portal."""

    def __init__(self, portail: Portail) -> None:
        self.portail = portail
        self.key = ECKey.import_key(cast(Any, dict(portail.private_key)))
        self.http = requests.Session()
        for scheme in ("https://", "http://"):
            self.http.mount(scheme, LocalhostAdapter(max_retries=0))

    def signed(self, typ: str, **claims: Any) -> str:
        """`iss`, `aud`, `iat`, `exp` and `jti`, and what is said."""
        now = int(time.time())
        about = {"iss": self.portail.client_id, "aud": self.portail.mag, "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe(16)}
        return jwt.encode({"alg": "ES256", "kid": str(self.key.kid), "typ": typ}, about | claims, self.key)

    def link_address(self, compte: Compte, auth_time: int, state: str) -> str:
        """Where a link begins."""
        back = f"{self.portail.origin}/mag/associe"
        said = {"sub": compte.id, "libelle": compte.courriel, "retour": back, "state": state, "auth_time": auth_time}
        return f"{self.portail.mag}/rattachement?{urlencode({'request': self.signed('rattachement+jwt', **said)})}"

    def passage_address(self, compte: Compte, auth_time: int, vers: str) -> str:
        """Where the portal's word leads to a page of MAG's."""
        assertion = self.signed("navigation+jwt", sub=compte.id, auth_time=auth_time, vers=vers)
        return f"{self.portail.mag}/navigation?{urlencode({'assertion': assertion})}"

    def answer(self, text: str) -> Mapping[str, Any]:
        """MAG's signed answer to a link. Raises MagRefusedError."""
        try:
            keys = KeySet.import_key_set(cast(Any, self._json(self.http.get(f"{self.portail.mag}/jwks", timeout=TIMEOUT))))
            found = jwt.decode(text, keys, algorithms=["ES256"])
        except (JoseError, ValueError, TypeError, requests.RequestException) as error:
            raise MagRefusedError("its answer cannot be verified") from error
        claims = found.claims
        addressed = claims.get("iss") == self.portail.mag and claims.get("aud") == self.portail.client_id
        if found.header.get("typ") != "rattachement-reponse+jwt" or not addressed or claims.get("exp", 0) <= time.time():
            raise MagRefusedError("its answer is not for us")
        return claims

    def links(self) -> list[dict[str, Any]]:
        """All of them, page by page. Raises MagRefusedError."""
        found: list[dict[str, Any]] = []
        token, after = self._token(), ""
        while True:
            page = self._json(self._ask("GET", f"/rattachement/v1/liens?{urlencode({'apres': after})}", token))
            found += page["liens"]
            after = page.get("suite", "")
            if not after:
                return found

    def unlink(self, rattachement: str) -> None:
        """Raises MagRefusedError."""
        if self._ask("DELETE", f"/rattachement/v1/liens/{quote(rattachement)}", self._token()).status_code not in (204, 404):
            raise MagRefusedError("the link was not ended")

    def _token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "scope": "rattachement:liens",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.signed("JWT", sub=self.portail.client_id),
        }
        try:
            return str(self._json(self.http.post(f"{self.portail.mag}/token", data=form, timeout=TIMEOUT))["access_token"])
        except (requests.RequestException, KeyError) as error:
            raise MagRefusedError("no access token") from error

    def _ask(self, method: str, path: str, token: str) -> requests.Response:
        try:
            return self.http.request(method, self.portail.mag + path, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise MagRefusedError(type(error).__name__) from error

    @staticmethod
    def _json(answer: requests.Response) -> dict[str, Any]:
        """Raises MagRefusedError."""
        try:
            found = answer.json()
        except ValueError as error:
            raise MagRefusedError(f"{answer.status_code}, and not JSON") from error
        if answer.status_code != 200 or not isinstance(found, dict):
            raise MagRefusedError(f"answered {answer.status_code}")
        return found
