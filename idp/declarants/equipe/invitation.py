"""Inviting a person: an administrator's act that a link of seven days carries, used once (fact 11). The caller commits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit import journal
from idp.database import db
from idp.declarants import inscription
from idp.declarants.equipe import messages
from idp.declarants.equipe.gestion import tell_the_others
from idp.declarants.equipe.models import Closing, Invitation
from idp.declarants.events import InvitationChanged
from idp.declarants.identite import Identite, check_name
from idp.declarants.inscription import EMAIL, InvalidEmailError, check_free, new_uid
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, Role
from idp.entreprises.models import Entreprise
from idp.entreprises.siret import Siret
from idp.errors import NotFoundError, RefusedError
from idp.notifications.messages import Message
from idp.notifications.models import Mail
from idp.seals import random_token

LIFETIME = timedelta(days=7)
MOST_A_DAY = 100
"""Invitations that one establishment sends in a day: more are a file's business, or an abuse."""


class InvitationDeadError(NotFoundError):
    """Used, cancelled, too old, never sent, or sent by somebody who administers no longer."""

    code = "invitation_morte"
    number = "M200205"
    remedy = "Demandez une nouvelle invitation à l'administrateur de votre établissement."
    title = "Invitation non valable"
    public = (
        "Cette invitation n'est plus valable : elle a déjà servi, elle a été annulée, elle a plus de sept jours, ou la personne qui l'a "
        "envoyée n'administre plus l'établissement. Demandez-en une autre à l'administrateur de votre établissement. Si vous l'avez déjà "
        "acceptée, connectez-vous."
    )


class AlreadyInvitedError(RefusedError):
    """Somebody of this name is invited already."""

    code = "deja_invite"
    number = "M200206"
    remedy = "Renvoyez l'invitation qui attend, ou annulez-la."
    status = 422
    public = "Une invitation attend déjà une personne de ce nom : renvoyez-la ou annulez-la depuis la liste."


class TooManyInvitationsError(RefusedError):
    """More than an establishment may send in a day."""

    code = "trop_d_invitations"
    number = "M200207"
    remedy = "Attendez demain, ou adressez-vous à l'assistance."
    status = 429
    public = f"Votre établissement a déjà envoyé {MOST_A_DAY} invitations en un jour. Attendez demain, ou adressez-vous à l'assistance."


@dataclass(frozen=True, slots=True)
class Invited:
    """Who is invited, where, as what."""

    siret: Siret
    nom: str
    prenom: str
    email: str
    role: Role = Role.DECLARANT

    @property
    def identite(self) -> Identite:
        """Raises InvalidNameError."""
        return Identite(self.siret, check_name(self.nom), check_name(self.prenom))


def check(invited: Invited, now: datetime, *, most: int = MOST_A_DAY) -> Identite:
    """Raises InvalidNameError, InvalidEmailError, HomonymeError, AlreadyInvitedError, TooManyInvitationsError."""
    if not EMAIL.fullmatch(invited.email):
        raise InvalidEmailError("not an address")
    identite = invited.identite
    check_free(identite)
    if Invitation.pending(identite.siret, identite.cle, now) is not None:
        raise AlreadyInvitedError(f"at {identite.siret}")
    if Invitation.sent_since(identite.siret, now - timedelta(days=1)) >= most:
        raise TooManyInvitationsError(f"at {identite.siret}")
    return identite


def inviter(
    administrator: Declarant, invited: Invited, now: datetime, *, issuer: str, keeper_id: int | None = None, most: int = MOST_A_DAY
) -> Invitation:
    """A link leaves for the address. `keeper_id` keeps meanwhile the rights that come with it.

    Rows of the administrators are held: of two forms that arrive at once, one invites. Raises as `check`.
    """
    Declarant.hold(invited.siret.siren, administrator.id)
    identite = check(invited, now, most=most)
    invitation = Invitation(
        reference=random_token(12),
        uid=new_uid(),
        siret=identite.siret,
        nom=identite.nom,
        prenom=identite.prenom,
        cle=identite.cle,
        email=invited.email,
        role=invited.role,
        invited_by=administrator.id,
        keeper_id=keeper_id,
        created_at=now,
    )
    _send(invitation, administrator, "envoi", now, issuer)
    return invitation


