"""The last day of use of each service by each person, and since when uses are recorded."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Model, Statement, db
from idp.declarants.models import Declarant

KEPT = timedelta(days=731)
"""A day of use is erased after that: longer than any report looks back."""
RECORD = "usages"
"""The name of this record among those that have a beginning."""


class Usage(Model):
    """The last day on which a service was used for somebody."""

    __tablename__ = "usages"
    __table_args__ = (Index("ix_usages_jour", "jour"), {"sqlite_with_rowid": False})

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    bit: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    """Of the service, in every mask."""
    jour: Mapped[date]
    """In France."""

    @classmethod
    def last(cls, declarant_ids: Collection[int]) -> dict[int, dict[int, date]]:
        """By person, then by service."""
        found: dict[int, dict[int, date]] = {}
        for row in db.session.execute(select(cls.declarant_id, cls.bit, cls.jour).where(cls.declarant_id.in_(declarant_ids))):
            found.setdefault(row.declarant_id, {})[row.bit] = row.jour
        return found

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        cls._delete(cls.declarant_id == declarant_id)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Erase what is too old to say anything; how many."""
        return cls._delete(cls.jour < (now - KEPT).date())

    @classmethod
    def _delete(cls, *where: Any) -> int:
        done: Any = db.session.execute(delete(cls).where(*where), execution_options={"synchronize_session": False})
        return int(done.rowcount)


class Releve(Model):
    """Since when something is recorded: that nothing was before says nothing."""

    __tablename__ = "releves"

    nom: Mapped[str] = mapped_column(String(40), primary_key=True)
    depuis: Mapped[datetime]

    @classmethod
    def of_usages(cls, now: datetime) -> datetime:
        """Since when no use is forgotten."""
        begun = db.session.scalar(select(cls.depuis).where(cls.nom == RECORD))
        return max(begun or now, now - KEPT)


PAIRS = {"postgresql": ("declarants", "bits"), "sqlite": ("pairs",)}


def _used(dialect: str) -> Any:
    """Persons and services, as rows: two arrays on PostgreSQL, `[[person, bit], …]` on SQLite."""
    if dialect == "postgresql":
        arrays = (cast(bindparam(name), ARRAY(BigInteger)) for name in PAIRS[dialect])
        table = func.unnest(*arrays).table_valued(column("who", BigInt), column("bit", BigInt)).render_derived(name="used")
        return select(table.c.who, table.c.bit).subquery("used")
    table = func.json_each(bindparam("pairs", type_=String)).table_valued("value", name="asked")
    who, bit = (func.json_extract(table.c.value, f"$[{i}]", type_=BigInt) for i in (0, 1))
    return select(who.label("who"), bit.label("bit")).subquery("used")


def _keep(dialect: str) -> Statement:
    """Days move forward only, and a row of the same day is left as it is. Whoever is gone is left out."""

    def build() -> Any:
        used, jour = _used(dialect), bindparam("today", type_=Date)
        known = select(Declarant.id, used.c.bit, jour).join_from(used, Declarant, Declarant.id == used.c.who).where(literal_column("1 = 1"))
        rows = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(Usage).from_select(["declarant_id", "bit", "jour"], known)
        return rows.on_conflict_do_update(
            index_elements=["declarant_id", "bit"], set_={"jour": rows.excluded.jour}, where=Usage.jour < rows.excluded.jour
        )

    return Statement(build)


KEEP: Mapping[str, Statement] = {dialect: _keep(dialect) for dialect in PAIRS}
