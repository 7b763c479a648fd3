"""The outbox: mails written with the fact that causes them, sent later, at least once, with retries."""

from datetime import datetime
from typing import Self

from sqlalchemy import Index, String, Text, bindparam, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Connections, Model, Statement, db
from idp.notifications.messages import Message
from idp.notifications.pace import next_try


class Mail(Model):
    """One mail to send. `body` is erased once sent or given up: links in it are secrets."""

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
    def write(cls, kind: str, recipient: str, message: Message, now: datetime, declarant_id: int | None = None) -> Self:
        """Put a mail in the outbox, in the transaction of the fact that causes it."""
        mail = cls(kind=kind, recipient=recipient, subject=message.subject, body=message.body, declarant_id=declarant_id)
        mail.created_at = mail.next_try_at = now
        db.session.add(mail)
        db.session.flush()
        return mail

    @staticmethod
    def post(connections: Connections, kind: str, recipient: str, message: Message, now: datetime, declarant_id: int | None = None) -> None:
        """The same for machines' endpoints, on their held connection: inside the transaction of the fact.

        To nobody, a row without a text that never leaves: nothing must show that there was nobody to write to.
        """
        row = {
            "kind": kind,
            "recipient": recipient,
            "subject": message.subject,
            "declarant_id": declarant_id,
            "created_at": now,
            "tries": 0,
        }
        due, body = (now, message.body) if recipient else (None, None)
        connections.run(POST, **row, next_try_at=due, body=body)

    def discard(self) -> None:
        """There was nobody to write to, and nothing must show that the work was not done."""
        db.session.delete(self)

    @classmethod
    def due(cls, now: datetime, limit: int = 50) -> list[Self]:
        """Next mails to try, oldest first, locked where the database can so that two senders never send one mail."""
        query = select(cls).where(cls.next_try_at <= now).order_by(cls.next_try_at).limit(limit)
        return list(db.session.scalars(query.with_for_update(skip_locked=True)))

    def sent(self, now: datetime) -> None:
        """It left: its text is erased."""
        self.tries += 1
        self.sent_at, self.next_try_at, self.body, self.failure = now, None, None, None

    def failed(self, now: datetime, reason: str) -> None:
        """Try again later, or give up."""
        self.tries += 1
        self.failure = reason[:200]
        self.next_try_at = next_try(self.created_at, self.tries, now)
        if self.next_try_at is None:
            self._end()

    def give_up(self, reason: str) -> None:
        """It will never leave: its text is erased."""
        self.tries += 1
        self.failure = reason[:200]
        self._end()

    def _end(self) -> None:
        self.next_try_at = self.body = None


POSTED = ("kind", "recipient", "subject", "body", "declarant_id", "created_at", "next_try_at", "tries")
POST = Statement(lambda: insert(Mail).values({c: bindparam(c, type_=Mail.__table__.c[c].type) for c in POSTED}))
