"""Reading the files that the controls rely on: links of declarations, Tableau de l'Ordre, representatives, lists.

CSV in UTF-8, commas or semicolons, columns found by name whatever their order, case and accents. A line that cannot be read is
told with its number and its reason, and stops nothing. Reading a file twice changes nothing. The caller commits.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from idp.audit import journal
from idp.database import Version
from idp.declarants.controles import models, tenue
from idp.declarants.controles.dossier import Nature, Sens
from idp.declarants.controles.events import RegisterImported
from idp.declarants.controles.models import BATCH, LIENS_BATCH, LIENS_VERSION, InscritOrdre, RepresentantLegal
from idp.declarants.identite import fold
from idp.declarants.inscription import check_email
from idp.entreprises.siret import Siren, Siret
from idp.errors import MagError, RefusedError

Row = dict[str, str]


class RegisterFileError(RefusedError):
    """The file as a whole cannot be read. `public` says why."""

    code = "fichier_de_controle"
    number = "M200102"
    remedy = "Exploitant : donnez un fichier CSV en UTF-8 avec les colonnes attendues."


@dataclass
class Bilan:
    """What became of the lines of a file."""

    read: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Line of the file, and why."""
    forgotten: int = 0
    changed: int = 0
    """Rows added or changed, where that is counted."""

    @property
    def kept(self) -> int:
        return self.read - len(self.refused)


def importer_liens(path: Path, now: datetime, actor: str) -> Bilan:
    """`siret_declarant`, `siret_declare`, `dernier_mois` (2026-10): the greatest month of each pair stays.

    Streamed; a link that is there already is not written again. Rights that follow declarations are told of what changed.
    """
    bilan, columns = Bilan(), ("siret declarant", "siret declare", "dernier mois")
    for rows in _batches_of(_read_liens(path, columns, now, bilan), LIENS_BATCH):
        bilan.changed += models.keep_latest(rows, now)
    if bilan.changed:
        Version.bump(LIENS_VERSION)
    return _told("liens", path, bilan, now, actor)


def _read_liens(path: Path, columns: Collection[str], now: datetime, bilan: Bilan) -> Iterator[tuple[int, int, str]]:
    """Months and declarants come again and again: each is read once."""
    month, declarant = cache(lambda text: _month(text, now)), lru_cache(10_000)(lambda text: int(Siret.parse(text)))
    for number, names, values in cells_of(path, columns):
        bilan.read += 1
        try:
            by, of, when = (values[names[name]].strip() for name in columns)
            yield declarant(by), int(Siret.parse(of)), month(when)
        except RefusedError as error:
            bilan.refused.append((number, error.public))
        except IndexError:
            bilan.refused.append((number, "Ligne incomplète."))


def _batches_of(rows: Iterator[tuple[int, int, str]], size: int) -> Iterator[list[tuple[int, int, str]]]:
    while several := list(islice(rows, size)):
        yield several


def importer_ordre(path: Path, now: datetime, actor: str, *, complet: bool) -> Bilan:
    """`numero`, `nom`, `siren` or `siret`. `complet`: whoever is not in the file is no longer in the Tableau."""

    def row(line: Row) -> dict[str, Any]:
        number = _text(line["numero"], 20, "numéro")
        siren = Siret.parse(line["siret"]).siren if line.get("siret") else Siren.parse(line.get("siren", ""))
        return {"numero": number, "nom": _text(line["nom"], 200, "nom"), "siren": int(siren), "imported_at": now}

    bilan = Bilan()
    for rows in _batches(path, ("numero", "nom"), row, bilan):
        models.upsert(InscritOrdre, list({one["numero"]: one for one in rows}.values()), ("numero",))
    if complet:
        _check_whole(bilan)
        bilan.forgotten = models.forget_older(InscritOrdre, now)
    return _told("ordre", path, bilan, now, actor)


def importer_representants(path: Path, now: datetime, actor: str, *, complet: bool) -> Bilan:
    """`siren`, `nom`, `prenom`, `qualite`, and `email` where known. `complet`: whoever is not in the file no longer represents anybody."""

    def row(line: Row) -> dict[str, Any]:
        names = {"nom": _text(fold(line["nom"]), 80, "nom"), "prenom": _text(fold(line["prenom"]), 80, "prénom")}
        email = check_email(line["email"]) if line.get("email") else None
        qualite = _text(line["qualite"], 120, "qualité")
        return {"siren": int(Siren.parse(line["siren"])), **names, "qualite": qualite, "email": email, "imported_at": now}

    bilan, key = Bilan(), ("siren", "nom", "prenom")
    for rows in _batches(path, ("siren", "nom", "prenom", "qualite"), row, bilan):
        models.upsert(RepresentantLegal, list({tuple(one[name] for name in key): one for one in rows}.values()), key)
    if complet:
        _check_whole(bilan)
        bilan.forgotten = models.forget_older(RepresentantLegal, now)
    return _told("representants", path, bilan, now, actor)


