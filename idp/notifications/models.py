"""The outbox: mails written with the fact that causes them, sent later, at least once, with retries."""

from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Index, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Model, db


class Mail(Model):
    """One mail to send. `body` is erased once sent: links in it are secrets."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_next_try_at", "next_try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str | None] = mapped_column(Text)
    declarant_id: Mapped[int | None]
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None]
    """None once sent or given up."""
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(200))

    @classmethod
    def due(cls, now: datetime, limit: int = 50) -> list[Self]:
        """Next mails to try, oldest first, locked where the database can so that two senders never send one mail."""
        query = select(cls).where(cls.next_try_at <= now).order_by(cls.next_try_at).limit(limit)
        return list(db.session.scalars(query.with_for_update(skip_locked=True)))

    def failed(self, now: datetime, reason: str) -> None:
        """Try again later: 1, 2, 4… minutes; given up after a day."""
        self.tries += 1
        self.failure = reason[:200]
        later = now + timedelta(minutes=2 ** min(self.tries - 1, 8))
        self.next_try_at = later if later < self.created_at + timedelta(days=1) else None
