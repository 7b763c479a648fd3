"""Mails about second factors and devices, in French: pure texts."""

from collections.abc import Sequence
from datetime import datetime

from idp.entreprises.siret import Siret
from idp.notifications.messages import Action, Message, in_words, letter

NOT_YOU = (
    "Si ce n'est pas vous, quelqu'un d'autre connaît votre mot de passe : ouvrez le lien « Ce n'était pas moi » d'un courrier de "
    "connexion, ou prévenez sans attendre l'administrateur de votre entreprise ou l'assistance."
)
NAMES = {"totp": "Application de codes", "passkey": "Clé d'accès"}


def factor_added(issuer: str, name: str, factor: str, at: datetime) -> Message:
    return letter(
        issuer,
        f"{NAMES[factor]} ajoutée à votre compte",
        name,
        f"Le {in_words(at)}, un second facteur a été ajouté à votre compte MAG : {NAMES[factor].lower()}.",
        "Il sera demandé à chaque connexion.",
        "Gardez vos codes de secours en lieu sûr : ils remplacent ce second facteur s'il vous manque.",
        NOT_YOU,
    )


def factor_removed(issuer: str, name: str, factor: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Second facteur retiré de votre compte",
        name,
        f"Vous avez retiré, le {in_words(at)}, un second facteur de votre compte MAG : {NAMES[factor].lower()}.",
        NOT_YOU,
    )


def codes_made(issuer: str, name: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Nouveaux codes de secours",
        name,
        f"De nouveaux codes de secours ont été créés pour votre compte MAG le {in_words(at)}. Les précédents ne valent plus rien.",
        NOT_YOU,
    )


def code_used(issuer: str, name: str, left: int, at: datetime) -> Message:
    remains = f"Il vous en reste {left}." if left else "C'était le dernier : créez-en d'autres dans la page Sécurité de votre compte."
    return letter(
        issuer,
        "Un code de secours a servi",
        name,
        f"Un de vos codes de secours a servi à ouvrir une session, le {in_words(at)}. {remains}",
        NOT_YOU,
    )


def codes_guessed(issuer: str, name: str, at: datetime, denial: Action) -> Message:
    """Wrong codes after a right password."""
    return letter(
        issuer,
        "Des codes faux ont été saisis pour votre compte",
        name,
        f"Le {in_words(at)}, quelqu'un a saisi votre mot de passe, puis trop de codes faux. Personne n'est entré dans votre compte.",
        "Si c'est vous, réessayez dans quinze minutes.",
        "Si ce n'est pas vous, votre mot de passe est connu de quelqu'un d'autre : bloquez-le tout de suite.",
        denial,
    )


def loss_asked(
    issuer: str, name: str, at: datetime, effective: datetime, cancel: Action, *, agreement: bool, again: bool = False
) -> Message:
    """By whoever typed the password."""
    says = f"Le {in_words(at)}, après avoir saisi votre mot de passe, quelqu'un a déclaré perdu le second facteur de votre compte MAG."
    return _lost(issuer, name, says, effective, cancel, agreement=agreement, again=again)


def loss_declared(
    issuer: str, name: str, at: datetime, effective: datetime, cancel: Action, *, agreement: bool, again: bool = False
) -> Message:
    """By the assistance, for whoever called."""
    says = (
        f"Le {in_words(at)}, l'assistance a enregistré la perte du second facteur de votre compte MAG, à la demande d'une personne dont "
        "elle a vérifié l'identité. Par prudence, vos connexions en cours ont été fermées."
    )
    return _lost(issuer, name, says, effective, cancel, agreement=agreement, again=again)


def _lost(issuer: str, name: str, says: str, effective: datetime, cancel: Action, *, agreement: bool, again: bool) -> Message:
    more = ["Un administrateur de votre établissement ou un second membre de l'assistance devra aussi donner son accord."]
    return letter(
        issuer,
        "Rappel : votre second facteur va être retiré" if again else "Votre second facteur a été déclaré perdu",
        name,
        says,
        f"Rien ne change avant le {in_words(effective)}. Passé ce délai, la prochaine connexion par mot de passe le retirera.",
        *(more if agreement else []),
        "Si ce n'est pas vous, ou si vous l'avez retrouvé, annulez cette demande ; vous connecter avec votre second facteur "
        "l'annule aussi.",
        cancel,
    )


def loss_cancelled(issuer: str, name: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Demande annulée : votre second facteur reste en place",
        name,
        f"La demande de retrait de votre second facteur a été annulée le {in_words(at)}. Rien n'a changé.",
        "Si vous n'êtes pas à l'origine de la demande, changez votre mot de passe : quelqu'un d'autre le connaît.",
    )


