"""How long a declaration (DSN) counts: the month it was made in, and the three that follow (facts 58 and 60). Pure.

ours: the registers know months, not days. "Within the last three months" therefore reads: until the end of the third month
after that of the declaration, so that nobody who declared within three months is refused. Months are those of UTC.
"""

from datetime import UTC, datetime

MONTHS = 3


def numbered(month: str) -> int:
    """`2026-10` → 202610."""
    return int(month[:4]) * 100 + int(month[5:7])


def shifted(year: int, month: int, by: int) -> tuple[int, int]:
    years, rest = divmod(year * 12 + month - 1 + by, 12)
    return years, rest + 1


def first_month(now: datetime) -> str:
    """The oldest month that counts now: `2026-07` in October 2026."""
    moment = now.astimezone(UTC)
    year, month = shifted(moment.year, moment.month, -MONTHS)
    return f"{year:04d}-{month:02d}"


def expiry(month: int) -> datetime:
    """When a declaration of that month (202610) counts no more: 1 February 2027, excluded."""
    year, following = shifted(*divmod(month, 100), MONTHS + 1)
    return datetime(year, following, 1, tzinfo=UTC)
