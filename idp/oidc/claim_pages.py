"""The claim endpoint of rights: the distributed claim of a large account, page by page, signed. OpenID Connect Core section 5.6.2."""

from datetime import UTC, datetime

from idp.config import Settings
from idp.oidc.alive import Alive
from idp.oidc.client_auth import Clients
from idp.oidc.possession import Possession
from idp.oidc.rights import Rights
from idp.oidc.tokens import Mint
from idp.oidc.wire import Answer, Environ, challenge, read_pairs, shown_token


class ClaimPages:
    """The endpoint, for one process."""

    def __init__(self, settings: Settings, clients: Clients, alive: Alive, rights: Rights, mint: Mint, possession: Possession) -> None:
        self.settings, self.clients, self.alive, self.rights, self.mint = settings, clients, alive, rights, mint
        self.possession = possession

    def __call__(self, environ: Environ) -> Answer:
        parameters = read_pairs(environ.get("QUERY_STRING", ""))
        shown = shown_token(environ)
        if shown is None:
            return challenge("")
        pass_ = self.rights.read_pass(shown.token, datetime.now(UTC))
        client = self.clients.find(pass_.client_id) if pass_ else None
        if pass_ is None or client is None:
            return challenge("invalid_token", dpop=shown.is_dpop)
        if refusal := self.possession.refusal(environ, shown, pass_.confirmation, client):
            return refusal
        if not self.alive.stands(pass_.handle, pass_.expires_at - self.settings.access_token_lifetime)[0]:
            return challenge("invalid_token", dpop=shown.is_dpop)
        claims = self.rights.page(pass_, parameters.get("next", ""), datetime.now(UTC))
        return Answer(200, self.mint.signed(client.access_token_signing_alg, claims).encode(), "application/jwt")
