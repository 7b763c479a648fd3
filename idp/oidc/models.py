"""What lasts of the protocol: families of refresh tokens and consents."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any, Self

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    and_,
    bindparam,
    delete,
    event,
    exists,
    inspect,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from idp.database import BigInt, Instant, Json, Model, Statement, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise


class RefreshFamily(Model):
    """The tokens of one authorization. One row for its whole life: the hash of the token in force moves, the row stays.

    A token that MAG did issue but that is neither the one in force nor, for a few seconds, the one before, ends the family
    (RFC 9700 section 4.14.2).
    """

    __tablename__ = "refresh_families"
    __table_args__ = (
        Index("ix_refresh_families_sid", "sid"),
        Index("ix_refresh_families_declarant_id", "declarant_id"),
        Index("ix_refresh_families_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100))
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    version: Mapped[int]
    """Of the person's credentials: when theirs moves on, the family is over."""
    sid: Mapped[str] = mapped_column(String(32))
    offline: Mapped[bool]
    """Outlives the session that gave it (OpenID Connect Core section 11)."""
    context: Mapped[dict[str, Any]] = mapped_column(Json)
    """Scope, auth_time, acr, amr, nonce, claims: what later tokens repeat."""
    current_hash: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    successor_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The token in force, sealed under the one before: a lost answer is given again, and only to who holds that one."""
    rotated_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_reason: Mapped[str | None] = mapped_column(String(30))

    @classmethod
    def close_session(cls, sid: str, reason: str, now: datetime) -> int:
        """End the families of a session, in the transaction of the page; how many. Those granted with offline_access outlive it."""
        ending = (
            update(cls).where(cls.sid == sid, cls.offline.is_(False), cls.closed_at.is_(None)).values(closed_at=now, closed_reason=reason)
        )
        done: Any = db.session.execute(ending, execution_options={"synchronize_session": False})
        return int(done.rowcount)

    @classmethod
    def of_link(cls, declarant_id: int, link: str) -> list[str]:
        """What was granted in sessions that a partner's word opened, offline access too, however long ago."""
        query = select(cls.id, cls.context).where(cls.declarant_id == declarant_id, cls.closed_at.is_(None))
        return [family_id for family_id, context in db.session.execute(query) if context.get("link") == link]

    @classmethod
    def close_these(cls, family_ids: Collection[str], reason: str, now: datetime) -> None:
        ending = update(cls).where(cls.id.in_(family_ids), cls.closed_at.is_(None)).values(closed_at=now, closed_reason=reason)
        db.session.execute(ending, execution_options={"synchronize_session": False})

    @classmethod
    def close_client(cls, client_id: str, reason: str, now: datetime) -> None:
        """End every family of a client, in the transaction of whoever removes it."""
        ending = update(cls).where(cls.client_id == client_id, cls.closed_at.is_(None))
        db.session.execute(ending.values(closed_at=now, closed_reason=reason), execution_options={"synchronize_session": False})

    @classmethod
    def close_person(cls, declarant_id: int, client_id: str, reason: str, now: datetime) -> list[str]:
        """End what one person let one client keep, in the transaction of the page; which families there were."""
        theirs = (cls.declarant_id == declarant_id, cls.client_id == client_id, cls.closed_at.is_(None))
        found = list(db.session.scalars(select(cls.id).where(*theirs)))
        ending = update(cls).where(*theirs).values(closed_at=now, closed_reason=reason)
        db.session.execute(ending, execution_options={"synchronize_session": False})
        return found

    @classmethod
    def close_one(cls, declarant_id: int, family_id: str, reason: str, now: datetime) -> str | None:
        """End one family of a person, in the transaction of the page; its client, or None when it is not theirs or has ended."""
        theirs = (cls.declarant_id == declarant_id, cls.id == family_id, cls.closed_at.is_(None))
        ending = update(cls).where(*theirs).values(closed_at=now, closed_reason=reason).returning(cls.client_id)
        return db.session.scalar(ending, execution_options={"synchronize_session": False})

    @classmethod
    def close_everything(cls, declarant_id: int, reason: str, now: datetime) -> None:
        """End what every client keeps of one person."""
        ending = update(cls).where(cls.declarant_id == declarant_id, cls.closed_at.is_(None)).values(closed_at=now, closed_reason=reason)
        db.session.execute(ending, execution_options={"synchronize_session": False})

    @classmethod
    def living_of(cls, declarant: Declarant, now: datetime) -> list[Self]:
        """What clients may still renew in the name of one person, the latest first."""
        alive = (cls.declarant_id == declarant.id, cls.version == declarant.version, cls.closed_at.is_(None), cls.expires_at > now)
        return list(db.session.scalars(select(cls).where(*alive).order_by(cls.opened_at.desc(), cls.id)))


