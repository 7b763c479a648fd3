"""Decisions that one process remembers: under the version of the account's rights, and for FRESH at most.

The version is read from the database each time, before anything kept under it is used: a gesture, a change of the catalogue or of the
register of declarations is seen at once. It does not move when a right opens or ends at its date: that is what FRESH bounds (30 seconds,
as what a partner may keep itself). What is good for one act only (`payer`, official documents) is never remembered.
"""

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from idp.database import Connections
from idp.habilitations.droits import Catalogue, Droit
from idp.habilitations.memoire import Memoire
from idp.habilitations.perimetre import Origine
from idp.habilitations.questions import Question, check_many

FRESH = timedelta(seconds=30)
MOST_BYTES = 32 << 20
"""In one process: some 80,000 answers."""
MOST_OF_ONE = 4 << 20
"""Bytes of one account, which begins again beyond: it does not push out all the others."""
ANSWER, ORIGIN = 250, 170
"""Bytes of one, at most about; and of each of its origins."""
NOT_KEPT = frozenset({Droit.PAYER, Droit.TELECHARGER_OFFICIEL})
"""Rights whose answer is good for one act."""
Given = dict[Question, tuple[Origine, ...]]


@dataclass(slots=True)
class Answers:
    """About one account, under one version. Only added to, so that one thread may read while another adds."""

    given: Given = field(default_factory=dict)
    octets: int = 0


class Souvenirs:
    """For one process."""

    def __init__(self, connections: Connections, most: int = MOST_BYTES, most_of_one: int = MOST_OF_ONE) -> None:
        self.connections = connections
        self.most_of_one = most_of_one
        self._lock = threading.Lock()
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
        kept = self._kept.get(declarant_id, under)
        known: Given = kept.given if kept is not None else {}
        asked = [one for one in dict.fromkeys(questions) if one not in known]
        if not asked:
            return [known[one] for one in questions]
        read = dict(zip(asked, check_many(self.connections, catalogue, asked, now), strict=True))
        self._add(declarant_id, under, {one: given for one, given in read.items() if one.droit not in NOT_KEPT})
        return [read[one] if one in read else known[one] for one in questions]

    def _add(self, declarant_id: int, under: Hashable, given: Given) -> None:
        """Beside what is kept under the same version; alone, when there is no room for both."""
        with self._lock:
            kept = self._kept.get(declarant_id, under) or Answers()
            new = {one: origines for one, origines in given.items() if one not in kept.given}
            if kept.octets + weight(new) > self.most_of_one:
                kept, new = Answers(), given
            if not new or weight(new) > self.most_of_one:
                return
            kept.given.update(new)
            kept.octets += weight(new)
            self._kept.keep(declarant_id, under, kept, kept.octets)


def weight(given: Given) -> int:
    """Bytes, about."""
    return sum(ANSWER + ORIGIN * len(origines) for origines in given.values())
