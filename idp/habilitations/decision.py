"""Decisions on rights, on held connections: one statement for a check, one for a page of targets, two or three for a token.

What is asked here is asked all day by machines: no ORM, no session, no cache. Whatever the size of an account, a page costs what
it brings back. A question about an unknown account, service or right is answered no.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import compress

from idp.database import Connections
from idp.habilitations import models
from idp.habilitations.disclosure import ClaimPage, Disclosure
from idp.habilitations.droits import EVERYTHING, Catalogue, Droit, Exigence, Heritage, Masks, Rights, Service, union
from idp.habilitations.perimetre import Page, Position, Target, merged, page_of
from idp.habilitations.questions import Question, check_many, looking, read_rows

LONGEST_PAGE = 1000
"""Sets that one page examines at most."""
MENU_SETS, ALL_SETS = 10_000, 2**31
"""Direct sets read for the menu of a token, and for that of a person."""
PAGE_READINGS = 3
"""Times that a page is read when the rights change under it."""
NO_VERSION = "0" * 16
"""Version of the rights of whoever has none to have: unknown, or not active."""


def read_catalogue(connections: Connections) -> Catalogue:
    """The catalogue in force: what `Kept` loads when the version "catalogue" moves. Two statements."""
    services = (
        Service(bit, code, libelle, grain, frozenset(compress(Droit, rights)), timedelta(hours=delay), enabled, frozenset(profils.split()),
                Exigence(requis), frozenset(map(Droit, ouvre.split())))
        for bit, code, libelle, grain, delay, enabled, profils, requis, ouvre, *rights in connections.all(models.SERVICES)
    )
    return Catalogue.build(services, (Heritage((a, b), (c, d)) for a, b, c, d in connections.all(models.HERITAGES)))


def check(
    connections: Connections, catalogue: Catalogue, declarant_id: int, *, siret: int, service: str, droit: Droit, now: datetime,
) -> bool:
    """Whether this account may, on this establishment, now. One statement; none when the catalogue already says no."""
    accepted = catalogue.accepted.get((service, droit))
    if accepted is None:
        return False
    if catalogue.liens.concerns(accepted):
        return bool(check_many(connections, catalogue, [Question(declarant_id, siret, service, droit)], now)[0])
    bits = {f"accepted_{kind}": mask for kind, mask in zip(Droit, accepted, strict=True)}
    return connections.one(models.CHECK, declarant=declarant_id, siret=siret, siren=siret // 100_000, now=now, **bits) is not None


def targets(
    connections: Connections, catalogue: Catalogue, declarant_id: int, *, services: Collection[str] | None, now: datetime,
    after: Position | None = None, limit: int = LONGEST_PAGE, most: int | None = None,
) -> Page:
    """The targets where the account holds a right on these services (None: on any), each once, its rights merged.

    `limit` counts the sets examined, so a page may hold fewer targets, even none, and still be followed; `most` cuts it after so many
    targets. One statement.
    """
    source, cible = after or Position()
    rows = connections.all(
        models.WALK, declarant=declarant_id, source=source, cible=cible, limit=min(limit, LONGEST_PAGE), now=now,
        **looking(now, follows=catalogue.follows_links(services)))
    return page_of(read_rows(rows), catalogue, services, most)


@dataclass(frozen=True, slots=True)
class Holdings:
    """An active account from above: the version of its rights, and what its portfolios may open; None of its targets."""

    version: str
    ceiling: Masks
    clients: int
    portefeuilles: int


def holdings(connections: Connections, catalogue: Catalogue, declarant_id: int, now: datetime) -> Holdings | None:
    """None: unknown, or not active. One statement."""
    rows = connections.all(models.HOLDINGS, declarant=declarant_id, now=now)
    if not rows:
        return None
    vector = (declarant_id, rows[0][0], rows[0][5], [(row[1], row[2], bool(row[4])) for row in rows if row[1] is not None])
    version = hashlib.blake2b(repr(vector).encode(), digest_size=8, key=catalogue.digest).hexdigest()
    live = [row for row in rows if row[4]]
    ceilings = {row[6:] for row in live}
    return Holdings(version, union(Masks(*ceiling) for ceiling in ceilings), sum(row[3] for row in live), len(live))


def rights_version(connections: Connections, catalogue: Catalogue, declarant_id: int, now: datetime) -> str:
    """16 hexadecimal digits that change with every gesture on the account, its portfolios, the catalogue or the register of
    declarations. Equality only.

    It does not move by itself when a right opens or ends at its date: that is seen at the next token or page.
    """
    held = holdings(connections, catalogue, declarant_id, now)
    return NO_VERSION if held is None else held.version


def menu(
    connections: Connections, catalogue: Catalogue, declarant_id: int, held: Holdings, now: datetime, most: int,
) -> tuple[Masks, int]:
    """What the account may meet, and its number of sets, without looking at targets: exclusions and content are not counted.

    `most` direct sets are read; when there are more, everything is taken for possible. One statement.
    """
    rows = connections.all(models.DIRECT_MASKS, declarant=declarant_id, now=now, limit=most, **looking(now, follows=True))
    direct = [row for row in rows if row[0] == 0]
    opened = [catalogue.liens.ouverts] if len(direct) < len(rows) else []
    sets = sum(row[1] for row in direct)
    masks = EVERYTHING if sets == most else union((held.ceiling, *opened, *(Masks(*row[2:]) for row in direct)))
    return masks, held.clients + sets


def services_of(connections: Connections, catalogue: Catalogue, declarant_id: int, now: datetime) -> Rights:
    """Services on which the account holds a right somewhere, and which. One statement, three for an account of over 1,000 sets.

    Such an account gets its menu: what its direct rights and the containers of its portfolios open, exclusions left out.
    """
    page = targets(connections, catalogue, declarant_id, services=None, now=now)
    held = None if page.following is None else holdings(connections, catalogue, declarant_id, now)
    if held is None:
        return merged(page.targets)
    return catalogue.rights(menu(connections, catalogue, declarant_id, held, now, ALL_SETS)[0])


def count(
    connections: Connections, catalogue: Catalogue, declarant_id: int, *, services: Collection[str] | None, now: datetime,
    limit: int = LONGEST_PAGE,
) -> tuple[int, bool]:
    """How many targets among the first `limit` sets, and whether that is all of them. One statement."""
    page = targets(connections, catalogue, declarant_id, services=services, now=now, limit=limit)
    return len(page.targets), page.following is None


def disclose(
    connections: Connections, catalogue: Catalogue, declarant_id: int, *, services: Collection[str], now: datetime, bound: int,
) -> Disclosure:
    """What a partner entitled to these services may learn: form A up to `bound` numbers written, else form B.

    Two statements for form A, three for form B, one more where the sets are many and the targets few. An account is over the bound
    when a walk of fixed length says so; its menu comes from its portfolios and its first MENU_SETS direct sets.
    """
    held = holdings(connections, catalogue, declarant_id, now) if services else None
    if held is None:
        return Disclosure(NO_VERSION, (), {})
    found = within(connections, catalogue, declarant_id, services, now, bound)
    if found is not None:
        return Disclosure(held.version, found, {})
    masks, sets = menu(connections, catalogue, declarant_id, held, now, MENU_SETS)
    granted = catalogue.rights(masks, services)
    if not granted:
        return Disclosure(held.version, (), {})
    return Disclosure(held.version, None, granted, sets, held.portefeuilles)


def within(
    connections: Connections, catalogue: Catalogue, declarant_id: int, services: Collection[str], now: datetime, bound: int,
) -> tuple[Target, ...] | None:
    """All the targets, when they are few; None beyond the bound, or when too many sets would have to be examined to know."""
    found: tuple[Target, ...] = ()
    after: Position | None = Position()
    for limit in (bound + 20, 3 * bound + 40):
        page = targets(connections, catalogue, declarant_id, services=services, now=now, after=after, limit=limit)
        found, after = found + page.targets, page.following
        if sum(target.size for target in found) > bound:
            return None
        if after is None:
            return found
    return None


def claim_page(
    connections: Connections, catalogue: Catalogue, declarant_id: int, *, services: Collection[str], now: datetime,
    after: str = "", limit: int = LONGEST_PAGE,
) -> ClaimPage:
    """One page of what form B points to; `after` is the `next` of the page before. Raises InvalidPositionError. Three statements.

    The version is read before and after the targets: between two that are equal no gesture came, so two pages of one version
    are of one state. When gestures never pause, the page bears the version before: whoever compares it starts again.
    """
    position = Position.parse(after) if after else None
    version = rights_version(connections, catalogue, declarant_id, now)
    for _ in range(PAGE_READINGS):
        page = targets(connections, catalogue, declarant_id, services=services, now=now, after=position, limit=limit)
        before, version = version, rights_version(connections, catalogue, declarant_id, now)
        if before == version:
            break
    return ClaimPage(before, page.targets, page.following)
