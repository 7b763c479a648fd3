"""Questions asked many at a time: may these accounts, there; and who may, there. One statement each, with what gives each right.

Places are looked at once, whatever is asked of them; what a place holds is read by the same rules as a page of targets.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from idp.database import Connections
from idp.habilitations import models
from idp.habilitations.droits import NOTHING, Catalogue, Droit, Masks, Rights
from idp.habilitations.fenetre import first_month
from idp.habilitations.perimetre import DECLARED, END, Account, Origine, Row, origins, summed

MOST_PLACES = 1000
"""Accounts and targets that one statement looks at."""
State = tuple[Account, list[Row]]
"""An active account, and what is written for it at one place."""


class Question(NamedTuple):
    """May this account, there: a SIRET, or a SIREN for a whole company."""

    declarant_id: int
    cible: int
    service: str
    droit: Droit


def looking(now: datetime, *, follows: bool) -> dict[str, Any]:
    """What the statements that may look at declarations are told."""
    return {"first_month": first_month(now), "follows": int(follows)}


def read_rows(rows: Iterable[tuple[Any, ...]]) -> list[Row]:
    return [Row(rang, at, where, origine, autre, Masks(*masks)) for rang, at, where, origine, autre, *masks in rows]


def states(rows: Iterable[Row], account_of: Callable[[int], int], catalogue: Catalogue) -> dict[int, State]:
    """By number of question, its state; `rows` are those of a statement over `models.sets_of`. No state: the account is not active."""
    there: dict[int, list[Row]] = defaultdict(list)
    ends: list[Row] = []
    for row in rows:
        if row.origine == END:
            ends.append(row)
        else:
            there[row.rang].append(row)
    return {end.rang: (Account.of(end.autre, there[-account_of(end.rang)], catalogue), there[end.rang]) for end in ends}


def check_many(
    connections: Connections, catalogue: Catalogue, questions: Sequence[Question], now: datetime,
) -> list[tuple[Origine, ...]]:
    """For each question, in order, what gives the right; nothing: no. One statement for MOST_PLACES places."""
    accepted = {(q.service, q.droit): catalogue.accepted.get((q.service, q.droit), NOTHING) for q in questions}
    places = list(dict.fromkeys((q.declarant_id, q.cible) for q in questions if any(accepted[q.service, q.droit])))
    follows = any(map(catalogue.liens.concerns, accepted.values()))
    found: dict[tuple[int, int], State] = {}
    for chunk in (places[i:i + MOST_PLACES] for i in range(0, len(places), MOST_PLACES)):
        found.update(looked_at(connections, catalogue, chunk, now, follows=follows))
    return [given_by(found.get((q.declarant_id, q.cible)), accepted[q.service, q.droit]) for q in questions]


def looked_at(
    connections: Connections, catalogue: Catalogue, places: Sequence[tuple[int, int]], now: datetime, *, follows: bool,
) -> dict[tuple[int, int], State]:
    """The state of each place. A place alone needs no list: its statement is planned once for all."""
    dialect = connections.dialect.name
    statement = models.SETS_OF_MANY[dialect]
    asked: dict[str, Any] = {"questions": orjson.dumps(places).decode()}
    if len(places) == 1:
        statement, asked = models.SETS_ONCE, {"declarant": places[0][0], "siret": places[0][1]}
    elif dialect == "postgresql":
        asked = {"declarants": [declarant_id for declarant_id, _ in places], "cibles": [cible for _, cible in places]}
    rows = read_rows(connections.all(statement, now=now, **asked, **looking(now, follows=follows)))
    return {places[rang - 1]: state for rang, state in states(rows, lambda rang: places[rang - 1][0], catalogue).items()}


def rights_at(
    connections: Connections, catalogue: Catalogue, declarant_id: int, cibles: Collection[int], services: Collection[str], now: datetime,
) -> dict[int, Rights]:
    """What an account may do on these services, target by target; one where it may do nothing is absent. One statement for MOST_PLACES."""
    places = [(declarant_id, cible) for cible in dict.fromkeys(cibles)]
    found: dict[int, Rights] = {}
    for chunk in (places[i:i + MOST_PLACES] for i in range(0, len(places), MOST_PLACES)):
        states_ = looked_at(connections, catalogue, chunk, now, follows=catalogue.follows_links(services))
        found.update((cible, rights) for (_, cible), state in states_.items() if (rights := held_by(state, cible, catalogue, services)))
    return found


def held_by(state: State, cible: int, catalogue: Catalogue, services: Collection[str]) -> Rights:
    account, rows = state
    left = account.left(*summed(rows), cible, any(row.origine == DECLARED for row in rows))
    return catalogue.rights(left, services)


def given_by(state: State | None, accepted: Masks) -> tuple[Origine, ...]:
    return () if state is None else origins(state[1], state[0], accepted)


@dataclass(frozen=True, slots=True)
class Acces:
    """Who has a right somewhere, and what gives it."""

    declarant_id: int
    origines: tuple[Origine, ...]


@dataclass(frozen=True, slots=True)
class Holders:
    """Some of those who have a right somewhere, by account; None after the last ones."""

    acces: tuple[Acces, ...]
    following: int | None


def who_can(
    connections: Connections, catalogue: Catalogue, *, cible: int, service: str, droit: Droit, now: datetime, after: int = 0,
    limit: int = MOST_PLACES,
) -> Holders:
    """The active accounts that have this right on a SIRET, or on a whole company, by identifier, those after `after`. One statement.

    `limit` counts the accounts examined, so a page may hold fewer, even none, and still be followed.
    """
    accepted = catalogue.accepted.get((service, droit))
    if accepted is None:
        return Holders((), None)
    liens, most = catalogue.liens, min(limit, MOST_PLACES)
    bits = {f"accepted_{kind}": mask for kind, mask in zip(Droit, accepted, strict=True)}
    rows = read_rows(connections.all(
        models.SETS_OF_CANDIDATES, siret=cible, siren=cible // 100_000, now=now, after=after, limit=most, **bits,
        opens=int(liens.ouverts.meets(accepted)), **looking(now, follows=liens.concerns(accepted))))
    examined = sorted(states(rows, lambda rang: rang, catalogue).items())
    acces = (Acces(who, origins(there, account, accepted)) for who, (account, there) in examined)
    return Holders(tuple(one for one in acces if one.origines), examined[-1][0] if len(examined) == most else None)
