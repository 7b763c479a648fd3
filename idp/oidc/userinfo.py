"""UserInfo: what an access token tells of its person. OpenID Connect Core section 5.3, RFC 6750 sections 2 and 3."""

from datetime import UTC, datetime
from typing import Any

import orjson
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.authentication.factors.policy import Policies
from idp.authentication.levels import MFA, TWO_FACTORS, satisfies
from idp.config import Settings
from idp.database import Kept
from idp.habilitations.disclosure import services_of_scope
from idp.oidc.alive import Alive
from idp.oidc.bearer import Bearers
from idp.oidc.claims import Person, claims_of_scope, opened, select_claims
from idp.oidc.client import Client
from idp.oidc.confirmation import Confirmation
from idp.oidc.controls import Controls
from idp.oidc.details import Acting
from idp.oidc.rights import Rights
from idp.oidc.tokens import AccessToken, Mint
from idp.oidc.wire import Answer, Environ, Shown, insufficient, is_form, json_answer, prefers, read_form, shown_token

JWT = "application/jwt"
EARLIER = 5
"""Seconds that `iat` is set back: a clock behind ours refuses what comes from the future."""


class UserInfo:
    """The endpoint, for one process."""

    def __init__(
        self,
        settings: Settings,
        bearers: Bearers,
        alive: Alive,
        rights: Rights,
        mint: Mint,
        policies: Kept[Policies],
        controls: Controls,
    ) -> None:
        self.controls = controls
        self.settings, self.bearers, self.alive = settings, bearers, alive
        self.rights, self.mint, self.policies = rights, mint, policies

    def __call__(self, environ: Environ) -> Answer:
        """The token comes in the header, or in a form body (RFC 6750 section 2.2)."""
        now = datetime.now(UTC)
        found = self.bearers.read(environ, presented(environ), now.timestamp())
        if isinstance(found, Answer):
            return found
        token, client = found.token, found.client
        person = self.alive.person_of(token) if token.handle.declarant_id else None
        if person is None:
            return found.refused("invalid_token")
        if "openid" not in token.claims["scope"].split():
            return found.refused("insufficient_scope")
        lacking = self._lacking(client, token, now, dpop=found.is_dpop)
        return lacking or self._answer(client, self._claims(client, token, person, now), prefers(environ, JWT), now)

    def _lacking(self, client: Client, token: AccessToken, now: datetime, *, dpop: bool) -> Answer | None:
        """RFC 9470: a sign-in that the policies of MAG find too weak or too old for this partner and these services."""
        policies = self.policies()
        if not policies.rules:
            return None
        acting, claims = Acting.granted_in(token.claims), token.claims
        services = services_of_scope(claims["scope"].split()) | (acting.codes if acting else frozenset())
        strong = MFA in claims.get("amr", ()) or satisfies(claims.get("acr", ""), (TWO_FACTORS,))  # a partner's word has the level alone
        if not strong and policies.demands(client.client_id, services, now):
            return insufficient(None, dpop=dpop)
        age = policies.max_age(client.client_id, services, now)
        if age is not None and now.timestamp() - claims.get("auth_time", 0) > age:
            return insufficient(age, dpop=dpop)
        return None

    def _claims(self, client: Client, token: AccessToken, person: Person, now: datetime) -> dict[str, Any]:
        scope = [s for s in token.claims["scope"].split() if s in client.scope]
        wanted = claims_of_scope(scope) | set(opened(token.handle.userinfo_claims, client.scope))
        bound, services = Confirmation.read(token.claims.get("cnf")), services_of_scope(scope)
        return {
            "sub": token.claims["sub"],
            **select_claims(person, wanted, idp_id=self.settings.issuer, acr=token.claims["acr"], amr=token.claims["amr"]),
            **self.controls.of(token.handle.declarant_id or 0, wanted),
            **self.rights.of_token(client, token, services, now, bound),
            **self.bearers.vecteurs.told(client, token, now),
        }

    def _answer(self, client: Client, claims: dict[str, Any], asks_jwt: bool, now: datetime) -> Answer:
        """Section 5.3.2: JSON, signed, encrypted, or both, as registered; ours: a JWT asked by `Accept` is signed as ID tokens are."""
        alg, encryption = client.userinfo_signed_response_alg, client.userinfo_encryption
        if asks_jwt and not alg and not encryption:
            alg = client.id_token_signed_response_alg
        if alg:
            whole = {**claims, "iss": self.settings.issuer, "aud": client.client_id, "iat": int(now.timestamp()) - EARLIER}
            return Answer(200, self.mint.signed_for(client, alg, encryption, whole).encode(), JWT)
        if encryption:
            return Answer(200, self.mint.encrypter.encrypt(client, encryption, orjson.dumps(claims)).encode(), JWT)
        return json_answer(claims)


def presented(environ: Environ) -> Shown | None:
    """The token, from one place alone (RFC 6750 section 2)."""
    shown = shown_token(environ)
    if environ["REQUEST_METHOD"] != "POST" or not environ.get("CONTENT_TYPE") or (shown and not is_form(environ)):
        return shown
    given = read_form(environ).get("access_token")
    if shown and given:
        raise InvalidRequestError("the access token came twice")
    return Shown(given) if given else shown
