"""Telling partners that a session ended: who took part in it, and the outbox of notices.

Revision 0004, after 0003. Runs while the code of the revision before still runs.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | Sequence[str] | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def instant() -> sa.DateTime:
    return sa.DateTime(timezone=True).with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "participations",
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", instant(), nullable=False),
        sa.Column("expires_at", instant(), nullable=False),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_participations_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("sid", "client_id", name=op.f("pk_participations")),
    )
    op.create_index("ix_participations_declarant_id", "participations", ["declarant_id"])
    op.create_index("ix_participations_expires_at", "participations", ["expires_at"])

    op.create_table(
        "logout_notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("declarant_id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("next_try_at", instant(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", instant(), nullable=True),
        sa.Column("failure", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["declarant_id"], ["declarants.id"], name=op.f("fk_logout_notices_declarant_id_declarants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logout_notices")),
    )
    op.create_index("uq_logout_notices_sid", "logout_notices", ["sid", "client_id"], unique=True)
    op.create_index("ix_logout_notices_next_try_at", "logout_notices", ["next_try_at"])
    op.create_index("ix_logout_notices_created_at", "logout_notices", ["created_at"])


def downgrade() -> None:
    op.drop_table("logout_notices")
    op.drop_table("participations")
