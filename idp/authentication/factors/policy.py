"""Who must hold a second factor, and where one is demanded: the rules as values, without any table. See `FactorPolicy`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from idp.authentication.factors.models import ALL_POLICIES, Kind
from idp.database import Connections
from idp.declarants.statuts import Role


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the policy."""

    kind: Kind
    value: str
    since: datetime
    grace_days: int
    max_age: int | None

    def deadline(self, inscribed_at: datetime) -> datetime:
        """Until when somebody may go without; whoever is new has as long as everybody had."""
        return max(self.since, inscribed_at) + timedelta(days=self.grace_days)

    def is_in_force(self, now: datetime) -> bool:
        return self.since + timedelta(days=self.grace_days) <= now


@dataclass(frozen=True, slots=True)
class Policies:
    """Every rule in force or to come."""

    rules: tuple[Rule, ...] = ()

    @property
    def look_at_rights(self) -> bool:
        """Whether who must hold a factor depends on rights, which cost a query."""
        return any(rule.kind in (Kind.SERVICE, Kind.DROIT) for rule in self.rules)

    def deadline(self, role: Role, rights: Mapping[str, Collection[str]], inscribed_at: datetime) -> datetime | None:
        """Since when, or from when, this person must hold a second factor; None: never. `rights`: by service, the rights held."""
        bound = (rule.deadline(inscribed_at) for rule in self.rules if _binds(rule, role, rights))
        return min(bound, default=None)

    def demands(self, client_id: str, services: Collection[str], now: datetime) -> bool:
        """Whether a partner, or what it asks to be told, calls for two factors today."""
        return any(rule.is_in_force(now) and _covers(rule, client_id, services) for rule in self.rules)

    def demands_for_rights(self, rights: Mapping[str, Collection[str]], services: Collection[str], now: datetime) -> bool:
        """Whether the rights about to be told call for two factors today."""
        told = {droit for service in services for droit in rights.get(service, ())}
        return any(rule.kind is Kind.DROIT and rule.value in told and rule.is_in_force(now) for rule in self.rules)

    @property
    def has_rights_rule(self) -> bool:
        return any(rule.kind is Kind.DROIT for rule in self.rules)

    def max_age(self, client_id: str, services: Collection[str], now: datetime) -> int | None:
        """Seconds: how old a sign-in may be at MAG's own resources, for this partner and these services."""
        ages = (rule.max_age for rule in self.rules if rule.is_in_force(now) and _covers(rule, client_id, services))
        return min((age for age in ages if age is not None), default=None)


def _binds(rule: Rule, role: Role, rights: Mapping[str, Collection[str]]) -> bool:
    """Whether a rule is about this person."""
    if rule.kind is Kind.ROLE:
        return role.administers if rule.value == Role.ADMINISTRATEUR else role.declares
    if rule.kind is Kind.SERVICE:
        return bool(rights.get(rule.value))
    if rule.kind is Kind.DROIT:
        return any(rule.value in held for held in rights.values())
    return rule.kind is Kind.TOUS


def _covers(rule: Rule, client_id: str, services: Collection[str]) -> bool:
    """Whether a rule is about this request."""
    if rule.kind is Kind.PARTENAIRE:
        return rule.value == client_id
    return rule.kind is Kind.TOUS or (rule.kind is Kind.SERVICE and rule.value in services)


def read_policies(connections: Connections) -> Policies:
    """What `Kept` loads when the version "politiques" moves. One statement."""
    rows = connections.all(ALL_POLICIES)
    return Policies(tuple(Rule(Kind(kind), value, since, grace, age) for kind, value, since, grace, age in rows))
