"""Who holds rights and does not come, whose account looks shared, portfolios that serve nobody, establishments that closed.

Each list is read a page at a time, from a place to the next; what a page looks at is bounded, whatever a company holds.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, true, tuple_, union_all
from sqlalchemy.orm import aliased

from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Etablissement
from idp.habilitations.droits import NOTHING, Droit, Masks
from idp.habilitations.models import DroitDirect, Portefeuille, PortefeuilleMembre, ceiling, constant, is_live, plain
from idp.habilitations.perimetre import Position
from idp.habilitations.plat.models import PromotionProposee
from idp.habilitations.usages.models import Usage


def _ours(sirets: range, person: type[Declarant] = Declarant) -> ColumnElement[bool]:
    return and_(person.siret >= sirets.start, person.siret < sirets.stop, person.statut == Statut.ACTIF)


def unused_since(sirets: range, since: datetime, *, after: int, limit: int) -> list[Declarant]:
    """Active people who hold something, did not sign in since then, and for whom no service was used, in order of identifiers."""
    direct, membre = DroitDirect, PortefeuilleMembre
    holds = or_(exists().where(direct.declarant_id == Declarant.id), exists().where(membre.declarant_id == Declarant.id))
    quiet = func.coalesce(Declarant.seen_at, Declarant.opened_at) < since
    used = exists().where(Usage.declarant_id == Declarant.id, Usage.jour >= since.date())
    return _first(_ours(sirets), quiet, after=after, limit=limit, also=and_(holds, ~used))


def people(sirets: range, *, after: int, limit: int) -> list[Declarant]:
    """Active people, in order of identifiers."""
    return _first(_ours(sirets), after=after, limit=limit, also=true())


def _first(*where: ColumnElement[bool], after: int, limit: int, also: ColumnElement[bool]) -> list[Declarant]:
    """Some of a company's people, found by their establishment first: by the order asked, planners would read the whole country."""
    ours = select(Declarant.id).where(*where, Declarant.id > after).cte("ours").prefix_with("MATERIALIZED")
    query = select(Declarant).join_from(ours, Declarant, Declarant.id == ours.c.id).where(also)
    return list(db.session.scalars(query.order_by(ours.c.id).limit(limit)))


MOST_SETS = 1_000
"""Direct rights of one person that say which services are held: of whoever has more, the first ones."""


def held_since(declarant_ids: Sequence[int], before: datetime, now: datetime) -> dict[int, Masks]:
    """By person, the services held since before an instant: directly, or within what a portfolio and a ceiling open. Two statements."""
    direct, membre = DroitDirect, PortefeuilleMembre
    found: dict[int, Masks] = {}
    parts = [
        select(direct.declarant_id, *(getattr(direct, droit) for droit in Droit))
        .where(direct.declarant_id == who, direct.effective_from <= before, direct.ends_at > now)
        .limit(MOST_SETS)
        .subquery()
        .select()
        for who in declarant_ids
    ]
    through = (
        select(membre.declarant_id, *ceiling())
        .join_from(membre, Portefeuille, Portefeuille.id == membre.portefeuille_id)
        .where(membre.declarant_id.in_(declarant_ids), membre.effective_from <= before, membre.ends_at > now)
        .distinct()
    )
    for query in ([union_all(*parts)] if parts else []) + [through]:
        for who, *masks in db.session.execute(query):
            found[who] = found.get(who, NOTHING).union(Masks(*masks))
    return found


def idle_portfolios(siren: int, *, after: int, limit: int) -> list[tuple[Portefeuille, str]]:
    """Portfolios without member, or without client, in order of identifiers."""
    empty = ~exists().where(PortefeuilleMembre.portefeuille_id == Portefeuille.id)
    query = select(Portefeuille, empty).where(Portefeuille.siren == siren, Portefeuille.id > after, or_(empty, Portefeuille.clients == 0))
    rows = db.session.execute(query.order_by(Portefeuille.id).limit(limit))
    return [(found, "aucun membre" if nobody else "aucun client") for found, nobody in rows]


MOST_READ = 10_000
"""Direct rights of a company's people that a page looks at for closed establishments."""


@dataclass(frozen=True, slots=True)
class Fermes:
    """Establishments that closed, each with somebody who has direct rights there; where the list goes on, None at its end."""

    rangees: tuple[tuple[Declarant, int], ...]
    following: Position | None


def closed_establishments(sirets: range, *, after: Position, limit: int, most: int = MOST_READ) -> Fermes:
    """Direct rights on establishments that the directory says are closed, in order of people, then of establishments."""
    direct = DroitDirect
    place = (direct.declarant_id, direct.cible)
    people = select(Declarant.id).where(_ours(sirets), Declarant.id + constant(0) >= after.source)  # found by their establishment
    beyond = tuple_(*place) > tuple_(literal(after.source), literal(after.cible))
    read = select(*place).where(direct.declarant_id.in_(people), beyond).distinct()
    first = read.order_by(*place).limit(most).cte("first").prefix_with("MATERIALIZED")
    closed = and_(plain(Etablissement.siret) == first.c.cible, Etablissement.actif.is_(False))
    query = select(Declarant, first.c.cible).select_from(first).join(Etablissement, closed)
    query = query.join(Declarant, Declarant.id == first.c.declarant_id).order_by(*first.c).limit(limit + 1)
    rows = [(person, cible) for person, cible in db.session.execute(query)]
    if len(rows) > limit:
        return Fermes(tuple(rows[:limit]), Position(rows[limit - 1][0].id, rows[limit - 1][1]))
    last = db.session.execute(select(*first.c).order_by(*first.c).limit(1).offset(most - 1)).first()
    return Fermes(tuple(rows), Position(*last) if last else None)


