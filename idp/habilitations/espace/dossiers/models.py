"""The portfolios of a company, and a page of their clients and members."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from idp.database import db
from idp.declarants.models import Declarant
from idp.habilitations.droits import Droit, Masks, union
from idp.habilitations.espace.models import Ranges, within
from idp.habilitations.models import Operation, Portefeuille, PortefeuilleClient, PortefeuilleMembre


def member_ids(portefeuille_id: int) -> list[int]:
    query = select(PortefeuilleMembre.declarant_id).where(PortefeuilleMembre.portefeuille_id == portefeuille_id)
    return list(db.session.scalars(query.order_by(PortefeuilleMembre.declarant_id)))


def first_targets(portefeuille_id: int, limit: int) -> list[int]:
    client = PortefeuilleClient
    query = select(client.cible).where(client.portefeuille_id == portefeuille_id).distinct().order_by(client.cible)
    return list(db.session.scalars(query.limit(limit)))


@dataclass(frozen=True, slots=True)
class Fiche:
    """A portfolio in a list."""

    portefeuille: Portefeuille
    membres: int


def page(siren: int, *, text: str, after: int, limit: int) -> list[Fiche]:
    """The portfolios of a company by identifier, those whose name holds a text. Two statements."""
    query = select(Portefeuille).where(Portefeuille.siren == siren, Portefeuille.id > after)
    if text:
        query = query.where(func.lower(Portefeuille.nom).contains(text.lower(), autoescape=True))
    found = list(db.session.scalars(query.order_by(Portefeuille.id).limit(limit)))
    membre = PortefeuilleMembre
    counted = select(membre.portefeuille_id, func.count()).where(membre.portefeuille_id.in_([one.id for one in found]))
    members: dict[int, int] = dict(db.session.execute(counted.group_by(membre.portefeuille_id)).all())
    return [Fiche(one, members.get(one.id, 0)) for one in found]


def clients(portefeuille_id: int, *, after: int, limit: int, ranges: Ranges = ()) -> list[int]:
    """Targets of the content, by number."""
    client = PortefeuilleClient
    query = select(client.cible).where(client.portefeuille_id == portefeuille_id, client.cible > after)
    query = query.where(within(client.cible, ranges)) if ranges else query
    return list(db.session.scalars(query.distinct().order_by(client.cible).limit(limit)))


def content(portefeuille_id: int, cibles: Sequence[int]) -> dict[int, list[PortefeuilleClient]]:
    """What is open for some clients, dates included."""
    client = PortefeuilleClient
    query = select(client).where(client.portefeuille_id == portefeuille_id, client.cible.in_(cibles))
    found: dict[int, list[PortefeuilleClient]] = {cible: [] for cible in cibles}
    for row in db.session.scalars(query.order_by(client.cible, client.effective_from)):
        found[row.cible].append(row)
    return found


def members(portefeuille_id: int, *, after: int, limit: int) -> list[tuple[PortefeuilleMembre, Declarant]]:
    membre = PortefeuilleMembre
    query = select(membre, Declarant).join(Declarant, Declarant.id == membre.declarant_id)
    query = query.where(membre.portefeuille_id == portefeuille_id, membre.declarant_id > after).order_by(membre.declarant_id)
    return [(one, person) for one, person in db.session.execute(query.limit(limit))]


def opened(portefeuille_id: int) -> Masks:
    """What is open for at least one client."""
    columns = (func.bit_or(getattr(PortefeuilleClient, d)) for d in Droit)
    row = db.session.execute(select(*columns).where(PortefeuilleClient.portefeuille_id == portefeuille_id)).one()
    return union([Masks(*(mask or 0 for mask in row))])


def named(siren: int, nom: str) -> bool:
    """Whether a portfolio of the company has this name."""
    query = select(Portefeuille.id).where(Portefeuille.siren == siren, func.lower(Portefeuille.nom) == nom.lower())
    return db.session.scalar(query.limit(1)) is not None


def belongs(operation_id: int | None, portefeuille_id: int) -> None:
    """An operation is about a portfolio that it has just opened."""
    operation = db.session.get(Operation, operation_id) if operation_id else None
    if operation is not None:
        operation.portefeuille_id = portefeuille_id
