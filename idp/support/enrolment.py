"""Operators come and go: invited by a command, enrolled by a link that serves once, disabled by a command. The caller commits.

No operator without second factor: the password and the application that makes codes are set in the same gesture.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from idp.audit import journal
from idp.authentication import totp
from idp.authentication.passwords import Passwords
from idp.database import db
from idp.declarants.inscription import EMAIL, InvalidEmailError
from idp.errors import RefusedError
from idp.notifications.models import OneTimeLink
from idp.seals import Seals, UnsealError, b64, digest, unb64
from idp.support.events import OperatorDisabled, OperatorEnrolled, OperatorInvited
from idp.support.models import Fonction, Operateur
from idp.support.sign_in import SEALED

PURPOSE = "operateur"
LIFETIME = timedelta(hours=24)
DRAFT = "operateur_totp_propose"
LONGEST_NAME = 80


class OperatorTakenError(RefusedError):
    """Names and addresses are those of one operator, for ever: the journal names people by them."""

    code = "operateur_connu"
    number = "M700003"
    remedy = "Choisissez un autre nom, ou renvoyez une invitation à cet opérateur."
    status = 422
    public = "Un opérateur porte déjà ce nom ou cette adresse."


class InvitationDeadError(RefusedError):
    """The link was used, has expired, or never was."""

    code = "invitation_operateur_morte"
    number = "M700004"
    remedy = "Demandez une nouvelle invitation à un exploitant."
    status = 404
    title = "Invitation expirée"
    public = "Cette invitation n'est plus valable : elle a déjà servi, ou elle a plus de 24 heures."


class CodeRefusedError(RefusedError):
    """The code is not that of the secret on the page."""

    code = "code_operateur"
    number = "M700005"
    remedy = "Vérifiez l'heure du téléphone, puis saisissez le code affiché."
    status = 422
    public = "Ce code n'est pas celui attendu. Vérifiez l'heure de votre appareil, puis saisissez le code affiché."


class OperatorNameError(RefusedError):
    code = "nom_operateur"
    number = "M700006"
    remedy = "Donnez un nom lisible de 80 caractères au plus, sans retour à la ligne."
    status = 422
    public = "Le nom d'un opérateur compte de 1 à 80 caractères imprimables."


def inviter(nom: str, email: str, fonctions: Collection[Fonction], now: datetime, actor: str) -> str:
    """A new operator, and the word of the link that lets them in. Raises OperatorNameError, InvalidEmailError, OperatorTakenError."""
    nom, email = " ".join(nom.split()), email.strip().lower()
    if not 1 <= len(nom) <= LONGEST_NAME or not nom.isprintable():
        raise OperatorNameError("name")
    if not EMAIL.fullmatch(email):
        raise InvalidEmailError("not an address")
    if Operateur.known(nom, email):
        raise OperatorTakenError(nom)
    operateur = Operateur(nom=nom, email=email, fonctions=sorted(fonctions), version=1, created_at=now)
    db.session.add(operateur)
    db.session.flush()
    return relancer(operateur, now, actor)


def relancer(operateur: Operateur, now: datetime, actor: str) -> str:
    """Another link for an operator who lost one, a password or a telephone; what they had serves until it is followed."""
    journal.record(OperatorInvited(operateur=operateur.nom, fonctions=" ".join(operateur.fonctions), actor=actor), now)
    return OneTimeLink.issue(
        PURPOSE, now, LIFETIME, address=operateur.email, data={"operateur": operateur.id, "version": operateur.version}
    )


def invited(token: str, now: datetime) -> Operateur:
    """Whose invitation it is; spends nothing. Raises InvitationDeadError."""
    return _whose(OneTimeLink.find(PURPOSE, token, now))


def propose_secret(seals: Seals, token: str) -> tuple[str, str]:
    """A secret for the application, and the same sealed to this invitation, for the form to bring back."""
    secret = totp.new_secret()
    return secret, b64(seals.seal(DRAFT, secret.encode(), digest(token)))


def proposed_secret(seals: Seals, token: str, sealed: str) -> str:
    """Raises CodeRefusedError when the form did not bring back what the page gave."""
    try:
        return seals.open(DRAFT, unb64(sealed), digest(token)).decode()
    except (UnsealError, ValueError) as error:
        raise CodeRefusedError("another secret") from error


def enrol(seals: Seals, passwords: Passwords, token: str, password: str, secret: str, code: str, now: datetime) -> Operateur:
    """Password and second factor, together; sessions of before end. The password was checked against the policy.

    Raises InvitationDeadError, CodeRefusedError, OverloadedError.
    """
    invited(token, now)
    step = totp.matching_step(secret, code, now, None)
    if step is None:
        raise CodeRefusedError("wrong code")
    stored = passwords.hash(password)
    operateur = _whose(OneTimeLink.spend(PURPOSE, token, now))
    operateur.password_hash, operateur.pepper_id = stored.hash, stored.pepper_id
    operateur.totp_sealed = seals.seal(SEALED, secret.encode(), str(operateur.id))
    operateur.totp_last_step, operateur.enrolled_at = step, now
    operateur.version += 1
    journal.record(OperatorEnrolled(operateur=operateur.nom, actor=operateur.actor), now)
    return operateur


def desactiver(operateur: Operateur, now: datetime, actor: str) -> None:
    """They may no longer enter, and their sessions end. A row stays: the journal names it."""
    operateur.disabled_at = operateur.disabled_at or now
    operateur.version += 1
    journal.record(OperatorDisabled(operateur=operateur.nom, actor=actor), now)


def _whose(link: OneTimeLink | None) -> Operateur:
    """An older invitation dies with the first that is followed, and with being disabled."""
    operateur = Operateur.find(int(link.data["operateur"])) if link else None
    if link is None or operateur is None or operateur.disabled_at is not None or operateur.version != link.data["version"]:
        raise InvitationDeadError("operator")
    return operateur
