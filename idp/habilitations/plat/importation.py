"""The flat file of before MAG: CSV, one line a right of somebody on an establishment, all open today.

Columns `siret`, `nom`, `prenom` name the account; `etablissement` is a SIRET (a SIREN for a service declared by whole companies);
`service` a code; `droit` one right, or several separated by spaces. All or nothing, but lines that cannot be read, which are told. Read
again, a file changes nothing. What everybody held before stays; opening delays do not apply, since these rights are open already.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from idp.declarants.controles.imports import cells_of
from idp.declarants.identite import Identite
from idp.entreprises.siret import Siren, Siret
from idp.errors import RefusedError
from idp.habilitations.droits import NOTHING, Droit, Masks
from idp.habilitations.gesture import Gesture, check_own_company, refusal
from idp.habilitations.plat import models as flat

COLUMNS = ("siret", "nom", "prenom", "etablissement", "service", "droit")
MOST_TOLD = 1000


@dataclass
class Bilan:
    """What a flat file is, or would be, once compacted."""

    lues: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Line of the file, and why; the first MOST_TOLD."""
    refusees: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """`cellules`, `masques`, then what is written: `portefeuilles`, `clients`, `membres`, `directs`."""
    promotions: int = 0
    operation_id: int | None = None

    @property
    def written(self) -> int:
        return sum(self.rows.get(name, 0) for name in ("portefeuilles", "clients", "membres", "directs"))


def importer_plat(gesture: Gesture, path: Path) -> Bilan:
    """Write the rights of a flat file as sets. The caller commits, or rolls back to have seen what it would do.

    Raises RegisterFileError when the file as a whole cannot be read.
    """
    bilan = Bilan()
    flat.open_tables()
    flat.pour_lines(Reader(gesture, bilan).read(path))
    bilan.rows = flat.compact(gesture.now)
    if bilan.rows["masques"]:
        bilan.operation_id = gesture.trace("importer_plat", NOTHING)
        flat.write(bilan.operation_id, gesture.now)
        bilan.promotions = flat.propose(bilan.operation_id, gesture.now)
    return bilan


class Reader:
    """Lines into account, target and masks."""

    def __init__(self, gesture: Gesture, bilan: Bilan) -> None:
        self.gesture, self.bilan = gesture, bilan
        self.accounts = flat.active_accounts()
        self.account = lru_cache(100_000)(self._account)
        self.target = lru_cache(100_000)(self._target)
        self.masks = lru_cache(10_000)(self._masks)

    def read(self, path: Path) -> Iterator[tuple[int, ...]]:
        for number, names, values in cells_of(path, COLUMNS):
            self.bilan.lues += 1
            try:
                siret, nom, prenom, etablissement, service, droit = (values[names[name]].strip() for name in COLUMNS)
                declarant_id, siren = self.account(siret, nom, prenom)
                cible = self.target(etablissement)
                masks = self.masks(service, droit, cible < 10**9)
                check_own_company(masks, cible, siren)
                yield declarant_id, cible, *masks
            except RefusedError as error:
                self.refuse(number, error.public)
            except IndexError:
                self.refuse(number, "Ligne incomplète.")

    def refuse(self, number: int, why: str) -> None:
        self.bilan.refusees += 1
        if len(self.bilan.refused) < MOST_TOLD:
            self.bilan.refused.append((number, why))

    def _account(self, siret: str, nom: str, prenom: str) -> tuple[int, int]:
        identite = Identite(Siret.parse(siret), nom, prenom)
        found = self.accounts.get((int(identite.siret), identite.cle))
        if found is None:
            raise refusal("unknown account", "Personne d'actif n'est inscrit sous cette identité.")
        return found

    def _target(self, text: str) -> int:
        digits = sum(character.isdigit() for character in text)
        return int(Siren.parse(text) if digits == Siren.LENGTH else Siret.parse(text))

    def _masks(self, service: str, droits: str, whole: bool) -> Masks:
        """Whether the target is a company or an establishment is all that matters of it here."""
        try:
            rights = {service.lower(): frozenset(Droit(one) for one in droits.lower().replace(",", " ").split())}
        except ValueError as error:
            raise refusal("unknown right", f"« {droits[:40]} » n'est pas un droit : {', '.join(Droit)}.") from error
        return self.gesture.masks(rights, 10**8 if whole else 10**12)
