"""The names of targets, kept in memory source by source, and searched: one statement when nothing changed, a few more to read what did."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from idp.database import Connections
from idp.declarants.identite import fold
from idp.habilitations.annuaire import models
from idp.habilitations.annuaire.models import DECLARES, UNNAMED
from idp.habilitations.memoire import Memoire

MOST_BYTES = 48 << 20
"""In one process: some 600,000 targets."""
OWNERS = 100
"""Sources read in one statement: portfolios have a hundred clients, or thousands."""
BESIDE = 160
"""Bytes of a kept source, beside its text."""


class Source(NamedTuple):
    """Something that gives rights on targets, as it is now."""

    kind: int
    owner: int
    version: int
    directory: object
    """When the directory was last imported."""


@dataclass(frozen=True, slots=True)
class Nomme:
    """A target as a page names it."""

    cible: int
    nom: str
    enseigne: str | None
    code_postal: str | None
    commune: str | None


class Annuaire:
    """For one process."""

    def __init__(self, connections: Connections, most: int = MOST_BYTES) -> None:
        self.connections = connections
        self._kept: Memoire[str] = Memoire(most)

    @property
    def octets(self) -> int:
        """What it keeps."""
        return self._kept.octets

    def of_person(self, declarant_id: int, words: Collection[str], *, declares: bool = True) -> list[str]:
        """Lines of the targets of an account whose names, places or numbers have all these words, in order (`line_of`).

        `declares`: those that its SIRET declared count.
        """
        return self._search(self.connections.all(models.OF_PERSON, declarant=declarant_id), words, declares=declares)

    def of_company(self, sirets: range, siren: int, words: Collection[str]) -> list[str]:
        """The same for the active people of these establishments, and the portfolios of the company."""
        rows = self.connections.all(models.OF_COMPANY, first=sirets.start, last=sirets.stop - 1, siren=siren)
        return self._search(rows, words, declares=True)

    def of_portfolio(self, portefeuille_id: int, words: Collection[str]) -> list[str]:
        """The same for the clients of a portfolio."""
        return self._search(self.connections.all(models.OF_PORTFOLIO, portefeuille=portefeuille_id), words, declares=False)

    def shown(self, cibles: Sequence[int]) -> dict[int, Nomme]:
        """One statement."""
        statement = models.SHOWN[self.connections.dialect.name]
        rows = self.connections.all(statement, cibles=orjson.dumps(list(cibles)).decode()) if cibles else ()
        return {row[0]: Nomme(*row) for row in rows}

    def _search(self, rows: Sequence[tuple[Any, ...]], words: Collection[str], *, declares: bool) -> list[str]:
        sources = [Source(*row) for row in rows if declares or row[0] != DECLARES]
        found = {line for text in self._texts(sources) for line in lines_with(text, words)}
        return sorted(found)

    def _texts(self, sources: Sequence[Source]) -> Iterator[str]:
        missing: dict[int, list[Source]] = defaultdict(list)
        for source in sources:
            text = self._kept.get(source[:2], source[2:])
            if text is None:
                missing[source.kind].append(source)
            else:
                yield text
        for kind, several in missing.items():
            for start in range(0, len(several), OWNERS):
                yield from self._read(kind, several[start : start + OWNERS])

    def _read(self, kind: int, sources: Sequence[Source]) -> Iterator[str]:
        """The version was read before the targets are: what is kept under it is never older."""
        lines: dict[int, list[str]] = defaultdict(list)
        statement = models.NAMES[self.connections.dialect.name][kind]
        for owner, cible, *names in self.connections.all(statement, owners=orjson.dumps([one.owner for one in sources]).decode()):
            lines[owner].append(line_of(cible, names))
        for source in sources:
            text = "\n".join(["", *lines.get(source.owner, ()), ""])
            self._kept.keep(source[:2], source[2:], text, len(text) * (1 if text.isascii() else 2) + BESIDE)
            yield text


def line_of(cible: int, names: Sequence[str | None]) -> str:
    """`BOULANGERIE MARTIN LYON 69001 78467169500087`: what a search is made in, in the order of names; capitals without accents."""
    said = " ".join([names[0] or UNNAMED, *filter(None, names[1:])])
    text = said.upper() if said.isascii() and "\n" not in said else fold(said).upper()
    return f"{text} {cible:014d}"


def cible_of(line: str) -> int:
    return int(line[-14:])


def lines_with(text: str, words: Collection[str]) -> Iterator[str]:
    """The lines of a text that have all these words. The longest one is looked for first: it is the rarest."""
    if not words:
        yield from filter(None, text.split("\n"))
        return
    first, *others = sorted(words, key=len, reverse=True)
    at = text.find(first)
    while at != -1:
        end = text.index("\n", at)
        line = text[text.rfind("\n", 0, at) + 1 : end]
        if all(word in line for word in others):
            yield line
        at = text.find(first, end)
