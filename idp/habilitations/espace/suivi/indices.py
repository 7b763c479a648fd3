"""Hints that an account serves several people: its name, its address, its browsers. Hints, never a decision."""

import re
from dataclasses import dataclass

from idp.declarants.identite import fold

SHARED_NAMES = frozenset(
    (
        *("accueil", "administration", "cabinet", "comptabilite", "compta", "contact", "direction", "gestion", "info", "paie"),
        *("personnel", "rh", "secretariat", "service", "social", "standard"),
    )
)
MANY_DEVICES = 4
"""Browsers of one account, beyond which somebody should ask."""


@dataclass(frozen=True, slots=True)
class Compte:
    """What is known of an account."""

    nom: str
    prenom: str
    email: str
    appareils: int
    meme_adresse: int
    """How many accounts of the company have its address, itself included."""


def indices(compte: Compte) -> list[str]:
    """In French, one sentence each; none when nothing looks shared."""
    found = []
    if words(f"{compte.nom} {compte.prenom}") & SHARED_NAMES:
        found.append("le nom est celui d'un service, pas d'une personne")
    if words(compte.email.partition("@")[0]) & SHARED_NAMES:
        found.append("l'adresse électronique est celle d'un service")
    if compte.meme_adresse > 1:
        found.append(f"{compte.meme_adresse} comptes ont la même adresse électronique")
    if compte.appareils > MANY_DEVICES:
        found.append(f"{compte.appareils} navigateurs différents s'y connectent")
    return found


def words(text: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z]+", fold(text)))
