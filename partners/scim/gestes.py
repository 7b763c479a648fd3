"""What a partner does to people entrusted to it: the very acts of an administrator, on the word of whoever entrusted them.

Refusals are those of the acts. Nothing here commits; the store goes first, before anything of the transaction is flushed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from idp.audit import journal
from idp.audit.models import AuditEvent
from idp.config import Settings
from idp.database import Kept, db
from idp.declarants.equipe import gestion
from idp.declarants.equipe import invitation as invitations
from idp.declarants.equipe.authority import OwnAccountError, act_on, check_may_reinstate, check_place, set_aside
from idp.declarants.equipe.invitation import InvitationDeadError, Invited
from idp.declarants.equipe.models import Invitation
from idp.declarants.events import DeclarantChanged
from idp.declarants.models import Declarant
from idp.declarants.statuts import Act, By, transition
from idp.declarants.transitions import check_not_last
from idp.entreprises.siret import Siret
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.habilitations import depart
from idp.habilitations.depart import Destin, Settlement
from idp.habilitations.droits import Catalogue
from idp.habilitations.gesture import Gesture
from idp.keys import Keyring
from idp.oidc import removal, suspension
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.subjects import Subjects
from partners.scim.events import PersonManaged
from partners.scim.models import Delegation
from partners.scim.refus import ScimError

EVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Entourage:
    """What the acts need of a process."""

    settings: Settings
    ephemeral: Ephemeral
    keyring: Keyring
    registry: Clients
    catalogue: Kept[Catalogue]
    subjects: Subjects


@dataclass(frozen=True, slots=True)
class Gestes:
    """Of one client, at one instant."""

    mag: Entourage
    client: Client
    now: datetime

    @property
    def issuer(self) -> str:
        return self.mag.settings.issuer

    def _giver(self, siret: Siret, person_id: int | None = None) -> Declarant:
        """On whose word. Nobody who gave theirs is acted on, even on somebody else's. Raises ScimError, OwnAccountError."""
        givers = Delegation.givers(self.client.partenaire, siret)
        if not givers:
            raise ScimError(403, "no administrator entrusted the people of this establishment to this partner")
        if any(one.id == person_id for one in givers):
            raise OwnAccountError(f"declarant {person_id}")
        return givers[0]

    def inviter(self, invited: Invited) -> Invitation:
        """The link leaves for the address; the person alone chooses a password. Raises ScimError, RefusedError."""
        giver = self._giver(invited.siret)
        try:
            check_place(giver, invited.siret)
        except RefusedError as error:
            raise ScimError(400, "siret: nobody can be inscribed for this establishment", "invalidValue") from error
        invitation = invitations.inviter(giver, invited, self.now, issuer=self.issuer)
        self._record("inviter", giver, invited.siret, invitation_id=invitation.id)
        return invitation

    def annuler(self, invitation: Invitation) -> None:
        """The link dies. Raises ScimError, InvitationDeadError."""
        giver = self._giver(invitation.siret)
        if not invitations.annuler(invitation, giver, self.now):
            raise InvitationDeadError(f"invitation {invitation.id}")
        depart.forget([invitation.id])
        self._record("annuler", giver, invitation.siret, invitation_id=invitation.id)

    def suspendre(self, person: Declarant) -> None:
        """Sessions and tokens end at once, everywhere. Raises ScimError, RefusedError."""
        giver = self._giver(person.siret, person.id)
        suspension.by_administrator(self.mag.ephemeral, self.mag.settings, self.mag.registry, giver, person, self.now)
        self._record("suspendre", giver, person.siret, declarant_id=person.id)

    def reactiver(self, person: Declarant) -> None:
        """The suspension that this partner decided, and no other. Raises ScimError, RefusedError."""
        giver = self._giver(person.siret, person.id)
        self._check_own_suspension(giver, person)
        gestion.reactiver(giver, person, self.now, issuer=self.issuer)
        self._record("reactiver", giver, person.siret, declarant_id=person.id)

    def _check_own_suspension(self, giver: Declarant, person: Declarant) -> None:
        """The journal's last line on whoever is suspended says who did it; a partner's act comes with a line of its own after it."""
        act_on(giver, person)
        transition(person.statut, Act.REACTIVER, By.ADMINISTRATEUR)
        check_may_reinstate(person)
        last = AuditEvent.of_person(person.id, [DeclarantChanged.__name__, PersonManaged.__name__], EVER, limit=1)
        if not any(one.details.get("partenaire") == self.client.partenaire and one.details.get("act") == "suspendre" for one in last):
            raise ScimError(403, "active: this partner did not suspend this account, an administrator reinstates it in MAG")

    def radier(self, person: Declarant) -> None:
        """The account ends; its rights go to whoever entrusted the people, who is written to. Raises ScimError, RefusedError."""
        giver = self._giver(person.siret, person.id)
        transition(person.statut, Act.RADIER, By.ADMINISTRATEUR)
        check_not_last(person)
        db.session.rollback()
        removal.end_sessions(self.mag.ephemeral, self.mag.settings, person)
        version = set_aside(person)
        gesture = Gesture(giver.id, self.mag.catalogue(), self.now)
        removal.by_administrator(self.mag.settings, self.mag.registry, gesture, giver, person, Settlement(Destin.COLLEGUE, giver))
        person.version = max(person.version, version)
        self._record("radier", giver, person.siret, declarant_id=person.id)

    def _record(
        self, act: str, giver: Declarant, siret: Siret, *, declarant_id: int | None = None, invitation_id: int | None = None
    ) -> None:
        """Beside the line of the act itself, which names whoever entrusted the people: it was the partner's software."""
        event = PersonManaged(
            declarant_id=declarant_id,
            client_id=self.client.client_id,
            siret=int(siret),
            actor=f"partenaire:{self.client.partenaire}",
            partenaire=self.client.partenaire,
            act=act,
            for_whom=giver.id,
            invitation_id=invitation_id,
        )
        journal.record(event, self.now)
