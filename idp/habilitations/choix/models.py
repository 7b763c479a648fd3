"""What somebody picked lately, and the active establishments of a company."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    bindparam,
    delete,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Model, Statement, db
from idp.entreprises.models import Etablissement
from idp.habilitations.models import (
    LIMIT,
    plain,
)

KEPT = 8
"""Establishments that are remembered for one person."""
FORGOTTEN = timedelta(days=400)
"""A pick that old is erased: a yearly declaration finds it still."""
WORDS = 5
"""Words of a search; more are not looked at."""


class EtablissementChoisi(Model):
    """One establishment that a person picked, and when last."""

    __tablename__ = "etablissements_choisis"
    __table_args__ = (Index("ix_etablissements_choisis_chosen_at", "chosen_at"), {"sqlite_with_rowid": False})

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    siret: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    chosen_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int) -> list[int]:
        """The last ones first."""
        query = select(cls.siret).where(cls.declarant_id == declarant_id).order_by(cls.chosen_at.desc(), cls.siret)
        return list(db.session.scalars(query.limit(KEPT)))

    @classmethod
    def keep(cls, declarant_id: int, siret: int, now: datetime) -> None:
        """This one is the last; what no page will show any more leaves. Two at once are one (C82)."""
        insert = postgresql_insert if db.session.get_bind().dialect.name == "postgresql" else sqlite_insert
        row = insert(cls).values(declarant_id=declarant_id, siret=siret, chosen_at=now)
        db.session.execute(row.on_conflict_do_update(index_elements=["declarant_id", "siret"], set_={"chosen_at": now}))
        cls._delete(cls.declarant_id == declarant_id, cls.siret.not_in(cls.of(declarant_id)))

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        cls._delete(cls.declarant_id == declarant_id)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Erase what is old; how many."""
        return cls._delete(cls.chosen_at < now - FORGOTTEN)

    @classmethod
    def _delete(cls, *where: Any) -> int:
        done: Any = db.session.execute(delete(cls).where(*where), execution_options={"synchronize_session": False})
        return int(done.rowcount)


IN_COMPANY = Statement(
    lambda: (
        select(plain(Etablissement.siret))
        .where(plain(Etablissement.siret).between(bindparam("first", type_=BigInt), bindparam("last", type_=BigInt)), Etablissement.actif)
        .order_by(plain(Etablissement.siret))
        .limit(LIMIT)
    )
)
"""Active establishments among these numbers."""