def importer_liste(path: Path, now: datetime, actor: str, services: Collection[str]) -> Bilan:
    """`sens`, `nature`, `valeur`, `service`, `motif`, `proprietaire`, `echeance` (2027-01-31, may be empty)."""
    bilan = Bilan()
    for number, line in _lines(path, ("sens", "nature", "valeur", "service", "motif", "proprietaire")):
        bilan.read += 1
        try:
            tenue.ajouter(
                Sens(line["sens"].lower()),
                Nature(line["nature"].lower()),
                line["valeur"],
                now,
                service=line["service"].lower(),
                services=services,
                motif=line["motif"],
                proprietaire=line["proprietaire"],
                expires_at=day_after(line["echeance"]) if line.get("echeance") else None,
                actor=actor,
            )
        except MagError as error:
            bilan.refused.append((number, error.public))
        except ValueError:
            bilan.refused.append((number, "sens, nature ou échéance inconnus."))
    return _told("liste", path, bilan, now, actor)


def day_after(text: str) -> datetime:
    """A line holds during the whole day of its term. Raises ValueError."""
    day = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    return day.replace(hour=23, minute=59, second=59)


# ------------------------------------------------------------------------------------------------------------------- files


def _lines(path: Path, columns: Collection[str]) -> Iterator[tuple[int, Row]]:
    """Number and values of each line. Raises RegisterFileError."""
    for number, names, values in cells_of(path, columns):
        yield number, {name: values[i].strip() for name, i in names.items() if i < len(values)}


def cells_of(path: Path, columns: Collection[str]) -> Iterator[tuple[int, dict[str, int], list[str]]]:
    """Number of each line, where each column is in it, and its cells. Raises RegisterFileError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
            names = {fold(name): i for i, name in enumerate(next(reader, []))}
            missing = [name for name in columns if name not in names]
            if missing:
                raise RegisterFileError("columns", public=f"Colonnes absentes du fichier : {', '.join(missing)}.")
            for values in reader:
                if any(values):
                    yield reader.line_num, names, values
    except UnicodeDecodeError as error:
        raise RegisterFileError("encoding", public="Le fichier n'est pas en UTF-8.") from error
    except csv.Error as error:
        raise RegisterFileError("csv", public=f"Le fichier n'est pas du CSV lisible : {error}.") from error
    except OSError as error:
        raise RegisterFileError("reading", public=f"Lecture impossible : {error.strerror}.") from error


def _batches(path: Path, columns: Collection[str], row: Callable[[Row], dict[str, Any]], bilan: Bilan) -> Iterator[list[dict[str, Any]]]:
    """Rows, as many at a time as one statement takes; lines that cannot be read go to `bilan`."""
    rows: list[dict[str, Any]] = []
    for number, line in _lines(path, columns):
        bilan.read += 1
        try:
            rows.append(row(dict.fromkeys(columns, "") | line))
        except RefusedError as error:
            bilan.refused.append((number, error.public))
        if len(rows) == BATCH:
            yield rows
            rows = []
    if rows:
        yield rows


def _text(text: str, longest: int, name: str) -> str:
    if not 1 <= len(text) <= longest:
        raise RegisterFileError(name, public=f"{name.capitalize()} vide, ou de plus de {longest} caractères.")
    return text


def _month(text: str, now: datetime) -> str:
    """`2026-10`, `10/2026`, `202610`; not to come."""
    found = re.fullmatch(r"(\d{4})-?(0[1-9]|1[0-2])", text) or re.fullmatch(r"(?P<m>0[1-9]|1[0-2])/(?P<y>\d{4})", text)
    if found is None:
        raise RegisterFileError("month", public="Mois illisible : il s'écrit 2026-10.")
    year, month = (found["y"], found["m"]) if "/" in text else found.groups()
    if (int(year), int(month)) > (now.year, now.month):
        raise RegisterFileError("month", public="Mois à venir.")
    return f"{year}-{month}"


def _check_whole(bilan: Bilan) -> None:
    """A file cut short must not empty a register."""
    if not bilan.kept:
        raise RegisterFileError("empty", public="Aucune ligne lisible : le registre reste comme il était.")


def _told(register: str, path: Path, bilan: Bilan, now: datetime, actor: str) -> Bilan:
    event = RegisterImported(register=register, file=path.name, rows=bilan.read, refused=len(bilan.refused), actor=actor)
    journal.record(event, now)
    return bilan
