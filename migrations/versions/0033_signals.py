"""Streams of security events, who is known to which partner, and the outbox of events; what happened to accounts says when it was spread.

Revision 0033. Runs while the code of the revision before still runs: what it writes waits for the next code, which tells it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0033"
down_revision: str | Sequence[str] | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Big = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("account_events", sa.Column("details", Json, server_default="{}", nullable=False))
    op.add_column("account_events", sa.Column("spread_at", Instant, nullable=True))
    op.execute("update account_events set spread_at = at")
    waiting = sa.text("spread_at IS NULL")
    op.create_index("ix_account_events_waiting", "account_events", ["id"], postgresql_where=waiting, sqlite_where=waiting)
    op.create_table(
        "signal_streams",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(100), nullable=False),
        sa.Column("description", sa.String(200), nullable=True),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("endpoint_url", sa.String(2000), nullable=True),
        sa.Column("authorization_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("requested", Json, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200), nullable=True),
        sa.Column("held_by", sa.String(100), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("verified_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_streams")),
        sa.UniqueConstraint("client_id", name=op.f("uq_signal_streams_client_id")),
    )
    op.create_table(
        "signal_subjects",
        sa.Column("client_id", sa.String(100), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("sub", sa.String(255), nullable=False),
        sa.Column("live_until", Instant, nullable=False),
        sa.Column("epoque", Big, nullable=False),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_signal_subjects_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "declarant_id", name=op.f("pk_signal_subjects")),
    )
    op.create_index("ix_signal_subjects_declarant_id", "signal_subjects", ["declarant_id"])
    op.create_index("ix_signal_subjects_live_until", "signal_subjects", ["live_until"])
    op.create_table(
        "signal_mutes",
        sa.Column("stream_id", sa.String(32), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["signal_streams.id"], name=op.f("fk_signal_mutes_stream_id_signal_streams"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["declarant_id"], ["declarants.id"], name=op.f("fk_signal_mutes_declarant_id_declarants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("stream_id", "declarant_id", name=op.f("pk_signal_mutes")),
    )
    op.create_table(
        "signals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.String(32), nullable=False),
        sa.Column("jti", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("client_id", sa.String(100), nullable=False),
        sa.Column("sub", sa.String(255), nullable=True),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("details", Json, nullable=False),
        sa.Column("occurred_at", Instant, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("next_try_at", Instant, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", Instant, nullable=True),
        sa.Column("failure", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(["stream_id"], ["signal_streams.id"], name=op.f("fk_signals_stream_id_signal_streams"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signals")),
        sa.UniqueConstraint("jti", name=op.f("uq_signals_jti")),
    )
    op.create_index("ix_signals_stream_id", "signals", ["stream_id", "id"])
    op.create_index("ix_signals_next_try_at", "signals", ["next_try_at"])
    op.create_index("ix_signals_created_at", "signals", ["created_at"])


def downgrade() -> None:
    for table in ("signals", "signal_mutes", "signal_subjects", "signal_streams"):
        op.drop_table(table)
    op.drop_index("ix_account_events_waiting", "account_events")
    with op.batch_alter_table("account_events") as table_of_events:
        table_of_events.drop_column("spread_at")
        table_of_events.drop_column("details")
