"""Tokens made under an agreement between two bodies: what it bounds, what it lets them say, the evidence they leave, their single use.

InterOPS calls such a token a « vecteur d'identification ». Implements, for those alone, RFC 8693 section 4.4 (`may_act`) and MAG's
claim `pagm`. ours: once an agreement speaks of a client and an audience, nothing but an agreement in force opens it; and what it
bounds goes on along a chain of exchanges, sealed in each token's `jti`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.audit.traces import chainage
from idp.database import Connections
from idp.ephemeral import Ephemeral
from idp.habilitations.droits import Pair
from idp.habilitations.pagm import Convention, Possession, bounded, held, of_application, of_pairs, pairs_of, read_words, words
from idp.notifications.messages import PARIS
from idp.oidc.claims import DETAILS, PAGM
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.confirmation import Confirmation
from idp.oidc.details import Acting
from idp.oidc.dpop import InvalidProofError
from idp.oidc.resources import InvalidTargetError
from idp.oidc.rights import Rights
from idp.oidc.tokens import AccessToken, Handle
from idp.seals import digest

TRACES_SCOPE, SUSPICIONS_SCOPE = "interops:traces", "interops:suspicions"
"""Of a body's own software, to ask for evidence and to declare a suspicious behaviour (`partners/suspicions/`)."""
SPENT = "vecteur"
"""Kind of the entries of tokens that were shown already."""
MARGIN = 60
"""Seconds that such an entry outlives its token."""
TRACED = ("sub", "aud", "client_id", "scope", PAGM, "act", "may_act", "cnf", "iat", "exp", "auth_time", "acr", "authorization_details")
"""Claims that evidence repeats; nothing that names a person but the subject that the partner knows."""


def day(now: datetime) -> date:
    """Agreements count days in Paris."""
    return now.astimezone(PARIS).date()


def audience_of(client: Client, named: Sequence[str]) -> tuple[str, ...]:
    """What an access token is aimed at, as `Mint` decides it."""
    return tuple(named) or client.audience or (client.client_id,)


@dataclass(frozen=True, slots=True)
class Source:
    """The token that another one is exchanged for."""

    jti: str
    until: int
    """Its end, in epoch seconds."""
    act: Mapping[str, Any]
    """Who acts, whether the new token says so or not."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what a token is made."""

    convention: Convention
    pairs: frozenset[Pair]
    """Rights that it may speak of, whoever holds them."""
    on: date

    def life(self, longest: int) -> int:
        return min(longest, self.convention.duree)

    def marked(self, handle: Handle) -> Handle:
        """The handle of a token made under these terms."""
        return handle._replace(convention=self.convention.code, once=self.convention.usage_unique, profiles=words(self.pairs))

    def check_possession(self, confirmation: Confirmation | None) -> None:
        """Raises InvalidProofError (RFC 9449 section 5), or InvalidRequestError for a certificate (RFC 8705)."""
        if self.convention.possession is Possession.DPOP and not (confirmation and confirmation.jkt):
            raise InvalidProofError("this agreement asks for a DPoP proof")
        if self.convention.possession is Possession.MTLS and not (confirmation and confirmation.x5t):
            raise InvalidRequestError("this agreement asks for a token bound to a certificate")

    @property
    def may_act(self) -> dict[str, Any]:
        """RFC 8693 section 4.4."""
        return {"may_act": {"sub": self.convention.mandataire}} if self.convention.mandataire else {}


