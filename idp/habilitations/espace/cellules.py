"""What is effective at one place, and what gives it, in the words of a page: two statements for a page of places."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.database import Connections
from idp.habilitations.droits import Catalogue, Droit, Rights, is_siret, siren_of, words
from idp.habilitations.espace import models
from idp.habilitations.perimetre import DECLARED, DIRECT, LIENS, Origine, origins, summed
from idp.habilitations.questions import State, looked_at

Place = tuple[int, int]
"""An account, and a SIRET or a SIREN."""


@dataclass(frozen=True, slots=True)
class Ligne:
    """One service at one place."""

    code: str
    libelle: str
    droits: str
    """`déclarer, payer`."""
    par: tuple[str, ...]
    """What gives them: `attribution directe`, `portefeuille « Nord »`."""
    herite: bool
    """None of them was given on this service: they follow from another (fact 57)."""


def effective(state: State | None, cible: int, catalogue: Catalogue, services: Collection[str] | None = None) -> Rights:
    """What an account holds at one place, inheritance included; nothing when it is not active."""
    if state is None:
        return {}
    account, rows = state
    left = account.left(*summed(rows), cible, declared=any(row.origine == DECLARED for row in rows))
    return catalogue.rights(left, services)


def lire(
    connections: Connections, catalogue: Catalogue, places: Sequence[Place], now: datetime, services: Collection[str] | None = None
) -> dict[Place, tuple[Ligne, ...]]:
    """The lines of a page. Two statements at most."""
    if not places:
        return {}
    states = looked_at(connections, catalogue, places, now, follows=catalogue.follows_links(services))
    cells = {place: _cells(states.get(place), place, catalogue, services) for place in places}
    names = models.noms_portefeuilles({o.source for cell in cells.values() for _, _, given in cell for o in given})
    return {
        place: tuple(
            Ligne(
                code,
                catalogue.services[code].libelle,
                words(droits),
                told(given, place[1], names),
                inherits(states.get(place), code, catalogue),
            )
            for code, droits, given in cell
        )
        for place, cell in cells.items()
    }


def inherits(state: State | None, code: str, catalogue: Catalogue) -> bool:
    """Whether nothing that was given there is of this service itself."""
    return state is not None and not summed(state[1])[0].meets(catalogue.services[code].masks)


Cell = tuple[str, frozenset[Droit], tuple[Origine, ...]]


def _cells(state: State | None, place: Place, catalogue: Catalogue, services: Collection[str] | None) -> list[Cell]:
    found = effective(state, place[1], catalogue, services)
    ordered = sorted(found.items(), key=lambda one: catalogue.services[one[0]].bit)
    return [(code, droits, _given(state, code, droits, catalogue)) for code, droits in ordered]


def _given(state: State | None, code: str, droits: Iterable[Droit], catalogue: Catalogue) -> tuple[Origine, ...]:
    if state is None:
        return ()
    account, rows = state
    return tuple(dict.fromkeys(o for droit in droits for o in origins(rows, account, catalogue.accepted[code, droit])))


def told(given: Iterable[Origine], cible: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """Each thing that gives a right, once."""
    return tuple(dict.fromkeys(_told(one, cible, names) for one in given))


def _told(one: Origine, cible: int, names: Mapping[int, str]) -> str:
    last = f"{one.lien_ends_at - timedelta(days=1):%d/%m/%Y}" if one.lien_ends_at else ""
    if one.source == LIENS:
        return f"déclaration (DSN), jusqu'au {last}"
    where = " sur l'entreprise" if is_siret(cible) and one.cible == siren_of(cible) else ""
    what = "attribution directe" if one.source == DIRECT else f"portefeuille « {names.get(one.source, one.source)} »"
    until = f", avec une DSN récente, jusqu'au {last}" if last else ""
    return f"{what}{where}{until}"
