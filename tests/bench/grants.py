"""MAG's own workloads: the grants, the requests and the revocation that the others leave out. Measured on MAG alone.

What a client signs (assertions, DPoP proofs) is signed here, by the generator, within the latency of the operation but not within
the server's CPU. Left out on purpose: mutual TLS, which is the proxy's work, and registration.
"""

import itertools
import secrets
import time
from html import unescape
from typing import Any
from urllib.parse import urlencode

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.bench.flows import HIDDEN, Flow, UnexpectedAnswerError

OWN = (
    *("assertion", "dpop", "par", "device", "device_granted", "exchange", "bearer", "ciba", "ciba_granted", "revocation"),
    *("cc_rs256", "refresh_rs256"),
)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CIBA = "urn:openid:params:grant-type:ciba"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
numbers = itertools.count(1)


class GrantFlow(Flow):
    """As `Flow`, with the clients and the key of `seed.own_clients` beside."""

    def __init__(self, target: dict[str, Any], index: int = 0) -> None:
        super().__init__(target, index)
        own = target["own"]
        self.key, self.signer, self.delegate = ECKey.import_key(own["key"]), own["signer"], own["delegate"]
        self.public = self.key.as_dict(private=False)
        self._about: dict[str, str] = {}

    def prepare(self, workload: str) -> None:
        super().prepare(workload)
        if workload.endswith("_rs256"):
            self.become(self.target["own"]["rs256"])
        if workload in ("exchange", "device_granted", "ciba_granted", "revocation", "par", "refresh_rs256"):
            self._tokens = self._exchange()
        if workload in ("exchange", "bearer", "device", "device_granted", "ciba", "ciba_granted"):
            self.become(self.delegate)
        if workload == "bearer":
            self._delegated()

    def _delegated(self) -> None:
        """A person grants offline access to a software, which remembers whom and by which grant."""
        tokens = self._exchange()
        who = self._expect("sub", self._bare.get(self.endpoints["userinfo"], f"Authorization: Bearer {tokens['access_token']}\r\n"))
        self._about = {"sub": who["sub"], "grant_id": tokens["grant_id"]}

    # --------------------------------------------------------------------------------------------------- the operations

    def assertion(self) -> None:
        """client_credentials by private_key_jwt."""
        name = self.signer["id"]
        signed = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self._signed({"iss": name, "sub": name})}
        self._expect("access_token", self._bare.post(self.endpoints["token"], {"grant_type": "client_credentials", **signed}))

    def dpop(self) -> None:
        """client_credentials by a secret, with a proof of possession."""
        about = {"htm": "POST", "htu": self.target["base"] + self.endpoints["token"]}
        claims = {**about, "iat": int(time.time()), "jti": secrets.token_urlsafe()}
        proof = jwt.encode({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.public}, claims, self.key)
        answer = self._bare.post(self.endpoints["token"], {"grant_type": "client_credentials"}, f"{self.basic}DPoP: {proof}\r\n")
        if self._expect("access_token", answer)["token_type"] != "DPoP":
            raise UnexpectedAnswerError("the token is bound to no key")

    def par(self) -> None:
        """As `sso`, its request deposited beforehand."""
        pushed = self._bare.post("/request", self.asked, self.basic)
        if pushed.status != 201:
            raise UnexpectedAnswerError(f"{pushed.status} {pushed.body[:300]!r}")
        by = {"client_id": self.asked["client_id"], "request_uri": orjson.loads(pushed.body)["request_uri"]}
        self.authorize = f"{self.endpoints['authorize']}?{urlencode(by)}"
        self._exchange()

    def device(self) -> None:
        """A device asks, and polls once before anybody has answered."""
        self._pending(DEVICE, device_code=self._device()["device_code"])

    def device_granted(self) -> None:
        """A device asks, a person who is signed in types its code and agrees (four requests for pages), the device has its tokens."""
        told = self._device()
        self._agree(told["user_code"])
        self._token(grant_type=DEVICE, device_code=told["device_code"])

    def exchange(self) -> None:
        """A service trades the token that it received."""
        self._token(grant_type=EXCHANGE, subject_token=self._tokens["access_token"], subject_token_type=ACCESS_TOKEN)

    def bearer(self) -> None:
        """A software acts for a person who granted it offline access."""
        self._token(grant_type=BEARER, assertion=self._signed({"iss": self.delegate["id"], **self._about}))

    def ciba(self) -> None:
        """A partner asks somebody and polls once. Nobody bears the name: MAG does the same work, so that nothing tells."""
        hint = f"{self.user['siret']}|{_letters(next(numbers))}|{_letters(time.monotonic_ns())}"
        asked = self._expect("auth_req_id", self._bare.post("/bc-authorize", {"scope": "openid", "login_hint": hint}, self.basic))
        self._pending(CIBA, auth_req_id=asked["auth_req_id"])

    def ciba_granted(self) -> None:
        """A partner asks a person who is signed in, who agrees in the list of questions (two requests for pages): it has its tokens.

        Nobody is asked so often but the test identities, whom the brake leaves alone.
        """
        hint = "|".join(self.user[word] for word in ("siret", "nom", "prenom"))
        asked = self._expect("auth_req_id", self._bare.post("/bc-authorize", {"scope": "openid", "login_hint": hint}, self.basic))
        self._answer_demande()
        self._token(grant_type=CIBA, auth_req_id=asked["auth_req_id"])

    def cc_rs256(self) -> None:
        """As `cc`, its token signed with RSA."""
        self.cc()

    def refresh_rs256(self) -> None:
        """As `refresh`, both tokens signed with RSA."""
        self.refresh()

    def revocation(self) -> None:
        """As `sso`, then the refresh token is revoked: there must be one."""
        answer = self._bare.post("/token/revocation", {"token": self._exchange()["refresh_token"]}, self.basic)
        if answer.status != 200:
            raise UnexpectedAnswerError(f"{answer.status} {answer.body[:300]!r}")

    # ------------------------------------------------------------------------------------------------------- their steps

    def _signed(self, claims: dict[str, str]) -> str:
        """RFC 7523 section 3, to this issuer."""
        now = int(time.time())
        times = {"aud": self.target["base"], "iat": now, "exp": now + 60, "jti": secrets.token_urlsafe()}
        return jwt.encode({"alg": "ES256", "kid": self.public["kid"]}, {**claims, **times}, self.key)

    def _device(self) -> dict[str, Any]:
        return self._expect("user_code", self._bare.post("/device_authorization", {"scope": "openid"}, self.basic))

    def _pending(self, grant_type: str, **form: str) -> None:
        answer = self._bare.post(self.endpoints["token"], {"grant_type": grant_type, **form}, self.basic)
        if b"authorization_pending" not in answer.body:
            raise UnexpectedAnswerError(f"{answer.status} {answer.body[:300]!r}")

    def _agree(self, user_code: str) -> None:
        """The browser's part."""
        typed = self._submit("/device", self.connection.get("/device").body, code=user_code)
        question = self.connection.get(typed.location.removeprefix(self.target["base"]))
        answered = self._submit("/device/confirmation", question.body, reponse="accepter")
        if answered.status not in (200, 303):
            raise UnexpectedAnswerError(f"{answered.status} {answered.body[:300]!r}")

    def _answer_demande(self) -> None:
        """The browser's part: yes to the latest question."""
        page = self.connection.get("/demandes").body
        first = page[: page.find(b"</form>", page.find(b'name="demande"'))]
        answered = self._submit("/demandes", first, reponse="accepter")
        if answered.status != 200:
            raise UnexpectedAnswerError(f"{answered.status} {answered.body[:300]!r}")

    def _submit(self, path: str, page: bytes, **typed: str) -> Any:
        form = {name: unescape(value) for name, value in HIDDEN.findall(page.decode())} | typed
        return self.connection.post(path, form, f"Origin: {self.target['base']}\r\n")


def _letters(number: int) -> str:
    """A name that no other operation used: a name has no digit."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))
