"""The pushed authorization request endpoint (RFC 9126 section 2): the client authenticates, its whole request is checked, then kept."""

from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.config import Settings
from idp.oidc.checks import read_request, verify
from idp.oidc.client_auth import ClientAuthenticator
from idp.oidc.dpop import Proofs
from idp.oidc.errors import AuthorizationError, UntrustedRequestError
from idp.oidc.par import BOUND_KEY, PushedRequests, take_ours
from idp.oidc.sources import Sources
from idp.oidc.wire import Answer, Environ, json_answer, read_form

CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


class RefusedRequestError(OAuth2Error):
    """What the authorization endpoint would have answered (section 2.3)."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description=description, status_code=400)
        self.error = error


class PushedRequestEndpoint:
    """Takes requests in."""

    def __init__(
        self, settings: Settings, authenticate: ClientAuthenticator, sources: Sources, pushed: PushedRequests, proofs: Proofs
    ) -> None:
        self.settings, self.authenticate, self.sources, self.pushed = settings, authenticate, sources, pushed
        self.proofs = proofs

    def answer(self, environ: Environ) -> Answer:
        """201 and a reference of one use."""
        form = read_form(environ)
        client = self.authenticate(environ, form)
        if "request_uri" in form:
            raise InvalidRequestError("request_uri cannot be pushed")
        given = {name: value for name, value in take_ours(form).items() if name not in CREDENTIALS}
        if proved := self.proofs.thumbprint_of(environ, client):
            given[BOUND_KEY] = proved
        try:
            parameters = self.sources.resolved(client, {**given, "client_id": client.client_id}, pushing=True)
            verify(read_request(parameters, client), front_channel=self.settings.front_channel_tokens)
        except AuthorizationError as error:
            raise RefusedRequestError(error.error, error.description) from None
        except UntrustedRequestError:
            raise InvalidRequestError("redirect_uri is missing or not registered") from None
        answer = {"request_uri": self.pushed.push(client, parameters), "expires_in": self.settings.pushed_request_lifetime}
        return json_answer(answer, 201)
