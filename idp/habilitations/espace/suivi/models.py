"""Who holds rights and does not come, portfolios that serve nobody, establishments that closed. Each list is bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Etablissement
from idp.habilitations.models import DroitDirect, Portefeuille, PortefeuilleMembre, plain
from idp.habilitations.plat.models import PromotionProposee


def _ours(sirets: range) -> ColumnElement[bool]:
    return and_(Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.statut == Statut.ACTIF)


def unused_since(sirets: range, since: datetime, *, after: int, limit: int) -> list[Declarant]:
    """Active people who hold something and did not sign in since then, in order of identifiers."""
    direct, membre = DroitDirect, PortefeuilleMembre
    holds = or_(exists().where(direct.declarant_id == Declarant.id), exists().where(membre.declarant_id == Declarant.id))
    quiet = func.coalesce(Declarant.seen_at, Declarant.opened_at) < since
    query = select(Declarant).where(_ours(sirets), quiet, holds, Declarant.id > after)
    return list(db.session.scalars(query.order_by(Declarant.id).limit(limit)))


def idle_portfolios(siren: int, limit: int) -> list[tuple[Portefeuille, str]]:
    """Portfolios without member, or without client."""
    empty = ~exists().where(PortefeuilleMembre.portefeuille_id == Portefeuille.id)
    query = select(Portefeuille, empty).where(Portefeuille.siren == siren, or_(empty, Portefeuille.clients == 0))
    rows = db.session.execute(query.order_by(Portefeuille.id).limit(limit))
    return [(found, "aucun membre" if nobody else "aucun client") for found, nobody in rows]


MOST_READ = 10_000
"""Direct rights of a company's people that are looked at for closed establishments."""


def closed_establishments(sirets: range, limit: int) -> list[tuple[int, int]]:
    """Establishments that the directory says are closed and on which rights were given directly, with how many people."""
    direct = DroitDirect
    people = select(Declarant.id).where(_ours(sirets))
    first = select(direct.cible, direct.declarant_id).where(direct.declarant_id.in_(people)).limit(MOST_READ).subquery()
    closed = select(first.c.cible, func.count(first.c.declarant_id.distinct())).join(
        Etablissement, and_(plain(Etablissement.siret) == first.c.cible, Etablissement.actif.is_(False))
    )
    return [(cible, many) for cible, many in db.session.execute(closed.group_by(first.c.cible).order_by(first.c.cible).limit(limit))]


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


def same_address(emails: Sequence[str], sirets: range) -> dict[str, int]:
    """How many active accounts have each address."""
    query = select(Declarant.email, func.count()).where(Declarant.email.in_(emails), _ours(sirets))
    return {email: many for email, many in db.session.execute(query.group_by(Declarant.email)) if email}


def promotions(sirets: range, limit: int) -> list[tuple[PromotionProposee, Declarant]]:
    """Proposals about a company's people that nobody decided on, the first made first."""
    query = select(PromotionProposee, Declarant).join(Declarant, Declarant.id == PromotionProposee.declarant_id)
    query = query.where(_ours(sirets), PromotionProposee.decided_at.is_(None))
    rows = db.session.execute(query.order_by(PromotionProposee.declarant_id, PromotionProposee.siren).limit(limit))
    return [(found, person) for found, person in rows]
