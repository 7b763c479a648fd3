"""States of a mass file, what people read of them, and which act may follow. Pure."""

from datetime import timedelta
from enum import StrEnum

MOST_LINES = 300_000
UNDOABLE = timedelta(hours=24)
CUMUL = timedelta(hours=24)
"""What somebody changed alone during that time counts with what they ask now."""
ANSWER = timedelta(days=7)
"""How long a second administrator has to answer."""
KEPT = timedelta(days=30)
"""After its last change, a file and its lines are erased: they name people."""


class Genre(StrEnum):
    """What came in: a file, or an act of the pages that is too much for a page, or for one person alone."""

    FICHIER = "fichier"
    GESTE = "geste"

    @property
    def mot(self) -> str:
        """For people; both nouns are masculine."""
        return "fichier" if self is Genre.FICHIER else "changement"


class Etat(StrEnum):
    """Where a file stands."""

    DEPOSE = "depose"
    """A job checks it."""
    VERIFIE = "verifie"
    A_APPROUVER = "a_approuver"
    A_APPLIQUER = "a_appliquer"
    """A job applies it."""
    APPLIQUE = "applique"
    A_ANNULER = "a_annuler"
    """A job undoes it."""
    ANNULE = "annule"
    ILLISIBLE = "illisible"
    REFUSE = "refuse"
    EXPIRE = "expire"
    ABANDONNE = "abandonne"
    ECHEC = "echec"

    @property
    def works(self) -> bool:
        """A job is under way, or about to."""
        return self in WORKING

    @property
    def lives(self) -> bool:
        """Something may still come of it by itself or by an act; counted against the number of files a company may have."""
        return self in LIVING


class Travail(StrEnum):
    """What a job does of a file."""

    VERIFIER = "verifier"
    APPLIQUER = "appliquer"
    ANNULER = "annuler"


WORKING = frozenset({Etat.DEPOSE, Etat.A_APPLIQUER, Etat.A_ANNULER})
LIVING = WORKING | {Etat.VERIFIE, Etat.A_APPROUVER}
STATE_OF = {Travail.VERIFIER: Etat.DEPOSE, Travail.APPLIQUER: Etat.A_APPLIQUER, Travail.ANNULER: Etat.A_ANNULER}
"""In which state a file must be for a job to have something to do."""
TITLES = {
    Etat.DEPOSE: "Vérification en cours",
    Etat.VERIFIE: "Vérifié, rien n'est encore appliqué",
    Etat.A_APPROUVER: "En attente d'un accord",
    Etat.A_APPLIQUER: "Application en cours",
    Etat.APPLIQUE: "Appliqué",
    Etat.A_ANNULER: "Annulation en cours",
    Etat.ANNULE: "Appliqué, puis annulé",
    Etat.ILLISIBLE: "Illisible",
    Etat.REFUSE: "Accord refusé",
    Etat.EXPIRE: "Sans réponse dans le délai",
    Etat.ABANDONNE: "Abandonné",
    Etat.ECHEC: "Arrêté avant la fin, rien n'est appliqué",
}
