"""What was found of each person, and what the rules read: lists, links of declarations, Tableau de l'Ordre, representatives.

A row of `controles` outlives the person it is about, who may be erased by it: `declarant_id` refers to nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import (
    CheckConstraint,
    Index,
    Integer,
    String,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Instant, Json, Model, Statement, db, pour
from idp.declarants.controles.dossier import Entree, Inscrit, Lien, Mandataire, Moment, Nature, Outcome, Sens, Subject
from idp.declarants.controles.verdict import Finding, Verdict
from idp.declarants.models import Declarant, enum_column
from idp.declarants.statuts import Statut
from idp.entreprises.models import SiretColumn
from idp.entreprises.siret import Siren, Siret

BATCH = 1000
"""Rows of one statement of an import."""
KEPT = timedelta(days=365)
"""Evidence about people who were erased, and lines that no longer hold."""


DOUBTFUL = (Verdict.MANUAL, Verdict.BLOCK)
"""What an operator looks at. Who inscribes alone and is blocked is erased at once: a BLOCK is of somebody whom a colleague brought."""
EXAMINED = (Statut.PRIMO, Statut.CANDIDAT, Statut.ACTIF, Statut.SUSPENDU)


class Controle(Model):
    """One examination of one person: its verdict, its evidence, and what an operator decided of it."""

    __tablename__ = "controles"
    __table_args__ = (
        Index("ix_controles_declarant_id", "declarant_id"),
        CheckConstraint("decided_at is null or decision is not null", name="decided_with_a_decision"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    declarant_id: Mapped[int]
    siret: Mapped[Siret] = mapped_column(SiretColumn)
    moment: Mapped[Moment] = mapped_column(enum_column(Moment))
    verdict: Mapped[Verdict] = mapped_column(enum_column(Verdict))
    motifs: Mapped[str] = mapped_column(String(200))
    """Codes of the rules that the verdict comes from, between spaces: ` lien ordre `."""
    findings: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    profil: Mapped[str] = mapped_column(String(30))
    services: Mapped[list[str]] = mapped_column(Json)
    """What was asked, so that it is opened should an operator agree."""
    examined_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(120))
    decision: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(1000))

    @classmethod
    def keep(cls, declarant_id: int, outcome: Outcome, now: datetime) -> Self:
        """Write what was found."""
        subject = outcome.subject
        row = cls(declarant_id=declarant_id, siret=subject.siret, moment=subject.moment, verdict=outcome.verdict, examined_at=now)
        row.motifs = f" {' '.join(outcome.reasons)} "
        row.findings = [dumped(finding) for finding in outcome.findings]
        row.profil, row.services = subject.profil, list(subject.services)
        db.session.add(row)
        db.session.flush()
        return row

    @classmethod
    def find(cls, controle_id: int) -> Self | None:
        return db.session.get(cls, controle_id)

    @classmethod
    def of(cls, declarant_id: int) -> list[Self]:
        """Those of a person, the last one first."""
        return list(db.session.scalars(select(cls).filter_by(declarant_id=declarant_id).order_by(cls.id.desc())))

    @classmethod
    def last(cls, declarant_id: int, moment: Moment) -> Self | None:
        """The latest of one moment."""
        return db.session.scalar(select(cls).filter_by(declarant_id=declarant_id, moment=moment).order_by(cls.id.desc()).limit(1))

    @classmethod
    def waiting(
        cls,
        *,
        motif: str = "",
        siret: int | None = None,
        siren: int | None = None,
        before: datetime | None = None,
        after: int = 0,
        limit: int,
    ) -> list[tuple[Self, Declarant]]:
        """The queue, the oldest first, those after `after`: examinations of living people that nobody settled.

        `motif`: code of a rule; `before`: examined earlier than that.
        """
        query = select(cls, Declarant).join(Declarant, Declarant.id == cls.declarant_id).where(*cls._undecided(), cls.id > after)
        if motif:
            query = query.where(cls.motifs.contains(f" {motif} ", autoescape=True))
        if siret is not None:
            query = query.where(cls.siret == siret)
        if siren is not None:
            query = query.where(cls.siret.between(siren * 100_000, siren * 100_000 + 99_999))
        if before is not None:
            query = query.where(cls.examined_at < before)
        return [(controle, declarant) for controle, declarant in db.session.execute(query.order_by(cls.id).limit(limit))]

    @classmethod
    def count_waiting(cls) -> int:
        query = select(func.count()).select_from(cls).join(Declarant, Declarant.id == cls.declarant_id).where(*cls._undecided())
        return db.session.scalar(query) or 0

    @classmethod
    def _undecided(cls) -> tuple[Any, ...]:
        return (cls.verdict.in_(DOUBTFUL), cls.decided_at.is_(None), Declarant.statut.in_(EXAMINED))

    def waits_about(self, declarant: Declarant | None) -> bool:
        """For an operator's decision about this person, who is still there."""
        return self.verdict in DOUBTFUL and self.decided_at is None and declarant is not None and declarant.statut in EXAMINED

    def settle(self, decision: str, reason: str, by: str, now: datetime) -> bool:
        """Keep a decision; False when another operator already did, and nothing changes."""
        values = {"decided_at": now, "decided_by": by, "decision": decision, "reason": reason}
        query = update(Controle).where(Controle.id == self.id, Controle.decided_at.is_(None)).values(**values).returning(Controle.id)
        won = db.session.scalar(query, execution_options={"synchronize_session": False})
        db.session.refresh(self)
        return won is not None

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete what was found long ago of people who are no more; how many."""
        gone = and_(cls.examined_at < now - KEPT, ~exists().where(Declarant.id == cls.declarant_id))
        return len(db.session.scalars(delete(cls).where(gone).returning(cls.id)).all())


VERDICTS = Statement(
    lambda: select(Controle.moment, Controle.verdict, Controle.examined_at, Controle.decision, Controle.decided_at).where(
        Controle.id.in_(
            select(func.max(Controle.id)).where(Controle.declarant_id == bindparam("declarant_id", type_=Integer)).group_by(Controle.moment)
        )
    )
)
"""The last examination of somebody at each moment."""


def dumped(finding: Finding) -> dict[str, Any]:
    """As JSON keeps it."""
    return {
        "rule": finding.rule,
        "family": finding.family,
        "verdict": finding.verdict.value,
        "says": finding.says,
        "source": finding.source,
        "at": finding.at.isoformat(),
        "evidence": [list(pair) for pair in finding.evidence],
    }


# ------------------------------------------------------------------------------------------------------------------- lists


class EntreeListe(Model):
    """A line of a list: whom a service awaits, refuses, or wants represented in person."""

    __tablename__ = "controle_listes"
    __table_args__ = (
        Index("uq_controle_listes_line", "sens", "nature", "valeur", "service", unique=True),
        Index("ix_controle_listes_valeur", "valeur"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sens: Mapped[Sens] = mapped_column(enum_column(Sens))
    nature: Mapped[Nature] = mapped_column(enum_column(Nature))
    valeur: Mapped[str] = mapped_column(String(254))
    service: Mapped[str] = mapped_column(String(40))
    """Empty: every service."""
    motif: Mapped[str] = mapped_column(String(300))
    proprietaire: Mapped[str] = mapped_column(String(120))
    """Who answers for the line."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]

    @classmethod
    def find(cls, entree_id: int) -> Self | None:
        return db.session.get(cls, entree_id)

    @classmethod
    def line(cls, sens: Sens, nature: Nature, valeur: str, service: str) -> Self | None:
        return db.session.scalar(select(cls).filter_by(sens=sens, nature=nature, valeur=valeur, service=service))

    @classmethod
    def page(cls, *, sens: Sens | None = None, text: str = "", after: int = 0, limit: int) -> list[Self]:
        """By age; `text` is the whole value, or the code of a service."""
        query = select(cls).where(cls.id > after)
        if sens is not None:
            query = query.where(cls.sens == sens)
        if text:
            query = query.where(or_(cls.valeur == text.lower(), cls.service == text.lower()))
        return list(db.session.scalars(query.order_by(cls.id).limit(limit)))

    @classmethod
    def about(cls, subject: Subject, now: datetime) -> tuple[Entree, ...]:
        """The living lines that name this subject; and, of each list of allowed companies, one line that tells that it exists."""
        living = or_(cls.expires_at.is_(None), cls.expires_at > now)
        services = cls.service.in_(["", *subject.services])
        domains = [subject.domain[i:] for i in _starts(subject.domain)]
        values = [str(subject.siret), str(subject.siret.siren), subject.email.lower(), "*", *domains]
        named = list(db.session.scalars(select(cls).where(living, services, cls.valeur.in_(values))))
        companies = and_(cls.sens == Sens.AUTORISE, cls.nature.in_([Nature.SIRET, Nature.SIREN, Nature.TOUS]))
        first = select(func.min(cls.id)).where(living, services, companies).group_by(cls.service)
        kept = {row.id: row for row in (*named, *db.session.scalars(select(cls).where(cls.id.in_(first))))}
        return tuple(row.value for _, row in sorted(kept.items()))

    @property
    def value(self) -> Entree:
        """As the rules read it."""
        return Entree(self.sens, self.nature, self.valeur, self.service, self.motif, self.proprietaire)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Delete lines that expired long ago; how many."""
        return len(db.session.scalars(delete(cls).where(cls.expires_at < now - KEPT).returning(cls.id)).all())


def _starts(domain: str) -> list[int]:
    """Where each of the labels begins, but the last."""
    starts = [0, *(i + 1 for i, character in enumerate(domain) if character == ".")]
    return starts[:-1]


# --------------------------------------------------------------------------------------------------------------- registers


LIENS_VERSION = "liens"
"""Grows with each import that changes a link: rights come and go with them."""


class LienDeclare(Model):
    """A company declared for another, last in this month: what the declarations say, without a mandate."""

    __tablename__ = "liens_declares"
    __table_args__ = (Index("ix_liens_declares_siret_declare", "siret_declare"),)

    siret_declarant: Mapped[Siret] = mapped_column(SiretColumn, primary_key=True)
    siret_declare: Mapped[Siret] = mapped_column(SiretColumn, primary_key=True)
    dernier_mois: Mapped[str] = mapped_column(String(7))
    """`2026-10`."""
    imported_at: Mapped[datetime]

    @classmethod
    def of(cls, siren: Siren, declare: Siret | None, limit: int = 50) -> tuple[Lien, ...]:
        """The links of a company as a declarant, the freshest first; to one company only when `declare` is given."""
        sirets = siren.sirets
        query = select(cls).where(cls.siret_declarant >= sirets.start, cls.siret_declarant < sirets.stop)
        if declare is not None:
            query = query.where(cls.siret_declare == declare)
        found = db.session.scalars(query.order_by(cls.dernier_mois.desc()).limit(limit))
        return tuple(Lien(int(row.siret_declarant), int(row.siret_declare), row.dernier_mois) for row in found)

    @classmethod
    def for_establishment(cls, siret: int) -> list[Self]:
        """Who declared it."""
        return list(db.session.scalars(select(cls).where(cls.siret_declare == siret)))


class InscritOrdre(Model):
    """A line of the Tableau de l'Ordre des experts-comptables."""

    __tablename__ = "tableau_ordre"
    __table_args__ = (Index("ix_tableau_ordre_siren", "siren"),)

    numero: Mapped[str] = mapped_column(String(20), primary_key=True)
    nom: Mapped[str] = mapped_column(String(200))
    siren: Mapped[int] = mapped_column(BigInt)
    imported_at: Mapped[datetime]

    @classmethod
    def of(cls, siren: Siren) -> tuple[Inscrit, ...]:
        found = db.session.scalars(select(cls).filter_by(siren=int(siren)).order_by(cls.numero))
        return tuple(Inscrit(row.numero, row.nom, row.imported_at) for row in found)


