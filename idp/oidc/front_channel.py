"""Tokens given through the browser, for clients registered for them and only while the setting allows it.

Implements OpenID Connect Core sections 3.2.2.5 and 3.3.2.5 to 3.3.2.11. Off by default: RFC 9700 section 2.1.2 advises against.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.authentication.session import Session
from idp.oidc.claims import amr_for, claims_of_scope, opened, select_claims
from idp.oidc.codes import Granted
from idp.oidc.errors import AuthorizationError
from idp.oidc.families import grant_of
from idp.oidc.issuing import Issuer
from idp.oidc.request import AuthorizationRequest
from idp.oidc.tokens import half_hash
from idp.oidc.vecteurs import audience_of


def tokens_for(
    issuer: Issuer, request: AuthorizationRequest, session: Session, granted: Granted, code: str, now: datetime
) -> dict[str, str]:
    """What the response type gives at once, beside the code."""
    client, words, at = request.client, set(request.response_type.split()), int(now.timestamp())
    if "token" in words and issuer.vecteurs.clients.conventions().between(client.client_id, audience_of(client, granted.resource)):
        raise AuthorizationError("invalid_target", "tokens of an agreement are given at the token endpoint alone")
    alg = client.id_token_signed_response_alg
    grant = grant_of(session, granted, offline=False)
    facts = issuer.facts(client, grant, granted.scope, now, None, aimed=bool(granted.resource))
    answer: dict[str, str] = {}
    hashes: dict[str, str] = {}
    if "code" in words:
        answer["code"], hashes["c_hash"] = code, half_hash(code, alg)
        hashes |= {"s_hash": half_hash(request.state, alg)} if request.state.isascii() and request.state else {}
    if "token" in words:
        told = facts.in_access_token
        token = issuer.mint.access_token(client, facts.sub, granted.scope, at, facts.handle, told, audience=granted.resource)
        hashes["at_hash"] = half_hash(token, alg)
        answer |= {"access_token": token, "token_type": "Bearer", "expires_in": str(issuer.settings.access_token_lifetime)}
        answer["scope"] = " ".join(granted.scope)
    if "id_token" in words:
        issuer.takes_part(client, session, now, offline=False, renews=False)
        claims = {**_claims(issuer, request, session, granted), **facts.in_id_token, **hashes, "sid": session.sid}
        answer["id_token"] = issuer.mint.id_token(client, facts.sub, at, {**claims, "nonce": granted.nonce})
    return answer


def _claims(issuer: Issuer, request: AuthorizationRequest, session: Session, granted: Granted) -> Mapping[str, Any]:
    """Core section 5.4: with no access token to read userinfo, the claims of the scopes are in the ID token."""
    wanted = set(opened(granted.id_token_claims, request.client.scope))
    if request.response_type == "id_token":
        wanted |= claims_of_scope(granted.scope)
    person = issuer.people.find(session.declarant_id) if wanted - {"sub"} else None
    if person is None:
        return {}
    return select_claims(person, wanted, idp_id=issuer.settings.issuer, acr=session.acr, amr=amr_for(request.client.amr_names, session.amr))
