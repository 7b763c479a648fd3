"""Who accepted which charter: the text by its digest, when, and by which means they had signed in. Never changed."""

from datetime import datetime
from typing import Self

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Model, db


class CharteAcceptee(Model):
    """One acceptance."""

    __tablename__ = "chartes_acceptees"
    __table_args__ = (UniqueConstraint("declarant_id", "code", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(String(20))
    version: Mapped[str] = mapped_column(String(20))
    sha256: Mapped[str] = mapped_column(String(64))
    amr: Mapped[str] = mapped_column(String(100))
    """As the session said then: `fed` for whoever came from a partner."""
    accepted_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int, code: str, version: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(declarant_id=declarant_id, code=code, version=version))

    @classmethod
    def every(cls, declarant_id: int) -> list[Self]:
        """The oldest first."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.id)))

    def keep(self) -> bool:
        """Write it; False when this person accepted this text already."""
        try:
            with db.session.begin_nested():
                db.session.add(self)
        except IntegrityError:
            return False
        return True
