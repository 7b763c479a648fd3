"""The mails of proofs, in French: pure texts."""

from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

NOT_ME = "Si ce n'est pas vous, changez de mot de passe et prévenez l'assistance sans attendre."


def _told(issuer: str, subject: str, name: str, *paragraphs: str) -> Message:
    return letter(issuer, subject, name, *paragraphs, NOT_ME, Action("Voir mes preuves d'identité", f"{issuer}/compte/preuves"))


def proved(issuer: str, name: str, fournisseur: str, at: datetime, until: datetime) -> Message:
    return _told(
        issuer,
        f"{fournisseur} a confirmé votre identité",
        name,
        f"Le {in_words(at)}, {fournisseur} a confirmé le nom et le prénom de votre compte MAG. Cette preuve vaut jusqu'au "
        f"{in_words(until)}.",
        "MAG n'en garde que la date, le niveau et le nom de ce fournisseur : ni votre naissance, ni votre numéro chez lui.",
    )


def removed(issuer: str, name: str, fournisseur: str, at: datetime) -> Message:
    return _told(
        issuer,
        f"La preuve de {fournisseur} est retirée de votre compte",
        name,
        f"Le {in_words(at)}, la preuve d'identité que {fournisseur} avait donnée a été retirée de votre compte MAG.",
    )


def linked(issuer: str, name: str, fournisseur: str, at: datetime) -> Message:
    return _told(
        issuer,
        f"Vous pouvez vous connecter avec {fournisseur}",
        name,
        f"Depuis le {in_words(at)}, le compte {fournisseur} que vous avez choisi vous connecte aussi à MAG.",
    )


def unlinked(issuer: str, name: str, fournisseur: str, at: datetime) -> Message:
    return _told(
        issuer,
        f"{fournisseur} ne vous connecte plus à MAG",
        name,
        f"Depuis le {in_words(at)}, votre compte {fournisseur} ne vous connecte plus à MAG. Votre mot de passe, lui, n'a pas changé.",
    )
