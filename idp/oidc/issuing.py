"""What a token endpoint answer holds, whatever the grant: the shared steps live here so that no grant can forget one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.authentication.session import Session
from idp.config import Settings
from idp.habilitations.disclosure import services_of_scope
from idp.logs import note
from idp.oidc.authzen.known import keep
from idp.oidc.backchannel.notices import take_part
from idp.oidc.claims import DETAILS, amr_for, opened, select_claims
from idp.oidc.client import JWT_BEARER, Client
from idp.oidc.codes import Granted
from idp.oidc.confirmation import Confirmation, confirmed, token_type
from idp.oidc.details import Acting
from idp.oidc.families import Families, Grant, bound_key, context_of
from idp.oidc.people import People
from idp.oidc.rights import Rights
from idp.oidc.tokens import Handle, Mint, half_hash


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tokens of one sign-in say of a person to one client."""

    sub: str
    handle: Handle
    birth: Mapping[str, Any]
    rights: Mapping[str, Any]
    acting: list[dict[str, Any]] | None = None
    """In the place of `rights`, for who acts for one establishment."""

    @property
    def in_access_token(self) -> dict[str, Any]:
        """Without the flat list of rights: the token travels in headers. RFC 9396 section 9.1: with the details granted."""
        return {**self.birth, **{name: value for name, value in self.rights.items() if name != "habilitations_flat"}, **self.details}

    @property
    def in_id_token(self) -> dict[str, Any]:
        return {**self.birth, **self.rights}

    @property
    def details(self) -> dict[str, Any]:
        """RFC 9396 section 7: beside the token, and in it."""
        return {DETAILS: self.acting} if self.acting is not None else {}


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes the answers of the token endpoint."""

    settings: Settings
    mint: Mint
    families: Families
    people: People
    rights: Rights

    def for_client(
        self, client: Client, scope: Sequence[str], confirmation: Confirmation | None, audience: Sequence[str] = ()
    ) -> dict[str, Any]:
        """RFC 6749 section 4.4.3: no refresh token, no person. `audience`: resources named (RFC 8707), here and below."""
        at, cnf = int(datetime.now(UTC).timestamp()), confirmed(confirmation)
        token = self.mint.access_token(client, client.client_id, scope, at, Handle(), cnf, audience=audience)
        note("token issued", grant="client_credentials", client_id=client.client_id)
        return self._answer(token, scope, confirmation)

    def for_code(
        self,
        client: Client,
        session: Session,
        granted: Granted,
        confirmation: Confirmation | None,
        audience: Sequence[str] = (),
        acting: Acting | None = None,
        kind: str = "authorization_code",
    ) -> dict[str, Any]:
        """OpenID Connect Core section 3.1.3.3. Raises InvalidGrantError when the person is no longer active.

        `acting`: less than what was granted, for this access token alone (RFC 9396 section 6). `kind`: the grant, for the log.
        """
        now = datetime.now(UTC)
        offline = "offline_access" in granted.scope
        grant = Grant(session.declarant_id, session.sid, offline, granted.family_id, context_of(session, granted))
        refresh_token = None
        if "refresh_token" in client.grant_types:
            refresh_token = self.families.open(client, session, granted, offline=offline, now=now, key=bound_key(client, confirmation))
        if refresh_token is None:
            take_part(self.families.connections, client, session)
        keep(self.families.connections, self.settings, self.mint.subjects, client, session, granted, now)
        about = grant.narrowed(acting)
        return self._for_person(client, about, granted.scope, confirmation, audience, refresh_token, now, kind)

    def for_refresh(
        self,
        client: Client,
        grant: Grant,
        scope: Sequence[str],
        refresh_token: str,
        confirmation: Confirmation | None,
        audience: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Core section 12.2: same subject and auth_time, a new access token."""
        return self._for_person(client, grant, scope, confirmation, audience, refresh_token, datetime.now(UTC), "refresh_token")

    def for_bearer(
        self, client: Client, grant: Grant, scope: Sequence[str], confirmation: Confirmation | None, audience: Sequence[str] = ()
    ) -> dict[str, Any]:
        """RFC 7523 section 2.1: an access token alone, since nobody signs in and the client holds its own proof."""
        now = datetime.now(UTC)
        access_token, facts = self._access_token(client, grant, scope, confirmation, audience, now)
        note("token issued", grant="jwt-bearer", client_id=client.client_id, declarant_id=grant.declarant_id)
        return {**self._answer(access_token, scope, confirmation), **facts.details}

    def facts(
        self, client: Client, grant: Grant, scope: Sequence[str], now: datetime, confirmation: Confirmation | None, *, aimed: bool
    ) -> Facts:
        """`aimed`: at resources that the client named, so that the access token opens nothing of MAG's."""
        context, sid = grant.context, "" if grant.offline else grant.sid
        userinfo = opened(context["userinfo"], client.scope)
        handle = Handle(grant.declarant_id, context["version"], grant.family_id, sid, userinfo, resource=aimed)
        birth = {"auth_time": context["auth_time"], "acr": context["acr"], "amr": amr_for(client.amr_names, context["amr"])}
        sub = self.mint.subjects.of(client, context["uid"])
        if acting := grant.acting:
            return Facts(sub, handle, birth, {}, self.rights.acting(client, grant.declarant_id, acting, now))
        rights = self.rights.claims(client, grant.declarant_id, services_of_scope(scope), now, handle, confirmation)
        return Facts(sub, handle, birth, rights)

    def _for_person(
        self,
        client: Client,
        grant: Grant,
        scope: Sequence[str],
        confirmation: Confirmation | None,
        audience: Sequence[str],
        refresh_token: str | None,
        now: datetime,
        kind: str,
    ) -> dict[str, Any]:
        access_token, facts = self._access_token(client, grant, scope, confirmation, audience, now)
        answer = {**self._answer(access_token, scope, confirmation), **facts.details}
        if "openid" in scope:
            answer["id_token"] = self._id_token(client, facts, int(now.timestamp()), grant, access_token)
        if refresh_token:
            answer["refresh_token"] = refresh_token
        if refresh_token and grant.offline and JWT_BEARER in client.grant_types:
            answer["grant_id"] = grant.family_id
        note("token issued", grant=kind, client_id=client.client_id, declarant_id=grant.declarant_id)
        return answer

    def _access_token(
        self,
        client: Client,
        grant: Grant,
        scope: Sequence[str],
        confirmation: Confirmation | None,
        audience: Sequence[str],
        now: datetime,
    ) -> tuple[str, Facts]:
        audience = audience or grant.context.get("resource", ())
        facts = self.facts(client, grant, scope, now, confirmation, aimed=bool(audience))
        extra = {**facts.in_access_token, **confirmed(confirmation)}
        return self.mint.access_token(client, facts.sub, scope, int(now.timestamp()), facts.handle, extra, audience=audience), facts

    def _id_token(self, client: Client, facts: Facts, at: int, grant: Grant, access_token: str) -> str:
        """Core section 2. No profile claim unless asked one by one (section 5.4 leaves them to userinfo)."""
        context = grant.context
        claims = {**facts.in_id_token, "sid": grant.sid, "at_hash": half_hash(access_token, client.id_token_signed_response_alg)}
        if client.backchannel_token_delivery_mode:
            claims["jti"] = self.mint.reference(grant.declarant_id)
        if context["nonce"]:
            claims["nonce"] = context["nonce"]
        if wanted := opened(context["id_token"], client.scope):
            person = self.people.find(grant.declarant_id)
            birth = {"idp_id": self.settings.issuer, "acr": context["acr"], "amr": claims["amr"]}
            claims = {**(select_claims(person, wanted, **birth) if person else {}), **claims}
        return self.mint.id_token(client, facts.sub, at, claims)

    def _answer(self, access_token: str, scope: Sequence[str], confirmation: Confirmation | None) -> dict[str, Any]:
        return {
            "access_token": access_token,
            "token_type": token_type(confirmation),
            "expires_in": self.settings.access_token_lifetime,
            "scope": " ".join(scope),
        }
