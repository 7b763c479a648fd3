"""Streams, who is known to which partner, and the outbox of events."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Self, cast

from sqlalchemy import (
    ForeignKey,
    Index,
    LargeBinary,
    String,
    and_,
    bindparam,
    case,
    delete,
    event,
    exists,
    func,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.database import BigInt, Json, Model, Statement, Version, db
from idp.declarants.models import AccountEvent, Declarant
from idp.habilitations.models import Portefeuille, PortefeuilleMembre
from idp.oidc.delivery.models import LONGEST_FAILURE, Outgoing, statements
from idp.oidc.signals.events import UPDATED
from idp.seals import random_token

DIALECTS = ("postgresql", "sqlite")
VERSION = "signals"
"""Name of the number that says streams changed."""
KEPT = timedelta(days=30)
"""For how long an event is kept, delivered or not."""
ENABLED, PAUSED, DISABLED = "enabled", "paused", "disabled"
"""Shared Signals Framework 1.0 section 8.1.2."""
PUSH, POLL = "push", "poll"


class Stream(Model):
    """How one client is told of events: at most one for a client."""

    __tablename__ = "signal_streams"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str | None] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(10))
    endpoint_url: Mapped[str | None] = mapped_column(String(2000))
    """Where events are pushed."""
    authorization_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What they are pushed with, as the receiver gave it."""
    requested: Mapped[list[str]] = mapped_column(Json)
    """Addresses of the events asked for."""
    status: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(200))
    held_by: Mapped[str | None] = mapped_column(String(100))
    """The operator who paused it: the receiver cannot start it again."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    """When an event to verify it was last asked for."""
    filled_to: Mapped[int | None]
    """While it is filled with those who came before it: up to which number they are known. None once all are."""

    @classmethod
    def of_client(cls, client_id: str, *, lock: bool = False) -> Self | None:
        query = select(cls).filter_by(client_id=client_id)
        return db.session.scalar(query.with_for_update() if lock else query)

    @classmethod
    def named(cls, stream_id: str) -> Self | None:
        return db.session.get(cls, stream_id)

    @classmethod
    def every(cls) -> list[Self]:
        """By client."""
        return list(db.session.scalars(select(cls).order_by(cls.client_id)))

    def insert(self) -> bool:
        """Add the row now; False when its client has one already."""
        try:
            with db.session.begin_nested():
                db.session.add(self)
        except IntegrityError:
            return False
        return True

    def reset_outbox(self, now: datetime) -> None:
        """Pushed events have an hour, those fetched have none: what waits, or will be tried again, follows the way of delivery."""
        waits = or_(Signal.failure.is_(None), Signal.next_try_at.is_not(None))
        waiting = update(Signal).where(Signal.stream_id == self.id, Signal.sent_at.is_(None), waits)
        db.session.execute(waiting.values(next_try_at=now if self.method == PUSH else None, tries=0, failure=None))

    def drop_waiting(self) -> None:
        """A stream that is disabled holds nothing (section 8.1.2)."""
        db.session.execute(delete(Signal).where(Signal.stream_id == self.id, Signal.sent_at.is_(None)))

    def changed(self, now: datetime) -> None:
        """Every process learns it."""
        self.updated_at = now
        Version.bump(VERSION)


class KnownSubject(Model):
    """A person whom a client was told of, under which name, and until when it holds something that lives."""

    __tablename__ = "signal_subjects"
    __table_args__ = (Index("ix_signal_subjects_declarant_id", "declarant_id"), Index("ix_signal_subjects_live_until", "live_until"))

    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=True)
    sub: Mapped[str] = mapped_column(String(255))
    live_until: Mapped[datetime]
    epoque: Mapped[int] = mapped_column(BigInt)
    """Of the person's rights, as the client was last told."""

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        db.session.execute(delete(cls).where(cls.declarant_id == declarant_id))

    @classmethod
    def named(cls, clients: Collection[str], sub: str) -> list[int]:
        """Numbers of the persons whom one of these clients knows by this name."""
        return list(db.session.scalars(select(cls.declarant_id).where(cls.client_id.in_(clients), cls.sub == sub)))


class MutedSubject(Model):
    """A person of whom a receiver wants no more events (section 8.1.3)."""

    __tablename__ = "signal_mutes"

    stream_id: Mapped[str] = mapped_column(ForeignKey("signal_streams.id", ondelete="CASCADE"), primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=True)


