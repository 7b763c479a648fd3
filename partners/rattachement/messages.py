"""The mails of linked accounts, in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

PAGE = "/compte/portails"


def linked(issuer: str, name: str, site: str, compte: str, at: datetime) -> Message:
    return letter(
        issuer,
        f"Votre compte est associé à « {site} »",
        name,
        f"Le {in_words(at)}, votre identité MAG et votre compte « {compte} » de « {site} » ont été associés. Vous passez désormais de "
        "l'un à l'autre sans ressaisir de mot de passe.",
        "Si c'est vous, vous n'avez rien à faire.",
        "Si ce n'est pas vous, déliez ces comptes sans attendre, puis changez de mot de passe.",
        Action("Voir mes portails", f"{issuer}{PAGE}"),
    )


def linked_again(issuer: str, name: str, site: str, compte: str, at: datetime) -> Message:
    return letter(
        issuer,
        f"L'association avec « {site} » est rétablie",
        name,
        f"Le {in_words(at)}, l'association de votre identité MAG et de votre compte « {compte} » de « {site} » a été rétablie.",
        "Si ce n'est pas vous, déliez ces comptes sans attendre, puis changez de mot de passe.",
        Action("Voir mes portails", f"{issuer}{PAGE}"),
    )


def unlinked(issuer: str, name: str, site: str, compte: str, at: datetime, *, by_partner: bool) -> Message:
    who = f"à la demande de « {site} »" if by_partner else "à votre demande"
    after = (
        "Pour les associer de nouveau, recommencez depuis « Mes portails » : les deux comptes vous seront redemandés."
        if by_partner
        else "Vous pouvez rétablir cette association pendant sept jours, depuis « Mes portails »."
    )
    return letter(
        issuer,
        f"Votre compte n'est plus associé à « {site} »",
        name,
        f"Le {in_words(at)}, {who}, votre identité MAG et votre compte « {compte} » de « {site} » ont été déliés. Vous devrez saisir un "
        "mot de passe pour passer de l'un à l'autre.",
        after,
        Action("Voir mes portails", f"{issuer}{PAGE}"),
    )
