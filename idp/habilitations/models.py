"""Tables of services and rights, and the statements of the hot path.

Rows of one account lie together: tables are keyed by account (or portfolio) then target. `operation_id` names the gesture
that last wrote a row. Statements take `now` and compare it with `effective_from` (included) and `ends_at` (excluded, FOREVER
for what has no end): a right that is not open yet, or no longer, is not there.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import reduce
from typing import Any, Self, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Executable,
    ForeignKey,
    Index,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    distinct,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column
from sqlalchemy.sql.selectable import CTE

from idp.database import BigInt, Instant, Model, Statement, Version, db
from idp.declarants.controles.models import LIENS_VERSION, LienDeclare
from idp.declarants.models import Declarant, enum_column
from idp.declarants.statuts import Statut
from idp.habilitations.droits import FIRST_SIRET, FOREVER, Droit, Exigence, Grain, Masks, Period
from idp.habilitations.perimetre import DECLARED, DIRECT, END, EXCLUSION, EXHAUSTED, LIENS


class Masques:
    """One mask of services for each kind of right."""

    declarer: Mapped[int] = mapped_column(BigInt, default=0)
    payer: Mapped[int] = mapped_column(BigInt, default=0)
    consulter: Mapped[int] = mapped_column(BigInt, default=0)
    telecharger_officiel: Mapped[int] = mapped_column(BigInt, default=0)

    @property
    def masks(self) -> Masks:
        return Masks(*(getattr(self, droit) for droit in Droit))

    @masks.setter
    def masks(self, masks: Masks) -> None:
        for droit in Droit:
            setattr(self, droit, getattr(masks, droit))


class Dates:
    """When a row counts."""

    effective_from: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(default=FOREVER)

    @property
    def period(self) -> Period:
        return Period(self.effective_from, self.ends_at)


class DatesInKey:
    """Dates that belong to the key: one target may have rights that open, or end, at several dates."""

    effective_from: Mapped[datetime] = mapped_column(primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(primary_key=True, default=FOREVER)

    @property
    def period(self) -> Period:
        return Period(self.effective_from, self.ends_at)


IS_CIBLE = "cible between 10000 and 99999999999999"
FULL_KEY: dict[str, Any] = {"sqlite_with_rowid": False}
"""SQLite: the row is its key, as PostgreSQL's index would be."""


class Operation(Model):
    """One gesture that changed rights: who, when, what. The audit journal says more; rows of rights only point here."""

    __tablename__ = "operations"
    __table_args__ = (
        Index("ix_operations_by_id", "by_id", "id"),
        Index("ix_operations_portefeuille_id", "portefeuille_id", "id"),
        Index("ix_operations_annule_id", "annule_id"),
    )

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("declarants.id"))
    """None: an operator's command."""
    kind: Mapped[str] = mapped_column(String(40))
    annule_id: Mapped[int | None] = mapped_column(BigInt)
    """The operation that this one undid."""
    resume: Mapped[str | None] = mapped_column(String(300))
    """In French, for those who administer; None when nobody said."""
    portefeuille_id: Mapped[int | None] = mapped_column(BigInt)
    """The portfolio that administrators changed by it, so that two of them see each other's changes."""

    droits: Mapped[int | None] = mapped_column(BigInt)
    """How many rights it changed on the decision of its author alone; None when somebody agreed to it, or had not to."""

    @classmethod
    def droits_since(cls, by_id: int, since: datetime) -> int:
        """How many rights somebody changed alone since then, without what was undone."""
        undo = aliased(cls)
        undone = exists().where(undo.annule_id == cls.id)
        return int(db.session.scalar(select(func.sum(cls.droits)).where(cls.by_id == by_id, cls.at > since, ~undone)) or 0)

    @classmethod
    def alone(cls, operation_id: int, droits: int) -> None:
        """Nobody else agreed to it."""
        db.session.execute(update(cls).where(cls.id == operation_id).values(droits=droits))

    @classmethod
    def begin(cls, at: datetime, by_id: int | None, kind: str, annule_id: int | None = None) -> int:
        """A new operation, under which rows are closed until the end of the transaction; its id."""
        row = cls(at=at, by_id=by_id, kind=kind, annule_id=annule_id)
        db.session.add(row)
        db.session.flush()
        if db.session.get_bind().dialect.name == "postgresql":
            db.session.execute(select(func.set_config("mag.operation", str(row.id), True)))
        return row.id

    @classmethod
    def locked(cls, operation_id: int) -> Self | None:
        """Its row, kept from another undo until the end of the transaction."""
        touch = update(cls).where(cls.id == operation_id).values(kind=cls.kind)
        db.session.execute(touch, execution_options={"synchronize_session": False})
        return db.session.get(cls, operation_id, populate_existing=True)

    @classmethod
    def latest(cls, limit: int) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.id.desc()).limit(limit)))


