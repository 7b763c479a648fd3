"""Token exchange: a service that received a token trades it for one aimed at the next service, in the same person's name.

Implements RFC 8693 sections 1.1, 2.1, 2.2.1, 2.2.2, 4.1 (`act`), 4.4 (`may_act`). Closed unless the client has the grant and
audiences to exchange for: those of the registry (`exchange`), and those that an agreement in force opens (`vecteurs.py`). What
comes out is never wider nor longer than what came in, names who acts, and hangs on the same session, family and person: ending
the first ends it.

Who acts is the caller, or, with an `actor_token`, the application of its own body that this token is about. A token that does not
say who acts (impersonation) is for those whose agreement says so, who ask for it (`impersonation=true`, ours); evidence names them.

A subject token bound to a key (RFC 9449, RFC 8705) was proved by whoever presented it to the caller, which the caller checked;
here the caller proves possession of its own key, and the new token is bound to that one. A bound token is never exchanged for
one without a binding, and a token of the caller's own only by the key it is bound to.

Left out on purpose: subject and actor tokens of other issuers, other types of token, refresh tokens.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnauthorizedClientError

from idp.audit import journal
from idp.audit.events import TokenExchanged
from idp.habilitations.disclosure import services_of_scope
from idp.logs import note
from idp.oidc.alive import Alive
from idp.oidc.claims import DETAILS, PAGM
from idp.oidc.client import Client
from idp.oidc.confirmation import Confirmation, confirmed, token_type
from idp.oidc.details import Acting
from idp.oidc.grants.grant import Grant
from idp.oidc.introspection import entitled
from idp.oidc.resources import InvalidTargetError
from idp.oidc.tokens import AccessToken, Handle
from idp.oidc.vecteurs import Source

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
LONGEST_CHAIN = 5
"""Services that may act one for another."""
NEVER = frozenset({"offline_access"})
"""Means nothing without a refresh token."""


class TokenExchangeGrant(Grant):
    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
    actor_token: AccessToken | None = None
    """Who acts, when the caller says it by a token; known once it is checked."""

    def validate_token_request(self) -> None:
        self.granted_to = self.authenticated()
        now, vecteurs = datetime.now(UTC), self.context.issuer.vecteurs
        if not (self.granted_to.exchange or self.context.clients.conventions().spoken_of(self.granted_to.client_id)):
            raise UnauthorizedClientError("this client may exchange tokens for no audience")
        self._check_types()
        self.subject = self._subject()
        self._check_key(self.subject, "subject_token")
        self.uid = self._uid()
        self.audience = self._audience(vecteurs.reachable(self.granted_to, now))
        self.scope = self._scope()
        self.actors = self._actors()
        self.terms = vecteurs.terms(self.granted_to, self.audience, now, self.subject.handle)
        self.handle = self._handle()
        self.profiles = self._profiles(now)
        for token, called in ((self.subject, "subject_token"), (self.actor_token, "actor_token")):
            if token is not None and not vecteurs.first_shown(token, now):
                raise InvalidRequestError(f"{called} is not valid for this client")

    def _check_types(self) -> None:
        """Section 2.1."""
        form = self.form
        if ("actor_token" in form) != ("actor_token_type" in form):
            raise InvalidRequestError("actor_token and actor_token_type come together")
        if form.get("actor_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("actor_token_type must be access_token or jwt")
        if form.get("impersonation", "true") != "true":
            raise InvalidRequestError("impersonation is true, or left out")
        if "subject_token" not in form or "subject_token_type" not in form:
            raise InvalidRequestError("subject_token and subject_token_type are required")
        if form["subject_token_type"] not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("subject_token_type must be access_token or jwt")
        if form.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("requested_token_type must be access_token or jwt")

    def _subject(self) -> AccessToken:
        """Section 2.1: ours, alive, about a person, and the caller's own or aimed at it. One answer for whatever it is not (C22)."""
        token = self.context.reader.access_token(self.form["subject_token"], datetime.now(UTC).timestamp())
        about_a_person = token is not None and token.handle.declarant_id
        if token is None or not about_a_person or not entitled(self.granted_to, token):
            raise InvalidRequestError("subject_token is not valid for this client")
        stands = self.context.issuer.vecteurs.stands(token, datetime.now(UTC))
        if not stands or self.context.clients.find(token.claims["client_id"]) is None:
            raise InvalidRequestError("subject_token is not valid for this client")
        return token

    def _check_key(self, token: AccessToken, called: str) -> None:
        """RFC 9449 section 6, RFC 8705 section 3: a binding is never lost on the way, and the caller's own stays the same."""
        bound = Confirmation.read(token.claims.get("cnf"))
        if bound is None:
            return
        if self.confirmation is None:
            raise InvalidRequestError(f"{called} is bound to a key: the caller must prove possession of its own")
        if token.claims["client_id"] == self.granted_to.client_id and bound != self.confirmation:
            raise InvalidRequestError(f"{called} is bound to another key of this client")

    def _uid(self) -> str:
        """The person, if what the token hangs on still stands."""
        issuer = self.context.issuer
        person = Alive(self.context.store, issuer.families, issuer.people).person_of(self.subject)
        if person is None:
            raise InvalidRequestError("subject_token is not valid for this client")
        return person.uid

    def _audience(self, allowed: frozenset[str]) -> tuple[str, ...]:
        """Sections 2.1 and 2.2.2: where the registry and agreements let this client go; ours: its only audience when it names none."""
        form = self.form
        asked = tuple(dict.fromkeys((*form.get("audience", "").split(), *form.get("resource", "").split())))
        if not asked and len(allowed) != 1:
            raise InvalidTargetError(description="audience or resource is required")
        if not set(asked) <= allowed:
            raise InvalidTargetError(description="this client may not exchange tokens for this audience")
        return asked or tuple(allowed)

    def _scope(self) -> list[str]:
        """ours: never wider than the subject token's, nor than the client's registration (C10)."""
        allowed = [scope for scope in self.subject.claims["scope"].split() if scope not in NEVER]
        return self.narrowed_scope(allowed, "scope is wider than the subject token's")

    def _actors(self) -> dict[str, Any]:
        """Section 4.1: who acts, then for whom it acted; section 4.4: the one that the subject token lets act, when it names one."""
        before, may_act = self.subject.claims.get("act"), self.subject.claims.get("may_act")
        if max(depth(before), self.subject.handle.chain) >= LONGEST_CHAIN:
            raise InvalidRequestError(f"more than {LONGEST_CHAIN} services act one for another")
        actor = self._actor()
        if may_act is not None and may_act.get("sub") != actor:
            raise InvalidRequestError("subject_token lets another client act")
        return {"sub": actor, **({"act": before} if before else {})}

    def _actor(self) -> str:
        """Sections 1.1 and 2.1: the application that the actor token is about, of the caller's own body; else the caller itself."""
        if "actor_token" not in self.form:
            return self.granted_to.client_id
        now, vecteurs = datetime.now(UTC), self.context.issuer.vecteurs
        token = self.context.reader.access_token(self.form["actor_token"], now.timestamp())
        actor = self.context.clients.find(token.claims["client_id"]) if token and not token.handle.declarant_id else None
        if token is None or actor is None or actor.partenaire != self.granted_to.partenaire or not vecteurs.stands(token, now):
            raise InvalidRequestError("actor_token is not valid for this client")
        if (bound := Confirmation.read(token.claims.get("cnf"))) is not None and bound != self.confirmation:
            raise InvalidRequestError("actor_token is bound to another key")
        self.actor_token = token
        return actor.client_id

    def _handle(self) -> Handle:
        """What the new token hangs on: what the former one did; and what the agreement asks."""
        wanted, held, terms = "impersonation" in self.form, self.subject.handle, self.terms
        if wanted and not (terms and terms.convention.emprunt):
            raise InvalidRequestError("impersonation was not agreed: the token names who acts")
        if terms is not None:
            terms.check_possession(self.confirmation)
            if terms.convention.jeton_acteur and "actor_token" not in self.form:
                raise InvalidRequestError("this agreement asks for an actor_token")
        return Handle(held.declarant_id, held.version, held.family_id, held.sid, resource=True, chain=held.chain + 1)

    def _profiles(self, now: datetime) -> dict[str, Any]:
        """The claim `pagm`; ours: an agreement that speaks of people opens nothing to who holds none of its profiles."""
        if self.terms is None:
            return {}
        acting = Acting.granted_in(self.subject.claims)
        found = self.context.issuer.vecteurs.profiles(self.granted_to, self.handle, self.terms, acting, now)
        if self.terms.convention.pairs and not found:
            raise InvalidRequestError("this person holds no profile of the agreement")
        return {PAGM: found} if PAGM in self.scope else {}

    def answer(self) -> dict[str, Any]:
        """Section 2.2.1."""
        issuer, client, claims, now = self.context.issuer, self.granted_to, self.subject.claims, datetime.now(UTC)
        expires_at = min(claims["exp"], int(now.timestamp()) + issuer.settings.access_token_lifetime)
        extra = {
            **{name: claims[name] for name in ("auth_time", "acr", "amr") if name in claims},
            **self._rights(client, self.handle, now, expires_at),
            **self.profiles,
            **({} if "impersonation" in self.form else {"act": self.actors}),
            **confirmed(self.confirmation),
        }
        sub = issuer.mint.subjects.of(client, self.uid)
        token, life = issuer.signed(
            client,
            sub,
            self.scope,
            self.handle,
            extra,
            self.audience,
            self.terms,
            now,
            "token-exchange",
            Source(claims["jti"], claims["exp"], self.actors),
        )
        self._tell(claims, now)
        return {
            **{name: extra[name] for name in (DETAILS,) if name in extra},
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": token_type(self.confirmation),
            "expires_in": life,
            "scope": " ".join(self.scope),
        }

    def _rights(self, client: Client, handle: Handle, now: datetime, until: int) -> dict[str, Any]:
        """As they are now, and as this client may know them."""
        services, rights_of = services_of_scope(self.scope), self.context.issuer.rights
        if granted := Acting.granted_in(self.subject.claims):
            return {DETAILS: rights_of.acting(client, handle.declarant_id, granted, now)}
        rights = rights_of.claims(client, handle.declarant_id, services, now, handle, self.confirmation, until=until)
        return {name: value for name, value in rights.items() if name != "habilitations_flat"}

    def _tell(self, claims: Mapping[str, Any], now: datetime) -> None:
        client_id, declarant_id = self.granted_to.client_id, self.subject.handle.declarant_id
        event = TokenExchanged(
            client_id=client_id,
            declarant_id=declarant_id,
            audience=" ".join(self.audience),
            received_from=claims["client_id"],
            convention=self.terms.convention.code if self.terms else None,
            acts=self.actors["sub"] if self.actors["sub"] != client_id or "impersonation" in self.form else None,
        )
        journal.write(self.context.issuer.families.connections, event, now)
        note("token issued", grant="token-exchange", client_id=client_id, declarant_id=declarant_id)


def depth(actors: Any) -> int:
    """How many act one for another in an `act` claim."""
    return 1 + depth(actors.get("act")) if isinstance(actors, Mapping) else 0
