"""Importing the subjects a partner already knows its users by, so that coming to MAG from another provider changes nobody.

A file of people (`declarants/lignes.py`), and the subject of each: a line already imported changes nothing. A subject is given once: it
never changes hands afterwards (OpenID Connect Core section 2).
"""

from collections.abc import Iterable

from idp.database import Version, db
from idp.declarants.lignes import Bilan, Line, person_of
from idp.errors import RefusedError
from idp.oidc.models import ImportedSubject
from idp.oidc.subjects import VERSION

LONGEST = 255
"""Characters of a subject (OpenID Connect Core section 2)."""


class ImportRefusedError(RefusedError):
    """The file as a whole, or one of its lines; the message says why, in French."""

    code = "import_de_sub"
    number = "M500004"
    remedy = "Exploitant : corrigez le fichier des identifiants à la ligne indiquée."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


def import_subjects(sector: str, source: Iterable[str]) -> Bilan:
    """Import the lines of a file for a sector; the caller commits. Raises ImportRefusedError when the file is not such a file."""
    bilan = Bilan()
    for _ in bilan.import_lines(source, "sub", ImportRefusedError, lambda line: _import(sector, line)):
        pass
    if bilan.written:
        Version.bump(VERSION)
    return bilan


def _import(sector: str, line: Line) -> bool:
    """Whether something was written. Raises RefusedError with the reason."""
    sub, uid = line["sub"], person_of(line, ImportRefusedError).uid
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
