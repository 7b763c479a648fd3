"""Set rows as they were before a gesture changed or closed them, written by triggers of the database; and statements to undo.

Triggers, so that no statement of ours, however bulky, can forget: one copy of rows a statement on PostgreSQL, one a row on SQLite.
The operation that closes is the one `Operation.begin` told the transaction of; on SQLite, which has one writer at a time, the last one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, Index, String, and_, delete, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Model, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.droits import Droit
from idp.habilitations.models import (
    DroitDirect,
    Exclusion,
    Masques,
    Operation,
    Portefeuille,
    PortefeuilleClient,
    PortefeuilleMembre,
)

UNSYNCHRONISED = {"synchronize_session": False}
MASKS = [droit.value for droit in Droit]


class SetClos(Masques, Model):
    """One row of rights as it was, from the operation that wrote it to the one that closed it."""

    __tablename__ = "sets_clos"
    __table_args__ = (
        CheckConstraint("genre in ('d', 'x', 'c', 'm', 'p')", name="genre_is_known"),
        Index("ix_sets_clos_sujet", "genre", "sujet", "cible"),
        Index("ix_sets_clos_cible", "cible", "genre"),
        Index("ix_sets_clos_closed_by", "closed_by"),
    )

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    genre: Mapped[str] = mapped_column(String(1))
    """d direct right, x exclusion, c client of a portfolio, m member, p container."""
    sujet: Mapped[int] = mapped_column(BigInt)
    """The account (d, x, m) or the portfolio (c, p)."""
    cible: Mapped[int] = mapped_column(BigInt)
    """SIRET or SIREN; for a member the portfolio; 0 for a container."""
    effective_from: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    operation_id: Mapped[int | None] = mapped_column(BigInt)
    closed_by: Mapped[int | None] = mapped_column(BigInt)
    """None: closed outside of any operation."""


@dataclass(frozen=True, slots=True)
class Live:
    """A table of rows in force, by the names that history gives to its columns."""

    genre: str
    kind: Any
    sujet: Any
    cible: Any
    key: tuple[str, ...]
    dated: bool = True

    @property
    def columns(self) -> list[Any]:
        dates = (self.kind.effective_from, self.kind.ends_at) if self.dated else ()
        return [self.sujet, self.cible, *dates, *(getattr(self.kind, name) for name in MASKS)]

    @property
    def names(self) -> list[str]:
        return [column.key for column in self.columns]

    @property
    def closed_columns(self) -> list[Any]:
        dates = (SetClos.effective_from, SetClos.ends_at) if self.dated else ()
        return [SetClos.sujet, SetClos.cible, *dates, *(getattr(SetClos, name) for name in MASKS)]


DATED_KEY = ("cible", "effective_from", "ends_at")
LIVE = (
    Live("d", DroitDirect, DroitDirect.declarant_id, DroitDirect.cible, ("declarant_id", *DATED_KEY)),
    Live("x", Exclusion, Exclusion.declarant_id, Exclusion.cible, ("declarant_id", "cible"), dated=False),
    Live("c", PortefeuilleClient, PortefeuilleClient.portefeuille_id, PortefeuilleClient.cible, ("portefeuille_id", *DATED_KEY)),
    Live("m", PortefeuilleMembre, PortefeuilleMembre.declarant_id, PortefeuilleMembre.portefeuille_id, ("declarant_id", "portefeuille_id")),
)
OF_ACCOUNTS, OF_PORTFOLIOS = ("d", "x", "m"), ("c", "p")


def _closed_by(operation_id: int, *genres: str) -> ColumnElement[bool]:
    return and_(SetClos.closed_by == operation_id, SetClos.genre.in_(genres))


def restored(operation_id: int, genre: str) -> ColumnElement[bool]:
    """Rows that were there before the operation."""
    return and_(_closed_by(operation_id, genre), SetClos.operation_id.is_distinct_from(operation_id))


def _subjects(operation_id: int, genres: tuple[str, ...]) -> Any:
    """Accounts, or portfolios, whose rows an operation opened or closed."""
    opened = [select(live.sujet).where(live.kind.operation_id == operation_id) for live in LIVE if live.genre in genres]
    if "p" in genres:
        opened.append(select(Portefeuille.id).where(Portefeuille.operation_id == operation_id))
    wrote = or_(SetClos.closed_by == operation_id, SetClos.operation_id == operation_id)
    return select(SetClos.sujet).where(SetClos.genre.in_(genres), wrote).union(*opened)


def hold(operation_id: int) -> int:
    """Move the versions of all whose rights an operation changed, which keeps other gestures away from them; how many."""
    found = 0
    for kind, genres in ((Declarant, OF_ACCOUNTS), (Portefeuille, OF_PORTFOLIOS)):
        touch = update(kind).where(kind.id.in_(_subjects(operation_id, genres))).values(epoque=kind.epoque + 1)
        found += int(getattr(db.session.execute(touch, execution_options=UNSYNCHRONISED), "rowcount", 0))
    return found


def _without_effect(operation_id: int) -> list[int | None]:
    """Later operations that were undone and are so still, and those that undid them: together they changed nothing."""
    pairs = select(Operation.id, Operation.annule_id).where(Operation.id > operation_id, Operation.annule_id > operation_id)
    undone: set[int | None] = set()
    both: set[int | None] = set()
    for undo, target in db.session.execute(pairs.order_by(Operation.id.desc())):
        if undo not in undone:
            undone.add(target)
            both |= {undo, target}
    return list(both)


def changed_since(operation_id: int, limit: int) -> list[tuple[str, int, int, int | None]]:
    """What later operations changed among the places that this one wrote on: genre, subject, place, operation."""
    found: set[tuple[str, int, int, int | None]] = set()
    without_effect = _without_effect(operation_id)
    for live in LIVE:
        wrote = select(live.sujet, live.cible).where(live.kind.operation_id == operation_id)
        closed = select(SetClos.sujet, SetClos.cible).where(_closed_by(operation_id, live.genre))
        here = tuple_(live.sujet, live.cible).in_(wrote.union(closed))
        rows = select(live.sujet, live.cible, live.kind.operation_id).where(
            live.kind.operation_id > operation_id, live.kind.operation_id.not_in(without_effect), here)
        found |= {(live.genre, *row) for row in db.session.execute(rows.limit(limit))}
        since = or_(*(
            and_(column > operation_id, column.not_in(without_effect)) for column in (SetClos.closed_by, SetClos.operation_id)))
        mine = or_(SetClos.operation_id == operation_id, tuple_(SetClos.sujet, SetClos.cible).in_(closed))
        again = select(SetClos.sujet, SetClos.cible, SetClos.closed_by).where(SetClos.genre == live.genre, since, mine)
        found |= {(live.genre, *row) for row in db.session.execute(again.limit(limit))}
    containers = select(SetClos.sujet, SetClos.cible, SetClos.closed_by).where(
        SetClos.genre == "p", SetClos.closed_by > operation_id, SetClos.closed_by.not_in(without_effect),
        SetClos.sujet.in_(_subjects(operation_id, ("p",))))
    return sorted(found | {("p", *row) for row in db.session.execute(containers.limit(limit))}, key=lambda row: row[3] or 0)[:limit]


def no_longer_active(operation_id: int) -> int:
    """Accounts that would be given rights back, and may have none."""
    given = select(SetClos.sujet).where(
        SetClos.closed_by == operation_id, SetClos.genre.in_(("d", "m")), SetClos.operation_id.is_distinct_from(operation_id))
    gone = (Declarant.id.in_(given), Declarant.statut != Statut.ACTIF)
    return db.session.scalar(select(func.count()).select_from(Declarant).where(*gone)) or 0


def replay(operation_id: int, under: int) -> int:
    """Take away what an operation wrote and bring back what it closed, under another operation; how many rows. The rows are `hold`'s."""
    postgres = db.session.get_bind().dialect.name == "postgresql"
    rows = 0
    for live in LIVE:
        gone = delete(live.kind).where(_written_by(operation_id, live))
        rows += int(getattr(db.session.execute(gone, execution_options=UNSYNCHRONISED), "rowcount", 0))
        back = select(*live.closed_columns, literal(under, BigInt)).where(restored(operation_id, live.genre))
        table: Any = live.kind.__table__
        statement: Any = (postgresql if postgres else sqlite).insert(table).from_select([*live.names, "operation_id"], back)
        new = {name: statement.excluded[name] for name in (*live.names, "operation_id") if name not in live.key}
        rows += db.session.connection().execute(
            statement.on_conflict_do_update(index_elements=list(live.key), set_=new), execution_options={"preserve_rowcount": True}
        ).rowcount
    _containers(operation_id, under)
    _recount(operation_id, under)
    db.session.expire_all()
    return rows


