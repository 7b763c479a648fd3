"""The journal's table: rows are added, never changed. The database refuses the rest (triggers of the migration)."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Index, String, bindparam, exists, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Json, Model, Statement, db


class AuditEvent(Model):
    """One audited fact."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_declarant_id", "declarant_id", "id"),
        Index("ix_audit_events_kind", "kind", "id"),
    )

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(60))
    outcome: Mapped[str] = mapped_column(String(10))
    declarant_id: Mapped[int | None]
    client_id: Mapped[str | None] = mapped_column(String(100))
    siret: Mapped[int | None] = mapped_column(BigInt)
    actor: Mapped[str | None] = mapped_column(String(120))
    address: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(40))
    details: Mapped[dict[str, Any]] = mapped_column(Json)

    @classmethod
    def happened(cls, kind: str, declarant_id: int) -> bool:
        """Whether such a fact is already told of this person."""
        return bool(db.session.scalar(select(exists().where(cls.declarant_id == declarant_id, cls.kind == kind))))

    @classmethod
    def latest(cls, kind: str, declarant_ids: Collection[int]) -> dict[int, datetime]:
        """When such a fact was last told of each of a few people; absent for whom it never was."""
        found = select(cls.declarant_id, func.max(cls.at)).where(cls.declarant_id.in_(declarant_ids), cls.kind == kind)
        return {who: at for who, at in db.session.execute(found.group_by(cls.declarant_id)) if who is not None}

    @classmethod
    def from_several_addresses(cls, kind: str, since: datetime, after: int, limit: int) -> list[int]:
        """Of whom such facts came from more than one address since then: their numbers, in order, those after `after`."""
        query = select(cls.declarant_id).where(cls.kind == kind, cls.at > since, cls.declarant_id > after)
        query = query.group_by(cls.declarant_id).having(func.count(cls.address.distinct()) > 1)
        return [one for one in db.session.scalars(query.order_by(cls.declarant_id).limit(limit)) if one is not None]

    @classmethod
    def of_kind(cls, kind: str, since: datetime, *, before: int | None = None, limit: int = 50) -> list[Self]:
        """Facts of one kind about anybody, the latest first; `before` is the number of the last one of the page before."""
        query = select(cls).where(cls.kind == kind, cls.at > since)
        if before is not None:
            query = query.where(cls.id < before)
        return list(db.session.scalars(query.order_by(cls.id.desc()).limit(limit)))

    @classmethod
    def of_person(
        cls, declarant_id: int, kinds: Iterable[str], since: datetime, *, before: int | None = None, limit: int = 50
    ) -> list[Self]:
        """Facts of these kinds about somebody, the latest first; `before` is the number of the last one of the page before."""
        query = select(cls).where(cls.declarant_id == declarant_id, cls.kind.in_(list(kinds)), cls.at > since)
        if before is not None:
            query = query.where(cls.id < before)
        return list(db.session.scalars(query.order_by(cls.id.desc()).limit(limit)))


COLUMNS = ("at", "kind", "outcome", "declarant_id", "client_id", "siret", "actor", "address", "request_id", "details")
RECORD = Statement(lambda: insert(AuditEvent).values({c: bindparam(c, type_=AuditEvent.__table__.c[c].type) for c in COLUMNS}))
"""The same row, for machines' endpoints."""
