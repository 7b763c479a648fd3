"""The directory of companies (RCD): what the last import knew, what inscription asks of it, and the imports themselves.

Fact 2 (checked against a shared directory), fact 7 (SIREN over SIRET, head office), fact 14 (the card that is shown, with its
source's date). An establishment names no company: the SIRET holds the SIREN. No foreign key binds the two tables, since their
files come in any order. Left out on purpose: rows that vanish from INSEE's files stay, as INSEE only ever closes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    Dialect,
    ForeignKey,
    String,
    TypeDecorator,
    bindparam,
    case,
    column,
    func,
    insert,
    or_,
    select,
    table,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Model, db
from idp.entreprises.siret import Siren, Siret
from idp.errors import RefusedError


class SiretColumn(TypeDecorator[Siret]):
    """A Siret, stored as a 64-bit integer: half the size, and a company is a range."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(sqlite.INTEGER() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: Siret | int | None, _dialect: Dialect) -> Any:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> Siret | None:
        return None if value is None else Siret.of(value)


class SirenColumn(TypeDecorator[Siren]):
    """A Siren, stored as a 64-bit integer, so that it compares with a SIRET divided by 100,000."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(sqlite.INTEGER() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: Siren | int | None, _dialect: Dialect) -> Any:
        return None if value is None else int(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> Siren | None:
        return None if value is None else Siren.of(value)


Model.registry.update_type_annotation_map({Siret: SiretColumn, Siren: SirenColumn})


class UnknownSiretError(RefusedError):
    """The directory does not know this SIRET."""

    code = "siret_inconnu"
    number = "M100003"
    remedy = "Vérifiez le SIRET ; un établissement récent n'y paraît qu'après quelques semaines."
    status = 422
    public = ("Ce SIRET ne figure pas au répertoire des entreprises. Vérifiez ses chiffres ; "
              "un établissement récent n'y paraît qu'après quelques semaines.")


class ClosedSiretError(RefusedError):
    """The directory knows this SIRET as closed."""

    code = "siret_ferme"
    number = "M100004"
    remedy = "Utilisez le SIRET d'un établissement en activité."
    status = 422
    public = "Cet établissement est fermé d'après le répertoire des entreprises. Utilisez le SIRET d'un établissement en activité."


@dataclass(frozen=True, slots=True)
class Carte:
    """What is shown of an establishment so that a person recognises it (fact 14). Text is as the directory has it."""

    siret: Siret
    nom: str
    adresse: tuple[str, ...]
    siege: bool
    actif: bool
    activite_principale: str | None
    categorie_juridique: str | None
    mis_a_jour: date | None
    """When the directory last changed the establishment; None when it does not say."""

    @property
    def designation(self) -> str:
        """As a mail names it."""
        return f"« {self.nom} », SIRET {self.siret.grouped}"


class Entreprise(Model):
    """A company, or a sole trader: one row of StockUniteLegale."""

    __tablename__ = "entreprises"
    __table_args__ = (
        CheckConstraint("siren between 10000 and 999999999", name="siren_has_9_digits"),
        CheckConstraint("nic_siege between 0 and 99999", name="nic_has_5_digits"),
        CheckConstraint("etat in ('A', 'C')", name="etat_is_known"),
        CheckConstraint("statut_diffusion in ('O', 'P')", name="statut_diffusion_is_known"),
    )

    siren: Mapped[Siren] = mapped_column(SirenColumn, primary_key=True, autoincrement=False)
    nic_siege: Mapped[int | None]
    categorie_juridique: Mapped[str | None] = mapped_column(String(4))
    """INSEE's nomenclature of legal forms: 5710 is a SAS, 7… a public body."""
    etat: Mapped[str] = mapped_column(String(1))
    """A active, C ceased."""
    statut_diffusion: Mapped[str] = mapped_column(String(1))
    """O, or P: partial, what is masked is NULL here and shown nowhere."""
    categorie_entreprise: Mapped[str | None] = mapped_column(String(3))
    tranche_effectifs: Mapped[str | None] = mapped_column(String(2))
    activite_principale: Mapped[str | None] = mapped_column(String(6))
    cree_le: Mapped[date | None]
    mis_a_jour: Mapped[date | None]
    """When INSEE last touched the row; an older file never overwrites it."""
    denomination: Mapped[str | None]
    sigle: Mapped[str | None]
    nom: Mapped[str | None]
    """Of a sole trader, as `prenom`."""
    prenom: Mapped[str | None]

    @classmethod
    def find(cls, siren: Siren) -> Self | None:
        return db.session.get(cls, siren)

    @property
    def siege(self) -> Siret | None:
        """The head office."""
        return None if self.nic_siege is None else Siret.of(int(self.siren) * 100_000 + self.nic_siege)

    @property
    def active(self) -> bool:
        return self.etat == "A"

    @property
    def nom_affiche(self) -> str | None:
        """What people call it: denomination, or the sole trader's name; None when masked."""
        return self.denomination or " ".join(filter(None, (self.prenom, self.nom))) or None