def _written_by(operation_id: int, live: Live) -> ColumnElement[bool]:
    """Rows that it wrote, even closed since and brought back by an undo: nothing else changed them, as `changed_since` says."""
    key = [getattr(live.kind, name) for name in live.key]
    names = dict(zip(live.names, live.closed_columns, strict=True))
    closed = select(*(names[name] for name in live.key)).where(SetClos.genre == live.genre, SetClos.operation_id == operation_id)
    return or_(live.kind.operation_id == operation_id, tuple_(*key).in_(closed))


def _containers(operation_id: int, under: int) -> None:
    """What each container was; one that the operation created holds nothing any more."""
    before = {row.sujet: row for row in db.session.scalars(select(SetClos).where(restored(operation_id, "p")))}
    for sujet, row in before.items():
        back = update(Portefeuille).where(Portefeuille.id == sujet)
        values = {name: getattr(row, name) for name in MASKS}
        db.session.execute(back.values(**values, operation_id=under), execution_options=UNSYNCHRONISED)
    closed = select(SetClos.sujet).where(SetClos.genre == "p", SetClos.operation_id == operation_id)
    wrote = or_(Portefeuille.operation_id == operation_id, Portefeuille.id.in_(closed))
    created = update(Portefeuille).where(wrote, Portefeuille.id.not_in(before))
    db.session.execute(created.values(**dict.fromkeys(MASKS, 0), operation_id=under), execution_options=UNSYNCHRONISED)


