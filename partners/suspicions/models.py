"""What was told, by whom, and what became of it. MAG tells by mail (`delivered_at`) or by a signal (`signal_jti`)."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import ForeignKey, Index, String, Text, func, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.database import Model, db
from idp.oidc.signals.models import Signal
from partners.models import Partenaire

RECUE, EMISE = "recue", "emise"


class Remise(StrEnum):
    """Where what MAG tells a partner has got to."""

    REMISE = "remise"
    EN_ATTENTE = "en_attente"
    ABANDONNEE = "abandonnee"
    """Given up by the outbox: its stream sends it again."""
    PERDUE = "perdue"
    """The stream ended before."""
    AUCUNE = "aucune"
    """Neither a stream nor a contact."""


class ComportementSuspect(Model):
    """One declaration."""

    __tablename__ = "comportements_suspects"
    __table_args__ = (Index("ix_comportements_suspects_declared_at", "declared_at", "id"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    """128 random bits, base64url."""
    sens: Mapped[str] = mapped_column(String(10))
    """`recue` from a partner, or `emise` to one."""
    convention: Mapped[str] = mapped_column(String(60))
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"))
    """Who told it, or to whom it is told."""
    vecteur: Mapped[str] = mapped_column(String(64))
    declarant_id: Mapped[int | None]
    """Whom the token was about; without a foreign key, for an account may go first."""
    motif: Mapped[str] = mapped_column(String(30))
    description: Mapped[str] = mapped_column(Text)
    reference: Mapped[str | None] = mapped_column(String(80))
    """The caller's own."""
    declared_at: Mapped[datetime]
    declared_by: Mapped[str] = mapped_column(String(120))
    """A client, or an operator."""
    reaction: Mapped[str] = mapped_column(String(20))
    delivered_at: Mapped[datetime | None]
    """When it was told to the partner, by mail or by a signal."""
    signal_jti: Mapped[str | None] = mapped_column(String(32))
    """Of the event that tells it, when the partner has a stream."""
    seen_at: Mapped[datetime | None]
    """When an operator closed it, and who; `conclusion` says what came of it."""
    seen_by: Mapped[str | None] = mapped_column(String(120))
    conclusion: Mapped[str | None] = mapped_column(Text)
    partenaire: Mapped[Partenaire] = relationship()

    def remise(self, signal: Signal | None) -> Remise:
        """`signal`: the event that tells it, while it is kept."""
        if self.delivered_at is not None or (signal is not None and signal.sent_at is not None):
            return Remise.REMISE
        if self.signal_jti is None:
            return Remise.AUCUNE
        if signal is None:
            return Remise.PERDUE
        return Remise.ABANDONNEE if signal.failure and signal.next_try_at is None else Remise.EN_ATTENTE

    @classmethod
    def named(cls, identifier: str) -> Self | None:
        return db.session.get(cls, identifier)

    @classmethod
    def latest(
        cls, limit: int, *, before: Self | None = None, sens: str = "", motif: str = "", convention: str = "", closed: bool | None = None
    ) -> list[Self]:
        """The latest first, those that came before one of them; of one direction, one motive, one agreement, closed or not."""
        query = select(cls)
        if before is not None:
            older = (cls.declared_at < before.declared_at, (cls.declared_at == before.declared_at) & (cls.id < before.id))
            query = query.where(older[0] | older[1])
        for column, wanted in ((cls.sens, sens), (cls.motif, motif), (cls.convention, convention)):
            query = query.where(column == wanted) if wanted else query
        if closed is not None:
            query = query.where(cls.seen_at.is_not(None) if closed else cls.seen_at.is_(None))
        return list(db.session.scalars(query.order_by(cls.declared_at.desc(), cls.id.desc()).limit(limit)))

    @classmethod
    def count_open(cls) -> int:
        return db.session.scalar(select(func.count()).where(cls.seen_at.is_(None))) or 0

    @classmethod
    def conventions(cls) -> list[str]:
        """Codes of the agreements under which something was declared."""
        return list(db.session.scalars(select(cls.convention).distinct().order_by(cls.convention)))

    @classmethod
    def about(cls, vecteur: str, limit: int) -> list[Self]:
        """Every declaration about a token, the oldest first."""
        query = select(cls).where(cls.vecteur == vecteur)
        return list(db.session.scalars(query.order_by(cls.declared_at, cls.id).limit(limit)))

    @classmethod
    def undelivered(cls, limit: int) -> list[Self]:
        """What partners have not been told yet, the oldest first."""
        arrived = select(Signal.jti).where(Signal.sent_at.is_not(None))
        waiting = select(cls).where(cls.sens == EMISE, cls.delivered_at.is_(None), func.coalesce(cls.signal_jti, "").not_in(arrived))
        return list(db.session.scalars(waiting.order_by(cls.declared_at, cls.id).limit(limit)))

    def close(self, conclusion: str, by: str, now: datetime) -> bool:
        """Whether this closed it: of two at once, one did."""
        still = update(ComportementSuspect).where(ComportementSuspect.id == self.id, ComportementSuspect.seen_at.is_(None))
        done = db.session.execute(still.values(seen_at=now, seen_by=by, conclusion=conclusion).returning(ComportementSuspect.id))
        return done.first() is not None

    @classmethod
    def settle(cls) -> None:
        """Keep when signals arrived: they are kept for less long than what they told."""
        arrived = select(Signal.sent_at).where(Signal.jti == cls.signal_jti, Signal.sent_at.is_not(None)).scalar_subquery()
        told = update(cls).where(cls.delivered_at.is_(None), cls.signal_jti.is_not(None), arrived.is_not(None))
        db.session.execute(told.values(delivered_at=arrived), execution_options={"synchronize_session": False})


def purge_signals(now: datetime) -> int:
    """The signals that are old; what they told keeps when it arrived."""
    ComportementSuspect.settle()
    return Signal.purge(now)
