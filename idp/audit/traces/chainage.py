"""Adding evidence, finding it, verifying a chain whole."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from idp.audit.traces.empreinte import ORIGIN, Ligne, Tete, empreinte, faults
from idp.audit.traces.models import ADVANCE, APPEND, CHAIN_NAMES, HEADS, NEXT, OF_VECTOR, PAGE
from idp.database import Connections

AT_ONCE = 1000
"""Rows read at a time."""
EMISSION, SUSPICION = "emission", "suspicion"
"""Natures of rows."""


def append(connections: Connections, chaine: str, nature: str, vecteur: str, told: Mapping[str, Any], now: datetime) -> Ligne:
    """One row more. Inside `connections.transaction()`: the chain is held until it ends."""
    rang, precedent = connections.one(NEXT[connections.dialect.name], chaine=chaine, origin=ORIGIN) or (0, "")
    contenu = orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()
    at = now.astimezone(UTC)
    ligne = Ligne(chaine, rang, at, nature, vecteur, contenu, precedent)
    digest = empreinte(ligne)
    connections.run(
        APPEND,
        chaine=chaine,
        rang=rang,
        at=at,
        nature=nature,
        vecteur=vecteur,
        contenu=contenu,
        precedent=precedent,
        empreinte=digest,
    )
    connections.run(ADVANCE, chaine=chaine, digest=digest)
    return Ligne(chaine, rang, at, nature, vecteur, contenu, precedent, digest)


def of_vector(connections: Connections, vecteur: str) -> list[Ligne]:
    """What is known of a token, the oldest first."""
    return [Ligne(*row) for row in connections.all(OF_VECTOR, of_vector=vecteur)]


def heads(connections: Connections) -> dict[str, Tete]:
    """Where each chain ends; one whose head was removed ends nowhere."""
    known = {str(nom): Tete(rang, digest) for nom, rang, digest in connections.all(HEADS)}
    return {str(nom): Tete() for (nom,) in connections.all(CHAIN_NAMES)} | known


def rows(connections: Connections, chaine: str) -> Iterator[Ligne]:
    """A chain, in order, some rows at a time."""
    after = 0
    while page := connections.all(PAGE, of_chain=chaine, after=after, most=AT_ONCE):
        for row in page:
            yield Ligne(*row)
        after = page[-1][1]


def verify(connections: Connections, chaine: str, anchors: Iterable[Tete] = ()) -> list[str]:
    """What is wrong with a chain; empty when it is whole. Rows added meanwhile are left to the next time."""
    head = heads(connections).get(chaine, Tete())
    return list(faults((row for row in rows(connections, chaine) if row.rang <= head.rang), head, anchors))