def _recount(operation_id: int, under: int) -> None:
    """How many clients the portfolios have."""
    counted = select(func.count(PortefeuilleClient.cible.distinct())).where(PortefeuilleClient.portefeuille_id == Portefeuille.id)
    touched = select(SetClos.sujet).where(SetClos.genre == "c", SetClos.closed_by.in_((operation_id, under)))
    statement = update(Portefeuille).where(Portefeuille.id.in_(touched)).values(clients=counted.correlate(Portefeuille).scalar_subquery())
    db.session.execute(statement, execution_options=UNSYNCHRONISED)


def is_undone(operation_id: int) -> bool:
    return bool(db.session.scalar(select(exists().where(Operation.annule_id == operation_id))))


def operation_at(when: datetime) -> int:
    """The last operation at that instant; 0 before the first one."""
    return db.session.scalar(select(func.max(Operation.id)).where(Operation.at <= when)) or 0


@dataclass(frozen=True, slots=True)
class Written:
    """A row in force at some operation."""

    sujet: int
    cible: int
    masks: tuple[int, ...]
    effective_from: datetime | None = None
    ends_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return (self.effective_from is None or self.effective_from <= now) and (self.ends_at is None or now < self.ends_at)


def written_at(operation_id: int, genre: str, *, sujets: Any = None, cibles: Any = None) -> Iterator[Written]:
    """Rows of one kind in force right after an operation, of these subjects and on these places (None: all)."""
    live = next(one for one in LIVE if one.genre == genre)
    now = select(*live.columns).where(live.kind.operation_id <= operation_id)
    then = select(*live.closed_columns).where(
        SetClos.genre == genre, func.coalesce(SetClos.operation_id, 0) <= operation_id, SetClos.closed_by > operation_id)
    for query, sujet, cible in ((now, live.sujet, live.cible), (then, SetClos.sujet, SetClos.cible)):
        asked = [] if sujets is None else [sujet.in_(sujets)]
        asked += [] if cibles is None else [cible.in_(cibles)]
        for row in db.session.execute(query.where(*asked)):
            dates = row[2:4] if live.dated else (None, None)
            yield Written(row[0], row[1], tuple(row[-len(MASKS):]), *dates)


def containers_at(operation_id: int, portefeuilles: Any) -> dict[int, tuple[int, ...]]:
    """What the containers were right after an operation."""
    columns = [getattr(Portefeuille, name) for name in MASKS]
    now = select(Portefeuille.id, Portefeuille.operation_id, *columns).where(Portefeuille.id.in_(portefeuilles))
    found = {row[0]: tuple(row[2:]) for row in db.session.execute(now) if (row[1] or 0) <= operation_id}
    closed = [getattr(SetClos, name) for name in MASKS]
    then = select(SetClos.sujet, *closed).where(
        SetClos.genre == "p", SetClos.sujet.in_(portefeuilles), func.coalesce(SetClos.operation_id, 0) <= operation_id,
        SetClos.closed_by > operation_id)
    return found | {row[0]: tuple(row[1:]) for row in db.session.execute(then.order_by(SetClos.closed_by.desc(), SetClos.id.desc()))}
