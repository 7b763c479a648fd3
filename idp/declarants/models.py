"""Déclarants: one row a person and company. Rows are closed, never deleted, while something refers to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Enum,
    Index,
    Integer,
    String,
    and_,
    bindparam,
    delete,
    false,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, make_transient_to_detached, mapped_column

from idp.audit.models import AuditEvent
from idp.database import Connections, Json, Model, Statement, db
from idp.declarants.identite import Identite
from idp.declarants.statuts import Role, Statut
from idp.entreprises.models import Entreprise, SiretColumn
from idp.entreprises.siret import Siren, Siret

ACTOR = "declarant:"
"""What the journal writes before the number of somebody who acts on another."""


def enum_column(kind: type[StrEnum], length: int = 30, *, name: str = "") -> Enum:
    """Stored by value, as text, refused by the database when unknown. `name` tells two columns of one table and kind apart."""
    return Enum(
        kind,
        native_enum=False,
        length=length,
        values_callable=lambda members: [m.value for m in members],
        name=name or kind.__name__.lower(),
        create_constraint=True,
    )


class Declarant(Model):
    """A person inscribed for one company: SIRET + nom + prénom, unique whatever the spelling."""

    __tablename__ = "declarants"
    __table_args__ = (
        Index("uq_declarants_siret_cle", "siret", "cle", unique=True),
        Index("ix_declarants_email", "email"),
        CheckConstraint("length(cle) between 3 and 200", name="cle_is_folded"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(String(40), unique=True)
    """Opaque, stable, never reused: what `uid` and a public `sub` carry."""
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    nom: Mapped[str] = mapped_column(String(80))
    prenom: Mapped[str] = mapped_column(String(80))
    cle: Mapped[str] = mapped_column(String(200))
    statut: Mapped[Statut] = mapped_column(enum_column(Statut))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    email: Mapped[str | None] = mapped_column(String(254))
    email_verified: Mapped[bool] = mapped_column(default=False)
    email_verified_at: Mapped[datetime | None]
    email_asked_at: Mapped[datetime | None]
    """When the mail that asks whether the address still is theirs left; None when nothing is asked."""
    email_reminded_at: Mapped[datetime | None]
    """When the second such mail left."""
    email_bounced_at: Mapped[datetime | None]
    """When a server said that this address does not exist; None when mails arrive."""
    email_soft_bounces: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many mails came back in a month, when the last one did."""
    email_locked_until: Mapped[datetime | None]
    """Before that instant the address is not changed: whoever held the former one may still take it back."""
    telephone: Mapped[str | None] = mapped_column(String(30))
    """Landline, as `phonenumbers` writes it internationally."""
    mobile: Mapped[str | None] = mapped_column(String(30))
    fonction: Mapped[str | None] = mapped_column(String(120))
    service_interne: Mapped[str | None] = mapped_column(String(120))
    """The unit within the company (`organizational_unit`)."""
    password_hash: Mapped[str | None] = mapped_column(String(255))
    pepper_id: Mapped[str | None] = mapped_column(String(40))
    password_changed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    """Version of the credentials: a change voids trusted devices."""
    epoque: Mapped[int] = mapped_column(default=1)
    """Version of the rights."""
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """When PRIMO or CANDIDAT is erased, should nobody decide."""
    seen_at: Mapped[datetime | None]
    """Last sign-in; None before the first one."""
    second_factor: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Holds a second factor in force: asked at every sign-in."""
    password_locked_at: Mapped[datetime | None]
    """The owner said « ce n'était pas moi »: the password opens nothing until it is changed."""
    renforcer_at: Mapped[datetime | None]
    """Since when the next sign-in must be by two factors; None once it was."""
    forgotten_devices: Mapped[dict[str, int]] = mapped_column(Json, default=dict, server_default="{}")
    """Devices that the owner no longer trusts, by their digest, and until when that matters (epoch seconds)."""
    dormant_told: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many times whoever no longer signs in was warned of the suspension."""
    dormant_until: Mapped[datetime | None]
    """When time suspends them, should they not sign in."""
    erased_at: Mapped[datetime | None]
    """When nothing was left that names the person (C80)."""

    @classmethod
    def find(cls, identite: Identite) -> Self | None:
        """Whoever bears this identity, whatever his status."""
        return db.session.scalar(select(cls).filter_by(siret=identite.siret, cle=identite.cle))

    @classmethod
    def namesakes(cls, identite: Identite) -> list[Self]:
        """Whoever bears this identity, and those who wait under the same name."""
        query = select(cls).where(cls.siret == identite.siret, _named(identite.cle, identite.attente)).order_by(cls.id)
        return list(db.session.scalars(query))

    @classmethod
    def waiting(cls, connections: Connections, identite: Identite, email: str) -> Self | None:
        """Who waits under this name, and writes from this address; as `bearing` reads."""
        row = connections.one(WAITER, siret=identite.siret, cle=identite.cle, attente=identite.attente, email=email.lower())
        return cls._apart(row)

    @property
    def identite(self) -> Identite:
        return Identite(self.siret, self.nom, self.prenom)

    @property
    def is_namesake(self) -> bool:
        """Waits under a name that somebody else bears: to be told apart the day they come in."""
        return self.cle != self.identite.cle and self.cle.startswith(self.identite.attente)

    def bear(self, prenom: str) -> bool:
        """Take this first name, and the key that goes with it; False, and nothing changes, when somebody bears it.

        The key fits in LONGEST_CLE: the database refuses nothing else of it than being there already.
        """
        mine = Identite(self.siret, self.nom, prenom)
        try:
            with db.session.begin_nested():
                self.prenom, self.cle = prenom, mine.cle
        except IntegrityError:
            db.session.refresh(self, ["prenom", "cle"])
            return False
        return True

    @classmethod
    def of_sirets(cls, sirets: Sequence[int]) -> list[Self]:
        """All who are inscribed for these establishments, whatever their status."""
        return list(db.session.scalars(select(cls).where(cls.siret.in_(sirets))))

    @classmethod
    def with_uid(cls, uid: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(uid=uid))

    @classmethod
    def bearing(cls, connections: Connections, identite: Identite) -> Self | None:
        """Whoever bears this identity, read without a connection of the pages: there are few, and a password may wait for its turn.

        Apart from the session; `db.session.add` makes it part of it, without a statement.
        """
        return cls._apart(connections.one(BEARER, siret=identite.siret, cle=identite.cle))

    @classmethod
    def _apart(cls, row: Sequence[Any] | None) -> Self | None:
        if row is None:
            return None
        found = cls(**dict(zip(COLUMNS, row, strict=True)))
        make_transient_to_detached(found)
        return found

    @classmethod
    def renew_hash(cls, connections: Connections, declarant_id: int, old: str, new: str, pepper_id: str) -> None:
        """Another hash of the same password, at once; nothing when the password is no longer that one."""
        connections.run(RENEW_HASH, of_id=declarant_id, old_hash=old, new_hash=new, new_pepper_id=pepper_id)

    def insert(self) -> bool:
        """Add the row now; False, and the transaction is lost, when its SIRET already has this name."""
        db.session.add(self)
        try:
            db.session.flush()
        except IntegrityError:
            db.session.rollback()
            return False
        return True

    @classmethod
    def sample_of_hashes(cls, size: int = 100) -> list[str]:
        """Stored password hashes, spread over the table: which parameters are in force. Keeps no connection."""
        with db.engine.connect() as connection:
            most = connection.scalar(select(func.max(cls.id))) or 0
            spread = range(most, 0, -max(1, most // size))
            return list(connection.scalars(select(cls.password_hash).where(cls.id.in_(spread), cls.password_hash.is_not(None))))

    def writes_from(self, address: str) -> bool:
        """Whether it is the address of this identity, whatever its case."""
        return self.email is not None and self.email.casefold() == address.casefold()

    @property
    def full_name(self) -> str:
        return f"{self.prenom} {self.nom}"

    @property
    def actor(self) -> str:
        """As the journal names whoever acts on another."""
        return f"{ACTOR}{self.id}"

    @classmethod
    def administrators(cls, siret: Siret, *, lock: bool = False) -> list[Self]:
        """Who administers an establishment: its own active administrators and those of its head office, oldest first.

        `lock` holds their rows until the transaction ends, so that two of them cannot leave at once.
        """
        where = cls.siret.in_({siret, cls._head_office(siret)})
        query = select(cls).where(where, *ADMINISTERS).order_by(cls.id)
        return list(db.session.scalars(query.with_for_update() if lock else query))

    @classmethod
    def seen_in_journal(cls, now: datetime) -> int:
        """Bring `seen_at` up to date with the sign-ins of the journal, in one statement; how many rows moved.

        What was read the last time is not read again, but for a day: lines of the journal may be committed late.
        """
        last = db.session.scalar(select(func.max(cls.seen_at)))
        line = AuditEvent
        lines = select(line.declarant_id, func.max(line.at).label("at")).where(line.kind == "ConnexionOpened", line.at <= now)
        if last is not None:
            lines = lines.where(line.at > last - timedelta(days=1))
        seen = lines.where(line.declarant_id.is_not(None)).group_by(line.declarant_id).subquery()
        newer = (cls.id == seen.c.declarant_id, or_(cls.seen_at.is_(None), cls.seen_at < seen.c.at))
        moved = update(cls).where(*newer).values(seen_at=seen.c.at, dormant_until=None, dormant_told=0)
        done: Any = db.session.execute(moved, execution_options={"synchronize_session": False})
        return int(done.rowcount)

    @classmethod
    def _lot(cls, limit: int, *where: ColumnElement[bool]) -> list[Self]:
        """Some of the active people of whom this holds, locked where the database can."""
        query = select(cls).where(cls.statut == Statut.ACTIF, *where).order_by(cls.id).limit(limit)
        return list(db.session.scalars(query.with_for_update(skip_locked=True)))

    @classmethod
    def to_warn(cls, before: datetime, limit: int) -> list[Self]:
        """Whose last sign-in, or whose inscription, is that old, and who was not warned."""
        return cls._lot(limit, func.coalesce(cls.seen_at, cls.opened_at) < before, cls.dormant_until.is_(None))

    @classmethod
    def to_warn_again(cls, until: datetime, limit: int) -> list[Self]:
        """Who will be suspended by then, and was warned once."""
        return cls._lot(limit, cls.dormant_until <= until, cls.dormant_told == 1)

    @classmethod
    def to_put_to_sleep(cls, now: datetime) -> list[Self]:
        """Whose delay is over, after two warnings."""
        query = select(cls).where(cls.statut == Statut.ACTIF, cls.dormant_until <= now, cls.dormant_told == 2)
        return list(db.session.scalars(query.order_by(cls.id)))

    @classmethod
    def to_ask(cls, before: datetime, limit: int) -> list[Self]:
        """Whose address was not proved since then, and was not asked about."""
        old = func.coalesce(cls.email_verified_at, cls.opened_at) < before
        return cls._lot(limit, old, cls.email.is_not(None), cls.email_asked_at.is_(None), cls.email_bounced_at.is_(None))

    @classmethod
    def to_remind(cls, before: datetime, after: datetime, limit: int) -> list[Self]:
        """Who was asked before that instant and did not answer, but for those whose time is over."""
        asked = (cls.email_asked_at <= before, cls.email_asked_at > after, cls.email_reminded_at.is_(None))
        return cls._lot(limit, *asked, cls.email_bounced_at.is_(None))

    @classmethod
    def unanswered(cls, before: datetime, limit: int) -> list[Self]:
        """Who was asked before that instant, did not answer, and still counts as reachable."""
        return cls._lot(limit, cls.email_asked_at <= before, cls.email_verified.is_(True))

    @classmethod
    def to_erase(cls, before: datetime, limit: int) -> list[Self]:
        """Who left before that instant and is still named, locked where the database can."""
        query = select(cls).where(cls.statut == Statut.RADIE, cls.erased_at.is_(None), cls.closed_at < before)
        return list(db.session.scalars(query.order_by(cls.id).limit(limit).with_for_update(skip_locked=True)))

    def pseudonymise(self, now: datetime) -> None:
        """Erase what names the person. Tables whose rows go with an identity (ON DELETE CASCADE) lose theirs now."""
        self.nom, self.prenom, self.cle = "Effacé", f"n° {self.id}", f"efface {self.id}"
        self.email = self.telephone = self.mobile = self.fonction = self.service_interne = None
        self.email_verified, self.email_verified_at, self.email_bounced_at = False, None, None
        self.password_hash = self.pepper_id = None
        self.erased_at = self.updated_at = now
        db.session.flush()
        for table in Model.metadata.sorted_tables:
            for column in table.c:
                if any(key.target_fullname == "declarants.id" and key.ondelete == "CASCADE" for key in column.foreign_keys):
                    db.session.execute(delete(table).where(column == self.id))

    @classmethod
    def is_administered(cls, siret: Siret) -> bool:
        """Whether a newcomer must be let in by others (fact 30). A suspended administrator still keeps the door: he may come back."""
        where = (cls.siret.in_({siret, cls._head_office(siret)}), cls.statut.in_((Statut.ACTIF, Statut.SUSPENDU)), ADMINISTERS[1])
        return db.session.scalar(select(cls.id).where(*where).limit(1)) is not None

    @classmethod
    def hold(cls, siren: Siren, *ids: int) -> None:
        """Keep the rows of a company's administrators, and of these people, until the transaction ends: in one order, so that two
        who wait never wait for each other. By an update that changes nothing: SQLite then takes its write lock before it reads.
        """
        ours = (cls.siret >= siren.sirets.start) & (cls.siret < siren.sirets.stop)
        held = select(cls.id).where(or_(and_(ours, *ADMINISTERS), cls.id.in_(ids))).order_by(cls.id).with_for_update()
        db.session.execute(update(cls).where(cls.id.in_(held)).values(epoque=cls.epoque), execution_options={"synchronize_session": False})

    def take(self, *, with_administrators: bool) -> bool:
        """Lock the row, as `hold` does but writing nothing, and read it again: what it said before may be of the past. False: it is gone.

        SQLite has no such lock: it only reads again, and the store may still write through its own connection.
        """
        cls, mine = type(self), self.siret.siren.sirets
        ours = and_(cls.siret >= mine.start, cls.siret < mine.stop, *ADMINISTERS) if with_administrators else false()
        with db.session.no_autoflush:
            found = set(db.session.scalars(select(cls.id).where(or_(ours, cls.id == self.id)).order_by(cls.id).with_for_update()))
            if self.id not in found:
                return False
        db.session.refresh(self, ["statut", "role"])  # and nothing else: the end of sessions moved the version already
        return True

    def leaves_nobody(self) -> bool:
        """Whether somebody of the company would be left without administrator, should this one go. Locks the others' rows."""
        cls = type(self)
        query = select(cls.siret).where(self.reaches(cls.siret), cls.id != self.id, cls.statut.in_(LIVING))
        living = set(db.session.scalars(query.distinct()))
        return any(all(one.id == self.id for one in cls.administrators(siret, lock=True)) for siret in sorted(living))

    def reaches(self, siret: Any) -> Any:
        """The condition that a column of SIRET is of an establishment which this person administers, or would."""
        sirets = self.siret.siren.sirets
        return (siret >= sirets.start) & (siret < sirets.stop) if self.at_head_office else siret == self.siret

    @property
    def at_head_office(self) -> bool:
        return self.siret == self._head_office(self.siret)

    def may_administer(self, siret: Siret) -> bool:
        """His own establishment; from the head office, every one of the company (fact 27)."""
        if self.statut is not Statut.ACTIF or not self.role.administers:
            return False
        return self.siret == siret or (self.siret.siren == siret.siren and self.at_head_office)

    @staticmethod
    def _head_office(siret: Siret) -> Siret:
        company = Entreprise.find(siret.siren)
        return (company.siege if company else None) or siret


