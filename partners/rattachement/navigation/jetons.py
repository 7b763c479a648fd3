"""The word of a partner at the token endpoint: whose account, whether the link holds, and what a session of it would be worth.

RFC 7523 sections 2.1 and 3, for `idp/oidc/grants/linked_account.py`. Everything that a browser would be refused is refused here, and what
only a person could answer: conditions of use, agreement, second factor. The client that authenticates is the one that signs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from idp import demands
from idp.audit import journal
from idp.authentication.levels import FEDERATED, agreed_level
from idp.authentication.session import Session
from idp.config import Settings
from idp.declarants.parcours import conditions
from idp.ephemeral import Ephemeral
from idp.errors import RefusedError
from idp.habilitations.disclosure import services_of_scope
from idp.oidc.client import Client
from idp.oidc.client_auth import Clients
from idp.oidc.linked import ASSERTION, NotVouchedError
from idp.oidc.models import Consent
from idp.seals import digest
from partners.rattachement import refus, signees
from partners.rattachement.attente import Venue
from partners.rattachement.events import LinkedTokenIssued, NavigationRefused
from partners.rattachement.navigation import venues
from partners.rattachement.navigation.venues import Porte
from partners.transaction import Context, transaction

SAID: dict[type[RefusedError], str] = {
    refus.DemandeDejaServieError: "the assertion was already used",
    refus.PartenaireSansAccordError: "no agreement lets this client vouch for people",
    refus.NonRattacheError: "this account is not linked, or no longer is",
    refus.IdentiteFermeeError: "the identity linked to this account cannot be used",
    refus.ConnexionAncienneError: "the person signed in there too long ago",
    refus.ConditionsAttenduesError: "the person must accept conditions of use first",
    refus.NonConsentiError: "the person has not agreed to this scope",
    refus.NiveauInsuffisantError: "this scope asks for a second factor",
}
"""In the words of `error_description`, which are fixed and in ASCII."""
SID = 22
"""Characters."""


class Means(demands.Place, Protocol):
    """The components of the process that it uses."""

    @property
    def settings(self) -> Settings: ...

    @property
    def registry(self) -> Clients: ...

    @property
    def ephemeral(self) -> Ephemeral: ...


class Jetons:
    """Links, as the token endpoint knows them."""

    def __init__(self, mag: Means, context: Context) -> None:
        self.mag, self.context = mag, context

    def vouched(self, client: Client, unverified_assertion: str, scope: Sequence[str], now: datetime) -> Session:
        """Raises NotVouchedError."""
        with self._refusing(client, now), transaction(self.context):
            return self._vouched(client, unverified_assertion, scope, now)

    def used(self, client: Client, session: Session, scope: Sequence[str], now: datetime) -> None:
        """In one transaction with the line that says what the link opened: whoever ends it finds that line. Raises NotVouchedError."""
        event = LinkedTokenIssued(
            link=session.link,
            partenaire=client.partenaire,
            acr=session.acr,
            sid=session.sid,
            scope=" ".join(scope),
            declarant_id=session.declarant_id,
            client_id=client.client_id,
            siret=int(session.siret),
        )
        with self._refusing(client, now), transaction(self.context):
            venues.use(session.link, now)
            journal.record(event, now)

    @contextmanager
    def _refusing(self, client: Client, now: datetime) -> Iterator[None]:
        """Raises NotVouchedError, once the journal says why."""
        try:
            yield
        except RefusedError as error:
            with transaction(self.context):
                refused = NavigationRefused(partenaire=client.partenaire, client_id=client.client_id, reason=str(error)[:200])
                journal.record(refused, now)
            raise NotVouchedError(f"{error.number}: {SAID.get(type(error), str(error))}") from None

    def _vouched(self, client: Client, text: str, scope: Sequence[str], now: datetime) -> Session:
        mag = self.mag
        if signees.unverified_partner(mag.registry, text).client.client_id != client.client_id:
            raise refus.DemandeRefuseeError("the assertion is not of the client that authenticates")
        passage = signees.read_passage(mag.registry, mag.ephemeral, mag.settings.issuer, text, now.timestamp(), ASSERTION)
        row = venues.linked(venues.agreed(passage.accord), passage.compte)
        venue = Venue(rattachement=row.id, comme="jeton", acr=passage.acr, auth_time=passage.auth_time)
        porte = venues.opened(mag.registry, mag.settings, venue, row, now)
        session = self._session(porte, venue)
        self._check_person(client, porte, session, scope, now)
        return session

    def _session(self, porte: Porte, venue: Venue) -> Session:
        """The same for every token of one sign-in there: what it is worth, and what ends it."""
        person, row = porte.person, porte.rattachement
        birth = f"{row.id}|{row.opened_at.timestamp()}|{venue.auth_time}"
        return Session(
            sid=digest(birth)[:SID],
            declarant_id=person.id,
            version=person.version,
            uid=person.uid,
            auth_time=venue.auth_time,
            amr=(FEDERATED,),
            acr=agreed_level(porte.accord.client.linking_max_acr, venue.acr),
            expires_at=venue.auth_time + self.mag.settings.session_lifetime,
            siret=str(person.siret),
            link=row.id,
        )

    def _check_person(self, client: Client, porte: Porte, session: Session, scope: Sequence[str], now: datetime) -> None:
        """What a page would ask them. Raises ConditionsAttenduesError, NonConsentiError, NiveauInsuffisantError."""
        if conditions.to_accept(porte.person, now) is not None:
            raise refus.ConditionsAttenduesError(f"declarant {session.declarant_id}: conditions of use")
        if not client.first_party and not Consent.covers(session.declarant_id, client.client_id, scope):
            raise refus.NonConsentiError(f"declarant {session.declarant_id}: {' '.join(scope)}")
        if demands.demanded(self.mag, client.client_id, services_of_scope(scope), session, now):
            raise refus.NiveauInsuffisantError(f"declarant {session.declarant_id}: {' '.join(scope)}")
