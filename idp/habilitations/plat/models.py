"""The compaction of flat rights, in SQL: lines poured into a temporary table, then a handful of statements on sets, on both databases.

    plat_lignes    one row a line that was understood: account, target, masks
    plat_masques   one row an account and target, what the account holds there already taken away
    plat_groupes   targets of one firm with exactly the same accounts and masks, where a portfolio makes fewer rows than direct rights

Everything is in the caller's transaction: all or nothing. Statements are text whose only variable parts are names of our own.
"""
# ruff: noqa: S608

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Instant, Model, db, pour
from idp.declarants.models import Declarant
from idp.habilitations.droits import FOREVER, Droit
from idp.habilitations.models import Masques

COLUMNS = ("declarant_id", "cible", *(droit.value for droit in Droit))
TABLES = ("plat_lignes", "plat_masques", "plat_signes", "plat_groupes")
BITS = ", ".join(Droit)


class PromotionProposee(Masques, Model):
    """An account that has the same rights on all the establishments of its company: would a right on the company do?

    It would hold for future establishments too, so nobody but an administrator decides.
    """

    __tablename__ = "promotions_proposees"
    __table_args__ = (Index("ix_promotions_proposees_siren", "siren"),)

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    siren: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    etablissements: Mapped[int]
    operation_id: Mapped[int] = mapped_column(BigInt)
    proposed_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    accepted: Mapped[bool | None]

    @classmethod
    def waiting(cls, siren: int | None = None, limit: int = 100) -> list[Self]:
        """Proposals that nobody decided on yet."""
        query = select(cls).where(cls.decided_at.is_(None)).order_by(cls.siren, cls.declarant_id).limit(limit)
        return list(db.session.scalars(query if siren is None else query.where(cls.siren == siren)))

    @classmethod
    def locked(cls, declarant_id: int, siren: int) -> Self | None:
        mine = (cls.declarant_id == declarant_id, cls.siren == siren)
        db.session.execute(update(cls).where(*mine).values(siren=siren), execution_options={"synchronize_session": False})
        return db.session.get(cls, (declarant_id, siren), populate_existing=True)


def is_postgresql() -> bool:
    return db.session.get_bind().dialect.name == "postgresql"


def execute(sql: str, **values: Any) -> int:
    return int(getattr(db.session.execute(text(sql), values), "rowcount", 0))


def count(sql: str) -> int:
    return int(db.session.scalar(text(sql)) or 0)


def instant(when: datetime) -> Any:
    """As the database keeps it: these statements are text."""
    return Instant().process_bind_param(when, db.session.get_bind().dialect)


def open_tables() -> None:
    """Empty temporary tables; PostgreSQL's patience made longer than a page's."""
    if is_postgresql():
        execute("set local statement_timeout = 0")
    for table in TABLES:
        execute(f"drop table if exists {table}")
    masks = ", ".join(f"{droit} bigint not null" for droit in Droit)
    end = " on commit drop" if is_postgresql() else ""
    execute(f"create temporary table plat_lignes (declarant_id integer not null, cible bigint not null, {masks}){end}")


def pour_lines(rows: Iterable[tuple[int, ...]]) -> None:
    """Account, target, then the masks."""
    pour(db.session.connection(), "plat_lignes", COLUMNS, rows)


