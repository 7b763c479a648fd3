"""Which sources an account, or a company, has, each with its version; the targets of some sources, as the directory names them."""

from functools import partial
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Executable, and_, bindparam, case, func, literal_column, select, union_all

from idp.database import BigInt, Statement, listed
from idp.declarants.controles.models import LienDeclare
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise, Etablissement, ImportRcd
from idp.habilitations.droits import FIRST_SIRET
from idp.habilitations.models import (
    DECLARANT,
    NICS,
    DroitDirect,
    Portefeuille,
    PortefeuilleClient,
    PortefeuilleMembre,
    constant,
    plain,
    registers,
)

DIALECTS = ("postgresql", "sqlite")
DIRECTS, CLIENTS, DECLARES = range(3)
"""Kinds of sources: direct rights of an account, clients of a portfolio, establishments that a SIRET declared."""
FIRST, LAST = bindparam("first", type_=BigInt), bindparam("last", type_=BigInt)


def _sources(people: ColumnElement[bool], folders: Any) -> Executable:
    """Kind, owner, version of what it owns, version of the directory. Portfolios without client are no source."""
    directory = select(func.max(ImportRcd.finished_at)).scalar_subquery()
    kinds = [constant(kind) for kind in (DIRECTS, CLIENTS, DECLARES)]
    directs = select(kinds[0], Declarant.id, Declarant.epoque, directory).where(people)
    declares = select(kinds[2], plain(Declarant.siret), registers(), directory).where(people).distinct()
    return union_all(directs, folders.add_columns(kinds[1], Portefeuille.id, Portefeuille.epoque, directory), declares)


def of_person() -> Executable:
    membre = PortefeuilleMembre
    folders = select().join_from(membre, Portefeuille, Portefeuille.id == membre.portefeuille_id)
    return _sources(Declarant.id == DECLARANT, folders.where(membre.declarant_id == DECLARANT, Portefeuille.clients > 0))


def of_company() -> Executable:
    """FIRST and LAST: the establishments whose people count."""
    people = and_(plain(Declarant.siret).between(FIRST, LAST), Declarant.statut == literal_column(f"'{Statut.ACTIF}'"))
    own = Portefeuille.siren == bindparam("siren", type_=BigInt)
    return _sources(people, select().select_from(Portefeuille).where(own, Portefeuille.clients > 0))


def of_portfolio() -> Executable:
    directory = select(func.max(ImportRcd.finished_at)).scalar_subquery()
    owner = Portefeuille.id == bindparam("portefeuille", type_=BigInt)
    return select(constant(CLIENTS), Portefeuille.id, Portefeuille.epoque, directory).where(owner)


OF_PERSON, OF_COMPANY, OF_PORTFOLIO = Statement(of_person), Statement(of_company), Statement(of_portfolio)


def _named(owner: Any, cible: Any, dialect: str) -> Executable:
    """Owner, target and names, of some owners."""
    e, t = Entreprise, Etablissement
    siren = case((cible < constant(FIRST_SIRET), cible), else_=cible // NICS)
    whose = func.trim(func.coalesce(e.prenom, "") + " " + func.coalesce(e.nom, ""))
    name = func.coalesce(e.denomination, func.nullif(whose, ""), t.enseigne, t.denomination_usuelle)
    return (
        select(plain(owner), cible, name, e.sigle, t.enseigne, t.denomination_usuelle, t.commune, t.code_postal)
        .select_from(owner.class_)
        .outerjoin(e, plain(e.siren) == siren)
        .outerjoin(t, plain(t.siret) == cible)
        .where(plain(owner).in_(listed(dialect, "owners", BigInteger)))
    )


def _names(dialect: str) -> dict[int, Statement]:
    return {
        DIRECTS: Statement(lambda: _named(DroitDirect.declarant_id, DroitDirect.cible, dialect)),
        CLIENTS: Statement(lambda: _named(PortefeuilleClient.portefeuille_id, PortefeuilleClient.cible, dialect)),
        DECLARES: Statement(lambda: _named(LienDeclare.siret_declarant, plain(LienDeclare.siret_declare), dialect)),
    }


NAMES = {dialect: _names(dialect) for dialect in DIALECTS}


UNNAMED = "~"
"""In the place of a name that the directory does not give: after all the others."""


def _shown(dialect: str) -> Executable:
    """How a page names some targets: number, name, sign, postal code, place."""
    given = listed(dialect, "cibles", BigInteger).subquery("given")
    cible = given.c[0]
    e, t = Entreprise, Etablissement
    siren = case((cible < constant(FIRST_SIRET), cible), else_=cible // NICS)
    whose = func.nullif(func.trim(func.coalesce(e.prenom, "") + " " + func.coalesce(e.nom, "")), "")
    name = func.coalesce(e.denomination, whose, t.enseigne, t.denomination_usuelle, UNNAMED)
    return (
        select(cible, name, t.enseigne, t.code_postal, t.commune)
        .select_from(given)
        .outerjoin(e, plain(e.siren) == siren)
        .outerjoin(t, plain(t.siret) == cible)
    )


SHOWN = {dialect: Statement(partial(_shown, dialect)) for dialect in DIALECTS}