class Signal(Outgoing, Model):
    """One event for one stream."""

    __tablename__ = "signals"
    __table_args__ = (
        Index("ix_signals_stream_id", "stream_id", "id"),
        Index("ix_signals_next_try_at", "next_try_at"),
        Index("ix_signals_created_at", "created_at"),
    )

    stream_id: Mapped[str] = mapped_column(ForeignKey("signal_streams.id", ondelete="CASCADE"))
    jti: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    client_id: Mapped[str] = mapped_column(String(100))
    """Who knows the person under `sub`: the receiver, or another client of its partner."""
    sub: Mapped[str | None] = mapped_column(String(255))
    declarant_id: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    occurred_at: Mapped[datetime]

    @classmethod
    def of_stream(cls, stream: Stream, kind: str, now: datetime, **details: str) -> str:
        """An event for this stream alone, about itself or a token; its `jti`."""
        later = now if stream.method == PUSH else None
        values = {"stream_id": stream.id, "client_id": stream.client_id, "kind": kind, "details": details, "tries": 0}
        row = cls(**values, jti=random_token(16), occurred_at=now, created_at=now, next_try_at=later)
        db.session.add(row)
        return row.jti

    @classmethod
    def pending(cls, stream: Stream, limit: int) -> list[Self]:
        """What the receiver has neither acknowledged nor refused, the oldest first; of a stream in pause, what is said of itself."""
        waiting = select(cls).where(cls.stream_id == stream.id, cls.sent_at.is_(None), cls.failure.is_(None))
        if stream.status != ENABLED:
            waiting = waiting.where(cls.kind == UPDATED)
        return list(db.session.scalars(waiting.order_by(cls.id).limit(limit)))

    @classmethod
    def acknowledge(cls, stream_id: str, jtis: Collection[str], now: datetime) -> None:
        of_stream = (cls.stream_id == stream_id, cls.jti.in_(jtis), cls.sent_at.is_(None))
        db.session.execute(update(cls).where(*of_stream).values(sent_at=now, next_try_at=None, failure=None))

    @classmethod
    def refuse(cls, stream_id: str, jti: str, why: str) -> None:
        of_stream = (cls.stream_id == stream_id, cls.jti == jti, cls.sent_at.is_(None))
        db.session.execute(update(cls).where(*of_stream).values(failure=why[:LONGEST_FAILURE], next_try_at=None))

    @classmethod
    def tally(cls) -> dict[str, tuple[int, int, int, datetime | None]]:
        """By stream: how many wait, were given up, arrived, and since when the oldest waits."""
        waits = and_(cls.sent_at.is_(None), or_(cls.next_try_at.is_not(None), cls.failure.is_(None)))
        lost = and_(cls.sent_at.is_(None), cls.next_try_at.is_(None), cls.failure.is_not(None))
        counted = (func.sum(case((condition, 1), else_=0)) for condition in (waits, lost, cls.sent_at.is_not(None)))
        query = select(cls.stream_id, *counted, func.min(case((waits, cls.created_at)))).group_by(cls.stream_id)
        return {row[0]: (int(row[1]), int(row[2]), int(row[3]), row[4]) for row in db.session.execute(query)}

    @classmethod
    def undelivered(cls, stream_id: str, limit: int) -> list[Self]:
        """Those that wait or were given up, the latest first."""
        query = select(cls).where(cls.stream_id == stream_id, cls.sent_at.is_(None))
        return list(db.session.scalars(query.order_by(cls.id.desc()).limit(limit)))

    @classmethod
    def arrived(cls, stream_id: str, limit: int) -> list[Self]:
        """Those that arrived, the last one first."""
        query = select(cls).where(cls.stream_id == stream_id, cls.sent_at.is_not(None))
        return list(db.session.scalars(query.order_by(cls.sent_at.desc(), cls.id.desc()).limit(limit)))

    @classmethod
    def named(cls, jtis: Collection[str]) -> dict[str, Self]:
        """By `jti`, those that are still kept."""
        return {one.jti: one for one in db.session.scalars(select(cls).where(cls.jti.in_(jtis)))} if jtis else {}

    @classmethod
    def again(cls, stream: Stream, now: datetime) -> int:
        """Try once more, at once, what waits for its hour or was given up; how many."""
        failed = update(cls).where(cls.stream_id == stream.id, cls.sent_at.is_(None), cls.failure.is_not(None))
        later = now if stream.method == PUSH else None
        done: Any = db.session.execute(failed.values(next_try_at=later, tries=0, created_at=now, failure=None))
        return int(done.rowcount)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete what is old; how many."""
        return len(db.session.scalars(delete(cls).where(cls.created_at < now - KEPT).returning(cls.id)).all())

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        """What has left and said a former address says it no more."""
        gone = update(cls).where(cls.declarant_id == declarant_id, cls.sent_at.is_not(None))
        db.session.execute(gone.values(details={}))


# ------------------------------------------------------------------------------------------------------------- statements


def bound(column: Any, name: str = "") -> Any:
    """A value for a column: `new_` and its name, or this one."""
    return bindparam(name or f"new_{column.name}", type_=column.type)


def inserted(dialect: str, table: type[Any]) -> Any:
    """An insert that may say what to do with a row that is there already."""
    return (postgresql_insert if dialect == "postgresql" else sqlite_insert)(table)


def by_dialect(build: Callable[[str], Any]) -> dict[str, Statement]:
    """A statement for each database."""
    return {dialect: Statement(lambda dialect=dialect: build(dialect)) for dialect in DIALECTS}  # type: ignore[misc]  # the default is the name


SHIFT = 2**32
"""Epochs only grow, and memberships move the person's own: the two together never come back to what they were."""


