"""The table of service providers: what their metadata say (`described`), what the operator decided (`choices`)."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, LargeBinary, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.database import Json, Model, Statement, db
from partners.models import Partenaire


class FournisseurDeService(Model):
    """One service provider of a partner, which may have OpenID Connect clients beside."""

    __tablename__ = "service_providers"

    code: Mapped[str] = mapped_column(String(60), primary_key=True)
    """Short name, for commands, the journal and agreements: `saml:code` there."""
    entity_id: Mapped[str] = mapped_column(String(1024), unique=True)
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"), index=True)
    nom: Mapped[str] = mapped_column(String(120))
    enabled: Mapped[bool] = mapped_column(default=True)
    described: Mapped[dict[str, Any]] = mapped_column(Json)
    choices: Mapped[dict[str, Any]] = mapped_column(Json)
    source_url: Mapped[str | None] = mapped_column(String(1000))
    """Where its metadata are read again."""
    pinned: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The certificate that signs them, in DER."""
    valid_until: Mapped[datetime | None]
    """The first of its ends: of its metadata, of its certificates."""
    read_at: Mapped[datetime]
    warned_until: Mapped[datetime | None]
    """Which end its partner was last warned of."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    partenaire: Mapped[Partenaire] = relationship()

    @classmethod
    def every(cls) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.code)))

    @classmethod
    def with_entity_id(cls, entity_id: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(entity_id=entity_id))


EVERY_PROVIDER = Statement(
    lambda: (
        select(
            FournisseurDeService.code,
            FournisseurDeService.entity_id,
            FournisseurDeService.nom,
            Partenaire.code,
            FournisseurDeService.described,
            FournisseurDeService.choices,
        )
        .join(Partenaire, Partenaire.id == FournisseurDeService.partenaire_id)
        .where(FournisseurDeService.enabled.is_(True), Partenaire.enabled.is_(True))
        .order_by(FournisseurDeService.code)
    )
)
