"""The mails of recovery, in French: pure texts. Links are built from the issuer alone (C49)."""

from datetime import datetime

from idp.authentication.recours.voies import Voie
from idp.notifications.messages import Action, Message, in_words, letter

NOT_YOU = (
    "Si vous n'avez rien demandé, ignorez ce message : personne ne peut rien faire sans lui, et votre mot de passe n'a pas changé. "
    "S'il se répète, prévenez l'administrateur de votre entreprise."
)
BY = {
    Voie.COURRIEL: "par le lien envoyé à votre adresse électronique",
    Voie.ADMINISTRATEUR: "avec l'accord d'un administrateur de votre établissement",
    Voie.ASSISTANCE: "avec l'aide de l'assistance",
    Voie.QUESTION: "par votre question secrète",
    Voie.FOURNISSEUR: "en prouvant votre identité deux fois, à un jour d'écart, chez un service de l'État",
}


OTHERS = (
    "Pendant la dernière heure, des demandes sont venues de plusieurs réseaux : quelqu'un d'autre que vous demande peut-être ce lien. Il "
    "ne peut rien en faire sans lire votre courrier. Chacun des liens reçus reste valable une heure."
)


def link(issuer: str, name: str, token: str, *, others: bool = False) -> Message:
    """The way back by mail: once, for an hour. `others`: it was asked for from several networks."""
    return letter(
        issuer,
        "Choisissez un nouveau mot de passe",
        name,
        "Quelqu'un, sans doute vous, a demandé à choisir un nouveau mot de passe pour votre compte MAG.",
        Action("Choisir un nouveau mot de passe", f"{issuer}/connexion/oubli/{token}"),
        "Ce lien est valable une heure et ne sert qu'une fois. Si vous utilisez un second facteur, il vous sera demandé à la connexion : "
        "ce lien ne le remplace pas.",
        *([OTHERS] if others else []),
        NOT_YOU,
    )


def agreed(issuer: str, name: str, token: str, voie: Voie) -> Message:
    """Somebody recognised the person: the link, once, for an hour."""
    return letter(
        issuer,
        "Votre demande est acceptée",
        name,
        f"Vous pouvez choisir un nouveau mot de passe, {BY[voie]}.",
        Action("Choisir un nouveau mot de passe", f"{issuer}/connexion/oubli/{token}"),
        "Ce lien est valable une heure et ne sert qu'une fois. S'il expire, refaites une demande.",
        "Si vous n'avez rien demandé, n'ouvrez pas ce lien et prévenez l'administrateur de votre entreprise.",
    )


def asked_account(issuer: str, name: str, voie: Voie, token: str) -> Message:
    """To the account's own address: a request is under way, and how to stop it."""
    who = "un administrateur de votre établissement" if voie is not Voie.ASSISTANCE else "l'assistance"
    return letter(
        issuer,
        "Une aide a été demandée pour votre compte",
        name,
        f"Quelqu'un qui dit être vous a demandé à {who} de l'aider à retrouver l'accès à votre compte MAG.",
        "Si c'est vous, vous n'avez rien à faire : la personne qui vous aidera vérifiera d'abord qui vous êtes.",
        "Si ce n'est pas vous, arrêtez cette demande.",
        Action("Arrêter cette demande", f"{issuer}/connexion/oubli/arreter/{token}"),
        "Ce lien est valable vingt-quatre heures.",
    )


def asked_administrator(issuer: str, name: str, person: str, siret: str) -> Message:
    """To each administrator: somebody of the establishment asks for help."""
    return letter(
        issuer,
        f"{person} demande votre aide pour se connecter",
        name,
        f"{person} (SIRET {siret}) a perdu son mot de passe et demande l'accord d'un administrateur de l'établissement.",
        "Avant de répondre, parlez-lui : en personne, ou en l'appelant à un numéro que vous connaissiez déjà. Ne vous fiez ni à un "
        "message, ni à un numéro donné pour l'occasion.",
        Action("Lire la demande", f"{issuer}/equipe/recours"),
        "La demande s'éteint d'elle-même au bout de sept jours. Il suffit qu'un administrateur y réponde.",
    )


def settled(issuer: str, name: str, at: datetime, *, accepted: bool) -> Message:
    """To the account's known address: what was decided of a request."""
    said = "acceptée" if accepted else "refusée"
    return letter(
        issuer,
        f"La demande d'aide pour votre compte est {said}",
        name,
        f"La demande d'aide pour retrouver l'accès à votre compte MAG a été {said} le {in_words(at)}.",
        *(
            ["Si ce n'est pas vous qui l'avez faite, prévenez tout de suite l'administrateur de votre entreprise et l'assistance."]
            if accepted
            else ["Si vous avez toujours besoin d'aide, adressez-vous directement à la personne qui gère les accès dans votre entreprise."]
        ),
    )


