"""What a control answers, and what several answer together: pure values.

Families are independent grounds: the worst of them decides. Within a family of alternatives, any one proof is enough, so the
best finding decides: an accountant need not both appear in declarations and be found in the Tableau de l'Ordre.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """From the mildest to the most severe."""

    PASS = "pass"
    WARN = "warn"
    MANUAL = "manual"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        return ORDER.index(self)

    @property
    def titre(self) -> str:
        """As operators read it."""
        return TITRES[self]


ORDER = tuple(Verdict)
TITRES = {
    Verdict.PASS: "Conforme",
    Verdict.WARN: "À noter",
    Verdict.MANUAL: "À vérifier",
    Verdict.BLOCK: "Bloquant",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found. `evidence` names, in French, each thing that was looked at and what it said."""

    rule: str
    family: str
    verdict: Verdict
    says: str
    """One sentence, in French, for operators. The person concerned never reads it."""
    source: str
    """Where the rule looked: a register, a list, with its date when it has one."""
    at: datetime
    evidence: tuple[tuple[str, str], ...] = ()


def aggregate(findings: Iterable[Finding], alternatives: frozenset[str]) -> Verdict:
    """The verdict of all: the worst of the families. Nothing found: PASS."""
    families: dict[str, list[Verdict]] = {}
    for finding in findings:
        families.setdefault(finding.family, []).append(finding.verdict)
    decided = (
        (min if family in alternatives else max)(verdicts, key=lambda verdict: verdict.severity) for family, verdicts in families.items()
    )
    return max(decided, key=lambda verdict: verdict.severity, default=Verdict.PASS)