class ImportedSubject(Model):
    """A subject that a partner knew a person by before MAG; unique both ways within a sector."""

    __tablename__ = "imported_subjects"
    __table_args__ = (Index("uq_imported_subjects_sector_sub", "sector", "sub", unique=True),)

    sector: Mapped[str] = mapped_column(String(255), primary_key=True)
    uid: Mapped[str] = mapped_column(ForeignKey("declarants.uid"), primary_key=True)
    sub: Mapped[str] = mapped_column(String(255))

    @classmethod
    def of(cls, sector: str, uid: str, sub: str) -> list[Self]:
        """Whatever a sector has for this person or this subject: two rows at most."""
        either = or_(cls.uid == uid, cls.sub == sub)
        return list(db.session.scalars(select(cls).where(cls.sector == sector, either)))

    @classmethod
    def forget_person(cls, uid: str) -> None:
        """What partners knew somebody by, before MAG."""
        db.session.execute(delete(cls).where(cls.uid == uid), execution_options={"synchronize_session": False})


class Consent(Model):
    """What a person agreed to tell a client."""

    __tablename__ = "consents"

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    scope: Mapped[str] = mapped_column(Text)
    given_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """What one person agreed to, the latest first."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.given_at.desc(), cls.client_id)))

    @classmethod
    def covers(cls, declarant_id: int, client_id: str, scope: Iterable[str]) -> bool:
        """Whether one person agreed to all of it."""
        found = db.session.get(cls, (declarant_id, client_id))
        return found is not None and set(scope) <= set(found.scope.split())

    @classmethod
    def widen(cls, declarant_id: int, client_id: str, scope: Iterable[str], now: datetime) -> None:
        """One person agrees to more, beside what they agreed to before."""
        found = db.session.get(cls, (declarant_id, client_id))
        words = dict.fromkeys((*(found.scope.split() if found else ()), *scope))
        db.session.merge(cls(declarant_id=declarant_id, client_id=client_id, scope=" ".join(words), given_at=now))

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        """What somebody who left agreed to."""
        db.session.execute(delete(cls).where(cls.declarant_id == declarant_id), execution_options={"synchronize_session": False})

    @classmethod
    def forget_client(cls, client_id: str) -> None:
        """What everybody agreed to tell a client that is gone."""
        db.session.execute(delete(cls).where(cls.client_id == client_id), execution_options={"synchronize_session": False})


IMPORTED_SECTORS = Statement(lambda: select(ImportedSubject.sector).distinct())
IMPORTED_SUBJECT = Statement(
    lambda: select(ImportedSubject.sub).where(
        ImportedSubject.sector == bindparam("of_sector", type_=String), ImportedSubject.uid == bindparam("of_uid", type_=String)
    )
)


# ---------------------------------------------------------------------------------------- statements of machines' endpoints

FAMILIES = RefreshFamily.__table__.c


def _bind(name: str, column: str) -> Any:
    return bindparam(name, type_=FAMILIES[column].type)


def _active(declarant_id: Any, version: Any) -> Any:
    return exists().where(Declarant.id == declarant_id, Declarant.version == version, Declarant.statut == Statut.ACTIF)


NOW = bindparam("now", type_=Instant())
IN_FORCE = and_(RefreshFamily.id == _bind("family_id", "id"), RefreshFamily.closed_at.is_(None), RefreshFamily.expires_at > NOW)
OPENED = ("id", "client_id", "declarant_id", "version", "sid", "offline", "context", "current_hash", "opened_at", "expires_at")


def _insert(dialect: str) -> Any:
    return (postgresql_insert if dialect == "postgresql" else sqlite_insert)(RefreshFamily)


def _open(dialect: str) -> Statement:
    def build() -> Any:
        active = _active(_bind("new_declarant_id", "declarant_id"), _bind("new_version", "version"))
        row = _insert(dialect).from_select(OPENED, select(*(_bind(f"new_{c}", c) for c in OPENED)).where(active))
        return row.on_conflict_do_update(index_elements=["id"], set_={"current_hash": row.excluded.current_hash})

    return Statement(build)


def _bury(dialect: str) -> Statement:
    def build() -> Any:
        closed = {c: _bind(f"new_{c}", c) for c in (*OPENED, "closed_at", "closed_reason")}
        row = _insert(dialect).values(closed)
        ending = {c: row.excluded[c] for c in ("closed_at", "closed_reason")}
        return row.on_conflict_do_update(index_elements=["id"], set_=ending, where=RefreshFamily.closed_at.is_(None))

    return Statement(build)


OPEN_FAMILY = {dialect: _open(dialect) for dialect in ("postgresql", "sqlite")}
"""Opens nothing for a person who is no longer active (C46); a family buried meanwhile is born closed (C16)."""

BURY_FAMILY = {dialect: _bury(dialect) for dialect in ("postgresql", "sqlite")}
"""Closes a family, even one that is not open yet: of two requests that race with one code, the replay may be the quicker."""

ROTATE = Statement(
    lambda: (
        update(RefreshFamily)
        .where(
            IN_FORCE,
            RefreshFamily.current_hash == _bind("shown_hash", "current_hash"),
            RefreshFamily.client_id == _bind("of_client", "client_id"),
            _active(RefreshFamily.declarant_id, RefreshFamily.version),
        )
        .values(
            previous_hash=RefreshFamily.current_hash,
            current_hash=_bind("next_hash", "current_hash"),
            successor_sealed=_bind("sealed", "successor_sealed"),
            rotated_at=NOW,
        )
        .returning(RefreshFamily.declarant_id, RefreshFamily.sid, RefreshFamily.offline, RefreshFamily.context)
    )
)
"""The one statement of a refresh: check and rotation at once, so that of parallel ones a single one wins (C19)."""

IN_USE = Statement(
    lambda: select(RefreshFamily.declarant_id, RefreshFamily.sid, RefreshFamily.offline, RefreshFamily.context).where(
        IN_FORCE,
        RefreshFamily.current_hash == _bind("shown_hash", "current_hash"),
        RefreshFamily.client_id == _bind("of_client", "client_id"),
        _active(RefreshFamily.declarant_id, RefreshFamily.version),
    )
)
"""The one statement of a refresh that does not rotate."""

FIND_FAMILY = Statement(
    lambda: select(
        RefreshFamily.client_id,
        RefreshFamily.declarant_id,
        RefreshFamily.sid,
        RefreshFamily.offline,
        RefreshFamily.context,
        RefreshFamily.previous_hash,
        RefreshFamily.successor_sealed,
        RefreshFamily.rotated_at,
        RefreshFamily.current_hash,
    ).where(IN_FORCE, _active(RefreshFamily.declarant_id, RefreshFamily.version))
)

CLOSE_FAMILY = Statement(
    lambda: (
        update(RefreshFamily)
        .where(RefreshFamily.id == _bind("family_id", "id"), RefreshFamily.closed_at.is_(None))
        .values(closed_at=NOW, closed_reason=_bind("reason", "closed_reason"))
    )
)

PURGE_FAMILIES = Statement(lambda: delete(RefreshFamily).where(RefreshFamily.expires_at < bindparam("before", type_=Instant())))

IDENTITY = Statement(lambda: select(Declarant.siret, Declarant.cle).where(Declarant.id == bindparam("declarant_id", type_=Integer)))
FIND_CONSENT = Statement(
    lambda: select(Consent.scope, Consent.given_at).where(
        Consent.declarant_id == bindparam("declarant_id", type_=BigInt), Consent.client_id == bindparam("client_id", type_=String)
    )
)
PERSON = Statement(
    lambda: (
        select(
            Declarant.uid,
            Declarant.siret,
            Declarant.nom,
            Declarant.prenom,
            Declarant.role,
            Declarant.email,
            Declarant.email_verified,
            Declarant.email_verified_at,
            Declarant.telephone,
            Declarant.fonction,
            Declarant.service_interne,
            Declarant.updated_at,
            Entreprise.denomination,
            Entreprise.categorie_juridique,
        )
        .join(Entreprise, type_coerce(Entreprise.siren, BigInt) == type_coerce(Declarant.siret, BigInt) // 100000, isouter=True)
        .where(Declarant.id == bindparam("declarant_id", type_=Integer), Declarant.statut == Statut.ACTIF)
    )
)
TOLD = (
    *("siret", "nom", "prenom", "role", "statut", "email", "email_verified", "email_verified_at"),
    *("telephone", "fonction", "service_interne", "updated_at"),
)
"""Columns of a person that PERSON reads, or looks at."""


def watch_profiles(forget: Callable[[int], None]) -> None:
    """Whatever page or command changes what PERSON reads of somebody, `forget` is called with their number once it is committed."""

    def note(_mapper: object, _connection: object, person: Declarant) -> None:
        session = object_session(person)
        if session is not None and any(inspect(person).attrs[name].history.has_changes() for name in TOLD):
            session.info.setdefault("profiles", set()).add(person.id)

    def committed(session: Session) -> None:
        for declarant_id in session.info.pop("profiles", ()):
            forget(declarant_id)

    event.listen(Declarant, "after_update", note)
    event.listen(db.session, "after_commit", committed)
    event.listen(db.session, "after_rollback", lambda session: session.info.pop("profiles", None))
