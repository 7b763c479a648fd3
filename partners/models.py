"""Partners and their OAuth clients. What a client may do is its metadata, in the terms of RFC 7591, read by `client.py`."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, LargeBinary, String, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
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

    @classmethod
    def ensure(cls, code: str, nom: str, now: datetime) -> bool:
        """Whether this made the partner: of any number of callers at once, one does, and the others find it."""
        dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
        row = dialect.insert(cls).values(code=code, nom=nom, enabled=True, created_at=now).on_conflict_do_nothing(index_elements=["code"])
        return db.session.execute(row.returning(cls.id)).first() is not None


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
    expires_at: Mapped[datetime | None]
    """A client of the sandbox ends by itself."""
    partenaire: Mapped[Partenaire] = relationship(back_populates="clients")
    secrets: Mapped[list["ClientSecret"]] = relationship(
        back_populates="client", order_by="ClientSecret.created_at", cascade="all, delete-orphan"
    )
    registration: Mapped["Registration | None"] = relationship(back_populates="client", cascade="all, delete-orphan")

    @classmethod
    def count_of(cls, code: str, now: datetime) -> int:
        """Clients of a partner that have not ended."""
        living = or_(cls.expires_at.is_(None), cls.expires_at > now)
        counting = select(func.count()).select_from(cls).join(Partenaire).where(Partenaire.code == code, living)
        return db.session.scalar(counting) or 0

    @classmethod
    def ended(cls, now: datetime) -> list[Self]:
        """Those whose time has come."""
        return list(db.session.scalars(select(cls).where(cls.expires_at <= now)))


class ClientSecret(Model):
    """A live secret of a client; at most two, so that a partner changes without a stop."""

    __tablename__ = "client_secrets"

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), index=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of 256 random bits."""
    secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The secret itself, for a client of `client_secret_jwt` alone: a signature cannot be checked with a digest."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    client: Mapped[OAuthClient] = relationship(back_populates="secrets")

    @classmethod
    def is_known(cls, secret_hash: str) -> bool:
        """Whoever's it is, live or not."""
        return db.session.scalar(select(cls.id).filter_by(secret_hash=secret_hash)) is not None


class Registration(Model):
    """How a client registered itself (RFC 7591), and who may change it (RFC 7592)."""

    __tablename__ = "client_registrations"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id"), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of its registration access token."""
    origin: Mapped[str] = mapped_column(String(20))
    """What opened the door: `initial_token`, `statement`, `open`, `sandbox`."""
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    """What it may give itself (`registration.py`), the same for its whole life."""
    statement: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """Members that its software statement fixed."""
    client: Mapped[OAuthClient] = relationship(back_populates="registration")


class InitialToken(Model):
    """Lets somebody register clients for a partner (RFC 7591 section 3)."""

    __tablename__ = "initial_access_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    uses_left: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    partenaire: Mapped[Partenaire] = relationship()

    @classmethod
    def with_hash(cls, token_hash: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(token_hash=token_hash))

    @classmethod
    def every(cls) -> list[Self]:
        """The oldest first."""
        return list(db.session.scalars(select(cls).order_by(cls.id)))

    def spend(self, now: datetime) -> bool:
        """One use less; False when none was left. Of two at once, the last use is one's."""
        usable = update(InitialToken).where(InitialToken.id == self.id, InitialToken.uses_left > 0, InitialToken.expires_at > now)
        spent = db.session.execute(
            usable.values(uses_left=InitialToken.uses_left - 1).returning(InitialToken.id), execution_options={"synchronize_session": False}
        )
        return spent.first() is not None

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Remove those that open nothing any more; how many."""
        dead = delete(cls).where(or_(cls.expires_at <= now, cls.uses_left <= 0)).returning(cls.id)
        return len(db.session.execute(dead, execution_options={"synchronize_session": False}).all())


class Publisher(Model):
    """A publisher of software whose statements are believed (RFC 7591 section 2.3)."""

    __tablename__ = "software_publishers"

    id: Mapped[int] = mapped_column(primary_key=True)
    partenaire_id: Mapped[int] = mapped_column(ForeignKey("partenaires.id"), index=True)
    iss: Mapped[str] = mapped_column(String(300), unique=True)
    alg: Mapped[str] = mapped_column(String(10))
    """The one algorithm of its signatures."""
    jwks: Mapped[dict[str, Any]] = mapped_column(Json)
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    partenaire: Mapped[Partenaire] = relationship()

    @classmethod
    def with_iss(cls, iss: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(iss=iss))

    @classmethod
    def every(cls) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.iss)))


EVERY_CLIENT = Statement(
    lambda: (
        select(OAuthClient.client_id, OAuthClient.client_metadata, Partenaire.code, Partenaire.nom, OAuthClient.expires_at)
        .join(Partenaire, Partenaire.id == OAuthClient.partenaire_id)
        .where(OAuthClient.enabled.is_(True), Partenaire.enabled.is_(True))
    )
)
EVERY_SECRET = Statement(
    lambda: select(ClientSecret.client_id, ClientSecret.secret_hash, ClientSecret.expires_at, ClientSecret.secret_sealed)
)
LAST_INITIAL_TOKEN = Statement(
    lambda: (
        select(InitialToken.expires_at)
        .join(Partenaire, Partenaire.id == InitialToken.partenaire_id)
        .where(InitialToken.uses_left > 0, Partenaire.enabled.is_(True))
        .order_by(InitialToken.expires_at.desc())
        .limit(1)
    )
)
ANY_PUBLISHER = Statement(
    lambda: (
        select(Publisher.id)
        .join(Partenaire, Partenaire.id == Publisher.partenaire_id)
        .where(Publisher.enabled.is_(True), Partenaire.enabled.is_(True))
        .limit(1)
    )
)
