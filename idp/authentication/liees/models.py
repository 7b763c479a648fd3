"""Which identities are one person's: each is in one group at most, and those of a group lead to each other."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Model, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.seals import random_token

MOST = 50
"""Identities of one person."""


class IdentiteLiee(Model):
    """One identity in its group."""

    __tablename__ = "identites_liees"
    __table_args__ = (Index("ix_identites_liees_groupe", "groupe"),)

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    groupe: Mapped[str] = mapped_column(String(22))
    linked_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int) -> list[Declarant]:
        """The other identities of whoever holds this one, which may still enter; by company."""
        mine = select(cls.groupe).where(cls.declarant_id == declarant_id).scalar_subquery()
        query = select(Declarant).join(cls, cls.declarant_id == Declarant.id).where(cls.groupe == mine, Declarant.id != declarant_id)
        return list(db.session.scalars(query.where(Declarant.statut == Statut.ACTIF).order_by(Declarant.siret, Declarant.id).limit(MOST)))

    @classmethod
    def since(cls, declarant_id: int) -> datetime | None:
        row = db.session.get(cls, declarant_id)
        return row.linked_at if row else None

    @classmethod
    def link(cls, one: int, other: int, now: datetime) -> bool:
        """Both are one person's from now on, with whatever each was linked to; False when they were already, or would be too many."""
        rows = {row.declarant_id: row for row in db.session.scalars(select(cls).where(cls.declarant_id.in_((one, other))))}
        groups = {row.groupe for row in rows.values()}
        if len(rows) == 2 and len(groups) == 1:
            return False
        groupe = rows[one].groupe if one in rows else rows[other].groupe if other in rows else random_token(16)
        members = len(db.session.scalars(select(cls.declarant_id).where(cls.groupe.in_(groups | {groupe}))).all())
        if members + 2 - len(rows) > MOST:
            return False
        db.session.execute(
            update(cls).where(cls.groupe.in_(groups)).values(groupe=groupe), execution_options={"synchronize_session": False}
        )
        db.session.add_all(cls(declarant_id=who, groupe=groupe, linked_at=now) for who in (one, other) if who not in rows)
        db.session.flush()
        return True

    @classmethod
    def unlink(cls, declarant_id: int) -> bool:
        """This identity leads nowhere any more; whoever is left alone neither. False when it was so."""
        row = db.session.get(cls, declarant_id)
        if row is None:
            return False
        groupe = row.groupe
        db.session.delete(row)
        db.session.flush()
        left = db.session.scalars(select(cls.declarant_id).where(cls.groupe == groupe).limit(2)).all()
        if len(left) == 1:
            db.session.execute(delete(cls).where(cls.groupe == groupe), execution_options={"synchronize_session": False})
        return True
