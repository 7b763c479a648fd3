"""What happened and is not spread yet, who knows the person, and the rows that come of it: statements alone."""

from typing import Any

from sqlalchemy import Integer, String, and_, bindparam, delete, exists, func, select, union, update

from idp.database import Instant, Statement, listed
from idp.declarants.models import AccountEvent, Declarant
from idp.declarants.statuts import Statut
from idp.oidc.backchannel.models import Participation
from idp.oidc.models import RefreshFamily
from idp.oidc.signals.models import KnownSubject, MutedSubject, Signal, Stream, bound, by_dialect, epoque_of, inserted

WAITING = Statement(lambda: select(AccountEvent.id).where(AccountEvent.spread_at.is_(None)).limit(1))
"""Whether something happened that nobody was told of yet."""
OLDEST = Statement(
    lambda: (
        select(AccountEvent.id, AccountEvent.kind, AccountEvent.declarant_id, AccountEvent.uid, AccountEvent.at, AccountEvent.details)
        .where(AccountEvent.spread_at.is_(None))
        .order_by(AccountEvent.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
)
SPREAD = Statement(
    lambda: (
        update(AccountEvent)
        .where(AccountEvent.id == bound(AccountEvent.__table__.c.id, "event_id"))
        .values(spread_at=bindparam("now", type_=Instant()))
    )
)
NOBODY = Statement(lambda: update(AccountEvent).where(AccountEvent.spread_at.is_(None)).values(spread_at=bindparam("now", type_=Instant())))
"""Nobody listens: nothing waits."""
OF_PERSON = bindparam("of_person", type_=Integer)
KNOWN = Statement(
    lambda: select(KnownSubject.client_id, KnownSubject.sub, KnownSubject.live_until).where(KnownSubject.declarant_id == OF_PERSON)
)
IN_SESSION = Statement(
    lambda: union(
        select(Participation.client_id).where(Participation.sid == bindparam("of_sid", type_=String)),
        select(RefreshFamily.client_id).where(RefreshFamily.sid == bindparam("of_sid", type_=String)),
    )
)
MUTED = Statement(lambda: select(MutedSubject.stream_id).where(MutedSubject.declarant_id == OF_PERSON))
FORGET = Statement(lambda: delete(KnownSubject).where(KnownSubject.declarant_id == OF_PERSON))
WRITE = by_dialect(
    lambda dialect: inserted(dialect, Signal).values(
        {
            name: bound(Signal.__table__.c[name])
            for name in (
                *("stream_id", "jti", "kind", "client_id", "sub", "declarant_id", "details", "occurred_at", "created_at"),
                *("next_try_at", "tries"),
            )
        }
    )
)


def _moved(dialect: str) -> Any:
    """Persons whose rights moved since these clients, who hold something that lives, were told."""
    known = KnownSubject
    live = and_(known.live_until > bindparam("now", type_=Instant()), known.client_id.in_(listed(dialect, "clients", String)))
    active = exists().where(Declarant.id == known.declarant_id, Declarant.statut == Statut.ACTIF)
    epoque = epoque_of(known.declarant_id)
    return (
        select(known.client_id, known.declarant_id, known.sub, known.epoque, epoque).where(live, active, known.epoque != epoque).limit(500)
    )


MOVED = by_dialect(_moved)
TOLD = Statement(
    lambda: (
        update(KnownSubject)
        .where(
            KnownSubject.client_id == bound(KnownSubject.__table__.c.client_id, "of_client"),
            KnownSubject.declarant_id == OF_PERSON,
            KnownSubject.epoque == bound(KnownSubject.__table__.c.epoque, "moved_from"),
        )
        .values(epoque=bound(KnownSubject.__table__.c.epoque, "moved_to"))
    )
)
"""Of any number of processes that see it, one tells, and none puts back what another wrote since."""


# ------------------------------------------------------------------------------------------------- those who came before a stream

FILLING = Statement(lambda: select(Stream.id, Stream.client_id).where(Stream.filled_to.is_not(None)).order_by(Stream.id))
"""Streams to which not everybody is known yet."""
THIS_STREAM = bindparam("of_stream", type_=String)
HELD = Statement(
    lambda: select(Stream.filled_to).where(Stream.id == THIS_STREAM, Stream.filled_to.is_not(None)).with_for_update(skip_locked=True)
)
"""How far one is filled, for this caller alone."""
FILLED = Statement(lambda: update(Stream).where(Stream.id == THIS_STREAM).values(filled_to=bindparam("up_to", type_=Integer)))
AFTER, UP_TO, MOST = bindparam("after", type_=Integer), bindparam("up_to", type_=Integer), bindparam("most", type_=Integer)
CAME = (RefreshFamily, Participation)
"""Tables that say who signed in at which client."""


def _next_persons(dialect: str) -> Any:
    """Numbers of those who come next, in order."""
    pages = [
        select(
            select(table.declarant_id)
            .where(table.client_id.in_(listed(dialect, "clients", String)), table.declarant_id > AFTER)
            .distinct()
            .order_by(table.declarant_id)
            .limit(MOST)
            .subquery()
        )
        for table in CAME
    ]
    both = union(*pages).subquery()
    return select(both.c.declarant_id).order_by(both.c.declarant_id).limit(MOST)


def _holders(dialect: str) -> Any:
    """Who signed in at these clients before anybody heard of it, as far as families of tokens and sessions tell; not who left long ago."""
    left = and_(
        Declarant.statut == Statut.RADIE, ~exists().where(AccountEvent.declarant_id == Declarant.id, AccountEvent.spread_at.is_(None))
    )
    both = union(
        *(
            select(table.client_id, table.declarant_id, Declarant.uid, func.max(table.expires_at).label("until"))
            .join(Declarant, Declarant.id == table.declarant_id)
            .where(table.client_id.in_(listed(dialect, "clients", String)), table.declarant_id > AFTER, table.declarant_id <= UP_TO, ~left)
            .group_by(table.client_id, table.declarant_id, Declarant.uid)
            for table in CAME
        )
    ).subquery()
    row = both.c
    found = select(row.client_id, row.declarant_id, row.uid, func.max(row.until)).group_by(row.client_id, row.declarant_id, row.uid)
    return found.order_by(row.declarant_id, row.client_id)  # one order: two processes never lock each other


def _made_known(dialect: str) -> Any:
    """What is known already stays."""
    known = KnownSubject.__table__.c
    names = ("client_id", "declarant_id", "sub", "live_until")
    row = inserted(dialect, KnownSubject).values(
        {**{name: bound(known[name]) for name in names}, "epoque": epoque_of(bound(known["declarant_id"]))}
    )
    return row.on_conflict_do_nothing(index_elements=["client_id", "declarant_id"])


NEXT_PERSONS, HOLDERS, MADE_KNOWN = by_dialect(_next_persons), by_dialect(_holders), by_dialect(_made_known)
