"""Closing a declaration, with what came of it. Nothing here commits."""

from datetime import datetime

from idp.audit import journal
from idp.errors import RefusedError
from partners.suspicions.events import SuspicionClosed
from partners.suspicions.models import ComportementSuspect

SHORTEST, LONGEST = 10, 1000
"""Characters of a conclusion."""


class ConclusionMissingError(RefusedError):
    """Nothing is closed without a word of what came of it."""

    code = "suspicion_conclusion"
    number = "M600811"
    remedy = "Dites en une phrase ce qui a été constaté et fait, sans nommer personne."
    status = 422
    public = f"Écrivez la conclusion, de {SHORTEST} à {LONGEST} caractères : elle est gardée avec la déclaration."


class AlreadyClosedError(RefusedError):
    """Somebody did it before."""

    code = "suspicion_close"
    number = "M600812"
    remedy = "Relisez la déclaration : la conclusion d'un autre opérateur y est."
    status = 409
    title = "Déclaration déjà close"
    public = "Cette déclaration est déjà close. Sa page dit par qui, et avec quelle conclusion."


def clore(row: ComportementSuspect, unverified_conclusion: str, actor: str, now: datetime) -> None:
    """Raises ConclusionMissingError, AlreadyClosedError."""
    conclusion = " ".join(unverified_conclusion.split())
    if not (SHORTEST <= len(conclusion) <= LONGEST and conclusion.isprintable()):
        raise ConclusionMissingError(f"{len(conclusion)} characters")
    if not row.close(conclusion, actor, now):
        raise AlreadyClosedError(row.id)
    event = SuspicionClosed(
        convention=row.convention, comportement=row.id, conclusion=conclusion, declarant_id=row.declarant_id, actor=actor
    )
    journal.record(event, now)
