"""Importing the password hashes of another system, so that coming to MAG changes nobody's password.

A file of people (`declarants/lignes.py`), and the hash of each: a line imported before changes nothing, and whoever has a
password at MAG keeps it. Each hash is wrapped in Argon2id at once (`legacy_hashes.py`), and becomes an ordinary one at the first sign-in.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from idp.authentication.legacy_hashes import LegacyHash, read
from idp.authentication.passwords import WRAPPED, Passwords
from idp.declarants.lignes import Bilan, Line, person_of
from idp.declarants.statuts import Statut
from idp.errors import RefusedError


class PasswordImportError(RefusedError):
    """The file as a whole, or one of its lines; the message says why, in French."""

    code = "import_de_mots_de_passe"
    number = "M400021"
    remedy = "Exploitant : corrigez le fichier des mots de passe à la ligne indiquée."

    def __init__(self, reason: str) -> None:
        super().__init__(reason, public=reason)


def import_passwords(bilan: Bilan, source: Iterable[str], passwords: Passwords, encoding: str, now: datetime) -> Iterator[int]:
    """The number of each line once it is settled in `bilan`, so that the caller commits now and then. Raises PasswordImportError."""
    return bilan.import_lines(source, "hash", PasswordImportError, lambda line: _import(line, passwords, encoding, now))


def _import(line: Line, passwords: Passwords, encoding: str, now: datetime) -> bool:
    """Whether something was written. Raises RefusedError with the reason."""
    legacy, declarant = read(line["hash"], encoding), person_of(line, PasswordImportError)
    if declarant.statut is Statut.RADIE:
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
