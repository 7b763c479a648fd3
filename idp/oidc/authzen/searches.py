"""Searches: where somebody may, what somebody may, who may. AuthZEN Authorization API 1.0 section 8.

A right on a whole company is told as its active establishments when establishments are searched, each once. Who may is told to an
administrator of the establishment alone, whose access token comes in `context.access_token`; and among those who may, of the persons
that the partner knows: a search makes nobody known.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749.errors import OAuth2Error

from idp.habilitations.choix.recherche import active_in
from idp.habilitations.decision import targets
from idp.habilitations.disclosure import services_of_scope
from idp.habilitations.droits import Droit, is_siren, siren_of, written
from idp.habilitations.perimetre import Page, Position, Target
from idp.habilitations.questions import rights_at, who_can
from idp.oidc.authzen.known import Directory, Known
from idp.oidc.authzen.models import ADMINISTERS
from idp.oidc.authzen.requests import ACCOUNT, COMPANY, ESTABLISHMENT, PAGE, Subject
from idp.oidc.client import Client
from idp.oidc.rights import Rights

Results = list[dict[str, str]]
STEPS = 20
"""Statements that one page of a search makes at most, or so: a page may hold few results, and still be followed."""
SETS = 100
"""Sets that one walk looks at: as many companies may wait, in a token, for their establishments to be told."""


class NotAdministratorError(OAuth2Error):
    """ours: who may is not told to whoever asks."""

    error = "access_denied"

    def __init__(self) -> None:
        super().__init__(description="context.access_token is not that of an administrator of this establishment", status_code=403)


@dataclass(frozen=True, slots=True)
class Search:
    """What stays the same from page to page."""

    client: Client
    service: str
    droit: Droit
    limit: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Searches:
    """Searches, for one process."""

    directory: Directory
    rights: Rights

    def resources(self, search: Search, known: Known, kind: str, place: Any) -> tuple[Results, Any]:
        """Where this person may; where the list goes on, None at its end. `place`: position of the walk, companies that wait."""
        if not may_learn(known, search) or kind not in (ESTABLISHMENT, COMPANY):
            return [], None
        found: list[int] = []
        position, waiting = place or ["0.0", []]
        walk = min(search.limit, SETS)
        for _ in range(STEPS):
            if waiting:
                found += self._in_company(search, known, waiting, search.limit - len(found))
            elif position and not (found and len(found) + walk > search.limit):
                page = self._walk(search, known, position, walk)
                position = str(page.following) if page.following else ""
                found += self._told(search, known, page, kind)
                waiting = [[t.cible, 0] for t in page.targets if kind == ESTABLISHMENT and is_siren(t.cible) and holds(t, search)]
            if len(found) >= search.limit or not (position or waiting):
                break
        results = [{"type": kind, "id": written(cible)} for cible in found]
        return results, [position, waiting] if position or waiting else None

    def _walk(self, search: Search, known: Known, position: str, limit: int) -> Page:
        catalogue, after = self.rights.catalogue(), Position.parse(position)
        return targets(
            self.rights.connections, catalogue, known.declarant_id, services={search.service}, now=search.now, after=after, limit=limit
        )

    def _told(self, search: Search, known: Known, page: Page, kind: str) -> list[int]:
        """What a walk says at once: companies held whole, or establishments held by themselves."""
        if kind == COMPANY:
            return [t.cible for t in page.targets if is_siren(t.cible) and search.droit in t.rights.get(search.service, ())]
        return self._alone(search, known, [t.cible for t in page.targets if not is_siren(t.cible) and holds(t, search)])

    def _in_company(self, search: Search, known: Known, waiting: list[list[int]], limit: int) -> list[int]:
        """The next establishments of the first company that waits, where the right holds; the company leaves with its last one."""
        siren, after = waiting[0]
        sirets = active_in(self.rights.connections, siren, limit, after)
        if len(sirets) < limit:
            waiting.pop(0)
        else:
            waiting[0][1] = sirets[-1]
        return self._held(search, known, sirets)

    def _held(self, search: Search, known: Known, cibles: Sequence[int]) -> list[int]:
        catalogue, connections = self.rights.catalogue(), self.rights.connections
        found = rights_at(connections, catalogue, known.declarant_id, cibles, {search.service}, search.now) if cibles else {}
        return [cible for cible in cibles if search.droit in found.get(cible, {}).get(search.service, ())]

    def _alone(self, search: Search, known: Known, sirets: list[int]) -> list[int]:
        """Without those that their company gives: they come with it."""
        whole = set(self._held(search, known, sorted({siren_of(siret) for siret in sirets})))
        return [siret for siret in sirets if siren_of(siret) not in whole or not self._is_active(siret)]

    def _is_active(self, siret: int) -> bool:
        return active_in(self.rights.connections, siren_of(siret), 1, siret - 1) == [siret]

    def actions(self, client: Client, known: Known, cible: int, now: datetime) -> Results:
        """What this person may there."""
        services = known.services & services_of_scope(client.scope)
        found = rights_at(self.rights.connections, self.rights.catalogue(), known.declarant_id, [cible], services, now).get(cible, {})
        pairs = ((code, droit) for code in sorted(found) for droit in Droit if droit in found[code])
        return [{"name": f"{code}.{droit}"} for code, droit in pairs if known.opens(cible, code, droit)]

    def subjects(self, search: Search, cible: int, after: int) -> tuple[Results, Any]:
        """Who may there, among those whom this partner knows; where the list goes on, None at its end."""
        catalogue, connections = self.rights.catalogue(), self.rights.connections
        page = who_can(
            connections,
            catalogue,
            cible=cible,
            service=search.service,
            droit=search.droit,
            now=search.now,
            after=after,
            limit=min(search.limit, PAGE),
        )
        persons = [one.declarant_id for one in page.acces]
        subs = self.directory.subs_of(search.client, persons, search.now) if persons else {}
        told = (subs[one] for one in persons if one in subs)
        return [{"type": ACCOUNT, "id": sub} for sub, services in told if search.service in services], page.following

    def check_administrator(self, client: Client, context: Any, cible: int, now: datetime) -> None:
        """Raises NotAdministratorError: the search is in the name of nobody who administers this establishment."""
        token = context.get("access_token") if isinstance(context, dict) else None
        claimed = self.directory.reader.access_token(token, now.timestamp()) if isinstance(token, str) else None
        subject = Subject(ACCOUNT, str(claimed.claims["sub"]), str(token)) if claimed else None
        known = self.directory.of_token(client, subject, now) if subject else None
        asked = {"siret": 0 if is_siren(cible) else cible, "siren": siren_of(cible)}
        if known is None or self.rights.connections.one(ADMINISTERS, declarant=known.declarant_id, **asked) is None:
            raise NotAdministratorError()


def may_learn(known: Known, search: Search) -> bool:
    return known.acting is None and search.service in known.services & services_of_scope(search.client.scope)


def holds(target: Target, search: Search) -> bool:
    """On the whole of a company, or on some of it."""
    several: Iterable[Any] = (target.rights, *(part.rights for part in target.partial))
    return any(search.droit in rights.get(search.service, ()) for rights in several)
