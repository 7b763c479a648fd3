"""Letters, the quality of addresses, dormant identities, and the events that partners will be told.

Revision 0013, after 0012. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | Sequence[str] | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

Instant = sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")
ADDED = ("email_asked_at", "email_reminded_at", "email_bounced_at", "email_locked_until", "dormant_until", "erased_at")
COUNTED = ("email_soft_bounces", "dormant_told")


def upgrade() -> None:
    for name in ADDED:
        op.add_column("declarants", sa.Column(name, Instant, nullable=True))
    for name in COUNTED:
        op.add_column("declarants", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.add_column("mails", sa.Column("bounced_at", Instant, nullable=True))
    op.create_index("ix_mails_declarant_id", "mails", ["declarant_id"])
    op.create_table(
        "letters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=True),
        sa.Column("declarant_id", sa.Integer(), nullable=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("exported_at", Instant, nullable=True),
        sa.Column("printed_at", Instant, nullable=True),
        sa.Column("void_at", Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
    )
    op.create_index("ix_letters_declarant_id", "letters", ["declarant_id"])
    op.create_index("ix_letters_printed_at", "letters", ["printed_at"])
    op.create_table(
        "account_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_events")),
    )
    op.create_index("ix_account_events_at", "account_events", ["at"])


def downgrade() -> None:
    op.drop_table("account_events")
    op.drop_table("letters")
    op.drop_index("ix_mails_declarant_id", "mails")
    op.drop_column("mails", "bounced_at")
    for name in (*COUNTED, *ADDED):
        op.drop_column("declarants", name)
