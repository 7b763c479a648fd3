"""One row of a mass file: its cells → a line about one holder, one target and one service, or the reason why it is refused.

Columns `siret`, `nom`, `prenom` name a person, or `portefeuille` a portfolio; `etablissement` is a SIRET, or a SIREN for a whole company;
`droits` lists what is held from now on (nothing: no right), `fin` its last day. Others are for people to read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from idp.declarants.identite import Identite, fold
from idp.entreprises.siret import Siren, Siret
from idp.habilitations.droits import WORDS, Droit, Service
from idp.habilitations.espace.portee import Portee
from idp.habilitations.fichiers.ecarts import Fins, refusal
from idp.habilitations.fichiers.tableur import plain
from idp.habilitations.gesture import Gesture

COLUMNS = ("siret", "nom", "prenom", "portefeuille", "etablissement", "service", "droits", "fin")
REQUIRED = ("siret", "nom", "prenom", "etablissement", "service", "droits")
READ_ONLY = ("raison sociale", "origine")
"""Written by the export for people, not read."""
LONGEST_CELL = 300
SHORTENED = re.compile(r"\d(?:[.,]\d*)?E\+?\d+", re.IGNORECASE)
"""What a spreadsheet makes of a SIRET in a column of numbers."""
NUMBER = re.compile(r"\(n° (\d{1,18})\)$")
SPOKEN = {**{fold(word): droit for droit, word in WORDS.items()}, **{droit.value: droit for droit in Droit}}
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]")
CONTROL = dict.fromkeys((*range(32), 127), " ")


class Titulaire(NamedTuple):
    """Who holds: a person (`d`, as history names direct rights) or a portfolio (`c`, a client's)."""

    genre: str
    id: int


class Ligne(NamedTuple):
    """What one row of the file wants."""

    numero: int
    titulaire: Titulaire
    cible: int
    service: str
    fins: Fins


@dataclass(frozen=True, slots=True)
class Known:
    """What a file may speak of: the people and portfolios that its author administers."""

    people: Mapping[tuple[int, str], int]
    """SIRET and key of the name → account."""
    portefeuilles: Mapping[int, str]
    """Portfolios of the company, by number."""


def name_of(portefeuille_id: int, nom: str) -> str:
    """As files name a portfolio: `Nord (n° 12)`."""
    return f"{nom} (n° {portefeuille_id})"


class Reader:
    """Cells into lines, for one author. Numbers, names and words come again and again: each is read once."""

    def __init__(self, gesture: Gesture, portee: Portee, known: Known) -> None:
        self.gesture, self.portee, self.known = gesture, portee, known
        self.by_name: dict[str, list[int]] = {}
        for portefeuille_id, nom in known.portefeuilles.items():
            self.by_name.setdefault(fold(nom), []).append(portefeuille_id)
        self.person = lru_cache(50_000)(self._person)
        self.target = lru_cache(100_000)(self._target)
        self.service = lru_cache(1_000)(self._service)
        self.fins = lru_cache(10_000)(self._fins)
        self.portefeuille = lru_cache(10_000)(self._portefeuille)

    def read(self, numero: int, names: Mapping[str, int], values: list[str]) -> Ligne:
        """Raises RefusedError, whose `public` says why."""
        cells = [_cell(values, names.get(column)) for column in COLUMNS]
        siret, nom, prenom, portefeuille, etablissement, service, droits, fin = cells
        cible = self.target(etablissement)
        holder = self.holder(portefeuille, siret, nom, prenom)
        found = self.service(service)
        return Ligne(numero, holder, cible, found.code, self.fins(found.code, droits, fin))

    def holder(self, portefeuille: str, siret: str, nom: str, prenom: str) -> Titulaire:
        if not portefeuille:
            return Titulaire("d", self.person(siret, nom, prenom))
        if siret or nom or prenom:
            raise refusal("two holders", "La ligne nomme une personne et un portefeuille : gardez l'un des deux.")
        return Titulaire("c", self.portefeuille(portefeuille))

    def _person(self, siret: str, nom: str, prenom: str) -> int:
        identite = Identite(Siret.parse(_number(siret)), nom, prenom)
        found = self.known.people.get((int(identite.siret), identite.cle))
        if found is None:
            raise refusal("unknown person", "Personne n'est inscrit sous cette identité parmi les personnes que vous administrez.")
        return found

    def _portefeuille(self, text: str) -> int:
        number = NUMBER.search(text)
        found = [int(number[1])] if number else self.by_name.get(fold(text), [])
        if len(found) > 1:
            told = f"Plusieurs portefeuilles portent ce nom : écrivez par exemple « {name_of(found[0], text)} »."
            raise refusal("ambiguous portfolio", told)
        if not found or found[0] not in self.known.portefeuilles:
            raise refusal("unknown portfolio", "Ce portefeuille n'existe pas dans votre entreprise.")
        self.portee.check_edits(self.portee.portefeuille(found[0]))
        return found[0]

    def _target(self, text: str) -> int:
        digits = _number(text)
        cible = int(Siren.parse(digits) if sum(map(str.isdigit, digits)) == Siren.LENGTH else Siret.parse(digits))
        self.portee.check_targets([cible])
        return cible

    def _service(self, text: str) -> Service:
        found = self.gesture.catalogue.services.get(text.lower())
        if found is None:
            raise refusal("unknown service", f"Le service « {text[:40]} » n'existe pas : la feuille « Services » du modèle les liste.")
        return found

    def _fins(self, service: str, droits: str, fin: str) -> Fins:
        day = _day(fin)
        found: dict[Droit, date | None] = {}
        for word in filter(None, map(fold, re.split(r"[,;/+]", _apart(droits)))):
            droit = SPOKEN.get(word) or SPOKEN.get(word.replace(" ", "_"))
            if droit is None:
                raise refusal("unknown right", f"« {word[:40]} » n'est pas un droit : {', '.join(Droit)}.")
            found[droit] = day
        if found:
            self.gesture.masks({service: frozenset(found)}, giving=False)
        elif day is not None:
            raise refusal("end of nothing", "La ligne donne une date de fin, mais aucun droit.")
        return found


def _apart(droits: str) -> str:
    """`declarer payer` and `déclarer, payer` alike; a right of several words keeps its spaces."""
    words = droits.split()
    return ",".join(words) if all(fold(word.strip(",;/+")) in SPOKEN or word in (",", "") for word in words) else droits


def _cell(values: list[str], place: int | None) -> str:
    """One cell, bounded, without what a spreadsheet would run. Raises EcartRefuseError."""
    if place is None:
        return ""
    if place >= len(values):
        raise refusal("cells", "Ligne incomplète.")
    text = values[place]
    if len(text) > LONGEST_CELL:
        raise refusal("long cell", f"Une cellule a plus de {LONGEST_CELL} caractères.")
    text = plain(text.strip())
    if text.startswith("="):
        raise refusal("formula", "Une cellule contient une formule : écrivez sa valeur.")
    if FORBIDDEN.search(text):
        raise refusal("control", "Une cellule contient un caractère interdit ou un retour à la ligne.")
    return text


def _number(text: str) -> str:
    if SHORTENED.fullmatch(text):
        raise refusal("shortened", "Le tableur a abrégé ce numéro : mettez la colonne au format « Texte », puis saisissez-le de nouveau.")
    return text


def _day(text: str) -> date | None:
    if not text:
        return None
    for shape in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, shape).date()  # noqa: DTZ007  # a day, not an instant
        except ValueError:
            continue
    raise refusal("date", "Date de fin illisible : elle s'écrit 31/12/2027.")


def kept_cells(names: Mapping[str, int], values: list[str]) -> list[str]:
    """A refused line as its author typed it, bounded, for the file of corrections."""
    return [
        values[place][:LONGEST_CELL].translate(CONTROL) if place is not None and place < len(values) else ""
        for place in map(names.get, COLUMNS)
    ]
