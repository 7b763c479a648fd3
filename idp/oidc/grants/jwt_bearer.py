"""JWT bearer: a software acts for a person who granted it offline access, proved by the software's own key each time.

Implements RFC 7523 sections 2.1, 3 and 3.1. It replaces passwords that editors of payroll software used to keep: the person
signs in once (by a code or a device, with `offline_access`), and the answer names the grant (`grant_id`). From then on the
software signs an assertion: `iss` is the client, `aud` this issuer, `sub` the person as this client knows them, `grant_id` the
grant; five minutes at most, `jti` once. ours: `grant_id` beside `sub`, since a pairwise subject is a keyed digest that nothing
finds back, and so that one person may grant one software twice and take back one.

The grant is a family of refresh tokens: revoking it, a new password or the closing of the account end it (one statement says
so). Left out on purpose: assertions of other issuers, refresh tokens, ID tokens (nobody signs in).
"""

from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError

from idp.audit import journal
from idp.audit.events import AssertionReplayed, DelegationUsed
from idp.oidc.client import JWT_BEARER
from idp.oidc.client_jwt import ClientJwtError, ReplayedError, check_once, check_parties, check_times, verified
from idp.oidc.families import Grant as Granted
from idp.oidc.grants.grant import Grant
from idp.oidc.jose import Claims
from idp.oidc.models import FIND_FAMILY

LIFE = 300
"""Longest life of an assertion, in seconds (C25)."""
TYPES = (None, "JWT", "jwt", "authorization-grant+jwt")


class JwtBearerGrant(Grant):
    GRANT_TYPE = JWT_BEARER

    def validate_token_request(self) -> None:
        self.granted_to = self.authenticated()
        if "assertion" not in self.form:
            raise InvalidRequestError("assertion is required")
        self.granted = self._granted(self._claims(self.form["assertion"]), datetime.now(UTC))
        self.scope = self.narrowed_scope(self.granted.context["scope"])
        self.audience = self.aimed_at(self.granted.context.get("resource", ()))
        self.context.issuer.terms(self.granted_to, self.audience, self.confirmation, datetime.now(UTC))

    def _claims(self, assertion: str) -> Claims:
        """Section 3; the jti last, so that what is refused spends nothing."""
        client, context = self.granted_to, self.context
        algorithms = [alg for alg in client.profile.algs if client.token_endpoint_auth_signing_alg in ("", alg)] or client.profile.algs
        try:
            claims = verified(context.clients, client, assertion, algorithms, TYPES)
            check_parties(claims, client, context.issuer.settings.issuer)
            if client.profile.issuer_audience and claims["aud"] != context.issuer.settings.issuer:
                raise ClientJwtError("aud must be this issuer, as a text")
            check_times(claims, ("exp",), LIFE)
            if claims.get("sub") == client.client_id:
                raise ClientJwtError("sub is the client: this is not a client assertion")
            check_once(context.store, claims, client, "jti-porteur", LIFE)
        except ReplayedError:
            journal.write(context.issuer.families.connections, AssertionReplayed(client_id=client.client_id))
            raise InvalidGrantError("the assertion was already used") from None
        except ClientJwtError as error:
            raise InvalidGrantError(f"the assertion is refused: {error}") from None
        return claims

    def _granted(self, claims: Claims, now: datetime) -> Granted:
        """An open grant of offline access, of this very person to this very client: one answer for whatever it is not."""
        family_id, sub, families = claims.get("grant_id"), claims.get("sub"), self.context.issuer.families
        known = isinstance(family_id, str) and 1 <= len(family_id) <= 32
        row = families.connections.one(FIND_FAMILY, family_id=family_id, now=now) if known else None
        if row is None or row[0] != self.granted_to.client_id or not row[3]:
            raise InvalidGrantError("no such grant of offline access to this client")
        _, declarant_id, sid, offline, context, *_ = row
        if sub != self.context.issuer.mint.subjects.of(self.granted_to, context["uid"]):
            raise InvalidGrantError("no such grant of offline access to this client")
        return Granted(declarant_id, sid, offline, str(family_id), context)

    def answer(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        issuer = self.context.issuer
        used = DelegationUsed(declarant_id=self.granted.declarant_id, client_id=self.granted_to.client_id, family_id=self.granted.family_id)
        journal.write(issuer.families.connections, used, now)
        return issuer.for_bearer(self.granted_to, self.granted, self.scope, self.confirmation, self.audience)
