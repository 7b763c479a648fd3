"""Mails about people of a company, in French: pure texts."""

from datetime import datetime

from idp.declarants.identite import Identite
from idp.entreprises.siret import Siret
from idp.notifications.messages import Action, Message, in_words, letter

UNASKED = "Si vous n'êtes pas concerné par ce message, ignorez-le : sans vous, rien ne se passe."


def candidacy(issuer: str, name: str, candidate: str, siret: Siret, until: datetime, reference: str) -> Message:
    """To each administrator: somebody asks to be one too."""
    return letter(
        issuer,
        "Une demande d'administration attend votre décision",
        name,
        f"{candidate} demande à administrer avec vous l'établissement {siret.grouped} dans MAG.",
        "Donnez votre accord seulement si vous connaissez cette personne et si elle doit gérer les comptes et les habilitations de "
        "l'établissement. Le premier administrateur qui répond décide pour tous.",
        Action("Lire la demande et répondre", f"{issuer}/equipe/demandes/{reference}"),
        f"Sans réponse avant le {in_words(until)}, la demande est effacée.",
    )


def candidacy_received(issuer: str, name: str, siret: Siret, until: datetime, *, told: bool) -> Message:
    """To the candidate: what happens now; `told`: an administrator could be reached."""
    agreement = (
        f"Un administrateur de l'établissement {siret.grouped} doit donner son accord. Tous viennent d'être prévenus."
        if told
        else f"Un administrateur de l'établissement {siret.grouped} doit donner son accord, mais aucun n'a pu être prévenu : adressez-vous "
        "à l'assistance, qui peut répondre si tous sont suspendus."
    )
    return letter(
        issuer,
        "Votre demande est transmise aux administrateurs" if told else "Votre demande est enregistrée",
        name,
        agreement,
        "Si aucun ne répond, vous pouvez demander qu'une clé d'activation soit postée à l'adresse de l'établissement.",
        Action("Suivre ma demande", f"{issuer}/activation"),
        f"Sans accord ni clé avant le {in_words(until)}, votre demande est effacée.",
    )


def accepted(issuer: str, identite: Identite) -> Message:
    """The names are said: those of a namesake who was told apart are new to them."""
    return letter(
        issuer,
        "Votre demande est acceptée",
        f"{identite.prenom} {identite.nom}",
        f"Vous administrez désormais l'établissement {identite.siret.grouped}. Vous pouvez vous connecter avec ce SIRET, le nom "
        f"« {identite.nom} », le prénom « {identite.prenom} » et le mot de passe que vous avez choisi.",
        "Les habilitations qui vous seront données s'ouvrent après le délai propre à chaque service.",
        Action("Me connecter", f"{issuer}/connexion"),
    )


def refused(issuer: str, name: str, siret: Siret) -> Message:
    return letter(
        issuer,
        "Votre demande est refusée",
        name,
        f"Un administrateur de l'établissement {siret.grouped} a refusé votre demande. Ce que vous aviez saisi est effacé.",
        "Si c'est une erreur, parlez-en avec l'administrateur de votre entreprise : il peut vous inviter lui-même.",
    )


def activated(issuer: str, name: str, newcomer: str, siret: Siret) -> Message:
    """To the other administrators: a key by post did it."""
    return letter(
        issuer,
        "Un nouvel administrateur a activé son compte par la clé postée",
        name,
        f"{newcomer} administre désormais l'établissement {siret.grouped} : la clé envoyée par courrier à l'adresse de "
        "l'établissement a été saisie.",
        "Si cette personne ne devait pas y avoir accès, suspendez-la sans attendre depuis votre espace administrateur, ou prévenez "
        "l'assistance.",
        Action("Ouvrir l'espace administrateur", f"{issuer}/equipe"),
    )


def candidacy_soon_over(issuer: str, name: str, candidate: str, siret: Siret, until: datetime, reference: str) -> Message:
    """To each administrator: few days are left."""
    return letter(
        issuer,
        "Une demande d'administration va s'effacer sans réponse",
        name,
        f"{candidate} demande à administrer l'établissement {siret.grouped}. Personne n'a encore répondu.",
        f"Le {in_words(until)}, la demande sera effacée.",
        Action("Lire la demande et répondre", f"{issuer}/equipe/demandes/{reference}"),
    )


def own_candidacy_soon_over(issuer: str, name: str, siret: Siret, until: datetime) -> Message:
    """To the candidate: few days are left."""
    return letter(
        issuer,
        "Votre demande va s'effacer",
        name,
        f"Aucun administrateur de l'établissement {siret.grouped} n'a encore répondu. Le {in_words(until)}, votre demande sera effacée.",
        "Relancez l'un d'eux, ou saisissez la clé d'activation reçue par courrier postal.",
        Action("Suivre ma demande", f"{issuer}/activation"),
    )


def expired(issuer: str, name: str, siret: Siret) -> Message:
    """To somebody on whom nobody decided in time."""
    return letter(
        issuer,
        "Votre demande est effacée",
        name,
        f"Personne n'a répondu dans le délai à votre demande pour l'établissement {siret.grouped}. Ce que vous aviez saisi est effacé.",
        "Vous pouvez recommencer quand vous le voulez.",
    )


