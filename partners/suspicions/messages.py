"""The mails of suspicious behaviours: to bodies, and to the person whose sessions MAG closed. Pure."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

MOTIFS = {
    "usurpation": "usurpation d'identité possible",
    "jeton_rejoue": "jeton présenté plusieurs fois",
    "droits_depasses": "action au-delà des droits",
    "volume_anormal": "volume d'appels anormal",
    "compromission": "clé ou poste compromis",
    "autre": "autre",
}
"""What a declaration may say, and how people read it."""


def signalement(issuer: str, convention: str, vecteur: str, motif: str, description: str, at: datetime) -> Message:
    """To the contact of a body. Names nobody: the body finds who by its own traces."""
    return letter(
        issuer,
        f"Comportement suspect signalé sous la convention {convention}",
        "",
        f"Le {in_words(at)}, un comportement suspect a été déclaré à propos d'un jeton délivré sous la convention « {convention} » : "
        f"{MOTIFS[motif]}.",
        f"Empreinte du jeton (SHA-256 de son jti) : {vecteur}",
        *([f"Précisions : {description}"] if description else []),
        "Retrouvez ce jeton dans vos traces, et demandez celles de MAG par son interface de traces.",
    )


def fermees(issuer: str, name: str, at: datetime) -> Message:
    """To the person whose sessions were closed."""
    return letter(
        issuer,
        "Vos sessions ont été fermées",
        name,
        f"Le {in_words(at)}, un service auquel vous accédez par MAG a signalé une utilisation inhabituelle de votre compte. "
        "Par précaution, toutes vos sessions ont été fermées, ainsi que les accès gardés par des sites et des logiciels.",
        "Si c'était vous, reconnectez-vous. Sinon, changez votre mot de passe.",
        Action("Me connecter", f"{issuer}/connexion"),
    )


def suspendu(issuer: str, name: str, at: datetime) -> Message:
    """To the person whose account was suspended."""
    return letter(
        issuer,
        "Votre compte est suspendu",
        name,
        f"Le {in_words(at)}, un service auquel vous accédez par MAG a signalé une utilisation suspecte de votre compte. "
        "Par précaution, il est suspendu : vous ne pouvez plus vous connecter.",
        "Adressez-vous à l'administrateur de votre entreprise ou à l'assistance.",
        Action("Lire l'aide", f"{issuer}/aide"),
    )
