"""The terms of use: versioned texts shipped with MAG, each with its digest; who agreed to which, and when (fact 13).

A text never changes once shipped: its SHA-256 is in `versions.toml`, and a file that differs stops the process that reads it.
`to_accept` asks for a new agreement only of who gave an older one: people inscribed by an operator agreed elsewhere.
The page of a sign-in shows `parcours/conditions_texte.html` (macro `conditions_text`) and posts `conditions` (the version)
and `accord=oui`.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources

from idp.audit import journal
from idp.declarants.models import Declarant
from idp.declarants.parcours.events import ConditionsAccepted
from idp.declarants.parcours.models import ConditionsAcceptees
from idp.errors import MagError
from idp.notifications.messages import PARIS


class ConditionsAlteredError(MagError):
    """A text of the terms of use is not the one whose digest was shipped."""

    code = "conditions_alterees"
    number = "M900101"
    remedy = "Exploitant : le texte des conditions d'utilisation a été modifié ; remettez le fichier livré."


@dataclass(frozen=True, slots=True)
class Conditions:
    """One version of the text."""

    version: str
    effective_on: date
    sha256: str
    text: str

    @property
    def title(self) -> str:
        return self.text.split("\n", 1)[0]

    @property
    def sections(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Headings and the paragraphs under each; the first heading may be empty."""
        return sections_of(self.text)


def sections_of(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Under the title: headings (lines that begin with `## `) and the paragraphs under each; the first heading may be empty."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for block in ("\n" + text.split("\n", 1)[1]).split("\n## "):
        heading, _, body = block.partition("\n")
        paragraphs = tuple(" ".join(part.split()) for part in body.split("\n\n") if part.strip())
        if heading or paragraphs:
            found.append((heading, paragraphs))
    return tuple(found)


@cache
def every() -> tuple[Conditions, ...]:
    """All versions, the oldest first. Raises ConditionsAlteredError."""
    folder = resources.files("idp.declarants.parcours").joinpath("data/conditions")
    listed = tomllib.loads(folder.joinpath("versions.toml").read_text("utf-8"))["conditions"]
    found = []
    for one in listed:
        raw = folder.joinpath(f"{one['version']}.txt").read_bytes()
        if hashlib.sha256(raw).hexdigest() != one["sha256"]:
            raise ConditionsAlteredError(one["version"])
        found.append(Conditions(one["version"], one["effective_on"], one["sha256"], raw.decode("utf-8")))
    return tuple(sorted(found, key=lambda conditions: conditions.effective_on))


def find(version: str) -> Conditions | None:
    return next((one for one in every() if one.version == version), None)


def in_force(now: datetime) -> Conditions:
    """The version that applies at that instant, in Paris."""
    today = now.astimezone(PARIS).date()
    return [one for one in every() if one.effective_on <= today][-1]


def to_accept(declarant: Declarant, now: datetime | None = None) -> Conditions | None:
    """The version in force, when this person agreed to an older one alone; None when there is nothing to ask."""
    current = in_force(now or datetime.now(UTC))
    if current is every()[0]:
        return None  # there is no older one: sign-ins ask no query
    accepted = ConditionsAcceptees.latest(declarant.id)
    return current if accepted is not None and accepted.version != current.version else None


def accept(declarant: Declarant, conditions: Conditions, now: datetime) -> None:
    """Keep the agreement of a person, with the digest of what they read. The caller commits."""
    ConditionsAcceptees.keep(declarant.id, conditions.version, conditions.sha256, now)
    event = ConditionsAccepted(declarant_id=declarant.id, siret=int(declarant.siret), version=conditions.version, sha256=conditions.sha256)
    journal.record(event, now)
