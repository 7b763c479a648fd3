"""When to try again what did not leave: 1, 2, 4… minutes, up to four hours; given up after a day. Mails and notices alike."""

from datetime import datetime, timedelta

PATIENCE = timedelta(days=1)


def next_try(created_at: datetime, tries: int, now: datetime, patience: timedelta = PATIENCE) -> datetime | None:
    """After `tries` failures, the last one `now`; None when it is given up."""
    later = now + timedelta(minutes=2 ** min(tries - 1, 8))
    return later if later < created_at + patience else None
