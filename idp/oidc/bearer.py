"""An access token presented at one of MAG's own resources: whose it is, and whether its holder may use it. RFC 6750 section 3.

What the token is about, and whether it still counts, is for the resource to say.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.confirmation import Confirmation
from idp.oidc.possession import Possession
from idp.oidc.tokens import AccessToken, Reader
from idp.oidc.vecteurs import Vecteurs
from idp.oidc.wire import Answer, Environ, Shown, challenge, shown_token


@dataclass(frozen=True, slots=True)
class Presented:
    """A live token of ours, and the client it was issued to."""

    token: AccessToken
    client: Client
    is_dpop: bool

    def refused(self, error: str) -> Answer:
        """Under the scheme that it came under."""
        return challenge(error, dpop=self.is_dpop)


class Bearers:
    """Reads them, for one process."""

    def __init__(self, clients: Clients, reader: Reader, possession: Possession, vecteurs: Vecteurs) -> None:
        self.clients, self.reader, self.possession, self.vecteurs = clients, reader, possession, vecteurs

    def read(self, environ: Environ, shown: Shown | None, now: float) -> Presented | Answer:
        """A token aimed at another API opens nothing here (RFC 8707); one bound to a key is good with its proof alone.

        One made under an agreement, as long as it is in force, and once when it serves once.
        """
        if not shown:
            return challenge("")
        token = self.reader.access_token(shown.token, now)
        client = self.clients.find(token.claims["client_id"]) if token else None
        if token is None or client is None or token.handle.resource:
            return challenge("invalid_token", dpop=shown.is_dpop)
        refusal = self.possession.refusal(environ, shown, Confirmation.read(token.claims.get("cnf")), client)
        if refusal is None and token.handle.convention:
            at = datetime.fromtimestamp(now, UTC)
            if not (self.vecteurs.stands(token, at) and self.vecteurs.first_shown(token, at)):
                return challenge("invalid_token", dpop=shown.is_dpop)
        return refusal or Presented(token, client, shown.is_dpop)

    def machine(self, environ: Environ, now: float, scope: str, resource: str) -> Presented | Answer:
        """A confidential client's own token, of nobody's: for this scope, aimed at this resource or at nothing but its own client.

        Several words in `scope`: one of them is enough.
        """
        found = self.read(environ, shown_token(environ), now)
        if isinstance(found, Answer):
            return found
        token, client = found.token, found.client
        audience = {token.claims["aud"]} if isinstance(token.claims["aud"], str) else set(token.claims["aud"])
        if token.handle.declarant_id or not audience & {client.client_id, resource}:
            return found.refused("invalid_token")
        if client.is_public or not client.scope & set(token.claims["scope"].split()) & set(scope.split()):
            return found.refused("insufficient_scope")
        return found
