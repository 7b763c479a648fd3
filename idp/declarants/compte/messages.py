"""The mails of « Mon compte », in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter


def confirm_address(issuer: str, name: str, token: str) -> Message:
    """To the new address: nothing changes before the link is used."""
    return letter(
        issuer,
        "Confirmez votre nouvelle adresse électronique",
        name,
        "Vous avez demandé que votre compte MAG utilise désormais cette adresse. Confirmez-la pour que le changement ait lieu.",
        Action("Confirmer cette adresse", f"{issuer}/compte/adresse/confirmer/{token}"),
        "Ce lien est valable 24 heures et ne sert qu'une fois.",
        "Si vous n'avez rien demandé, ignorez ce message : rien ne changera.",
    )


def address_changed(issuer: str, name: str, hidden: str, at: datetime, token: str) -> Message:
    """To the former address: the change can be undone for three days."""
    return letter(
        issuer,
        "L'adresse électronique de votre compte a changé",
        name,
        f"Depuis le {in_words(at)}, votre compte MAG n'utilise plus cette adresse, mais {hidden}.",
        "Si c'est vous, vous n'avez rien à faire.",
        "Si ce n'est pas vous, annulez ce changement sans attendre : votre adresse revient, toutes les sessions se ferment et le mot "
        "de passe ne sert plus tant que vous n'en avez pas choisi un autre.",
        Action("Annuler ce changement", f"{issuer}/compte/adresse/annuler/{token}"),
        "Ce lien est valable 72 heures et ne sert qu'une fois.",
    )


def password_changed(issuer: str, name: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Votre mot de passe a changé",
        name,
        f"Le mot de passe de votre compte MAG a été changé le {in_words(at)}. Vos autres sessions sont fermées.",
        "Si c'est vous, vous n'avez rien à faire.",
        "Si ce n'est pas vous, prévenez sans attendre l'administrateur de votre entreprise ou l'assistance.",
    )


def account_closed(issuer: str, name: str, at: datetime, days: int) -> Message:
    return letter(
        issuer,
        "Votre compte MAG est fermé",
        name,
        f"Votre compte a été fermé à votre demande le {in_words(at)}. Vos sessions et les accès que des sites gardaient en votre nom "
        "sont terminés, et vos droits sont retirés.",
        f"Ce qui vous nomme sera effacé dans {days} jours. Le journal garde un numéro, sans votre nom.",
        "Si vous n'avez rien demandé, prévenez sans attendre l'assistance ou un administrateur de votre entreprise.",
    )


def colleague_left(issuer: str, name: str, who: str, at: datetime) -> Message:
    """To the administrators of the establishment."""
    return letter(
        issuer,
        f"{who} a fermé son compte",
        name,
        f"{who} a fermé son compte MAG le {in_words(at)}. Ses droits sont retirés.",
        "Si une autre personne doit reprendre ses déclarations, donnez-lui les droits nécessaires dans l'espace administrateur.",
        Action("Ouvrir MAG", f"{issuer}/"),
    )


def still_yours(issuer: str, name: str, token: str, days: int, *, again: bool = False) -> Message:
    """Is this address still theirs?"""
    return letter(
        issuer,
        f"{'Rappel : cette' if again else 'Cette'} adresse est-elle toujours la vôtre ?",
        name,
        "MAG vérifie de temps en temps les adresses électroniques des comptes, pour que vos courriers ne tombent pas chez "
        "quelqu'un d'autre.",
        Action("Oui, c'est mon adresse", f"{issuer}/compte/adresse/toujours/{token}"),
        f"Ce lien est valable {days} jours et ne sert qu'une fois. Si l'adresse n'est plus la vôtre, changez-la dans « Mon compte ».",
        Action("Ouvrir « Mon compte »", f"{issuer}/compte"),
    )


def mail_bounced(issuer: str, name: str, who: str, siret: str) -> Message:
    """To the administrators: a colleague cannot be reached any more."""
    return letter(
        issuer,
        f"{who} ne reçoit plus nos courriers",
        name,
        f"L'adresse électronique de {who} (SIRET {siret}) n'existe plus, selon le serveur qui devait la servir.",
        "Si cette personne a quitté l'entreprise, retirez-la de votre équipe. Sinon, dites-lui de corriger son adresse dans "
        "« Mon compte ».",
        Action("Ouvrir MAG", f"{issuer}/"),
    )


def dormant(issuer: str, name: str, until: datetime) -> Message:
    """The account will be suspended, unless its owner signs in."""
    return letter(
        issuer,
        "Votre compte MAG va être suspendu",
        name,
        f"Vous ne vous êtes pas connecté depuis longtemps. Par sécurité, votre compte sera suspendu le {in_words(until)}.",
        "Pour le garder, il suffit de vous connecter avant cette date.",
        Action("Me connecter", f"{issuer}/connexion"),
        "Si vous n'en avez plus besoin, fermez-le dans « Mon compte », ou ne faites rien.",
    )


def suspended(issuer: str, name: str) -> Message:
    return letter(
        issuer,
        "Votre compte MAG est suspendu",
        name,
        "Vous ne vous êtes pas connecté depuis longtemps : votre compte est suspendu. Rien n'est effacé.",
        "Pour le retrouver, adressez-vous à un administrateur de votre établissement ou à l'assistance.",
    )


def hidden(address: str) -> str:
    """`c•••@exemple.fr`: enough to recognise one's own."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
