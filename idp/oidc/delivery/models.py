"""What every outbox has: the columns of a row that must leave, and the statements by which any number of processes empty it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam, null, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Instant, Statement

LONGEST_FAILURE = 200
NOW = bindparam("now", type_=Instant())


class Outgoing:
    """Columns of a row that must leave."""

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None]
    """None once delivered or given up."""
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    failure: Mapped[str | None] = mapped_column(String(LONGEST_FAILURE))


@dataclass(frozen=True, slots=True)
class Statements:
    """By which an outbox is emptied."""

    due: Statement
    """Whether there is anything to claim: asked all day, and takes no lock."""
    claim: Statement
    """The oldest row due, for this caller alone until `until`: of any number of processes one gets it. Then it is anybody's again."""
    delivered: Statement
    not_delivered: Statement
    put_off: Statement
    """Claimed, and not tried: it does not count."""
    postpone: Statement
    """A partner that does not answer: its other rows wait too, rather than hold the places of others."""


def statements(outgoing: type[Any], to: Any, told: Sequence[Any], *ready: Any) -> Statements:
    """Of one outbox: `to`, the column that says whom; `told`, what a claim returns; `ready`, what a row needs besides its hour."""
    columns: Mapping[str, Any] = outgoing.__table__.c

    def bind(name: str, column: Any) -> Any:
        return bindparam(name, type_=column.type)

    this = (columns["id"] == bind("row_id", columns["id"]), columns["tries"] == bind("at_try", columns["tries"]))
    claimed = (*this, columns["sent_at"].is_(None))
    due = (columns["next_try_at"] <= NOW, *ready)
    later = bind("later", columns["next_try_at"])
    oldest = select(columns["id"]).where(*due).order_by(columns["next_try_at"]).limit(1).with_for_update(skip_locked=True, of=outgoing)
    return Statements(
        due=Statement(lambda: select(columns["id"]).where(*due).limit(1)),
        claim=Statement(
            lambda: (
                update(outgoing)
                .where(columns["id"] == oldest.scalar_subquery(), columns["next_try_at"] <= NOW)
                .values(next_try_at=bind("until", columns["next_try_at"]), tries=columns["tries"] + 1)
                .returning(*told)
            )
        ),
        delivered=Statement(lambda: update(outgoing).where(*claimed).values(sent_at=NOW, next_try_at=null(), failure=null())),
        not_delivered=Statement(
            lambda: update(outgoing).where(*claimed).values(next_try_at=later, failure=bind("why", columns["failure"]))
        ),
        put_off=Statement(lambda: update(outgoing).where(*claimed).values(next_try_at=later, tries=columns["tries"] - 1)),
        postpone=Statement(
            lambda: update(outgoing).where(to == bind("of_key", to), columns["next_try_at"] <= NOW).values(next_try_at=later)
        ),
    )
