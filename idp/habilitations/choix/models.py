"""What somebody picked lately, and the statement that finds a client of theirs by name.

The search goes from the account to names: whatever the words, it reads the account's own sets (60,000 at most) and two rows of the
directory for each. An index over the names of the whole country would find other people's clients first, thousands for a common
word, and each would have to be confronted with the account.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    ForeignKey,
    Index,
    String,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import BigInt, Model, Statement, db
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.entreprises.models import Entreprise, Etablissement
from idp.habilitations.droits import FIRST_SIRET
from idp.habilitations.models import (
    DECLARANT,
    FIRST_MONTH,
    LIMIT,
    NICS,
    NONE,
    DroitDirect,
    Portefeuille,
    PortefeuilleClient,
    PortefeuilleMembre,
    accepted,
    constant,
    is_live,
    plain,
)

KEPT = 8
"""Establishments that are remembered for one person."""
FORGOTTEN = timedelta(days=400)
"""A pick that old is erased: a yearly declaration finds it still."""
WORDS = 5
"""Words of a search; more are not looked at."""
NUMBERED = 10**14
"""Added to a target so that its text has all its zeros."""

UNNAMED = "~"
"""In the place of a name that the directory does not give."""


class EtablissementChoisi(Model):
    """One establishment that a person picked, and when last."""

    __tablename__ = "etablissements_choisis"
    __table_args__ = (Index("ix_etablissements_choisis_chosen_at", "chosen_at"), {"sqlite_with_rowid": False})

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    siret: Mapped[int] = mapped_column(BigInt, primary_key=True, autoincrement=False)
    chosen_at: Mapped[datetime]

    @classmethod
    def of(cls, declarant_id: int) -> list[int]:
        """The last ones first."""
        query = select(cls.siret).where(cls.declarant_id == declarant_id).order_by(cls.chosen_at.desc(), cls.siret)
        return list(db.session.scalars(query.limit(KEPT)))

    @classmethod
    def keep(cls, declarant_id: int, siret: int, now: datetime) -> None:
        """This one is the last; what no page will show any more leaves. Two at once are one (C82)."""
        insert = postgresql_insert if db.session.get_bind().dialect.name == "postgresql" else sqlite_insert
        row = insert(cls).values(declarant_id=declarant_id, siret=siret, chosen_at=now)
        db.session.execute(row.on_conflict_do_update(index_elements=["declarant_id", "siret"], set_={"chosen_at": now}))
        cls._delete(cls.declarant_id == declarant_id, cls.siret.not_in(cls.of(declarant_id)))

    @classmethod
    def forget_person(cls, declarant_id: int) -> None:
        cls._delete(cls.declarant_id == declarant_id)

    @classmethod
    def purge(cls, now: datetime) -> int:
        """Erase what is old; how many."""
        return cls._delete(cls.chosen_at < now - FORGOTTEN)

    @classmethod
    def _delete(cls, *where: Any) -> int:
        done: Any = db.session.execute(delete(cls).where(*where), execution_options={"synchronize_session": False})
        return int(done.rowcount)


def cibles() -> Any:
    """Every target on which the account holds one of the bits asked, exclusions left aside, each once."""
    direct, client, membre, lien = DroitDirect, PortefeuilleClient, PortefeuilleMembre, LienDeclare
    own = select(direct.cible).where(direct.declarant_id == DECLARANT, is_live(direct), accepted([direct], []))
    through = (
        select(client.cible)
        .join_from(membre, Portefeuille, Portefeuille.id == membre.portefeuille_id)
        .join(client, client.portefeuille_id == membre.portefeuille_id)
        .where(membre.declarant_id == DECLARANT, is_live(membre), is_live(client), accepted([membre, Portefeuille, client], []))
    )
    recent = and_(lien.siret_declarant == Declarant.siret, lien.dernier_mois >= FIRST_MONTH)
    linked = (
        select(plain(lien.siret_declare))
        .join_from(Declarant, lien, recent)
        .where(Declarant.id == DECLARANT, bindparam("opens", type_=BigInt) != NONE)
    )
    return own.union(through, linked).cte("cibles").prefix_with("MATERIALIZED")


def searched() -> Executable:
    """Targets with their names, by name: those of which every word is a part of a name, a number, or the place. The directory writes
    in capitals; the search does too.
    """
    account, e, t = cibles(), Entreprise, Etablissement
    c = account.c
    siren = case((c.cible < constant(FIRST_SIRET), c.cible), else_=c.cible // NICS)
    sole_trader = func.trim(func.coalesce(e.prenom, "") + " " + func.coalesce(e.nom, ""))
    shown = func.coalesce(e.denomination, func.nullif(sole_trader, ""), t.enseigne, t.denomination_usuelle, UNNAMED)
    name = func.upper(shown)
    number = func.substr(cast(c.cible + constant(NUMBERED), String), 2)
    others = (func.coalesce(column, "") for column in (e.sigle, t.enseigne, t.denomination_usuelle, t.commune, t.code_postal))
    text: ColumnElement[str] = name
    for part in (*others, number):
        text = text + " " + part
    patterns = (bindparam(f"word_{n}", type_=String) for n in range(WORDS))
    has_words = (or_(pattern == literal_column("'%'"), text.like(pattern)) for pattern in patterns)
    after_name, after_cible = bindparam("after_name", type_=String), bindparam("after_cible", type_=BigInt)
    further = tuple_(name, c.cible) > tuple_(after_name, after_cible)
    return (
        select(c.cible, name.label("name"), shown, t.enseigne, t.code_postal, t.commune)
        .select_from(account)
        .outerjoin(e, plain(e.siren) == siren)
        .outerjoin(t, plain(t.siret) == c.cible)
        .where(further, *has_words)
        .order_by(literal_column("name"), c.cible)
        .limit(LIMIT)
    )


SEARCHED = Statement(searched)


IN_COMPANY = Statement(
    lambda: (
        select(plain(Etablissement.siret))
        .where(plain(Etablissement.siret).between(bindparam("first", type_=BigInt), bindparam("last", type_=BigInt)), Etablissement.actif)
        .order_by(plain(Etablissement.siret))
        .limit(LIMIT)
    )
)
"""Active establishments among these numbers."""