def renvoyer(invitation: Invitation, administrator: Declarant, now: datetime, *, issuer: str) -> None:
    """A new link for seven days, by whoever vouches from now on; the one before dies. Raises InvitationDeadError."""
    if invitation.closed_at is not None:
        raise InvitationDeadError(f"invitation {invitation.id}")
    invitation.invited_by = administrator.id
    _send(invitation, administrator, "renvoi", now, issuer)


def _send(invitation: Invitation, administrator: Declarant, change: str, now: datetime, issuer: str) -> None:
    token = invitation.renew(now, LIFETIME)
    company = Entreprise.find(invitation.siret.siren)
    name = (company.nom_affiche if company else None) or f"l'entreprise {invitation.siret.siren.grouped}"
    message = messages.invitation(
        issuer, invitation.full_name, administrator.full_name, name, invitation.siret, token, invitation.expires_at
    )
    Mail.write("invitation", invitation.email, message, now)
    record(invitation, change, now, actor=administrator.actor)


def annuler(invitation: Invitation, administrator: Declarant, now: datetime) -> bool:
    """The link dies. False: it was dead."""
    if not invitation.close(Closing.ANNULEE, now):
        return False
    record(invitation, "annulation", now, actor=administrator.actor)
    return True


def expirer(invitation: Invitation, now: datetime, *, issuer: str, rights: bool) -> bool:
    """Seven days went by: whoever invited is told. False: it was closed meanwhile."""
    if not invitation.close(Closing.EXPIREE, now):
        return False
    record(invitation, "expiration", now)
    _tell_inviter(
        invitation,
        "invitation_expiree",
        now,
        lambda to: messages.invitation_over(issuer, to.full_name, invitation.full_name, invitation.siret, rights=rights),
    )
    return True


def accepter(invitation: Invitation, now: datetime, *, issuer: str, rights: bool) -> Declarant:
    """The person is inscribed, their address proved; the password is the caller's to give. Raises InvitationDeadError, HomonymeError."""
    host = _hold_host(invitation)
    if not invitation.close(Closing.ACCEPTEE, now):
        raise InvitationDeadError(f"invitation {invitation.id}")
    person = inscription.inscrire(
        Identite(invitation.siret, invitation.nom, invitation.prenom),
        now,
        role=invitation.role,
        act=Act.ACCEPTER_INVITATION,
        by=By.ADMINISTRATEUR,
        email=invitation.email,
        actor=host.actor,
        uid=invitation.uid,
    )
    person.email_verified, person.email_verified_at = True, now
    invitation.declarant_id = person.id
    record(invitation, "acceptation", now, declarant_id=person.id)
    _tell_inviter(
        invitation,
        "invitation_acceptee",
        now,
        lambda to: messages.invitation_accepted(issuer, to.full_name, person.full_name, person.siret, rights=rights),
    )
    if person.role.administers:
        tell_the_others(host, person, now, issuer)
    return person


def host_of(invitation: Invitation) -> Declarant:
    """Whoever invited, while they administer the establishment: a link does not outlive that. Raises InvitationDeadError."""
    host = db.session.get(Declarant, invitation.invited_by) if invitation.invited_by else None
    if host is None or not host.may_administer(invitation.siret):
        raise InvitationDeadError(f"invitation {invitation.id}: its host administers no longer")
    return host


def _hold_host(invitation: Invitation) -> Declarant:
    """The same, read once their row is held: nobody leaves meanwhile."""
    host = host_of(invitation)
    Declarant.hold(invitation.siret.siren, host.id)
    db.session.refresh(host)
    return host_of(invitation)


def _tell_inviter(invitation: Invitation, kind: str, now: datetime, write: Callable[[Declarant], Message]) -> None:
    host = db.session.get(Declarant, invitation.invited_by) if invitation.invited_by else None
    if host is not None and host.email and host.may_administer(invitation.siret):
        Mail.write(kind, host.email, write(host), now, host.id)


def record(invitation: Invitation, change: str, now: datetime, *, declarant_id: int | None = None, actor: str | None = None) -> None:
    """The line of journal: without a name, as nobody is inscribed yet."""
    event = InvitationChanged(
        declarant_id=declarant_id,
        siret=int(invitation.siret),
        actor=actor,
        invitation_id=invitation.id,
        change=change,
        role=invitation.role,
    )
    journal.record(event, now)
