"""Targets on which several sources give something, in order. Whatever their number, a page reads a bounded number of rows.

Targets are looked up source by source (an account, a portfolio, an establishment that declares): of each, those up to its `SPAN`-th after
a place; the least of these ends is how far all of them are known, and the page stops there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, union
from sqlalchemy.sql.selectable import CTE

from idp.database import db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.droits import Masks, siren_of
from idp.habilitations.espace.models import Ranges, meets, within
from idp.habilitations.fenetre import first_month
from idp.habilitations.models import DroitDirect, Portefeuille, PortefeuilleClient, PortefeuilleMembre, constant, plain
from idp.habilitations.perimetre import EXHAUSTED

SPAN, BUDGET = 200, 20_000
"""Targets looked at in each source, and in all of them together."""


@dataclass(frozen=True, slots=True)
class Cibles:
    """Some targets of a company's people, in order; `following` is after which target the list goes on, None at its end."""

    cibles: tuple[int, ...]
    following: int | None


def company_targets(
    sirets: range,
    siren: int,
    now: datetime,
    *,
    after: int,
    limit: int,
    ranges: Ranges = (),
    accepted: Masks | None = None,
    follows: bool = True,
) -> Cibles:
    """Targets on which a company's people, or its portfolios, hold something, narrowed by number and by right. Two statements."""
    span = SPAN if ranges or accepted else limit + 1
    sources = _sources(
        sirets, siren, after, min(span, max(limit + 1, BUDGET // max(1, _how_many(sirets, siren)))), first_month(now), follows
    )
    ends = union(*(select(source.ends.c.borne).where(source.ends.c.borne.is_not(None)) for source in sources)).subquery("ends")
    frontier = func.coalesce(select(func.min(ends.c.borne)).scalar_subquery(), constant(EXHAUSTED))
    every = union(*(_held(source, after, ranges, accepted) for source in sources)).subquery("every")
    query = select(every.c.cible, frontier).where(every.c.cible <= frontier).distinct().order_by(every.c.cible).limit(limit + 1)
    rows = db.session.execute(query).all()
    if len(rows) > limit:
        return Cibles(tuple(row[0] for row in rows[:limit]), rows[limit - 1][0])
    known = rows[0][1] if rows else db.session.scalar(select(frontier)) or EXHAUSTED
    return Cibles(tuple(row[0] for row in rows), known if known < EXHAUSTED else None)


def _ours(sirets: range) -> ColumnElement[bool]:
    return and_(Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.statut == Statut.ACTIF)


def _how_many(sirets: range, siren: int) -> int:
    people = select(func.count()).select_from(Declarant).where(_ours(sirets)).scalar_subquery()
    portfolios = select(func.count()).select_from(Portefeuille).where(Portefeuille.siren == siren).scalar_subquery()
    return db.session.scalar(select(people + portfolios)) or 0


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of one kind: of each owner, how far its first `span` targets go (null: it has no more)."""

    ends: CTE
    row: Any
    owner: Any
    cible: Any
    conditions: tuple[ColumnElement[bool], ...]


def _sources(sirets: range, siren: int, after: int, span: int, month: str, follows: bool) -> list[_Source]:
    direct, client, lien = DroitDirect, PortefeuilleClient, LienDeclare
    people = select(Declarant.id.label("owner")).where(_ours(sirets)).subquery("people")
    folders = select(Portefeuille.id.label("owner")).where(Portefeuille.siren == siren).subquery("folders")
    found = [
        _source(people, direct, direct.declarant_id, direct.cible, after, span),
        _source(folders, client, client.portefeuille_id, client.cible, after, span),
    ]
    if follows:
        declarers = select(Declarant.siret.label("owner")).where(_ours(sirets)).distinct().subquery("declarers")
        found.append(_source(declarers, lien, lien.siret_declarant, plain(lien.siret_declare), after, span, lien.dernier_mois >= month))
    return found


def _source(owners: Any, row: Any, owner: Any, cible: Any, after: int, span: int, *conditions: ColumnElement[bool]) -> _Source:
    end = select(cible).where(owner == owners.c.owner, cible > after, *conditions).order_by(cible).limit(1).offset(span - 1)
    ends = select(owners.c.owner, end.correlate(owners).scalar_subquery().label("borne")).cte(f"ends_{row.__tablename__}")
    return _Source(ends.prefix_with("MATERIALIZED"), row, owner, cible, conditions)


def _held(source: _Source, after: int, ranges: Ranges, accepted: Masks | None) -> Any:
    """The targets of one source, up to its end."""
    until = func.coalesce(source.ends.c.borne, constant(EXHAUSTED))
    here = [source.owner == source.ends.c.owner, source.cible > after, source.cible <= until, *source.conditions]
    here += [within(source.cible, ranges)] if ranges else []
    here += [meets(source.row, accepted)] if accepted is not None and source.row is not LienDeclare else []
    return select(source.cible.label("cible")).select_from(source.ends).where(*here)


@dataclass(frozen=True, slots=True)
class Venue:
    """Through what a company's people reach a target."""

    directs: int
    """Accounts that were given something there, or on its whole company."""
    portefeuilles: tuple[str, ...]


def ways(cibles: Sequence[int], sirets: range, siren: int, now: datetime) -> dict[int, Venue]:
    """For a page of targets. Two statements."""
    direct, client = DroitDirect, PortefeuilleClient
    counted = (
        select(direct.cible, func.count(direct.declarant_id.distinct()))
        .join_from(direct, Declarant, and_(Declarant.id == direct.declarant_id, _ours(sirets)))
        .where(direct.cible.in_(cibles), direct.ends_at > now)
        .group_by(direct.cible)
    )
    directs: dict[int, int] = dict(db.session.execute(counted).all())
    named = (
        select(client.cible, Portefeuille.nom)
        .join_from(client, Portefeuille, Portefeuille.id == client.portefeuille_id)
        .where(client.cible.in_(cibles), Portefeuille.siren == siren)
        .distinct()
        .order_by(Portefeuille.nom)
        .limit(500)
    )
    names: dict[int, list[str]] = {}
    for cible, nom in db.session.execute(named):
        names.setdefault(cible, []).append(nom)
    return {cible: Venue(directs.get(cible, 0), tuple(names.get(cible, ()))) for cible in cibles}


def people_on(cible: int, sirets: range, now: datetime, *, after: int, limit: int) -> list[Declarant]:
    """The company's active people whom something concerns on a target, in order of identifiers."""
    places = [cible, siren_of(cible)]
    direct, client, membre, lien = DroitDirect, PortefeuilleClient, PortefeuilleMembre, LienDeclare
    own = select(direct.declarant_id).where(direct.cible.in_(places), direct.ends_at > now)
    through = (
        select(membre.declarant_id)
        .join_from(client, membre, membre.portefeuille_id == client.portefeuille_id)
        .where(client.cible.in_(places))
    )
    linked = (
        select(Declarant.id)
        .join_from(lien, Declarant, Declarant.siret == lien.siret_declarant)
        .where(plain(lien.siret_declare) == cible, lien.dernier_mois >= first_month(now))
    )
    query = select(Declarant).where(Declarant.id.in_(own.union(through, linked)), _ours(sirets), Declarant.id > after)
    return list(db.session.scalars(query.order_by(Declarant.id).limit(limit)))
