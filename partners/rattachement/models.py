"""Links between an identity of MAG and an account of a partner's. Rows are closed, never deleted, while they may be opened again."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, String, delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.database import Model, db
from idp.declarants.models import Declarant
from idp.seals import random_token
from partners.models import Partenaire

UNDO = timedelta(days=7)
"""For how long whoever unlinked may link again without proving both accounts anew."""
KEPT = timedelta(days=366)
"""How long a link that ended is remembered."""
OPEN, SINGLE = text("closed_at IS NULL"), text("closed_at IS NULL AND seul")


class Side(StrEnum):
    """Who began, or who unlinked."""

    MAG = "mag"
    PARTENAIRE = "partenaire"


class Preuve(StrEnum):
    """How the account of the partner's was proved."""

    OPENID = "openid"
    REQUETE = "requete"


class Rattachement(Model):
    """One link. The partner's account is named as the partner names it."""

    __tablename__ = "rattachements"
    __table_args__ = (
        Index("uq_rattachements_compte", "partenaire_id", "compte", unique=True, postgresql_where=OPEN, sqlite_where=OPEN),
        Index("uq_rattachements_declarant", "partenaire_id", "declarant_id", unique=True, postgresql_where=SINGLE, sqlite_where=SINGLE),
        Index("ix_rattachements_declarant_id", "declarant_id"),
        Index("ix_rattachements_closed_at", "closed_at"),
    )

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    """128 random bits, base64url: the partner names the link by them."""
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"))
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    compte: Mapped[str] = mapped_column(String(255))
    libelle: Mapped[str] = mapped_column(String(120))
    """What its holder recognises: an address, a name."""
    origine: Mapped[str] = mapped_column(String(10))
    preuve: Mapped[str] = mapped_column(String(10))
    seul: Mapped[bool]
    """The partner takes one account for an identity of MAG."""
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(10))
    used_at: Mapped[datetime | None]
    """Last time that it led somebody to MAG."""
    partenaire: Mapped[Partenaire] = relationship()
    declarant: Mapped[Declarant] = relationship()

    @classmethod
    def open(cls, **given: object) -> Self | None:
        """A new link; None when the account, or the identity where it may have one alone, is linked already."""
        row = cls(id=random_token(16), **given)
        try:
            with db.session.begin_nested():
                db.session.add(row)
        except IntegrityError:
            return None
        return row

    def reopen(self, now: datetime) -> bool:
        """The same link again, as new; False when something else took its place."""
        try:
            with db.session.begin_nested():
                self.closed_at = self.closed_by = None
                self.opened_at = now
                db.session.flush()
        except IntegrityError:
            return False
        return True

    @classmethod
    def of_account(cls, code: str, compte: str) -> Self | None:
        """The living link of a partner's account."""
        query = select(cls).join(Partenaire).where(Partenaire.code == code, cls.compte == compte, cls.closed_at.is_(None))
        return db.session.scalar(query)

    @classmethod
    def of_person(cls, declarant_id: int, now: datetime) -> list[Self]:
        """Those that live, and those that the person may still open again; the latest first."""
        shown = cls.closed_at.is_(None) | ((cls.closed_at > now - UNDO) & (cls.closed_by == Side.MAG))
        return list(db.session.scalars(select(cls).where(cls.declarant_id == declarant_id, shown).order_by(cls.opened_at.desc(), cls.id)))

    @classmethod
    def living_of(cls, declarant_id: int) -> list[Self]:
        return list(db.session.scalars(select(cls).where(cls.declarant_id == declarant_id, cls.closed_at.is_(None)).order_by(cls.id)))

    @classmethod
    def told(cls, declarant_id: int) -> list[dict[str, Any]]:
        """Every link that is kept of this person, for the file of what MAG keeps."""
        query = select(cls).where(cls.declarant_id == declarant_id).order_by(cls.opened_at, cls.id)
        return [
            {
                "portail": row.partenaire.nom,
                "compte": row.compte,
                "nom_du_compte": row.libelle,
                "associe_le": row.opened_at.isoformat(timespec="seconds"),
                "delie_le": row.closed_at.isoformat(timespec="seconds") if row.closed_at else None,
            }
            for row in db.session.scalars(query)
        ]

    @classmethod
    def of_partner(cls, code: str, after: str, limit: int) -> list[Self]:
        """A partner's living links, by identifier, from just after `after`."""
        query = select(cls).join(Partenaire).where(Partenaire.code == code, cls.closed_at.is_(None), cls.id > after)
        return list(db.session.scalars(query.order_by(cls.id).limit(limit)))

    @classmethod
    def named(cls, identifier: str, *, code: str = "", declarant_id: int | None = None) -> Self | None:
        """A link of this partner's, or of this person, and of no other."""
        query = select(cls).join(Partenaire).where(cls.id == identifier)
        query = query.where(cls.declarant_id == declarant_id) if declarant_id is not None else query.where(Partenaire.code == code)
        return db.session.scalar(query)

    def may_be_reopened(self, side: Side, now: datetime) -> bool:
        """By whoever closed it, and nobody else."""
        return self.closed_at is not None and self.closed_by == side and self.closed_at > now - UNDO

    @classmethod
    def use(cls, identifier: str, now: datetime) -> bool:
        """Whether it lives, and leads somebody to MAG now: of this and of an end at once, one comes first and the other sees it."""
        living = update(cls).where(cls.id == identifier, cls.closed_at.is_(None)).values(used_at=now).returning(cls.id)
        return db.session.execute(living).first() is not None

    def close(self, side: Side, now: datetime) -> bool:
        """Whether this ended it: of two at once, one did."""
        ended = update(Rattachement).where(Rattachement.id == self.id, Rattachement.closed_at.is_(None))
        done = db.session.execute(ended.values(closed_at=now, closed_by=side).returning(Rattachement.id))
        return done.first() is not None

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Remove links that ended long ago; how many."""
        dead = delete(cls).where(cls.closed_at < now - KEPT).returning(cls.id)
        return len(db.session.execute(dead, execution_options={"synchronize_session": False}).all())
