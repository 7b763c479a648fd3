"""The token endpoint, on Authlib: its server picks the grant, its grants state the rules, its errors speak.

What is ours is what a hot path needs (docs/decisions/0001): the request is parsed once by `wire.py`, the client is
authenticated by the one method it registered, and nothing is written that a later request does not read.
"""

from typing import Any, cast

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error, UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.requests import OAuth2Payload

from idp.ephemeral import Ephemeral
from idp.oidc.client import JWT_BEARER
from idp.oidc.client_auth import ClientAuthenticator, Clients
from idp.oidc.grants.authorization_code import AuthorizationCodeGrant
from idp.oidc.grants.ciba import CibaGrant
from idp.oidc.grants.client_credentials import ClientCredentialsGrant
from idp.oidc.grants.device_code import DeviceCodeGrant
from idp.oidc.grants.grant import Grant
from idp.oidc.grants.jwt_bearer import JwtBearerGrant
from idp.oidc.grants.linked_account import LinkedAccountGrant
from idp.oidc.grants.refresh_token import RefreshTokenGrant
from idp.oidc.grants.token_exchange import TokenExchangeGrant
from idp.oidc.issuing import Issuer
from idp.oidc.linked import Links, speaks_of_a_link
from idp.oidc.possession import Possession
from idp.oidc.tokens import Reader
from idp.oidc.wire import Answer, Environ, error_answer, json_answer, read_form

GRANTS = (
    AuthorizationCodeGrant,
    RefreshTokenGrant,
    ClientCredentialsGrant,
    DeviceCodeGrant,
    TokenExchangeGrant,
    JwtBearerGrant,
    CibaGrant,
)


class Parameters(OAuth2Payload):
    """Those of a form, as Authlib asks for them."""

    def __init__(self, form: dict[str, str]) -> None:
        self._form = form

    @property
    def data(self) -> dict[str, str]:
        return self._form


class TokenRequest(OAuth2Request):
    """A token request already read. Authlib's constructor asks for https in the address: MAG's own settings hold that rule."""

    method, uri = "POST", ""
    client = user = auth_method = authorization_code = refresh_token = credential = _scope = None

    def __init__(self, form: dict[str, str], environ: Environ) -> None:
        self.headers: dict[str, str] = {}
        self.environ = environ
        self._form = form
        self.payload = Parameters(form)

    @property
    def form(self) -> dict[str, str]:
        return self._form


class TokenServer(AuthorizationServer):
    """Authlib's server, told how MAG authenticates, answers and keeps."""

    def __init__(
        self, authenticator: ClientAuthenticator, clients: Clients, issuer: Issuer, store: Ephemeral, possession: Possession
    ) -> None:
        super().__init__()
        self.authenticator, self.clients, self.issuer, self.store = authenticator, clients, issuer, store
        self.possession, self.reader = possession, Reader(issuer.settings, issuer.mint.keyring)
        self.links: Links | None = None
        """Composed by wsgi.py: nothing here knows who keeps them."""
        self.grants = {grant.GRANT_TYPE: grant for grant in GRANTS}

    def get_token_grant(self, request: Any) -> Grant:
        """By its name: a grant type has one grant, but for assertions, which say themselves what they are about."""
        name = request.form["grant_type"]
        of_a_link = name == JWT_BEARER and speaks_of_a_link(request.form.get("assertion", ""))
        grant = LinkedAccountGrant if of_a_link else self.grants.get(name)
        if grant is None:
            raise UnsupportedGrantTypeError(name)
        return grant(request, self)

    def authenticate_client(self, request: Any, _methods: Any, _endpoint: str = "token") -> Any:
        """The method that the client registered, whatever methods a grant names."""
        return self.authenticator(request.environ, request.form)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        return cast(OAuth2Request, request)

    def handle_response(self, status: int, body: Any, _headers: Any) -> Answer:
        """Headers are the door's."""
        return json_answer(body, status)

    def answer(self, environ: Environ) -> Answer:
        """RFC 6749 section 5. Errors that Authlib would word with the client's own input have fixed texts here."""
        form = read_form(environ)
        if "grant_type" not in form:
            return error_answer(InvalidRequestError("grant_type is required"))
        request = TokenRequest(form, environ)
        try:
            grant = self.get_token_grant(request)
            grant.validate_token_request()
            return self.handle_response(*grant.create_token_response())
        except UnsupportedGrantTypeError as error:
            error.description = "this grant_type is not supported"
            return error_answer(error)
        except OAuth2Error as error:
            return error_answer(error)
