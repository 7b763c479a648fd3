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
            if own and "act" in token.claims:
                why = "an exchanged token ends with the token it came from, or within minutes"
                raise OAuth2Error(why, status_code=400, error="unsupported_token_type")  # RFC 7009 section 2.2.1
            return (token.handle.family_id or None, token.handle.declarant_id or None) if own else (None, None)
        family_id = self.families.family_of(text)
        found = self.families.owner(family_id) if family_id else None
        return (family_id, found[1]) if found and found[0] == client.client_id else (None, None)
