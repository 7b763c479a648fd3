"""L7 of the throttle table: guessing a second factor is slow, and signing in again does not start the count anew (C40).

Five wrong codes in 15 minutes and twenty in a day, for each account and kind of code; counted before they are tried, so that
parallel guesses do not slip through. A store that does not answer refuses.
"""

from dataclasses import dataclass

from idp.config import HOUR, MINUTE
from idp.ephemeral import Counter, Ephemeral

TRIES, WINDOW = 5, 15 * MINUTE
DAILY, DAY = 20, 24 * HOUR


@dataclass(frozen=True, slots=True)
class Tries:
    """What the counters say of one more try."""

    braked: bool
    """Not to be tried."""
    last: bool
    """Should it fail, the step closes."""


def _counters(declarant_id: int, factor: str) -> tuple[Counter, Counter]:
    return Counter(f"l7:{factor}:{declarant_id}:q", WINDOW), Counter(f"l7:{factor}:{declarant_id}:j", DAY)


def count(store: Ephemeral, declarant_id: int, factor: str) -> Tries:
    """Count one more try."""
    counters = _counters(declarant_id, factor)
    recent, today = store.count(*counters)
    if recent > TRIES or today > DAILY:
        store.count(*counters, by=-1)
        return Tries(braked=True, last=True)
    return Tries(braked=False, last=recent == TRIES or today == DAILY)


def refund(store: Ephemeral, declarant_id: int, factor: str) -> None:
    """It was right: that one try is as if it had never been; the wrong ones stay."""
    store.count(*_counters(declarant_id, factor), by=-1)


def is_braked(store: Ephemeral, declarant_id: int, factor: str) -> bool:
    """For the page: whether a code would be tried at all."""
    recent, today = store.count(*_counters(declarant_id, factor), by=0)
    return recent >= TRIES or today >= DAILY


def release(store: Ephemeral, declarant_id: int) -> None:
    """An operator lifts it."""
    for factor in ("totp", "recovery"):
        for counter in _counters(declarant_id, factor):
            store.delete("n", counter.name)
