"""What partners ask people through the backchannel: the list that a person reads in their space."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, String, Text, bindparam, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Instant, Model, Statement, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut


class BackchannelDemande(Model):
    """One CIBA request. What the client polls is in the ephemeral store; this row shows the request to its person, for its life."""

    __tablename__ = "backchannel_demandes"
    __table_args__ = (
        Index("ix_backchannel_demandes_declarant_id", "declarant_id"),
        Index("ix_backchannel_demandes_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    """Digest of the `auth_req_id`."""
    declarant_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id"))
    """None when the hint named nobody: the row is written all the same, so that nothing tells."""
    client_id: Mapped[str] = mapped_column(String(100))
    scope: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]

    @classmethod
    def waiting_for(cls, declarant_id: int, now: datetime) -> list[Self]:
        """What a person may still answer, the latest first."""
        query = select(cls).where(cls.declarant_id == declarant_id, cls.expires_at > now, cls.answered_at.is_(None))
        return list(db.session.scalars(query.order_by(cls.asked_at.desc()).limit(20)))

    @classmethod
    def answer(cls, demande_id: int, declarant_id: int, now: datetime) -> Self | None:
        """The demande, for the one who answers first, if it is theirs and in time."""
        mine = update(cls).where(cls.id == demande_id, cls.declarant_id == declarant_id, cls.expires_at > now, cls.answered_at.is_(None))
        found = db.session.execute(mine.values(answered_at=now).returning(cls.id), execution_options={"synchronize_session": False}).first()
        return db.session.get(cls, demande_id) if found else None


COLUMNS = ("key", "declarant_id", "client_id", "scope", "message", "asked_at", "expires_at")
KEEP: Statement = Statement(lambda: insert(BackchannelDemande).values({c: _bind(c) for c in COLUMNS}))
PURGE_DEMANDES = Statement(lambda: delete(BackchannelDemande).where(BackchannelDemande.expires_at < bindparam("before", type_=Instant())))
WITH_EMAIL = Statement(
    lambda: select(Declarant.id).where(Declarant.email == bindparam("email", type_=String), Declarant.statut == Statut.ACTIF).limit(2)
)
"""Two rows are one too many: an address that several people share names nobody."""


def _bind(column: str) -> Any:
    return bindparam(column, type_=BackchannelDemande.__table__.c[column].type)
