"""What every grant does first, in one place so that none can forget it: authenticate the client, check it may, bind its tokens."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol, cast

from authlib.oauth2.rfc6749.errors import InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from idp.ephemeral import Ephemeral
from idp.oidc.claims import DETAILS
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.confirmation import Confirmation
from idp.oidc.details import Acting, InvalidDetailsError, InvalidDetailsValueError, check_no_details, read_details
from idp.oidc.issuing import Issuer
from idp.oidc.linked import Links
from idp.oidc.possession import Possession
from idp.oidc.resources import aimed_at, read_resources
from idp.oidc.tokens import Reader
from idp.oidc.vecteurs import audience_of, day


class Context(Protocol):
    """What a grant finds on its server."""

    issuer: Issuer
    store: Ephemeral
    clients: Clients
    reader: Reader
    possession: Possession
    links: Links | None


class Grant(BaseGrant, TokenEndpointMixin):
    """RFC 6749 section 4: a grant type of the token endpoint."""

    granted_to: Client
    """Who asks; known once it is authenticated."""
    asked_acting: Acting | None = None
    """For which establishment, on which services; known once the client is authenticated."""
    NARROWS: ClassVar[bool] = False
    """Takes authorization details (RFC 9396)."""
    confirmation: Confirmation | None = None
    """What the tokens will be bound to; known once the client is authenticated."""

    def __init__(self, request: Any, server: Any) -> None:
        super().__init__(request, server)
        self.form: Mapping[str, str] = request.form
        self.context: Context = server

    def authenticated(self) -> Client:
        """Section 5.2: `invalid_client`, then `unauthorized_client`; then the proof of possession, if any (`possession.py`)."""
        client = cast(Client, self.authenticate_token_endpoint_client())
        self.request.client = cast(Any, client)
        if self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("this client may not use this grant_type")
        self.confirmation = self.context.possession.at_token(cast(Any, self.request).environ, client)
        self.asked_acting = self._asked_acting(client)
        return client

    def _asked_acting(self, client: Client) -> Acting | None:
        """RFC 9396 section 6: read before anything is spent. Raises InvalidDetailsError."""
        if not self.NARROWS:
            check_no_details(self.form)
        try:
            return read_details(self.form.get(DETAILS, ""), client.authorization_details_types)
        except InvalidDetailsValueError as error:
            raise InvalidDetailsError(str(error)) from None

    def narrowed_acting(self, granted: Acting | None) -> Acting | None:
        """RFC 9396 section 6: what is asked of what was granted, None for all of it. Raises InvalidDetailsError."""
        if self.asked_acting is None:
            return None
        if granted is None:
            raise InvalidDetailsError("no authorization_details were granted")
        try:
            return granted.narrowed(self.asked_acting)
        except InvalidDetailsValueError as error:
            raise InvalidDetailsError(str(error)) from None

    @cached_property
    def asked_scope(self) -> list[str]:
        """Section 3.3, in the order given, once each."""
        return list(dict.fromkeys(self.form.get("scope", "").split()))

    def narrowed_scope(self, allowed: Iterable[str], refusal: str = "scope is wider than what was granted") -> list[str]:
        """Section 6: what is asked, never more than allowed; ours: nor than the client may still ask (C10). Raises InvalidScopeError."""
        open_to_it = [scope for scope in allowed if scope in self.granted_to.scope]
        if not set(self.asked_scope) <= set(open_to_it):
            raise InvalidScopeError(refusal)
        return self.asked_scope or open_to_it

    @property
    def asked_resource(self) -> list[str]:
        """RFC 8707 section 2."""
        return read_resources(self.form.get("resource", ""))

    def aimed_at(self, granted: Sequence[str] = ()) -> tuple[str, ...]:
        """RFC 8707 section 2.2: resources that the client registered, or that an agreement in force opens. Raises InvalidTargetError."""
        asked, now, vecteurs = self.asked_resource, datetime.now(UTC), self.context.issuer.vecteurs
        agreed = self.context.clients.conventions().opened_to(self.granted_to.client_id, day(now))
        aimed = tuple(asked) if asked and not granted and set(asked) <= agreed else aimed_at(self.granted_to, granted, asked)
        vecteurs.terms(self.granted_to, audience_of(self.granted_to, aimed), now)
        return aimed

    def validate_token_request(self) -> None:
        raise NotImplementedError

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:  # type: ignore[override]  # the stubs say the body is text; Authlib hands it to handle_response as it is
        return 200, self.answer(), self.TOKEN_RESPONSE_HEADER

    def answer(self) -> dict[str, Any]:
        """Section 5.1."""
        raise NotImplementedError
