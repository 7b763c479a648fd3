"""Operators of the desk: people of the assistance, of the controls, of security. They are no déclarants and sign in nowhere else."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import Integer, LargeBinary, String, bindparam, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.audit.models import AuditEvent
from idp.database import BigInt, Json, Model, Statement, db
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret


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


def people_at(siret: Siret, nom: str, prenom: str, limit: int) -> list[Declarant]:
    """Those of an establishment, by name; folded `nom` and `prenom` narrow when they are given."""
    query = select(Declarant).where(Declarant.siret == siret)
    if nom:
        query = query.where(Declarant.cle.startswith(f"{nom}|", autoescape=True))
    if prenom:
        ends, waits = Declarant.cle.endswith(f"|{prenom}", autoescape=True), Declarant.cle.contains(f"|{prenom}|", autoescape=True)
        query = query.where(or_(ends, waits))
    return list(db.session.scalars(query.order_by(Declarant.cle).limit(limit)))


def people_writing_from(email: str, limit: int) -> list[Declarant]:
    """Those inscribed with this address, as typed or in lower case."""
    query = select(Declarant).where(Declarant.email.in_({email, email.lower()}))
    return list(db.session.scalars(query.order_by(Declarant.siret, Declarant.id).limit(limit)))


def last_facts(declarant_id: int, limit: int) -> list[AuditEvent]:
    """What the journal says of somebody, the latest first."""
    query = select(AuditEvent).where(AuditEvent.declarant_id == declarant_id)
    return list(db.session.scalars(query.order_by(AuditEvent.id.desc()).limit(limit)))


USE_STEP = Statement(
    lambda: (
        update(Operateur)
        .where(
            Operateur.id == bindparam("of_id", type_=Integer),
            or_(Operateur.totp_last_step.is_(None), Operateur.totp_last_step < bindparam("step", type_=BigInt)),
        )
        .values(totp_last_step=bindparam("step", type_=BigInt))
    )
)
"""Marks a code as used, unless it, or a later one, already was: of several at once, one wins."""
