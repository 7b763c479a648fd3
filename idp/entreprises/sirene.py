"""The layout of INSEE's Sirene stock files: which columns MAG reads, and what one row becomes.

Follows the header of the StockUniteLegale and StockEtablissement files as INSEE publishes them. Columns are found by name, in
any order; others are ignored. A field masked `[ND]` (partial diffusion: Code de commerce, article R123-232-1) is as if it were
empty, and its row is of status P. Left out on purpose: history files, succession links, second addresses, NAF 2025 codes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from operator import itemgetter
from typing import TypeVar

from idp.entreprises.siret import InvalidSirenError, InvalidSiretError, Siren, Siret
from idp.errors import RefusedError

Row = tuple[int | str | bool | None, ...]
"""What one row becomes: the key as an integer first, dates as ISO text, everything else as the tables hold it."""
V = TypeVar("V", str, bool)
MASKED = "[ND]"


class Genre(StrEnum):
    """The two files; the value is the table each one fills."""

    ENTREPRISES = "entreprises"
    ETABLISSEMENTS = "etablissements"


class StockRefusedError(RefusedError):
    """The file as a whole cannot be imported; `public` tells the operator why."""

    code = "fichier_rcd"
    number = "M100006"
    remedy = "Exploitant : vérifiez que le fichier est bien un fichier stock de Sirene."


class RowRefusedError(Exception):
    """One row cannot be imported; the text, in French, is what the operator reads."""


@lru_cache(1 << 16)
def day(text: str) -> str | None:
    """The date of `2023-03-13` or `2025-01-15T10:00:00`, as ISO text. Raises RowRefusedError."""
    if not text:
        return None
    try:
        if len(text) > 10 and text[10] != "T":
            raise ValueError
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise RowRefusedError(f"date illisible : {text[:30]!r}") from None


def code(text: str, size: int, name: str) -> str | None:
    """A code of at most `size` characters. Raises RowRefusedError."""
    if len(text) > size:
        raise RowRefusedError(f"{name} de plus de {size} caractères : {text[:30]!r}")
    return text or None


def one_of(text: str, values: dict[str, V], name: str) -> V:
    """What a closed set says of `text`. Raises RowRefusedError."""
    try:
        return values[text]
    except KeyError:
        raise RowRefusedError(f"{name} inconnu : {text[:30]!r} (attendu : {', '.join(values)})") from None


ETATS_ENTREPRISE = {"A": "A", "C": "C"}
"""Active, or ceased."""
ETATS_ETABLISSEMENT = {"A": True, "F": False}
"""Active, or closed (« fermé »)."""
DIFFUSIONS = {"O": "O", "P": "P", "N": "P"}
"""N was written until March 2023; INSEE then turned it into P."""
BOOLEANS = {"true": True, "false": False}


def number(text: str, kind: type[Siren] | type[Siret]) -> int:
    """A SIREN or a SIRET, digits alone. Raises RowRefusedError."""
    try:
        return int(kind(text))
    except (InvalidSirenError, InvalidSiretError):
        if text.isascii() and text.isdigit() and len(text) == kind.LENGTH:
            raise RowRefusedError(f"clé du {kind.NAME} fausse : {text}") from None
        hint = " (zéros de tête perdus ?)" if text.isdigit() and len(text) < kind.LENGTH else ""
        raise RowRefusedError(f"{kind.NAME} de {kind.LENGTH} chiffres attendu, lu {text[:30]!r}{hint}") from None


def nic(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) == 5):
        raise RowRefusedError(f"NIC du siège illisible : {text[:30]!r}")
    return int(text) if text else None


def joined(*parts: str) -> str | None:
    """The parts that are there, one space between them."""
    return " ".join(filter(None, parts)) or None


def entreprise(cells: Sequence[str], diffusion: str) -> Row:
    """One row of StockUniteLegale, in the order of `ENTREPRISES.fields`."""
    (siren, _, siege, forme, etat, categorie, tranche, activite, cree, traite,
     denomination, sigle, nom, usage, prenom, usuel) = cells
    return (
        number(siren, Siren), nic(siege), code(forme, 4, "catégorie juridique"),
        one_of(etat, ETATS_ENTREPRISE, "état administratif"), diffusion,
        code(categorie, 3, "catégorie d'entreprise"), code(tranche, 2, "tranche d'effectifs"), code(activite, 6, "activité principale"),
        day(cree), day(traite), denomination or None, sigle or None, usage or nom or None, usuel or prenom or None,
    )


def etablissement(cells: Sequence[str], diffusion: str) -> Row:
    """One row of StockEtablissement, in the order of `ETABLISSEMENTS.fields`."""
    (siret, _, etat, siege, activite, tranche, cree, traite,
     enseigne1, enseigne2, enseigne3, usuelle,
     complement, numero, indice, genre, libelle, distribution,
     postal, commune, code_commune, code_cedex, cedex, ailleurs, code_pays, pays) = cells
    return (
        number(siret, Siret), one_of(etat, ETATS_ETABLISSEMENT, "état administratif"),
        one_of(siege, BOOLEANS, "établissement siège"), diffusion,
        code(activite, 6, "activité principale"), code(tranche, 2, "tranche d'effectifs"), day(cree), day(traite),
        joined(enseigne1, enseigne2, enseigne3), usuelle or None,
        complement or None, joined(numero, indice, genre, libelle), distribution or None,
        code(postal, 5, "code postal"), commune or ailleurs or None, code(code_commune, 5, "code commune"), joined(code_cedex, cedex),
        code(code_pays, 5, "code pays"), pays or None,
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """One of the two files: the columns read, the key first and the diffusion status second; the fields written."""

    genre: Genre
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    convert: Callable[[Sequence[str], str], Row]

    def reader(self, header: Sequence[str]) -> Callable[[Sequence[str]], Row]:
        """What turns the cells of a row under this header into a Row, or raises RowRefusedError."""
        pick, width, convert = itemgetter(*map(header.index, self.columns)), len(header), self.convert

        def read(cells: Sequence[str]) -> Row:
            if len(cells) != width:
                raise RowRefusedError(f"{len(cells)} colonnes au lieu de {width}")
            picked = pick(cells)
            diffusion = one_of(picked[1], DIFFUSIONS, "statut de diffusion")
            if MASKED in picked:
                picked, diffusion = tuple("" if cell == MASKED else cell for cell in picked), "P"
            return convert(picked, diffusion)

        return read


def _columns(suffix: str, *names: str) -> tuple[str, ...]:
    return tuple(name.replace("*", suffix) for name in names)


ENTREPRISES = Layout(
    Genre.ENTREPRISES,
    _columns(
        "UniteLegale", "siren", "statutDiffusion*", "nicSiege*", "categorieJuridique*", "etatAdministratif*", "categorieEntreprise",
        "trancheEffectifs*", "activitePrincipale*", "dateCreation*", "dateDernierTraitement*",
        "denomination*", "sigle*", "nom*", "nomUsage*", "prenom1*", "prenomUsuel*",
    ),
    ("siren", "nic_siege", "categorie_juridique", "etat", "statut_diffusion",
     "categorie_entreprise", "tranche_effectifs", "activite_principale",
     "cree_le", "mis_a_jour", "denomination", "sigle", "nom", "prenom"),
    entreprise,
)
ETABLISSEMENTS = Layout(
    Genre.ETABLISSEMENTS,
    _columns(
        "Etablissement", "siret", "statutDiffusion*", "etatAdministratif*", "etablissementSiege",
        "activitePrincipale*", "trancheEffectifs*", "dateCreation*", "dateDernierTraitement*",
        "enseigne1*", "enseigne2*", "enseigne3*", "denominationUsuelle*",
        "complementAdresse*", "numeroVoie*", "indiceRepetition*", "typeVoie*", "libelleVoie*", "distributionSpeciale*",
        "codePostal*", "libelleCommune*", "codeCommune*", "codeCedex*", "libelleCedex*",
        "libelleCommuneEtranger*", "codePaysEtranger*", "libellePaysEtranger*",
    ),
    ("siret", "actif", "siege", "statut_diffusion",
     "activite_principale", "tranche_effectifs", "cree_le", "mis_a_jour",
     "enseigne", "denomination_usuelle",
     "complement", "voie", "distribution",
     "code_postal", "commune", "code_commune", "cedex",
     "code_pays", "pays"),
    etablissement,
)


def recognise(header: Sequence[str]) -> Layout:
    """The file that has this header. Raises StockRefusedError, naming what is missing."""
    for mark, layout in (("etatAdministratifEtablissement", ETABLISSEMENTS), ("etatAdministratifUniteLegale", ENTREPRISES)):
        if mark in header:
            if missing := [column for column in layout.columns if column not in header]:
                raise StockRefusedError("missing columns", public=f"Colonnes absentes de l'en-tête : {', '.join(missing)}.")
            if twice := [column for column in layout.columns if header.count(column) > 1]:
                raise StockRefusedError("doubled columns", public=f"Colonnes en double dans l'en-tête : {', '.join(twice)}.")
            return layout
    public = "En-tête inconnu : ce n'est ni StockUniteLegale ni StockEtablissement de l'INSEE (CSV, virgules)."
    raise StockRefusedError("unknown header", public=public)
