"""Targets on which several sources give something, in order. Whatever their number, a page reads a bounded number of rows.

A source is an account, a portfolio, or an establishment that declares. Of each, its first target after a place: when many sources have one,
the `limit`-th of these bounds the page, and the sources that begin beyond it are left aside. Of the others, targets up to the `span`-th;
the least of these ends is how far all of them are known, and the page stops there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, and_, func, literal, select, true, union
from sqlalchemy.sql.selectable import CTE

from idp.database import BigInt, db, listed
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.habilitations.droits import Masks, siren_of
from idp.habilitations.espace.models import Ranges, meets
from idp.habilitations.fenetre import first_month
from idp.habilitations.models import DroitDirect, Portefeuille, PortefeuilleClient, PortefeuilleMembre, constant, plain
from idp.habilitations.perimetre import EXHAUSTED

BUDGET = 5_000
"""Targets looked at, in all sources together, for a page that is narrowed to a service."""
WHOLE: Ranges = ((0, EXHAUSTED),)


@dataclass(frozen=True, slots=True)
class Cibles:
    """Some targets, in order; `following` is after which target the list goes on, None at its end."""

    cibles: tuple[int, ...]
    following: int | None


@dataclass(frozen=True, slots=True)
class Sources:
    """Whose targets: conditions on accounts and on portfolios."""

    people: ColumnElement[bool]
    folders: ColumnElement[bool]
    accepted: Masks | None = None
    """Bits of which one is enough; None for anything."""
    follows: bool = True
    """Whether recent declarations count."""

    def page(self, now: datetime, *, after: int, limit: int, ranges: Ranges = ()) -> Cibles:
        """Targets after one, within some ranges. One statement a range, two when narrowed to a service."""
        found: tuple[int, ...] = ()
        span = limit + 1 if self.accepted is None else max(limit + 1, BUDGET // max(1, self._how_many()))
        for first, last in ranges or WHOLE:
            start = max(after, first - 1)
            part = self._within(now, start, last, limit - len(found), span) if start < last else Cibles((), None)
            found += part.cibles
            if part.following is not None:
                return Cibles(found, part.following)
            if len(found) == limit:
                return Cibles(found, last)
        return Cibles(found, None)

    def among(self, cibles: Sequence[int], now: datetime) -> set[int]:
        """Those of these targets on which something is given. One statement, and one value however many they are.

        From the targets, which few sources have, to their owners: by the sum, which no index knows, planners cannot probe each owner for
        each target.
        """
        asked = listed(db.engine.dialect.name, "cibles", BigInt)
        giving = []
        for kind in self._kinds(now):
            owner = plain(kind.owner) + constant(0)
            query = select(kind.cible).where(owner.in_(select(plain(kind.owners.c.owner))), kind.cible.in_(asked))
            giving.append(query.where(*kind.narrowing(self.accepted)))
        return set(db.session.scalars(union(*giving), {"cibles": json.dumps(list(cibles))})) if cibles else set()

    def _how_many(self) -> int:
        people = select(func.count()).select_from(Declarant).where(self.people).scalar_subquery()
        portfolios = select(func.count()).select_from(Portefeuille).where(self._open()).scalar_subquery()
        return db.session.scalar(select(people + portfolios)) or 0

    def _open(self) -> ColumnElement[bool]:
        """Portfolios whose container may give what is looked for."""
        return self.folders if self.accepted is None else and_(self.folders, meets(Portefeuille, self.accepted))

    def _within(self, now: datetime, after: int, last: int, limit: int, span: int) -> Cibles:
        kinds = self._kinds(now)
        firsts = [kind.firsts(after, last) for kind in kinds]
        beginnings = union(*(select(one.c.first.label("first")).where(one.c.first.is_not(None)) for one in firsts)).subquery("beginnings")
        many = limit + 1 if self.accepted is None else BUDGET // 25
        bound = select(beginnings.c.first).order_by(beginnings.c.first).limit(1).offset(many - 1).scalar_subquery()
        known = select(func.coalesce(bound, literal(last, BigInt)).label("bound")).cte("known").prefix_with("MATERIALIZED")
        ends = [kind.ends(one, known, after, span) for kind, one in zip(kinds, firsts, strict=True)]
        finite = union(*(select(one.c.borne).where(one.c.borne.is_not(None)) for one in ends)).subquery("finite")
        least = select(func.min(finite.c.borne)).scalar_subquery()
        upto = select(known.c.bound).scalar_subquery()
        frontier = func.coalesce(least, upto)
        every = union(*(kind.held(one, self.accepted, span) for kind, one in zip(kinds, ends, strict=True))).subquery("every")
        edge = select(frontier.label("frontier")).cte("edge").prefix_with("MATERIALIZED")
        targets = select(every.c.cible).where(every.c.cible <= select(edge.c.frontier).scalar_subquery())
        rows = targets.distinct().order_by(every.c.cible).limit(limit + 2).subquery("targets")
        found = db.session.execute(select(edge.c.frontier, rows.c.cible).select_from(edge).outerjoin(rows, constant(1) == constant(1)))
        return _read(sorted((row[1] or 0, row[0]) for row in found), last, limit)

    def _kinds(self, now: datetime) -> list["_Kind"]:
        direct, client, lien = DroitDirect, PortefeuilleClient, LienDeclare
        people = select(Declarant.id.label("owner")).where(self.people).subquery("people")
        folders = select(Portefeuille.id.label("owner")).where(self._open()).subquery("folders")
        found = [
            _Kind(people, direct, direct.declarant_id, direct.cible),
            _Kind(folders, client, client.portefeuille_id, client.cible),
        ]
        if self.follows:
            declarers = select(Declarant.siret.label("owner")).where(self.people).distinct().subquery("declarers")
            links = _Kind(declarers, lien, lien.siret_declarant, plain(lien.siret_declare), lien.dernier_mois, first_month(now))
            found.append(links)
        return found

    def narrowed(self, accepted: Masks | None, *, follows: bool) -> "Sources":
        return replace(self, accepted=accepted, follows=follows)


def _read(rows: Sequence[tuple[int, int]], last: int, limit: int) -> Cibles:
    """The rows of a statement: target (0 for none) and frontier."""
    cibles = tuple(cible for cible, _ in rows if cible)
    frontier = min(rows[0][1], last)
    if len(cibles) > limit:
        return Cibles(cibles[:limit], cibles[limit - 1])
    return Cibles(cibles, frontier if frontier < last else None)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One table of sets, and who owns them."""

    owners: Any
    row: Any
    owner: Any
    cible: Any
    recent: Any = None
    since: str = ""
    """The column of months, and the first that counts."""

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        return () if self.recent is None else (self.recent >= self.since,)

    def _constants(self, after: int) -> tuple[ColumnElement[Any], ...]:
        return literal(after, BigInt).label("start"), literal(self.since, String).label("since")

    def firsts(self, after: int, last: int) -> CTE:
        """Of each owner, the first target after a place."""
        own = (self.owner == self.owners.c.owner, self.cible > after, self.cible <= last, *self.conditions)
        first = select(self.cible).where(*own).order_by(self.cible).limit(1).correlate(self.owners).scalar_subquery()
        return select(self.owners.c.owner, first.label("first")).cte(f"firsts_{self.row.__tablename__}").prefix_with("MATERIALIZED")

    def ends(self, firsts: CTE, known: CTE, after: int, span: int) -> CTE:
        """Of the owners that begin in time, how far their first `span` targets go; null: they have no more."""
        own = (self.owner == firsts.c.owner, self.cible > after, self.cible <= known.c.bound, *self.conditions)
        end = select(self.cible).where(*own).order_by(self.cible).limit(1).offset(span - 1).correlate(firsts, known).scalar_subquery()
        query = select(firsts.c.owner, end.label("borne"), known.c.bound, *self._constants(after)).where(firsts.c.first <= known.c.bound)
        return query.cte(f"ends_{self.row.__tablename__}").prefix_with("MATERIALIZED")

    def meeting(self, accepted: Masks | None) -> list[ColumnElement[bool]]:
        """Rows that may give what is looked for; a declaration says nothing of rights."""
        return [] if accepted is None or self.row is LienDeclare else [meets(self.row, accepted)]

    def narrowing(self, accepted: Masks | None) -> list[ColumnElement[bool]]:
        return [*self.conditions, *self.meeting(accepted)]

    def held(self, ends: CTE, accepted: Masks | None, span: int) -> Any:
        """The targets of these owners, up to their ends (0 stands for none).

        Planners are left no choice but to probe, owner by owner: PostgreSQL by a bounded lateral query, SQLite, which has none, by an
        outer join, whose order it keeps.
        """
        here = [self.owner == ends.c.owner, self.cible > ends.c.start, self.cible <= func.coalesce(ends.c.borne, ends.c.bound)]
        here += [self.recent >= ends.c.since] if self.recent is not None else []
        here += self.meeting(accepted)
        if db.session.get_bind().dialect.name == "postgresql":
            probe = select(self.cible.label("cible")).where(*here).correlate(ends).limit(2 * span).lateral()
            return select(probe.c.cible).select_from(ends.join(probe, true()))
        found = func.coalesce(self.cible, constant(0)).label("cible")
        return select(found).select_from(ends.outerjoin(self.row, and_(*here)))


def of_company(sirets: range, siren: int) -> Sources:
    """What a company's active people hold, and its portfolios."""
    return Sources(_ours(sirets), Portefeuille.siren == siren)


def of_person(declarant_id: int) -> Sources:
    """What one account may hold something on."""
    mine = select(PortefeuilleMembre.portefeuille_id).where(PortefeuilleMembre.declarant_id == declarant_id)
    return Sources(Declarant.id == declarant_id, Portefeuille.id.in_(mine))


def _ours(sirets: range) -> ColumnElement[bool]:
    return and_(Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.statut == Statut.ACTIF)


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
