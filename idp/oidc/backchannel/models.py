"""Who took part in a session, and the outbox of notices: written with the fact, delivered later, at least once, with retries."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, String, bindparam, delete, select, union, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Instant, Model, Statement, db
from idp.declarants.models import Declarant
from idp.oidc.delivery.models import Outgoing, statements
from idp.oidc.models import RefreshFamily


class Participation(Model):
    """A client that is told of the end of sessions took part in one, and has no refresh token that would say so."""

    __tablename__ = "participations"
    __table_args__ = (Index("ix_participations_declarant_id", "declarant_id"), Index("ix_participations_expires_at", "expires_at"))

    sid: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """When the session ends by itself, whatever its use."""

    @classmethod
    def of_session(cls, sid: str) -> list[Any]:
        """Rows (client_id, sid, declarant_id, uid): every client that took part, whether its tokens still live or not."""
        return _participants(cls.sid == sid, RefreshFamily.sid == sid)

    @classmethod
    def of_declarant(cls, declarant_id: int, since: datetime) -> list[Any]:
        """The same, for the sessions of a person that began to be used `since` then."""
        return _participants(
            (cls.declarant_id == declarant_id) & (cls.opened_at > since),
            (RefreshFamily.declarant_id == declarant_id) & (RefreshFamily.opened_at > since),
        )


def _participants(here: Any, in_families: Any) -> list[Any]:
    took_part: list[Any] = [
        select(table.client_id, table.sid, table.declarant_id, Declarant.uid)
        .join(Declarant, Declarant.id == table.declarant_id)
        .where(condition)
        for table, condition in ((Participation, here), (RefreshFamily, in_families))
    ]
    return list(db.session.execute(union(*took_part)).all())


class LogoutNotice(Outgoing, Model):
    """One client to tell that one session ended. A session ends once: there is one notice of it for a client."""

    __tablename__ = "logout_notices"
    __table_args__ = (
        Index("uq_logout_notices_sid", "sid", "client_id", unique=True),
        Index("ix_logout_notices_next_try_at", "next_try_at"),
        Index("ix_logout_notices_created_at", "created_at"),
    )

    client_id: Mapped[str] = mapped_column(String(100))
    sid: Mapped[str] = mapped_column(String(32))
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    uid: Mapped[str] = mapped_column(String(40))
    """Of the person: the client's own `sub` is made from it at each try."""

    @classmethod
    def write(cls, participants: Iterable[Any], now: datetime) -> None:
        """Put notices in the outbox, in the transaction of the fact that causes them. One that is there already stays as it is."""
        rows = [{**participant._mapping, "created_at": now, "next_try_at": now, "tries": 0} for participant in participants]
        if rows:
            insert = postgresql_insert if db.engine.dialect.name == "postgresql" else sqlite_insert
            db.session.execute(insert(cls).values(rows).on_conflict_do_nothing(index_elements=["sid", "client_id"]))

    @classmethod
    def undelivered(cls, limit: int) -> list[Self]:
        """Those that wait or were given up, the latest first."""
        return list(db.session.scalars(select(cls).where(cls.sent_at.is_(None)).order_by(cls.created_at.desc(), cls.id).limit(limit)))

    @classmethod
    def again(cls, now: datetime) -> int:
        """Try once more, at once, what was given up; how many."""
        given_up = update(cls).where(cls.sent_at.is_(None), cls.next_try_at.is_(None))
        done: Any = db.session.execute(given_up.values(next_try_at=now, tries=0, created_at=now))
        return int(done.rowcount)


# ------------------------------------------------------------------------------------------------------------- statements


def _take_part(dialect: str) -> Statement:
    def build() -> Any:
        row = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(Participation)
        columns = ("sid", "client_id", "declarant_id", "opened_at", "expires_at")
        values = {name: bindparam(f"new_{name}", type_=Participation.__table__.c[name].type) for name in columns}
        told = {"expires_at": row.excluded.expires_at}
        return row.values(values).on_conflict_do_update(index_elements=["sid", "client_id"], set_=told)

    return Statement(build)


TAKE_PART = {dialect: _take_part(dialect) for dialect in ("postgresql", "sqlite")}
"""Once for each session and client; the end is the session's latest, which a second sign-in puts off."""

STATEMENTS = statements(
    LogoutNotice,
    LogoutNotice.client_id,
    [getattr(LogoutNotice, name) for name in ("id", "client_id", "created_at", "tries", "sid", "uid", "declarant_id")],
)

BEFORE = bindparam("before", type_=Instant())
PURGE_PARTICIPATIONS = Statement(lambda: delete(Participation).where(Participation.expires_at < BEFORE))
PURGE_NOTICES = Statement(lambda: delete(LogoutNotice).where(LogoutNotice.created_at < BEFORE, LogoutNotice.next_try_at.is_(None)))