class ServiceDeclaratif(Model):
    """A service of the catalogue. Rows are disabled, never deleted, and a bit is never given again."""

    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint("bit between 0 and 62", name="bit_fits_mask"),
        CheckConstraint("opening_delay >= 0", name="opening_delay_is_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    bit: Mapped[int] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(String(40), unique=True)
    libelle: Mapped[str] = mapped_column(String(120))
    grain: Mapped[Grain] = mapped_column(enum_column(Grain))
    declarer: Mapped[bool]
    payer: Mapped[bool]
    consulter: Mapped[bool]
    telecharger_officiel: Mapped[bool]
    opening_delay: Mapped[int] = mapped_column(default=0)
    """Hours."""
    enabled: Mapped[bool] = mapped_column(default=True)
    profils: Mapped[str] = mapped_column(String(200), default="", server_default="")
    """Profiles it is proposed to at inscription, separated by spaces."""
    lien_requis: Mapped[str] = mapped_column(String(10), default=Exigence.JAMAIS, server_default="jamais")
    lien_ouvre: Mapped[str] = mapped_column(String(80), default="", server_default="")
    """Rights that a recent declaration opens by itself, separated by spaces."""

    @classmethod
    def all(cls) -> list[Self]:
        return list(db.session.scalars(select(cls).order_by(cls.bit)))


class ServiceHeritage(Model):
    """Whoever holds `droit_source` on the source holds `droit` on the service (fact 57)."""

    __tablename__ = "service_heritages"
    __table_args__ = (FULL_KEY,)

    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    droit: Mapped[Droit] = mapped_column(enum_column(Droit), primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    droit_source: Mapped[Droit] = mapped_column(enum_column(Droit, name="droit_source"), primary_key=True)

    @classmethod
    def all(cls) -> list[Self]:
        return list(db.session.scalars(select(cls)))


class ServiceAcces(Masques, Model):
    """The closure of inheritance: bits of which one suffices for a right. Rebuilt with the catalogue, for questions asked in SQL."""

    __tablename__ = "service_acces"
    __table_args__ = (FULL_KEY,)

    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    droit: Mapped[Droit] = mapped_column(enum_column(Droit), primary_key=True)

    @classmethod
    def clear(cls) -> None:
        db.session.execute(delete(cls))


class DroitDirect(Masques, DatesInKey, Model):
    """Rights given to an account itself on a SIRET or a SIREN."""

    __tablename__ = "droits"
    __table_args__ = (
        CheckConstraint(IS_CIBLE, name="cible_is_siren_or_siret"),
        Index("ix_droits_cible", "cible", "declarant_id"), FULL_KEY,
    )

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    cible: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    operation_id: Mapped[int] = mapped_column(ForeignKey("operations.id"))

    @classmethod
    def below(cls, declarant_id: int, siren: int) -> list[Self]:
        """Rows on the establishments of a company."""
        here = cls.cible.between(siren * 100_000, siren * 100_000 + 99_999)
        return list(db.session.scalars(select(cls).where(cls.declarant_id == declarant_id, here).order_by(cls.cible)))


class Exclusion(Masques, Model):
    """Rights that an account does not have on a SIRET or a SIREN, whatever gives them."""

    __tablename__ = "exclusions"
    __table_args__ = (CheckConstraint(IS_CIBLE, name="cible_is_siren_or_siret"), FULL_KEY)

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    cible: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    operation_id: Mapped[int] = mapped_column(ForeignKey("operations.id"))

    @classmethod
    def count_below(cls, declarant_id: int, siren: int) -> int:
        """Establishments of one company that carry an exclusion."""
        below = cls.cible.between(siren * 100_000, siren * 100_000 + 99_999)
        return db.session.scalar(select(func.count()).select_from(cls).where(cls.declarant_id == declarant_id, below)) or 0


class Portefeuille(Masques, Model):
    """Clients and members of a firm, grouped (fact 47). Its masks are the container: no client, no member has more."""

    __tablename__ = "portefeuilles"
    __table_args__ = (Index("ix_portefeuilles_siren", "siren"),)

    id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    siren: Mapped[int] = mapped_column(BigInt)
    """The firm that owns it."""
    nom: Mapped[str] = mapped_column(String(120))
    epoque: Mapped[int] = mapped_column(BigInt, default=1)
    """Version of the container and of the content."""
    clients: Mapped[int] = mapped_column(default=0)
    """How many targets the content has."""
    operation_id: Mapped[int | None] = mapped_column(BigInt)
    """What last changed the container."""

    def close_content(self, masks: Masks, operation_id: int) -> None:
        """Take bits away from every client, in one statement."""
        client = PortefeuilleClient
        kept = {droit.value: getattr(client, droit).bitwise_and(~getattr(masks, droit)) for droit in Droit}
        empty = and_(*(getattr(client, droit) == 0 for droit in Droit))
        touched = or_(*(getattr(client, droit).bitwise_and(getattr(masks, droit)) != 0 for droit in Droit))
        for statement in (update(client).where(touched).values(**kept, operation_id=operation_id), delete(client).where(empty)):
            db.session.execute(statement.where(client.portefeuille_id == self.id), execution_options={"synchronize_session": False})
        self.count_clients()

    def count_clients(self) -> None:
        db.session.flush()
        counted = select(func.count(distinct(PortefeuilleClient.cible))).filter_by(portefeuille_id=self.id)
        self.clients = db.session.scalar(counted) or 0


class PortefeuilleClient(Masques, DatesInKey, Model):
    """The content: services opened for one client of a portfolio."""

    __tablename__ = "portefeuille_clients"
    __table_args__ = (
        CheckConstraint(IS_CIBLE, name="cible_is_siren_or_siret"),
        Index("ix_portefeuille_clients_cible", "cible", "portefeuille_id"), FULL_KEY,
    )

    portefeuille_id: Mapped[int] = mapped_column(ForeignKey("portefeuilles.id"), primary_key=True)
    cible: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    operation_id: Mapped[int] = mapped_column(ForeignKey("operations.id"))

    @classmethod
    def targets(cls, portefeuille_id: int) -> list[int]:
        """Every client, in order."""
        query = select(cls.cible).where(cls.portefeuille_id == portefeuille_id).distinct()
        return list(db.session.scalars(query.order_by(cls.cible)))

    @classmethod
    def move(cls, origin: int, to: int, first: int, last: int, operation_id: int) -> None:
        """Clients between two, both included, pass from one portfolio to another. Two statements."""
        names = ["cible", "effective_from", "ends_at", *(d.value for d in Droit)]
        here = and_(cls.portefeuille_id == origin, cls.cible.between(first, last))
        rows = select(literal(to, BigInt), literal(operation_id, BigInt), *(getattr(cls, name) for name in names)).where(here)
        db.session.execute(insert(cls).from_select(["portefeuille_id", "operation_id", *names], rows))
        db.session.execute(delete(cls).where(here), execution_options={"synchronize_session": False})


class PortefeuilleMembre(Masques, Dates, Model):
    """A member: his ceiling within the portfolio."""

    __tablename__ = "portefeuille_membres"
    __table_args__ = (Index("ix_portefeuille_membres_portefeuille_id", "portefeuille_id", "declarant_id"), FULL_KEY)

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    portefeuille_id: Mapped[int] = mapped_column(ForeignKey("portefeuilles.id"), primary_key=True)
    operation_id: Mapped[int] = mapped_column(ForeignKey("operations.id"))

    @classmethod
    def in_portfolio(cls, portefeuille_id: int) -> list[Self]:
        return list(db.session.scalars(select(cls).where(cls.portefeuille_id == portefeuille_id).order_by(cls.declarant_id)))

    @classmethod
    def of(cls, declarant_id: int) -> list[tuple[Self, Portefeuille]]:
        """An account's memberships, with their portfolios."""
        query = select(cls, Portefeuille).join(Portefeuille, Portefeuille.id == cls.portefeuille_id).where(cls.declarant_id == declarant_id)
        return [(membre, portefeuille) for membre, portefeuille in db.session.execute(query.order_by(cls.portefeuille_id))]

    @classmethod
    def portfolios_of(cls, declarant_id: int) -> list[int]:
        return list(db.session.scalars(select(cls.portefeuille_id).where(cls.declarant_id == declarant_id)))

    @classmethod
    def leading_to(cls, declarant_id: int, cibles: Collection[int]) -> list[tuple[Self, Portefeuille, PortefeuilleClient]]:
        """An account's memberships that lead to these targets. From the targets, which are in few portfolios: an account is in hundreds."""
        client = PortefeuilleClient
        query = select(cls, Portefeuille, client) \
            .join_from(client, cls, and_(cls.portefeuille_id == client.portefeuille_id, cls.declarant_id == declarant_id)) \
            .join(Portefeuille, Portefeuille.id == cls.portefeuille_id) \
            .where(client.cible.in_(cibles)).order_by(cls.portefeuille_id, client.cible)
        return [(a, b, c) for a, b, c in db.session.execute(query, execution_options={"populate_existing": True})]


OnTarget = TypeVar("OnTarget", DroitDirect, Exclusion, PortefeuilleClient)


def rows_on(kind: type[OnTarget], owner_id: int, cibles: Collection[int]) -> list[OnTarget]:
    """Rows of an account, or of a portfolio, on these targets: as the database has them, not as the session remembers them."""
    owner = next(iter(kind.__table__.primary_key))
    query = select(kind).where(owner == owner_id, kind.cible.in_(cibles))
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def locked_declarant(declarant_id: int) -> Declarant | None:
    """The account's row, kept from other gestures until the end of the transaction."""
    return locked(Declarant, declarant_id)


def locked_portefeuille(portefeuille_id: int) -> Portefeuille | None:
    """The portfolio's row, kept from other gestures until the end of the transaction."""
    return locked(Portefeuille, portefeuille_id)


def hold_portefeuilles(ids: Collection[int]) -> None:
    """Keep portfolios until the end of the transaction, in one order, after the rows of people. SQLite has one writer: whoever holds
    people holds all.
    """
    if ids:
        db.session.execute(select(Portefeuille.id).where(Portefeuille.id.in_(ids)).order_by(Portefeuille.id).with_for_update(key_share=True))


def hold_memberships(declarant_id: int) -> None:
    """The same of all the portfolios of an account, from those who change them: others may pass memberships on at the same time."""
    theirs = select(PortefeuilleMembre.portefeuille_id).where(PortefeuilleMembre.declarant_id == declarant_id)
    db.session.execute(select(Portefeuille.id).where(Portefeuille.id.in_(theirs)).order_by(Portefeuille.id).with_for_update(read=True))


Locked = TypeVar("Locked", Declarant, Portefeuille)


def locked(kind: type[Locked], identifier: int) -> Locked | None:
    """By an update that changes nothing: SQLite, which has no row locks, then takes its write lock before anything is read."""
    touch = update(kind).where(kind.id == identifier).values(epoque=kind.epoque)
    db.session.execute(touch, execution_options={"synchronize_session": False})
    return db.session.get(kind, identifier, populate_existing=True)


DECLARANT = bindparam("declarant", type_=Declarant.id.type)
SIRET, SIREN = bindparam("siret", type_=BigInt), bindparam("siren", type_=BigInt)
NOW = bindparam("now", type_=Instant())
ACCEPTED = {droit: bindparam(f"accepted_{droit}", type_=BigInt) for droit in Droit}


def constant(number: int) -> ColumnElement[int]:
    """Written in the statement: what never changes need not be sent each time."""
    return literal_column(str(number), BigInt)


IS_ACTIVE = and_(Declarant.id == DECLARANT, Declarant.statut == literal_column(f"'{Statut.ACTIF}'"))
NONE, STEP, NICS, LAST_NIC = map(constant, (0, 1, 100_000, 99_999))


def is_live(row: Any, now: ColumnElement[datetime] = NOW) -> ColumnElement[bool]:
    return and_(row.effective_from <= now, row.ends_at > now)


def common(masks: Iterable[ColumnElement[int]]) -> ColumnElement[int]:
    return reduce(lambda a, b: a.bitwise_and(b), masks)


def accepted(rows: Collection[Any], excluded: Collection[Any]) -> ColumnElement[bool]:
    """Whether the rows share a bit that suffices and that no exclusion takes away."""
    def left(droit: Droit) -> ColumnElement[int]:
        kept = (func.coalesce(getattr(x, droit), NONE).bitwise_not() for x in excluded)
        return common((*(getattr(row, droit) for row in rows), ACCEPTED[droit], *kept))

    return reduce(lambda a, b: a.bitwise_or(b), map(left, Droit)) != NONE


def check() -> Executable:
    """A row when the account is active and holds, on the SIRET or on its company, a bit that suffices and is not excluded.

    From the SIRET, not from the account: a SIRET is in few portfolios, an account may have hundreds. The scalar subquery keeps
    the planner from turning the membership into a hash of them all.
    """
    here, company = aliased(Exclusion), aliased(Exclusion)
    direct, client, membre, portefeuille = DroitDirect, PortefeuilleClient, PortefeuilleMembre, Portefeuille
    own = exists().where(
        direct.declarant_id == DECLARANT, direct.cible.in_([SIRET, SIREN]), is_live(direct), accepted([direct], [here, company]))
    through = select(accepted([client, membre, portefeuille], [here, company])).correlate(client, here, company) \
        .join_from(membre, portefeuille, portefeuille.id == membre.portefeuille_id) \
        .where(membre.declarant_id == DECLARANT, membre.portefeuille_id == client.portefeuille_id, is_live(membre))
    held = exists().where(client.cible.in_([SIRET, SIREN]), is_live(client), through.scalar_subquery())
    return select(STEP).select_from(Declarant) \
        .outerjoin(here, and_(here.declarant_id == DECLARANT, here.cible == SIRET)) \
        .outerjoin(company, and_(company.declarant_id == DECLARANT, company.cible == SIREN)) \
        .where(IS_ACTIVE, or_(own, held))


CHECK = Statement(check)


def ceiling() -> list[ColumnElement[int]]:
    """What a membership may reach: the member's ceiling within the container."""
    return [common((getattr(PortefeuilleMembre, d), getattr(Portefeuille, d))) for d in Droit]


def registers() -> ColumnElement[int]:
    """The version of the register of declarations: 0 before its first import."""
    number = select(Version.number).where(Version.name == literal_column(f"'{LIENS_VERSION}'")).scalar_subquery()
    return func.coalesce(number, NONE)


def holdings() -> Executable:
    """The account's epoch and its memberships (none: one row of nulls); no row unless it is active."""
    membre, portefeuille = PortefeuilleMembre, Portefeuille
    return select(
        Declarant.epoque, membre.portefeuille_id, portefeuille.epoque, portefeuille.clients, is_live(membre), registers(), *ceiling()) \
        .select_from(Declarant).outerjoin(membre, membre.declarant_id == Declarant.id) \
        .outerjoin(portefeuille, portefeuille.id == membre.portefeuille_id) \
        .where(IS_ACTIVE).order_by(membre.portefeuille_id)


HOLDINGS = Statement(holdings)


LIMIT = bindparam("limit", type_=BigInt)
FIRST_MONTH = bindparam("first_month", type_=LienDeclare.dernier_mois.type)
FOLLOWS = bindparam("follows", type_=BigInt)
"""0 when the question cannot depend on declarations: they are not looked at then."""


def plain(column: Any) -> ColumnElement[int]:
    """A SIRET as the number it is."""
    return type_coerce(column, BigInt)


def is_recent(siret: ColumnElement[int]) -> ColumnElement[bool]:
    """A declaration that counts, made by this SIRET."""
    return and_(plain(LienDeclare.siret_declarant) == siret, LienDeclare.dernier_mois >= FIRST_MONTH, FOLLOWS != NONE)


def direct_masks() -> Executable:
    """The distinct masks of an account's first `limit` direct sets, and how many have each; no target is brought back.

    First column 0; one row more begins with 1 when its SIRET declared some establishment lately.
    """
    own = select(*(getattr(DroitDirect, d) for d in Droit)).where(DroitDirect.declarant_id == DECLARANT, is_live(DroitDirect))
    first = own.limit(LIMIT).subquery()
    siret = select(plain(Declarant.siret)).where(Declarant.id == DECLARANT).scalar_subquery()
    linked = select(STEP, STEP, *(NONE for _ in Droit)).where(select(LienDeclare.siret_declare).where(is_recent(siret)).exists())
    return union_all(select(NONE, func.count(), *first.c).group_by(*first.c), linked)


DIRECT_MASKS = Statement(direct_masks)


def steps() -> CTE:
    """The walk: from a position, itself left out, one target a step, at most `limit` steps, whatever the size of the account.

    Each step is one probe of an index. Past the last target of a source it stands at EXHAUSTED, then before the first target of
    the next source; past the last source, its source is null.
    """
    start = (bindparam("source", type_=BigInt).label("source"), bindparam("cible", type_=BigInt).label("cible"))
    constants = (Declarant.id.label("declarant_id"), plain(Declarant.siret).label("own"), NOW.label("now"), NONE.label("rang"))
    marche = select(*constants, *start).where(IS_ACTIVE).cte("marche", recursive=True)
    w = marche.c
    direct, client, membre, lien = DroitDirect, PortefeuilleClient, PortefeuilleMembre, LienDeclare

    def least(column: Any, *conditions: Any) -> ColumnElement[Any]:
        return select(func.min(column)).where(*conditions).correlate(marche).scalar_subquery()

    links, end = constant(LIENS), constant(EXHAUSTED)
    portfolio = least(membre.portefeuille_id, membre.declarant_id == DECLARANT, membre.portefeuille_id > w.source)
    following = func.coalesce(portfolio, case((and_(w.source < links, FOLLOWS != NONE), links)))
    own = least(direct.cible, direct.declarant_id == DECLARANT, direct.cible > w.cible)
    declared = least(plain(lien.siret_declare), is_recent(w.own), plain(lien.siret_declare) > w.cible)
    content = least(client.cible, client.portefeuille_id == w.source, client.cible > w.cible)
    source = case((w.cible == end, following), else_=w.source)
    cible = case((w.cible == end, NONE), (w.source == constant(DIRECT), func.coalesce(own, end)),
                 (w.source == links, func.coalesce(declared, end)), else_=func.coalesce(content, end))
    is_further = and_(w.source.is_not(None), w.rang < LIMIT)
    return marche.union_all(select(w.declarant_id, w.own, w.now, w.rang + STEP, source, cible).where(is_further))


def places(marche: CTE) -> CTE:
    """Where to look for each step: the target itself and, for an establishment, its company too. Step 0 is the account's own SIRET."""
    w = marche.c
    step = (w.declarant_id, w.own, w.now, w.rang, w.source)
    is_target = and_(w.rang > NONE, w.cible.between(STEP, constant(EXHAUSTED - 1)))
    here = select(*step, w.cible, w.cible.label("place")).where(is_target)
    company = select(*step, w.cible, w.cible // NICS).where(is_target, w.cible >= constant(FIRST_SIRET))
    is_home = and_(w.rang == NONE, FOLLOWS != NONE)
    home, home_company = (select(*step, w.own, place).where(is_home) for place in (w.own, w.own // NICS))
    return here.union_all(company, home, home_company).cte("places")


def sets_there(places: CTE) -> list[Select[Any]]:
    """For each place, every live set, every exclusion, and the recent declaration (`perimetre.Row`).

    The account and the instant come from the places, and clients come before memberships, so that planners can only probe. Given
    a choice, PostgreSQL, whose estimates are those of a common account, reads all that a large one has; SQLite, seeing a condition
    on one table alone, reads that table whole for a Bloom filter.
    """
    p = places.c
    direct, client, membre, portefeuille = DroitDirect, PortefeuilleClient, PortefeuilleMembre, Portefeuille
    x, lien = Exclusion, LienDeclare
    step = [p.rang, p.source, p.cible]
    clients = select(p.declarant_id, p.now, *step, client.portefeuille_id, p.place, *(getattr(client, d) for d in Droit)) \
        .join(client, and_(client.cible == p.place, is_live(client, p.now))).cte("clients").prefix_with("MATERIALIZED")
    k = clients.c
    own = select(*step, constant(DIRECT), p.place, *(getattr(direct, d) for d in Droit)) \
        .join(direct, and_(direct.declarant_id == p.declarant_id, direct.cible == p.place, is_live(direct, p.now)))
    within = (common((k[d], mask)) for d, mask in zip(Droit, ceiling(), strict=True))
    through = select(k.rang, k.source, k.cible, k.portefeuille_id, k.place, *within) \
        .join(membre, and_(membre.declarant_id == k.declarant_id, membre.portefeuille_id == k.portefeuille_id, is_live(membre, k.now))) \
        .join(portefeuille, portefeuille.id == membre.portefeuille_id).select_from(clients)
    excluded = select(*step, constant(EXCLUSION), x.cible, *(getattr(x, d) for d in Droit)) \
        .where(x.declarant_id == p.declarant_id, x.cible == p.place)
    month = cast(func.replace(lien.dernier_mois, "-", ""), BigInt)
    declared = select(*step, constant(DECLARED), month, *(NONE for _ in Droit)) \
        .join(lien, and_(is_recent(p.own), plain(lien.siret_declare) == p.cible, p.place == p.cible))
    return [own, through, excluded, declared]


def walk() -> Executable:
    """What `sets_there` says of each step, the exclusions below a company, and where the walk stopped."""
    marche = steps()
    where = places(marche)
    p, x = where.c, Exclusion
    first, last = (case((p.cible < constant(FIRST_SIRET), p.cible * NICS + nic), else_=NONE) for nic in (NONE, LAST_NIC))
    below = select(p.rang, p.source, p.cible, constant(EXCLUSION), x.cible, *(getattr(x, d) for d in Droit)) \
        .where(x.declarant_id == p.declarant_id, x.cible.between(first, last))
    w = marche.c
    end = select(w.rang, w.source, w.cible, constant(END), w.own, *(NONE for _ in Droit)) \
        .where(w.rang == select(func.max(w.rang)).scalar_subquery())
    return union_all(*sets_there(where), below, end)


WALK = Statement(walk)


def sets_of(questions: Any) -> Executable:
    """What `sets_there` says of each question: a number, an active account, a SIRET or a SIREN. Rows of the account's own SIRET bear
    minus its identifier; one END row a question says that the account is active, and its SIRET.
    """
    q, d = questions.c, Declarant
    known = select(d.id.label("declarant_id"), plain(d.siret).label("own"), NOW.label("now"), q.rang, q.cible) \
        .join_from(questions, d, d.id == q.declarant_id).where(d.statut == literal_column(f"'{Statut.ACTIF}'")).cte("known")
    k = known.c
    here = select(k.declarant_id, k.own, k.now, k.rang, NONE.label("source"), k.cible, k.cible.label("place"))
    company = select(k.declarant_id, k.own, k.now, k.rang, NONE, k.cible, k.cible // NICS).where(k.cible >= constant(FIRST_SIRET))
    home, home_company = (
        select(k.declarant_id, k.own, k.now, -k.declarant_id, NONE, k.own, place).distinct().where(FOLLOWS != NONE)
        for place in (k.own, k.own // NICS))
    where = here.union_all(company, home, home_company).cte("places")
    end = select(k.rang, NONE, k.cible, constant(END), k.own, *(NONE for _ in Droit))
    return union_all(*sets_there(where), end)


def asked_once() -> Executable:
    """One question: DECLARANT and SIRET."""
    return sets_of(select(STEP.label("rang"), DECLARANT.label("declarant_id"), SIRET.label("cible")).cte("questions"))


def asked_in_arrays() -> Executable:
    """Many questions on PostgreSQL: one array of accounts, one of targets."""
    arrays = (cast(bindparam(name), ARRAY(BigInteger)) for name in ("declarants", "cibles"))
    columns = column("declarant_id", BigInt), column("cible", BigInt)
    table = func.unnest(*arrays).table_valued(*columns, with_ordinality="rang").render_derived(name="asked")
    return sets_of(select(type_coerce(table.c.rang, BigInt).label("rang"), table.c.declarant_id, table.c.cible).cte("questions"))


def asked_in_json() -> Executable:
    """Many questions on SQLite: `[[account, target], …]`."""
    table = func.json_each(bindparam("questions", type_=String)).table_valued(column("key", BigInt), "value", name="asked")
    declarant, cible = (func.json_extract(table.c.value, f"$[{i}]", type_=BigInt) for i in (0, 1))
    return sets_of(select((table.c.key + STEP).label("rang"), declarant.label("declarant_id"), cible.label("cible")).cte("questions"))


SETS_ONCE = Statement(asked_once)
SETS_OF_MANY = {"postgresql": Statement(asked_in_arrays), "sqlite": Statement(asked_in_json)}


def candidates() -> CTE:
    """Active accounts after one, in order, to which something may give a right on a place: `limit` of them."""
    direct, client, membre, lien, d = DroitDirect, PortefeuilleClient, PortefeuilleMembre, LienDeclare, Declarant
    here = [SIRET, SIREN]
    own = select(direct.declarant_id).where(direct.cible.in_(here), is_live(direct), accepted([direct], []))
    through = select(membre.declarant_id).join_from(client, membre, membre.portefeuille_id == client.portefeuille_id) \
        .where(client.cible.in_(here), is_live(client), is_live(membre), accepted([client, membre], []))
    recent = and_(plain(lien.siret_declare) == SIRET, lien.dernier_mois >= FIRST_MONTH, bindparam("opens", type_=BigInt) != NONE)
    linked = select(d.id).join_from(lien, d, d.siret == lien.siret_declarant).where(recent)
    every = own.union(through, linked).subquery("every")
    active = and_(d.id == every.c.declarant_id, d.statut == literal_column(f"'{Statut.ACTIF}'"))
    return select(d.id.label("rang"), d.id.label("declarant_id"), SIRET.label("cible")).join_from(every, d, active) \
        .where(d.id > bindparam("after", type_=BigInt)).order_by(d.id).limit(LIMIT).cte("questions").prefix_with("MATERIALIZED")


SETS_OF_CANDIDATES = Statement(lambda: sets_of(candidates()))


def services() -> Executable:
    """The catalogue, as `droits.Service` wants it."""
    s = ServiceDeclaratif
    described = (s.bit, s.code, s.libelle, s.grain, s.opening_delay, s.enabled, s.profils, s.lien_requis, s.lien_ouvre)
    return select(*described, *(getattr(s, d) for d in Droit)).order_by(s.bit)


def heritages() -> Executable:
    """Its inheritances, as `droits.Heritage` wants them."""
    cible, source, h = aliased(ServiceDeclaratif), aliased(ServiceDeclaratif), ServiceHeritage
    return select(cible.code, h.droit, source.code, h.droit_source).select_from(h) \
        .join(cible, cible.id == h.service_id).join(source, source.id == h.source_id)


SERVICES, HERITAGES = Statement(services), Statement(heritages)