class RepresentantLegal(Model):
    """Somebody who represents a company, as its register says; names are folded, `qualite` is as it came."""

    __tablename__ = "representants"

    siren: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    nom: Mapped[str] = mapped_column(String(80), primary_key=True)
    prenom: Mapped[str] = mapped_column(String(80), primary_key=True)
    qualite: Mapped[str] = mapped_column(String(120))
    email: Mapped[str | None] = mapped_column(String(254))
    """Where the register says that they are written to, if it does."""
    imported_at: Mapped[datetime]

    @classmethod
    def rows(cls, siren: Siren) -> list[Self]:
        return list(db.session.scalars(select(cls).filter_by(siren=int(siren)).order_by(cls.nom, cls.prenom)))

    @classmethod
    def of(cls, siren: Siren) -> tuple[Mandataire, ...]:
        return tuple(Mandataire(row.nom, row.prenom, row.qualite, row.imported_at) for row in cls.rows(siren))


Register = type[LienDeclare] | type[InscritOrdre] | type[RepresentantLegal] | type[EntreeListe]


def upsert(model: Register, rows: Sequence[dict[str, Any]], key: Iterable[str], *, keep_greatest: str = "") -> None:
    """Add rows, or change those of the same key. With `keep_greatest`, a row whose value is greater already stays as it is."""
    if not rows:
        return
    names, columns = list(key), model.__table__.c
    insert: Any = (postgresql if db.engine.dialect.name == "postgresql" else sqlite).insert
    for start in range(0, len(rows), BATCH):
        statement = insert(model).values(list(rows[start : start + BATCH]))
        changes = {name: statement.excluded[name] for name in rows[0] if name not in names}
        where = columns[keep_greatest] <= statement.excluded[keep_greatest] if keep_greatest else None
        db.session.execute(statement.on_conflict_do_update(index_elements=names, set_=changes, where=where))


