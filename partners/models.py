"""Partners and their OAuth clients. What a client may do is its metadata, in the terms of RFC 7591, read by `client.py`."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.database import Json, Model, Statement, db


class Partenaire(Model):
    """An organisation that relies on MAG."""

    __tablename__ = "partenaires"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(60), unique=True)
    """Short name, for commands and the journal: `jedeclare`."""
    nom: Mapped[str] = mapped_column(String(120))
    contact: Mapped[str | None] = mapped_column(String(254))
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    clients: Mapped[list["OAuthClient"]] = relationship(back_populates="partenaire", order_by="OAuthClient.client_id")

    @classmethod
    def every(cls) -> list[Self]:
        """By code."""
        return list(db.session.scalars(select(cls).order_by(cls.code)))

    @classmethod
    def with_code(cls, code: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(code=code))


class OAuthClient(Model):
    """One client of a partner (RFC 6749 section 2)."""

    __tablename__ = "clients"

    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"), index=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    client_metadata: Mapped[dict[str, Any]] = mapped_column(Json)
    """RFC 7591 section 2, and MAG's own members (docs/partenaires.md)."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    partenaire: Mapped[Partenaire] = relationship(back_populates="clients")
    secrets: Mapped[list["ClientSecret"]] = relationship(
        back_populates="client", order_by="ClientSecret.created_at", cascade="all, delete-orphan"
    )


class ClientSecret(Model):
    """A live secret of a client; at most two, so that a partner changes without a stop."""

    __tablename__ = "client_secrets"

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of 256 random bits."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    client: Mapped[OAuthClient] = relationship(back_populates="secrets")

    @classmethod
    def is_known(cls, secret_hash: str) -> bool:
        """Whoever's it is, live or not."""
        return db.session.scalar(select(cls.id).filter_by(secret_hash=secret_hash)) is not None


EVERY_CLIENT = Statement(
    lambda: (
        select(OAuthClient.client_id, OAuthClient.client_metadata, Partenaire.code, Partenaire.nom)
        .join(Partenaire, Partenaire.id == OAuthClient.partenaire_id)
        .where(OAuthClient.enabled.is_(True), Partenaire.enabled.is_(True))
    )
)
EVERY_SECRET = Statement(lambda: select(ClientSecret.client_id, ClientSecret.secret_hash, ClientSecret.expires_at))
