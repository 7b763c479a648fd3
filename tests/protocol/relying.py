"""A partner as protocol tests see it: it asks, redeems, renews, reads and signs out, over HTTP alone.

Its client is a real row of the registry, written by the operations that the operator's commands use.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import orjson
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.database import db
from idp.seals import Seals, b64, digest
from partners import onboarding
from partners.models import OAuthClient, Partenaire

SECRET = "secret-de-test-+%:-0123456789abcdef"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PATHS = {
    "authorization_endpoint": "/authorize",
    "token_endpoint": "/token",
    "userinfo_endpoint": "/userinfo",
    "jwks_uri": "/jwks",
    "end_session_endpoint": "/session/end",
    "introspection_endpoint": "/token/introspection",
    "revocation_endpoint": "/token/revocation",
}
"""Of discovery, under the issuer, as ProConnect and FranceConnect name them."""


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def answer_of(response: TestResponse) -> tuple[str, dict[str, str]]:
    """Where an answer of the authorization endpoint goes, and its parameters."""
    return sent_to(response, "?")


def sent_to(response: TestResponse, mark: str) -> tuple[str, dict[str, str]]:
    """The same, the parameters being after `mark`: `?` for a query, `#` for a fragment."""
    assert response.status_code == 303, response.get_data(as_text=True)
    address, _, query = response.headers["Location"].partition(mark)
    return address, dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))


def unverified_claims(token: str) -> dict[str, Any]:
    """The payload of a compact JWS."""
    found: dict[str, Any] = orjson.loads(jws.extract_compact(token.encode()).payload)
    return found


def unverified_header(token: str) -> dict[str, Any]:
    return dict(jws.extract_compact(token.encode()).headers())


def hidden_fields(page: TestResponse) -> dict[str, str]:
    """What the form of a page will send back."""
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)}


def altered(token: str) -> str:
    """The same token with its last signature character but three changed."""
    at = len(token) - 4
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@dataclass
class Tokens:
    """What a token answer held."""

    access_token: str
    id_token: str = ""
    refresh_token: str = ""
    scope: str = ""
    token_type: str = ""
    expires_in: int = 0

    @property
    def claims(self) -> dict[str, Any]:
        """Of the ID token."""
        return unverified_claims(self.id_token)

    @property
    def access(self) -> dict[str, Any]:
        """Of the access token."""
        return unverified_claims(self.access_token)


@dataclass
class Partner:
    """One client and what it may do over HTTP. `method` is its `token_endpoint_auth_method`."""

    doors: Any
    client_id: str
    secret: str
    redirect_uri: str
    method: str
    key: Any = None
    """Private key, for `private_key_jwt`."""
    extra: dict[str, Any] = field(default_factory=dict)
    dpop: Any = None
    """Private key; with one, every request that may bear a DPoP proof does."""
    connection: dict[str, str] = field(default_factory=dict)
    """What the reverse proxy says of this partner's connections, as a WSGI environ."""

    @property
    def issuer(self) -> str:
        issuer: str = self.doors.mag.settings.issuer
        return issuer

    def call(self, path: str, method: str = "POST", **options: Any) -> TestResponse:
        """A machine's request: no cookie goes out."""
        options.setdefault("base_url", self.doors.mag.settings.issuer_origin)
        if self.connection:
            options["environ_overrides"] = {**self.connection, **options.get("environ_overrides", {})}
        return Client(self.doors, use_cookies=False).open(self.doors.mag.settings.issuer_path + path, method=method, **options)

    # ------------------------------------------------------------------------------------------------ asking for a person

    def request(self, **changes: str | None) -> dict[str, str]:
        """A valid authorization request; a change to None leaves the parameter out."""
        asked: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid",
            "state": "etat-0123456789",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def address(self, **changes: str | None) -> str:
        return f"{self.doors.mag.settings.issuer_path}/authorize?{urlencode(self.request(**changes))}"

    def ask(self, browser: Client, **changes: str | None) -> TestResponse:
        return browser.get(self.address(**changes))

    def code(self, browser: Client, **changes: str | None) -> str:
        """An authorization code, for a browser that is signed in."""
        address, answer = answer_of(self.ask(browser, **changes))
        assert address == self.redirect_uri, (address, answer)
        assert "code" in answer, answer
        return answer["code"]

    # ---------------------------------------------------------------------------------- asking beforehand, or under a signature

    def push(self, *, headers: Mapping[str, str] | None = None, **changes: str | None) -> TestResponse:
        """RFC 9126 section 2.1: a valid request, deposited."""
        credentials, fields = self.credentials()
        return self.call("/request", data={**self.request(**changes), **fields}, headers={**credentials, **(headers or {})})

    def pushed(self, **changes: str | None) -> str:
        """The `request_uri` of a request deposited."""
        response = self.push(**changes)
        assert response.status_code == 201, response.get_data(as_text=True)
        return str(response.json["request_uri"])

    def ask_by(self, browser: Client, request_uri: str, **beside: str) -> TestResponse:
        """RFC 9126 section 4: the browser carries the reference."""
        asked = {"client_id": self.client_id, "request_uri": request_uri, **beside}
        return browser.get(f"{self.doors.mag.settings.issuer_path}/authorize?{urlencode(asked)}")

    def request_object(self, *, header: Mapping[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """RFC 9101 section 4: a valid request, signed; a change to None leaves the member out."""
        now = int(time.time())
        about = {"iss": self.client_id, "aud": self.issuer, "iat": now, "nbf": now, "exp": now + 60}
        claims = {**about, **self.request(), **changes}
        wanted = {"alg": "ES256", "typ": "oauth-authz-req+jwt", **(header or {})}
        told = {name: value for name, value in claims.items() if value is not None}
        header = {name: value for name, value in wanted.items() if value is not None}
        return jws.serialize_compact(header, json.dumps(told), key or self.key, algorithms=[wanted["alg"]])

    def ask_signed(self, browser: Client, request: str = "", **beside: str | None) -> TestResponse:
        """A request object by value; what is beside it is what RFC 9101 section 5 asks for, unless told otherwise."""
        given = {"client_id": self.client_id, "request": request or self.request_object(), **beside}
        sent = {name: value for name, value in given.items() if value is not None}
        return browser.get(f"{self.doors.mag.settings.issuer_path}/authorize?{urlencode(sent)}")

    # ------------------------------------------------------------------------------------------------- machines' endpoints

    def credentials(self, **assertion: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields that authenticate this client."""
        if self.method == "client_secret_basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, {}
        if self.method == "client_secret_post":
            return {}, {"client_id": self.client_id, "client_secret": self.secret}
        if self.method in ("private_key_jwt", "client_secret_jwt"):
            return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(**assertion)}
        return {}, {"client_id": self.client_id}

    def assertion(self, *, header: Mapping[str, Any] | None = None, key: Any = None, **changes: Any) -> str:
        """RFC 7523 section 3; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": base64.urlsafe_b64encode(hashlib.sha256(str(time.perf_counter_ns()).encode()).digest()).decode(),
            **changes,
        }
        symmetric = self.method == "client_secret_jwt"
        wanted = {"alg": "HS256" if symmetric else "ES256", **(header or {})}
        return jwt.encode(
            wanted,
            {name: value for name, value in claims.items() if value is not None},
            key or (OctKey.import_key(self.secret) if symmetric else self.key),
            algorithms=[wanted["alg"]],
        )

    def proof(
        self,
        path: str = "/token",
        method: str = "POST",
        *,
        access_token: str | None = None,
        key: Any = None,
        header: Mapping[str, Any] | None = None,
        signed_with: Any = None,
        **changes: Any,
    ) -> str:
        """RFC 9449 section 4.2; a change to None leaves the member out.

        Signed by hand: a library would refuse to write most of what tests need.
        """
        key = key or self.dpop
        claims = {
            "jti": base64.urlsafe_b64encode(hashlib.sha256(str(time.perf_counter_ns()).encode()).digest()).decode(),
            "htm": method,
            "htu": self.issuer + path,
            "iat": int(time.time()),
            "ath": challenge_of(access_token) if access_token else None,
            **changes,
        }
        alg = {"EC": "ES256", "RSA": "PS256", "OKP": "EdDSA"}[key.key_type]
        head = {"typ": "dpop+jwt", "alg": alg, "jwk": key.as_dict(private=False), **(header or {})}
        parts = [b64(orjson.dumps({n: v for n, v in part.items() if v is not None})) for part in (head, claims)]
        signer = jws.JWSRegistry.algorithms[head["alg"] if isinstance(head["alg"], str) else alg]
        message = ".".join(parts)
        return f"{message}.{b64(signer.sign(message.encode(), signed_with or key))}"

    def proved(self, path: str, method: str = "POST", access_token: str | None = None) -> dict[str, str]:
        """The header of a proof, for a partner that has a key."""
        return {"DPoP": self.proof(path, method, access_token=access_token)} if self.dpop else {}

    def post(self, path: str, form: Mapping[str, str | None], **assertion: Any) -> TestResponse:
        """An authenticated form; a field that is None is left out."""
        headers, fields = self.credentials(**assertion)
        sent = {name: value for name, value in {**fields, **form}.items() if value is not None}
        return self.call(path, data=sent, headers={**self.proved(path), **headers})

    def token(self, grant_type: str = "authorization_code", **form: str | None) -> TestResponse:
        return self.post("/token", {"grant_type": grant_type, **form})

    def redeem(self, code: str, **changes: str | None) -> TestResponse:
        form: dict[str, Any] = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": VERIFIER, **changes}
        return self.token(**form)

    def refresh(self, refresh_token: str, **changes: str | None) -> TestResponse:
        return self.token("refresh_token", refresh_token=refresh_token, **changes)

    def tokens(self, response: TestResponse) -> Tokens:
        assert response.status_code == 200, response.get_data(as_text=True)
        return Tokens(**response.json)

    def userinfo(self, access_token: str, **options: Any) -> TestResponse:
        scheme = "DPoP" if self.dpop else "Bearer"
        headers = {"Authorization": f"{scheme} {access_token}", **self.proved("/userinfo", "GET", access_token)}
        return self.call("/userinfo", "GET", headers=headers, **options)

    def introspect(self, token: str, **form: str | None) -> TestResponse:
        return self.post("/token/introspection", {"token": token, **form})

    def revoke(self, token: str, **form: str | None) -> TestResponse:
        return self.post("/token/revocation", {"token": token, **form})

    def verified(self, token: str, typ: str | None = None) -> dict[str, Any]:
        """Claims of a token that the published keys verify: joserfc is the oracle."""
        keys = KeySet.import_key_set(self.call("/jwks", "GET").json)
        found = jwt.decode(token, keys, algorithms=["ES256", "RS256"])
        assert typ is None or found.header["typ"] == typ
        return dict(found.claims)

    def is_alive(self, tokens: Tokens) -> bool:
        """Whether an access token still opens anything; introspection and userinfo must agree."""
        active = self.introspect(tokens.access_token).json
        status = self.userinfo(tokens.access_token).status_code
        assert (active["active"], status) in ((True, 200), (False, 401)), (active, status)
        assert active["active"] or active == {"active": False}
        return status == 200


def register(doors: Any, client_id: str = "portail", *, partenaire: str = "", secret: str = SECRET, **metadata: Any) -> Partner:
    """A confidential client allowed to renew, unless the metadata of RFC 7591 say otherwise."""
    given = {
        "client_name": f"Portail {client_id}",
        "redirect_uris": [f"https://{client_id}.test/retour"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email siret",
        "token_endpoint_auth_method": "client_secret_basic",
        **metadata,
    }
    key = None
    if given["token_endpoint_auth_method"] == "private_key_jwt" and "jwks" not in given:
        key = ECKey.generate_key("P-256", {"kid": f"cle-{client_id}", "use": "sig"})
        given["jwks"] = {"keys": [key.as_dict(private=False)]}
    with doors.flask.app_context():
        write_client(partenaire or client_id, client_id, given, f"{secret}{client_id}", doors.mag.keyring)
    doors.mag.versions.refresh()
    uris = given["redirect_uris"]
    return Partner(doors, client_id, f"{secret}{client_id}", uris[0] if uris else "", given["token_endpoint_auth_method"], key, given)


def write_client(code: str, client_id: str, metadata: dict[str, Any], secret: str, seals: Seals) -> None:
    """Register a client, or make the one there is what this says."""
    now = datetime.now(UTC)
    owner = db.session.scalar(select(Partenaire).filter_by(code=code)) or onboarding.register_partenaire(code, code, None, now)
    row = db.session.get(OAuthClient, client_id)
    if row is None:
        onboarding.register_client(owner, metadata, now, client_id=client_id, secret=secret, seals=seals)
    else:
        onboarding.change_client(row, metadata, now)
        if metadata["token_endpoint_auth_method"] in ("client_secret_basic", "client_secret_post"):
            onboarding.set_secrets(row, [digest(secret)], now)
    db.session.commit()
