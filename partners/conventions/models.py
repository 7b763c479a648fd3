"""Agreements as they are kept: two partners, two dates, and the terms of the file."""

from datetime import date, datetime
from typing import Any, Self

from sqlalchemy import CheckConstraint, ForeignKey, String, select
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from idp.database import Json, Model, Statement, db
from partners.models import Partenaire


class ConventionInscrite(Model):
    """One agreement. Its code is never given to another."""

    __tablename__ = "conventions"
    __table_args__ = (CheckConstraint("au >= du", name="ends_after_it_begins"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(60), unique=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"))
    """The partner who acts."""
    fournisseur_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"))
    """The partner where it acts."""
    du: Mapped[date]
    au: Mapped[date]
    termes: Mapped[dict[str, Any]] = mapped_column(Json)
    """The rest, as `termes.dump` writes it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ceased_at: Mapped[datetime | None]
    client: Mapped[Partenaire] = relationship(foreign_keys=[client_id])
    fournisseur: Mapped[Partenaire] = relationship(foreign_keys=[fournisseur_id])

    @classmethod
    def every(cls) -> list[Self]:
        """By code."""
        return list(db.session.scalars(select(cls).order_by(cls.code)))

    @classmethod
    def with_code(cls, code: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(code=code))


ACTS, WHERE = aliased(Partenaire), aliased(Partenaire)
EVERY_CONVENTION = Statement(
    lambda: (
        select(
            ConventionInscrite.code,
            ACTS.code,
            ACTS.enabled,
            WHERE.code,
            WHERE.enabled,
            ConventionInscrite.du,
            ConventionInscrite.au,
            ConventionInscrite.ceased_at,
            ConventionInscrite.termes,
        )
        .join(ACTS, ACTS.id == ConventionInscrite.client_id)
        .join(WHERE, WHERE.id == ConventionInscrite.fournisseur_id)
        .order_by(ConventionInscrite.code)
    )
)
