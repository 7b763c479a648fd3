"""The outboxes: mails and letters, written with the fact that causes them and sent later; and the links that mails carry."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, defer, mapped_column

from idp.database import Connections, Json, Model, Statement, db
from idp.notifications.messages import Message
from idp.notifications.pace import next_try
from idp.seals import digest, random_token

UNSYNCHRONISED = {"synchronize_session": False}
MAILS_KEPT, LETTERS_KEPT = timedelta(days=180), timedelta(days=366)
"""How long the line of what left is kept: to whom, when, of which kind."""
DEAD_KEPT = timedelta(days=7)
"""How long a mail that could not leave may still be tried again."""


class Mail(Model):
    """One mail to send. `body` is erased once sent or given up: links in it are secrets."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_next_try_at", "next_try_at"), Index("ix_mails_declarant_id", "declarant_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str | None] = mapped_column(Text)
    html: Mapped[str | None] = mapped_column(Text)
    """The same text, laid out; None for mails of before."""
    declarant_id: Mapped[int | None]
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None]
    """None once sent or given up."""
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(200))
    bounced_at: Mapped[datetime | None]
    """When a server wrote that it did not arrive, although it had left."""

    @classmethod
    def write(cls, kind: str, recipient: str, message: Message, now: datetime, declarant_id: int | None = None) -> Self:
        """Put a mail in the outbox, in the transaction of the fact that causes it; to nobody, a row that never leaves, as `post` does."""
        mail = cls(kind=kind, recipient=recipient, subject=message.subject, declarant_id=declarant_id, created_at=now)
        if recipient:
            mail.body, mail.html, mail.next_try_at = message.body, message.html or None, now
        db.session.add(mail)
        db.session.flush()
        return mail

    @classmethod
    def wrote(cls, kind: str, declarant_id: int, since: datetime) -> bool:
        """Whether that person was written to about that, since."""
        where = (cls.kind == kind, cls.declarant_id == declarant_id, cls.created_at > since)
        return db.session.scalar(select(cls.id).where(*where).limit(1)) is not None

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
        due, body, html = (now, message.body, message.html or None) if recipient else (None, None, None)
        connections.run(POST, **row, next_try_at=due, body=body, html=html)

    @classmethod
    def of(cls, declarant_id: int, limit: int) -> list[Self]:
        """The lines of those that were written to somebody, the latest first; never their texts."""
        query = select(cls).options(defer(cls.body), defer(cls.html)).filter_by(declarant_id=declarant_id)
        return list(db.session.scalars(query.order_by(cls.id.desc()).limit(limit)))

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
        self.sent_at, self.next_try_at, self.body, self.html, self.failure = now, None, None, None, None

    def failed(self, now: datetime, reason: str) -> None:
        """Try again later, or leave it to the operators, who may try again (`dead`)."""
        self.tries += 1
        self.failure = reason[:200]
        self.next_try_at = next_try(self.created_at, self.tries, now)

    def put_off(self, until: datetime) -> None:
        """Not now, through no fault of its own."""
        self.next_try_at = until

    def give_up(self, reason: str) -> None:
        """It will never leave: its text is erased."""
        self.tries += 1
        self.failure = reason[:200]
        self._end()

    @classmethod
    def dead(cls, limit: int = 200) -> list[Self]:
        """Mails that never left, the latest first."""
        query = select(cls).where(cls.next_try_at.is_(None), cls.sent_at.is_(None), cls.failure.is_not(None))
        return list(db.session.scalars(query.order_by(cls.id.desc()).limit(limit)))

    @classmethod
    def came_back_since(cls, declarant_id: int, recipient: str, since: datetime) -> int:
        """How many mails to that address of a person came back."""
        where = (cls.declarant_id == declarant_id, cls.recipient == recipient, cls.bounced_at >= since)
        return db.session.scalar(select(func.count()).where(*where)) or 0

    def again(self, now: datetime) -> bool:
        """Try a dead mail once more; False when its text is gone."""
        if self.body is None:
            return False
        self.created_at = self.next_try_at = now
        self.tries = 0
        return True

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        """Delete every mail that was written to somebody."""
        db.session.execute(delete(cls).where(cls.declarant_id == declarant_id), execution_options=UNSYNCHRONISED)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete the lines of mails that ended long ago, how many; and the texts of those that nobody tried again."""
        dead = (cls.next_try_at.is_(None), cls.body.is_not(None), cls.created_at < now - DEAD_KEPT)
        db.session.execute(update(cls).where(*dead).values(body=None, html=None), execution_options=UNSYNCHRONISED)
        ended = (cls.next_try_at.is_(None), cls.created_at < now - MAILS_KEPT)
        return len(db.session.scalars(delete(cls).where(*ended).returning(cls.id)).all())

    def _end(self) -> None:
        self.next_try_at = self.body = self.html = None


POSTED = ("kind", "recipient", "subject", "body", "html", "declarant_id", "created_at", "next_try_at", "tries")
POST = Statement(lambda: insert(Mail).values({c: bindparam(c, type_=Mail.__table__.c[c].type) for c in POSTED}))


class Letter(Model):
    """One letter to print and post. The PDF is erased once printed: keys in it are secrets."""

    __tablename__ = "letters"
    __table_args__ = (Index("ix_letters_printed_at", "printed_at"), Index("ix_letters_declarant_id", "declarant_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(60))
    recipient: Mapped[str] = mapped_column(Text)
    """The lines of the address."""
    pdf: Mapped[bytes | None] = mapped_column(LargeBinary)
    declarant_id: Mapped[int | None]
    created_at: Mapped[datetime]
    exported_at: Mapped[datetime | None]
    """Last time a provider fetched it; it may fetch it again until it says that it printed it."""
    printed_at: Mapped[datetime | None]
    void_at: Mapped[datetime | None]
    """When it lost its reason to leave, before it was printed."""

    @classmethod
    def write(cls, kind: str, recipient_lines: Sequence[str], pdf: bytes, now: datetime, declarant_id: int | None = None) -> Self:
        """Put a letter in the outbox, in the transaction of the fact that causes it."""
        letter = cls(kind=kind, recipient="\n".join(recipient_lines), pdf=pdf, declarant_id=declarant_id, created_at=now)
        db.session.add(letter)
        db.session.flush()
        return letter

    @classmethod
    def waiting(cls, *, exported: bool | None = None, limit: int | None = None) -> list[Self]:
        """Letters that were not printed yet, oldest first; of those, the ones a provider fetched already, or not, or all.

        Their papers are read when they are looked at, one by one.
        """
        query = select(cls).options(defer(cls.pdf)).where(cls.printed_at.is_(None), cls.void_at.is_(None)).order_by(cls.id).limit(limit)
        if exported is not None:
            query = query.where(cls.exported_at.is_not(None) if exported else cls.exported_at.is_(None))
        return list(db.session.scalars(query))

    @classmethod
    def count_waiting(cls) -> int:
        """How many were not printed yet."""
        return db.session.scalar(select(func.count()).select_from(cls).where(cls.printed_at.is_(None), cls.void_at.is_(None))) or 0

    @classmethod
    def void(cls, kind: str, declarant_id: int, now: datetime) -> int:
        """The letters of one kind that a person still waits for will not leave: another takes over; how many."""
        waiting = (cls.kind == kind, cls.declarant_id == declarant_id, cls.printed_at.is_(None), cls.void_at.is_(None))
        query = update(cls).where(*waiting).values(void_at=now, pdf=None).returning(cls.id)
        return len(db.session.scalars(query, execution_options=UNSYNCHRONISED).all())

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """The lines of those that were written about somebody, the oldest first; never what they hold."""
        return list(db.session.scalars(select(cls).options(defer(cls.pdf)).filter_by(declarant_id=declarant_id).order_by(cls.id)))

    @classmethod
    def written_to(cls, kind: str, recipient_lines: Sequence[str], since: datetime) -> int:
        """How many letters of one kind one address was written since then."""
        here = (cls.kind == kind, cls.recipient == "\n".join(recipient_lines), cls.created_at > since)
        return db.session.scalar(select(func.count()).select_from(cls).where(*here)) or 0

    @classmethod
    def void_all(cls, declarant_id: int, now: datetime) -> None:
        """None of the letters that a person waits for will leave."""
        waiting = (cls.declarant_id == declarant_id, cls.printed_at.is_(None), cls.void_at.is_(None))
        db.session.execute(update(cls).where(*waiting).values(void_at=now, pdf=None), execution_options=UNSYNCHRONISED)

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        """Delete every letter that was written to somebody."""
        db.session.execute(delete(cls).where(cls.declarant_id == declarant_id), execution_options=UNSYNCHRONISED)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete the lines of letters that ended a year ago; how many."""
        ended = func.coalesce(cls.printed_at, cls.void_at)
        return len(db.session.scalars(delete(cls).where(ended < now - LETTERS_KEPT).returning(cls.id)).all())

    def printed(self, now: datetime) -> None:
        """It is on paper: nothing of it stays but its line."""
        self.printed_at, self.pdf = now, None


