"""Signed links that partners made: where they lead, for whom, until when. The signature is not kept: it is computed."""

from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import ForeignKey, Index, String, Text, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.database import BigInt, Model, db
from partners.models import Partenaire

KEPT = timedelta(days=30)
"""How long a link that leads nowhere any more explains itself."""
AGAIN = timedelta(minutes=5)
"""A link used once still leads the same person there meanwhile: a double click, the back button."""


class Lien(Model):
    """One link. Its resource never changes."""

    __tablename__ = "acces_liens"
    __table_args__ = (
        Index("ix_acces_liens_partenaire_id", "partenaire_id", "created_at", "id"),
        Index("ix_acces_liens_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    """128 random bits, base64url."""
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"))
    client_id: Mapped[str] = mapped_column(String(100))
    """Which of the partner's clients made it: `sub` is of its sector."""
    ressource: Mapped[str] = mapped_column(Text)
    siret: Mapped[int | None] = mapped_column(BigInt)
    """For which establishment; a hint, as `sub` is."""
    sub: Mapped[str | None] = mapped_column(String(255))
    libelle: Mapped[str | None] = mapped_column(String(80))
    usage_unique: Mapped[bool]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """First time that it led somebody there."""
    used_by: Mapped[int | None]
    """Whom: without a foreign key, for an account may go before the link does."""
    partenaire: Mapped[Partenaire] = relationship()

    @classmethod
    def of(cls, code: str, after: str, limit: int) -> list[Self]:
        """A partner's links, the latest first, from just after the link `after`; every one without it."""
        query = select(cls).join(Partenaire).where(Partenaire.code == code)
        last = db.session.get(cls, after) if after else None
        if last is not None:
            older = (cls.created_at < last.created_at, (cls.created_at == last.created_at) & (cls.id < last.id))
            query = query.where(or_(*older))
        return list(db.session.scalars(query.order_by(cls.created_at.desc(), cls.id.desc()).limit(limit)))

    @classmethod
    def named(cls, identifier: str, code: str) -> Self | None:
        """A link of this partner, and of no other."""
        return db.session.scalar(select(cls).join(Partenaire).where(cls.id == identifier, Partenaire.code == code))

    def lives(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now

    def spend(self, declarant_id: int, now: datetime) -> bool:
        """Whether it may lead this person there now. Of two at once, the first use is one's."""
        first = update(Lien).where(Lien.id == self.id, Lien.used_at.is_(None)).values(used_at=now, used_by=declarant_id).returning(Lien.id)
        if db.session.execute(first, execution_options={"synchronize_session": False}).first() is not None or not self.usage_unique:
            return True
        db.session.refresh(self)
        return self.used_by == declarant_id and self.used_at is not None and now - self.used_at < AGAIN

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Remove links that ended long ago; how many."""
        dead = delete(cls).where(cls.expires_at < now - KEPT).returning(cls.id)
        return len(db.session.execute(dead, execution_options={"synchronize_session": False}).all())
