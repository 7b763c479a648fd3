"""Mass files, what they hold, what they would change line by line, and the jobs that servers do of them."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

import orjson
from sqlalchemy import CursorResult, ForeignKey, Index, LargeBinary, String, bindparam, delete, false, func, null, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Instant, Json, Model, Statement, db, pour
from idp.declarants.models import Declarant, enum_column
from idp.habilitations.fichiers.statuts import KEPT, LIVING, UNDOABLE, Etat, Genre, Travail

UNSYNCHRONISED = {"synchronize_session": False}
LEASE = timedelta(seconds=60)
"""For how long a job belongs to a worker that gives no more sign of life."""
MOST_TRIES = 5


class FichierDroits(Model):
    """One file that an administrator sent: whose, where it stands, what it would change or changed."""

    __tablename__ = "fichiers_droits"
    __table_args__ = (Index("ix_fichiers_droits_siret", "siret", "id"), Index("ix_fichiers_droits_etat", "etat"))

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    reference: Mapped[str] = mapped_column(String(40), unique=True)
    """In addresses."""
    depot: Mapped[str] = mapped_column(String(40), unique=True)
    """Of the form that sent it: sent twice, it is one file."""
    siret: Mapped[int] = mapped_column(BigInt)
    """Of its author, when it was sent."""
    by_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    genre: Mapped[str] = mapped_column(String(10), default=Genre.FICHIER, server_default="fichier")
    nom: Mapped[str] = mapped_column(String(120))
    taille: Mapped[int]
    etat: Mapped[Etat] = mapped_column(enum_column(Etat))
    motif: Mapped[str | None] = mapped_column(String(300))
    """Why it stands there, when that is not what its author wanted."""
    bilan: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    """How many lines, of each kind; how many rights given and withdrawn."""
    empreinte: Mapped[str | None] = mapped_column(String(64))
    """Of the changes that were shown: those, and no others, are applied."""
    operation_id: Mapped[int | None] = mapped_column(BigInt)
    applied_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """Until when an agreement may be given."""
    bureau: Mapped[bool] = mapped_column(default=False, server_default=false())
    """No other administrator could answer when it was asked: operators may."""
    decided_by: Mapped[str | None] = mapped_column(String(60))
    decided_at: Mapped[datetime | None]

    @classmethod
    def find(cls, reference: str) -> Self | None:
        return db.session.scalar(select(cls).where(cls.reference == reference))

    @classmethod
    def deposited(cls, depot: str) -> Self | None:
        return db.session.scalar(select(cls).where(cls.depot == depot))

    @classmethod
    def of_sirets(cls, sirets: range, *, before: int = 0, limit: int = 20) -> list[Self]:
        """Files sent from these establishments, the latest first."""
        query = select(cls).where(cls.siret >= sirets.start, cls.siret < sirets.stop)
        return list(db.session.scalars((query.where(cls.id < before) if before else query).order_by(cls.id.desc()).limit(limit)))

    @classmethod
    def latest(cls, limit: int) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.id.desc()).limit(limit)))

    @classmethod
    def living(cls, siret: int) -> int:
        """How many files of an establishment are not over."""
        return db.session.scalar(select(func.count()).select_from(cls).where(cls.siret == siret, cls.etat.in_(LIVING))) or 0

    @classmethod
    def promised(cls, by_id: int, but: int = 0) -> int:
        """How many rights somebody's files are about to change without anybody's agreement."""
        query = select(cls.bilan).where(cls.by_id == by_id, cls.etat == Etat.A_APPLIQUER, cls.decided_by.is_(None), cls.id != but)
        return sum(bilan.get("droits", 0) for bilan in db.session.scalars(query) if not bilan.get("libre"))

    @classmethod
    def for_bureau(cls, now: datetime, limit: int = 100) -> list[Self]:
        """Those that operators may answer for, the oldest first."""
        waiting = (cls.etat == Etat.A_APPROUVER, cls.bureau.is_(True), cls.expires_at > now)
        return list(db.session.scalars(select(cls).where(*waiting).order_by(cls.id).limit(limit)))

    @classmethod
    def overdue(cls, now: datetime) -> list[Self]:
        """Whose answer did not come in time."""
        return list(db.session.scalars(select(cls).where(cls.etat == Etat.A_APPROUVER, cls.expires_at <= now)))

    def hold(self) -> Etat:
        """Keep this row until the end of the transaction, by an update that changes nothing; its state, read again."""
        cls = type(self)
        db.session.execute(update(cls).where(cls.id == self.id).values(taille=cls.taille), execution_options=UNSYNCHRONISED)
        db.session.refresh(self)
        return self.etat

    def become(self, etat: Etat, now: datetime, motif: str | None = None) -> None:
        self.etat, self.updated_at, self.motif = etat, now, motif

    @property
    def est_geste(self) -> bool:
        return self.genre == Genre.GESTE

    @property
    def mot(self) -> str:
        """`fichier`, or `changement` for an act."""
        return Genre(self.genre).mot

    @property
    def author(self) -> Declarant:
        return db.session.get_one(Declarant, self.by_id)

    def is_undoable(self, now: datetime) -> bool:
        return self.etat is Etat.APPLIQUE and self.applied_at is not None and now < self.applied_at + UNDOABLE

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Erase files that did not move for a month, with their lines; how many."""
        old = delete(cls).where(cls.updated_at < now - KEPT, cls.etat.not_in(WORKED))
        return len(db.session.scalars(old.returning(cls.id), execution_options=UNSYNCHRONISED).all())