def support_agreed(issuer: str, name: str, until: datetime, token: str) -> Message:
    """To the known address, then to the new one: two operators agreed; nothing happens for a day, which one click stops."""
    return letter(
        issuer,
        "L'accès à votre compte va être rendu par l'assistance",
        name,
        "Deux personnes de l'assistance ont accepté la demande d'aide faite pour votre compte MAG. Un lien pour choisir un "
        f"nouveau mot de passe sera envoyé à la nouvelle adresse donnée, le {in_words(until)}.",
        "Si ce n'est pas vous, arrêtez tout dès maintenant.",
        Action("Arrêter cette demande", f"{issuer}/connexion/oubli/arreter/{token}"),
    )


def proved(issuer: str, name: str, fournisseur: str, ready_at: datetime, token: str) -> Message:
    """To every address known: whoever holds the account there may choose a password tomorrow, which one click stops."""
    return letter(
        issuer,
        f"Un nouveau mot de passe a été demandé avec {fournisseur}",
        name,
        f"Quelqu'un qui s'est identifié chez {fournisseur} avec le compte qui avait prouvé votre identité demande à choisir un nouveau mot "
        f"de passe pour votre compte MAG. Rien ne change avant le {in_words(ready_at)}.",
        f"Si c'est vous, revenez après cette date à la page « Mot de passe oublié » et identifiez-vous à nouveau chez {fournisseur}.",
        f"Si ce n'était pas vous, arrêtez tout dès maintenant : la preuve de {fournisseur} sera aussi retirée de votre compte. Puis "
        f"changez votre mot de passe chez {fournisseur}.",
        Action("Ce n'était pas moi", f"{issuer}/connexion/oubli/arreter/{token}"),
    )


def recovered(issuer: str, name: str, voie: Voie, at: datetime, new_address: str) -> Message:
    """To the account's address, and to the one of before: the password is new."""
    changed = [f"L'adresse électronique du compte est désormais {new_address}."] if new_address else []
    return letter(
        issuer,
        "Votre mot de passe a été remplacé",
        name,
        f"Le mot de passe de votre compte MAG a été remplacé le {in_words(at)}, {BY[voie]}. Les sessions ouvertes ont été fermées.",
        *changed,
        "Si ce n'est pas vous, prévenez tout de suite l'administrateur de votre entreprise et l'assistance, puis demandez vous-même un "
        "nouveau mot de passe.",
        Action("Demander un nouveau mot de passe", f"{issuer}/connexion/oubli"),
    )


def colleague_recovered(issuer: str, name: str, person: str, voie: Voie, at: datetime) -> Message:
    """To the other administrators: one of them came back by a recovery."""
    return letter(
        issuer,
        f"{person} a retrouvé l'accès à son compte",
        name,
        f"Le mot de passe de {person}, administrateur de votre établissement, a été remplacé le {in_words(at)}, "
        f"{BY[voie].replace('votre', 'son')}.",
        "Si cela vous surprend, parlez-lui sans attendre, et suspendez son compte au moindre doute.",
        Action("Voir les personnes de l'établissement", f"{issuer}/equipe"),
    )


def answered(issuer: str, name: str, at: datetime) -> Message:
    """To the account: its secret question was answered."""
    return letter(
        issuer,
        "Votre question secrète a reçu la bonne réponse",
        name,
        f"Le {in_words(at)}, quelqu'un a donné la bonne réponse à la question secrète de votre compte MAG.",
        "Si c'est vous, vous n'avez rien à faire. Sinon, choisissez tout de suite un nouveau mot de passe, puis retirez cette question.",
        Action("Choisir un nouveau mot de passe", f"{issuer}/connexion/oubli"),
    )


def question_changed(issuer: str, name: str, at: datetime, *, removed: bool) -> Message:
    """To the account: its secret question was set, or removed."""
    said = "retirée" if removed else "enregistrée"
    return letter(
        issuer,
        f"Votre question secrète est {said}",
        name,
        f"La question secrète de votre compte MAG a été {said} le {in_words(at)}.",
        "Si ce n'est pas vous, quelqu'un est entré dans votre compte : choisissez tout de suite un nouveau mot de passe.",
        Action("Choisir un nouveau mot de passe", f"{issuer}/connexion/oubli"),
    )
