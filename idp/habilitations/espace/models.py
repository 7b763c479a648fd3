"""The statements of the pages of rights about one account, or a page of people. Each reads a bounded number of rows."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, union_all

from idp.database import BigInt, Connections, Instant, Statement, db
from idp.declarants.models import Declarant
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret
from idp.habilitations.droits import Droit, Masks, is_siret, siren_of
from idp.habilitations.models import (
    DroitDirect,
    Portefeuille,
    PortefeuilleMembre,
    common,
    constant,
    is_live,
)

MOST_COUNTED = 10_000
Ranges = Sequence[tuple[int, int]]


class SessionReads(Connections):
    """The statements of the hot path, asked within the page's own transaction: they see what it has just written."""

    def __init__(self) -> None:
        self.dialect = db.engine.dialect

    def all(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        db.session.flush()
        built: Any = statement.build()
        return [tuple(row) for row in db.session.execute(built, values)]


@dataclass(frozen=True, slots=True)
class Nom:
    """A target as people know it."""

    nom: str
    commune: str
    actif: bool


def noms(cibles: Collection[int]) -> dict[int, Nom]:
    """Names of establishments and companies, as the directory has them. Two statements."""
    companies = {int(c.siren): c for c in _companies({siren_of(cible) for cible in cibles})}
    sirets = [Siret.of(cible) for cible in cibles if is_siret(cible)]
    query = select(Etablissement).where(Etablissement.siret.in_(sirets))
    places = {int(e.siret): e for e in db.session.scalars(query)} if sirets else {}
    found = {}
    for cible in cibles:
        company, place = companies.get(siren_of(cible)), places.get(cible)
        named = (company.nom_affiche if company else None) or (place.enseigne if place else None) or ""
        known = place if place is not None else company
        found[cible] = Nom(named, (place.commune if place else "") or "", known is None or _is_open(known))
    return found


def _is_open(known: Etablissement | Entreprise) -> bool:
    return known.actif if isinstance(known, Etablissement) else known.active


def _companies(sirens: Iterable[int]) -> Iterable[Entreprise]:
    return db.session.scalars(select(Entreprise).where(Entreprise.siren.in_([Siren.of(siren) for siren in sirens])))


def noms_portefeuilles(ids: Collection[int]) -> dict[int, str]:
    if not ids:
        return {}
    return dict(db.session.execute(select(Portefeuille.id, Portefeuille.nom).where(Portefeuille.id.in_(ids))).all())


def meets(row: Any, masks: Masks, *others: Any) -> ColumnElement[bool]:
    """Whether rows share one of these bits."""
    shared = (common((getattr(row, d), *(getattr(o, d) for o in others), literal(getattr(masks, d), BigInt))) != constant(0) for d in Droit)
    return or_(*shared)


def has_other_members(portefeuille_id: int, sirets: range) -> bool:
    """Whether a portfolio has members of other establishments than these."""
    membre = PortefeuilleMembre
    query = (
        select(membre.declarant_id).join(Declarant, Declarant.id == membre.declarant_id).where(membre.portefeuille_id == portefeuille_id)
    )
    return db.session.scalar(query.where(or_(Declarant.siret < sirets.start, Declarant.siret >= sirets.stop)).limit(1)) is not None


# -------------------------------------------------------------------------------------------------------------- one account


def within(column: Any, ranges: Ranges) -> ColumnElement[bool]:
    return or_(*(column.between(first, last) for first, last in ranges))


@dataclass(frozen=True, slots=True)
class Volume:
    """What one account holds, counted; `directs` stops at MOST_COUNTED + 1."""

    directs: int
    coming: int
    portefeuilles: int
    clients: int


def volume(declarant_id: int, now: datetime) -> Volume:
    """Two statements."""
    direct, membre = DroitDirect, PortefeuilleMembre
    first = select(direct.effective_from).where(direct.declarant_id == declarant_id).limit(MOST_COUNTED + 1).subquery()
    late = func.coalesce(func.sum(case((first.c.effective_from > now, 1), else_=0)), 0)
    directs, coming = db.session.execute(select(func.count(), late).select_from(first)).one()
    shared = (
        select(func.count(), func.coalesce(func.sum(Portefeuille.clients), 0))
        .join_from(membre, Portefeuille, Portefeuille.id == membre.portefeuille_id)
        .where(membre.declarant_id == declarant_id)
    )
    number, clients = db.session.execute(shared).one()
    return Volume(directs, int(coming), number, int(clients))


def coming(declarant_id: int, now: datetime, limit: int) -> list[DroitDirect]:
    """Direct rights that open later, among the first ones."""
    first = select(DroitDirect.cible).where(DroitDirect.declarant_id == declarant_id).limit(MOST_COUNTED).subquery()
    query = select(DroitDirect).where(DroitDirect.declarant_id == declarant_id, DroitDirect.effective_from > now)
    return list(db.session.scalars(query.where(DroitDirect.cible.in_(select(first.c.cible))).order_by(DroitDirect.cible).limit(limit)))


# --------------------------------------------------------------------------------------------------------------- a service


@dataclass(frozen=True, slots=True)
class Tenue:
    """How somebody holds a service: direct sets (among the first `MOST_READ`) and portfolios."""

    directs: int
    partial: bool
    portefeuilles: tuple[str, ...]


MOST_READ = 2_000


def holding(people: Sequence[int], accepted: Masks, now: datetime) -> dict[int, Tenue]:
    """For a page of people. Two statements."""
    membre = PortefeuilleMembre
    found: dict[int, Tenue] = {}
    folders: dict[int, list[str]] = {}
    named = (
        select(membre.declarant_id, Portefeuille.nom)
        .join_from(membre, Portefeuille, Portefeuille.id == membre.portefeuille_id)
        .where(membre.declarant_id.in_(people), is_live(membre, literal(now, Instant())), meets(membre, accepted, Portefeuille))
        .order_by(Portefeuille.nom)
        .limit(2_000)
    )
    for who, nom in db.session.execute(named):
        folders.setdefault(who, []).append(nom)

    counted = [_count_first(who, accepted, now) for who in people]
    for who, number, read in db.session.execute(union_all(*counted)) if counted else ():
        found[who] = Tenue(int(number), read == MOST_READ, tuple(folders.get(who, ())))
    return found


def _count_first(who: int, accepted: Masks, now: datetime) -> Any:
    """Of an account's first direct sets, how many give a right."""
    direct = DroitDirect
    columns = (direct.effective_from, direct.ends_at, *(getattr(direct, d) for d in Droit))
    rows = select(*columns).where(direct.declarant_id == who).limit(MOST_READ).subquery()
    held = case((and_(rows.c.effective_from <= now, rows.c.ends_at > now, meets(rows.c, accepted)), 1), else_=0)
    return select(literal(who), func.coalesce(func.sum(held), 0), func.count()).select_from(rows)


def containers(siren: int) -> list[tuple[Masks, int]]:
    """What the portfolios of a company may open, and how many may open the same."""
    columns = [getattr(Portefeuille, d) for d in Droit]
    rows = db.session.execute(select(func.count(), *columns).where(Portefeuille.siren == siren).group_by(*columns))
    return [(Masks(*masks), many) for many, *masks in rows]
