"""The mails of the inscription. Pure; links are built from the issuer alone (C49)."""

from collections.abc import Sequence
from datetime import datetime

from idp.notifications.messages import Action, Message, in_words, letter

NOT_YOU = (
    "Si vous n'êtes pas à l'origine de cette inscription, ne faites rien : sans cette confirmation, personne n'est inscrit et ce qui "
    "a été saisi est effacé."
)


def confirm(issuer: str, token: str, name: str, place: str, until: datetime) -> Message:
    """The link that makes an inscription final, once."""
    return letter(
        issuer,
        "Confirmez l'inscription de votre entreprise",
        name,
        f"Une inscription à MAG vient d'être remplie à votre nom pour {place}. Elle ne sera définitive qu'une fois confirmée.",
        Action("Confirmer mon inscription", f"{issuer}/inscription/confirmer/{token}"),
        f"Ce lien ne sert qu'une fois, jusqu'au {in_words(until)}. Si vous l'ouvrez dans un autre navigateur, le mot de passe que vous "
        "avez choisi vous sera demandé.",
        NOT_YOU,
    )


def exists(issuer: str, token: str, name: str, place: str) -> Message:
    """Somebody of this SIRET already bears this name: the page could not say so, the owner of the mailbox may know."""
    return letter(
        issuer,
        "Une identité existe déjà à ce nom",
        name,
        f"Une inscription à MAG vient d'être remplie à votre nom pour {place}, mais une personne de ce nom y est déjà inscrite. "
        "Rien n'a été changé.",
        "Si cette personne, c'est vous : connectez-vous comme d'habitude. En cas de mot de passe oublié, la page de connexion vous aide.",
        Action("Se connecter", f"{issuer}/connexion"),
        "S'il s'agit de quelqu'un d'autre : reprenez votre inscription et ajoutez un deuxième prénom (« Jean Marie ») ou un numéro "
        "(« Jean 2 »). Les deux identités pourront exister.",
        Action("Reprendre mon inscription", f"{issuer}/inscription/reprendre/{token}"),
        "Si vous n'êtes pas à l'origine de cette inscription, ne faites rien.",
    )


def attempted(issuer: str, name: str, place: str, at: datetime) -> Message:
    """To the address of an identity that exists: an inscription was filled in under it, from another address."""
    return letter(
        issuer,
        "Une inscription a été tentée à votre nom",
        name,
        f"Le {in_words(at)}, une inscription à MAG a été remplie à votre nom pour {place}, avec une autre adresse électronique que la "
        "vôtre. Votre compte n'a pas changé, et rien n'a été dit de lui.",
        "Si c'est vous : connectez-vous comme d'habitude. En cas d'oubli, la page de connexion vous aide.",
        Action("Se connecter", f"{issuer}/connexion"),
        "Si ce n'est pas vous : vous n'avez rien à faire. En cas de doute, prévenez l'assistance.",
    )


def resume(issuer: str, token: str, name: str, place: str, until: datetime) -> Message:
    """The way back to an inscription left half-way, from any browser."""
    return letter(
        issuer,
        "Reprenez votre inscription quand vous voulez",
        name,
        f"Votre inscription à MAG pour {place} est en cours. Ce lien la rouvre là où vous en étiez, dans le navigateur de votre choix.",
        Action("Reprendre mon inscription", f"{issuer}/inscription/reprendre/{token}"),
        f"Il ne sert qu'une fois, jusqu'au {in_words(until)}. Ensuite, une inscription laissée sans suite pendant 48 heures est effacée.",
        "Si vous n'avez rien commencé, ne faites rien.",
    )


def _evidence(facts: Sequence[tuple[str, str]], jws: str) -> tuple[str, str]:
    return (
        "\n".join(f"{name} : {value}" for name, value in facts),
        f"Conservez ce message : il vaut preuve. Compte rendu signé par MAG (JWS, vérifiable avec les clés publiques de MAG) :\n{jws}",
    )


