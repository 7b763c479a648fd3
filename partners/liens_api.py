"""What the APIs of a partner's own links share: whose software asks, how often it may, one transaction for each request."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from idp.config import Settings
from idp.ephemeral import Counter, Ephemeral
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.wire import NO_STORE, Answer, Environ, json_answer
from partners.transaction import Context, transaction

A_MINUTE = 600
PAGE = 100
NOT_FOUND = json_answer({"error": "not_found", "error_description": "no such link"}, 404)
TOO_MANY = json_answer(
    {"error": "slow_down", "error_description": "too many requests in a minute"}, 429, (*NO_STORE, ("Retry-After", "60"))
)
Act = Callable[[Client, Environ, datetime], Answer]


class LiensApi:
    """For one process. `scope`: of the access token; `resource`: what it is for, and where the collection is; `brake`: of the counter."""

    scope: ClassVar[str]
    resource: ClassVar[str]
    brake: ClassVar[str]

    def __init__(self, settings: Settings, ephemeral: Ephemeral, bearers: Bearers, context: Context) -> None:
        self.settings, self.ephemeral, self.bearers, self.context = settings, ephemeral, bearers, context
        self.prefix = f"{settings.issuer_path}{self.resource}/liens/"

    def acted(self, act: Act, environ: Environ) -> Answer:
        """One transaction, once it is known whose software asks. Raises OAuth2Error."""
        now = datetime.now(UTC)
        found = self.bearers.machine(environ, now.timestamp(), self.scope, self.settings.issuer + self.resource)
        if isinstance(found, Answer):
            return found
        if self.ephemeral.count(Counter(f"{self.brake}:{found.client.client_id}", 60))[0] > A_MINUTE:
            return TOO_MANY
        with transaction(self.context):
            return act(found.client, environ, now)