LIENS_BATCH = 100_000
"""Links of one statement on PostgreSQL: a second or two."""


def keep_latest(rows: Sequence[tuple[int, int, str]], now: datetime) -> int:
    """Add links (declarant, declared, month), or bring them to a later month; how many were not there already so."""
    latest: dict[tuple[int, int], str] = {}
    for declarant, declare, month in rows:
        if month > latest.get((declarant, declare), ""):
            latest[declarant, declare] = month
    connection = db.session.connection()
    fields: Any = LienDeclare.__table__.c
    staged = table("liens_arrives", column("siret_declarant"), column("siret_declare"), column("dernier_mois"))
    new: Any = literal(now, Instant())
    links: Any = LienDeclare.__table__
    if connection.dialect.name == "postgresql":
        db.session.execute(text("create temporary table if not exists liens_arrives (like liens_declares) on commit drop"))
        db.session.execute(text("alter table liens_arrives alter imported_at drop not null"))
        db.session.execute(text("truncate liens_arrives"))
        pour(connection, "liens_arrives", list(staged.c.keys()), ((*pair, month) for pair, month in latest.items()))
        insert: Any = postgresql.insert(links).from_select([*staged.c.keys(), "imported_at"], select(*staged.c, new))
        return _upsert_links(insert, fields)
    insert = sqlite.insert(links)
    values = [{"siret_declarant": a, "siret_declare": b, "dernier_mois": month, "imported_at": now} for (a, b), month in latest.items()]
    return _upsert_links(insert, fields, values)


