"""Introspection: what an access token stands for, told to who may know. RFC 7662 section 2, RFC 9701, RFC 9396 section 9.2; check C22."""

from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.habilitations.disclosure import services_of_scope
from idp.oidc.alive import Alive
from idp.oidc.claims import CLAIMS_OF_RIGHTS, DETAILS
from idp.oidc.client import Client
from idp.oidc.client_auth import ClientAuthenticator, Clients
from idp.oidc.confirmation import Confirmation, token_type
from idp.oidc.rights import Rights
from idp.oidc.tokens import AccessToken, Mint, Reader
from idp.oidc.vecteurs import Vecteurs
from idp.oidc.wire import Answer, Environ, json_answer, prefers, read_form

TYPE = "token-introspection+jwt"
JWT = f"application/{TYPE}"


class Introspection:
    """The endpoint, for one process."""

    def __init__(
        self,
        authenticate: ClientAuthenticator,
        clients: Clients,
        alive: Alive,
        rights: Rights,
        mint: Mint,
        reader: Reader,
        vecteurs: Vecteurs,
    ) -> None:
        self.authenticate, self.clients, self.alive, self.rights, self.vecteurs = authenticate, clients, alive, rights, vecteurs
        self.mint, self.reader, self.issuer = mint, reader, mint.settings.issuer

    def __call__(self, environ: Environ) -> Answer:
        """A caller who is not entitled reads what a stranger would: inactive (C22)."""
        form = read_form(environ)
        client = self.authenticate.confidential(environ, form)
        if "token" not in form:
            raise InvalidRequestError("token is required")
        now = datetime.now(UTC)
        return self._answer(client, self._told(client, form["token"], now), prefers(environ, JWT), now)

    def _answer(self, client: Client, told: dict[str, Any], asks_jwt: bool, now: datetime) -> Answer:
        """RFC 9701 section 5: a JWT when asked, or registered; its type keeps it from serving as a token (section 8.1)."""
        alg, encryption = client.introspection_signed_response_alg, client.introspection_encryption
        if not (alg or encryption or asks_jwt):
            return json_answer(told)
        claims = {"iss": self.issuer, "aud": client.client_id, "iat": int(now.timestamp()), "token_introspection": told}
        text = self.mint.signed_for(client, alg or client.default_alg, encryption, claims, TYPE)
        return Answer(200, text.encode(), JWT)

    def _told(self, client: Client, text: str, now: datetime) -> dict[str, Any]:
        token = self.reader.access_token(text, now.timestamp())
        holder = self.clients.find(token.claims["client_id"]) if token and entitled(client, token) else None
        if token is None or holder is None or (token.handle.declarant_id and self.alive.person_of(token) is None):
            return {"active": False}
        if not (self.vecteurs.stands(token, now) and self.vecteurs.first_shown(token, now)):
            return {"active": False}
        signed = {name: value for name, value in token.claims.items() if name not in CLAIMS_OF_RIGHTS}
        bound = Confirmation.read(token.claims.get("cnf"))
        told = {**self._rights_now(holder, token, now), **self.vecteurs.told(holder, token, now)}
        return {"active": True, "token_type": token_type(bound), **signed, **told}

    def _rights_now(self, holder: Client, token: AccessToken, now: datetime) -> dict[str, Any]:
        """Rights as they are, not as they were signed: a right withdrawn is gone at the next introspection (C47)."""
        bound = Confirmation.read(token.claims.get("cnf"))
        scope = [s for s in token.claims["scope"].split() if s in holder.scope] if token.handle.declarant_id else []
        rights = self.rights.of_token(holder, token, services_of_scope(scope), now, bound)
        return {name: value for name, value in rights.items() if name in (*CLAIMS_OF_RIGHTS, DETAILS)}


def entitled(client: Client, token: AccessToken) -> bool:
    """Its own token, one aimed at it, or at an audience it registered for."""
    audience = token.claims["aud"]
    aimed = {audience} if isinstance(audience, str) else set(audience)
    return token.claims["client_id"] == client.client_id or client.client_id in aimed or bool(aimed & client.introspect)
