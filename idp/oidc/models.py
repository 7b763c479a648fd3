"""What lasts of the protocol: families of refresh tokens and consents."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, and_, bindparam, exists, insert, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.database import Instant, Json, Model, Statement
from idp.declarants.models import Declarant, Statut


class RefreshFamily(Model):
    """The tokens of one authorization. One row for its whole life: the hash of the token in force moves, the row stays.

    A token that MAG did issue but that is neither the one in force nor, for a few seconds, the one before, ends the family
    (RFC 9700 section 4.14.2).
    """

    __tablename__ = "refresh_families"
    __table_args__ = (
        Index("ix_refresh_families_sid", "sid"),
        Index("ix_refresh_families_declarant_id", "declarant_id"),
        Index("ix_refresh_families_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100))
    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"))
    sid: Mapped[str] = mapped_column(String(32))
    offline: Mapped[bool]
    """Outlives the session that gave it (OpenID Connect Core section 11)."""
    context: Mapped[dict[str, Any]] = mapped_column(Json)
    """Scope, auth_time, acr, amr, nonce, claims: what later tokens repeat."""
    current_hash: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    successor_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The token in force, sealed under the one before: a lost answer is given again, and only to who holds that one."""
    rotated_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_reason: Mapped[str | None] = mapped_column(String(30))


class Consent(Model):
    """What a person agreed to tell a client."""

    __tablename__ = "consents"

    declarant_id: Mapped[int] = mapped_column(ForeignKey("declarants.id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    scope: Mapped[str] = mapped_column(Text)
    given_at: Mapped[datetime]