class Etablissement(Model):
    """A place where a company works: one row of StockEtablissement."""

    __tablename__ = "etablissements"
    __table_args__ = (
        CheckConstraint("siret between 1000000000 and 99999999999999", name="siret_has_14_digits"),
        CheckConstraint("statut_diffusion in ('O', 'P')", name="statut_diffusion_is_known"),
    )

    siret: Mapped[Siret] = mapped_column(SiretColumn, primary_key=True, autoincrement=False)
    actif: Mapped[bool]
    siege: Mapped[bool]
    statut_diffusion: Mapped[str] = mapped_column(String(1))
    activite_principale: Mapped[str | None] = mapped_column(String(6))
    tranche_effectifs: Mapped[str | None] = mapped_column(String(2))
    cree_le: Mapped[date | None]
    mis_a_jour: Mapped[date | None]
    """When INSEE last touched the row; an older file never overwrites it."""
    enseigne: Mapped[str | None]
    denomination_usuelle: Mapped[str | None]
    complement: Mapped[str | None]
    voie: Mapped[str | None]
    """Number, repetition, kind and name of the street."""
    distribution: Mapped[str | None]
    code_postal: Mapped[str | None] = mapped_column(String(5))
    commune: Mapped[str | None]
    """Of France, or the place abroad with its own postal code."""
    code_commune: Mapped[str | None] = mapped_column(String(5))
    cedex: Mapped[str | None]
    """Code and office of a CEDEX: takes the place of postal code and commune on an envelope."""
    code_pays: Mapped[str | None] = mapped_column(String(5))
    """INSEE's code of a foreign country; NULL in France."""
    pays: Mapped[str | None]

    @classmethod
    def find(cls, siret: Siret) -> Self | None:
        return db.session.get(cls, siret)

    @classmethod
    def inscriptible(cls, siret: Siret) -> Self:
        """The establishment where somebody asks to be inscribed. For inscription alone: sign-in has one answer for everything.

        Raises UnknownSiretError or ClosedSiretError.
        """
        found = cls.find(siret)
        if found is None:
            raise UnknownSiretError(f"unknown: {siret}")
        if not found.actif:
            raise ClosedSiretError(f"closed: {siret}")
        return found

    @classmethod
    def locked(cls, siret: Siret) -> Self:
        """The same, its row held until the transaction ends: of two first administrators who come at once, one is the first."""
        cls.hold(siret)
        return cls.inscriptible(siret)

    @classmethod
    def hold(cls, siret: Siret) -> None:
        """Its row, should there be one, is this transaction's until it ends."""
        db.session.scalar(select(cls).where(cls.siret == siret).with_for_update(), execution_options={"populate_existing": True})

    @classmethod
    def of_company(cls, siren: Siren, *, after: Siret | None = None, limit: int = 50) -> list[Self]:
        """Its active establishments by SIRET, `limit` at a time, those after `after`."""
        sirets = siren.sirets
        first = sirets.start if after is None else int(after) + 1
        query = select(cls).where(cls.siret >= first, cls.siret < sirets.stop, cls.actif)
        return list(db.session.scalars(query.order_by(cls.siret).limit(limit)))

    @property
    def adresse(self) -> tuple[str, ...]:
        """The lines under the name on an envelope; few, or none, when they are masked."""
        place = self.cedex or " ".join(filter(None, (self.code_postal, self.commune)))
        return tuple(filter(None, (self.complement, self.voie, self.distribution, place, self.pays)))

    def carte(self) -> Carte:
        """What a person is shown of it."""
        company = Entreprise.find(self.siret.siren)
        nom = (company.nom_affiche if company else None) or self.enseigne or self.denomination_usuelle or "Nom non diffusé"
        return Carte(
            siret=self.siret, nom=nom, adresse=self.adresse, siege=self.siege, actif=self.actif,
            activite_principale=self.activite_principale, categorie_juridique=company.categorie_juridique if company else None,
            mis_a_jour=self.mis_a_jour,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: the mark in its file (bytes, lines, CRC-32), and what became of the rows so far."""

    position: int
    ligne: int
    controle: int
    lues: int = 0
    ecrites: int = 0
    refusees: int = 0

    @property
    def inchangees(self) -> int:
        return self.lues - self.ecrites - self.refusees


class ImportRcd(Model):
    """One import of one file. Unfinished, it is where the next import of the same file goes on."""

    __tablename__ = "imports_rcd"

    id: Mapped[int] = mapped_column(primary_key=True)
    genre: Mapped[str] = mapped_column(String(20))
    """The table that the file fills."""
    fichier: Mapped[str]
    taille: Mapped[int] = mapped_column(BigInt)
    """Bytes of the CSV."""
    position: Mapped[int] = mapped_column(BigInt)
    ligne: Mapped[int] = mapped_column(BigInt)
    controle: Mapped[int] = mapped_column(BigInt)
    """CRC-32 of the file up to `position`: proves that it is still the same."""
    lues: Mapped[int] = mapped_column(BigInt)
    ecrites: Mapped[int] = mapped_column(BigInt)
    """Added or changed; what the directory already knew is not written."""
    refusees: Mapped[int] = mapped_column(BigInt)
    started_at: Mapped[datetime]
    advanced_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    @property
    def progress(self) -> Progress:
        return Progress(self.position, self.ligne, self.controle, self.lues, self.ecrites, self.refusees)

    @classmethod
    def latest(cls, *, limit: int = 10) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.id.desc()).limit(limit)))

    @classmethod
    def find(cls, import_id: int) -> Self | None:
        return db.session.get(cls, import_id)

    @classmethod
    def unfinished(cls, connection: Connection, genre: str, taille: int) -> tuple[int, Progress] | None:
        """The last import of such a file, when it was not finished."""
        columns = (cls.id, cls.finished_at, cls.position, cls.ligne, cls.controle, cls.lues, cls.ecrites, cls.refusees)
        query = select(*columns).where(cls.genre == genre, cls.taille == taille).order_by(cls.id.desc()).limit(1)
        row = connection.execute(query).one_or_none()
        return None if row is None or row.finished_at else (row.id, Progress(*row[2:]))

    @classmethod
    def start(cls, connection: Connection, progress: Progress, now: datetime, *, genre: str, fichier: str, taille: int) -> int:
        """A new import, at its beginning; its identifier."""
        values = {"genre": genre, "fichier": fichier, "taille": taille, "started_at": now, "advanced_at": now, **asdict(progress)}
        return connection.execute(insert(cls).values(**values).returning(cls.id)).scalar_one()

    @classmethod
    def advance(cls, connection: Connection, import_id: int, since: Progress, to: Progress, now: datetime, *, finished: bool) -> bool:
        """Move on; False when the import is not where we left it: another one is at work."""
        here = (cls.id == import_id, cls.position == since.position, cls.lues == since.lues, cls.finished_at.is_(None))
        values = {"advanced_at": now, "finished_at": now if finished else None, **asdict(to)}
        return connection.execute(update(cls).where(*here).values(**values)).rowcount == 1


class RefusRcd(Model):
    """A row that could not be imported."""

    __tablename__ = "refus_rcd"

    import_id: Mapped[int] = mapped_column(ForeignKey("imports_rcd.id", ondelete="CASCADE"), primary_key=True)
    ligne: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    """Of the file; its header is line 1."""
    motif: Mapped[str] = mapped_column(String(300))
    """In French, for the operator."""

    @classmethod
    def keep(cls, connection: Connection, import_id: int, refused: Sequence[tuple[int, str]]) -> None:
        """Add lines and their reasons."""
        if refused:
            connection.execute(insert(cls), [{"import_id": import_id, "ligne": line, "motif": reason[:300]} for line, reason in refused])

    @classmethod
    def of(cls, import_id: int) -> Iterator[Self]:
        """In the order of the file, however many."""
        yield from db.session.scalars(select(cls).filter_by(import_id=import_id).order_by(cls.ligne).execution_options(yield_per=1000))


Company = type[Entreprise] | type[Etablissement]
STAGING = "arrivage_rcd"
"""Temporary table of one PostgreSQL session: what COPY fills."""


def upsert(model: Company, fields: Sequence[str], dialect: Dialect) -> str:
    """SQL that adds rows or changes those that differ and are not newer: from STAGING on PostgreSQL, one row of `?` on SQLite."""
    key, *others = fields
    columns = model.__table__.c
    statement: Any
    if dialect.name == "postgresql":
        staged = table(STAGING, *map(column, fields))
        statement = postgresql.insert(model).from_select(list(fields), select(*staged.c))
    else:
        dialect = sqlite.dialect(paramstyle="qmark")
        statement = sqlite.insert(model).values({name: bindparam(name) for name in fields})
    new = statement.excluded
    not_older = or_(new.mis_a_jour.is_(None), columns.mis_a_jour.is_(None), new.mis_a_jour >= columns.mis_a_jour)
    differs = tuple_(*(columns[name] for name in others)).is_distinct_from(tuple_(*(new[name] for name in others)))
    changes = {name: new[name] for name in others}
    statement = statement.on_conflict_do_update(index_elements=[key], set_=changes, where=not_older & differs)
    return str(statement.compile(dialect=dialect))


def inventory(connection: Connection, model: Company) -> tuple[int, int, date | None]:
    """How many rows, how many active, and when INSEE last touched one. Reads the whole table."""
    active = Entreprise.etat == "A" if model is Entreprise else Etablissement.actif
    row = connection.execute(select(func.count(), func.sum(case((active, 1), else_=0)), func.max(model.mis_a_jour))).one()
    return row[0], row[1] or 0, row[2]
