"""Signing in at the desk: an address, a password, a one-time code, in one form, and one answer for every failure.

Counted before tried, in the store. A stranger who does not know the password cannot lock an operator out: failures are counted
by address of origin, and for an operator by origin too; codes are counted for those who had the right password.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.audit import journal
from idp.authentication import totp
from idp.authentication.passwords import Passwords, Stored
from idp.authentication.throttle import Attempt
from idp.config import MINUTE
from idp.database import Connections
from idp.ephemeral import Counter, Ephemeral
from idp.errors import RefusedError
from idp.seals import Seals, b64
from idp.support.events import OperatorEntered, OperatorRefused
from idp.support.models import USE_STEP, Operateur

WINDOW = 15 * MINUTE
FROM_ONE_PLACE, ON_ONE_OPERATOR, CODES = 20, 5, 5
"""Tries in a window: from a block of addresses, on an operator from there, and of codes with the right password."""
SEALED = "operateur_totp"


class DeskRefusedError(RefusedError):
    """The one answer. The exception's own text is for the journal."""

    code = "bureau_refuse"
    number = "M700001"
    remedy = "Vérifiez l'adresse, le mot de passe et le code ; attendez un nouveau code s'il vient de servir."
    status = 422
    public = "Adresse, mot de passe ou code inexact. Un code ne sert qu'une fois : attendez le suivant."


class DeskBrakedError(RefusedError):
    """Too many failures come from this network."""

    code = "bureau_freine"
    number = "M700002"
    remedy = "Réessayez dans un quart d'heure."
    status = 429
    public = "Trop d'essais. Réessayez dans un quart d'heure."
    retry_after = WINDOW


@dataclass(frozen=True, slots=True)
class Means:
    """What signing in works with."""

    connections: Connections
    store: Ephemeral
    seals: Seals
    passwords: Passwords


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt, as it came in."""

    email: str
    password: str
    code: str
    address: str


def enter(means: Means, entry: Entry, now: datetime) -> Operateur:
    """Whoever this is. Raises DeskRefusedError, DeskBrakedError, OverloadedError; a refusal leaves a line for the caller to commit."""
    with means.passwords.place():
        found = Operateur.with_email(entry.email)
        counters = _count(means, entry, now)
        stored = _compared_with(means, found)
        if not means.passwords.verify(stored, entry.password):
            raise _refused(found, "wrong password" if found else "unknown operator", now)
    if found is None or not found.active:
        raise _refused(found, "disabled, or not enrolled", now)
    _check_code(means, found, entry.code, now)
    means.store.count(*counters, by=-1)
    found.seen_at = now
    journal.record(OperatorEntered(actor=found.actor), now)
    return found


def _count(means: Means, entry: Entry, now: datetime) -> list[Counter]:
    place = Attempt("", entry.address).blocks[0]
    email = entry.email.strip().lower().encode("utf-8", "surrogatepass")
    account = b64(means.seals.mac("bureau", email)[:16])
    counters = [Counter(f"bureau:{place}", WINDOW), Counter(f"bureau:{place}:{account}", WINDOW)]
    here, on_account = means.store.count(*counters)
    if here > FROM_ONE_PLACE or on_account > ON_ONE_OPERATOR:
        journal.record(OperatorRefused(reason="braked"), now)
        raise DeskBrakedError(place)
    return counters


def _compared_with(means: Means, found: Operateur | None) -> Stored:
    """The stored hash, or a decoy of the same price."""
    if found is None or found.password_hash is None or found.pepper_id is None:
        return means.passwords.decoy()
    return Stored(found.password_hash, found.pepper_id)


def _check_code(means: Means, found: Operateur, code: str, now: datetime) -> None:
    """RFC 6238 section 5.2: once. The step is marked by one conditional write, before any session."""
    counter = Counter(f"bureau:code:{found.id}", WINDOW)
    if means.store.count(counter)[0] > CODES:
        journal.record(OperatorRefused(reason="codes braked", actor=found.actor), now)
        raise DeskBrakedError("codes")
    secret = means.seals.open(SEALED, found.totp_sealed or b"", str(found.id)).decode()
    step = totp.matching_step(secret, code, now, found.totp_last_step)
    if step is None or not means.connections.run(USE_STEP, of_id=found.id, step=step):
        raise _refused(found, "wrong code", now)
    means.store.count(counter, by=-1)


def _refused(found: Operateur | None, reason: str, now: datetime) -> DeskRefusedError:
    journal.record(OperatorRefused(reason=reason, actor=found.actor if found else None), now)
    return DeskRefusedError(reason)