def _upsert_links(insert: Any, fields: Any, values: Sequence[dict[str, Any]] | None = None) -> int:
    """A link that has that month, or a later one, is left alone: the same file twice writes nothing."""
    changes = {name: insert.excluded[name] for name in ("dernier_mois", "imported_at")}
    is_older = fields.dernier_mois < insert.excluded.dernier_mois
    statement = insert.on_conflict_do_update(index_elements=["siret_declarant", "siret_declare"], set_=changes, where=is_older)
    return db.session.connection().execute(statement, values or None, execution_options={"preserve_rowcount": True}).rowcount


def forget_older(model: type[InscritOrdre] | type[RepresentantLegal], than: datetime) -> int:
    """Delete what the import of that instant did not bring: the file was the whole register. How many."""
    return int(getattr(db.session.execute(delete(model).where(model.imported_at < than)), "rowcount", 0))


def to_examine(before: datetime, after: int, limit: int) -> list[Declarant]:
    """Active people whom nobody examined at the moment of a declaration since `before`, by number, those after `after`."""
    recent = exists().where(Controle.declarant_id == Declarant.id, Controle.moment == Moment.DECLARATION, Controle.examined_at >= before)
    query = select(Declarant).where(Declarant.statut == Statut.ACTIF, Declarant.id > after, ~recent)
    return list(db.session.scalars(query.order_by(Declarant.id).limit(limit)))


def people_of(siren: Siren, but: tuple[Siret, str]) -> int:
    """How many people are inscribed for a company, but whoever bears this SIRET and key."""
    sirets, mine = siren.sirets, and_(Declarant.siret == but[0], Declarant.cle == but[1])
    where = (Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.statut != Statut.RADIE, ~mine)
    return db.session.scalar(select(func.count()).select_from(Declarant).where(*where)) or 0


def companies_of(email: str, but: Siren) -> int:
    """For how many other companies this address is inscribed."""
    sirets = but.sirets
    elsewhere = or_(Declarant.siret < sirets.start, Declarant.siret >= sirets.stop)
    where = (Declarant.email.in_({email, email.lower()}), elsewhere, Declarant.statut != Statut.RADIE)
    return len({siret.siren for siret in db.session.scalars(select(Declarant.siret).where(*where).distinct().limit(BATCH))})


def declares_for(email: str, siren: Siren) -> bool:
    """Whether this address is that of somebody active at a company that declared for this one, as past declarations say."""
    sirets = siren.sirets
    link = select(LienDeclare.siret_declarant).where(
        LienDeclare.siret_declare >= sirets.start,
        LienDeclare.siret_declare < sirets.stop,
        or_(LienDeclare.siret_declarant < sirets.start, LienDeclare.siret_declarant >= sirets.stop),
    )
    where = (Declarant.email.in_({email, email.lower()}), Declarant.email_verified, Declarant.statut == Statut.ACTIF)
    return db.session.scalar(select(Declarant.id).where(*where, Declarant.siret.in_(link)).limit(1)) is not None