WORKED = [etat for etat in Etat if etat.works]


class FichierContenu(Model):
    """The bytes that were sent, compressed: any server may do the job."""

    __tablename__ = "fichier_contenus"

    fichier_id: Mapped[int] = mapped_column(ForeignKey("fichiers_droits.id", ondelete="CASCADE"), primary_key=True)
    contenu: Mapped[bytes] = mapped_column(LargeBinary)

    @classmethod
    def keep(cls, fichier_id: int, content: bytes) -> None:
        db.session.add(cls(fichier_id=fichier_id, contenu=zlib.compress(content, 3)))

    @classmethod
    def read(cls, fichier_id: int) -> bytes:
        return zlib.decompress(db.session.scalar(select(cls.contenu).where(cls.fichier_id == fichier_id)) or zlib.compress(b""))


class FichierLigne(Model):
    """A line that changes something, or that is refused; the others are counted only."""

    __tablename__ = "fichier_lignes"
    __table_args__ = (Index("ix_fichier_lignes_refusee", "fichier_id", "refusee", "numero"),)

    fichier_id: Mapped[int] = mapped_column(ForeignKey("fichiers_droits.id", ondelete="CASCADE"), primary_key=True)
    numero: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    refusee: Mapped[bool]
    raison: Mapped[str | None] = mapped_column(String(400))
    cellules: Mapped[list[str] | None] = mapped_column(Json)
    """As they were typed, for a refused line."""
    declarant_id: Mapped[int | None]
    portefeuille_id: Mapped[int | None] = mapped_column(BigInt)
    cible: Mapped[int | None] = mapped_column(BigInt)
    service: Mapped[str | None] = mapped_column(String(40))
    avant: Mapped[str | None] = mapped_column(String(300))
    apres: Mapped[str | None] = mapped_column(String(300))

    @classmethod
    def replace(cls, fichier_id: int, rows: Iterable[dict[str, Any]]) -> None:
        """The lines of a file are these."""
        db.session.execute(delete(cls).where(cls.fichier_id == fichier_id), execution_options=UNSYNCHRONISED)
        pour(db.session.connection(), cls.__tablename__, COLUMNS, (_cells(fichier_id, row) for row in rows))

    @classmethod
    def page(cls, fichier_id: int, *, refusee: bool | None, after: int, limit: int) -> list[Self]:
        query = select(cls).where(cls.fichier_id == fichier_id, cls.numero > after).order_by(cls.numero).limit(limit)
        return list(db.session.scalars(query if refusee is None else query.where(cls.refusee.is_(refusee))))

    @classmethod
    def every(cls, fichier_id: int, *, refusee: bool | None) -> Iterator[Self]:
        """All of them, a thousand at a time."""
        after = 0
        while found := cls.page(fichier_id, refusee=refusee, after=after, limit=1000):
            yield from found
            after = found[-1].numero
            db.session.expunge_all()

    @classmethod
    def holders(cls, fichier_id: int) -> tuple[list[int], list[int]]:
        """The people and the portfolios that a file changes."""
        query = select(cls.declarant_id, cls.portefeuille_id).where(cls.fichier_id == fichier_id, cls.refusee.is_(False)).distinct()
        rows = db.session.execute(query).all()
        return sorted({one for one, _ in rows if one is not None}), sorted({one for _, one in rows if one is not None})


