"""Mails about mass files, and acts that are done as they are, in French: pure texts. `mot`: `fichier` or `changement`."""

from collections.abc import Mapping
from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

PLACE = "/equipe/droits/fichiers"


def counted(number: int, one: str, several: str) -> str:
    """`1 droit retiré`, `2 000 droits retirés`."""
    digits = f"{number:,}".replace(",", "\u202f")
    return f"{digits} {one if number < 2 else several}"


def summary(bilan: Mapping[str, int]) -> str:
    """`12 droits donnés et 1 droit retiré`."""
    parts = [
        counted(bilan.get("donnes", 0), "droit donné", "droits donnés") if bilan.get("donnes") else "",
        counted(bilan.get("retires", 0), "droit retiré", "droits retirés") if bilan.get("retires") else "",
        counted(bilan.get("dates", 0), "date de fin changée", "dates de fin changées") if bilan.get("dates") else "",
    ]
    said = sum(bilan.get(name, 0) for name in ("donnes", "retires", "dates"))
    if bilan.get("droits", 0) > said:
        parts.append(f"{counted(bilan['droits'], 'droit touché', 'droits touchés')} en tout, ouvertures à venir et dates comprises")
    kept = [part for part in parts if part]
    return " et ".join(filter(None, (", ".join(kept[:-1]), kept[-1]))) if kept else "aucun changement"


def agreement_asked(
    issuer: str, name: str, author: str, mot: str, fichier: str, bilan: Mapping[str, int], until: datetime, reference: str
) -> Message:
    """To each other administrator."""
    return letter(
        issuer,
        f"Un {mot} d'habilitations attend votre accord",
        name,
        f"{author} demande à appliquer le {mot} « {fichier} » : {summary(bilan)}.",
        "Au-delà d'un certain nombre de droits, une seconde personne doit relire et donner son accord. Tant que personne n'a répondu, "
        "rien n'est changé.",
        Action(f"Relire le {mot} et répondre", f"{issuer}{PLACE}/{reference}"),
        f"Sans réponse avant le {in_words(until)}, la demande tombe.",
    )


def agreed(issuer: str, name: str, mot: str, fichier: str, reference: str) -> Message:
    return letter(
        issuer,
        f"Votre {mot} d'habilitations a reçu un accord",
        name,
        f"Le {mot} « {fichier} » est accepté : il s'applique maintenant.",
        Action(f"Suivre le {mot}", f"{issuer}{PLACE}/{reference}"),
    )


def declined(issuer: str, name: str, mot: str, fichier: str, reason: str, reference: str) -> Message:
    return letter(
        issuer,
        f"Votre {mot} d'habilitations est refusé",
        name,
        f"L'accord demandé pour le {mot} « {fichier} » est refusé. Rien n'est changé.",
        *([f"Motif donné : {reason}"] if reason else []),
        Action(f"Voir le {mot}", f"{issuer}{PLACE}/{reference}"),
    )


def expired(issuer: str, name: str, mot: str, fichier: str, reference: str) -> Message:
    return letter(
        issuer,
        f"Votre {mot} d'habilitations n'a pas reçu de réponse",
        name,
        f"Personne n'a répondu à temps pour le {mot} « {fichier} ». Rien n'est changé ; vous pouvez redemander un accord.",
        Action(f"Voir le {mot}", f"{issuer}{PLACE}/{reference}"),
    )


def applied(issuer: str, name: str, mot: str, fichier: str, bilan: Mapping[str, int], reference: str) -> Message:
    return letter(
        issuer,
        f"Votre {mot} d'habilitations est appliqué",
        name,
        f"Le {mot} « {fichier} » est appliqué : {summary(bilan)}.",
        "Vous pouvez l'annuler pendant 24 heures, tant que rien d'autre n'a changé aux mêmes endroits.",
        Action(f"Voir le {mot}", f"{issuer}{PLACE}/{reference}"),
    )


def failed(issuer: str, name: str, mot: str, fichier: str, reason: str, reference: str) -> Message:
    return letter(
        issuer,
        f"Votre {mot} d'habilitations n'a pas été appliqué",
        name,
        f"Le {mot} « {fichier} » s'est arrêté avant la fin, et rien n'est changé. {reason}",
        Action(f"Voir le {mot}", f"{issuer}{PLACE}/{reference}"),
    )
