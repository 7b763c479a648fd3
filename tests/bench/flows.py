"""The operations measured on every target, as one connection does them. An operation counts when it ended as it should."""

import base64
import hashlib
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from tests.bench.connection import Connection

WORKLOADS = ("discovery", "jwks", "cc", "introspect", "userinfo", "refresh", "sso", "hop", "login")
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class UnexpectedAnswerError(Exception):
    """The operation did not end as it should; says what came instead."""


def sign_in_form(page: str, user: dict[str, str]) -> dict[str, str]:
    """The form of the mire, filled in."""
    form = page.partition('id="identification"')[2].partition("</form>")[0]
    if not form:
        raise UnexpectedAnswerError(f"no sign-in form: {page[:300]}")
    return {name: unescape(value) for name, value in HIDDEN.findall(form)} | user


def basic(client: dict[str, str]) -> str:
    """The header of HTTP Basic."""
    pair = base64.b64encode(f"{client['id']}:{client['secret']}".encode()).decode()
    return f"Authorization: Basic {pair}\r\n"


class Flow:
    """One partner and one browser on one connection. `target` is that of `seed.Seeded`."""

    def __init__(self, target: dict[str, Any], index: int = 0) -> None:
        self.target, self.endpoints = target, target["endpoints"]
        self.user = target["users"][index % len(target["users"])]
        self.connection = Connection(target["base"])
        self.redirect_uri = target["client"]["redirect_uri"]
        self.asked = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "state": "st",
            "nonce": "no",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        self.become(target["client"] | {"scope": target["scope"]})
        self._tokens: dict[str, Any] = {}
        self._bare = Connection(target["base"])

    def become(self, client: dict[str, str]) -> None:
        """The partner of this connection is another from now on."""
        self.basic = basic(client)
        self.asked |= {"client_id": client["id"], "scope": client["scope"]}
        self.authorize = f"{self.endpoints['authorize']}?{urlencode(self.asked)}"

    def close(self) -> None:
        """Both connections: a server that is stopped waits for those that are open."""
        self.connection.close()
        self._bare.close()

    def prepare(self, workload: str) -> None:
        """Whatever comes before the first operation."""
        if workload == "hop":
            self.become(self.target["brief"])
        if workload in ("introspect", "userinfo", "refresh", "sso", "hop"):
            self._tokens = self._exchange()

    # --------------------------------------------------------------------------------------------------- the operations

    def discovery(self) -> None:
        self._expect("issuer", self._bare.get(self.endpoints["discovery"]))

    def jwks(self) -> None:
        self._expect("keys", self._bare.get(self.endpoints["jwks"]))

    def cc(self) -> None:
        self._token(grant_type="client_credentials")

    def introspect(self) -> None:
        answer = self._bare.post(self.endpoints["introspect"], {"token": self._tokens["access_token"]}, self.basic)
        self._expect("client_id", answer)

    def userinfo(self) -> None:
        bearer = f"Authorization: Bearer {self._tokens['access_token']}\r\n"
        self._expect("sub", self._bare.get(self.endpoints["userinfo"], bearer))

    def refresh(self) -> None:
        before = self._tokens["refresh_token"]
        self._tokens = self._token(grant_type="refresh_token", refresh_token=before)
        if self._tokens["refresh_token"] == before:
            raise UnexpectedAnswerError("the refresh token was not rotated")

    def sso(self) -> None:
        self._exchange()

    def hop(self) -> None:
        """As `sso`, for a partner that has no refresh tokens: nothing durable is written."""
        self._exchange()

    def login(self) -> None:
        self.connection.cookies.clear()
        self._exchange()

    # ------------------------------------------------------------------------------------------------------- their steps

    @staticmethod
    def _expect(member: str, answer: Any) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(answer.body) if answer.status == 200 else {}
        if not found.get(member):
            raise UnexpectedAnswerError(f"{answer.status} {answer.body[:300]!r}")
        return found

    def _token(self, **form: str) -> dict[str, Any]:
        """A machine's request, on the partner's own connection: no cookie goes out."""
        return self._expect("access_token", self._bare.post(self.endpoints["token"], form, self.basic))

    def _exchange(self) -> dict[str, Any]:
        tokens = self._token(grant_type="authorization_code", code=self._code(), redirect_uri=self.redirect_uri, code_verifier=VERIFIER)
        if "id_token" not in tokens:
            raise UnexpectedAnswerError("no id_token")
        return tokens

    def _code(self) -> str:
        """The browser's part: follow, sign in when asked, stop at the partner."""
        answer = self.connection.get(self.authorize)
        for _ in range(6):
            if answer.status == 200:
                form = sign_in_form(answer.body.decode(), self.user)
                answer = self.connection.post("/connexion", form, f"Origin: {self.target['base']}\r\n")
            elif answer.status == 303 and answer.location.startswith(self.redirect_uri):
                found = parse_qs(urlsplit(answer.location).query).get("code")
                if found:
                    return found[0]
                raise UnexpectedAnswerError(answer.location)
            elif answer.status == 303:
                answer = self.connection.get(answer.location.removeprefix(self.target["base"]))
            else:
                break
        raise UnexpectedAnswerError(f"{answer.status} {answer.location} {answer.body[:300]!r}")
