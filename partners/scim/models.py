"""What companies entrusted to partners, and how partners name the people they manage."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, Index, String, and_, case, delete, exists, func, not_, or_, select, text, type_coerce, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.audit.models import AuditEvent
from idp.database import BigInt, Model, db
from idp.declarants.equipe.models import Invitation
from idp.declarants.models import ADMINISTERS, Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise, SiretColumn
from idp.entreprises.siret import Siret
from partners.models import OAuthClient, Partenaire

OPEN = text("closed_at IS NULL")
OF_A_COMPANY = 100_000
AT_ONCE = 500
"""Rows of one statement: three variables each, of which databases take a limited number."""


class Delegation(Model):
    """The people of the establishment that an administrator manages, or of the whole company from its head office, entrusted to a partner.

    In force as long as whoever gave it administers there. Rows are opened and closed, never rewritten.
    """

    __tablename__ = "scim_delegations"
    __table_args__ = (
        Index("uq_scim_delegations_ouverte", "partenaire_id", "siret", unique=True, postgresql_where=OPEN, sqlite_where=OPEN),
        Index("ix_scim_delegations_siret", "siret"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"))
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    """Of whoever gave it."""
    opened_at: Mapped[datetime]
    opened_by: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("declarants.id"))
    partenaire: Mapped[Partenaire] = relationship()
    giver: Mapped[Declarant] = relationship(foreign_keys=[opened_by])

    @classmethod
    def open(cls, partenaire: Partenaire, giver: Declarant, now: datetime) -> bool:
        """False: this establishment had entrusted itself to this partner already, a moment ago."""
        row = cls(partenaire_id=partenaire.id, siret=giver.siret, opened_at=now, opened_by=giver.id)
        try:
            with db.session.begin_nested():
                db.session.add(row)
        except IntegrityError:
            return False
        return True

    @classmethod
    def here(cls, siret: Siret) -> list[Self]:
        """Open ones of the company of this establishment, the partner's name first."""
        within = siret.siren.sirets
        query = select(cls).join(Partenaire).where(cls.closed_at.is_(None), cls.siret >= within.start, cls.siret < within.stop)
        return list(db.session.scalars(query.order_by(Partenaire.nom, cls.siret)))

    def close(self, by: int, now: datetime) -> bool:
        """Whether this ended it: of two at once, one did."""
        kind = type(self)
        ended = update(kind).where(kind.id == self.id, kind.closed_at.is_(None)).values(closed_at=now, closed_by=by).returning(kind.id)
        return db.session.scalar(ended, execution_options={"synchronize_session": False}) is not None

    @property
    def in_force(self) -> bool:
        return self.closed_at is None and self.giver.may_administer(self.siret)

    @classmethod
    def givers(cls, code: str, siret: Siret) -> list[Declarant]:
        """Those whose word opens this establishment to a partner: of the establishment itself first, then of the head office."""
        within = siret.siren.sirets
        query = select(Declarant).join(cls, cls.opened_by == Declarant.id).join(Partenaire)
        query = query.where(Partenaire.code == code, cls.closed_at.is_(None), cls.siret >= within.start, cls.siret < within.stop)
        found = [one for one in db.session.scalars(query.order_by(Declarant.id)) if one.may_administer(siret)]
        return sorted(found, key=lambda one: one.siret != siret)

    @classmethod
    def places(cls, code: str) -> Any:
        """First and last number of the establishments entrusted to a partner, as rows: `may_administer`, in SQL."""
        own, siren = type_coerce(cls.siret, BigInt), type_coerce(Entreprise.siren, BigInt)
        at_head_office = func.coalesce(Entreprise.nic_siege, own % OF_A_COMPANY) == own % OF_A_COMPANY
        low = case((at_head_office, own - own % OF_A_COMPANY), else_=own).label("low")
        high = case((at_head_office, own - own % OF_A_COMPANY + OF_A_COMPANY - 1), else_=own).label("high")
        query = select(low, high).select_from(cls).join(Partenaire).join(Declarant, Declarant.id == cls.opened_by)
        query = query.outerjoin(Entreprise, siren == own // OF_A_COMPANY)
        return query.where(Partenaire.code == code, cls.closed_at.is_(None), *ADMINISTERS).subquery("places")

    @classmethod
    def last_acts(cls, codes: list[str], sirets: range, limit: int = 10) -> list[tuple[AuditEvent, str | None]]:
        """What partners did lately to the people of these establishments, and the names of those who are still there."""
        line = AuditEvent
        named = select(line, Declarant.prenom + " " + Declarant.nom).outerjoin(Declarant, Declarant.id == line.declarant_id)
        named = named.where(line.kind == "PersonManaged", line.siret >= sirets.start, line.siret < sirets.stop)
        found = db.session.execute(named.order_by(line.id.desc()).limit(limit))
        return [(one, name) for one, name in found if one.details.get("partenaire") in codes]


class CompteScim(Model):
    """A person, or somebody invited, as one client names them."""

    __tablename__ = "scim_comptes"
    __table_args__ = (Index("uq_scim_comptes_uid", "client_id", "uid", unique=True), Index("ix_scim_comptes_uid", "uid"))

    client_id: Mapped[str] = mapped_column(ForeignKey(OAuthClient.client_id, ondelete="CASCADE"), primary_key=True)
    sub: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Its subject of the person: what SCIM calls `id`."""
    uid: Mapped[str] = mapped_column(String(40))
    external_id: Mapped[str | None] = mapped_column(String(255))
    updated_at: Mapped[datetime | None]
    """When the client last changed its own identifier of the person."""

    @classmethod
    def remember(cls, client_id: str, subjects: Mapping[str, str]) -> None:
        """`sub` of each `uid`, so that it leads back to the person."""
        insert = postgresql_insert if db.engine.dialect.name == "postgresql" else sqlite_insert
        told = [{"client_id": client_id, "uid": uid, "sub": sub} for uid, sub in sorted(subjects.items())]
        for first in range(0, len(told), AT_ONCE):
            rows = insert(cls).values(told[first : first + AT_ONCE])
            db.session.execute(rows.on_conflict_do_update(index_elements=["client_id", "uid"], set_={"sub": rows.excluded.sub}))

    @classmethod
    def name(cls, client_id: str, uid: str, sub: str, external_id: str | None, now: datetime) -> None:
        """The client's own identifier of a person."""
        cls.remember(client_id, {uid: sub})
        changed = update(cls).where(cls.client_id == client_id, cls.uid == uid).values(external_id=external_id, updated_at=now)
        db.session.execute(changed, execution_options={"synchronize_session": False})

    @classmethod
    def uid_of(cls, client_id: str, sub: str) -> str | None:
        return db.session.scalar(select(cls.uid).where(cls.client_id == client_id, cls.sub == sub))

    @classmethod
    def told(cls, declarant_id: int) -> list[dict[str, Any]]:
        """How partners name this person, for the file of what MAG keeps."""
        query = select(cls.external_id, Partenaire.nom).join(OAuthClient, OAuthClient.client_id == cls.client_id)
        query = query.join(Partenaire, Partenaire.id == OAuthClient.partenaire_id).join(Declarant, Declarant.uid == cls.uid)
        found = db.session.execute(query.where(Declarant.id == declarant_id).order_by(Partenaire.nom))
        return [{"partenaire": nom, "identifiant_chez_lui": external_id} for external_id, nom in found]

    @classmethod
    def purge(cls, _now: datetime) -> int:
        """Erase how partners named those who left, or whose invitation is over; how many."""
        person = exists().where(Declarant.uid == cls.uid, Declarant.statut != Statut.RADIE)
        invited = exists().where(Invitation.uid == cls.uid, Invitation.closed_at.is_(None))
        dead = delete(cls).where(not_(or_(person, invited))).returning(cls.uid)
        return len(db.session.execute(dead, execution_options={"synchronize_session": False}).all())


def within(column: Any, places: Any) -> Any:
    """Whether a column of SIRET is of one of these places."""
    number = type_coerce(column, BigInt)
    return and_(number >= places.c.low, number <= places.c.high)
