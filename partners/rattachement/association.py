"""Linking, unlinking and linking again: the row, the journal, the mails, the partner's signals. Nothing here commits.

Both accounts were proved before `rattacher` is called. Sessions that the partner's word opened end with the link: the caller ends them
first (`end_sessions`), before anything of the transaction is flushed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.audit import journal
from idp.audit.events import ConnexionOpened, ConsentGiven
from idp.audit.models import AuditEvent
from idp.authentication.session import guard_of_session
from idp.config import Settings
from idp.declarants.models import LINKED, UNLINKED, AccountEvent, Declarant
from idp.ephemeral import Ephemeral
from idp.notifications.messages import Message
from idp.notifications.models import Mail
from idp.oidc import logout
from idp.oidc.claims import is_about_a_person
from idp.oidc.client_auth import Clients
from idp.oidc.families import guard_of_family
from idp.oidc.models import Consent, RefreshFamily
from partners.models import Partenaire
from partners.rattachement import messages
from partners.rattachement.accord import Accord, every
from partners.rattachement.attente import Proposition
from partners.rattachement.events import LinkedTokenIssued, RattachementClosed, RattachementOpened, RattachementReopened
from partners.rattachement.models import Rattachement, Side
from partners.rattachement.refus import DejaRattacheError, PartenaireSansAccordError

OPENINGS = (ConnexionOpened.__name__, LinkedTokenIssued.__name__)
"""What a link may open: both say which (`link`), and under which `sid`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where it happens: what mails and audits need of the process."""

    settings: Settings
    clients: Clients
    now: datetime


def rattacher(place: Place, accord: Accord, person: Declarant, proposition: Proposition) -> Rattachement:
    """A new link. Raises DejaRattacheError, PartenaireSansAccordError."""
    partenaire = Partenaire.with_code(accord.code)
    if partenaire is None:
        raise PartenaireSansAccordError(f"partner {accord.code}")
    row = Rattachement.open(
        partenaire_id=partenaire.id,
        declarant_id=person.id,
        compte=proposition.compte,
        libelle=proposition.libelle,
        origine=proposition.origine,
        preuve=proposition.preuve,
        seul=not accord.client.linking_several,
        opened_at=place.now,
    )
    if row is None:
        raise DejaRattacheError(f"{accord.code}: {person.id}")
    journal.record(
        RattachementOpened(
            rattachement=row.id,
            partenaire=accord.code,
            origine=row.origine,
            preuve=row.preuve,
            declarant_id=person.id,
            client_id=accord.client.client_id,
            siret=int(person.siret),
        ),
        place.now,
    )
    _agree(place, accord, person)
    _tell(place, LINKED, row, Side(row.origine))
    write(place, "rattachement", row, messages.linked(place.settings.issuer, person.full_name, accord.nom, row.libelle, place.now))
    return row


def _agree(place: Place, accord: Accord, person: Declarant) -> None:
    """What the page said that the partner will learn is agreed with the link: no other page asks it again."""
    scope = [scope for scope in sorted(accord.client.scope) if is_about_a_person(scope) and scope != "offline_access"]
    Consent.widen(person.id, accord.client.client_id, scope, place.now)
    event = ConsentGiven(declarant_id=person.id, client_id=accord.client.client_id, scope=" ".join(scope))
    journal.record(event, place.now)


def delier(place: Place, row: Rattachement, side: Side, *, client_id: str | None = None) -> bool:
    """The link ends; False when it was over. What it opened was ended by the caller."""
    if not _close(place, row, side, client_id):
        return False
    nom, person = row.partenaire.nom, row.declarant
    said = messages.unlinked(place.settings.issuer, person.full_name, nom, row.libelle, place.now, by_partner=side is Side.PARTENAIRE)
    write(place, "rattachement_fini", row, said)
    return True


def leave(settings: Settings, clients: Clients, person: Declarant, now: datetime) -> None:
    """Somebody's account ends, and their links with it, without a mail of each."""
    for row in Rattachement.living_of(person.id):
        _close(Place(settings, clients, now), row, Side.MAG, None)


def _close(place: Place, row: Rattachement, side: Side, client_id: str | None) -> bool:
    if not row.close(side, place.now):
        return False
    person = row.declarant
    event = RattachementClosed(
        rattachement=row.id, partenaire=row.partenaire.code, par=side, declarant_id=person.id, client_id=client_id, siret=int(person.siret)
    )
    journal.record(event, place.now)
    _tell(place, UNLINKED, row, side)
    return True


def retablir(place: Place, row: Rattachement, side: Side, *, client_id: str | None = None) -> bool:
    """The link lives again; False when that side did not end it, or too long ago. Raises DejaRattacheError."""
    if not row.may_be_reopened(side, place.now):
        return False
    if not row.reopen(place.now):
        raise DejaRattacheError(f"link {row.id}")
    code, nom, person = row.partenaire.code, row.partenaire.nom, row.declarant
    event = RattachementReopened(
        rattachement=row.id, partenaire=code, par=side, declarant_id=person.id, client_id=client_id, siret=int(person.siret)
    )
    journal.record(event, place.now)
    _tell(place, LINKED, row, side)
    write(place, "rattachement", row, messages.linked_again(place.settings.issuer, person.full_name, nom, row.libelle, place.now))
    return True


def _tell(place: Place, kind: str, row: Rattachement, side: Side) -> None:
    """By the stream of the client that speaks for the partner; without an agreement any more, nobody is told."""
    found = next((one for one in every(place.clients.every()) if one.code == row.partenaire.code), None)
    if found is not None:
        details = {"client": found.client.client_id, "lien": row.id, "compte": row.compte, "par": side.value}
        AccountEvent.write(kind, row.declarant, place.now, **details)


def write(place: Place, kind: str, row: Rattachement, message: Message) -> None:
    """To whoever holds the identity."""
    if row.declarant.email:
        Mail.write(kind, row.declarant.email, message, place.now, row.declarant_id)


def end_sessions(
    place: Place, store: Ephemeral, row: Rattachement, but: Collection[str] = (), *, client_id: str | None = None
) -> list[str]:
    """The store first, then what the database says of each session; which ones ended. What was granted in them ends too, for offline access
    itself: it was on the partner's word.

    To be called before the link is closed, for what it opened; and, `but` for those, once that is committed: something may have opened
    between. What opens later finds the link closed (`Rattachement.use`).
    """
    sids, granted = sessions_of(row, place.settings, place.now, but), RefreshFamily.of_link(row.declarant_id, row.id)
    if sids or granted:
        store.end(*map(guard_of_session, sids), *map(guard_of_family, granted), lifetime=place.settings.session_lifetime)
    if granted:
        RefreshFamily.close_these(granted, "rattachement", place.now)
    for sid in sids:
        logout.ended(place.clients, sid, row.declarant_id, client_id, "rattachement", place.now)
    return sids


def sessions_of(row: Rattachement, settings: Settings, now: datetime, but: Collection[str] = ()) -> list[str]:
    """Sessions that this link opened and that may still live, by `sid`."""
    since = now - timedelta(seconds=settings.session_lifetime)
    found, before = set[str](), None
    while page := AuditEvent.of_person(row.declarant_id, OPENINGS, since, before=before, limit=200):
        found |= {str(event.details.get("sid", "")) for event in page if event.details.get("link") == row.id}
        before = page[-1].id
    return sorted(found - {"", *but})
