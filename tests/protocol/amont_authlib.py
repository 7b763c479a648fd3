"""An OpenID provider made with Authlib's server, in this process, whose answers a test may twist: what MAG must refuse."""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import flask
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from werkzeug.test import Client

from idp.seals import b64
from partners.outgoing import Answer, OutgoingRefusedError

ISSUER = "https://amont.test"
CLIENT, SECRET = "mag", "un-secret-donne-par-authlib"
PERSON = {"sub": "claire", "given_name": "Claire", "family_name": "Lefèvre"}


class MagThere(ClientMixin):
    """MAG, as this provider knows it."""

    client_id = CLIENT

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return "https://mag.test/amont/retour"

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.get_default_redirect_uri()

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    """An authorization code, in memory."""

    def __init__(self, code: str, request: Any) -> None:
        payload = request.payload
        self.code, self.scope, self.redirect_uri = code, payload.scope, payload.redirect_uri
        self.nonce = payload.data.get("nonce")
        self.code_challenge = payload.data.get("code_challenge")
        self.code_challenge_method = payload.data.get("code_challenge_method")

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> Any:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> list[str]:
        return ["pwd"]


class Provider:
    """`twist(header, claims)` changes an ID token before it is signed; the other members change what else it answers."""

    def __init__(self) -> None:
        self.key, self.asked = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"}), list[str]()
        self.published = [self.key]
        self.twist: Callable[[dict[str, Any], dict[str, Any]], None] = lambda header, claims: None
        self.signs: Callable[[dict[str, Any], dict[str, Any]], str] = self._sign
        self.userinfo: Any = PERSON
        self.token_answer: Any = None
        self.away = False
        self.metadata: dict[str, Any] = {}
        self._codes: dict[str, Code] = {}
        self.app = self._application()

    def _sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jwt.encode(header, claims, self.key, algorithms=["ES256"])

    def unsigned(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """RFC 7515 appendix A.5."""
        return jws.serialize_compact(header | {"alg": "none"}, flask.json.dumps(claims), OctKey.import_key("x"), algorithms=["none"])

    def confused(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """HS256 under the public key, as its PEM: what a verifier that lets the header choose would believe."""
        words = (flask.json.dumps({**header, "alg": "HS256"}), flask.json.dumps(claims))
        message = ".".join(b64(word.encode()) for word in words)
        return f"{message}.{b64(hmac.digest(self.key.as_pem(private=False), message.encode(), 'sha256'))}"

    def _application(self) -> flask.Flask:
        provider, app = self, flask.Flask("amont")
        server = AuthorizationServer(app, query_client=lambda _: MagThere(), save_token=lambda *_: None)

        class Grant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

            def save_authorization_code(self, code: str, request: Any) -> None:
                provider._codes[code] = Code(code, request)

            def query_authorization_code(self, code: str, client: Any) -> Code | None:  # Authlib's signature
                return provider._codes.get(code)

            def delete_authorization_code(self, code: Code) -> None:
                provider._codes.pop(code.code)

            def authenticate_user(self, _code: Code) -> Mapping[str, Any]:
                return PERSON

        class IdToken(OpenIDCode):
            def exists_nonce(self, _nonce: str, _request: Any) -> bool:
                return False

            def get_jwt_config(self, _grant: Any) -> dict[str, Any]:
                return {"key": provider.key, "alg": "ES256", "iss": ISSUER, "exp": 60}

            def generate_user_info(self, _user: Any, _scope: str) -> UserInfo:
                return UserInfo(sub=PERSON["sub"])

            def encode_id_token(self, token: Any, request: Any) -> str:
                claims = dict(jwt.decode(super().encode_id_token(token, request), provider.key).claims)
                header = {"alg": "ES256", "kid": provider.key.kid}
                provider.twist(header, claims)
                return provider.signs(header, claims)

        server.register_grant(Grant, [IdToken(require_nonce=True), CodeChallenge(required=True)])

        @app.get("/authorize")
        def authorize() -> Any:
            grant = server.get_consent_grant(end_user=PERSON)
            return server.create_authorization_response(grant_user=PERSON, grant=grant)

        @app.post("/token")
        def token() -> Any:
            return server.create_token_response() if provider.token_answer is None else provider.token_answer

        @app.get("/userinfo")
        def userinfo() -> Any:
            return provider.userinfo

        @app.get("/jwks")
        def keys() -> Any:
            return KeySet(provider.published).as_dict(private=False)

        @app.get("/.well-known/openid-configuration")
        def document() -> Any:
            paths = {name: f"{ISSUER}/{path}" for name, path in PATHS.items()}
            return {"issuer": ISSUER, **paths, "response_types_supported": ["code"], **provider.metadata}

        return app

    def answers(self, address: str) -> dict[str, str]:
        """Where MAG sends somebody; what their browser brings back."""
        location = Client(self.app).get(address).headers["Location"]
        return dict(parse_qsl(urlsplit(location).query))

    # ---------------------------------------------------------------------------------------- as MAG's outgoing calls

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        self.asked.append(url)
        if self.away:
            raise OutgoingRefusedError(f"{url}: TimeoutError")
        said = Client(self.app).open(url, method=method, headers=dict(headers), data=body)
        return Answer(said.status_code, said.mimetype, said.data)

    def json(self, url: str) -> Any:
        return flask.json.loads(self.ask("GET", url, {}).body)

    def check(self, url: str) -> None:
        if not url.startswith("https://"):
            raise OutgoingRefusedError(f"{url}: only https is called")


PATHS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo", "jwks_uri": "jwks"}
