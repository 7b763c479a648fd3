"""What a token endpoint answer holds, whatever the grant: the shared steps live here so that no grant can forget one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.authentication.session import Session
from idp.config import Settings
from idp.habilitations.disclosure import services_of_scope
from idp.logs import note
from idp.oidc.claims import opened, select_claims
from idp.oidc.client import Client
from idp.oidc.codes import Granted
from idp.oidc.families import Families, Grant, context_of
from idp.oidc.people import People
from idp.oidc.rights import Rights
from idp.oidc.tokens import Handle, Mint, half_hash, subject


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes the answers of the token endpoint."""

    settings: Settings
    mint: Mint
    families: Families
    people: People
    rights: Rights

    def for_client(self, client: Client, scope: Sequence[str]) -> dict[str, Any]:
        """RFC 6749 section 4.4.3: no refresh token, no person."""
        now = datetime.now(UTC)
        token = self.mint.access_token(client, client.client_id, scope, int(now.timestamp()), Handle(), {})
        note("token issued", grant="client_credentials", client_id=client.client_id)
        return self._answer(token, scope)

    def for_code(self, client: Client, session: Session, granted: Granted) -> dict[str, Any]:
        """OpenID Connect Core section 3.1.3.3. Raises InvalidGrantError when the person is no longer active."""
        now = datetime.now(UTC)
        offline = "offline_access" in granted.scope
        grant = Grant(session.declarant_id, session.sid, offline, granted.family_id, context_of(session, granted))
        refresh_token = (
            self.families.open(client, session, granted, offline=offline, now=now) if "refresh_token" in client.grant_types else None
        )
        return self._for_person(client, grant, granted.scope, refresh_token, now, "authorization_code")

    def for_refresh(self, client: Client, grant: Grant, scope: Sequence[str], refresh_token: str) -> dict[str, Any]:
        """Core section 12.2: same subject and auth_time, a new access token."""
        return self._for_person(client, grant, scope, refresh_token, datetime.now(UTC), "refresh_token")

    def _for_person(
        self, client: Client, grant: Grant, scope: Sequence[str], refresh_token: str | None, now: datetime, kind: str
    ) -> dict[str, Any]:
        context, at = grant.context, int(now.timestamp())
        sub = subject(self.mint.keyring, client, context["uid"])
        handle = Handle(
            grant.declarant_id,
            context["version"],
            grant.family_id,
            "" if grant.offline else grant.sid,
            opened(context["userinfo"], client.scope),
        )
        birth = {"auth_time": context["auth_time"], "acr": context["acr"], "amr": context["amr"]}
        rights = self.rights.claims(client, grant.declarant_id, services_of_scope(scope), now, handle)
        in_access = {name: value for name, value in rights.items() if name != "habilitations_flat"}  # it travels in headers
        answer = self._answer(self.mint.access_token(client, sub, scope, at, handle, {**birth, **in_access}), scope)
        if "openid" in scope:
            answer["id_token"] = self._id_token(client, sub, at, grant, {**birth, **rights}, answer["access_token"])
        if refresh_token:
            answer["refresh_token"] = refresh_token
        note("token issued", grant=kind, client_id=client.client_id, declarant_id=grant.declarant_id)
        return answer

    def _id_token(self, client: Client, sub: str, at: int, grant: Grant, claims: dict[str, Any], access_token: str) -> str:
        """Core section 2. No profile claim unless asked one by one (section 5.4 leaves them to userinfo)."""
        context = grant.context
        claims = {**claims, "sid": grant.sid, "at_hash": half_hash(access_token, client.id_token_signed_response_alg)}
        if context["nonce"]:
            claims["nonce"] = context["nonce"]
        if wanted := opened(context["id_token"], client.scope):
            person = self.people.find(grant.declarant_id)
            birth = {"idp_id": self.settings.issuer, "acr": context["acr"], "amr": context["amr"]}
            claims = {**(select_claims(person, wanted, **birth) if person else {}), **claims}
        return self.mint.id_token(client, sub, at, claims)

    def _answer(self, access_token: str, scope: Sequence[str]) -> dict[str, Any]:
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.settings.access_token_lifetime,
            "scope": " ".join(scope),
        }
