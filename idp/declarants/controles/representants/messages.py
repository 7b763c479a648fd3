"""What representatives and first administrators read about an agreement, in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter


def wanted(issuer: str, name: str, person: str, place: str, key: str, until: datetime) -> Message:
    """To the representative, at an address that a register or an operator gives."""
    return letter(
        issuer,
        "Votre accord est demandé pour administrer votre entreprise dans MAG",
        name,
        f"{person} demande à administrer {place}, dans MAG, l'identité numérique des entreprises. Qui administre "
        "un établissement gère les comptes et les droits des personnes qui déclarent en son nom.",
        "Comme vous représentez légalement cette entreprise, votre accord est nécessaire. Lisez la demande, puis acceptez-la ou "
        f"refusez-la avant le {in_words(until)}. Sans réponse, la demande s'efface.",
        Action("Lire la demande", f"{issuer}/representant/{key}"),
        "Si vous ne connaissez pas cette personne, refusez : elle n'aura accès à rien.",
    )


def agreed(issuer: str, name: str, place: str) -> Message:
    """To the first administrator, when operators still have something to look at."""
    return letter(
        issuer,
        "Votre représentant légal a donné son accord",
        name,
        f"Le représentant légal de {place} accepte que vous l'administriez dans MAG.",
        "Il reste d'autres vérifications : un courrier vous dira leur résultat.",
    )


def asked_for(issuer: str, name: str, place: str, *, posted: bool) -> Message:
    """To the first administrator: whom they may remind."""
    how = "par courrier postal, à l'adresse de l'établissement" if posted else "par courrier électronique"
    return letter(
        issuer,
        "L'accord de votre représentant légal est demandé",
        name,
        f"Pour que vous administriez {place}, l'accord de son représentant légal est nécessaire. Il vient de lui être demandé {how}.",
        "Vous n'avez rien à faire ; vous pouvez l'en prévenir.",
    )
