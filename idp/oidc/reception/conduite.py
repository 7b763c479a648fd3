"""What operators do to a transmitter from day to day, by command or at the desk: its policy, its limits, in service or not, an alert seen.

Nothing here commits.
"""

from collections.abc import Sequence
from datetime import datetime

from idp.audit import journal
from idp.database import Version
from idp.oidc.reception.events import EmetteurChanged
from idp.oidc.reception.models import Emetteur
from idp.oidc.reception.refus import EmetteurRefuseError
from idp.oidc.reception.vocabulary import PolitiqueError, read_policy
from idp.oidc.signals.models import VERSION

MOST = 1_000_000


def named(code: str) -> Emetteur:
    """Raises EmetteurRefuseError."""
    found = Emetteur.named(code)
    if found is None:
        raise EmetteurRefuseError(f"Aucun émetteur « {code} ».")
    return found


def policy(lines: Sequence[str]) -> dict[str, str]:
    """Raises EmetteurRefuseError."""
    try:
        return read_policy(lines)
    except PolitiqueError as error:
        raise EmetteurRefuseError(str(error)) from error


def change_policy(emetteur: Emetteur, lines: Sequence[str], now: datetime, actor: str) -> bool:
    """Whether something changed: what is named does, the rest stays. Raises EmetteurRefuseError."""
    before, said = emetteur.politique, {line.partition("=")[0].strip() for line in lines}
    emetteur.politique = policy([*(f"{name}={effet}" for name, effet in before.items() if name not in said), *lines])
    if emetteur.politique == before:
        return False
    moved = sorted({*emetteur.politique.items()} ^ {*before.items()})
    changed(emetteur, "politique", now, actor, " ".join(f"{name}={emetteur.wants(name)}" for name, _ in dict(moved).items()))
    return True


def check_limits(hourly: int, daily: int) -> None:
    """Raises EmetteurRefuseError."""
    if not 0 < hourly <= daily <= MOST:
        raise EmetteurRefuseError("Les plafonds sont des nombres de personnes, celui de l'heure au plus égal à celui du jour.")


def change_limits(emetteur: Emetteur, hourly: int, daily: int, now: datetime, actor: str) -> None:
    """Raises EmetteurRefuseError."""
    check_limits(hourly, daily)
    emetteur.plafond_heure, emetteur.plafond_jour = hourly, daily
    changed(emetteur, "plafonds", now, actor, f"{hourly} {daily}")


def cut(emetteur: Emetteur, now: datetime, actor: str, *, enabled: bool = False) -> bool:
    """Whether something changed. What was received stays; nothing more is."""
    if emetteur.enabled == enabled:
        return False
    emetteur.enabled = enabled
    emetteur.next_try_at, emetteur.tries = (now if emetteur.is_fetched else None), 0
    changed(emetteur, "opened" if enabled else "cut", now, actor)
    return True


def seen(emetteur: Emetteur, now: datetime, actor: str) -> bool:
    """Whether there was an alert."""
    if emetteur.alerte_at is None:
        return False
    emetteur.alerte_at = None
    changed(emetteur, "seen", now, actor)
    return True


def changed(emetteur: Emetteur, step: str, now: datetime, actor: str, what: str | None = None) -> None:
    """Every process learns who may name people."""
    emetteur.updated_at = now
    Version.bump(VERSION)
    journal.record(EmetteurChanged(emetteur=emetteur.code, step=step, what=what[:200] if what else None, actor=actor), now)
