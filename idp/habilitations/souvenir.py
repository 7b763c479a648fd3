"""Decisions that one process remembers: under the version of the account's rights, and for FRESH at most.

The version is read from the database each time, before anything kept under it is used: a gesture, a change of the catalogue or of the
register of declarations is seen at once. It does not move when a right opens or ends at its date: that is what FRESH bounds (30 seconds,
as what a partner may keep itself). What is good for one act only (`payer`, official documents) is never remembered.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from idp.database import Connections
from idp.habilitations.droits import Catalogue, Droit
from idp.habilitations.memoire import Memoire
from idp.habilitations.perimetre import Origine
from idp.habilitations.questions import Question, check_many

FRESH = timedelta(seconds=30)
MOST_BYTES = 32 << 20
"""In one process: some 130,000 answers."""
ANSWER = 250
"""Bytes of one, about."""
NOT_KEPT = frozenset({Droit.PAYER, Droit.TELECHARGER_OFFICIEL})
"""Rights whose answer is good for one act."""
Answers = dict[Question, tuple[Origine, ...]]


class Souvenirs:
    """For one process."""

    def __init__(self, connections: Connections, most: int = MOST_BYTES) -> None:
        self.connections = connections
        self._kept: Memoire[Answers] = Memoire(most)

    @property
    def octets(self) -> int:
        """What it keeps, about."""
        return self._kept.octets

    def check_many(
        self, catalogue: Catalogue, declarant_id: int, version: str, questions: Sequence[Question], now: datetime
    ) -> list[tuple[Origine, ...]]:
        """What `questions.check_many` answers, about one account whose version was just read. No statement when all is remembered."""
        under = (version, catalogue.digest, int(now.timestamp()) // int(FRESH.total_seconds()))
        known = self._kept.get(declarant_id, under) or {}
        asked = [one for one in dict.fromkeys(questions) if one not in known]
        if not asked:
            return [known[one] for one in questions]
        read = dict(zip(asked, check_many(self.connections, catalogue, asked, now), strict=True))
        kept = {**known, **{one: given for one, given in read.items() if one.droit not in NOT_KEPT}}
        self._kept.keep(declarant_id, under, kept, len(kept) * ANSWER)
        return [read[one] if one in read else known[one] for one in questions]