def loss_done(issuer: str, name: str, factors: Sequence[str], at: datetime) -> Message:
    held = ", ".join(sorted({NAMES[factor].lower() for factor in factors})) or "codes de secours"
    return letter(
        issuer,
        "Votre second facteur a été retiré",
        name,
        f"Le {in_words(at)}, au terme du délai, le second facteur déclaré perdu a été retiré de votre compte MAG : {held}. Activez-en un "
        "autre dès que possible, dans la page Sécurité de votre compte.",
        NOT_YOU,
    )


def loss_agreed(issuer: str, name: str, at: datetime, effective: datetime, cancel: Action) -> Message:
    """Somebody else agreed; the delay stays due."""
    return letter(
        issuer,
        "Accord donné pour retirer votre second facteur",
        name,
        f"Le {in_words(at)}, la demande de retrait de votre second facteur a reçu l'accord qu'elle attendait.",
        f"Rien ne change avant le {in_words(effective)}. Passé ce délai, la prochaine connexion par mot de passe le retirera.",
        "Si ce n'est pas vous, ou si vous l'avez retrouvé, annulez cette demande.",
        cancel,
    )


def agreement_wanted(issuer: str, name: str, person: str, siret: Siret, until: datetime) -> Message:
    """To the administrators of the establishment."""
    return letter(
        issuer,
        "Second facteur perdu : votre accord est demandé",
        name,
        f"Le second facteur de {person}, de l'établissement {siret.grouped}, a été déclaré perdu. Votre accord, ou celui de l'assistance, "
        "est nécessaire pour le retirer.",
        "Vérifiez auprès de cette personne, de vive voix, que la demande vient bien d'elle, puis répondez dans votre espace MAG avant le "
        f"{in_words(until)}. Sans réponse, rien ne change.",
        Action("Répondre à la demande", f"{issuer}/compte/securite/accords"),
    )


def new_device(issuer: str, name: str, at: datetime, device: str, network: str, denial: Action) -> Message:
    """A sign-in from a browser that this account did not know."""
    return letter(
        issuer,
        "Connexion depuis un nouvel appareil",
        name,
        f"Une connexion à votre compte MAG a eu lieu le {in_words(at)}, depuis un appareil que nous ne connaissions pas.",
        f"Appareil : {device}\nRéseau : {network}",
        "Si c'est vous, vous n'avez rien à faire.",
        "Si ce n'est pas vous, ouvrez ce lien : toutes les sessions seront fermées et le mot de passe bloqué jusqu'à ce que vous en "
        "choisissiez un autre.",
        denial,
        "Ce lien est valable sept jours.",
    )


def used_at_once(issuer: str, name: str, seen: Sequence[tuple[datetime, str, str]], denial: Action) -> Message:
    """Two sign-ins of one account, far from each other, at the same time: when, device, network."""
    return letter(
        issuer,
        "Votre compte a servi à deux endroits en même temps",
        name,
        "Deux connexions à votre compte MAG ont eu lieu presque au même moment, depuis deux réseaux éloignés.",
        "\n".join(f"Le {in_words(at)} : {device}, réseau {network}" for at, device, network in seen),
        "Si c'est vous, sur deux appareils, vous n'avez rien à faire.",
        "Si vous partagez ce compte avec quelqu'un, demandez à votre administrateur de l'inviter : un compte est celui d'une seule "
        "personne, et ce qui est déclaré avec le vôtre l'est en votre nom.",
        "Si l'une de ces connexions n'est pas la vôtre, ouvrez ce lien : toutes les sessions seront fermées et le mot de passe bloqué.",
        denial,
        "Ce lien est valable sept jours.",
    )


def denied(issuer: str, name: str, at: datetime) -> Message:
    return letter(
        issuer,
        "Votre compte est protégé",
        name,
        f"Le {in_words(at)}, à votre demande, toutes les sessions de votre compte MAG ont été fermées, vos appareils oubliés, votre mot "
        "de passe bloqué, et les comptes et identités qui vous connectaient sans mot de passe déliés. Une clé d'accès ou une application "
        "de codes ajoutée depuis cette connexion est retirée.",
        "Pour vous connecter de nouveau, choisissez un autre mot de passe : ouvrez la page de connexion, puis « Mot de passe oublié ».",
        Action("Ouvrir la page de connexion", f"{issuer}/connexion"),
    )