COLUMNS = ("fichier_id", "numero", "refusee", "raison", "cellules", "declarant_id", "portefeuille_id", "cible", "service", "avant", "apres")


def _cells(fichier_id: int, row: dict[str, Any]) -> Sequence[Any]:
    """For the driver: JSON is text to both."""
    cells = {"fichier_id": fichier_id, **row}
    if cells.get("cellules") is not None:
        cells["cellules"] = orjson.dumps(cells["cellules"]).decode()
    return [cells.get(column) for column in COLUMNS]


class TravailFichier(Model):
    """A job to do of a file. Whoever does it holds a lease, prolonged as the work goes on; past it, anybody may start again."""

    __tablename__ = "travaux_fichiers"
    __table_args__ = (
        Index("ix_travaux_fichiers_ended_at", "ended_at", "leased_until"),
        Index("ix_travaux_fichiers_fichier_id", "fichier_id"),
    )

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    fichier_id: Mapped[int] = mapped_column(ForeignKey("fichiers_droits.id", ondelete="CASCADE"))
    genre: Mapped[Travail] = mapped_column(enum_column(Travail))
    created_at: Mapped[datetime]
    worker: Mapped[str | None] = mapped_column(String(40))
    leased_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    faites: Mapped[int] = mapped_column(default=0)
    """Lines done."""
    total: Mapped[int] = mapped_column(default=0)
    """Lines to do; 0 while that is not known."""
    ended_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(200))

    @classmethod
    def ask(cls, fichier_id: int, genre: Travail, now: datetime) -> None:
        db.session.add(cls(fichier_id=fichier_id, genre=genre, created_at=now))

    @classmethod
    def current(cls, fichier_id: int) -> Self | None:
        """The last one asked."""
        return db.session.scalar(select(cls).where(cls.fichier_id == fichier_id).order_by(cls.id.desc()).limit(1))

    @classmethod
    def waiting(cls) -> int:
        return db.session.scalar(select(func.count()).select_from(cls).where(cls.ended_at.is_(None))) or 0

    @classmethod
    def end(cls, travail_id: int, worker: str, now: datetime, failure: str | None = None) -> bool:
        """It is done, in the transaction of what it did. False: somebody else has it, and nothing must be kept."""
        mine = (cls.id == travail_id, cls.worker == worker, cls.ended_at.is_(None))
        done: CursorResult[Any] = db.session.execute(  # type: ignore[assignment]  # an update gives a cursor
            update(cls).where(*mine).values(ended_at=now, failure=failure), execution_options=UNSYNCHRONISED
        )
        return done.rowcount == 1


NOW, UNTIL = bindparam("now", type_=Instant()), bindparam("until", type_=Instant())
FREE = (
    TravailFichier.ended_at.is_(null()),
    or_(TravailFichier.leased_until.is_(null()), TravailFichier.leased_until <= NOW),
)
DUE = Statement(lambda: select(TravailFichier.id).where(*FREE).limit(1))
"""Whether there is anything to claim: asked all day, and takes no lock."""
CLAIM = Statement(
    lambda: (
        update(TravailFichier)
        .where(
            TravailFichier.id
            == select(TravailFichier.id)
            .where(*FREE)
            .order_by(TravailFichier.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery(),
            *FREE,
        )
        .values(worker=bindparam("of_worker", type_=String), leased_until=UNTIL, tries=TravailFichier.tries + 1, faites=0, total=0)
        .returning(TravailFichier.id, TravailFichier.fichier_id, TravailFichier.genre, TravailFichier.tries)
    )
)
MINE = (TravailFichier.id == bindparam("travail_id", type_=BigInt), TravailFichier.worker == bindparam("of_worker", type_=String))
BEAT = Statement(
    lambda: (
        update(TravailFichier)
        .where(*MINE, TravailFichier.ended_at.is_(null()))
        .values(leased_until=UNTIL, faites=bindparam("at_line", type_=BigInt), total=bindparam("of_lines", type_=BigInt))
    )
)
"""A sign of life, with how far the work is; no row: the job is somebody else's."""
RELEASE = Statement(
    lambda: (
        update(TravailFichier)
        .where(*MINE, TravailFichier.ended_at.is_(null()))
        .values(leased_until=UNTIL, worker=null(), failure=bindparam("why", type_=String))
    )
)
"""Not done: to be tried again, not before an instant."""
