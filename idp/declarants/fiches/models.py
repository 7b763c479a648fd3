"""What MAG last knew of the card of an establishment that somebody administers."""

from datetime import date, datetime
from typing import Any, Self

from sqlalchemy import exists, or_, select, type_coerce
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Json, Model, db
from idp.declarants.models import ADMINISTERS, Declarant
from idp.entreprises.models import Entreprise, Etablissement, SiretColumn
from idp.entreprises.siret import Siret


class FicheConnue(Model):
    """One card: what a person is shown of it, and the dates of the directory that it comes from."""

    __tablename__ = "fiches_connues"

    siret: Mapped[Siret] = mapped_column(SiretColumn, primary_key=True, autoincrement=False)
    carte: Mapped[dict[str, Any]] = mapped_column(Json)
    mis_a_jour: Mapped[date | None]
    """Of the establishment, as the directory says."""
    entreprise_mise_a_jour: Mapped[date | None]
    known_at: Mapped[datetime]

    @classmethod
    def to_read(cls, after: int, limit: int) -> list[tuple[Etablissement, date | None, Self | None]]:
        """Establishments that somebody administers whose card is not known, or that the directory touched since; by SIRET.

        With each, when the directory last touched its company, and its card as it was known.
        """
        administered = exists().where(Declarant.siret == Etablissement.siret, *ADMINISTERS)
        touched = or_(
            cls.siret.is_(None),
            cls.mis_a_jour.is_distinct_from(Etablissement.mis_a_jour),
            cls.entreprise_mise_a_jour.is_distinct_from(Entreprise.mis_a_jour),
        )
        siren = type_coerce(Etablissement.siret, BigInt) // 100_000
        query = (
            select(Etablissement, Entreprise.mis_a_jour, cls)
            .outerjoin(Entreprise, type_coerce(Entreprise.siren, BigInt) == siren)
            .outerjoin(cls, cls.siret == Etablissement.siret)
            .where(administered, touched, Etablissement.siret > after)
            .order_by(Etablissement.siret)
            .limit(limit)
        )
        return [(place, company, known) for place, company, known in db.session.execute(query)]

    @classmethod
    def keep(cls, siret: Siret, carte: dict[str, Any], dates: tuple[date | None, date | None], now: datetime) -> None:
        db.session.merge(cls(siret=siret, carte=carte, mis_a_jour=dates[0], entreprise_mise_a_jour=dates[1], known_at=now))
