"""The digest of a row of evidence: of everything it says, and of the row before. Pure.

SHA-256 without a key, so that a partner who kept one digest can verify all that came before it, without MAG's secrets.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

ORIGIN = "0" * 64
"""What the first row of a chain follows."""


@dataclass(frozen=True, slots=True)
class Ligne:
    """One row, as it is kept."""

    chaine: str
    rang: int
    at: datetime
    nature: str
    vecteur: str
    contenu: str
    precedent: str
    empreinte: str = ""


def empreinte(ligne: Ligne) -> str:
    """Lines end with a newline and hold none: two different rows never make one text."""
    at = ligne.at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = (ligne.chaine, str(ligne.rang), at, ligne.nature, ligne.vecteur, ligne.contenu, ligne.precedent)
    return hashlib.sha256("".join(f"{len(part)}:{part}\n" for part in parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tete:
    """Where a chain ends: the number of its last row, and its digest."""

    rang: int = 0
    empreinte: str = ORIGIN


def faults(lignes: Iterable[Ligne], head: Tete, anchors: Iterable[Tete] = ()) -> Iterator[str]:
    """What is wrong with a chain, read whole and in order. `anchors`: what somebody kept of it, elsewhere."""
    last, kept = Tete(), dict[int, set[str]]()
    for anchor in anchors:
        kept.setdefault(anchor.rang, set()).add(anchor.empreinte)
    if kept.pop(0, {ORIGIN}) != {ORIGIN}:
        yield "rang 0 : l'empreinte gardée n'est pas celle d'une chaîne vide"
    for ligne in lignes:
        if ligne.rang != last.rang + 1:
            yield f"rang {last.rang + 1} : ligne absente"
        elif ligne.precedent != last.empreinte:
            yield f"rang {ligne.rang} : ne suit pas la ligne {last.rang}"
        if empreinte(ligne) != ligne.empreinte:
            yield f"rang {ligne.rang} : contenu changé"
        if kept.pop(ligne.rang, {ligne.empreinte}) != {ligne.empreinte}:
            yield f"rang {ligne.rang} : n'est pas celle dont l'empreinte a été gardée"
        last = Tete(ligne.rang, ligne.empreinte)
    if last != head:
        yield f"rang {last.rang} : la chaîne devrait finir au rang {head.rang}"
    yield from (f"rang {rang} : ligne absente, son empreinte a été gardée" for rang in sorted(kept))
