"""What is written at many places, in a few statements: rows of people and of portfolios, with what gives or takes away beside."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, insert, select, update

from idp.database import BigInt, db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.models import Entreprise
from idp.habilitations.droits import FIRST_SIRET, NOTHING, Dated, Droit, Masks, Period, siren_of
from idp.habilitations.fichiers.ecarts import Place
from idp.habilitations.models import DroitDirect, Exclusion, Portefeuille, PortefeuilleClient, PortefeuilleMembre, ceiling

UNSYNCHRONISED = {"synchronize_session": False}
CHUNK = 2000
"""Targets that one statement looks at."""
Rows = dict[int, dict[Period, Masks]]
"""By target."""


def people_of(sirets: range) -> dict[tuple[int, str], int]:
    """SIRET and key of the name → account, whatever its status but those that left."""
    here = (Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.statut != Statut.RADIE)
    query = select(Declarant.siret, Declarant.cle, Declarant.id).where(*here)
    return {(int(siret), cle): found for siret, cle, found in db.session.execute(query)}


def portefeuilles_of(siren: int) -> dict[int, str]:
    query = select(Portefeuille.id, Portefeuille.nom).where(Portefeuille.siren == siren)
    return {row.id: row.nom for row in db.session.execute(query)}


def people_with(ids: Collection[int]) -> dict[int, Declarant]:
    """As the database has them now."""
    found = (select(Declarant).where(Declarant.id.in_(chunk)) for chunk in _chunks(sorted(ids)))
    return {one.id: one for query in found for one in db.session.scalars(query, execution_options={"populate_existing": True})}


def containers(ids: Collection[int]) -> dict[int, tuple[str, Masks]]:
    """Name and container of portfolios."""
    columns = (getattr(Portefeuille, droit) for droit in Droit)
    query = select(Portefeuille.id, Portefeuille.nom, *columns).where(Portefeuille.id.in_(ids))
    return {found: (nom, Masks(*masks)) for found, nom, *masks in db.session.execute(query)}


def hold(people: Sequence[int], portefeuilles: Sequence[int]) -> None:
    """Keep these rows from other gestures until the end of the transaction, in one order; their versions move."""
    kind: Any
    for kind, ids in ((Declarant, people), (Portefeuille, portefeuilles)):
        for chunk in _chunks(sorted(ids)):
            held = select(kind.id).where(kind.id.in_(chunk)).order_by(kind.id).with_for_update()
            db.session.execute(update(kind).where(kind.id.in_(held)).values(epoque=kind.epoque + 1), execution_options=UNSYNCHRONISED)


def places_of_person(declarant_id: int, cibles: Collection[int], now: datetime) -> dict[int, Place]:
    """What is written for a person at these targets, and what gives or takes away there."""
    wider = sorted({place for cible in cibles for place in (cible, siren_of(cible))})
    held = _rows(DroitDirect, DroitDirect.declarant_id == declarant_id, wider)
    excluded = _exclusions(declarant_id, wider)
    given = _through_portfolios(declarant_id, wider, now)

    def place(cible: int) -> Place:
        around, apart = given.get(cible, NOTHING), NOTHING
        if cible >= FIRST_SIRET:
            company = siren_of(cible)
            whole = (masks for period, masks in held.get(company, {}).items() if period.ends_at > now)
            for masks in (given.get(company, NOTHING), *whole):
                around = around.union(masks)
            apart = excluded.get(company, NOTHING)
        return Place(held.get(cible, {}), around, excluded.get(cible, NOTHING), apart)

    return {cible: place(cible) for cible in cibles}


def places_of_portfolio(portefeuille_id: int, cibles: Collection[int]) -> dict[int, Place]:
    held = _rows(PortefeuilleClient, PortefeuilleClient.portefeuille_id == portefeuille_id, sorted(cibles))
    return {cible: Place(held.get(cible, {})) for cible in cibles}


def _rows(kind: type[DroitDirect] | type[PortefeuilleClient], mine: Any, cibles: Sequence[int]) -> Rows:
    found: Rows = defaultdict(dict)
    columns = (kind.cible, kind.effective_from, kind.ends_at, *(getattr(kind, droit) for droit in Droit))
    for cible, since, until, *masks in _at(select(*columns).where(mine), kind.cible, cibles):
        found[cible][Period(since, until)] = Masks(*masks)
    return found


def _exclusions(declarant_id: int, cibles: Sequence[int]) -> dict[int, Masks]:
    columns = (getattr(Exclusion, droit) for droit in Droit)
    query = select(Exclusion.cible, *columns).where(Exclusion.declarant_id == declarant_id)
    return {cible: Masks(*masks) for cible, *masks in _at(query, Exclusion.cible, cibles)}


def _through_portfolios(declarant_id: int, cibles: Sequence[int], now: datetime) -> dict[int, Masks]:
    """What portfolios give, open or to come. The person's memberships are few beside the clients they lead to."""
    client, membre = PortefeuilleClient, PortefeuilleMembre
    memberships = (
        select(membre.portefeuille_id, *ceiling())
        .join(Portefeuille, Portefeuille.id == membre.portefeuille_id)
        .where(membre.declarant_id == declarant_id, membre.ends_at > now)
    )
    ceilings = {found: Masks(*masks) for found, *masks in db.session.execute(memberships)}
    given: dict[int, Masks] = {}
    columns = (client.portefeuille_id, client.cible, *(getattr(client, droit) for droit in Droit))
    # from the target: a SIRET is in few portfolios, a person may be in hundreds
    rows = _at(select(*columns).where(client.ends_at > now), client.cible, cibles) if ceilings else ()
    for through, cible, *masks in rows:
        if through in ceilings:
            given[cible] = given.get(cible, NOTHING).union(Masks(*masks).common(ceilings[through]))
    return given


