"""Rights that change hands: statements on sets, so that 300,000 rights move in a few of them, and the table of rights entrusted.

A right keeps its dates when it moves: its opening delay does not start again. Two rows say the same of a target when they end
together and are both open, or open together (`droits.settle` may have merged them meanwhile).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, ForeignKey, Select, and_, case, delete, func, insert, literal, not_, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, aliased, mapped_column
from sqlalchemy.sql.selectable import Subquery

from idp.database import BigInt, Instant, Model, db
from idp.habilitations.droits import FOREVER, NOTHING, Droit, Masks, union
from idp.habilitations.models import (
    FULL_KEY,
    DatesInKey,
    DroitDirect,
    Exclusion,
    Masques,
    Portefeuille,
    PortefeuilleClient,
    PortefeuilleMembre,
    common,
    constant,
)
from idp.habilitations.perimetre import DIRECT

UNSYNCHRONISED = {"synchronize_session": False}
OPEN = FOREVER
"""Stands for the opening of rows that are open already."""
LONGEST_MOVE = "60s"
"""PostgreSQL's patience with one statement of a move: more than a page is usually given."""


class DroitConfie(Masques, DatesInKey, Model):
    """What a person invited to take over will receive, and what of it was added to its keeper's own rights.

    `source` is DIRECT, EXCLUSION, or a portfolio; the masks `ajout_…` are what the keeper gives back on acceptance.
    """

    __tablename__ = "droits_confies"
    __table_args__ = (FULL_KEY,)

    invitation_id: Mapped[int] = mapped_column(ForeignKey("invitations.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    cible: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    """0 for a portfolio."""
    ajout_declarer: Mapped[int] = mapped_column(BigInt, default=0)
    ajout_payer: Mapped[int] = mapped_column(BigInt, default=0)
    ajout_consulter: Mapped[int] = mapped_column(BigInt, default=0)
    ajout_telecharger_officiel: Mapped[int] = mapped_column(BigInt, default=0)

    @property
    def added(self) -> Masks:
        return Masks(*(getattr(self, f"ajout_{droit}") for droit in Droit))

    @classmethod
    def beside_direct(cls, invitation_id: int) -> list[Self]:
        """Memberships and exclusions entrusted: few, beside direct rights."""
        query = select(cls).where(cls.invitation_id == invitation_id, cls.source != DIRECT).order_by(cls.source, cls.cible)
        return list(db.session.scalars(query))

    @classmethod
    def keep(cls, invitation_id: int, source: int, cible: int, period: tuple[datetime, datetime], masks: Masks, added: Masks) -> None:
        """One membership, or one exclusion."""
        row = cls(invitation_id=invitation_id, source=source, cible=cible, effective_from=period[0], ends_at=period[1])
        row.masks = masks
        for droit in Droit:
            setattr(row, f"ajout_{droit}", getattr(added, droit))
        db.session.add(row)

    @classmethod
    def forget(cls, invitation_id: int) -> None:
        db.session.execute(delete(cls).where(cls.invitation_id == invitation_id), execution_options=UNSYNCHRONISED)

    @classmethod
    def exist_for(cls, invitation_id: int) -> bool:
        return db.session.scalar(select(cls.invitation_id).where(cls.invitation_id == invitation_id).limit(1)) is not None


def _dialect() -> str:
    return db.session.get_bind().dialect.name


def take_time() -> None:
    """The statements of this transaction may be longer than a page's."""
    if _dialect() == "postgresql":
        db.session.execute(text(f"set local statement_timeout = '{LONGEST_MOVE}'"))


def _any(masks: Sequence[ColumnElement[int]]) -> ColumnElement[bool]:
    return or_(*(mask != constant(0) for mask in masks))


def _opening(row: Any, now: datetime) -> ColumnElement[datetime]:
    """Instants before `now` are one instant."""
    return case((row.effective_from <= now, literal(OPEN, Instant())), else_=row.effective_from)


def net_rights(declarant_id: int, now: datetime) -> Subquery:
    """The direct rights of an account that live, or will: without what it is excluded from, on the same target or its company."""
    direct, here, company = DroitDirect, aliased(Exclusion), aliased(Exclusion)
    masks = [
        getattr(direct, d)
        .bitwise_and(func.coalesce(getattr(here, d), constant(0)).bitwise_not())
        .bitwise_and(func.coalesce(getattr(company, d), constant(0)).bitwise_not())
        for d in Droit
    ]
    query = (
        select(direct.cible, direct.effective_from, direct.ends_at, *(mask.label(d) for d, mask in zip(Droit, masks, strict=True)))
        .outerjoin(here, and_(here.declarant_id == declarant_id, here.cible == direct.cible))
        .outerjoin(company, and_(company.declarant_id == declarant_id, company.cible == direct.cible // constant(100_000)))
        .where(direct.declarant_id == declarant_id, direct.ends_at > now, _any(masks))
    )
    return query.subquery("net")


def summary(declarant_id: int, now: datetime) -> tuple[int, int, Masks]:
    """How many direct rights an account holds, how many of them are still to open, and which services and rights in all."""
    direct = DroitDirect
    coming = func.sum(case((direct.effective_from > now, 1), else_=0))
    query = select(func.count(), coming, *(func.bit_or(getattr(direct, d)) for d in Droit))
    row = db.session.execute(query.where(direct.declarant_id == declarant_id, direct.ends_at > now)).one()
    return row[0], row[1] or 0, Masks(*(mask or 0 for mask in row[2:]))


def give_all(leaver: int, to: int, operation_id: int, now: datetime) -> None:
    """Direct rights of one account are added to another's: one statement."""
    net = net_rights(leaver, now)
    rows = select(literal(to), net.c.cible, net.c.effective_from, net.c.ends_at, literal(operation_id, BigInt), *(net.c[d] for d in Droit))
    _add_rights(rows.where(net.c.cible > constant(0)))


def _add_rights(rows: Select[Any]) -> None:
    columns = ["declarant_id", "cible", "effective_from", "ends_at", "operation_id", *(d.value for d in Droit)]
    table: Any = DroitDirect.__table__
    statement: Any = (postgresql if _dialect() == "postgresql" else sqlite).insert(table).from_select(columns, rows)
    new = statement.excluded
    merged = {d.value: table.c[d.value].bitwise_or(new[d.value]) for d in Droit}
    key = ["declarant_id", "cible", "effective_from", "ends_at"]
    db.session.execute(statement.on_conflict_do_update(index_elements=key, set_={**merged, "operation_id": new.operation_id}))


def portfolios_of(declarant_id: int, now: datetime) -> tuple[str, ...]:
    """Names of the portfolios of an account whose membership lives, or will."""
    membre = PortefeuilleMembre
    query = select(Portefeuille.nom).join(membre, membre.portefeuille_id == Portefeuille.id)
    return tuple(db.session.scalars(query.where(membre.declarant_id == declarant_id, membre.ends_at > now).order_by(Portefeuille.id)))


def give_memberships(giver: int, to: int, beyond: Masks, operation_id: int, now: datetime) -> None:
    """Memberships of one account, less some bits of their ceilings, are added to another's: one statement.

    One that ended is replaced, and so is one that holds nothing more and lasts no longer. Else a higher ceiling only while the dates
    given cover those there: never longer than the giver's. Instants before `now` are one instant.
    """
    membre, names = PortefeuilleMembre, [d.value for d in Droit]
    left = [getattr(membre, d).bitwise_and(~mask) for d, mask in zip(names, beyond, strict=True)]
    rows = select(literal(to), membre.portefeuille_id, membre.effective_from, membre.ends_at, literal(operation_id, BigInt), *left)
    rows = rows.where(membre.declarant_id == giver, membre.ends_at > now, _any(left))
    table: Any = membre.__table__
    columns = ["declarant_id", "portefeuille_id", "effective_from", "ends_at", "operation_id", *names]
    statement: Any = (postgresql if _dialect() == "postgresql" else sqlite).insert(table).from_select(columns, rows)
    new = statement.excluded
    more = _any([new[d].bitwise_and(table.c[d].bitwise_not()) for d in names])
    opens_first = or_(new.effective_from <= now, new.effective_from <= table.c.effective_from)
    covers, ended = and_(opens_first, table.c.ends_at <= new.ends_at), table.c.ends_at <= now
    wider = and_(covers, not_(_any([table.c[d].bitwise_and(new[d].bitwise_not()) for d in names])))
    longer = and_(wider, or_(table.c.ends_at < new.ends_at, new.effective_from < table.c.effective_from))
    merged: dict[str, Any] = {d: case((ended, new[d]), else_=table.c[d].bitwise_or(new[d])) for d in names}
    merged |= {name: case((or_(ended, wider), new[name]), else_=table.c[name]) for name in ("effective_from", "ends_at")}
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=["declarant_id", "portefeuille_id"],
            set_={**merged, "operation_id": new.operation_id},
            where=or_(ended, longer, and_(covers, more)),
        )
    )


def drop_all(declarant_id: int) -> None:
    """An account holds nothing any more: direct rights, exclusions, memberships. Three statements."""
    for kind in (DroitDirect, Exclusion, PortefeuilleMembre):
        db.session.execute(delete(kind).where(kind.declarant_id == declarant_id), execution_options=UNSYNCHRONISED)


def _held_by(declarant_id: Any, now: datetime) -> Subquery:
    """What an account holds on each target, rows that say the same of it together."""
    direct, opening = DroitDirect, _opening(DroitDirect, now)
    masks = (func.bit_or(getattr(direct, d)).label(d) for d in Droit)
    query = select(direct.cible, direct.ends_at, opening.label("opening"), *masks).where(direct.declarant_id == declarant_id)
    return query.group_by(direct.cible, direct.ends_at, opening).subquery("held")


def _same(row: Any, held: Any, now: datetime) -> ColumnElement[bool]:
    return and_(held.c.cible == row.cible, held.c.ends_at == row.ends_at, held.c.opening == _opening(row, now))


def note_entrusted(leaver: int, keeper: int, invitation_id: int, now: datetime) -> None:
    """Write down what a newcomer will receive, before it is added to the keeper's own: one statement."""
    net, held = net_rights(leaver, now), _held_by(keeper, now)
    added = (net.c[d].bitwise_and(func.coalesce(held.c[d], constant(0)).bitwise_not()) for d in Droit)
    names = [*(d.value for d in Droit), *(f"ajout_{d}" for d in Droit)]
    constants = literal(invitation_id), literal(DIRECT, BigInt)
    rows = select(
        *constants,
        net.c.cible,
        net.c.effective_from,
        net.c.ends_at,
        *(net.c[d] for d in Droit),
        *added,
    ).outerjoin_from(net, held, _same(net.c, held, now))
    key = ["invitation_id", "source", "cible", "effective_from", "ends_at"]
    db.session.execute(insert(DroitConfie).from_select([*key, *names], rows))


def hand_over(invitation_id: int, keeper: int, to: int, operation_id: int, now: datetime) -> None:
    """The newcomer receives what was entrusted and that its keeper still holds; the keeper gives back what was added. Three statements."""
    kept, held = DroitConfie, _held_by(keeper, now)
    masks = [getattr(kept, d).bitwise_and(held.c[d]) for d in Droit]
    mine = and_(kept.invitation_id == invitation_id, kept.source == DIRECT)
    rows = select(literal(to), kept.cible, kept.effective_from, kept.ends_at, literal(operation_id, BigInt), *masks)
    _add_rights(rows.join_from(kept, held, _same(kept, held, now)).where(mine, kept.ends_at > now, _any(masks)))
    direct = DroitDirect
    same = and_(mine, kept.cible == direct.cible, kept.ends_at == direct.ends_at, _opening(kept, now) == _opening(direct, now))

    def added(droit: Droit) -> ColumnElement[int]:
        total = select(func.bit_or(getattr(kept, f"ajout_{droit}"))).where(same).correlate(direct).scalar_subquery()
        mask: ColumnElement[int] = getattr(direct, droit).bitwise_and(func.coalesce(total, constant(0)).bitwise_not())
        return mask

    ours = (direct.declarant_id == keeper, select(kept.cible).where(same).correlate(direct).exists())
    left = {d.value: added(d) for d in Droit}
    db.session.execute(update(direct).where(*ours).values(**left, operation_id=operation_id), execution_options=UNSYNCHRONISED)
    empty = and_(*(getattr(direct, d) == constant(0) for d in Droit))
    db.session.execute(delete(direct).where(direct.declarant_id == keeper, empty), execution_options=UNSYNCHRONISED)


def exclusions_of(declarant_id: int) -> list[Exclusion]:
    return list(db.session.scalars(select(Exclusion).where(Exclusion.declarant_id == declarant_id).order_by(Exclusion.cible)))


def held_around(declarant_id: int, cible: int, now: datetime) -> Masks:
    """What gives an account something on a target or its company; for a company, on one of its establishments too."""
    last = cible * 100_000 + 99_999
    direct, client, membre, portefeuille = DroitDirect, PortefeuilleClient, PortefeuilleMembre, Portefeuille

    def near(row: Any) -> ColumnElement[bool]:
        return and_(row.ends_at > now, or_(row.cible.in_([cible, cible // 100_000]), row.cible.between(last - 99_999, last)))

    own = select(*(func.bit_or(getattr(direct, d)) for d in Droit)).where(direct.declarant_id == declarant_id, near(direct))
    within = (func.bit_or(common((getattr(client, d), getattr(membre, d), getattr(portefeuille, d)))) for d in Droit)
    through = (
        select(*within)
        .join_from(membre, portefeuille, portefeuille.id == membre.portefeuille_id)
        .join(client, client.portefeuille_id == membre.portefeuille_id)
        .where(membre.declarant_id == declarant_id, membre.ends_at > now, near(client))
    )
    return union(Masks(*(mask or 0 for mask in db.session.execute(query).one())) for query in (own, through))


def exclude(declarant_id: int, cible: int, masks: Masks, operation_id: int) -> Masks:
    """Add an exclusion; what it added."""
    row = db.session.get(Exclusion, (declarant_id, cible), populate_existing=True)
    before = row.masks if row else NOTHING
    if any(masks.minus(before)):
        row = row or Exclusion(declarant_id=declarant_id, cible=cible)
        row.masks, row.operation_id = before.union(masks), operation_id
        db.session.add(row)
    return masks.minus(before)


def readmit(declarant_id: int, cible: int, masks: Masks) -> None:
    """Lift what an exclusion had added."""
    row = db.session.get(Exclusion, (declarant_id, cible), populate_existing=True)
    if row is None:
        return
    row.masks = row.masks.minus(masks)
    if not any(row.masks):
        db.session.delete(row)


def membership(declarant_id: int, portefeuille_id: int) -> PortefeuilleMembre | None:
    return db.session.get(PortefeuilleMembre, (declarant_id, portefeuille_id), populate_existing=True)
