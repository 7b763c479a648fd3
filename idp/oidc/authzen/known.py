"""Whom a partner may ask about: by a `sub` that it was given, or by an access token of the person that it holds.

Whoever is not known is told as somebody who holds nothing: the same answer, whether there is such a person or not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from idp.authentication.session import Session
from idp.config import Settings
from idp.database import Connections
from idp.habilitations.disclosure import DECISION, LETTERS, services_of_scope
from idp.habilitations.droits import Droit
from idp.oidc.alive import Alive
from idp.oidc.authzen.models import BY_PERSON, BY_SUB, KNOW
from idp.oidc.authzen.requests import ACCOUNT, LONGEST, Subject
from idp.oidc.client import Client
from idp.oidc.codes import Granted
from idp.oidc.details import Acting
from idp.oidc.introspection import entitled
from idp.oidc.subjects import Subjects
from idp.oidc.tokens import Reader


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody, and the services of which this partner may learn."""

    declarant_id: int
    services: frozenset[str]
    acting: Acting | None = None
    """A token about one establishment opens no other."""

    def opens(self, cible: int, service: str, droit: Droit) -> bool:
        if self.acting is not None and (self.acting.siret != cible or LETTERS[droit] not in dict(self.acting.services).get(service, "")):
            return False
        return service in self.services


def keep(
    connections: Connections, settings: Settings, subjects: Subjects, client: Client, session: Session, granted: Granted, now: datetime
) -> None:
    """A partner that may ask decisions is given a subject: one statement, for these partners alone."""
    if DECISION not in client.scope:
        return
    offline = "offline_access" in granted.scope
    services = services_of_scope(granted.scope) | (granted.acting.codes if granted.acting else frozenset())
    until = now.timestamp() + settings.offline_lifetime if offline else session.expires_at
    connections.run(
        KNOW[connections.dialect.name],
        new_client_id=client.client_id,
        new_sub=subjects.of(client, session.uid),
        new_lien=granted.family_id if offline else session.sid,
        new_offline=offline,
        new_declarant_id=session.declarant_id,
        new_version=session.version,
        new_services=" ".join(sorted(services)),
        new_expires_at=datetime.fromtimestamp(until, now.tzinfo),
    )


class Directory:
    """Finds them, for one process."""

    def __init__(self, connections: Connections, alive: Alive, reader: Reader) -> None:
        self.connections, self.alive, self.reader = connections, alive, reader

    def find(self, client: Client, subjects: Iterable[Subject], now: datetime) -> dict[Subject, Known]:
        """Those that this client may ask about: one statement for all that are named, one read of the store for each token."""
        accounts = {one for one in subjects if one.kind == ACCOUNT and len(one.sub) <= LONGEST and "\0" not in one.sub}
        named = self._named(client, {one.sub for one in accounts if not one.token}, now)
        found = {one: named[one.sub] for one in accounts if not one.token and one.sub in named}
        shown = ((one, self.of_token(client, one, now)) for one in accounts if one.token)
        return found | {one: known for one, known in shown if known is not None}

    def _named(self, client: Client, subs: set[str], now: datetime) -> Mapping[str, Known]:
        if not subs:
            return {}
        listed = orjson.dumps(sorted(subs)).decode()
        rows = self.connections.all(BY_SUB[self.connections.dialect.name], of_client=client.client_id, subs=listed, now=now)
        found: dict[str, Known] = {}
        for sub, declarant_id, services in rows:
            granted = frozenset(services.split()) & services_of_scope(client.scope)
            before = found.get(sub)
            found[sub] = Known(declarant_id, granted | before.services if before else granted)
        return found

    def subs_of(self, client: Client, persons: Iterable[int], now: datetime) -> dict[int, tuple[str, frozenset[str]]]:
        """Of these persons, those that this client knows: its `sub` of each, and the services."""
        listed = orjson.dumps(list(persons)).decode()
        rows = self.connections.all(BY_PERSON[self.connections.dialect.name], of_client=client.client_id, persons=listed, now=now)
        return {declarant_id: (sub, frozenset(services.split())) for sub, declarant_id, services in rows}

    def of_token(self, client: Client, subject: Subject, now: datetime) -> Known | None:
        """RFC 7662 section 2, in another form: the caller's own token, one aimed at it, or at an audience it registered for."""
        token = self.reader.access_token(subject.token, now.timestamp())
        if token is None or not token.handle.declarant_id or not entitled(client, token) or token.claims["sub"] != subject.sub:
            return None
        if not self.alive.stands(token.handle, token.claims["iat"])[0]:
            return None
        acting = Acting.granted_in(token.claims)
        services = services_of_scope(token.claims["scope"].split()) | (acting.codes if acting else frozenset())
        return Known(token.handle.declarant_id, services & services_of_scope(client.scope), acting)