def _at(query: Any, column: Any, cibles: Sequence[int]) -> Iterator[Any]:
    for chunk in _chunks(cibles):
        yield from db.session.execute(query.where(column.in_(chunk)))


def _chunks(values: Sequence[int]) -> Iterator[Sequence[int]]:
    return (values[i : i + CHUNK] for i in range(0, len(values), CHUNK))


# --------------------------------------------------------------------------------------------------------------- writing

Ecart = tuple[int, int, Dated, Dated]
"""Owner, target, the rows there are, the rows there should be."""
BITS = {droit.value: bindparam(f"to_{droit}", type_=BigInt) for droit in Droit}


def _bits(masks: Masks) -> dict[str, int]:
    return {f"to_{droit}": mask for droit, mask in masks._asdict().items()}


def write_rows(kind: type[DroitDirect] | type[PortefeuilleClient], ecarts: Iterable[Ecart], operation_id: int) -> None:
    """Rows of people, or of portfolios: those that change, and no other, some thousands at a time."""
    left = iter(ecarts)
    while some := list(islice(left, 5 * CHUNK)):
        _write_some(kind, some, operation_id)


def _write_some(kind: type[DroitDirect] | type[PortefeuilleClient], ecarts: Sequence[Ecart], operation_id: int) -> None:
    owner = next(iter(kind.__table__.primary_key)).name
    new: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for who, cible, held, wanted in ecarts:
        for period in held.keys() - wanted.keys():
            gone.append({"of": who, "at": cible, "since": period.effective_from, "until": period.ends_at})
        for period, masks in wanted.items():
            row = {"of": who, "at": cible, "since": period.effective_from, "until": period.ends_at, **_bits(masks)}
            if period not in held:
                new.append(row)
            elif held[period] != masks:
                moved.append(row)
    names = {"of": owner, "at": "cible", "since": "effective_from", "until": "ends_at"}
    key = [getattr(kind, column) == bindparam(name, type_=getattr(kind, column).type) for name, column in names.items()]
    _many(delete(kind).where(*key), gone)
    _many(update(kind).where(*key).values(**BITS, operation_id=operation_id), moved)
    _many(insert(kind), [{names.get(name, name[3:]): value for name, value in row.items()} | {"operation_id": operation_id} for row in new])


def write_exclusions(changes: Iterable[tuple[int, int, Masks]], operation_id: int) -> None:
    """Person, target, what is taken away there from now on."""
    rows = list(changes)
    key = (Exclusion.declarant_id == bindparam("of"), Exclusion.cible == bindparam("at", type_=Exclusion.cible.type))
    there = {(row.declarant_id, row.cible) for row in _excluded_now(rows)}
    some = [{"of": who, "at": cible, **_bits(masks)} for who, cible, masks in rows if any(masks)]
    _many(delete(Exclusion).where(*key), [{"of": who, "at": cible} for who, cible, masks in rows if not any(masks)])
    _many(update(Exclusion).where(*key).values(**BITS, operation_id=operation_id), [row for row in some if (row["of"], row["at"]) in there])
    fresh = [(who, cible, masks) for who, cible, masks in rows if any(masks) and (who, cible) not in there]
    _many(
        insert(Exclusion),
        [{"declarant_id": who, "cible": cible, **masks._asdict(), "operation_id": operation_id} for who, cible, masks in fresh],
    )


