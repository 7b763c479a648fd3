"""Operations of a company's administrators, and the places that one of them touched."""

from collections.abc import Collection
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import func, select, union

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.droits import NOTHING, Masks
from idp.habilitations.droits import union as joined
from idp.habilitations.espace.cellules import Place
from idp.habilitations.historique.models import LIVE, MASKS, Live, SetClos, restored
from idp.habilitations.models import Operation, Portefeuille, PortefeuilleClient, PortefeuilleMembre


def people_of(ids: Collection[int]) -> dict[int, Declarant]:
    return {one.id: one for one in db.session.scalars(select(Declarant).where(Declarant.id.in_(ids)))}


def operations(sirets: range, before: int, limit: int) -> list[tuple[Operation, Declarant]]:
    """What administrators of these establishments did, the latest first. From the people: by the order asked, planners would read
    the operations of the whole country.
    """
    theirs = select(Operation.id).join_from(Declarant, Operation, Operation.by_id == Declarant.id)
    theirs = theirs.where(Declarant.siret >= sirets.start, Declarant.siret < sirets.stop)
    found = (theirs.where(Operation.id < before) if before else theirs).cte("theirs").prefix_with("MATERIALIZED")
    query = select(Operation, Declarant).join_from(found, Operation, Operation.id == found.c.id)
    query = query.join(Declarant, Declarant.id == Operation.by_id).order_by(found.c.id.desc()).limit(limit)
    return [(operation, by) for operation, by in db.session.execute(query)]


def undone_by(ids: Collection[int]) -> dict[int, int]:
    """Of these operations, those that were undone, and by which."""
    query = select(Operation.annule_id, Operation.id).where(Operation.annule_id.in_(ids))
    return {undone: by for undone, by in db.session.execute(query) if undone is not None}


def since(portefeuille_id: int, after: int, limit: int = 10) -> list[tuple[Operation, Declarant | None]]:
    """Operations that changed a portfolio after one, the first ones first."""
    query = (
        select(Operation, Declarant)
        .outerjoin(Declarant, Declarant.id == Operation.by_id)
        .where(Operation.portefeuille_id == portefeuille_id, Operation.id > after)
    )
    return [(operation, by) for operation, by in db.session.execute(query.order_by(Operation.id).limit(limit))]


def last_on(portefeuille_id: int) -> int:
    """The last operation that changed a portfolio; 0 for none."""
    query = select(Operation.id).where(Operation.portefeuille_id == portefeuille_id).order_by(Operation.id.desc()).limit(1)
    return db.session.scalar(query) or 0


def _touched(operation_id: int, genre: str) -> Any:
    """Subjects and targets that an operation opened, changed or closed."""
    live = next(one for one in LIVE if one.genre == genre)
    opened = select(live.sujet.label("sujet"), live.cible.label("cible")).where(live.kind.operation_id == operation_id)
    closed = select(SetClos.sujet, SetClos.cible).where(SetClos.closed_by == operation_id, SetClos.genre == genre)
    return union(opened, closed).subquery(f"touched_{genre}")


def places(operation_id: int, limit: int) -> list[Place]:
    """Accounts and targets whose rights an operation may have changed, `limit` at most."""
    client, membre = PortefeuilleClient, PortefeuilleMembre
    direct, excluded, content, members = (_touched(operation_id, genre) for genre in "dxcm")
    container = union(
        select(SetClos.sujet).where(SetClos.closed_by == operation_id, SetClos.genre == "p"),
        select(Portefeuille.id).where(Portefeuille.operation_id == operation_id),
    ).subquery("containers")
    queries: tuple[Any, ...] = (
        select(direct.c.sujet, direct.c.cible),
        select(excluded.c.sujet, excluded.c.cible),
        select(membre.declarant_id, content.c.cible).join(content, content.c.sujet == membre.portefeuille_id),
        select(members.c.sujet, client.cible).join(client, client.portefeuille_id == members.c.cible),
        select(membre.declarant_id, client.cible)
        .join(client, client.portefeuille_id == membre.portefeuille_id)
        .where(membre.portefeuille_id.in_(select(container.c.sujet))),
    )
    every = union(*(query.limit(limit).subquery().select() for query in queries)).subquery("every")
    return [(who, cible) for who, cible in db.session.execute(select(every.c[0], every.c[1]).limit(limit))]


def portefeuilles_of(operation_id: int) -> list[int]:
    """Portfolios that an operation wrote in."""
    content, members = (_touched(operation_id, genre) for genre in "cm")
    whole = select(SetClos.sujet).where(SetClos.closed_by == operation_id, SetClos.genre == "p")
    opened = select(Portefeuille.id).where(Portefeuille.operation_id == operation_id)
    return list(db.session.scalars(union(select(content.c.sujet), select(members.c.cible), whole, opened)))


def rights_written(operation_id: int, now: datetime) -> int:
    """How many rights an operation gave, withdrew or moved to other dates, whenever they open: what is effective today does not tell.

    A right of a client counts for each member, and once where there is none yet; a membership, for each client.
    """
    direct, excluded, content, members = (_written(operation_id, live, now) for live in LIVE)
    held = {whose: _members(whose) for whose in {portefeuille for portefeuille, _ in content}}
    clients = {whose: _content(whose, now) for whose in {portefeuille for _, portefeuille in members}}
    return (
        sum(map(_count, chain(direct.values(), excluded.values())))
        + sum(_count(masks) * max(1, held[portefeuille]) for (portefeuille, _), masks in content.items())
        + sum(
            _count(masks.common(given)) * several
            for (_, portefeuille), masks in members.items()
            for given, several in clients[portefeuille].items()
        )
    )


def _count(masks: Masks) -> int:
    return sum(mask.bit_count() for mask in masks)


def _written(operation_id: int, live: Live, now: datetime) -> dict[Place, Masks]:
    """By subject and place, the rights that are not as they were: their rows before and after, without what both have."""
    closed = select(*live.closed_columns).where(restored(operation_id, live.genre))
    opened = select(*live.columns).where(live.kind.operation_id == operation_id)
    rows: dict[tuple[Any, ...], Masks] = {}
    for row in chain(db.session.execute(closed), db.session.execute(opened)):
        key, masks = tuple(row[: -len(MASKS)]), Masks(*row[-len(MASKS) :])
        seen = rows.get(key, NOTHING)
        rows[key] = seen.union(masks).minus(seen.common(masks))
    found: dict[Place, list[Masks]] = {}
    for (sujet, cible, *dates), masks in rows.items():
        if any(masks) and (not dates or dates[-1] > now):
            found.setdefault((sujet, cible), []).append(masks)
    return {place: joined(several) for place, several in found.items()}


def _members(portefeuille_id: int) -> int:
    query = select(func.count()).select_from(PortefeuilleMembre).where(PortefeuilleMembre.portefeuille_id == portefeuille_id)
    return db.session.scalar(query) or 0


def _content(portefeuille_id: int, now: datetime) -> dict[Masks, int]:
    """What the clients of a portfolio have, today or later, and how many have it."""
    client = PortefeuilleClient
    columns = [getattr(client, name) for name in MASKS]
    query = select(func.count(), *columns).where(client.portefeuille_id == portefeuille_id, client.ends_at > now).group_by(*columns)
    return {Masks(*masks): several for several, *masks in db.session.execute(query)}
