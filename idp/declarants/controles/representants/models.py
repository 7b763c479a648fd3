"""Agreements asked of legal representatives. The key is known by its digest alone, and answers once."""

from datetime import datetime
from typing import Self

from sqlalchemy import ForeignKey, Index, String, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Model, db
from idp.entreprises.models import SiretColumn
from idp.entreprises.siret import Siret


class AccordRepresentant(Model):
    """One agreement asked of one representative about one first administrator, with whom it goes."""

    __tablename__ = "accords_representant"
    __table_args__ = (
        Index("ix_accords_representant_controle_id", "controle_id"),
        Index("ix_accords_representant_declarant_id", "declarant_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    controle_id: Mapped[int]
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    nom: Mapped[str] = mapped_column(String(80))
    prenom: Mapped[str] = mapped_column(String(80))
    qualite: Mapped[str] = mapped_column(String(120))
    email: Mapped[str | None] = mapped_column(String(254))
    """None: a letter was posted to the address of the directory."""
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    asked_at: Mapped[datetime]
    asked_by: Mapped[str | None] = mapped_column(String(120))
    """The operator, as the journal names them; None: MAG by itself, of a representative whom a register names."""
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(String(10))
    """`accord` or `refus`."""

    @classmethod
    def of(cls, controle_id: int) -> list[Self]:
        """Those of an examination, the oldest first."""
        return list(db.session.scalars(select(cls).filter_by(controle_id=controle_id).order_by(cls.id)))

    @classmethod
    def count_since(cls, siret: Siret, since: datetime) -> int:
        """How many were asked about people of an establishment since then."""
        return db.session.scalar(select(func.count()).select_from(cls).where(cls.siret == siret, cls.asked_at >= since)) or 0

    @classmethod
    def with_key(cls, hashes: list[str], now: datetime) -> Self | None:
        """The one that this key answers, while it may be answered."""
        where = (cls.key_hash.in_(hashes), cls.answered_at.is_(None), cls.expires_at > now)
        return db.session.scalar(select(cls).where(*where))

    def keep(self) -> None:
        db.session.add(self)
        db.session.flush()

    def answered(self, answer: str, now: datetime) -> bool:
        """By this call and by no other."""
        cls = type(self)
        query = update(cls).where(cls.id == self.id, cls.answered_at.is_(None)).values(answered_at=now, answer=answer).returning(cls.id)
        won = db.session.scalar(query, execution_options={"synchronize_session": False}) is not None
        db.session.refresh(self)
        return won

    @property
    def full_name(self) -> str:
        return f"{self.prenom} {self.nom}"
