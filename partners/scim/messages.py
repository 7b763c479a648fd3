"""The mails of people entrusted to a partner, in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

PAGE = "/equipe/partenaires"


def entrusted(issuer: str, name: str, site: str, who: str, place: str, at: datetime) -> Message:
    """To each administrator, whoever decided included."""
    return letter(
        issuer,
        f"« {site} » gère désormais des comptes de votre entreprise",
        name,
        f"Le {in_words(at)}, {who} a confié à « {site} » la gestion des comptes de {place} : son logiciel peut lire les comptes, inviter "
        "des personnes, suspendre un compte ou y mettre fin. Il ne choisit aucun mot de passe et ne donne aucune habilitation.",
        f"Cet accord cesse si {who} n'administre plus, ou quand un administrateur le retire.",
        Action("Voir les partenaires", f"{issuer}{PAGE}"),
    )


def withdrawn(issuer: str, name: str, site: str, who: str, place: str, at: datetime) -> Message:
    """To each administrator."""
    return letter(
        issuer,
        f"« {site} » ne gère plus de comptes de votre entreprise",
        name,
        f"Le {in_words(at)}, {who} a retiré à « {site} » la gestion des comptes de {place}. Les comptes restent comme ils sont ; les "
        "invitations envoyées restent valables.",
        Action("Voir les partenaires", f"{issuer}{PAGE}"),
    )