class OneTimeLink(Model):
    """A link of a mail or of a letter: 256 random bits of which the database knows the digest, for one purpose, once (C44).

    The page that shows it spends nothing, since mail scanners follow links; the form it shows posts, and `spend` is one
    conditional write: of several that come at once, one wins.
    """

    __tablename__ = "one_time_links"
    __table_args__ = (
        Index("ix_one_time_links_declarant_id", "declarant_id"),
        Index("ix_one_time_links_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(String(40))
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    address: Mapped[str | None] = mapped_column(String(254))
    """Where it was sent: what it proves."""
    data: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]

    @classmethod
    def issue(
        cls,
        purpose: str,
        now: datetime,
        lifetime: timedelta,
        *,
        declarant_id: int | None = None,
        address: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> str:
        """The word to put in the link, known to the mail alone."""
        token = random_token()
        link = cls(token_hash=digest(token), purpose=purpose, declarant_id=declarant_id, address=address, data=data or {})
        link.created_at, link.expires_at = now, now + lifetime
        db.session.add(link)
        db.session.flush()
        return token

    @classmethod
    def find(cls, purpose: str, token: str, now: datetime) -> Self | None:
        """The link while it lives; spends nothing."""
        if not token.isascii() or len(token) > 100:
            return None
        query = select(cls).where(cls.token_hash == digest(token), cls.purpose == purpose, cls.spent_at.is_(None), cls.expires_at > now)
        return db.session.scalar(query)

    @classmethod
    def held(cls, purpose: str, declarant_id: int, now: datetime) -> Self | None:
        """The living link of one purpose that a person was sent last."""
        living = (cls.declarant_id == declarant_id, cls.purpose == purpose, cls.spent_at.is_(None), cls.expires_at > now)
        return db.session.scalar(select(cls).where(*living).order_by(cls.id.desc()).limit(1))

    @classmethod
    def spend(cls, purpose: str, token: str, now: datetime) -> Self | None:
        """The link, spent by this call and by no other; None when it is dead."""
        found = cls.find(purpose, token, now)
        if found is None:
            return None
        query = update(cls).where(cls.id == found.id, cls.spent_at.is_(None)).values(spent_at=now).returning(cls.id)
        won = db.session.scalar(query, execution_options={"synchronize_session": False})
        return found if won is not None else None

    @classmethod
    def void(cls, purpose: str, declarant_id: int, now: datetime) -> None:
        """The links of one purpose that a person holds die: another one takes over."""
        living = (cls.declarant_id == declarant_id, cls.purpose == purpose, cls.spent_at.is_(None))
        db.session.execute(update(cls).where(*living).values(spent_at=now), execution_options=UNSYNCHRONISED)

    @classmethod
    def void_all(cls, declarant_id: int, now: datetime) -> None:
        """Every link that a person holds dies."""
        living = (cls.declarant_id == declarant_id, cls.spent_at.is_(None))
        db.session.execute(update(cls).where(*living).values(spent_at=now), execution_options=UNSYNCHRONISED)

    @classmethod
    def purge(cls, before: datetime) -> int:
        """Delete what died before that instant; how many."""
        return len(db.session.scalars(delete(cls).where(cls.expires_at < before).returning(cls.id)).all())
