"""Tables of SAML: the keys that sign its responses, and who took part in sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, LargeBinary, String, bindparam, delete, func, null, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Model, Statement, db
from idp.keys import RotatedKey


class SamlKey(RotatedKey, Model):
    """One key that signs responses, and its certificate.

    Keys of their own: a service provider may have written a certificate in its settings for years, tokens change keys in weeks.
    """

    __tablename__ = "saml_keys"
    __table_args__ = (
        Index("uq_saml_keys_active", "alg", unique=True, postgresql_where=text("state = 'active'"), sqlite_where=text("state = 'active'")),
        Index("uq_saml_keys_next", "alg", unique=True, postgresql_where=text("state = 'next'"), sqlite_where=text("state = 'next'")),
    )

    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    """Whose fingerprint is `kid`."""
    expires_at: Mapped[datetime]
    """Of the certificate."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A service provider in one session, as it is told of its end."""

    client_id: str
    declarant_id: int
    name_id: str
    name_id_format: str
    session_index: str


RENEWED = text("session_index IS NOT NULL")


class SamlParticipation(Model):
    """A service provider was told of somebody in a session: it is told of its end."""

    __tablename__ = "saml_participations"
    __table_args__ = (
        Index("ix_saml_participations_declarant_id", "declarant_id"),
        Index("ix_saml_participations_expires_at", "expires_at"),
        Index("ix_saml_participations_session_index", "session_index", postgresql_where=RENEWED, sqlite_where=RENEWED),
    )

    sid: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    name_id: Mapped[str] = mapped_column(String(256))
    name_id_format: Mapped[str] = mapped_column(String(60))
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    """When the session ends by itself, whatever its use."""
    session_index: Mapped[str | None] = mapped_column(String(32))
    """What the service provider calls the session, when this browser's was renewed since; else, `sid`."""

    @classmethod
    def of_session(cls, sid: str) -> list[Participant]:
        """In the order in which they came; values, which outlive the rows."""
        index = func.coalesce(cls.session_index, cls.sid)
        told = select(cls.client_id, cls.declarant_id, cls.name_id, cls.name_id_format, index).where(cls.sid == sid)
        return [Participant(*row) for row in db.session.execute(told.order_by(cls.opened_at, cls.client_id))]

    @classmethod
    def renew(cls, before: str, after: str) -> None:
        """A browser's session goes on as another: whoever took part in it is told of the end of the new one, by the name it knows."""
        moved = update(cls).where(cls.sid == before).values(sid=after, session_index=func.coalesce(cls.session_index, cls.sid))
        db.session.execute(moved, execution_options={"synchronize_session": False})

    @classmethod
    def named(cls, client_id: str, session_index: str) -> str:
        """The session that a service provider calls so."""
        renewed = select(cls.sid).where(cls.session_index == session_index, cls.client_id == client_id)
        return db.session.scalar(renewed.limit(1)) or session_index

    @classmethod
    def of_person(cls, declarant_id: int, now: datetime) -> list[Self]:
        """Those that may still have a session, the latest last."""
        living = select(cls).where(cls.declarant_id == declarant_id, cls.expires_at > now)
        return list(db.session.scalars(living.order_by(cls.opened_at)))

    @classmethod
    def by_session(cls, declarant_id: int, now: datetime) -> dict[str, list[str]]:
        """Which service providers took part in each session of a person that may live."""
        found: dict[str, list[str]] = {}
        for one in cls.of_person(declarant_id, now):
            found.setdefault(one.sid, []).append(one.client_id)
        return found

    @classmethod
    def forget_session(cls, sid: str) -> None:
        db.session.execute(delete(cls).where(cls.sid == sid), execution_options={"synchronize_session": False})

    @classmethod
    def forget_one(cls, sid: str, client_id: str) -> None:
        """A service provider that ended its part of a session which goes on."""
        own = delete(cls).where(cls.sid == sid, cls.client_id == client_id)
        db.session.execute(own, execution_options={"synchronize_session": False})

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Remove those of sessions that ended by themselves; how many."""
        done: Any = db.session.execute(delete(cls).where(cls.expires_at <= now), execution_options={"synchronize_session": False})
        return int(done.rowcount)


KEYS = Statement(
    lambda: (
        select(SamlKey.kid, SamlKey.alg, SamlKey.state, SamlKey.certificate, SamlKey.private_sealed)
        .where(SamlKey.retired_at.is_(None))
        .order_by(SamlKey.alg, SamlKey.created_at)
    )
)
"""Those that are published: whatever a retired key signed was read within minutes."""


def _take_part(dialect: str) -> Statement:
    def build() -> Any:
        columns = ("sid", "client_id", "declarant_id", "name_id", "name_id_format", "opened_at", "expires_at")
        row = (postgresql if dialect == "postgresql" else sqlite).insert(SamlParticipation)
        values = {name: bindparam(f"new_{name}", type_=SamlParticipation.__table__.c[name].type) for name in columns}
        told = {name: row.excluded[name] for name in ("name_id", "name_id_format", "expires_at")}
        return row.values(values).on_conflict_do_update(index_elements=["sid", "client_id"], set_={**told, "session_index": null()})

    return Statement(build)


TAKE_PART = {dialect: _take_part(dialect) for dialect in ("postgresql", "sqlite")}
"""Once for each session and service provider; the name and the end are the latest told: a second sign-in puts off the session's."""