def _excluded_now(rows: Sequence[tuple[int, int, Masks]]) -> Iterator[Any]:
    by_person: dict[int, list[int]] = defaultdict(list)
    for who, cible, _ in rows:
        by_person[who].append(cible)
    for who, cibles in by_person.items():
        query = select(Exclusion.declarant_id, Exclusion.cible).where(Exclusion.declarant_id == who)
        yield from _at(query, Exclusion.cible, cibles)


def _many(statement: Any, rows: list[dict[str, Any]]) -> None:
    """Straight to the driver: nothing of these rows is in the session."""
    if rows:
        db.session.connection().execute(statement, rows)


def count_clients(portefeuilles: Collection[int]) -> None:
    counted = select(func.count(PortefeuilleClient.cible.distinct())).where(PortefeuilleClient.portefeuille_id == Portefeuille.id)
    wanted = update(Portefeuille).where(Portefeuille.id.in_(portefeuilles)).values(clients=counted.scalar_subquery())
    db.session.execute(wanted, execution_options=UNSYNCHRONISED)


def exclusions_below(pairs: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], int]:
    """How many establishments of a company a person is excluded from, by person and SIREN."""
    return {(who, siren): Exclusion.count_below(who, siren) for who, siren in pairs}


# ------------------------------------------------------------------------------------------------------------------ walks


def targets_of_person(declarant_id: int, *, through: bool) -> Iterator[int]:
    """Where something is written for a person, in order; `through`: where portfolios lead too."""
    own = select(DroitDirect.cible).where(DroitDirect.declarant_id == declarant_id)
    apart = select(Exclusion.cible).where(Exclusion.declarant_id == declarant_id)
    walked = _walk([(own, DroitDirect.cible), (apart, Exclusion.cible)])
    return merged(walked, _through(declarant_id)) if through else walked


def _through(declarant_id: int) -> Iterator[int]:
    """Where portfolios lead, in order. Read at once, portfolio by portfolio: in the order of targets, planners would read the country's."""
    membre, client = PortefeuilleMembre, PortefeuilleClient
    mine = select(membre.portefeuille_id).where(membre.declarant_id == declarant_id).cte("mine").prefix_with("MATERIALIZED")
    query = select(client.cible).join_from(mine, client, client.portefeuille_id == mine.c.portefeuille_id)
    yield from sorted(set(db.session.scalars(query)))


def merged(*walks: Iterator[int]) -> Iterator[int]:
    """Several walks as one, each target once."""
    last = 0
    for cible in merge(*walks):
        if cible != last:
            yield cible
        last = cible


def targets_of_portfolio(portefeuille_id: int) -> Iterator[int]:
    content = select(PortefeuilleClient.cible).where(PortefeuilleClient.portefeuille_id == portefeuille_id)
    return _walk([(content, PortefeuilleClient.cible)])


def _walk(kinds: Sequence[tuple[Select[Any], Any]]) -> Iterator[int]:
    """Distinct targets in order, CHUNK at a time."""
    after = 0
    while True:
        parts = [query.where(column > after).distinct().order_by(column).limit(CHUNK) for query, column in kinds]
        found = sorted({cible for part in parts for cible in db.session.scalars(part)})[:CHUNK]
        if not found:
            return
        yield from found
        after = found[-1]


def names_of(cibles: Collection[int]) -> dict[int, str]:
    """How the companies of these targets are called."""
    by_siren = {siren_of(cible) for cible in cibles}
    found = {int(one.siren): one.nom_affiche or "" for one in db.session.scalars(select(Entreprise).where(Entreprise.siren.in_(by_siren)))}
    return {cible: found.get(siren_of(cible), "") for cible in cibles}


def people_named(ids: Collection[int]) -> dict[int, str]:
    """`Lefèvre Claire`, by account."""
    query = select(Declarant.id, Declarant.nom, Declarant.prenom).where(Declarant.id.in_(ids))
    return {found: f"{nom} {prenom}" for found, nom, prenom in db.session.execute(query)}


def people_in(sirets: range) -> list[Declarant]:
    """Those of these establishments who may hold something, by name."""
    here = (Declarant.siret >= sirets.start, Declarant.siret < sirets.stop, Declarant.statut != Statut.RADIE)
    return list(db.session.scalars(select(Declarant).where(*here).order_by(Declarant.siret, Declarant.nom, Declarant.prenom)))
