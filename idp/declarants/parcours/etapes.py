"""The steps of an inscription, in order: which one comes next, which ones may be opened again (C43). Pure functions of a draft.

A step is open when every step before it is done. Going back loses nothing, but for one thing: whoever changes who they are
chooses a password again, since it must not be made of their own words.
"""

from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Etape(StrEnum):
    """By its address, under /inscription."""

    ETABLISSEMENT = "etablissement"
    IDENTITE = "identite"
    CONDITIONS = "conditions"
    PROFIL = "profil"
    SERVICES = "services"
    MOT_DE_PASSE = "mot-de-passe"
    RECAPITULATIF = "recapitulatif"
    COURRIEL = "courriel"
    RESULTAT = "resultat"

    @property
    def address(self) -> str:
        return f"/inscription/{self}"


MILESTONES = (
    ("Établissement", (Etape.ETABLISSEMENT,)),
    ("Identité", (Etape.IDENTITE, Etape.CONDITIONS)),
    ("Services", (Etape.PROFIL, Etape.SERVICES)),
    ("Mot de passe", (Etape.MOT_DE_PASSE,)),
    ("Vérification", (Etape.RECAPITULATIF, Etape.COURRIEL, Etape.RESULTAT)),
)
"""What the top of each page shows."""


class Draft(Protocol):
    """What the steps look at."""

    @property
    def etablissement_at(self) -> datetime | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def conditions_version(self) -> str | None: ...
    @property
    def profil(self) -> object | None: ...
    @property
    def services(self) -> list[str] | None: ...
    @property
    def password_hash(self) -> str | None: ...
    @property
    def submitted_at(self) -> datetime | None: ...
    @property
    def confirmed_at(self) -> datetime | None: ...


def reached(draft: Draft, conditions: str) -> Etape:
    """The first step that is not done; `conditions` is the version in force."""
    if draft.confirmed_at is not None:
        return Etape.RESULTAT
    done = {
        Etape.ETABLISSEMENT: draft.etablissement_at is not None,
        Etape.IDENTITE: draft.email is not None,
        Etape.CONDITIONS: draft.conditions_version == conditions,
        Etape.PROFIL: draft.profil is not None,
        Etape.SERVICES: draft.services is not None,
        Etape.MOT_DE_PASSE: draft.password_hash is not None,
        Etape.RECAPITULATIF: draft.submitted_at is not None,
        Etape.COURRIEL: False,
    }
    return next(etape for etape, is_done in done.items() if not is_done)


def may_open(etape: Etape, draft: Draft, conditions: str) -> bool:
    """Whether this page is open now. Once the mail is asked for, nothing changes unless the person says so first."""
    here = reached(draft, conditions)
    if here in (Etape.COURRIEL, Etape.RESULTAT):
        return etape is here
    steps = list(Etape)
    return steps.index(etape) <= steps.index(here)


def milestone(etape: Etape) -> int:
    """Which of MILESTONES a page belongs to, from 0."""
    return next(n for n, (_, etapes) in enumerate(MILESTONES) if etape in etapes)
