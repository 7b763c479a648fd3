"""Operators of the desk: people of the assistance, of the controls, of security. They are no déclarants and sign in nowhere else."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import LargeBinary, String, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Json, Model, db


class Fonction(StrEnum):
    """What an operator may do; the pages of each are in `bureau.py`."""

    ASSISTANCE = "assistance"
    CONTROLES = "controles"
    SECURITE = "securite"


class Operateur(Model):
    """One operator. Without password and second factor until the invitation was followed."""

    __tablename__ = "operateurs"

    id: Mapped[int] = mapped_column(primary_key=True)
    nom: Mapped[str] = mapped_column(String(80), unique=True)
    """As the journal writes it: `operateur:<nom>`."""
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case."""
    fonctions: Mapped[list[str]] = mapped_column(Json)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    pepper_id: Mapped[str | None] = mapped_column(String(40))
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_last_step: Mapped[int | None] = mapped_column(BigInt)
    version: Mapped[int] = mapped_column(default=1)
    """Of the credentials: sessions name it, so that a change ends them."""
    created_at: Mapped[datetime]
    enrolled_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]

    @classmethod
    def with_email(cls, email: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(email=email.strip().lower()))

    @classmethod
    def find(cls, operateur_id: int) -> Self | None:
        return db.session.get(cls, operateur_id)

    @classmethod
    def known(cls, nom: str, email: str) -> bool:
        """Whether this name or this address is taken, whatever the case."""
        query = select(cls.id).where(or_(func.lower(cls.nom) == nom.lower(), cls.email == email.lower()))
        return db.session.scalar(query.limit(1)) is not None

    @classmethod
    def every(cls) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.nom)))

    @property
    def active(self) -> bool:
        """May sign in: enrolled with both factors, and not disabled."""
        return self.disabled_at is None and self.password_hash is not None and self.totp_sealed is not None

    @property
    def actor(self) -> str:
        """As the journal names whoever acts on another."""
        return f"operateur:{self.nom}"

    def may(self, fonction: Fonction) -> bool:
        return fonction in self.fonctions

    def use_step(self, step: int) -> bool:
        """Mark a code as used; False when it, or a later one, already was: of several at once, one wins."""
        later = or_(Operateur.totp_last_step.is_(None), Operateur.totp_last_step < step)
        query = update(Operateur).where(Operateur.id == self.id, later).values(totp_last_step=step).returning(Operateur.id)
        return db.session.scalar(query, execution_options={"synchronize_session": False}) is not None
