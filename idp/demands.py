"""Whether a policy of MAG calls for two factors before a partner is told of a person, by whichever protocol.

ours, above what the partner itself asks (OpenID Connect Core section 5.5.1.1, SAML core section 3.3.2.2.1): a rule names partners,
services, or rights held.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from idp.authentication.factors.policy import Policies
from idp.authentication.levels import TWO_FACTORS, satisfies
from idp.authentication.session import Session
from idp.database import Connections
from idp.habilitations.decision import services_of
from idp.habilitations.droits import Catalogue


class Place(Protocol):
    """What it reads of the process."""

    @property
    def policies(self) -> Callable[[], Policies]: ...

    @property
    def catalogue(self) -> Callable[[], Catalogue]: ...

    @property
    def connections(self) -> Connections: ...


def any_rule(mag: Place) -> bool:
    """Whether there is one: without any, nobody need say what a partner is told of."""
    return bool(mag.policies().rules)


def demanded(mag: Place, client_id: str, services: Collection[str], session: Session, now: datetime) -> bool:
    """Two factors that this session lacks; a query only where a rule is about rights."""
    policies = mag.policies()
    if not policies.rules or satisfies(session.acr, (TWO_FACTORS,)):
        return False
    if policies.demands(client_id, services, now):
        return True
    if not services or not policies.has_rights_rule:
        return False
    return policies.demands_for_rights(services_of(mag.connections, mag.catalogue(), session.declarant_id, now), services, now)
