"""The mails of linked identities, in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

PAGE = "/compte/identites"


def linked(issuer: str, name: str, other: str, siret: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Une autre identité est reliée à la vôtre",
        name,
        f"Le {in_words(at)}, l'identité de {other}, SIRET {siret}, a été reliée à la vôtre. Qui se connecte à l'une passe à l'autre sans "
        "ressaisir de mot de passe.",
        "Si c'est vous, vous n'avez rien à faire.",
        "Si ce n'est pas vous, déliez-les sans attendre, puis changez de mot de passe.",
        Action("Voir mes identités", f"{issuer}{PAGE}"),
    )


def unlinked(issuer: str, name: str, other: str, siret: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Une identité n'est plus reliée à la vôtre",
        name,
        f"Le {in_words(at)}, l'identité de {other}, SIRET {siret}, a été déliée de la vôtre. Chacune redemande son mot de passe.",
        "Pour les relier de nouveau, les deux mots de passe seront demandés.",
        Action("Voir mes identités", f"{issuer}{PAGE}"),
    )
