"""The decision point over HTTP: AuthZEN Authorization API 1.0 sections 5 to 10, one endpoint for each question.

Asked by confidential clients alone, with an access token of their own (`client_credentials`, scope `habilitations:decision`), bound to a
key where theirs must be. ours: a number of decisions a minute for each client; one line of log a request, without identifiers of companies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.ephemeral import Counter, Ephemeral
from idp.habilitations.disclosure import DECISION
from idp.logs import note
from idp.oidc.authzen.decisions import Decisions, cut
from idp.oidc.authzen.pages import Places
from idp.oidc.authzen.requests import (
    ACCOUNT,
    Json,
    Page,
    read_action,
    read_cible,
    read_entity,
    read_evaluation,
    read_evaluations,
    read_page,
    read_subject,
    read_text,
)
from idp.oidc.authzen.searches import Search, Searches
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.wire import NO_STORE, Answer, Environ, json_answer, read_json

PATH = "/access/v1"
BODY_LIMIT = 512 * 1024
"""Bytes: a thousand evaluations that say everything."""
A_MINUTE = 60_000
"""Decisions, and results of searches, for one client."""
MOST_TOKENS = 20
"""Access tokens of persons in one request."""
Act = Callable[[Client, Json, datetime], tuple[Any, int]]
"""From what is asked to what is answered, and how many decisions it was."""


class TooManyDecisionsError(OAuth2Error):
    """ours."""

    error = "slow_down"

    def __init__(self) -> None:
        super().__init__(description="too many decisions in a minute", status_code=429)


@dataclass(frozen=True, slots=True)
class Access:
    """The endpoints, for one process."""

    issuer: str
    bearers: Bearers
    store: Ephemeral
    decisions: Decisions
    searches: Searches
    places: Places

    @property
    def endpoints(self) -> dict[str, Callable[[Environ], Answer]]:
        """By path."""
        acts: dict[str, Act] = {
            "evaluation": self._evaluation,
            "evaluations": self._evaluations,
            "search/subject": self._subjects,
            "search/resource": self._resources,
            "search/action": self._actions,
        }
        return {f"{PATH}/{name}": self._endpoint(act) for name, act in acts.items()}

    def _endpoint(self, act: Act) -> Callable[[Environ], Answer]:
        def answer(environ: Environ) -> Answer:
            now = datetime.now(UTC)
            found = self.bearers.machine(environ, now.timestamp(), DECISION, self.issuer + PATH)
            if isinstance(found, Answer):
                return found
            client = found.client
            told, count = act(client, read_json(environ, BODY_LIMIT), now)
            self._brake(client, count)
            note("decision", client_id=client.client_id, count=count)
            return json_answer(told, 200, NO_STORE)

        return answer

    def _brake(self, client: Client, count: int) -> None:
        """After the question is read, before it is answered: what is refused tells nothing. Raises TooManyDecisionsError."""
        if self.store.count(Counter(f"decisions:{client.client_id}", 60), by=max(1, count))[0] > A_MINUTE:
            raise TooManyDecisionsError()

    # ----------------------------------------------------------------------------------------------------------- decisions

    def _evaluation(self, client: Client, given: Json, now: datetime) -> tuple[Any, int]:
        return self.decisions.decide(client, [read_evaluation(given)], now)[0], 1

    def _evaluations(self, client: Client, given: Json, now: datetime) -> tuple[Any, int]:
        asked, semantic = read_evaluations(given)
        if len({one.subject.token for one in asked}) > MOST_TOKENS:
            raise InvalidRequestError(f"more than {MOST_TOKENS} access tokens")
        found = self.decisions.decide(client, asked, now)
        return ({"evaluations": cut(found, semantic)} if semantic else found[0]), len(asked)

    # ------------------------------------------------------------------------------------------------------------ searches

    def _resources(self, client: Client, given: Json, now: datetime) -> tuple[Any, int]:
        subject, (service, droit), page = read_subject(given), read_action(given), read_page(given)
        kind = read_text(given, "resource", "type")
        known = self.decisions.directory.find(client, [subject], now).get(subject)
        if known is None or droit is None:
            return paged([], ""), 1
        search, same = Search(client, service, droit, page.limit, now), ("resource", subject.sub, kind, service, droit)
        results, place = self.searches.resources(search, known, kind, self._place(client, same, page, now))
        return self._paged(client, same, results, place, now)

    def _actions(self, client: Client, given: Json, now: datetime) -> tuple[Any, int]:
        subject, cible = read_subject(given), read_cible(*read_entity(given, "resource"))
        known = self.decisions.directory.find(client, [subject], now).get(subject)
        results = self.searches.actions(client, known, cible, now) if known and cible is not None else []
        return paged(results, ""), 1

    def _subjects(self, client: Client, given: Json, now: datetime) -> tuple[Any, int]:
        kind, (service, droit), page = read_text(given, "subject", "type"), read_action(given), read_page(given)
        cible = read_cible(*read_entity(given, "resource"))
        if cible is None:
            return paged([], ""), 1
        self.searches.check_administrator(client, given.get("context"), cible, now)
        if droit is None or kind != ACCOUNT:
            return paged([], ""), 1
        search, same = Search(client, service, droit, page.limit, now), ("subject", kind, str(cible), service, droit)
        results, place = self.searches.subjects(search, cible, self._place(client, same, page, now) or 0)
        return self._paged(client, same, results, place, now)

    def _place(self, client: Client, same: tuple[str, ...], page: Page, now: datetime) -> Any:
        return self.places.open((client.client_id, *same), page.token, now)

    def _paged(self, client: Client, same: tuple[str, ...], results: list[dict[str, str]], place: Any, now: datetime) -> tuple[Any, int]:
        token = self.places.seal((client.client_id, *same), place, now) if place is not None else ""
        return paged(results, token), max(1, len(results))


def paged(results: list[dict[str, str]], token: str) -> dict[str, Any]:
    """Section 8.2.2: an empty token ends the list."""
    return {"page": {"next_token": token, "count": len(results)}, "results": results}


def metadata(issuer: str) -> dict[str, Any]:
    """Section 9.1."""
    searches = {f"search_{kind}_endpoint": f"{issuer}{PATH}/search/{kind}" for kind in ("subject", "resource", "action")}
    return {
        "policy_decision_point": issuer,
        "access_evaluation_endpoint": f"{issuer}{PATH}/evaluation",
        "access_evaluations_endpoint": f"{issuer}{PATH}/evaluations",
        **searches,
    }