def inscribed(issuer: str, name: str, facts: Sequence[tuple[str, str]], jws: str) -> Message:
    """Proof for a first administrator who passed the controls (fact 23)."""
    return letter(
        issuer,
        "Votre inscription est terminée",
        name,
        "Vous êtes administrateur de votre établissement. Vous pouvez vous connecter avec son SIRET, votre nom, votre prénom et votre "
        "mot de passe.",
        Action("Se connecter", f"{issuer}/connexion"),
        *_evidence(facts, jws),
    )


def awaiting_review(
    issuer: str, name: str, facts: Sequence[tuple[str, str]], jws: str, until: datetime, *, by_post: bool = False
) -> Message:
    """Proof for whoever an operator must look at first; `by_post`: a key posted to the establishment would do as well."""
    key = (
        "Vous pouvez aussi demander qu'une clé soit postée à l'adresse de l'établissement : saisie, elle ouvre votre compte.",
        Action("Demander ou saisir la clé", f"{issuer}/activation"),
    )
    return letter(
        issuer,
        "Votre inscription est en cours de vérification",
        name,
        "Votre adresse est confirmée. Un opérateur vérifie maintenant votre inscription ; vous recevrez sa réponse par courrier "
        f"électronique, au plus tard le {in_words(until)}. D'ici là, vous ne pouvez pas vous connecter.",
        *(key if by_post else ()),
        *_evidence(facts, jws),
    )


def candidate(issuer: str, name: str, facts: Sequence[tuple[str, str]], jws: str, until: datetime) -> Message:
    """Proof for a later administrator, whom colleagues or a posted key activate (facts 30-33)."""
    return letter(
        issuer,
        "Votre candidature d'administrateur est enregistrée",
        name,
        "Votre établissement a déjà un administrateur : c'est à lui de répondre à votre candidature. Vous recevrez la réponse par courrier "
        f"électronique. Sans décision le {in_words(until)}, la candidature est effacée.",
        *_evidence(facts, jws),
    )


def set_aside(issuer: str, name: str, place: str) -> Message:
    """The controls refuse. Their reasons are for the assistance."""
    return letter(
        issuer,
        "Votre inscription n'a pas pu être acceptée",
        name,
        f"Les vérifications prévues avant toute inscription n'ont pas permis d'accepter la vôtre pour {place}. Ce que vous aviez saisi "
        "n'a pas été conservé.",
        "Si vous pensez qu'il s'agit d'une erreur, adressez-vous à l'assistance, en donnant le SIRET de votre établissement.",
    )


def wishes_to_join(issuer: str, name: str, person: str, email: str, place: str) -> Message:
    """To the administrators: somebody who has no account yet, and who was told nothing of them."""
    return letter(
        issuer,
        "Une personne demande à rejoindre votre établissement",
        name,
        f"Une personne qui dit s'appeler {person} demande à rejoindre {place}, dans MAG. Elle a donné cette adresse : {email}.",
        "MAG n'a vérifié ni son nom ni son adresse, et ne lui a pas dit qui vous êtes. Si vous la connaissez, invitez-la : elle aura un "
        "compte avec les droits que vous lui donnerez.",
        Action("Inviter une personne", f"{issuer}/equipe/inviter"),
        "Si vous ne la connaissez pas, ne faites rien.",
    )


def card_contested(issuer: str, name: str, place: str, what: str, person: str) -> Message:
    """To the administrators: the directory is said to be wrong."""
    who = person or "Une personne qui s'inscrit"
    return letter(
        issuer,
        "Des informations de votre établissement seraient fausses",
        name,
        f"{who} signale que la fiche de {place} est fausse : {what}.",
        "Cette fiche vient du répertoire Sirene de l'Insee. Si elle est fausse, corrigez-la au guichet des formalités des entreprises : la "
        "correction arrivera dans MAG d'elle-même.",
        Action("Lire la fiche", f"{issuer}/compte/etablissement"),
    )