class Vecteurs:
    """Agreements at work, for one process."""

    def __init__(self, connections: Connections, store: Ephemeral, clients: Clients, rights: Rights) -> None:
        self.connections, self.store, self.clients, self.rights = connections, store, clients, rights

    # --------------------------------------------------------------------------------------------------------- before a token

    def terms(self, client: Client, audience: Sequence[str], now: datetime, before: Handle | None = None) -> Terms | None:
        """What a token of this client for this audience is made under; None when no agreement speaks of it.

        `before`: of the token that it is exchanged for. Raises InvalidTargetError.
        """
        spoken = self.clients.conventions().between(client.client_id, audience)
        if not spoken and not (before and before.convention):
            return None
        on = day(now)
        found = [one for one in spoken if one.in_force(on) and set(audience) <= one.audiences]
        if len(found) != 1:
            raise InvalidTargetError(description="no agreement in force opens this audience to this client")
        bound = read_words(before.profiles) if before and before.convention else None
        return Terms(found[0], bounded(found[0], bound), on)

    def reachable(self, client: Client, now: datetime) -> frozenset[str]:
        """Where this client may exchange tokens for: what agreements in force open, and what the registry does where none speaks."""
        conventions = self.clients.conventions()
        return (client.exchange - conventions.spoken_of(client.client_id)) | conventions.opened_to(client.client_id, day(now))

    def profiles(self, client: Client, handle: Handle, terms: Terms, acting: Acting | None, now: datetime) -> list[str]:
        """The URNs to say of a person: of rights held now, at the one establishment that the token is about if it is about one."""
        pairs = terms.pairs
        if not pairs:
            return []
        if acting is not None:
            found = self.rights.held_there(handle.declarant_id, acting, now)
            return of_pairs(terms.convention, pairs & pairs_of(found), terms.on)
        disclosure = self.rights.disclosed(client, handle.declarant_id, {service for service, _ in pairs}, now)
        return of_pairs(terms.convention, pairs & held(disclosure), terms.on)

    # ---------------------------------------------------------------------------------------------------------------- evidence

    def keep(self, terms: Terms, kind: str, claims: Mapping[str, Any], now: datetime, *, grant: str, source: Source | None = None) -> None:
        """What was issued, before it leaves."""
        told = {
            "type": kind,
            "grant": grant,
            "convention": terms.convention.code,
            "usage_unique": terms.convention.usage_unique,
            **{name: claims[name] for name in TRACED if name in claims},
            **({"issu_de": digest(source.jti), "act": source.act} if source else {}),
        }
        with self.connections.transaction():
            chainage.append(self.connections, terms.convention.code, chainage.EMISSION, digest(claims["jti"]), told, now)

    # ------------------------------------------------------------------------------------------------------------- once issued

    def stands(self, token: AccessToken, now: datetime) -> bool:
        """Whether the agreement that a token was made under is still in force; of no agreement, yes."""
        convention = self.convention_of(token)
        return not token.handle.convention or (convention is not None and convention.in_force(day(now)))

    def convention_of(self, token: AccessToken) -> Convention | None:
        return self.clients.conventions().named(token.handle.convention) if token.handle.convention else None

    def first_shown(self, token: AccessToken, now: datetime) -> bool:
        """Of a token that serves once, true once, whoever shows it and wherever. Asked last: what is refused spends nothing."""
        if not token.handle.once:
            return True
        life = max(1, int(token.claims["exp"] - now.timestamp())) + MARGIN
        return self.store.add(SPENT, digest(token.claims["jti"]), life, made_at=token.claims["iat"])

    def told(self, client: Client, token: AccessToken, now: datetime) -> dict[str, Any]:
        """The claim as it is now (C47). `client`: whom the token was issued to."""
        convention, handle = self.convention_of(token), token.handle
        scope, on = token.claims["scope"].split(), day(now)
        if convention is None:
            return {}
        if not handle.declarant_id:
            agreed, narrowed = of_application(convention, on), token.claims.get(DETAILS)
            return {PAGM: [urn for urn in agreed if not narrowed or urn in narrowed[0][PAGM]]} if agreed else {}
        if PAGM not in scope or PAGM not in client.scope:
            return {}
        terms = Terms(convention, bounded(convention, read_words(handle.profiles)), on)
        return {PAGM: self.profiles(client, handle, terms, Acting.granted_in(token.claims), now)}
