"""Mails that tell people what an operator decided about them. Pure texts."""

from datetime import datetime

from idp.declarants.identite import Identite
from idp.notifications.messages import Action, Message, in_words, letter


def validated(issuer: str, identite: Identite, place: str) -> Message:
    """An operator agreed to an inscription. The names are said: a namesake was told apart."""
    return letter(
        issuer,
        "Votre inscription est validée",
        f"{identite.prenom} {identite.nom}",
        f"Les vérifications sont terminées : votre compte MAG pour {place} est ouvert, et vous en êtes l'administrateur.",
        f"Vous vous connectez avec le SIRET {identite.siret.grouped}, le nom « {identite.nom} », le prénom « {identite.prenom} » et le "
        "mot de passe que vous avez choisi.",
        "Les services que vous avez demandés s'ouvrent dès maintenant, ou après le délai que votre page d'accueil indique.",
        Action("Se connecter", f"{issuer}/connexion"),
    )


def set_aside(issuer: str, name: str, place: str) -> Message:
    """An operator refused an inscription. The reason stays inside: it would tell a fraud what to change."""
    return letter(
        issuer,
        "Votre inscription n'a pas été retenue",
        name,
        f"Les vérifications de votre inscription à MAG pour {place} n'ont pas abouti. Vos informations sont effacées.",
        "Si vous représentez bien cette entreprise, adressez-vous à l'assistance avec un justificatif : elle vous dira comment faire.",
    )


def suspended(issuer: str, name: str, at: datetime) -> Message:
    """An operator suspended an account."""
    return letter(
        issuer,
        "Votre compte est suspendu",
        name,
        f"Votre compte MAG a été suspendu par l'assistance le {in_words(at)} : il ne permet plus de se connecter.",
        "Ses sessions sont fermées, chez MAG et sur les sites où vous étiez connecté.",
        "Si vous n'en connaissez pas la raison, adressez-vous à l'assistance.",
    )


def reactivated(issuer: str, name: str, at: datetime) -> Message:
    """An operator lifted a suspension."""
    return letter(
        issuer,
        "Votre compte est rétabli",
        name,
        f"La suspension de votre compte MAG a été levée par l'assistance le {in_words(at)}.",
        Action("Se connecter", f"{issuer}/connexion"),
    )


def disconnected(issuer: str, name: str, at: datetime) -> Message:
    """An operator ended every session of an account."""
    return letter(
        issuer,
        "Vos sessions ont été fermées",
        name,
        f"L'assistance a fermé toutes les sessions de votre compte MAG le {in_words(at)}. Vous pouvez vous reconnecter.",
        Action("Se connecter", f"{issuer}/connexion"),
    )
