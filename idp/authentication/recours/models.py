"""Requests for help that others settle, and secret questions. A link or a code is known by its digest alone.

Each step of a request is one conditional write: of two people who decide at once, one does.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.authentication.recours.voies import LIVING, Etape, Voie
from idp.database import Json, Model, db
from idp.declarants.models import Declarant, enum_column
from idp.entreprises.models import SiretColumn
from idp.entreprises.siret import Siret

TO_SETTLE = (Etape.OUVERT, Etape.PROPOSE, Etape.CONFIRME)
"""Steps that wait for operators, or for the delay after them."""


class Recours(Model):
    """One request. Without `declarant_id` it is about nobody: it is written so that asking costs the same, and shown to no one."""

    __tablename__ = "recours"
    __table_args__ = (
        Index("ix_recours_declarant_id", "declarant_id"),
        Index("ix_recours_siret_etape", "siret", "etape"),
        Index("ix_recours_etape_ready_at", "etape", "ready_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"))
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    voie: Mapped[Voie] = mapped_column(enum_column(Voie))
    etape: Mapped[Etape] = mapped_column(enum_column(Etape))
    reason: Mapped[str | None] = mapped_column(Text)
    """In the person's words, for the operators; erased once settled."""
    address: Mapped[str | None] = mapped_column(String(254))
    """The new address asked for."""
    telephone: Mapped[str | None] = mapped_column(String(30))
    """Where to call back."""
    answered: Mapped[bool] = mapped_column(default=False)
    """The secret question was answered, which replaces the mail and nothing else."""
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    proposed_by: Mapped[str | None] = mapped_column(String(120))
    proposed_at: Mapped[datetime | None]
    checks: Mapped[list[Any]] = mapped_column(Json, default=list)
    """What was verified, in the words of `voies.py`."""
    agreed_by: Mapped[str | None] = mapped_column(String(120))
    agreed_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    """When what was agreed takes effect."""
    code_hash: Mapped[str | None] = mapped_column(String(64))
    code_expires_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    def move(self, *before: Etape, to: Etape, **values: Any) -> bool:
        """To another step, by this call and by no other; False when the request is no longer at one of those steps."""
        cls = type(self)
        won = bool(cls._write(cls.id == self.id, cls.etape.in_(before), etape=to, **values))
        db.session.expire(self)
        return won

    @classmethod
    def join(cls, declarant_id: int, voie: Voie, reach: tuple[str | None, str | None], now: datetime, until: datetime) -> bool:
        """Whether the same request waits already, for the same address and phone; its life is prolonged."""
        where = (
            *cls._waiting(declarant_id, voie, now),
            cls.address.is_not_distinct_from(reach[0]),
            cls.telephone.is_not_distinct_from(reach[1]),
        )
        return bool(cls._write(*where, expires_at=until))

    @classmethod
    def make_room(cls, declarant_id: int, voie: Voie, most: int, now: datetime) -> None:
        """Of the requests of one person that wait, the newest ones stay, and leave a place for one more."""
        older = select(cls.id).where(*cls._waiting(declarant_id, voie, now)).order_by(cls.id.desc()).offset(most - 1)
        cls._write(cls.id.in_(older), etape=Etape.ANNULE, closed_at=now, reason=None)

    @classmethod
    def end_others(cls, declarant_id: int, but: int, now: datetime, voies: Collection[Voie] = tuple(Voie)) -> None:
        """No other request of a person leads anywhere: one way back was enough, their address changed hands, or it was not them."""
        where = (cls.declarant_id == declarant_id, cls.voie.in_(voies), cls.etape.in_(LIVING), cls.id != but)
        cls._write(*where, etape=Etape.ANNULE, closed_at=now, reason=None, code_hash=None)

    @classmethod
    def _waiting(cls, declarant_id: int, voie: Voie, now: datetime) -> tuple[ColumnElement[bool], ...]:
        return (cls.declarant_id == declarant_id, cls.voie == voie, cls.etape == Etape.OUVERT, cls.expires_at > now)

    @classmethod
    def _write(cls, *where: ColumnElement[bool], **values: Any) -> list[int]:
        """One conditional write; the rows changed, of which the session holds none, or expires them."""
        query = update(cls).where(*where).values(**values).returning(cls.id)
        return list(db.session.scalars(query, execution_options={"synchronize_session": False}))

    @classmethod
    def beside(cls, recours: Self, now: datetime) -> int:
        """How many other requests of the same person are under way."""
        where = (cls.declarant_id == recours.declarant_id, cls.id != recours.id, cls.etape.in_(LIVING), cls.expires_at > now)
        return db.session.scalar(select(func.count()).select_from(cls).where(*where)) or 0

    @classmethod
    def with_code(cls, declarant_id: int, hashes: list[str], now: datetime) -> Self | None:
        """Whose code has one of these digests, while it lives."""
        where = (cls.declarant_id == declarant_id, cls.etape == Etape.REMIS, cls.code_hash.in_(hashes), cls.code_expires_at > now)
        return db.session.scalar(select(cls).where(*where).limit(1))

    @classmethod
    def proved(cls, declarant_id: int, by: str, since: datetime, now: datetime) -> Self | None:
        """The request that a proof at this provider began, while it may still lead somewhere; the oldest, whose delay ends first.

        `since`: when the password was chosen. Whoever chose it is in, and what was asked before leads nowhere.
        """
        steps = cls.etape.in_((Etape.CONFIRME, Etape.REMIS))
        lives = (steps, cls.asked_at >= since, cls.expires_at > now)
        where = (cls.declarant_id == declarant_id, cls.voie == Voie.FOURNISSEUR, cls.agreed_by == by, *lives)
        return db.session.scalar(select(cls).where(*where).order_by(cls.id).limit(1))

    @classmethod
    def queue(cls, admin: Declarant, now: datetime) -> list[tuple[Self, Declarant]]:
        """What an administrator may settle, the oldest first: never their own."""
        where = (admin.reaches(cls.siret), cls.declarant_id != admin.id)
        return cls._living((Voie.ADMINISTRATEUR, Voie.QUESTION), (Etape.OUVERT,), now, *where)

    @classmethod
    def for_operators(cls, now: datetime) -> list[tuple[Self, Declarant]]:
        """What the assistance has to settle, the oldest first."""
        return cls._living((Voie.ASSISTANCE,), TO_SETTLE, now)

    @classmethod
    def count_for_operators(cls, now: datetime) -> int:
        """How many the assistance has to settle."""
        where = (cls.voie == Voie.ASSISTANCE, cls.etape.in_(TO_SETTLE), cls.expires_at > now, cls.declarant_id.is_not(None))
        return db.session.scalar(select(func.count()).select_from(cls).where(*where)) or 0

    @classmethod
    def _living(cls, voies: tuple[Voie, ...], etapes: tuple[Etape, ...], now: datetime, *more: Any) -> list[tuple[Self, Declarant]]:
        where = (cls.voie.in_(voies), cls.etape.in_(etapes), cls.expires_at > now, *more)
        query = select(cls, Declarant).join(Declarant, Declarant.id == cls.declarant_id).where(*where).order_by(cls.id).limit(500)
        return [(one, declarant) for one, declarant in db.session.execute(query)]

    @classmethod
    def ready(cls, now: datetime, limit: int = 100) -> list[Self]:
        """Agreed by two operators, and whose delay is over."""
        where = (cls.voie == Voie.ASSISTANCE, cls.etape == Etape.CONFIRME, cls.ready_at <= now)
        query = select(cls).where(*where).order_by(cls.id).limit(limit)
        return list(db.session.scalars(query.with_for_update(skip_locked=True)))

    @classmethod
    def purge(cls, before: datetime) -> int:
        """Delete what ended before that instant; how many. The journal keeps the facts."""
        return len(db.session.scalars(delete(cls).where(cls.expires_at < before).returning(cls.id)).all())

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """All that are kept of a person, the oldest first."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.id)))

    @classmethod
    def count_of(cls, declarant_id: int) -> int:
        """How many a person ever made that are still kept."""
        return db.session.scalar(select(func.count()).where(cls.declarant_id == declarant_id)) or 0


class SecretQuestion(Model):
    """A question that a person chose, and an Argon2id hash of which question it is and of its answer."""

    __tablename__ = "secret_questions"

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id", ondelete="CASCADE"), primary_key=True)
    text: Mapped[str] = mapped_column(String(200))
    """As its owner reads it; never shown to whoever asks for a way back."""
    answer_hash: Mapped[str] = mapped_column(String(255))
    pepper_id: Mapped[str] = mapped_column(String(40))
    set_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int) -> Self | None:
        return db.session.get(cls, declarant_id)
