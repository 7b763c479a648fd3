"""Identities that nobody uses: seen in the journal, warned twice, then suspended by time (fact 39). Every act may be done twice.

The last administrator of an establishment that still has people is not suspended: operators are told, and nothing changes.
Left out on purpose: what a suspended identity keeps, which is everything but the right to enter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from idp.audit import journal
from idp.config import Settings
from idp.database import db
from idp.declarants import transitions
from idp.declarants.compte import messages
from idp.declarants.compte.events import DormancyWarned
from idp.declarants.compte.joignable import MONTH
from idp.declarants.models import Declarant
from idp.declarants.statuts import StatutRefusedError
from idp.declarants.transitions import LastAdministratorError
from idp.ephemeral import Ephemeral
from idp.notifications.models import Mail
from idp.oidc.client_auth import Clients
from idp.oidc.suspension import TIME, suspend

NOTICE, LAST_NOTICE = timedelta(days=30), timedelta(days=7)
"""Before the suspension."""
AT_ONCE = 100


@dataclass(slots=True)
class Bilan:
    """What one passage did."""

    seen: int = 0
    warned: int = 0
    warned_again: int = 0
    suspended: int = 0
    kept: list[str] = field(default_factory=list)
    """Last administrators: who, of which establishment."""


def pass_over(store: Ephemeral, settings: Settings, clients: Clients, now: datetime) -> Bilan:
    """Once a day. Commits by lots; done again at the same instant, does nothing more."""
    bilan = Bilan(seen=Declarant.seen_in_journal(now))
    db.session.commit()
    if not settings.dormant_months:
        return bilan
    since = now - settings.dormant_months * MONTH
    for person in _lots(lambda: Declarant.to_warn(since + NOTICE, AT_ONCE)):
        person.dormant_until = now + NOTICE
        _warn(settings, person, 1, now)
        bilan.warned += 1
    for person in _lots(lambda: Declarant.to_warn_again(now + LAST_NOTICE, AT_ONCE)):
        person.dormant_until = max(person.dormant_until or now, now + LAST_NOTICE)
        _warn(settings, person, 2, now)
        bilan.warned_again += 1
    for person in Declarant.to_put_to_sleep(now):
        _suspend(store, settings, clients, person, now, bilan)
    db.session.rollback()
    return bilan


def _lots(find: Callable[[], list[Declarant]]) -> Iterator[Declarant]:
    """Everybody whom `find` still finds, a transaction for each lot."""
    while found := find():
        yield from found
        db.session.commit()


def _warn(settings: Settings, person: Declarant, rank: int, now: datetime) -> None:
    person.dormant_told = rank
    journal.record(DormancyWarned(declarant_id=person.id, siret=int(person.siret), actor="temps", rank=rank), now)
    if person.email and person.dormant_until:
        message = messages.dormant(settings.issuer, person.full_name, person.dormant_until)
        Mail.write("dormance", person.email, message, now, person.id)


def _suspend(store: Ephemeral, settings: Settings, clients: Clients, person: Declarant, now: datetime, bilan: Bilan) -> None:
    """One transaction for each; the store first, on SQLite it writes through its own connection."""
    try:
        transitions.check_not_last(person)
        db.session.rollback()
        mail = ("compte_suspendu", messages.suspended(settings.issuer, person.full_name))
        suspend(store, settings, clients, person, TIME, mail, now)
    except LastAdministratorError:
        db.session.rollback()
        bilan.kept.append(f"{person.full_name}, SIRET {person.siret.grouped}")
        return
    except StatutRefusedError:
        db.session.rollback()  # somebody suspended them, or they left, since they were found
        return
    person.dormant_until, person.dormant_told = None, 0
    db.session.commit()
    bilan.suspended += 1
