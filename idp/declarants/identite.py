"""The identity a person types: SIRET + nom + prénom, compared without regard to how it is written (facts 1, 25).

Left out on purpose: phonetic likeness. `Lefebvre` is not `Lefèvre`.
"""

import unicodedata
from dataclasses import dataclass

from idp.entreprises.siret import Siret
from idp.errors import RefusedError

LONGEST_NAME = 80
"""Characters."""
LONGEST_CLE = 200
"""Characters of a key, as the database has it."""
LONGEST_STEM = 180
"""Characters of a key that are kept, beside a word that makes another one of it."""

LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "n"})


class InvalidNameError(RefusedError):
    """A nom or prénom without a letter, too long, or with control characters."""

    code = "nom_invalide"
    number = "M200001"
    remedy = "Écrivez le nom et le prénom en lettres."
    public = "Saisissez un nom et un prénom composés de lettres."


def fold(name: str) -> str:
    """One spelling for all: lower case ASCII-like letters and digits, words separated by one space.

    `LEFÈVRE d'Œuvre`, `lefevre d oeuvre` and `Lefèvre-D’Œuvre` give `lefevre d oeuvre`.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold().translate(LETTERS))
    kept = (c if c.isalnum() else " " for c in text if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


def cle_of(nom: str, prenom: str) -> str:
    """What is unique within a SIRET: the folded nom and prénom, never shown."""
    return f"{fold(nom)}|{fold(prenom)}"


def compared(text: str) -> tuple[int, str]:
    """`siret|nom|prenom` of a setting, as identities are compared whatever the spelling (`Identite.compared`)."""
    siret, nom, prenom = text.split("|")
    return int("".join(siret.split())), cle_of(nom, prenom)


def check_name(name: str) -> str:
    """The name as it will be shown: NFC, single spaces. Raises InvalidNameError."""
    shown = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(shown) <= LONGEST_NAME or not fold(shown) or not all(c.isprintable() for c in shown):
        raise InvalidNameError(f"name of {len(name)} characters")
    return shown


@dataclass(frozen=True, slots=True)
class Identite:
    """What a person types to sign in, checked and folded."""

    siret: Siret
    nom: str
    prenom: str

    @property
    def cle(self) -> str:
        """Unique within a SIRET."""
        return cle_of(self.nom, self.prenom)

    @property
    def compared(self) -> tuple[int, str]:
        return int(self.siret), self.cle

    @property
    def attente(self) -> str:
        """How the keys of those begin who wait under this name beside whoever bears it: nobody can type one."""
        return f"{self.cle[:LONGEST_STEM]}|"
