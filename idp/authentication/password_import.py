"""Importing the password hashes of another system, so that coming to MAG changes nobody's password.

A CSV file with a header, `uid,hash` or `siret,nom,prenom,hash`, comma or semicolon, read line by line: it may be large. A line
that cannot be is told with its reason and left out; a line imported before changes nothing, and whoever has a
password at MAG keeps it. Each hash is wrapped in Argon2id at once (`legacy_hashes.py`), and becomes an ordinary one at the first sign-in.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from idp.authentication.legacy_hashes import LegacyHash, read
from idp.authentication.passwords import WRAPPED, Passwords
from idp.declarants.identite import Identite, check_name
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.entreprises.siret import Siret
from idp.errors import RefusedError

HEADERS = (("uid", "hash"), ("siret", "nom", "prenom", "hash"))
Line = Mapping[str, str]


class PasswordImportError(RefusedError):
    """The file as a whole, or one of its lines; the message says why, in French."""

    code = "import_de_mots_de_passe"
    number = "M400021"
    remedy = "Exploitant : corrigez le fichier des mots de passe à la ligne indiquée."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


@dataclass(slots=True)
class Bilan:
    """What became of the lines."""

    written: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Number of the line in the file, and why."""


def import_passwords(bilan: Bilan, source: Iterable[str], passwords: Passwords, encoding: str, now: datetime) -> Iterator[int]:
    """The number of each line once it is settled in `bilan`, so that the caller commits now and then. Raises PasswordImportError."""
    for number, line in read_lines(source):
        try:
            written = _import(line, passwords, encoding, now)
        except RefusedError as error:
            bilan.refused.append((number, error.public))
        else:
            bilan.written, bilan.unchanged = bilan.written + written, bilan.unchanged + (not written)
        yield number


def read_lines(source: Iterable[str]) -> Iterator[tuple[int, Line]]:
    """Numbered from the top of the file; blank ones are left out, one that has not the columns of the header is empty."""
    lines = iter(source)
    try:
        first = next(lines, "").lstrip("\ufeff")
        reader = csv.reader(chain([first], lines), delimiter=";" if ";" in first else ",", strict=True)
        header = tuple(name.strip().lower() for name in next(reader, []))
        if header not in HEADERS:
            raise PasswordImportError("La première ligne doit être « uid,hash » ou « siret,nom,prenom,hash ».")
        for values in reader:
            if values:
                yield reader.line_num, dict(zip(header, values, strict=True)) if len(values) == len(header) else {}
    except (csv.Error, UnicodeDecodeError) as error:
        raise PasswordImportError(f"Ce fichier n'est pas un CSV lisible en UTF-8 : {error}.") from None


def _import(line: Line, passwords: Passwords, encoding: str, now: datetime) -> bool:
    """Whether something was written. Raises RefusedError with the reason."""
    if not line:
        raise PasswordImportError("La ligne n'a pas les colonnes annoncées.")
    legacy, declarant = read(line["hash"], encoding), _person(line)
    if declarant is None or declarant.statut is Statut.RADIE:
        raise PasswordImportError("Personne n'est inscrit sous cette identité.")
    if declarant.password_hash is not None:
        if _was_imported(declarant.password_hash, legacy):
            return False
        raise PasswordImportError("Cette personne a déjà un mot de passe : il n'est pas remplacé.")
    stored = passwords.wrap(legacy)
    declarant.password_hash, declarant.pepper_id = stored.hash, stored.pepper_id
    declarant.password_changed_at = declarant.updated_at = now
    return True


def _was_imported(encoded: str, legacy: LegacyHash) -> bool:
    """The same recipe: its salt is of that line alone."""
    return encoded.startswith(legacy.recipe + WRAPPED)


def _person(line: Line) -> Declarant | None:
    if "uid" in line:
        return Declarant.with_uid(line["uid"].strip())
    return Declarant.find(Identite(Siret.parse(line["siret"]), check_name(line["nom"]), check_name(line["prenom"])))
