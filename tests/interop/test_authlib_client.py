"""Authlib's own client, the one most Flask and Django sites stand on: its requests session, then its Flask integration.

What it does not do has no test here: DPoP, pushed requests, the `iss` of answers (RFC 9207). It addresses its assertions to the token
endpoint, as RFC 7523 section 3 allows: a client of the FAPI profile cannot use it. In two things it is wrong, or far from the rule:
it does not form-encode the parts of Basic credentials (RFC 6749 section 2.3.1; the secrets that MAG makes have nothing to encode), and
its assertions live for an hour where MAG accepts five minutes (C25): `BriefKey` below is what a partner writes.
"""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import flask
import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from tests import factories
from tests.interop.conftest import IDENTITY, REDIRECT, secret_of
from tests.interop.person import Browser

pytestmark = pytest.mark.interop
KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
COMMON = {
    "redirect_uris": [REDIRECT],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "scope": "openid profile email siret api:lire",
    "id_token_signed_response_alg": "ES256",
}
METHODS = {
    "client_secret_basic": secret_of("client_secret_basic"),
    "client_secret_post": secret_of("client_secret_post"),
    "client_secret_jwt": secret_of("client_secret_jwt"),
    "private_key_jwt": KEY,
}
"""Each method, and what its client holds. The client bears the name of its method."""
LIFE = 60
"""Seconds."""
FLASK = "http://127.0.0.1/retour"


@pytest.fixture(scope="module")
def issuer(serve: Callable[..., str]) -> str:
    clients: dict[str, dict[str, Any]] = {name: {**COMMON, "token_endpoint_auth_method": name} for name in METHODS}
    clients["private_key_jwt"]["jwks"] = {"keys": [KEY.as_dict(private=False)]}
    clients["flask"] = {**COMMON, "redirect_uris": [FLASK]}
    return serve("sqlite", clients, MAG_CLIENT_SECRET_JWT="1")


@pytest.fixture(autouse=True)
def insecure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Authlib refuses http, even to this machine."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture
def metadata(issuer: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
    return found


class BriefSecret(ClientSecretJWT):
    """Assertions that live for a minute."""

    def sign(self, auth: Any, token_endpoint: str) -> str:
        self.claims = {"exp": int(time.time()) + LIFE}
        return str(super().sign(auth, token_endpoint))


class BriefKey(PrivateKeyJWT):
    """The same, signed by a key."""

    def sign(self, auth: Any, token_endpoint: str) -> str:
        self.claims = {"exp": int(time.time()) + LIFE}
        return str(super().sign(auth, token_endpoint))


def session(client_id: str, **more: Any) -> OAuth2Session:
    made = OAuth2Session(
        client_id,
        METHODS[client_id],
        token_endpoint_auth_method=client_id,
        introspection_endpoint_auth_method=client_id,
        revocation_endpoint_auth_method=client_id,
        code_challenge_method="S256",
        redirect_uri=REDIRECT,
        **more,
    )
    made.register_client_auth_method(BriefSecret())
    made.register_client_auth_method(BriefKey(alg="ES256", headers={"kid": "k1"}))
    return made


@pytest.mark.parametrize("method", METHODS)
def test_code_refresh_introspection_revocation_and_machines(metadata: dict[str, Any], method: str) -> None:
    client, verifier = session(method, scope="openid profile email siret"), generate_token(48)
    address, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6_WzA2Mj")

    answer = Browser().sign_in(address, IDENTITY, REDIRECT)
    first = client.fetch_token(metadata["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier)
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    claims = jwt.decode(first["id_token"], keys, algorithms=["ES256"]).claims
    assert (claims["aud"], claims["nonce"]) == (method, "n-0S6_WzA2Mj")
    userinfo = client.get(metadata["userinfo_endpoint"]).json()
    assert (userinfo["sub"], userinfo["siret"], userinfo["email"]) == (claims["sub"], factories.SIRET, "anne@exemple.fr")

    second = client.refresh_token(metadata["token_endpoint"], refresh_token=first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    told = client.introspect_token(metadata["introspection_endpoint"], token=second["access_token"]).json()
    assert (told["active"], told["client_id"]) == (True, method)

    assert client.revoke_token(metadata["revocation_endpoint"], token=second["refresh_token"]).status_code == 200
    assert client.introspect_token(metadata["introspection_endpoint"], token=second["access_token"]).json() == {"active": False}

    machine = session(method, scope="api:lire").fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert (machine["token_type"], machine["scope"]) == ("Bearer", "api:lire")


def site(issuer: str) -> flask.Flask:
    """A Flask site as Authlib's documentation writes it."""
    app = flask.Flask("site")
    app.secret_key = "essai"
    oauth = OAuth(app)
    oauth.register(
        "mag",
        client_id="flask",
        client_secret=secret_of("flask"),
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email siret", "code_challenge_method": "S256"},
    )

    @app.get("/connexion")
    def connexion() -> Any:
        return oauth.mag.authorize_redirect(FLASK)

    @app.get("/retour")
    def retour() -> Any:
        token = oauth.mag.authorize_access_token()
        return {"id_token": token["userinfo"], "userinfo": oauth.mag.userinfo(token=token)}

    return app


def test_a_flask_site_signs_in(issuer: str) -> None:
    """Discovery, PKCE and nonce are Authlib's; it validates the ID token."""
    visitor = site(issuer).test_client()
    asked = visitor.get("/connexion", base_url="http://127.0.0.1")

    answer = urlsplit(Browser().sign_in(asked.location, IDENTITY, FLASK))
    seen = visitor.get(f"{answer.path}?{answer.query}", base_url="http://127.0.0.1").json

    assert seen["id_token"]["aud"] == "flask"
    assert seen["userinfo"]["sub"] == seen["id_token"]["sub"]
    assert seen["userinfo"]["siret"] == factories.SIRET