def active_accounts() -> dict[tuple[int, str], tuple[int, int]]:
    """SIRET and key of the name → account and its company. Those who may hold rights."""
    query = select(Declarant.siret, Declarant.cle, Declarant.id).where(Declarant.statut == "actif")
    return {(int(siret), cle): (found, int(siret) // 100_000) for siret, cle, found in db.session.execute(query)}


def compact(now: datetime) -> dict[str, int]:
    """Lines → masks → groups; how many of each, and what there is to write."""
    at, end = instant(now), " on commit drop" if is_postgresql() else ""
    aggregated = ", ".join(f"bit_or({d}) as {d}" for d in Droit)
    held = ", ".join(f"l.{d} & ~coalesce(h.{d}, 0) as {d}" for d in Droit)
    inside = ", ".join(f"bit_or(k.{d} & m.{d} & p.{d}) as {d}" for d in Droit)
    own = ", ".join(f"bit_or(r.{d}) as {d}" for d in Droit)
    either = ", ".join(f"bit_or({d}) as {d}" for d in Droit)
    live = "{0}.effective_from <= :at and {0}.ends_at > :at"
    execute(f"""
        create temporary table plat_masques{end} as
        with l as (select declarant_id, cible, {aggregated} from plat_lignes group by declarant_id, cible),
        h as (select declarant_id, cible, {either} from (
            select l.declarant_id, l.cible, {own} from l
              join droits r on r.declarant_id = l.declarant_id and r.cible in (l.cible, l.cible / 100000) and {live.format("r")}
             group by l.declarant_id, l.cible
            union all
            select l.declarant_id, l.cible, {inside} from l
              join portefeuille_clients k on k.cible in (l.cible, l.cible / 100000) and {live.format("k")}
              join portefeuille_membres m on m.declarant_id = l.declarant_id and m.portefeuille_id = k.portefeuille_id
               and {live.format("m")}
              join portefeuilles p on p.id = m.portefeuille_id group by l.declarant_id, l.cible) as held group by declarant_id, cible)
        select l.declarant_id, l.cible, a.siret / 100000 as firme, {held} from l
          join declarants a on a.id = l.declarant_id left join h on h.declarant_id = l.declarant_id and h.cible = l.cible
    """, at=at)
    execute(f"delete from plat_masques where ({' | '.join(Droit)}) = 0")
    words = " || ':' || ".join(["declarant_id", *Droit])
    signature = f"md5(string_agg({words}, ',' order by declarant_id))" if is_postgresql() else f"group_concat({words}, ',')"
    ordered = "plat_masques" if is_postgresql() else "(select * from plat_masques order by firme, cible, declarant_id)"
    execute(f"""
        create temporary table plat_signes{end} as
        select firme, cible, {signature} as signature, count(*) as membres from {ordered} as ordered group by firme, cible
    """)
    execute(f"""
        create temporary table plat_groupes{end} as
        select row_number() over (order by firme, min(cible)) as numero, firme, signature, count(*) as clients, min(membres) as membres,
               min(cible) as exemple from plat_signes group by firme, signature having count(*) * min(membres) > count(*) + min(membres) + 1
    """)
    return {
        "cellules": count(f"select count(*) from (select distinct declarant_id, cible, {BITS} from plat_lignes) as distinctes"),
        "masques": count("select count(*) from plat_masques"),
        "portefeuilles": count("select count(*) from plat_groupes"),
        "clients": count("select sum(clients) from plat_groupes"),
        "membres": count("select sum(membres) from plat_groupes"),
        "directs": count("select count(*) from plat_masques") - count("select sum(clients * membres) from plat_groupes"),
    }


def write(operation_id: int, now: datetime) -> None:
    """Portfolios with their clients and members, and what is left as direct rights. Versions of accounts move."""
    values = {"op": operation_id, "at": instant(now), "ever": instant(FOREVER)}
    dates = f"cast(:at as {_instant()}), cast(:ever as {_instant()})"
    contents, members = (", ".join(f"{row}.{d}" for d in Droit) for row in "pm")
    first = count("select coalesce(max(id), 0) from portefeuilles")
    whole = ", ".join(f"bit_or(m.{d})" for d in Droit)
    grouped = "plat_groupes g join plat_signes s on s.firme = g.firme and s.signature = g.signature"
    execute(f"""
        insert into portefeuilles (id, siren, nom, epoque, clients, operation_id, {BITS})
        select :first + g.numero, g.firme, 'Import ' || cast(:first + g.numero as varchar(20)), 1, g.clients, :op, {whole}
          from plat_groupes g join plat_masques m on m.firme = g.firme and m.cible = g.exemple group by g.numero, g.firme, g.clients
    """, first=first, op=operation_id)
    execute(f"""
        insert into portefeuille_clients (portefeuille_id, cible, effective_from, ends_at, operation_id, {BITS})
        select :first + g.numero, s.cible, {dates}, :op, {contents}
          from {grouped} join portefeuilles p on p.id = :first + g.numero
    """, first=first, **values)
    execute(f"""
        insert into portefeuille_membres (declarant_id, portefeuille_id, effective_from, ends_at, operation_id, {BITS})
        select m.declarant_id, :first + g.numero, {dates}, :op, {members}
          from plat_groupes g join plat_masques m on m.firme = g.firme and m.cible = g.exemple
    """, first=first, **values)
    execute(f"""
        insert into droits (declarant_id, cible, effective_from, ends_at, operation_id, {BITS})
        select m.declarant_id, m.cible, {dates}, :op, {members}
          from plat_masques m join plat_signes s on s.firme = m.firme and s.cible = m.cible
         where not exists (select 1 from plat_groupes g where g.firme = s.firme and g.signature = s.signature)
        on conflict (declarant_id, cible, effective_from, ends_at) do update
           set {", ".join(f"{d} = droits.{d} | excluded.{d}" for d in Droit)}, operation_id = excluded.operation_id
    """, **values)
    execute("update declarants set epoque = epoque + 1 where id in (select declarant_id from plat_masques)")
    if is_postgresql():
        execute("select setval(pg_get_serial_sequence('portefeuilles', 'id'), greatest((select max(id) from portefeuilles), 1))")


def _instant() -> str:
    return "timestamptz" if is_postgresql() else "integer"


def propose(operation_id: int, now: datetime) -> int:
    """Accounts with the same masks on every active establishment of their own company, two at least; how many."""
    same = " and ".join(f"min(m.{d}) = max(m.{d})" for d in Droit)
    return execute(f"""
        insert into promotions_proposees (declarant_id, siren, etablissements, operation_id, proposed_at, {BITS})
        select m.declarant_id, m.firme, count(*), :op, cast(:at as {_instant()}), {", ".join(f"min(m.{d})" for d in Droit)}
          from plat_masques m join etablissements e on e.siret = m.cible and e.actif where m.cible / 100000 = m.firme
         group by m.declarant_id, m.firme having count(*) > 1 and {same}
           and count(*) = (select count(*) from etablissements t
                            where t.actif and t.siret between m.firme * 100000 and m.firme * 100000 + 99999)
        on conflict (declarant_id, siren) do nothing
    """, op=operation_id, at=instant(now))
