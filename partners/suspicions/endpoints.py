"""The API of the bodies of an agreement: `/interops/v1/traces` and `/interops/v1/suspicions`, for their software alone.

With an access token of its own (`client_credentials`, scopes `interops:traces` and `interops:suspicions`). A token of another
agreement does not exist. The three messages are InterOPS's: the request and the answer of a trace, and the declaration of a suspicious
behaviour. ours: 120 requests for traces a minute and 30 declarations an hour for each client.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from idp.audit import journal
from idp.ephemeral import Counter
from idp.logs import note
from idp.oidc.alive import Alive
from idp.oidc.bearer import Bearers
from idp.oidc.client import Client
from idp.oidc.issuing import Issuer
from idp.oidc.metadata import INTEROPS
from idp.oidc.tokens import Reader
from idp.oidc.vecteurs import SUSPICIONS_SCOPE, TRACES_SCOPE
from idp.oidc.wire import NO_STORE, Answer, Environ, UnreadableRequestError, json_answer, read_json
from partners.models import Partenaire
from partners.suspicions import declaration
from partners.suspicions.declaration import Declaration
from partners.suspicions.events import TraceQueried
from partners.suspicions.messages import MOTIFS
from partners.suspicions.vecteur import Recherche
from partners.transaction import Context, transaction

if TYPE_CHECKING:
    from idp.http import Mag

TRACES_PATH, SUSPICIONS_PATH = f"{INTEROPS}/traces", f"{INTEROPS}/suspicions"
MINUTE, HOUR = 60, 3600
MOST = {TRACES_SCOPE: (120, MINUTE), SUSPICIONS_SCOPE: (30, HOUR)}
NOT_FOUND = json_answer({"error": "not_found", "error_description": "no such token under an agreement of yours"}, 404)
Act = Callable[[Client, Mapping[str, Any], datetime], Answer]


class Interops:
    """Both addresses, for one process."""

    def __init__(self, mag: "Mag", bearers: Bearers, context: Context, issuer: Issuer) -> None:
        self.mag, self.bearers, self.context = mag, bearers, context
        alive = Alive(mag.ephemeral, issuer.families, issuer.people)
        self.recherche = Recherche(mag.connections, mag.keyring, Reader(mag.settings, mag.keyring), alive, mag.registry)
        self.means = declaration.Means(mag.settings, mag.connections, mag.ephemeral, mag.registry)

    def traces(self, environ: Environ) -> Answer:
        return self._acted(self._query, environ, TRACES_SCOPE)

    def suspicions(self, environ: Environ) -> Answer:
        answer = self._acted(self._declare, environ, SUSPICIONS_SCOPE)
        self.mag.messenger.wake()
        return answer

    def _acted(self, act: Act, environ: Environ, scope: str) -> Answer:
        """One transaction, once it is known whose software asks. Raises OAuth2Error."""
        now = datetime.now(UTC)
        found = self.bearers.machine(environ, now.timestamp(), scope, self.mag.settings.issuer + INTEROPS)
        if isinstance(found, Answer):
            return found
        most, window = MOST[scope]
        if self.mag.ephemeral.count(Counter(f"{scope}:{found.client.client_id}", window))[0] > most:
            headers = (*NO_STORE, ("Retry-After", str(window)))
            return json_answer({"error": "slow_down", "error_description": "too many requests"}, 429, headers)
        given = read_json(environ)
        with transaction(self.context):
            return act(found.client, given, now)

    def _query(self, client: Client, given: Mapping[str, Any], now: datetime) -> Answer:
        asked = read(given, {"vecteur", "jeton", "motif", "reference"}, {"motif"})
        found = self.recherche.find(named(asked), client.partenaire)
        if found is None:
            return NOT_FOUND
        event = TraceQueried(
            convention=found.convention.code,
            vecteur=found.empreinte,
            motif=asked["motif"],
            client_id=client.client_id,
            declarant_id=found.declarant_id,
        )
        journal.record(event, now)
        reference = {"reference": asked["reference"]} if "reference" in asked else {}
        return json_answer({**reference, "vecteur": found.empreinte, **self.recherche.told(found, now)})

    def _declare(self, client: Client, given: Mapping[str, Any], now: datetime) -> Answer:
        asked = read(given, {"vecteur", "jeton", "motif", "description", "reference"}, {"motif"})
        if asked["motif"] not in MOTIFS:
            raise malformed(f"motif is one of {', '.join(sorted(MOTIFS))}")
        found, partenaire = self.recherche.find(named(asked), client.partenaire), Partenaire.with_code(client.partenaire)
        if found is None or partenaire is None:
            return NOT_FOUND
        said = Declaration(asked["motif"], asked.get("description", ""), client.client_id, asked.get("reference"))
        row = declaration.receive(self.means, found, said, partenaire, now)
        note("suspicious behaviour declared", client_id=client.client_id, comportement=row.id, reaction=row.reaction)
        return json_answer({"id": row.id, "vecteur": row.vecteur, "reaction": row.reaction}, 201)


LONGEST = {"vecteur": 1000, "jeton": 8192, "motif": 200, "description": 1000, "reference": 80}
"""Characters of each member."""


def read(given: Mapping[str, Any], known: set[str], required: set[str]) -> dict[str, str]:
    """Members that are texts. Raises UnreadableRequestError."""
    if given.keys() - known:
        raise malformed(f"unknown member; known ones are {', '.join(sorted(known))}")
    for name, value in given.items():
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST[name] or not value.isprintable():
            raise malformed(f"{name} must be a text of 1 to {LONGEST[name]} printable characters")
    if missing := required - given.keys():
        raise malformed(f"{min(missing)} is required")
    return dict(given)


def named(asked: Mapping[str, str]) -> str:
    """The token asked about, by its `jti` (`vecteur`) or whole (`jeton`). Raises UnreadableRequestError."""
    if ("vecteur" in asked) == ("jeton" in asked):
        raise malformed("vecteur or jeton, not both")
    return asked.get("vecteur") or asked["jeton"]


def malformed(reason: str) -> UnreadableRequestError:
    return UnreadableRequestError(reason, 400)
