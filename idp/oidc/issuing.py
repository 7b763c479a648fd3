"""What a token endpoint answer holds, whatever the grant: the shared steps live here so that no grant can forget one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from idp.authentication.session import Session
from idp.config import Settings
from idp.habilitations.disclosure import services_of_scope
from idp.logs import note
from idp.oidc.authzen.known import keep
from idp.oidc.backchannel.notices import take_part
from idp.oidc.claims import DETAILS, PAGM, amr_for, opened, select_claims
from idp.oidc.client import JWT_BEARER, Client
from idp.oidc.codes import Granted
from idp.oidc.confirmation import Confirmation, confirmed, token_type
from idp.oidc.details import Acting
from idp.oidc.families import Families, Grant, bound_key, grant_of
from idp.oidc.people import People
from idp.oidc.rights import Rights
from idp.oidc.signals.audience import Audience
from idp.oidc.tokens import Handle, Mint, half_hash
from idp.oidc.vecteurs import Source, Terms, Vecteurs, audience_of


class Facts(NamedTuple):
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
    audience: Audience
    vecteurs: Vecteurs

    def takes_part(self, client: Client, session: Session, now: datetime, *, offline: bool, renews: bool) -> None:
        """Who is told of the end of sessions, or of what happens to accounts, has it written down. Nothing for the others."""
        if not renews:
            take_part(self.families.connections, client, session, hears=self.audience.hears(client))
        self.audience.met(client, session, now, offline=offline)

    def for_client(
        self,
        client: Client,
        scope: Sequence[str],
        confirmation: Confirmation | None,
        audience: Sequence[str] = (),
        terms: Terms | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """RFC 6749 section 4.4.3: no refresh token, no person. `audience`: resources named (RFC 8707), here and below.

        `terms`, `told`: of the agreement that it is made under, and what it lets the token say of the application.
        """
        now, extra = datetime.now(UTC), {**confirmed(confirmation), **(told or {})}
        token, life = self.signed(client, client.client_id, scope, Handle(), extra, audience, terms, now, "client_credentials")
        note("token issued", grant="client_credentials", client_id=client.client_id)
        details = {DETAILS: extra[DETAILS]} if DETAILS in extra else {}
        return {**self._answer(token, scope, confirmation, life), **details}

    def signed(
        self,
        client: Client,
        sub: str,
        scope: Sequence[str],
        handle: Handle,
        extra: Mapping[str, Any],
        audience: Sequence[str],
        terms: Terms | None,
        now: datetime,
        grant: str,
        source: Source | None = None,
    ) -> tuple[str, int]:
        """An access token and its life; one made under an agreement is shorter, marked, and leaves evidence before it is given.

        `source`: the token that it is exchanged for, which it never outlives.
        """
        at = int(now.timestamp())
        longest = min(source.until - at, self.settings.access_token_lifetime) if source else self.settings.access_token_lifetime
        if terms is None:
            return self.mint.access_token(client, sub, scope, at, handle, {**extra, "exp": at + longest}, audience=audience), longest
        life = terms.life(longest)
        kept = {**terms.may_act, **extra, "exp": at + life, "jti": self.mint.name_of(terms.marked(handle))}
        token = self.mint.access_token(client, sub, scope, at, handle, kept, audience=audience)
        aimed = audience_of(client, audience)
        about = {"sub": sub, "aud": list(aimed), "client_id": client.client_id, "scope": " ".join(scope), "iat": at, **kept}
        self.vecteurs.keep(terms, "access_token", about, now, grant=grant, source=source)
        return token, life

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
        grant = grant_of(session, granted, offline=offline)
        refresh_token = None
        if "refresh_token" in client.grant_types:
            refresh_token = self.families.open(client, session, grant, now=now, key=bound_key(client, confirmation))
        self.takes_part(client, session, now, offline=offline, renews=refresh_token is not None)
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
        self,
        client: Client,
        grant: Grant,
        scope: Sequence[str],
        confirmation: Confirmation | None,
        audience: Sequence[str] = (),
        kind: str = "jwt-bearer",
    ) -> dict[str, Any]:
        """RFC 7523 section 2.1: an access token alone, since nobody signs in and the client holds its own proof."""
        now = datetime.now(UTC)
        access_token, facts, life = self._access_token(client, grant, scope, confirmation, audience, now, kind)
        note("token issued", grant=kind, client_id=client.client_id, declarant_id=grant.declarant_id)
        return {**self._answer(access_token, scope, confirmation, life), **facts.details}

    def for_vouched(
        self, client: Client, session: Session, granted: Granted, confirmation: Confirmation | None, audience: Sequence[str]
    ) -> dict[str, Any]:
        """The same for somebody whom a partner vouches for: the client hears of what happens to them, as if they had signed in there."""
        now = datetime.now(UTC)
        self.takes_part(client, session, now, offline=False, renews=False)
        keep(self.families.connections, self.settings, self.mint.subjects, client, session, granted, now)
        grant = grant_of(session, granted, offline=False)
        return self.for_bearer(client, grant, granted.scope, confirmation, audience, "jwt-bearer-linked")

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
        access_token, facts, life = self._access_token(client, grant, scope, confirmation, audience, now, kind)
        answer = {**self._answer(access_token, scope, confirmation, life), **facts.details}
        if "openid" in scope:
            answer["id_token"] = self._id_token(client, facts, scope, now, grant, access_token, kind)
        if refresh_token:
            answer["refresh_token"] = refresh_token
        if refresh_token and grant.offline and JWT_BEARER in client.grant_types:
            answer["grant_id"] = grant.family_id
        note("token issued", grant=kind, client_id=client.client_id, declarant_id=grant.declarant_id)
        return answer

    def terms(self, client: Client, audience: Sequence[str], confirmation: Confirmation | None, now: datetime) -> Terms | None:
        """Under what a token would be made, asked before the journal says that it is. Raises InvalidTargetError, InvalidProofError."""
        terms = self.vecteurs.terms(client, audience_of(client, audience), now)
        if terms is not None:
            terms.check_possession(confirmation)
        return terms

    def _access_token(
        self,
        client: Client,
        grant: Grant,
        scope: Sequence[str],
        confirmation: Confirmation | None,
        audience: Sequence[str],
        now: datetime,
        kind: str,
    ) -> tuple[str, Facts, int]:
        audience = audience or grant.context.get("resource", ())
        terms = self.terms(client, audience, confirmation, now)
        facts = self.facts(client, grant, scope, now, confirmation, aimed=bool(audience))
        extra = {**facts.in_access_token, **confirmed(confirmation), **self.profiles(client, grant, facts.handle, scope, terms, now)}
        token, life = self.signed(client, facts.sub, scope, facts.handle, extra, audience, terms, now, kind)
        return token, facts, life

    def profiles(
        self, client: Client, grant: Grant, handle: Handle, scope: Sequence[str], terms: Terms | None, now: datetime
    ) -> dict[str, Any]:
        """The claim `pagm`, for who was granted the scope."""
        if terms is None or PAGM not in scope:
            return {}
        return {PAGM: self.vecteurs.profiles(client, handle, terms, grant.acting, now)}

    def _id_token(
        self, client: Client, facts: Facts, scope: Sequence[str], now: datetime, grant: Grant, access_token: str, kind: str
    ) -> str:
        """Core section 2. No profile claim unless asked one by one (section 5.4 leaves them to userinfo).

        Of a portal that an agreement names, it says profiles too, and leaves evidence under a `jti`.
        """
        context, at = grant.context, int(now.timestamp())
        claims = {**facts.in_id_token, "sid": grant.sid, "at_hash": half_hash(access_token, client.id_token_signed_response_alg)}
        if client.backchannel_token_delivery_mode:
            claims["jti"] = self.mint.reference(grant.declarant_id)
        if context["nonce"]:
            claims["nonce"] = context["nonce"]
        if wanted := opened(context["id_token"], client.scope):
            person = self.people.find(grant.declarant_id)
            birth = {"idp_id": self.settings.issuer, "acr": context["acr"], "amr": claims["amr"]}
            claims = {**(select_claims(person, wanted, **birth) if person else {}), **claims}
        if (terms := self.vecteurs.terms(client, (client.client_id,), now)) is not None:
            claims = {**claims, **self.profiles(client, grant, facts.handle, scope, terms, now)}
            claims.setdefault("jti", self.mint.reference(grant.declarant_id))
            about = {"sub": facts.sub, "aud": client.client_id, "client_id": client.client_id, "scope": " ".join(scope), **claims}
            until = {"iat": at, "exp": at + self.settings.id_token_lifetime}
            self.vecteurs.keep(terms, "id_token", {**about, **until}, now, grant=kind)
        return self.mint.id_token(client, facts.sub, at, claims)

    def _answer(self, access_token: str, scope: Sequence[str], confirmation: Confirmation | None, life: int) -> dict[str, Any]:
        return {
            "access_token": access_token,
            "token_type": token_type(confirmation),
            "expires_in": life,
            "scope": " ".join(scope),
        }