@dataclass(frozen=True, slots=True)
class Explicites:
    """How many rows say all that a company's people may do."""

    attributions: int
    portefeuilles: int
    clients: int
    membres: int


def explicit(sirets: range, siren: int, most: int) -> Explicites:
    """Four counts; the first two stop at `most` + 1."""
    people = select(Declarant.id).where(_ours(sirets))
    direct = select(DroitDirect.cible).where(DroitDirect.declarant_id.in_(people)).limit(most + 1).subquery()
    ours = select(Portefeuille.id).where(Portefeuille.siren == siren)
    members = select(PortefeuilleMembre.declarant_id).where(PortefeuilleMembre.portefeuille_id.in_(ours)).limit(most + 1).subquery()
    folders, clients = db.session.execute(
        select(func.count(), func.coalesce(func.sum(Portefeuille.clients), 0)).where(Portefeuille.siren == siren)
    ).one()
    counted = [db.session.scalar(select(func.count()).select_from(one)) or 0 for one in (direct, members)]
    return Explicites(counted[0], folders, int(clients), counted[1])


def held_sets(sirets: range, siren: int, now: datetime, most: int) -> dict[int, Masks]:
    """By person, all that is in force: given directly, or within what a portfolio with clients opens. Of each kind, `most` rows."""
    direct, membre = DroitDirect, PortefeuilleMembre
    people = select(Declarant.id).where(_ours(sirets))
    at = literal(now, direct.ends_at.type)
    own = select(direct.declarant_id, *(getattr(direct, droit) for droit in Droit)).where(
        direct.declarant_id.in_(people), is_live(direct, at)
    )
    through = select(membre.declarant_id, *ceiling()).join(Portefeuille, Portefeuille.id == membre.portefeuille_id)
    through = through.where(Portefeuille.siren == siren, Portefeuille.clients > 0, membre.declarant_id.in_(people), is_live(membre, at))
    found: dict[int, Masks] = {}
    for query in (own, through):
        for who, *masks in db.session.execute(select(query.limit(most).subquery()).distinct()):
            found[who] = found.get(who, NOTHING).union(Masks(*masks))
    return found


# ------------------------------------------------------------------------------------------------------- accounts that look shared

LOOKED_AT = 1_000
"""People of whom a page asks whether their account looks shared."""


def last_looked_at(sirets: range, *, after: int, most: int = LOOKED_AT) -> int | None:
    """The last of the next active people of a company, in order of identifiers; None when there are no more than that."""
    ours = select(Declarant.id).where(_ours(sirets), Declarant.id > after).cte("ours").prefix_with("MATERIALIZED")
    near = db.session.scalars(select(ours.c.id).order_by(ours.c.id).limit(2).offset(most - 1)).all()
    return near[0] if len(near) > 1 else None


def suspects(sirets: range, words: Collection[str], known: Collection[int], *, after: int, upto: int | None) -> list[tuple[Declarant, int]]:
    """Active people whose name or address holds one of these words, whose address is another's too, or who are known to be looked at; with
    how many accounts have their address. In order of identifiers: more than hints will keep, never less.
    """
    other = aliased(Declarant)
    same = select(func.count()).where(other.email == Declarant.email, other.email != "", _ours(sirets, other)).scalar_subquery()
    number = Declarant.id + constant(0)  # between two identifiers, planners would read the whole country
    ours = select(Declarant.id, Declarant.cle, Declarant.email, same.label("same")).where(_ours(sirets), number > after)
    here = (ours if upto is None else ours.where(number <= upto)).cte("ours").prefix_with("MATERIALIZED")
    text = here.c.cle + " " + func.lower(func.coalesce(here.c.email, ""))
    why = or_(here.c.same > 1, here.c.id.in_(known), *(text.contains(word) for word in sorted(words)))
    query = select(Declarant, here.c.same).join_from(here, Declarant, Declarant.id == here.c.id).where(why)
    return [(person, many) for person, many in db.session.execute(query.order_by(here.c.id))]


# --------------------------------------------------------------------------------------------------------------------- promotions


def _waiting(sirets: range) -> Select[PromotionProposee, Declarant]:
    """Proposals about a company's people that nobody decided on."""
    query = select(PromotionProposee, Declarant).join(Declarant, Declarant.id == PromotionProposee.declarant_id)
    return query.where(_ours(sirets), PromotionProposee.decided_at.is_(None))


def promotions(sirets: range, *, after: Position, limit: int) -> list[tuple[PromotionProposee, Declarant]]:
    """In order of people, then of companies."""
    place = (PromotionProposee.declarant_id, PromotionProposee.siren)
    query = _waiting(sirets).where(tuple_(*place) > tuple_(literal(after.source), literal(after.cible)))
    return [(found, person) for found, person in db.session.execute(query.order_by(*place).limit(limit))]


def count_promotions(sirets: range, most: int) -> int:
    """How many wait; `most` + 1 for more."""
    first = _waiting(sirets).with_only_columns(PromotionProposee.declarant_id).limit(most + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(first)) or 0


def is_proposed(sirets: range, declarant_id: int, siren: int) -> bool:
    """Whether this very proposal waits."""
    query = _waiting(sirets).where(PromotionProposee.declarant_id == declarant_id, PromotionProposee.siren == siren)
    return db.session.execute(query).first() is not None
