"""To find, among the establishments where an account holds rights on some services, the one it will act for.

By any words of a name or of a place, or by numbers: SIRET, SIREN, or a part of them. Whoever holds rights on a whole company picks
one of its establishments. What is found is confronted with the rights before it is shown: exclusions and declarations count.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from idp.database import Connections
from idp.declarants.identite import fold
from idp.entreprises.models import Entreprise, Etablissement
from idp.entreprises.siret import Siren, Siret, typed_digits
from idp.habilitations.annuaire.models import UNNAMED
from idp.habilitations.annuaire.noms import Annuaire, Nomme, cible_of
from idp.habilitations.choix.models import IN_COMPANY, WORDS
from idp.habilitations.decision import targets
from idp.habilitations.droits import Catalogue, Rights, is_siren, is_siret, union
from idp.habilitations.perimetre import Page, Target
from idp.habilitations.questions import rights_at

PAGE = 20
LONGEST = 200
"""Characters of a search."""
LONGEST_LINE = 1_000
"""Characters of a line of the names kept: those of the directory, one after the other."""
FEW = 20
"""Sets that are looked at to know whether an establishment is the only one."""
MANY = 300
"""Sets beyond which nobody reads a list: clients are searched."""


@dataclass(frozen=True, slots=True)
class Ligne:
    """One establishment that may be picked; or a company, `is_whole`, whose establishments are to be looked at."""

    cible: int
    nom: str
    lieu: str = ""

    @property
    def is_whole(self) -> bool:
        return is_siren(self.cible)

    @property
    def numero(self) -> str:
        """As people read it."""
        return Siren.of(self.cible).grouped if self.is_whole else Siret.of(self.cible).grouped

    @property
    def digits(self) -> str:
        return str(Siren.of(self.cible) if self.is_whole else Siret.of(self.cible))


@dataclass(frozen=True, slots=True)
class Trouve:
    """Some lines in the order of names, and where the list goes on; None at its end. A page may hold few lines and still be followed."""

    lignes: tuple[Ligne, ...]
    following: str | None = None
    too_many: bool = False
    """Nothing was searched, and there are more than anybody reads."""


@dataclass(frozen=True, slots=True)
class Chercheur:
    """Whose clients are searched, on which services, at which instant."""

    connections: Connections
    catalogue: Catalogue
    declarant_id: int
    services: Collection[str]
    now: datetime

    def rights_at(self, cibles: Collection[int]) -> dict[int, Rights]:
        return rights_at(self.connections, self.catalogue, self.declarant_id, cibles, self.services, self.now)

    def find(self, annuaire: Annuaire, text: str, after: str = "") -> Trouve:
        """One page of what these words, or these numbers, name; of everything without any, unless there are MANY."""
        if not text.strip() and self._walk(MANY).following is not None:
            return Trouve((), too_many=True)
        digits = typed_digits(text) if not re.search(r"[^\W\d_]", text) else ""
        if digits and len(digits) == 14:
            return Trouve(tuple(self.establishments([int(digits)])))
        if digits and len(digits) == 9 and is_siren(int(digits)):
            return self.in_company(int(digits), after)
        return self._named(annuaire, [digits] if digits else words(text), after)

    def _walk(self, limit: int) -> Page:
        return targets(self.connections, self.catalogue, self.declarant_id, services=self.services, now=self.now, limit=limit)

    def sole(self) -> int:
        """The only establishment where the account holds something; 0 when there is none, or several."""
        page = self._walk(FEW)
        if page.following is not None or len(page.targets) != 1:
            return 0
        sirets = within(self.connections, page.targets[0])
        return sirets[0] if len(sirets) == 1 else 0

    def establishments(self, sirets: Iterable[int]) -> list[Ligne]:
        """Lines of those where the account holds something, in this order."""
        found = [siret for siret in sirets if is_siret(siret)]
        held = self.rights_at(found) if found else {}
        return [line_of(siret, Etablissement.find(Siret.of(siret))) for siret in found if siret in held]

    def in_company(self, siren: int, after: str = "") -> Trouve:
        """Its active establishments where the account holds something, by number."""
        last = int(after) if after.isascii() and after.isdigit() and len(after) <= 14 else None
        known = Etablissement.of_company(Siren.of(siren), after=None if last is None else Siret.of(last), limit=PAGE + 1)
        held = self.rights_at([int(one.siret) for one in known[:PAGE]]) if known else {}
        lignes = tuple(line_of(int(one.siret), one) for one in known[:PAGE] if int(one.siret) in held)
        return Trouve(lignes, str(known[PAGE - 1].siret) if len(known) > PAGE else None)

    def _named(self, annuaire: Annuaire, searched: list[str], after: str) -> Trouve:
        bits = union(masks for (code, _), masks in self.catalogue.accepted.items() if code in self.services)
        declares = self.catalogue.liens.ouverts.meets(bits)
        lines = annuaire.of_person(self.declarant_id, searched, declares=declares)
        start = bisect_right(lines, position(after))
        kept = lines[start : start + PAGE]
        cibles = [cible_of(line) for line in kept]
        held, named_ = self.rights_at(cibles) if cibles else {}, annuaire.shown(cibles)
        lignes = dict.fromkeys(self._alone(ligne_of(named_[cible])) for cible in cibles if cible in held)
        return Trouve(tuple(lignes), written_position(kept[-1]) if len(lines) > start + PAGE else None)

    def _alone(self, ligne: Ligne) -> Ligne:
        """A company of one establishment is that establishment."""
        sirets = active_in(self.connections, ligne.cible, 2) if ligne.is_whole else []
        return self.establishments(sirets)[0] if len(sirets) == 1 and self.rights_at(sirets) else ligne


def words(text: str) -> list[str]:
    """Letters and digits as the directory writes them: capitals without accents."""
    return fold(text[:LONGEST]).upper().split()[:WORDS]


def written_position(line: str) -> str:
    """After which line a list goes on."""
    return f"{cible_of(line)}.{line[:-15]}"


def position(unverified: str) -> str:
    """The line after which a list goes on. A forged one is harmless: what it reaches is the account's own."""
    number, _, name = unverified.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 14) or len(name) > LONGEST_LINE:
        return ""
    return f"{name} {int(number):014d}"


def ligne_of(found: Nomme) -> Ligne:
    return Ligne(found.cible, named(found.nom, found.enseigne), " ".join(filter(None, (found.code_postal, found.commune))))


def line_of(siret: int, known: Etablissement | None) -> Ligne:
    """An establishment as the directory knows it, or only by its number."""
    company = Entreprise.find(Siret.of(siret).siren)
    enseigne = (known.enseigne or known.denomination_usuelle) if known else None
    nom = (company.nom_affiche if company else None) or enseigne or UNNAMED
    return Ligne(siret, named(nom, enseigne), " ".join(filter(None, (known.code_postal, known.commune))) if known else "")


def named(nom: str, enseigne: str | None) -> str:
    if nom == UNNAMED:
        return "Nom non diffusé"
    return f"{nom} ({enseigne})" if enseigne and enseigne != nom else nom


def active_in(connections: Connections, siren: int, limit: int, after: int = 0) -> list[int]:
    """Active establishments of a company, by number, those after one."""
    first = max(siren * 100_000, after + 1)
    return [row[0] for row in connections.all(IN_COMPANY, first=first, last=siren * 100_000 + 99_999, limit=limit)]


def within(connections: Connections, target: Target) -> list[int]:
    """The establishment of a target; of a company, two of them at most, enough to know that there is one alone."""
    if is_siret(target.cible):
        return [target.cible]
    return active_in(connections, target.cible, 2) if target.rights else []
