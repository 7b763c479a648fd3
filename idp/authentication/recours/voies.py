"""The five ways to recover an account, as data: what each proves, how long it takes, who is told. docs/securite.md holds this table.

Pure. Left out on purpose: the ways themselves, one module each.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Voie(StrEnum):
    COURRIEL = "courriel"
    ADMINISTRATEUR = "administrateur"
    ASSISTANCE = "assistance"
    QUESTION = "question"
    FOURNISSEUR = "fournisseur"


class Assurance(StrEnum):
    """How sure it is that the person is the one inscribed; the journal keeps it."""

    FAIBLE = "faible"
    MOYENNE = "moyenne"
    FORTE = "forte"


class Etape(StrEnum):
    """Of a request that others must settle."""

    OUVERT = "ouvert"
    PROPOSE = "propose"
    CONFIRME = "confirme"
    REMIS = "remis"
    """The person holds a link or a code."""
    FINI = "fini"
    REFUSE = "refuse"
    ANNULE = "annule"


LIVING = (Etape.OUVERT, Etape.PROPOSE, Etape.CONFIRME, Etape.REMIS)


class Check(StrEnum):
    """What an operator verified before proposing."""

    IDENTITE = "identite"
    LIEN = "lien"
    RAPPEL = "rappel"
    ADRESSE = "adresse"


CHECKS = {
    Check.IDENTITE: "Une pièce d'identité au nom de la personne a été vue.",
    Check.LIEN: "Un document récent rattache la personne à l'établissement (Kbis, bulletin de paie, attestation).",
    Check.RAPPEL: "La personne a été rappelée au standard de l'établissement, à un numéro trouvé hors de la demande.",
    Check.ADRESSE: "La personne a prouvé qu'elle lit la nouvelle adresse : un code y a été envoyé et relu au téléphone.",
}
"""All of them are needed."""


class Moyen(StrEnum):
    """How an administrator made sure of who asks."""

    PRESENCE = "presence"
    TELEPHONE = "telephone"
    VISIO = "visio"


MOYENS = {
    Moyen.PRESENCE: "En personne",
    Moyen.TELEPHONE: "Au téléphone, en appelant un numéro que je connaissais déjà",
    Moyen.VISIO: "En visioconférence, en voyant son visage",
}


@dataclass(frozen=True, slots=True)
class Regle:
    """One way. Sentences are French: the table of docs/securite.md is written with them."""

    voie: Voie
    assurance: Assurance
    proves: str
    limit: str
    delay: str
    told: str


LINK = timedelta(hours=1)
"""Life of a link that gives a new password (C44)."""
CODE = timedelta(hours=24)
CODE_TRIES, CODE_TRIES_IN_ALL = 5, 100
"""Wrong codes from one network, and from everywhere: a stranger must not spend the owner's."""
REQUEST = timedelta(days=7)
"""A request that nobody settles ends by itself."""
MOST_WAITING = 5
"""Different requests that wait for one account and one way; one more takes the place of the oldest."""
SUPPORT_DELAY = timedelta(hours=24)
CANCEL = timedelta(hours=24)
QUESTION_TRIES = 3
"""A day."""
ANSWERED = timedelta(minutes=15)
PROVED_DELAY, PROVED = timedelta(hours=24), timedelta(hours=72)
"""From the first proof at a provider: when a second one gives a new password, and until when."""
PROVED_TRIES = 10
"""Passages an hour of one account of a provider, whoever it says to be here."""

REGLES = (
    Regle(
        Voie.COURRIEL,
        Assurance.MOYENNE,
        "la lecture de l'adresse du compte",
        "par heure, 3 demandes pour un compte depuis un réseau et 20 en tout, 10 par réseau, plafond global",
        "aucun ; lien d'une heure, une fois",
        "l'adresse du compte ; pour un administrateur, les autres administrateurs",
    ),
    Regle(
        Voie.ADMINISTRATEUR,
        Assurance.FORTE,
        "l'identité, vérifiée par un administrateur de l'établissement",
        "les mêmes ; une demande répétée rejoint celle qui attend ; code de 12 caractères, 24 h, 5 essais par réseau",
        "celui de l'administrateur, 7 jours au plus",
        "l'adresse du compte à la demande, à l'accord et à la fin ; tous les administrateurs",
    ),
    Regle(
        Voie.ASSISTANCE,
        Assurance.FORTE,
        "l'identité, le lien avec l'établissement et la nouvelle adresse, vérifiés par deux opérateurs",
        "les mêmes ; une demande répétée rejoint celle qui attend, 5 demandes différentes par compte",
        "24 heures après l'accord du second opérateur, annulables d'un clic",
        "l'ancienne et la nouvelle adresse ; pour un administrateur, les autres administrateurs",
    ),
    Regle(
        Voie.QUESTION,
        Assurance.FAIBLE,
        "une réponse connue de la personne ; ne suffit ni avec un second facteur, ni pour un administrateur",
        "3 réponses par jour et par compte, et les limites communes",
        "aucun",
        "l'adresse du compte à chaque bonne réponse et à la fin",
    ),
    Regle(
        Voie.FOURNISSEUR,
        Assurance.MOYENNE,
        "le compte ProConnect ou FranceConnect dont MAG garde une preuve vivante, au nom de la personne, de niveau eidas1 au moins",
        "par heure, 10 passages par compte du fournisseur et 30 par réseau",
        "24 heures entre deux preuves, annulables d'un clic ; la seconde, dans les 72 heures, donne un lien d'un quart d'heure",
        "l'adresse du compte, et celle d'avant tant qu'elle peut se reprendre ; pour un administrateur, les autres administrateurs",
    ),
)


def rule_of(voie: Voie) -> Regle:
    return next(regle for regle in REGLES if regle.voie is voie)


def table() -> str:
    """In Markdown, as docs/securite.md has it."""
    lines = ["| voie | assurance | ce qu'elle prouve | limites | délai | qui est prévenu |", "|---|---|---|---|---|---|"]
    lines += [f"| {r.voie} | {r.assurance} | {r.proves} | {r.limit} | {r.delay} | {r.told} |" for r in REGLES]
    return "\n".join(lines)
