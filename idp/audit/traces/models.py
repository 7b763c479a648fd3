"""The tables of evidence. The database refuses to change or remove a row (triggers of the migration)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Model, Statement


class ChaineTraces(Model):
    """Where one chain ends. Its row is locked from one append to the end of its transaction, so that rows follow one another."""

    __tablename__ = "traces_chaines"

    nom: Mapped[str] = mapped_column(String(60), primary_key=True)
    rang: Mapped[int] = mapped_column(BigInt)
    empreinte: Mapped[str] = mapped_column(String(64))


class Trace(Model):
    """One fact about one token."""

    __tablename__ = "traces"
    __table_args__ = (UniqueConstraint("chaine", "rang"), Index("ix_traces_vecteur", "vecteur", "id"))

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    chaine: Mapped[str] = mapped_column(String(60))
    """One an agreement: its code."""
    rang: Mapped[int] = mapped_column(BigInt)
    at: Mapped[datetime]
    nature: Mapped[str] = mapped_column(String(20))
    vecteur: Mapped[str] = mapped_column(String(64))
    """Digest of the token's `jti`."""
    contenu: Mapped[str] = mapped_column(Text)
    """JSON, kept as the text that was digested."""
    precedent: Mapped[str] = mapped_column(String(64))
    empreinte: Mapped[str] = mapped_column(String(64))


COLUMNS = ("chaine", "rang", "at", "nature", "vecteur", "contenu", "precedent", "empreinte")
TRACES, CHAINES = Trace.__table__.c, ChaineTraces.__table__.c


def _next(dialect: str) -> Statement:
    def build() -> Any:
        row = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(ChaineTraces)
        row = row.values(nom=bindparam("chaine", type_=String), rang=1, empreinte=bindparam("origin", type_=String))
        return row.on_conflict_do_update(index_elements=["nom"], set_={"rang": ChaineTraces.rang + 1}).returning(
            ChaineTraces.rang, ChaineTraces.empreinte
        )

    return Statement(build)


NEXT = {dialect: _next(dialect) for dialect in ("postgresql", "sqlite")}
"""The number of the next row, and the digest of the last one; others wait."""
APPEND = Statement(lambda: insert(Trace).values({c: bindparam(c, type_=TRACES[c].type) for c in COLUMNS}))
ADVANCE = Statement(
    lambda: (
        update(ChaineTraces)
        .where(ChaineTraces.nom == bindparam("chaine", type_=String))
        .values(empreinte=bindparam("digest", type_=CHAINES.empreinte.type))
    )
)
HEADS = Statement(lambda: select(ChaineTraces.nom, ChaineTraces.rang, ChaineTraces.empreinte).order_by(ChaineTraces.nom))
CHAIN_NAMES = Statement(lambda: select(Trace.chaine).distinct().order_by(Trace.chaine))
PAGE = Statement(
    lambda: (
        select(*(TRACES[c] for c in COLUMNS))
        .where(Trace.chaine == bindparam("of_chain", type_=String), Trace.rang > bindparam("after", type_=BigInt))
        .order_by(Trace.rang)
        .limit(bindparam("most", type_=BigInt))
    )
)
OF_VECTOR = Statement(
    lambda: select(*(TRACES[c] for c in COLUMNS)).where(Trace.vecteur == bindparam("of_vector", type_=String)).order_by(Trace.id).limit(100)
)
