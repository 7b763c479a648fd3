"""What MAG checked of a person, told to partners whom an operator lets ask: verdicts and dates, at userinfo alone (fact 73).

    "controles": {"inscription": {"verdict": "pass", "examined_at": 1795000000}, "declaration": {…}}

`identite.preuves` says which providers above MAG proved the person, at which level, until when: three months at most. It is no level
of the sign-in: `acr` never says more than how the session began. `decision` is an operator's, a representative's or a posted key's,
where a verdict waited for one. Left out on purpose: the rules and what they looked at, which would tell a fraud what to change;
tokens, since a verdict moves while they live.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from idp.database import Connections
from idp.declarants.controles.models import VERDICTS
from idp.declarants.preuves.models import LIVING

CLAIM = "controles"
"""Of the scope of the same name, which no client gives itself."""


class Controls:
    """The claim, for one process: read when it is asked, one statement."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    def of(self, declarant_id: int, wanted: Collection[str]) -> dict[str, Any]:
        """The last verdict of each moment; nothing when it is not asked, or nobody was examined."""
        if CLAIM not in wanted:
            return {}
        told: dict[str, dict[str, Any]] = {}
        for moment, verdict, examined_at, decision, decided_at in self.connections.all(VERDICTS, declarant_id=declarant_id):
            told[str(moment)] = found = {"verdict": str(verdict), "examined_at": int(examined_at.timestamp())}
            if decision and decided_at:
                found |= {"decision": str(decision), "decided_at": int(decided_at.timestamp())}
        if proofs := [_proof(row) for row in self.connections.all(LIVING, declarant_id=declarant_id, now=datetime.now(UTC))]:
            told["identite"] = {"preuves": proofs}
        return {CLAIM: told} if told else {}


def _proof(row: Sequence[Any]) -> dict[str, Any]:
    nom, niveau, dirigeant, proved_at, expires_at = row
    times = {"proved_at": int(proved_at.timestamp()), "expires_at": int(expires_at.timestamp())}
    return {"by": str(nom), "acr": str(niveau), "dirigeant": bool(dirigeant), **times}