def key_posted(issuer: str, name: str, siret: Siret, at: datetime) -> Message:
    """To the candidate and to the administrators: a letter leaves."""
    return letter(
        issuer,
        "Une clé d'activation part par courrier postal",
        name,
        f"Le {in_words(at)}, une clé d'activation a été demandée pour administrer l'établissement {siret.grouped}. Elle est postée à "
        "l'adresse que le répertoire des entreprises donne à cet établissement, et à nulle autre.",
        "Qui la reçoit peut activer le compte. Si cette demande vous surprend, prévenez les personnes qui ouvrent le courrier de "
        "l'établissement.",
    )


def invitation(issuer: str, name: str, by: str, company: str, siret: Siret, token: str, until: datetime) -> Message:
    return letter(
        issuer,
        "Invitation à ouvrir votre compte MAG",
        name,
        f"{by} vous invite à rejoindre {company} et vous ouvre un compte pour l'établissement {siret.grouped}.",
        "MAG est l'identité numérique qui ouvre les sites des déclarations sociales. Pour accepter, vérifiez "
        "votre nom et choisissez un mot de passe.",
        Action("Voir l'invitation", f"{issuer}/invitation/{token}"),
        f"Cette invitation ne sert qu'une fois, jusqu'au {in_words(until)}.",
        UNASKED,
    )


def invitation_accepted(issuer: str, name: str, newcomer: str, siret: Siret, *, rights: bool) -> Message:
    parts = [f"{newcomer} a accepté votre invitation et dispose d'un compte pour l'établissement {siret.grouped}."]
    if rights:
        parts.append("Les habilitations que vous gardiez pour cette personne lui sont remises.")
    return letter(
        issuer, f"{newcomer} a accepté votre invitation", name, *parts, Action("Ouvrir l'espace administrateur", f"{issuer}/equipe")
    )


def invitation_over(issuer: str, name: str, invited: str, siret: Siret, *, rights: bool) -> Message:
    parts = [f"{invited} n'a pas accepté à temps l'invitation pour l'établissement {siret.grouped} : elle ne peut plus servir."]
    if rights:
        parts.append("Vous gardez les habilitations qui devaient lui être remises : vous pouvez les attribuer à quelqu'un d'autre.")
    return letter(issuer, "Une invitation a expiré", name, *parts, Action("Ouvrir l'espace administrateur", f"{issuer}/equipe"))


def role_changed(issuer: str, name: str, role: str, siret: Siret) -> Message:
    return letter(
        issuer,
        "Votre rôle a changé",
        name,
        f"Pour l'établissement {siret.grouped}, votre rôle est désormais : {role}.",
        "Si ce changement vous surprend, parlez-en avec l'administrateur de votre établissement.",
        Action("Voir qui sont mes administrateurs", f"{issuer}/compte/administrateurs"),
    )


def became_administrator(issuer: str, name: str, newcomer: str, by: str, siret: Siret) -> Message:
    """To the other administrators."""
    return letter(
        issuer,
        "L'établissement a un nouvel administrateur",
        name,
        f"{by} a donné à {newcomer} le rôle d'administrateur pour l'établissement {siret.grouped}.",
        Action("Ouvrir l'espace administrateur", f"{issuer}/equipe"),
    )


def suspended(issuer: str, name: str, siret: Siret) -> Message:
    return letter(
        issuer,
        "Votre accès est suspendu",
        name,
        f"Un administrateur a suspendu votre compte pour l'établissement {siret.grouped}. Vos connexions en cours sont fermées ; vos "
        "habilitations vous attendent.",
        "Pour en savoir plus, adressez-vous à l'administrateur de votre établissement.",
    )


def reinstated(issuer: str, name: str, siret: Siret) -> Message:
    return letter(
        issuer,
        "Votre accès est rétabli",
        name,
        f"La suspension de votre compte pour l'établissement {siret.grouped} est levée. Vous pouvez de nouveau vous connecter.",
        Action("Me connecter", f"{issuer}/connexion"),
    )


def struck_off(issuer: str, name: str, siret: Siret, at: datetime) -> Message:
    return letter(
        issuer,
        "Votre compte est fermé",
        name,
        f"Le {in_words(at)}, un administrateur a mis fin à votre compte MAG pour l'établissement {siret.grouped}. Vos connexions sont "
        "fermées et vous ne pouvez plus agir pour cet établissement.",
        "Vos comptes dans d'autres établissements, si vous en avez, ne changent pas.",
    )


def rights_received(issuer: str, name: str, leaver: str, siret: Siret) -> Message:
    """To the colleague who takes over."""
    return letter(
        issuer,
        "Des habilitations vous sont transférées",
        name,
        f"{leaver} quitte l'établissement {siret.grouped} : ses habilitations sont désormais les vôtres, aux mêmes dates.",
        Action("Ouvrir mon espace", f"{issuer}/"),
    )


def relayed(issuer: str, name: str, person: str, siret: Siret, text: str) -> Message:
    """A déclarant writes to an administrator; neither learns the other's address."""
    return letter(
        issuer,
        f"{person} vous écrit depuis MAG",
        name,
        f"{person}, inscrit pour l'établissement {siret.grouped}, adresse ce message à l'administrateur :",
        f"« {text} »",
        "MAG transmet ce message sans donner d'adresse. Vérifiez auprès de cette personne avant d'accorder un droit.",
        Action("Ouvrir l'espace administrateur", f"{issuer}/equipe"),
    )
