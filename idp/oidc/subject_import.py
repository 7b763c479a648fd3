"""Importing the subjects a partner already knows its users by, so that coming to MAG from another provider changes nobody.

A CSV file with a header, `uid,sub` or `siret,nom,prenom,sub`, comma or semicolon, read line by line: it may be large. A line
that cannot be is told with its reason and left out; a line already imported changes nothing. A subject is given once: it never
changes hands afterwards (OpenID Connect Core section 2).
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from idp.database import Version, db
from idp.declarants.identite import Identite, check_name
from idp.declarants.models import Declarant
from idp.entreprises.siret import Siret
from idp.errors import RefusedError
from idp.oidc.models import ImportedSubject
from idp.oidc.subjects import VERSION

LONGEST = 255
"""Characters of a subject (OpenID Connect Core section 2)."""
HEADERS = (("uid", "sub"), ("siret", "nom", "prenom", "sub"))
Line = Mapping[str, str]


class ImportRefusedError(RefusedError):
    """The file as a whole, or one of its lines; the message says why, in French."""

    code = "import_de_sub"
    number = "M500004"
    remedy = "Exploitant : corrigez le fichier des identifiants à la ligne indiquée."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


@dataclass(slots=True)
class Bilan:
    """What became of the lines."""

    written: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Number of the line in the file, and why."""


def import_subjects(sector: str, source: Iterable[str]) -> Bilan:
    """Import the lines of a file for a sector; the caller commits. Raises ImportRefusedError when the file is not such a file."""
    bilan = Bilan()
    for number, line in read_lines(source):
        try:
            written = _import(sector, line)
        except RefusedError as error:
            bilan.refused.append((number, error.public))
            continue
        bilan.written, bilan.unchanged = bilan.written + written, bilan.unchanged + (not written)
    if bilan.written:
        Version.bump(VERSION)
    return bilan


def read_lines(source: Iterable[str]) -> Iterator[tuple[int, Line]]:
    """Numbered from the top of the file; blank ones are left out, one that has not the columns of the header is empty."""
    lines = iter(source)
    try:
        first = next(lines, "").lstrip("\ufeff")
        reader = csv.reader(chain([first], lines), delimiter=";" if ";" in first else ",", strict=True)
        header = tuple(name.strip().lower() for name in next(reader, []))
        if header not in HEADERS:
            raise ImportRefusedError("La première ligne doit être « uid,sub » ou « siret,nom,prenom,sub ».")
        for values in reader:
            if values:
                yield reader.line_num, dict(zip(header, values, strict=True)) if len(values) == len(header) else {}
    except (csv.Error, UnicodeDecodeError) as error:
        raise ImportRefusedError(f"Ce fichier n'est pas un CSV lisible en UTF-8 : {error}.") from None


def _import(sector: str, line: Line) -> bool:
    """Whether something was written. Raises RefusedError with the reason."""
    if not line:
        raise ImportRefusedError("Cette ligne n'a pas le même nombre de colonnes que la première.")
    sub, uid = line["sub"], _person(line).uid
    if not 1 <= len(sub) <= LONGEST or not sub.isascii() or not sub.isprintable():
        raise ImportRefusedError("Un « sub » a de 1 à 255 caractères ASCII.")
    found = ImportedSubject.of(sector, uid, sub)
    if any((one.uid, one.sub) == (uid, sub) for one in found):
        return False
    if found:
        other = any(one.sub == sub for one in found)
        raise ImportRefusedError("Ce « sub » est déjà celui d'une autre personne." if other else "Cette personne a déjà un autre « sub ».")
    db.session.add(ImportedSubject(sector=sector, uid=uid, sub=sub))
    db.session.flush()
    return True


def _person(line: Line) -> Declarant:
    if "uid" in line:
        found = Declarant.with_uid(line["uid"].strip())
    else:
        found = Declarant.find(Identite(Siret.parse(line["siret"]), check_name(line["nom"]), check_name(line["prenom"])))
    if found is None:
        raise ImportRefusedError("Personne n'est inscrit sous cette identité.")
    return found
