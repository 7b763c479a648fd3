"""Accounts that serve in two places at once: shared, passed on to a newcomer, or stolen (fact 39). A hint, never a lock.

Far: two networks of one family that differ in their first 16 bits (32 for IPv6), from two devices, within a quarter of an hour. The
owner is told once a week at most. A timer reads the journal, so that no sign-in waits for it. Left out on purpose: places on a
map, which no address proves.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import combinations

from idp.audit import journal
from idp.audit.events import ConnexionOpened
from idp.audit.models import AuditEvent
from idp.authentication.denial import denial_link
from idp.authentication.device_words import UNKNOWN
from idp.authentication.devices import network_of
from idp.authentication.events import ConcurrentUseSeen
from idp.authentication.factors import messages
from idp.config import Settings
from idp.database import db
from idp.declarants.models import Declarant
from idp.declarants.statuts import Statut
from idp.notifications.models import Mail

AT_ONCE, AGAIN = timedelta(minutes=15), timedelta(days=7)
KIND = "usage_simultane"
BATCH, MOST = 500, 200
"""People of one transaction; sign-ins that are read of each."""


def suivre(settings: Settings, now: datetime, since: datetime, after: int = 0) -> tuple[int, int]:
    """How many people are told, and the number of the last one looked at (0: none left). Run twice, it tells once."""
    people = AuditEvent.from_several_addresses(ConnexionOpened.__name__, since, after, BATCH)
    return sum(_tell(settings, one, since, now) for one in people), people[-1] if people else 0


def _tell(settings: Settings, declarant_id: int, since: datetime, now: datetime) -> bool:
    person = db.session.get(Declarant, declarant_id)
    if person is None or person.statut is not Statut.ACTIF or not person.email or Mail.wrote(KIND, declarant_id, now - AGAIN):
        return False
    pair = at_once(AuditEvent.of_person(declarant_id, [ConnexionOpened.__name__], since, limit=MOST))
    if pair is None:
        return False
    seen = [(one.at, str(one.details.get("device") or UNKNOWN), network_of(one.address or "")) for one in pair]
    networks = " ".join(network for _, _, network in seen)
    journal.record(ConcurrentUseSeen(declarant_id=declarant_id, siret=int(person.siret), networks=networks), now)
    message = messages.used_at_once(settings.issuer, person.full_name, seen, denial_link(settings, person, now))
    Mail.write(KIND, person.email, message, now, declarant_id)
    return True


def at_once(events: Sequence[AuditEvent]) -> tuple[AuditEvent, AuditEvent] | None:
    """The first two sign-ins that are far from each other and close in time, the earlier first."""
    for one, other in combinations(sorted(events, key=lambda event: event.at), 2):
        close = other.at - one.at <= AT_ONCE
        if close and one.details.get("device") != other.details.get("device") and far(one.address or "", other.address or ""):
            return one, other
    return None


def far(one: str, other: str) -> bool:
    """Whether two addresses are of networks far from each other; unknown of addresses of two families: one machine may have both."""
    try:
        first, second = ip_address(one), ip_address(other)
    except ValueError:
        return False
    if first.version != second.version:
        return False
    bits = 16 if first.version == 4 else 32
    return second not in ip_network((first, bits), strict=False)
