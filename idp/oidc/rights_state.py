"""The version of someone's rights, for a partner that kept what it was told: `GET /habilitations/v1/etat`.

Its ETag is the `e` of the claim `hab`, so that nothing changed is an empty 304 (RFC 9110 section 13.1.2). Read from the database each
time, in one statement: a gesture is seen at the next question. ours: a partner that declares asks every 30 seconds at most; one that
pays asks for a decision (`authzen`), and never answers from what it kept.
"""

from datetime import UTC, datetime

import orjson

from idp.habilitations.disclosure import services_of_scope
from idp.oidc.alive import Alive
from idp.oidc.bearer import Bearers
from idp.oidc.details import Acting
from idp.oidc.rights import Rights
from idp.oidc.wire import Answer, Environ, holds, shown_token

REVALIDATED = (("Cache-Control", "private, no-cache"), ("Vary", "Authorization"))


class RightsState:
    """The endpoint, for one process."""

    def __init__(self, bearers: Bearers, alive: Alive, rights: Rights) -> None:
        self.bearers, self.alive, self.rights = bearers, alive, rights

    def __call__(self, environ: Environ) -> Answer:
        """For the access token of a person, about rights."""
        now = datetime.now(UTC)
        found = self.bearers.read(environ, shown_token(environ), now.timestamp())
        if isinstance(found, Answer):
            return found
        token, handle = found.token, found.token.handle
        if not handle.declarant_id or not self.alive.stands(handle, token.claims["iat"])[0]:
            return found.refused("invalid_token")
        told = services_of_scope(scope for scope in token.claims["scope"].split() if scope in found.client.scope)
        if not told and Acting.granted_in(token.claims) is None:
            return found.refused("insufficient_scope")
        version = self.rights.version(handle.declarant_id, now)
        headers = (*REVALIDATED, ("ETag", f'"{version}"'))
        if holds(environ, f'"{version}"'):
            return Answer(304, b"", headers=headers)
        return Answer(200, orjson.dumps({"e": version}), headers=headers)
