"""Audited facts of sign-ins that no single sign-in tells."""

from dataclasses import dataclass

from idp.audit.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrentUseSeen(Event):
    """One account, two devices, two networks far from each other, within minutes: perhaps shared, perhaps stolen (fact 39)."""

    networks: str
