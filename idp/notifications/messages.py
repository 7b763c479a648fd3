"""The mails of MAG, in French: pure texts. Links are built from the issuer alone (C49); whoever writes a mail gives it."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre")
SIGNATURE = """
—
MAG, l'identité numérique des entreprises
{issuer}
Ce message est automatique : inutile d'y répondre. MAG ne demande jamais votre mot de passe par courrier électronique."""


@dataclass(frozen=True, slots=True)
class Message:
    """One mail, without its recipient."""

    subject: str
    body: str


def in_words(at: datetime) -> str:
    """`21 novembre 2026 à 14 h 05`, in Paris."""
    local = at.astimezone(PARIS)
    day = "1er" if local.day == 1 else str(local.day)
    return f"{day} {MONTHS[local.month - 1]} {local.year} à {local.hour} h {local.minute:02d}"


def _letter(issuer: str, subject: str, name: str, *paragraphs: str) -> Message:
    text = "\n\n".join((f"Bonjour {name},", *paragraphs))
    return Message(subject, f"{text}\n{SIGNATURE.format(issuer=issuer)}\n")


def brake(issuer: str, token: str, name: str) -> Message:
    """Sign-in to an account is braked, or asks for a proof of work: the link that lets its owner in, once, for an hour."""
    return _letter(
        issuer,
        "Des tentatives de connexion à votre compte sont ralenties",
        name,
        "Trop de tentatives de connexion échouent en ce moment. Par prudence, celles qui visent votre compte MAG depuis un "
        "appareil inconnu sont ralenties ou soumises à une vérification.",
        "Si c'est vous qui essayez de vous connecter, ouvrez ce lien dans le navigateur que vous voulez utiliser, puis connectez-vous :",
        f"{issuer}/connexion/appareil/{token}",
        "Ce lien est valable une heure et ne sert qu'une fois. Il ne connecte personne : votre mot de passe reste nécessaire.",
        "Si ce n'est pas vous, vous n'avez rien à faire : personne n'est entré dans votre compte, et les appareils que vous "
        "utilisez déjà ne sont pas ralentis.",
    )


def new_device(issuer: str, name: str, at: datetime) -> Message:
    """A sign-in from a browser that never signed in before."""
    return _letter(
        issuer,
        "Connexion depuis un nouvel appareil",
        name,
        f"Une connexion à votre compte MAG a eu lieu le {in_words(at)}, depuis un navigateur que nous ne connaissions pas.",
        "Si c'est vous, vous n'avez rien à faire.",
        "Si ce n'est pas vous, prévenez sans attendre l'administrateur de votre entreprise ou l'assistance : votre compte peut être "
        "suspendu, ce qui ferme aussitôt toutes ses connexions.",
    )


def backchannel(issuer: str, name: str, client_name: str, message: str, until: datetime) -> Message:
    """A partner asks somebody who is not at its site to agree. The link opens nothing by itself: the person signs in there."""
    shown = [f"Le message qui doit aussi s'afficher de son côté : « {message} »."] if message else []
    return _letter(
        issuer,
        f"{client_name} attend votre accord",
        name,
        f"« {client_name} » demande votre accord pour agir avec votre identité MAG.",
        *shown,
        f"Pour lire la demande et y répondre, avant le {in_words(until)}, ouvrez votre espace MAG :",
        f"{issuer}/demandes",
        "Si vous n'avez rien demandé à ce site, refusez, ou laissez la demande s'éteindre d'elle-même : rien ne se passe "
        "sans votre accord.",
    )
