"""Revocation. RFC 7009 section 2; ours: revoking one token ends everything its authorization gave."""

from datetime import UTC, datetime

from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.audit import journal
from idp.audit.events import TokenRevoked
from idp.database import Connections
from idp.oidc.client import Client
from idp.oidc.client_auth import ClientAuthenticator
from idp.oidc.families import Families
from idp.oidc.tokens import Reader
from idp.oidc.wire import Answer, Environ, read_form


class UnsupportedTokenError(OAuth2Error):
    """Section 2.2.1. Nothing of MAG's own ends these; to answer 200 would say that something did."""

    error = "unsupported_token_type"
    description = "exchanged tokens and tokens of client_credentials end by themselves, within minutes"


class Revocation:
    """The endpoint, for one process."""

    def __init__(self, authenticate: ClientAuthenticator, connections: Connections, families: Families, reader: Reader) -> None:
        self.authenticate, self.connections, self.families, self.reader = authenticate, connections, families, reader

    def __call__(self, environ: Environ) -> Answer:
        form = read_form(environ)
        client = self.authenticate(environ, form)
        if "token" not in form:
            raise InvalidRequestError("token is required")
        family_id, declarant_id = self._family_of(client, form["token"])
        if family_id:
            now = datetime.now(UTC)
            told = TokenRevoked(client_id=client.client_id, declarant_id=declarant_id, family_id=family_id)
            with self.connections.transaction():
                self.families.close(family_id, "revoked", now)
                journal.write(self.connections, told, now)
        return Answer(200, b"")

    def _family_of(self, client: Client, text: str) -> tuple[str | None, int | None]:
        """Family of a token of this very client; None for anything else, which is not an error (section 2.2)."""
        token = self.reader.access_token(text, datetime.now(UTC).timestamp())
        if token is not None:
            own = token.claims["client_id"] == client.client_id
            if own and ("act" in token.claims or token.handle.chain or not token.handle.family_id):
                raise UnsupportedTokenError()
            return (token.handle.family_id, token.handle.declarant_id) if own else (None, None)
        family_id = self.families.family_of(text)
        found = self.families.owner(family_id) if family_id else None
        return (family_id, found[1]) if found and found[0] == client.client_id else (None, None)