EVENTS_KEPT = timedelta(days=90)


PURGED, DISABLED, ENABLED, CHANGED = "account-purged", "account-disabled", "account-enabled", "identifier-changed"
"""What happens to an account, as RISC 1.0 section 2 names it."""
REVOKED, CREDENTIAL = "session-revoked", "credential-change"
"""What happens to its sessions and to its credentials, as CAEP 1.0 section 3 names it."""
LINKED, UNLINKED = "rattachement-ouvert", "rattachement-clos"
"""What happens between it and an account of a partner's, which no standard names."""


class AccountEvent(Model):
    """What partners are to be told of a person whom they know: the row says that it happened, its delivery is another room's."""

    __tablename__ = "account_events"
    __table_args__ = (
        Index("ix_account_events_at", "at"),
        Index("ix_account_events_waiting", "id", postgresql_where=text("spread_at IS NULL"), sqlite_where=text("spread_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    """One of those above."""
    declarant_id: Mapped[int]
    uid: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """What the standard has it say beside: which session, which credential, the former address."""
    spread_at: Mapped[datetime | None]
    """When it became a row for each partner that is told; None while it waits."""

    @classmethod
    def write(cls, kind: str, declarant: Declarant, now: datetime, **details: str) -> None:
        cls.of(kind, declarant.id, declarant.uid, now, **details)

    @classmethod
    def of(cls, kind: str, declarant_id: int, uid: str, now: datetime, **details: str) -> None:
        """The same, for who has no row of the person at hand."""
        db.session.add(cls(kind=kind, declarant_id=declarant_id, uid=uid, at=now, details=details))

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        """What an event held of a person, such as a former address."""
        db.session.execute(update(cls).where(cls.declarant_id == declarant_id).values(details={}))

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete what happened long ago; how many."""
        return len(db.session.scalars(delete(cls).where(cls.at < now - EVENTS_KEPT).returning(cls.id)).all())


LIVING = (Statut.ACTIF, Statut.SUSPENDU, Statut.CANDIDAT)
ADMINISTERS: tuple[ColumnElement[bool], ...] = (
    Declarant.statut == Statut.ACTIF,
    Declarant.role.in_([role for role in Role if role.administers]),
)


def _named(cle: Any, attente: Any) -> ColumnElement[bool]:
    """Bears this name, or waits under it."""
    return or_(Declarant.cle == cle, Declarant.cle.startswith(attente, autoescape=False))


COLUMNS = tuple(Declarant.__table__.c.keys())
BEARER = Statement(
    lambda: select(*Declarant.__table__.c).where(
        Declarant.siret == bindparam("siret", type_=SiretColumn), Declarant.cle == bindparam("cle", type_=String)
    )
)
WAITER = Statement(
    lambda: (
        select(*Declarant.__table__.c)
        .where(
            Declarant.siret == bindparam("siret", type_=SiretColumn),
            _named(bindparam("cle", type_=String), bindparam("attente", type_=String)),
            func.lower(Declarant.email) == bindparam("email", type_=String),
            or_(Declarant.statut == Statut.PRIMO, Declarant.statut == Statut.CANDIDAT),
        )
        .order_by(Declarant.id)
        .limit(1)
    )
)
RENEW_HASH = Statement(
    lambda: (
        update(Declarant)
        .where(Declarant.id == bindparam("of_id", type_=Integer), Declarant.password_hash == bindparam("old_hash", type_=String))
        .values(password_hash=bindparam("new_hash", type_=String), pepper_id=bindparam("new_pepper_id", type_=String))
    )
)
