"""Whom a partner may ask about: the subjects that it was given with tokens, as long as what they came with lasts.

`sub` is computed, and cannot be turned back into a person: whoever may ask decisions has each subject written down when it is told,
in one statement more than other partners. A row ends with its session, with what outlives it (offline access), with the agreement,
or with the person.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Executable,
    ForeignKey,
    Index,
    String,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Instant, Model, Statement, db, listed
from idp.declarants.models import Declarant
from idp.declarants.statuts import Role, Statut
from idp.entreprises.models import Entreprise
from idp.oidc.models import RefreshFamily

DIALECTS = ("postgresql", "sqlite")


class SujetConnu(Model):
    """A subject told to a client, of which it may ask decisions."""

    __tablename__ = "sujets_connus"
    __table_args__ = (
        Index("ix_sujets_connus_declarant_id", "declarant_id", "client_id"),
        Index("ix_sujets_connus_lien", "lien"),
        Index("ix_sujets_connus_expires_at", "expires_at"),
        {"sqlite_with_rowid": False},
    )

    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    sub: Mapped[str] = mapped_column(String(255), primary_key=True)
    lien: Mapped[str] = mapped_column(String(32), primary_key=True)
    """What it hangs on: the session, or the family of an access that outlives it."""
    offline: Mapped[bool]
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    version: Mapped[int]
    """Of the person's credentials: when theirs moves on, the row is over."""
    services: Mapped[str] = mapped_column(Text)
    """Those that the client was granted, separated by spaces."""
    expires_at: Mapped[datetime]

    @classmethod
    def close_session(cls, sid: str) -> None:
        cls._delete(cls.lien == sid)

    @classmethod
    def forget(cls, declarant_id: int, client_id: str | None = None) -> None:
        """A person, for one client or for all."""
        cls._delete(cls.declarant_id == declarant_id, *([cls.client_id == client_id] if client_id else []))

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Erase what has ended by itself; how many."""
        return cls._delete(cls.expires_at < now)

    @classmethod
    def _delete(cls, *where: Any) -> int:
        done: Any = db.session.execute(delete(cls).where(*where), execution_options={"synchronize_session": False})
        return int(done.rowcount)


COLUMNS = SujetConnu.__table__.c
NOW = bindparam("now", type_=Instant())


def _bind(name: str) -> Any:
    return bindparam(f"new_{name}", type_=COLUMNS[name].type)


def _know(dialect: str) -> Statement:
    def build() -> Any:
        row = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(SujetConnu)
        row = row.values({c.name: _bind(c.name) for c in COLUMNS})
        changes = {name: row.excluded[name] for name in ("version", "services", "expires_at")}
        return row.on_conflict_do_update(index_elements=["client_id", "sub", "lien"], set_=changes)

    return Statement(build)


KNOW = {dialect: _know(dialect) for dialect in DIALECTS}


def counts() -> Any:
    """Whether what a row hangs on still stands."""
    family = exists().where(RefreshFamily.id == SujetConnu.lien, RefreshFamily.closed_at.is_(None))
    person = and_(Declarant.id == SujetConnu.declarant_id, Declarant.version == SujetConnu.version, Declarant.statut == Statut.ACTIF)
    return and_(person, SujetConnu.expires_at > NOW, or_(SujetConnu.offline.is_(False), family))


def known(dialect: str, by: Any, name: str) -> Statement:
    """Rows (sub, person, services) of one client."""

    def build() -> Executable:
        of_client = SujetConnu.client_id == bindparam("of_client", type_=String)
        return (
            select(SujetConnu.sub, type_coerce(SujetConnu.declarant_id, BigInt), SujetConnu.services)
            .join_from(SujetConnu, Declarant, Declarant.id == SujetConnu.declarant_id)
            .where(of_client, by.in_(listed(dialect, name, by.type)), counts())
        )

    return Statement(build)


BY_SUB = {dialect: known(dialect, SujetConnu.sub, "subs") for dialect in DIALECTS}
BY_PERSON = {dialect: known(dialect, SujetConnu.declarant_id, "persons") for dialect in DIALECTS}
ADMINISTRATORS = tuple(role for role in Role if role.administers)


def administers() -> Executable:
    """A row when this person administers an establishment, or, from its head office, a company (fact 27)."""
    siret, siren = (bindparam(name, type_=BigInt) for name in ("siret", "siren"))
    own, company = type_coerce(Declarant.siret, BigInt), type_coerce(Entreprise.siren, BigInt)
    at_head_office = func.coalesce(Entreprise.nic_siege, own % 100_000) == own % 100_000
    here = or_(own == siret, and_(own // 100_000 == siren, at_head_office))
    return (
        select(Declarant.id)
        .outerjoin(Entreprise, company == own // 100_000)
        .where(
            Declarant.id == bindparam("declarant", type_=BigInt),
            Declarant.statut == Statut.ACTIF,
            or_(*(Declarant.role == role for role in ADMINISTRATORS)),
            here,
        )
    )


ADMINISTERS = Statement(administers)
