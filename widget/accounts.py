"""Whom the browser's chooser of accounts shows: who is signed in, then the identities that this browser was asked to remember.

W3C FedCM, "fetch accounts". No address of mail leaves: the SIRET tells one identity of a person from another. Those that are only
remembered are shown without what they are linked to, and choosing one leads to the sign-in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.audit.models import AuditEvent
from idp.authentication.session import Session, session_at
from idp.authentication.split_cookie import COOKIE, Half
from idp.entreprises.siret import Siret
from idp.oidc.authorization import Components
from idp.oidc.claims import Person
from idp.oidc.models import Consent
from idp.oidc.people import People
from idp.oidc.wire import Environ, cookies_of

MEMORY = timedelta(days=366)
LINKED, PARTED = ("FedcmCodeIssued", "ConsentGiven"), ("PortalDisconnected", "ConsentWithdrawn")
MOST = 300
"""Facts of the journal looked at, the latest first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One browser: where its session is kept, the session, and whom it may choose, by their number."""

    row: str
    session: Session
    people: Mapping[int, Person]

    @property
    def live(self) -> Person:
        return self.people[self.session.declarant_id]

    def chosen(self, account_id: str) -> tuple[int, Person] | None:
        """By the identifier that the chooser was given, or by the SIRET that a page hints at; who is signed in comes first."""
        return next(((number, one) for number, one in self.people.items() if account_id in (one.uid, one.siret)), None)


def shown_in(mag: Components, environ: Environ, now: datetime, *, used: bool = True) -> Shown | None:
    """None when nobody who may enter is signed in. Any page may have the browser ask who is there: that does not keep a session awake."""
    half = Half.read(mag.keyring, cookies_of(environ).get(COOKIE, ""))
    session = session_at(mag.ephemeral, mag.settings, half.row, now, used=used) if half else None
    if half is None or session is None:
        return None
    people = People(mag.connections, mag.ephemeral)
    found = ((number, people.find(number)) for number in dict.fromkeys((session.declarant_id, *half.others)))
    active = {number: person for number, person in found if person is not None}
    return Shown(half.row, session, active) if session.declarant_id in active else None


def accounts(shown: Shown, now: datetime) -> list[dict[str, Any]]:
    """As the browser reads them. It takes by itself an account that already went to the page: of several, the person chooses each time."""
    sole = len(shown.people) == 1
    known = linked(shown.session.declarant_id, now) if sole else []
    return [{**account(person), "approved_clients": known} for person in shown.people.values()]


def account(person: Person) -> dict[str, Any]:
    siret = Siret(person.siret)
    return {
        "id": person.uid,
        "name": f"{person.prenom} {person.nom}",
        "given_name": person.prenom,
        "username": siret.grouped,
        "login_hints": [str(siret)],
        "domain_hints": [str(siret.siren)],
    }


def linked(declarant_id: int, now: datetime) -> list[str]:
    """Clients that this person already went to: the browser need not explain again what they learn."""
    latest: dict[str, str] = {}
    for event in AuditEvent.of_person(declarant_id, (*LINKED, *PARTED), now - MEMORY, limit=MOST):
        latest.setdefault(event.client_id or "", event.kind)
    been = {client_id for client_id, kind in latest.items() if client_id and kind in LINKED}
    return sorted(been | {consent.client_id for consent in Consent.of(declarant_id)})