def epoque_of(declarant_id: Any) -> Any:
    """Of somebody's rights, portfolios included."""
    folders = (
        select(func.coalesce(func.sum(Portefeuille.epoque), 0))
        .join(PortefeuilleMembre, PortefeuilleMembre.portefeuille_id == Portefeuille.id)
        .where(PortefeuilleMembre.declarant_id == declarant_id)
        .scalar_subquery()
    )
    own = select(sql_cast(Declarant.epoque, BigInt)).where(Declarant.id == declarant_id).scalar_subquery()
    return sql_cast(own * SHIFT + sql_cast(folders, BigInt), BigInt)


def _meet(dialect: str) -> Any:
    """A client was told of a person; what it was told of their rights before, and still holds, stays as it is."""
    known = KnownSubject.__table__.c
    row = inserted(dialect, KnownSubject)
    names = ("client_id", "declarant_id", "sub", "live_until")
    row = row.values({**{name: bound(known[name]) for name in names}, "epoque": epoque_of(bound(known["declarant_id"]))})
    later = case((known["live_until"] > row.excluded.live_until, known["live_until"]), else_=row.excluded.live_until)
    epoque = case((known["live_until"] > bound(known["live_until"], "now"), known["epoque"]), else_=row.excluded.epoque)
    changes = {"sub": row.excluded.sub, "live_until": later, "epoque": epoque}
    return row.on_conflict_do_update(index_elements=["client_id", "declarant_id"], set_=changes)


MEET = by_dialect(_meet)
EVERY_STREAM = Statement(
    lambda: select(Stream.id, Stream.client_id, Stream.method, Stream.requested, Stream.status).where(Stream.status != DISABLED)
)
STREAM = Statement(
    lambda: select(Stream.client_id, Stream.endpoint_url, Stream.authorization_sealed).where(
        Stream.id == bindparam("of_stream", type_=String)
    )
)

STATEMENTS = statements(
    Signal,
    Signal.stream_id,
    [
        getattr(Signal, name)
        for name in (
            *("id", "stream_id", "created_at", "tries"),
            *("jti", "kind", "sub", "declarant_id", "details", "occurred_at", "client_id"),
        )
    ],
    or_(Signal.kind == UPDATED, exists().where(Stream.id == Signal.stream_id, Stream.status == ENABLED)),
)


def watch_events(wake: Callable[[], None]) -> None:
    """Whatever page or command writes that something happened, opens a stream, or moves the epoch of rights, `wake` is called after it."""

    def flushed(session: Session, _context: object) -> None:
        moved = (one for one in session.dirty if isinstance(one, Declarant | Portefeuille))
        if any(isinstance(one, AccountEvent | Signal | Stream) for one in session.new) or any(
            cast(Any, inspect(one)).attrs["epoque"].history.has_changes() for one in moved
        ):
            session.info["signals"] = True

    def committed(session: Session) -> None:
        if session.info.pop("signals", False):
            wake()

    event.listen(db.session, "after_flush", flushed)
    event.listen(db.session, "after_commit", committed)
    event.listen(db.session, "after_rollback", lambda session: session.info.pop("signals", None))
