"""People and invitations that a partner sees: of the companies that entrusted them to it, and no others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scim2_models.path import FilterNode
from sqlalchemy import String, and_, case, func, literal, or_, select, true, type_coerce, union_all
from sqlalchemy.orm import aliased

from idp.database import BigInt, db
from idp.declarants.equipe.models import Invitation
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from partners.scim.filtres.models import Condition, Sql, unsupported
from partners.scim.models import CompteScim, Delegation, within

INVITED = "invite"
SHOWN = (Statut.ACTIF, Statut.SUSPENDU)


@dataclass(frozen=True, slots=True)
class Fiche:
    """Somebody, inscribed or invited, as the database tells them."""

    sorte: int
    """0 for who is inscribed, 1 for who is invited."""
    numero: int
    uid: str
    siret: int
    cle: str
    nom: str
    prenom: str
    email: str | None
    statut: str
    role: str
    created: datetime
    modified: datetime
    external_id: str | None
    sub: str | None

    @property
    def user_name(self) -> str:
        return f"{self.cle.replace(' ', '-').replace('|', '.')}@{self.siret:014}"


class Annuaire:
    """What one client sees at one instant."""

    def __init__(self, code: str, client_id: str, now: datetime) -> None:
        self.code, self.client_id = code, client_id
        people, compte = self._everybody(now).subquery("personnes"), aliased(CompteScim)
        modified = case((compte.updated_at > people.c.modified, compte.updated_at), else_=people.c.modified).label("modified")
        own = [column for column in people.c if column.name != "modified"]
        self.rows = (
            select(*own, modified, compte.external_id.label("external_id"), compte.sub.label("sub"))
            .outerjoin(compte, and_(compte.client_id == client_id, compte.uid == people.c.uid))
            .subquery("fiches")
        )

    def _everybody(self, now: datetime) -> Any:
        places = Delegation.places(self.code)
        person, guest = aliased(Declarant), aliased(Invitation)
        here = select(person.id).join(places, within(person.siret, places))
        awaited = select(guest.id).join(places, within(guest.siret, places))
        inscribed = select(
            literal(0).label("sorte"),
            Declarant.id.label("numero"),
            Declarant.uid.label("uid"),
            type_coerce(Declarant.siret, BigInt).label("siret"),
            Declarant.cle.label("cle"),
            Declarant.nom.label("nom"),
            Declarant.prenom.label("prenom"),
            Declarant.email.label("email"),
            type_coerce(Declarant.statut, String).label("statut"),
            type_coerce(Declarant.role, String).label("role"),
            Declarant.opened_at.label("created"),
            Declarant.updated_at.label("modified"),
        ).where(Declarant.id.in_(here), Declarant.statut.in_(SHOWN))
        invited = select(
            literal(1),
            Invitation.id,
            Invitation.uid,
            type_coerce(Invitation.siret, BigInt),
            Invitation.cle,
            Invitation.nom,
            Invitation.prenom,
            Invitation.email,
            literal(INVITED),
            type_coerce(Invitation.role, String),
            Invitation.created_at,
            Invitation.sent_at,
        ).where(Invitation.id.in_(awaited), Invitation.uid.is_not(None), Invitation.closed_at.is_(None), Invitation.expires_at > now)
        return union_all(inscribed, invited)

    # ------------------------------------------------------------------------------------------------------------ questions

    def count(self, where: Condition) -> int:
        return db.session.scalar(select(func.count()).select_from(self.rows).where(where)) or 0

    def page(
        self, where: Condition, *, limit: int, offset: int = 0, order: Any = None, after: tuple[int, int] | None = None
    ) -> list[Fiche]:
        """In the order asked, else as they came; from a rank, or after somebody."""
        c = self.rows.c
        query = select(*(c[name] for name in Fiche.__slots__)).where(where)
        if after is not None:
            query = query.where(or_(c.sorte > after[0], and_(c.sorte == after[0], c.numero > after[1])))
        first = [order] if order is not None else []
        found = db.session.execute(query.order_by(*first, c.sorte, c.numero).limit(limit).offset(offset))
        return [Fiche(*row) for row in found]

    def one(self, uid: str) -> Fiche | None:
        return next(iter(self.page(self.rows.c.uid == uid, limit=1)), None)

    def unnamed(self) -> list[str]:
        """Those whose subject this client was not told by SCIM yet."""
        return list(db.session.scalars(select(self.rows.c.uid).where(self.rows.c.sub.is_(None))))

    def where(self, node: FilterNode | None, find: Callable[[str], str | None]) -> Condition:
        """The condition of a filter. `find` leads from an `id` to a `uid`. Raises InvalidFilterException."""
        return Sql(self.rows.c, find).visit(node) if node is not None else true()

    def order(self, path: str, *, descending: bool) -> Any:
        """RFC 7644 section 3.4.2.3. Raises InvalidFilterException."""
        column = self._sortable().get(path)
        if column is None:
            raise unsupported(f"sorting by {path}")
        return column.desc() if descending else column.asc()

    def _sortable(self) -> Mapping[str, Any]:
        c = self.rows.c
        return {
            "username": c.cle,
            "name": c.cle,
            "name.familyname": c.cle,
            "emails": c.email,
            "emails.value": c.email,
            "externalid": c.external_id,
            "meta.created": c.created,
            "meta.lastmodified": c.modified,
            "siret": c.siret,
            "statut": c.statut,
        }
